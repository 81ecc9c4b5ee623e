//! A cluster that is written by this bench: its topics, made and filled as its gateway would do it, through the codec: instances,
//! checkpoints of what was written, a descriptor, and a beat each second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use federation_bench::plain::make_topics;
use federation_codec::record::{EncodedRecord, HEADER, digest, encode_checkpoint, encode_control, encode_outgoing};
use federation_core::id::ClusterId;
use federation_core::input::{OutgoingCheckpoint, OutgoingRecord};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::record::{Checkpoint, Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::{Millis, WallMs};
use federation_kafka::options::KafkaOptions;
use federation_kafka::topics::TopicNames;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tokio::task::JoinSet;

use crate::shape;

const FLUSH_WITHIN: Duration = Duration::from_secs(30);
const BEAT: Duration = Duration::from_secs(1);
/// Beats between checkpoints of what changed.
const CHECKPOINT_EVERY: u64 = 10;

/// A cluster whose only gateway is this bench.
pub(crate) struct WrittenOrigin {
    pen: Arc<Mutex<Pen>>, // Locked for one change, or for one beat.
    _beats: JoinSet<()>,
}

/// What writes, and what it has written.
struct Pen {
    producer: ThreadedProducer<DefaultProducerContext>,
    names: [String; 3],
    epoch: Epoch,
    seq: u64,
    beat: u64,
    partitions: u32,
    first: u64,
    /// Digest of each instance; 0 before it is written.
    digests: Vec<u128>,
    stated: Vec<Stated>,
}

/// What a checkpoint says of a partition.
#[derive(Clone, Copy, Default)]
struct Stated {
    count: u64,
    digest: u128,
    changed: bool,
}

impl WrittenOrigin {
    /// Makes the topics of `cluster`, writes instances `first` to `first + count`, and begins to beat.
    pub(crate) async fn write(options: &KafkaOptions, cluster: &ClusterId, first: u64, count: u64) -> Result<Self> {
        let names = TopicNames::new(&options.topic_prefix, &options.federation);
        let names = TopicKind::ALL.map(|kind| names.of(cluster, kind));
        make_topics(options, cluster).await?;
        let partitions = options.topics.partitions;
        // A gateway's records expire with its permission to write; these wait for a busy machine.
        let producer = options.data_producer().set("message.timeout.ms", "60000").create()?;
        let mut pen = Pen {
            producer,
            names,
            epoch: Epoch { term: 1, nonce: rand::random() },
            seq: 0,
            beat: 0,
            partitions,
            first,
            digests: vec![0; usize::try_from(count)?],
            stated: vec![Stated { changed: true, ..Stated::default() }; usize::try_from(partitions)?],
        };
        let pen = tokio::task::spawn_blocking(move || {
            pen.begin()?;
            (first..first + count).try_for_each(|instance| pen.change(instance, 0))?;
            pen.state()?;
            pen.beat()?;
            pen.producer.flush(FLUSH_WITHIN)?;
            anyhow::Ok(pen)
        });
        let pen = Arc::new(Mutex::new(pen.await??));
        let mut beats = JoinSet::new();
        beats.spawn(beat(Arc::clone(&pen)));
        Ok(Self { pen, _beats: beats })
    }

    /// Writes an instance anew.
    pub(crate) fn change(&self, instance: u64, version: u64) -> Result<()> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner).change(instance, version)
    }
}

async fn beat(pen: Arc<Mutex<Pen>>) {
    let mut ticks = tokio::time::interval(BEAT);
    loop {
        ticks.tick().await;
        let mut pen = pen.lock().unwrap_or_else(PoisonError::into_inner);
        let stated = if pen.beat.is_multiple_of(CHECKPOINT_EVERY) { pen.state() } else { Ok(()) };
        if stated.and_then(|()| pen.beat()).is_err() {
            return; // The reader calls the origin silent, which fails the bench.
        }
    }
}

