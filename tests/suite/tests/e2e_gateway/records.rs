//! The federation log as it lies in Kafka, without the gateway's own reader.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::Kafka;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::world::{FEDERATION, Side};

const CALL_WITHIN: Duration = Duration::from_secs(10);
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A fact in a data topic: an instance or a config item, or the word that it is gone. Checkpoints are none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) topic: String,
    partition: i32,
    offset: i64,
    /// As in the log, fields parted by `·`.
    pub(crate) key: String,
    pub(crate) removed: bool,
}

/// All facts that both clusters have ever written, in order of topic, partition and offset.
pub(crate) async fn facts(kafka: &Kafka) -> Result<Vec<Fact>> {
    let brokers = kafka.bootstrap();
    tokio::task::spawn_blocking(move || {
        let mut facts = Vec::new();
        for side in Side::BOTH {
            for kind in ["instances", "configs"] {
                let topic = format!("nacos-fed.{FEDERATION}.{}.{kind}", side.cluster());
                facts.extend(facts_in(&brokers, &topic).with_context(|| format!("cannot read {topic}"))?);
            }
        }
        facts.sort();
        Ok(facts)
    })
    .await?
}

/// Keys, values and headers of all that stands in these topics, one after the other.
pub(crate) async fn every_byte(kafka: &Kafka, topics: Vec<String>) -> Result<Vec<u8>> {
    let brokers = kafka.bootstrap();
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        for topic in topics {
            read(&brokers, &topic, |message| {
                bytes.extend_from_slice(message.key().unwrap_or_default());
                bytes.extend_from_slice(message.payload().unwrap_or_default());
                for header in message.headers().into_iter().flat_map(Headers::iter) {
                    bytes.extend_from_slice(header.value.unwrap_or_default());
                }
            })
            .with_context(|| format!("cannot read {topic}"))?;
        }
        Ok(bytes)
    })
    .await?
}

fn facts_in(brokers: &str, topic: &str) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    read(brokers, topic, |message| {
        let key = String::from_utf8_lossy(message.key().unwrap_or_default()).replace('\u{1f}', "·");
        if key.starts_with("i·") || key.starts_with("c·") {
            let (partition, offset) = (message.partition(), message.offset());
            facts.push(Fact { topic: topic.into(), partition, offset, key, removed: message.payload().is_none() });
        }
    })?;
    Ok(facts)
}

fn read(brokers: &str, topic: &str, mut told: impl FnMut(&BorrowedMessage<'_>)) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "e2e")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), CALL_WITHIN)?;
    let partitions = metadata.topics().first().context("no such topic")?.partitions();
    ensure!(!partitions.is_empty(), "no partitions");
    let mut assignment = TopicPartitionList::new();
    let mut left = 0;
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), CALL_WITHIN)?;
        if high > low {
            assignment.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
            left += high - low;
        }
    }
    consumer.assign(&assignment)?;
    let deadline = Instant::now() + READ_WITHIN;
    while left > 0 {
        ensure!(Instant::now() < deadline, "{left} records were not read within {READ_WITHIN:?}");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message?;
        left -= 1; // Nothing is compacted away within a test: segments are closed after an hour.
        told(&message);
    }
    Ok(())
}
