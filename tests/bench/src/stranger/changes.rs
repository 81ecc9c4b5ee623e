//! One instance of region A, changed at its own pace: when a plain consumer has the record of each change, and when a watcher of region
//! B's gateway is shown it. A change that a later one overtook counts as seen with that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation_core::log::record::TopicKind;
use federation_proto::federation::log::v1 as proto;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use federation_proto::federation::v1::watch_service_response::Event;
use federation_proto::federation::v1::{WatchServiceRequest, WatchServiceResponse};
use prost::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::task::{JoinSet, spawn_blocking};
use tonic::Streaming;

use crate::stage::{self, PARTITIONS, Stage};

/// The service that is changed.
const SERVICE: &str = "timed";
/// The pair of metadata that numbers the changes.
const NUMBER: &str = "n";
/// Pauses between changes.
const PAUSE_MS: std::ops::Range<u64> = 50..100;
/// How long the last change is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may wait before it looks whether it is to stop.
const NOTICE: Duration = Duration::from_millis(100);

/// Slow changes that are told one by one.
const SLOWEST: usize = 12;

/// When something numbered was seen.
type Sightings = Vec<(u64, Instant)>;

/// How long changes took to be seen, in milliseconds, sorted.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// From the call to A's registry until a plain consumer had the record.
    pub(crate) plain: Vec<f64>,
    /// From there until a watcher of B was shown it.
    pub(crate) shown: Vec<f64>,
    /// The second without the first, change by change.
    pub(crate) difference: Vec<f64>,
    /// When the changes were made for which the difference was largest, in seconds, and the difference.
    pub(crate) slowest: Vec<(f64, f64)>,
    /// Changes that a watcher of B was never shown.
    pub(crate) unseen: usize,
}

/// Changes the instance for `length`.
pub(crate) async fn run(stage: &Stage, length: Duration) -> Result<Changes> {
    let (stop, read_up_to) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let consumer = plain_consumer(&stage.bootstrap())?;
    let (mut readers, mut watchers) = (JoinSet::new(), JoinSet::new());
    let (told, newest) = (Arc::clone(&stop), Arc::clone(&read_up_to));
    readers.spawn(async move { spawn_blocking(move || read(&consumer, &told, &newest)).await? });
    let first = warm_up(stage, &read_up_to).await?;
    let mut watch = watch(stage).await?;
    await_number(&mut watch, first).await?;
    let told = Arc::clone(&stop);
    watchers.spawn(async move { watched(watch, &told).await });
    let mut begun = Vec::new();
    let until = Instant::now() + length;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(rand::random_range(PAUSE_MS))).await;
        let number = first + 1 + begun.len() as u64;
        begun.push((number, Instant::now()));
        change(stage, number).await?;
    }
    let last = first + begun.len() as u64;
    let shown = stage.until_shown(SERVICE, NUMBER, last, PATIENCE).await;
    tokio::time::sleep(NOTICE * 5).await; // What is shown to one is shown to all within this.
    stop.store(true, Ordering::Relaxed);
    change(stage, last + 1).await?; // Wakes the watcher.
    let read = readers.join_next().await.context("one was begun")???;
    let watched = watchers.join_next().await.context("one was begun")???;
    ensure!(shown || !watched.is_empty(), "B shows none of A's changes");
    Ok(compare(&begun, &read, &watched))
}

/// Changes until the plain consumer, which needs its time to begin, has seen one: gives the last number. Later runs go on counting.
async fn warm_up(stage: &Stage, read_up_to: &AtomicU64) -> Result<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut number = NEXT.fetch_add(1_000_000, Ordering::Relaxed);
    let begun = Instant::now();
    while read_up_to.load(Ordering::Relaxed) == 0 {
        ensure!(begun.elapsed() < PATIENCE, "the plain consumer sees nothing");
        number += 1;
        change(stage, number).await?;
        tokio::time::sleep(NOTICE).await;
    }
    Ok(number)
}

