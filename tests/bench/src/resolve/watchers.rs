//! Many watchers of one plan, one change: when each of them has it, next to as many streams that are handed fixed bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use super::channel::{Channel, Heard};

/// Calls that begin at a time: what they send has to fit into the window that the server opens with.
const AT_A_TIME: usize = 256;
const PATIENCE: Duration = Duration::from_secs(60);

/// Open streams on a few connections.
pub(crate) struct Watchers {
    channels: Vec<(Channel, usize)>,
    /// Length of the newest message, in bytes.
    pub(crate) length: usize,
}

impl Watchers {
    /// Opens `watchers` streams over `connections` connections, and waits for the first message of each.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &'static str,
        request: &[u8],
        watchers: usize,
        connections: usize,
    ) -> Result<Self> {
        let mut opened = Self { channels: Vec::new(), length: 0 };
        for part in 0..connections {
            let wanted = watchers / connections + usize::from(part < watchers % connections);
            let mut channel = Channel::connect(address, path).await?;
            let mut open = 0;
            while open < wanted {
                let more = AT_A_TIME.min(wanted - open);
                for _ in 0..more {
                    channel.begin(request);
                }
                let (seen, length) = messages(&mut channel, more).await?;
                ensure!(seen.len() == more, "a stream had more than one first message");
                (open, opened.length) = (open + more, length);
            }
            opened.channels.push((channel, wanted));
        }
        Ok(opened)
    }

    /// Waits for one message of each stream, and returns when each came. Begin before the change.
    pub(crate) async fn hear(mut self) -> Result<(Self, Vec<Instant>)> {
        let mut tasks = JoinSet::new();
        for (mut channel, open) in self.channels.drain(..) {
            tasks.spawn(async move {
                let heard = tokio::time::timeout(PATIENCE, messages(&mut channel, open));
                let (seen, length) = heard.await.context("watchers heard nothing")??;
                anyhow::Ok((channel, open, seen, length))
            });
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (channel, open, seen, length) = ended.context("a channel's task ended")??;
            self.channels.push((channel, open));
            self.length = length;
            all.extend(seen);
        }
        Ok((self, all))
    }
}

/// When each of the next messages came, and the length of the last one. At most one of each stream is expected.
async fn messages(channel: &mut Channel, count: usize) -> Result<(Vec<Instant>, usize)> {
    let (mut seen, mut newest, mut ended) = (Vec::new(), 0, false);
    while seen.len() < count {
        let mut came = 0;
        let hear = |heard| match heard {
            Heard::Message { length, .. } => (came, newest) = (came + 1, length),
            Heard::End { .. } => ended = true,
        };
        channel.exchange(hear).await?;
        ensure!(!ended, "a watch ended");
        seen.resize(seen.len() + came, Instant::now());
    }
    Ok((seen, newest))
}
