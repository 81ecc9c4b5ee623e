//! Changes at a steady pace, by whoever makes them, and how long a watcher of a gateway waits for some of them: those of one service, which
//! is changed forty times a second beside all others. What a change costs is what the gateways use more than when nothing changes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation_harness::Gateway;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use federation_proto::federation::v1::watch_service_response::Event;
use federation_proto::federation::v1::{WatchServiceRequest, WatchServiceResponse};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Streaming;

use crate::reader;
use crate::shape;

/// Changes of the service that is watched, each second, at most half of all.
const WATCHED_RATE: u64 = 40;
/// Changes come in bursts of a hundredth of a second.
const BURST: Duration = Duration::from_millis(10);
/// How long the last change is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who changes instances. Versions grow.
pub(crate) trait Changer {
    /// Sends the change of one instance, without waiting for what becomes of it.
    async fn change(&self, instance: u64, version: u64) -> Result<()>;

    /// Waits until all changes have been taken.
    async fn settle(&self) -> Result<()>;
}

/// What a stretch of changes showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    /// Changes each second that were asked for, and that were made.
    pub(crate) wanted: u64,
    pub(crate) made: f64,
    /// How many.
    pub(crate) changes: u64,
    /// From the change to its sight by the watcher, in milliseconds, sorted.
    pub(crate) lag: Vec<f64>,
    /// Processor time of one change beside that of resting, in microseconds, of each gateway.
    pub(crate) processor: Vec<f64>,
}

/// What is changed and who looks.
pub(crate) struct Course<'a> {
    /// Where the watcher looks.
    pub(crate) reader: &'a Gateway,
    /// Whose processor time is counted, with their share of a core at rest.
    pub(crate) gateways: Vec<(&'a Gateway, f64)>,
    /// The first instance, of the service that is watched, and how many there are.
    pub(crate) first: u64,
    pub(crate) instances: u64,
}

impl Course<'_> {
    /// Changes `rate` instances each second for `length`.
    pub(crate) async fn run(&self, changer: &impl Changer, rate: u64, length: Duration) -> Result<Stretch> {
        let mut watcher = self.watch().await?;
        let base = next_version(&mut watcher).await?; // The first event is the present state.
        let (told, mut newest) = watch::channel(base);
        let mut sightings = JoinSet::new();
        let until = Instant::now() + length;
        let before = self.processor()?;
        let begun = Instant::now();
        sightings.spawn(async move { see(watcher, &told, until + PATIENCE).await });
        let (sent, changes) = self.change(changer, rate, base, until).await?;
        let made = changes as f64 / begun.elapsed().as_secs_f64();
        let last = sent.last().context("something was changed")?.0;
        tokio::time::timeout(PATIENCE, newest.wait_for(|seen| *seen >= last))
            .await
            .context("not seen within a minute")??;
        changer.settle().await?;
        let took = begun.elapsed().as_secs_f64();
        let used = self.processor()?.into_iter().zip(before).zip(&self.gateways);
        let each = |((after, before), (_, idle)): ((f64, f64), &(&Gateway, f64))| {
            (after - before - idle * took).max(0.0) * 1e6 / changes as f64
        };
        let processor = used.map(each).collect();
        drop(newest);
        let seen = sightings.join_next().await.context("one was begun")???;
        Ok(Stretch { wanted: rate, made, changes, lag: lag(&sent, &seen), processor })
    }

    /// Changes made, and how many; those of the watched service with their times.
    async fn change(
        &self,
        changer: &impl Changer,
        rate: u64,
        base: u64,
        until: Instant,
    ) -> Result<(Vec<(u64, Instant)>, u64)> {
        let (mut sent, mut changes) = (Vec::new(), 0);
        let watched_every = (rate / WATCHED_RATE).max(2);
        let begun = Instant::now();
        let mut bursts = tokio::time::interval(BURST);
        while Instant::now() < until {
            bursts.tick().await;
            let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
            while changes < due && Instant::now() < until {
                let version = base + 1 + changes;
                if changes.is_multiple_of(watched_every) {
                    sent.push((version, Instant::now()));
                    changer.change(self.first, version).await?;
                } else {
                    // All over the registry, never the watched service.
                    let others = self.instances - shape::INSTANCES;
                    let other = self.first + shape::INSTANCES + version.wrapping_mul(7_919) % others;
                    changer.change(other, version).await?;
                }
                changes += 1;
            }
        }
        ensure!(changes > 0, "nothing was changed");
        Ok((sent, changes))
    }

    fn processor(&self) -> Result<Vec<f64>> {
        self.gateways.iter().map(|(gateway, _)| reader::processor(gateway)).collect()
    }

    async fn watch(&self) -> Result<Streaming<WatchServiceResponse>> {
        let mut client = DiscoveryClient::connect(self.reader.grpc()).await?;
        let service_name = shape::service_name(self.first / shape::INSTANCES);
        let request = WatchServiceRequest { service_name, ..WatchServiceRequest::default() };
        Ok(client.watch_service(request).await?.into_inner())
    }
}

async fn see(
    mut watcher: Streaming<WatchServiceResponse>,
    told: &watch::Sender<u64>,
    until: Instant,
) -> Result<Vec<(u64, Instant)>> {
    let mut seen = Vec::new();
    while !told.is_closed() && Instant::now() < until {
        // Cancel-safe: a message that was not taken stays in the stream.
        let Ok(version) = tokio::time::timeout(BURST * 10, next_version(&mut watcher)).await else { continue };
        let version = version?;
        seen.push((version, Instant::now()));
        told.send_replace(version);
    }
    Ok(seen)
}

/// The highest version of the watched service in the next event.
async fn next_version(watcher: &mut Streaming<WatchServiceResponse>) -> Result<u64> {
    while let Some(response) = watcher.message().await? {
        if let Some(Event::Service(service)) = response.event {
            let versions = service.instances.iter().filter_map(|instance| instance.metadata.get(shape::VERSION));
            return versions.filter_map(|value| shape::version_of(value)).max().context("an instance has a version");
        }
    }
    bail!("the watch ended")
}

/// A change that a later one overtook counts as seen with that.
fn lag(sent: &[(u64, Instant)], seen: &[(u64, Instant)]) -> Vec<f64> {
    let mut seen = seen.iter().peekable();
    let mut lags = Vec::new();
    for (version, at) in sent {
        while seen.next_if(|(shown, _)| shown < version).is_some() {}
        lags.extend(seen.peek().map(|(_, shown)| shown.saturating_duration_since(*at).as_secs_f64() * 1000.0));
    }
    lags.sort_by(f64::total_cmp);
    lags
}
