//! The peers: librdkafka alone, with the properties of a gateway's reader and of its producer. How fast it reads the same topics, and how
//! long a record takes from its send to a consumer.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_kafka::options::KafkaOptions;
use federation_kafka::topics::TopicNames;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};

/// How long a client waits before it looks whether it is to go on.
const NOTICE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(120);

/// What was read of a whole log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumed {
    pub(crate) records: u64,
    pub(crate) took: Duration,
}

/// Reads the topics of instances of these clusters to their ends, and does nothing with what it reads.
pub(crate) fn consume(options: &KafkaOptions, clusters: &[ClusterId]) -> Result<Consumed> {
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

/// Sends records one by one to the instances topic of a cluster that nobody reads, each awaited by a consumer before the next one. Times in
/// milliseconds, sorted.
pub(crate) fn floor(options: &KafkaOptions, cluster: &ClusterId, samples: u64) -> Result<Vec<f64>> {
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
