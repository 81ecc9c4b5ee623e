//! One origin with many instances, as a gateway reads it: through the codec, the state machine and the view, on this thread, as the engine
//! does it in its turns.

use std::io;
use std::sync::Arc;

use federation_codec::interner::TextInterner;
use federation_codec::record::{EncodedRecord, RawRecord, decode_record, digest_of, encode_outgoing};
use federation_codec::snapshot::SnapshotWriter;
use federation_core::federation::{
    CensusPace, Federation, FederationSettings, ImportRules, OriginSnapshot, RecordDigest,
};
use federation_core::guard::GuardSettings;
use federation_core::id::{ClusterId, ServiceKey};
use federation_core::input::{Input, LogInput, OutgoingRecord, ReplicaIdentity};
use federation_core::local::service::RemovalPatience;
use federation_core::log::bounds::OriginBounds;
use federation_core::log::control::Descriptor;
use federation_core::log::record::{Epoch, PartitionId, Record, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::pattern::NameSelection;
use federation_core::pulse::FreshnessSettings;
use federation_core::routing::Damping;
use federation_core::seed::Seed;
use federation_core::time::{Millis, Mono, Now, WallMs};
use federation_memory_bench::shape;
use federation_view::view::{self, ClusterTable, ViewChange, ViewReader, ViewWriter};

use crate::process::processor;

/// Partitions of each topic, as by default.
pub(crate) const PARTITIONS: u32 = 8;
const NOW: Now = Now { mono: Mono(1_000), wall: WallMs(1_700_000_000_000) };

/// The state of a gateway that reads one origin.
pub(crate) struct Registry {
    core: Federation,
    writer: ViewWriter,
    reader: ViewReader,
    interner: TextInterner,
    next_offset: Vec<u64>,
}

/// A record as it stands in the log.
pub(crate) struct Written {
    partition: u32,
    record: EncodedRecord,
}

fn origin() -> ClusterId {
    "origin".parse().expect("an id")
}

fn settings() -> FederationSettings {
    let cluster = "reader".parse().expect("an id");
    FederationSettings {
        identity: ReplicaIdentity { cluster, nonce: 7, name: "r".into(), advertised: "".into() },
        descriptor: Descriptor {
            partitions: PARTITIONS,
            generation: 1,
            reads_schema: SCHEMA + 1,
            ..Descriptor::default()
        },
        patience: RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(600) },
        guard: GuardSettings::default(),
        beat: Millis::from_secs(1),
        census: CensusPace::default(),
        freshness: FreshnessSettings { stale_after: Millis::from_secs(10), lost_after: Millis::from_secs(60) },
        damping: Damping::default(),
        export: NameSelection::everything(),
        import: ImportRules::everything(),
        intents: federation_core::orders::rules::IntentRules::default(),
        bounds: OriginBounds::default(),
        digest: RecordDigest::new(digest_of),
        seed: Seed(1),
    }
}

/// An instance's record, at this version of it.
pub(crate) fn write(instance: u64, version: u64) -> Written {
    let key = shape::key(instance);
    let partition = key.partition(PARTITIONS);
    let header = RecordHeader {
        schema: SCHEMA,
        epoch: Epoch { term: 1, nonce: 0x5eed_5eed },
        seq: version + instance,
        observed: WallMs(1_700_000_000_000 + version),
    };
    let body = RecordBody::Instance(shape::value(instance, version));
    Written {
        partition,
        record: encode_outgoing(&OutgoingRecord { topic: TopicKind::Instances, partition, key, body, header }),
    }
}

impl Registry {
    /// Nothing is read yet; the origin's topics are known.
    pub(crate) fn new() -> Self {
        let (writer, reader) = view::new(Arc::new(|| NOW.mono));
        let mut core = Federation::new(settings());
        core.step(NOW, Input::Log(LogInput::Members(vec![(origin(), PARTITIONS)])));
        Self { core, writer, reader, interner: TextInterner::default(), next_offset: vec![0; PARTITIONS as usize] }
    }

    /// Reads records, as the thread that consumes does.
    pub(crate) fn decode(&mut self, written: &Written) -> Record {
        let offset = &mut self.next_offset[written.partition as usize];
        let EncodedRecord { key, value, header, .. } = &written.record;
        let raw = RawRecord { offset: *offset, key, value: value.as_deref(), header: Some(header) };
        *offset += 1;
        decode_record(&raw, &mut self.interner)
    }

    /// Folds records of one partition.
    pub(crate) fn fold(&mut self, partition: u32, records: Vec<Record>) {
        let partition = PartitionId { origin: origin(), topic: TopicKind::Instances, partition };
        self.core.step(NOW, Input::Log(LogInput::Records { partition, records }));
    }

    /// All partitions were read to their ends.
    pub(crate) fn end(&mut self) {
        for topic in TopicKind::DATA {
            for (partition, next_offset) in (0..).zip(self.next_offset.clone()) {
                let partition = PartitionId { origin: origin(), topic, partition };
                let next_offset = if topic == TopicKind::Instances { next_offset } else { 0 };
                self.core.step(NOW, Input::Log(LogInput::AtEnd { partition, next_offset }));
            }
        }
    }

    /// Puts what changed into the view, so many services at a time.
    pub(crate) fn show(&mut self, at_once: usize) {
        let changed: Vec<ServiceKey> = self.core.take_changed().services.into_keys().collect();
        for keys in changed.chunks(at_once) {
            let services = keys.iter().map(|key| (key.clone(), self.core.service(key).map(Arc::new))).collect();
            self.core.step(NOW, Input::Look);
            let clusters = Some(Arc::new(ClusterTable { clusters: self.core.clusters() }));
            self.writer.apply(ViewChange { services, clusters, ..ViewChange::default() });
        }
    }

    /// Instances that answers have.
    pub(crate) fn shown(&self) -> usize {
        let found = |key: &ServiceKey| self.reader.service(key);
        let services = self.reader.service_names();
        services.iter().filter_map(found).flat_map(|it| it.origins.clone()).map(|it| it.instances.len()).sum()
    }

    /// What the decoder remembers is let go.
    pub(crate) fn forget_texts(&mut self) {
        self.interner = TextInterner::default();
    }

    /// Writes a snapshot, piece by piece. Gives the processor seconds of the piece that took longest to make, which is what a turn of the engine
    /// does of it.
    pub(crate) fn keep(&self, to: impl io::Write) -> io::Result<f64> {
        let mut writer = SnapshotWriter::begin(to, "f/reader")?;
        let mut longest = 0.0_f64;
        for piece in self.core.snapshot_pieces() {
            let begun = processor();
            let piece = self.core.snapshot_piece(&piece);
            longest = longest.max(processor() - begun);
            piece.iter().try_for_each(|piece| writer.write(piece))?;
        }
        writer.end()?;
        Ok(longest)
    }

    /// Takes up what was kept.
    pub(crate) fn restore(&mut self, pieces: Vec<OriginSnapshot>) {
        self.core.restore(pieces);
    }
}

impl Written {
    /// In which partition it stands.
    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }
}
