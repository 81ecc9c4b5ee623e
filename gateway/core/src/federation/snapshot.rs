//! What a gateway keeps for its next start, and takes up again before the log can be read (rule R19).
//!
//! A snapshot is a row of pieces, each of one instant: what an origin is, and its partitions one by one, each its facts with the place in the log
//! up to which they are it. At the next start all of it serves, labelled and aged. Of each partition the reader is offered the place
//! ([`Federation::cursors`]); where the log is found to be the same it reads on from there, and else folds it from the beginning into a shadow,
//! which takes its place once a checkpoint proves it. So a snapshot of another Kafka, or from before a restored backup, can be shown,
//! but never mixes with what the log says.

use std::collections::BTreeMap;

use crate::cause::ChangeThrough;
use crate::config_item::ConfigItem;
use crate::federation::{Federation, Origin};
use crate::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::intents::HIGHEST_COUNTER;
use crate::log::bounds::{judge_descriptor, judge_record};
use crate::log::control::Descriptor;
use crate::log::cursor::{KeptPlace, LogCursor};
use crate::log::entries::{FoldEntry, ServiceEntries};
use crate::log::intents::{IntentLog, KeptDrain};
use crate::log::key::{DataKey, RecordKey};
use crate::log::origin::OriginLog;
use crate::log::partition::Fold;
use crate::log::record::{PartitionId, Record, RecordBody, RecordHeader, TopicKind};
use crate::orders::rules::OrderSubject;
use crate::time::WallMs;

/// One origin, or a piece of it, as it was last shown.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OriginSnapshot {
    /// The cluster.
    pub origin: ClusterId,
    /// What it said it is.
    pub descriptor: Option<Descriptor>,
    /// Wall time of the last beat of its leader.
    pub last_beat: Option<WallMs>,
    /// Partitions of each of its data topics.
    pub partitions: u32,
    /// Its facts.
    pub facts: Vec<KeptFact>,
    /// Its drains, as far as they were accepted.
    pub intents: Vec<KeptDrain>,
    /// Where the log of its partitions may be read on: of those whose facts are all of them here.
    #[cfg_attr(feature = "serde", serde(default))]
    pub places: Vec<KeptPlace>,
}

/// The last record of a key.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeptFact {
    /// The key.
    pub key: DataKey,
    /// The last value that could be read; [`RecordBody::Unreadable`] if none ever could.
    pub body: RecordBody,
    /// Header of the last record, if it had one.
    pub header: Option<RecordHeader>,
    /// Digest of the last record; 0 if that is not known.
    pub digest: u128,
    /// Whether the last record itself could be read (rule R3).
    pub readable: bool,
}

/// A piece of a snapshot, shared with the state that it was taken of: to take it costs little, and who changes something of it meanwhile copies that.
#[derive(Clone, Debug)]
pub struct FrozenPiece {
    /// The piece without facts that lie in the lists below.
    head: OriginSnapshot,
    services: Vec<(ServiceKey, ServiceEntries)>,
    configs: Vec<(ConfigKey, FoldEntry<ConfigItem>)>,
}

impl From<OriginSnapshot> for FrozenPiece {
    fn from(head: OriginSnapshot) -> Self {
        Self { head, services: Vec::new(), configs: Vec::new() }
    }
}

impl FrozenPiece {
    /// The piece without its facts.
    #[must_use]
    pub fn head(&self) -> &OriginSnapshot {
        &self.head
    }

    /// Its facts.
    pub fn facts(&self) -> impl Iterator<Item = KeptFact> {
        let services = self.services.iter().map(|(service, entries)| (service, entries));
        let configs = self.configs.iter().map(|(config, entry)| (config, entry));
        self.head.facts.iter().cloned().chain(facts_of_lists(services, configs))
    }

    /// With facts of its own.
    #[must_use]
    pub fn thaw(self) -> OriginSnapshot {
        let facts = self.facts().collect();
        OriginSnapshot { facts, ..self.head }
    }
}

/// Names a piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotPiece {
    /// What an origin is, and its intents.
    Origin(ClusterId),
    /// The facts of one partition.
    Partition(PartitionId),
}

