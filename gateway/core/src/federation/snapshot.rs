//! What a gateway keeps for its next start, and takes up again before the log can be read (rule R19).
//!
//! A snapshot only serves: the log is always folded from its beginning into a shadow beside it, which takes its place once a
//! checkpoint proves it. So a snapshot of another Kafka, or from before a restored backup, can be shown, labelled and aged,
//! but never mixes with what the log says.

use crate::federation::{Federation, Origin};
use crate::id::{ClusterId, InstanceId};
use crate::intents::{DrainIntent, DrainTarget, HIGHEST_COUNTER};
use crate::log::bounds::{judge_descriptor, judge_record};
use crate::log::control::Descriptor;
use crate::log::intents::IntentLog;
use crate::log::key::{DataKey, RecordKey};
use crate::log::origin::OriginLog;
use crate::log::partition::{Fold, FoldEntry};
use crate::log::record::{Record, RecordBody, RecordHeader};
use crate::time::WallMs;

/// One origin, as it was last shown.
#[derive(Clone, Debug)]
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
    /// Its facts: key, value and header of each last record that can be read.
    pub facts: Vec<(DataKey, RecordBody, Option<RecordHeader>)>,
    /// Its intents: target, the last value that could be read, and when that was written.
    pub intents: Vec<(DrainTarget, DrainIntent, WallMs)>,
}

impl Federation {
    /// All origins that were read, as shown now. Cheap: values are shared, not copied.
    #[must_use]
    pub fn snapshot(&self) -> Vec<OriginSnapshot> {
        let known = self.origins.iter().filter(|(_, origin)| origin.log.partitions() > 0);
        known.map(|(id, origin)| origin.snapshot(id)).collect()
    }

    /// Takes up a snapshot. Only before the first input.
    pub fn restore(&mut self, origins: Vec<OriginSnapshot>) {
        for snapshot in origins {
            let own = snapshot.origin == *self.cluster();
            let fits = (1..=self.bounds.partitions).contains(&snapshot.partitions);
            if !fits || !(own || self.settings.import.has_cluster(&snapshot.origin)) {
                continue; // What was out of bounds when it was written is so when it is read.
            }
            let mut origin = Origin::new(snapshot.partitions, self.settings.seed);
            let mut folds = OriginLog::new(snapshot.partitions, self.settings.seed);
            let mut keys = Vec::with_capacity(snapshot.facts.len());
            for (offset, (key, body, header)) in (0..).zip(snapshot.facts) {
                let digest = 0; // Of no use: the shadow is compared with checkpoints, not this.
                let mut record = Record { offset, key: RecordKey::Data(key.clone()), header, body, digest };
                if own || judge_record(&mut record).is_none() {
                    folds.fold(&record);
                    keys.push(key);
                }
            }
            origin.log = folds.into_snapshot();
            let intents = snapshot.intents.into_iter().filter(|(_, intent, _)| intent.counter.get() <= HIGHEST_COUNTER);
            origin.intents = IntentLog::from_snapshot(intents.take(self.bounds.drains));
            origin.descriptor =
                snapshot.descriptor.filter(|descriptor| judge_descriptor(descriptor, &self.bounds).is_none());
            if let Some(beat) = snapshot.last_beat {
                origin.pulse.restore(beat);
            }
            let id = snapshot.origin;
            self.origins.insert(id.clone(), origin);
            for key in keys {
                self.changed.note(&key);
                self.recount(&id, &key);
            }
        }
        self.choose_intents();
        self.number_changes();
    }
}

impl Origin {
    fn snapshot(&self, id: &ClusterId) -> OriginSnapshot {
        let mut facts = Vec::new();
        for fold in self.log.folds() {
            facts.extend(facts_of(fold));
        }
        let intents = self.intents.served().filter_map(|(target, logged)| {
            let intent = logged.intent.clone()?;
            Some((target.clone(), intent, logged.observed))
        });
        OriginSnapshot {
            origin: id.clone(),
            descriptor: self.descriptor.clone(),
            last_beat: self.pulse.last_beat(),
            partitions: self.log.partitions(),
            facts,
            intents: intents.collect(),
        }
    }
}

/// Key, value and header of each last record that can be read.
pub(super) fn facts_of(fold: &Fold) -> Vec<(DataKey, RecordBody, Option<RecordHeader>)> {
    let instances = fold.services().flat_map(|(service, entries)| {
        let fact = |(id, entry): (&InstanceId, &FoldEntry<_>)| {
            let key = DataKey::Instance(service.clone(), id.clone());
            Some((key, RecordBody::Instance(entry.value.clone()?), entry.header))
        };
        entries.iter().filter_map(fact)
    });
    let configs = fold.configs().filter_map(|(key, entry)| {
        Some((DataKey::Config(key.clone()), RecordBody::Config(entry.value.clone()?), entry.header))
    });
    instances.chain(configs).collect()
}