impl Pen {
    /// Descriptor, and the first checkpoints of the term.
    fn begin(&mut self) -> Result<()> {
        let header = self.header();
        let described = ControlValue::Descriptor(self.descriptor());
        self.send(encode_control(&ControlKey::Descriptor, Some(&described), &header).context("it is written")?)?;
        self.beat()?;
        self.state()
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor { partitions: self.partitions, generation: 1, reads_schema: SCHEMA, ..Descriptor::default() }
    }

    fn header(&mut self) -> RecordHeader {
        self.seq += 1;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let observed = WallMs(u64::try_from(wall).unwrap_or(0));
        RecordHeader { schema: SCHEMA, epoch: self.epoch, seq: self.seq, observed }
    }

    fn change(&mut self, instance: u64, version: u64) -> Result<()> {
        let key = shape::key(instance);
        let partition = key.partition(self.partitions);
        let body = RecordBody::Instance(shape::value(instance, version));
        let header = self.header();
        let record = encode_outgoing(&OutgoingRecord { topic: TopicKind::Instances, partition, key, body, header });
        let after = digest(&record.key, record.value.as_deref().unwrap_or_default());
        let before = std::mem::replace(&mut self.digests[usize::try_from(instance - self.first)?], after);
        let stated = &mut self.stated[usize::try_from(partition)?];
        stated.count += u64::from(before == 0);
        stated.digest = stated.digest.wrapping_sub(before).wrapping_add(after);
        stated.changed = true;
        self.send(record)
    }

    /// Checkpoints of the partitions that changed; each minute it has to be of all, so it is of all of them.
    fn state(&mut self) -> Result<()> {
        let everything = self.beat.is_multiple_of(5 * CHECKPOINT_EVERY);
        for partition in 0..self.partitions {
            let stated = &mut self.stated[usize::try_from(partition)?];
            if !std::mem::take(&mut stated.changed) && !everything {
                continue;
            }
            let (count, digest) = (stated.count, stated.digest);
            let facts = Checkpoint { count, digest, beat: self.beat, partitions: self.partitions };
            let header = self.header();
            let outgoing = OutgoingCheckpoint { checkpoint: facts, header };
            self.send(encode_checkpoint(TopicKind::Instances, partition, &outgoing))?;
            if everything {
                let checkpoint = Checkpoint { count: 0, digest: 0, ..facts };
                let outgoing = OutgoingCheckpoint { checkpoint, header: self.header() };
                self.send(encode_checkpoint(TopicKind::Configs, partition, &outgoing))?;
            }
        }
        Ok(())
    }

    fn beat(&mut self) -> Result<()> {
        self.beat += 1;
        let record = ReplicaRecord {
            state: ReplicaState::Leader,
            epoch: self.epoch,
            beat: self.beat,
            warm: true,
            nacos_age: Some(Millis(0)),
            unpublished_age: Millis(0),
            descriptor: self.descriptor(),
            name: "bench".into(),
            advertised: "".into(),
            complaints: Vec::new(),
            readings: Vec::new(),
        };
        let header = self.header();
        let key = ControlKey::Replica(self.epoch.nonce);
        self.send(encode_control(&key, Some(&ControlValue::Replica(record)), &header).context("it is written")?)
    }

    /// Waits while the producer is full.
    fn send(&self, record: EncodedRecord) -> Result<()> {
        let kind = TopicKind::ALL.iter().position(|kind| *kind == record.topic).context("a kind of topic")?;
        let headers = OwnedHeaders::new().insert(Header { key: HEADER, value: Some(&record.header) });
        let mut outgoing = BaseRecord::to(&self.names[kind])
            .partition(i32::try_from(record.partition)?)
            .key(&record.key[..])
            .headers(headers);
        if let Some(value) = &record.value {
            outgoing = outgoing.payload(&value[..]);
        }
        loop {
            match self.producer.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    outgoing = back;
                    self.producer.flush(FLUSH_WITHIN)?;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}
