//! An origin's topics, filled as its leader would: instances, a checkpoint of each partition, its descriptor and a beat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use federation_codec::record::{EncodedRecord, HEADER, digest, encode_checkpoint, encode_control, encode_outgoing};
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::input::{OutgoingCheckpoint, OutgoingRecord};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::DataKey;
use federation_core::log::record::{Checkpoint, Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::{Millis, WallMs};
use federation_harness::Gateway;
use federation_kafka::topics::TopicNames;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Whose topics they are.
pub(crate) const ORIGIN: &str = "shanghai";
const PREFIX: &str = "nacos-fed.";
const PARTITIONS: u32 = 8;
const NONCE: u32 = 7;
const INSTANCES: u32 = 5;
const WITHIN: Duration = Duration::from_secs(60);
/// Records beside facts that a tail may have: a checkpoint of each partition of both data topics.
pub(crate) const BESIDE: u64 = 16;

/// Who fills.
pub(crate) struct Filler {
    producer: BaseProducer,
    names: TopicNames,
    origin: ClusterId,
    services: u32,
}

/// What is in the log.
pub(crate) struct Filled {
    pub(crate) records: u64,
    pub(crate) instances: u32,
    /// One of the services.
    pub(crate) service: String,
}

impl Filler {
    /// Makes the topics.
    pub(crate) async fn new(bootstrap: &str, federation: &str, services: u32) -> Result<Self> {
        let (names, origin) = (TopicNames::new(PREFIX, &federation.parse()?), ORIGIN.parse()?);
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
        let named = TopicKind::ALL.map(|kind| (kind, names.of(&origin, kind)));
        let topics: Vec<_> = named
            .iter()
            .map(|(kind, name)| {
                let partitions = if *kind == TopicKind::Control { 1 } else { PARTITIONS };
                NewTopic::new(name, i32::try_from(partitions).unwrap_or(1), TopicReplication::Fixed(1))
                    .set("cleanup.policy", "compact")
                    .set("delete.retention.ms", "604800000")
            })
            .collect();
        for result in admin.create_topics(&topics, &AdminOptions::new().operation_timeout(Some(WITHIN))).await? {
            if let Err((topic, error)) = result {
                bail!("{topic} cannot be made: {error}");
            }
        }
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("acks", "1")
            .set("linger.ms", "20")
            .set("queue.buffering.max.messages", "200000")
            .create()?;
        Ok(Self { producer, names, origin, services })
    }

    /// Writes everything.
    pub(crate) fn fill(&self) -> Result<Filled> {
        let descriptor =
            Descriptor { partitions: PARTITIONS, generation: 1, reads_schema: SCHEMA + 1, ..Descriptor::default() };
        self.control(&ControlKey::Descriptor, &ControlValue::Descriptor(descriptor.clone()))?;
        let mut stated: BTreeMap<u32, (u64, u128)> = BTreeMap::new();
        let mut seq = 1;
        for number in 0..self.services {
            for replica in 0..INSTANCES {
                seq += 1;
                let record = self.fact(number, replica, 1.0, seq);
                let value = record.value.as_deref().unwrap_or_default();
                let (count, sum) = stated.entry(record.partition).or_default();
                (*count, *sum) = (*count + 1, sum.wrapping_add(digest(&record.key, value)));
                self.send(&record)?;
            }
        }
        for topic in TopicKind::DATA {
            for partition in 0..PARTITIONS {
                let (count, digest) =
                    stated.get(&partition).copied().filter(|_| topic == TopicKind::Instances).unwrap_or_default();
                let checkpoint = Checkpoint { count, digest, beat: 1, partitions: PARTITIONS };
                seq += 1;
                self.send(&encode_checkpoint(
                    topic,
                    partition,
                    &OutgoingCheckpoint { checkpoint, header: header(seq) },
                ))?;
            }
        }
        let beat = ReplicaRecord {
            state: ReplicaState::Leader,
            epoch: Epoch { term: 1, nonce: NONCE },
            beat: 1,
            warm: true,
            nacos_age: Some(Millis(0)),
            unpublished_age: Millis(0),
            descriptor,
            name: "filler".into(),
            advertised: "".into(),
            complaints: Vec::new(),
            readings: Vec::new(),
        };
        self.control(&ControlKey::Replica(NONCE), &ControlValue::Replica(beat))?;
        self.producer.flush(WITHIN)?;
        Ok(Filled { records: seq - 1, instances: self.services * INSTANCES, service: name(self.services / 2) })
    }

    /// Changes the first instance of so many services; gives the number of records.
    pub(crate) fn change(&self, services: u32) -> Result<u64> {
        for number in 0..services {
            self.send(&self.fact(number, 0, 2.0, 10_000_000 + u64::from(number)))?;
        }
        self.producer.flush(WITHIN)?;
        Ok(u64::from(services))
    }

    /// Whether the gateway shows what [`Filler::change`] wrote, by some of them.
    pub(crate) async fn is_shown_by(&self, gateway: &Gateway, services: u32) -> Result<bool> {
        for number in (0..services).step_by(97) {
            let found = gateway.instances("public", "DEFAULT_GROUP", &name(number)).await?;
            let weights = found.iter().filter(|it| it["weight"].as_f64() == Some(2.0)).count();
            if (found.len(), weights) != (5, 1) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fact(&self, number: u32, replica: u32, weight: f64, seq: u64) -> EncodedRecord {
        let key = DataKey::Instance(
            ServiceKey::new("public", "DEFAULT_GROUP", &name(number)),
            InstanceId::new(
                &format!("100.1{:02}.{:03}.{:03}", replica, 100 + number / 256 % 156, 100 + number % 156),
                8080,
                "DEFAULT",
            ),
        );
        let body = RecordBody::Instance(Arc::new(instance(number, replica, weight)));
        let partition = key.partition(PARTITIONS);
        encode_outgoing(&OutgoingRecord { topic: TopicKind::Instances, partition, key, body, header: header(seq) })
    }

    fn control(&self, key: &ControlKey, value: &ControlValue) -> Result<()> {
        match encode_control(key, Some(value), &header(1)) {
            Some(record) => self.send(&record),
            None => bail!("this version does not write {key:?}"),
        }
    }

    fn send(&self, record: &EncodedRecord) -> Result<()> {
        let topic = self.names.of(&self.origin, record.topic);
        let headers = OwnedHeaders::new().insert(Header { key: HEADER, value: Some(&record.header[..]) });
        let mut out = BaseRecord::to(&topic).key(&record.key[..]).headers(headers);
        out = out.partition(i32::try_from(record.partition)?);
        if let Some(value) = &record.value {
            out = out.payload(&value[..]);
        }
        loop {
            match self.producer.send(out) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    out = back;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

fn name(number: u32) -> String {
    format!("shop-{number:06}")
}

/// Five pairs of 20 + 20 bytes, three of them the same everywhere.
fn instance(number: u32, replica: u32, weight: f64) -> Instance {
    let same = (0..3).map(|pair| (format!("the-same-key-------{pair}"), format!("the-same-value-----{pair}")));
    let own = (0..2).map(|pair| (format!("a-key-of-its-own---{pair}"), format!("{number:010}-{replica:04}-{pair:04}")));
    let pairs: Vec<(String, String)> = same.chain(own).collect();
    Instance {
        weight: Weight::try_from(weight).expect("a weight of a few"),
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Metadata>(),
    }
}

fn header(seq: u64) -> RecordHeader {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let observed = WallMs(u64::try_from(now).unwrap_or(u64::MAX));
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: NONCE }, seq, observed }
}