async fn change(stage: &Stage, number: u64) -> Result<()> {
    let metadata = format!("{{\"{NUMBER}\":\"{number}\"}}");
    let form = [
        ("serviceName", SERVICE),
        ("ip", "10.9.9.9"),
        ("port", "80"),
        ("ephemeral", "false"),
        ("metadata", metadata.as_str()),
    ];
    stage.register_at_a(&form).await
}

fn plain_consumer(bootstrap: &str) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "plain")
        .set("enable.auto.commit", "false")
        .create()?;
    let topic = stage::topics()?.of(&"a".parse()?, TopicKind::Instances);
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(&topic, i32::try_from(partition)?, Offset::End)?;
    }
    consumer.assign(&assignment)?;
    // One look around, so that it knows the partition's leader before the clock runs.
    consumer.fetch_metadata(Some(&topic), PATIENCE)?;
    Ok(consumer)
}

fn read(consumer: &BaseConsumer, stop: &AtomicBool, read_up_to: &AtomicU64) -> Result<Sightings> {
    let mut seen = Sightings::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(NOTICE) else { continue };
        let message = message?;
        let record = message.payload().and_then(|value| proto::InstanceRecord::decode(value).ok());
        let number = record.and_then(|record| record.metadata.get(NUMBER)?.parse().ok());
        seen.extend(number.map(|number| (number, Instant::now())));
        number.into_iter().for_each(|number| read_up_to.store(number, Ordering::Relaxed));
    }
    Ok(seen)
}

async fn watch(stage: &Stage) -> Result<Streaming<WatchServiceResponse>> {
    let mut client = DiscoveryClient::connect(stage.b.grpc()).await?;
    let request = WatchServiceRequest { service_name: SERVICE.to_owned(), ..WatchServiceRequest::default() };
    Ok(client.watch_service(request).await?.into_inner())
}

async fn await_number(watch: &mut Streaming<WatchServiceResponse>, number: u64) -> Result<()> {
    let until = async {
        while let Some(response) = watch.message().await? {
            if number_of(&response).is_some_and(|shown| shown >= number) {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, until).await.context("B never showed the first change")?
}

async fn watched(mut watch: Streaming<WatchServiceResponse>, stop: &AtomicBool) -> Result<Sightings> {
    let mut seen = Sightings::new();
    while !stop.load(Ordering::Relaxed) {
        // Cancel-safe: a message that was not taken stays in the stream.
        let Ok(response) = tokio::time::timeout(PATIENCE, watch.message()).await else { break };
        let Some(response) = response? else { bail!("the watch ended") };
        seen.extend(number_of(&response).map(|number| (number, Instant::now())));
    }
    Ok(seen)
}

fn number_of(response: &WatchServiceResponse) -> Option<u64> {
    let Some(Event::Service(service)) = &response.event else { return None };
    let own = service.instances.iter().find(|instance| instance.origin == "a")?;
    own.metadata.get(NUMBER)?.parse().ok()
}

fn compare(begun: &Sightings, read: &Sightings, watched: &Sightings) -> Changes {
    let first_from = |seen: &Sightings, number| seen.iter().find(|(shown, _)| *shown >= number).map(|(_, at)| *at);
    let mut changes = Changes::default();
    let start = begun.first().map_or_else(Instant::now, |(_, at)| *at);
    for (number, at) in begun {
        let millis = |seen: Instant| seen.saturating_duration_since(*at).as_secs_f64() * 1000.0;
        let (plain, shown) = (first_from(read, *number), first_from(watched, *number));
        changes.plain.extend(plain.map(millis));
        changes.shown.extend(shown.map(millis));
        let difference = plain.zip(shown).map(|(plain, shown)| millis(shown) - millis(plain));
        changes.difference.extend(difference);
        changes.slowest.extend(difference.map(|difference| (at.duration_since(start).as_secs_f64(), difference)));
        changes.unseen += usize::from(shown.is_none());
    }
    for figures in [&mut changes.plain, &mut changes.shown, &mut changes.difference] {
        figures.sort_by(f64::total_cmp);
    }
    changes.slowest.sort_by(|left, right| right.1.total_cmp(&left.1));
    changes.slowest.truncate(SLOWEST);
    changes
}
