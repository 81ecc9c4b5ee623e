//! The peers: librdkafka alone, with the properties of a gateway's reader and of its producer. How fast it reads the same topics, and how
//! long a record takes from its send to a consumer. Also the topics that they, and origins that a bench writes, need.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_kafka::options::{KafkaOptions, ReadPace, TopicSettings};
use federation_kafka::topics::{TopicNames, settings};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

/// How long a client waits before it looks whether it is to go on.
const NOTICE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(120);
const MAKE_WITHIN: Duration = Duration::from_secs(30);
/// Begins the name of every topic, as where nobody says otherwise.
pub const PREFIX: &str = "nacos-fed.";

/// Where a bench reads and writes the log of a federation.
///
/// # Errors
/// The name is none.
pub fn log_options(bootstrap: &str, federation: &str) -> Result<KafkaOptions> {
    Ok(KafkaOptions {
        brokers: vec![bootstrap.to_owned()],
        properties: Default::default(),
        renewed: None,
        topic_prefix: PREFIX.to_owned(),
        federation: federation.parse()?,
        cluster: "bench".parse()?,
        topics: TopicSettings::default(),
        pace: ReadPace::default(),
        imports: Arc::new(|_| true),
        signatures: None,
        cursors: Default::default(),
        keys: Default::default(),
    })
}

/// What was read of a whole log.
#[derive(Clone, Copy, Debug)]
pub struct Consumed {
    /// Records with a value.
    pub records: u64,
    /// How long it took.
    pub took: Duration,
}

/// Reads the topics of instances of these clusters to their ends, and does nothing with what it reads.
///
/// # Errors
/// Kafka does not give them within two minutes.
pub fn consume(options: &KafkaOptions, clusters: &[ClusterId]) -> Result<Consumed> {
    let begun = Instant::now();
    let (consumer, partitions) = assigned(options, clusters, Offset::Beginning)?;
    let (mut records, mut ended) = (0, 0);
    while ended < partitions {
        ensure!(begun.elapsed() < PATIENCE, "the plain consumer did not reach the end");
        match consumer.poll(NOTICE) {
            None => {}
            Some(Ok(message)) => records += u64::from(message.payload().is_some()),
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(Consumed { records, took: begun.elapsed() })
}

fn assigned(options: &KafkaOptions, clusters: &[ClusterId], from: Offset) -> Result<(BaseConsumer, usize)> {
    let names = TopicNames::new(&options.topic_prefix, &options.federation);
    let consumer: BaseConsumer = options.consumer().create()?;
    let mut assignment = TopicPartitionList::new();
    for cluster in clusters {
        for partition in 0..options.topics.partitions {
            let topic = names.of(cluster, TopicKind::Instances);
            assignment.add_partition_offset(&topic, i32::try_from(partition)?, from)?;
        }
    }
    consumer.assign(&assignment)?;
    Ok((consumer, assignment.count()))
}

/// Sends records one by one to an instances topic that no gateway reads, of a federation of its own, each awaited by a consumer before the
/// next one. Times in milliseconds, sorted.
///
/// # Errors
/// Kafka does not do it.
pub async fn floor(options: &KafkaOptions, samples: u64) -> Result<Vec<f64>> {
    let cluster: ClusterId = "floor".parse()?;
    let apart = KafkaOptions { federation: "floor".parse()?, ..options.clone() };
    make_topics(&apart, &cluster).await?;
    spawn_blocking(move || send_one_by_one(&apart, &cluster, samples)).await?
}

fn send_one_by_one(options: &KafkaOptions, cluster: &ClusterId, samples: u64) -> Result<Vec<f64>> {
    let (consumer, _) = assigned(options, std::slice::from_ref(cluster), Offset::Beginning)?;
    let topic = TopicNames::new(&options.topic_prefix, &options.federation).of(cluster, TopicKind::Instances);
    let producer: ThreadedProducer<DefaultProducerContext> = options.data_producer().create()?;
    let (seen, sightings) = sync_channel(1); // Each is awaited before the next is sent.
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read(&consumer, samples, &seen));
        let mut figures = Vec::new();
        for number in 0..samples {
            let begun = Instant::now();
            let (key, value) = (number.to_be_bytes(), [0_u8; 250]);
            let record = BaseRecord::to(&topic).partition(0).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
            let at = sightings.recv_timeout(PATIENCE).context("the plain consumer saw no record")?;
            figures.push(at.duration_since(begun).as_secs_f64() * 1000.0);
        }
        reading.join().map_err(|_| anyhow::anyhow!("the plain consumer panicked"))??;
        figures.sort_by(f64::total_cmp);
        Ok(figures)
    })
}

fn read(consumer: &BaseConsumer, samples: u64, seen: &SyncSender<Instant>) -> Result<()> {
    let begun = Instant::now();
    for _ in 0..samples {
        loop {
            ensure!(begun.elapsed() < PATIENCE, "the plain consumer takes too long");
            match consumer.poll(NOTICE) {
                Some(Ok(_)) => break,
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
        seen.send(Instant::now())?;
    }
    Ok(())
}

/// Makes the topics of a cluster as a gateway makes them.
///
/// # Errors
/// Kafka does not make them.
pub async fn make_topics(options: &KafkaOptions, cluster: &ClusterId) -> Result<()> {
    let names = TopicNames::new(&options.topic_prefix, &options.federation);
    let bootstrap = options.brokers.join(",");
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let calls = AdminOptions::new().operation_timeout(Some(MAKE_WITHIN)).request_timeout(Some(MAKE_WITHIN));
    let TopicSettings { partitions, .. } = options.topics;
    for kind in TopicKind::ALL {
        let name = names.of(cluster, kind);
        let partitions = if kind == TopicKind::Control { 1 } else { i32::try_from(partitions)? };
        let wanted = settings(&options.topics, kind, Some(1));
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for setting in &wanted {
            topic = topic.set(setting.name, &setting.value);
        }
        let made = admin.create_topics([&topic], &calls).await?;
        ensure!(made.len() == 1, "one topic was asked for");
        if let Some(Err((topic, error))) = made.into_iter().next() {
            bail!("{topic} cannot be made: {error}");
        }
    }
    Ok(())
}