impl Federation {
    /// The pieces of a snapshot of all origins that were read.
    #[must_use]
    pub fn snapshot_pieces(&self) -> Vec<SnapshotPiece> {
        let mut pieces = Vec::new();
        for (id, origin) in self.origins.iter().filter(|(_, origin)| origin.log.partitions() > 0) {
            pieces.push(SnapshotPiece::Origin(id.clone()));
            let place =
                |(topic, partition, _)| SnapshotPiece::Partition(PartitionId { origin: id.clone(), topic, partition });
            pieces.extend(origin.log.all().map(place));
        }
        pieces
    }

    /// A piece of a snapshot as of now; `None` if there is no such thing any more. Its cost grows with the number of services of the partition.
    #[must_use]
    pub fn snapshot_piece(&self, piece: &SnapshotPiece) -> Option<FrozenPiece> {
        match piece {
            SnapshotPiece::Origin(id) => Some(self.origins.get(id)?.head(id).into()),
            SnapshotPiece::Partition(place) => {
                let origin = self.origins.get(&place.origin)?;
                origin.piece(&place.origin, place.topic, place.partition)
            }
        }
    }

    /// All pieces of a snapshot as of now.
    #[must_use]
    pub fn snapshot(&self) -> Vec<OriginSnapshot> {
        self.snapshot_pieces().iter().filter_map(|piece| self.snapshot_piece(piece)).map(FrozenPiece::thaw).collect()
    }

    /// Grows with each change of what a snapshot has, ages and places aside: those alone are no reason to write another one.
    #[must_use]
    pub fn snapshot_revision(&self) -> u64 {
        self.snapshot_revision
    }

    pub(super) fn note_snapshot_change(&mut self) {
        self.snapshot_revision += 1;
    }

    /// Where what was restored may be read on: the places that an earlier process kept. Whether the log is still the same one, whoever reads it has
    /// to find out before it tells [`LogInput::ReadsOn`](crate::input::LogInput::ReadsOn).
    pub fn cursors(&self) -> impl Iterator<Item = (PartitionId, LogCursor)> {
        self.origins.iter().flat_map(|(id, origin)| origin.log.kept().map(|kept| (kept.of(id), kept.cursor.clone())))
    }

    /// Takes up a snapshot. Only before the first input.
    pub fn restore(&mut self, pieces: Vec<OriginSnapshot>) {
        let mut origins: BTreeMap<ClusterId, Vec<OriginSnapshot>> = BTreeMap::new();
        for piece in pieces {
            origins.entry(piece.origin.clone()).or_default().push(piece);
        }
        for (id, pieces) in origins {
            self.restore_origin(id, pieces);
        }
        self.choose_intents();
        self.number_changes();
    }

    fn restore_origin(&mut self, id: ClusterId, pieces: Vec<OriginSnapshot>) {
        let own = id == *self.cluster();
        let partitions = pieces.first().map_or(0, |head| head.partitions);
        let fits = (1..=self.bounds.partitions).contains(&partitions);
        if !fits || !(own || self.settings.import.has_cluster(&id)) {
            return; // What was out of bounds when it was written is so when it is read.
        }
        let mut origin = Origin::new(partitions, self.settings.seed);
        let mut folds = OriginLog::new(partitions, self.settings.seed);
        let (mut places, mut drains) = (Vec::new(), Vec::new());
        for piece in pieces {
            for fact in piece.facts {
                fact.refold(&mut folds, own);
            }
            places.extend(Some(piece.places).filter(|_| piece.partitions == partitions).into_iter().flatten());
            drains.extend(piece.intents.into_iter().filter(|kept| self.still_counts(&id, kept)));
            if let Some(descriptor) = piece.descriptor.filter(|it| judge_descriptor(it, &self.bounds).is_none()) {
                origin.descriptor = Some(descriptor);
            }
            if let Some(beat) = piece.last_beat {
                origin.pulse.restore(beat);
            }
        }
        origin.log = folds.into_snapshot();
        for kept in places {
            if let Some(partition) = origin.log.partition_mut(kept.topic, kept.partition) {
                partition.remember(kept);
            }
        }
        origin.intents = IntentLog::from_snapshot(drains.into_iter().take(self.bounds.drains));
        // Once for each service: for each of its instances it would cost as often as much.
        let services: Vec<ServiceKey> =
            origin.log.folds().flat_map(Fold::services).map(|(key, _)| key.clone()).collect();
        let configs: Vec<ConfigKey> = origin.log.folds().flat_map(Fold::configs).map(|(key, _)| key.clone()).collect();
        self.origins.insert(id.clone(), origin);
        services.iter().for_each(|service| self.recount_service(&id, service));
        configs.iter().for_each(|config| self.recount_config(&id, config));
        self.changed.because(ChangeThrough::Snapshot);
        self.changed.note_services(services);
        self.changed.note_configs(configs);
    }
}

