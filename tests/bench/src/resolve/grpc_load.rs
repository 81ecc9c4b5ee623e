//! A few channels, each with many calls under way: the next one begins when an answer is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::channel::{Channel, Heard};
use super::requests::Requests;

/// The channels of one method.
pub(crate) struct GrpcLoad {
    channels: Vec<Channel>,
    streams: usize,
}

impl GrpcLoad {
    /// Connects; `streams` calls will be under way on each channel.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &'static str,
        channels: usize,
        streams: usize,
    ) -> Result<Self> {
        let mut load = Self { channels: Vec::new(), streams };
        for _ in 0..channels {
            load.channels.push(Channel::connect(address, path).await?);
        }
        Ok(load)
    }

    /// Calls on all channels for this long; returns how long each answer took, in seconds.
    pub(crate) async fn round(&mut self, requests: &Arc<Requests>, lasts: Duration) -> Result<Vec<f64>> {
        let mut tasks = JoinSet::new();
        let (end, streams) = (Instant::now() + lasts, self.streams);
        for mut channel in self.channels.drain(..) {
            let requests = Arc::clone(requests);
            tasks.spawn(async move {
                let took = until(&mut channel, end, streams, &requests).await?;
                anyhow::Ok((channel, took))
            });
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (channel, took) = ended.context("a channel's task ended")??;
            self.channels.push(channel);
            all.extend(took);
        }
        Ok(all)
    }

    /// Makes these calls, a few at a time; returns the mean length of the messages that answer, in bytes.
    pub(crate) async fn mean_length(&mut self, requests: impl Iterator<Item = &[u8]>) -> Result<usize> {
        let (channel, mut bytes, mut answers) = (&mut self.channels[0], 0, 0);
        for request in requests {
            channel.begin(request);
            let mut ended = false;
            while !ended {
                let hear = |heard| match heard {
                    Heard::Message { length, .. } => bytes += length,
                    Heard::End { .. } => ended = true,
                };
                channel.exchange(hear).await?;
            }
            answers += 1;
        }
        bytes.checked_div(answers).context("nothing was asked")
    }
}

async fn until(channel: &mut Channel, end: Instant, streams: usize, requests: &Requests) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    let mut begun = std::collections::HashMap::new();
    let mut free = streams;
    loop {
        let now = Instant::now();
        if now < end {
            for _ in 0..std::mem::take(&mut free) {
                begun.insert(channel.begin(requests.next()), now);
            }
        }
        if begun.is_empty() {
            return Ok(took);
        }
        let mut ended = Vec::new();
        channel
            .exchange(|heard| {
                if let Heard::End { call } = heard {
                    ended.push(call);
                }
            })
            .await?;
        let now = Instant::now();
        free += ended.len();
        took.extend(ended.iter().filter_map(|call| begun.remove(call)).map(|begun| (now - begun).as_secs_f64()));
    }
}