impl Federation {
    /// What the configuration accepts may have changed since the snapshot was written; whether a drain was signed stands in it.
    fn still_counts(&self, id: &ClusterId, kept: &KeptDrain) -> bool {
        let subject = OrderSubject::Drain(&kept.target);
        let accepted = self.settings.intents.judge(self.cluster(), id, subject, kept.signed).is_ok();
        accepted && kept.intent.counter.get() <= HIGHEST_COUNTER
    }
}

impl KeptFact {
    /// Folds it as it was folded before, if it counts.
    fn refold(self, folds: &mut OriginLog, own: bool) {
        let Self { key, body, header, digest, readable } = self;
        let mut record = Record { offset: 0, key: RecordKey::Data(key), header, body, digest };
        if !own && judge_record(&mut record).is_some() {
            return; // It does not count, so what there is of its partition is not all that the log has.
        }
        folds.fold(&record);
        if !readable && record.body != RecordBody::Unreadable {
            folds.fold(&Record { body: RecordBody::Unreadable, ..record });
        }
    }
}

impl Origin {
    /// What it is, without its facts.
    fn head(&self, id: &ClusterId) -> OriginSnapshot {
        let intents = self.intents.served().filter_map(|(target, logged)| {
            let (target, intent) = (target.clone(), logged.intent.clone()?);
            Some(KeptDrain { target, intent, observed: logged.observed, signed: logged.signed })
        });
        OriginSnapshot {
            origin: id.clone(),
            descriptor: self.descriptor.clone(),
            last_beat: self.pulse.last_beat(),
            partitions: self.log.partitions(),
            facts: Vec::new(),
            intents: intents.collect(),
            places: Vec::new(),
        }
    }

    /// The facts of one partition, and its place.
    fn piece(&self, id: &ClusterId, topic: TopicKind, number: u32) -> Option<FrozenPiece> {
        let partition = self.log.partition(topic, number)?;
        let head = OriginSnapshot {
            origin: id.clone(),
            descriptor: None,
            last_beat: None,
            partitions: self.log.partitions(),
            facts: Vec::new(),
            intents: Vec::new(),
            places: partition.place(topic, number).into_iter().collect(),
        };
        let served = partition.served();
        let services = served.services().map(|(service, entries)| (service.clone(), entries.clone())).collect();
        let configs = served.configs().map(|(config, entry)| (config.clone(), entry.clone())).collect();
        Some(FrozenPiece { head, services, configs })
    }
}

/// The last record of each key.
pub(super) fn facts_of(fold: &Fold) -> impl Iterator<Item = KeptFact> {
    facts_of_lists(fold.services(), fold.configs())
}

fn facts_of_lists<'a>(
    services: impl Iterator<Item = (&'a ServiceKey, &'a ServiceEntries)>,
    configs: impl Iterator<Item = (&'a ConfigKey, &'a FoldEntry<ConfigItem>)>,
) -> impl Iterator<Item = KeptFact> {
    let instances = services.flat_map(|(service, entries)| {
        let fact = move |(id, entry): (&InstanceId, &FoldEntry<Instance>)| {
            let body = entry.value.clone().map_or(RecordBody::Unreadable, RecordBody::Instance);
            KeptFact::of(DataKey::Instance(service.clone(), id.clone()), body, entry)
        };
        entries.iter().map(fact)
    });
    let configs = configs.map(|(key, entry)| {
        let body = entry.value.clone().map_or(RecordBody::Unreadable, RecordBody::Config);
        KeptFact::of(DataKey::Config(key.clone()), body, entry)
    });
    instances.chain(configs)
}

impl KeptFact {
    fn of<T>(key: DataKey, body: RecordBody, entry: &FoldEntry<T>) -> Self {
        Self { key, body, header: entry.header(), digest: entry.digest(), readable: entry.is_readable() }
    }
}
