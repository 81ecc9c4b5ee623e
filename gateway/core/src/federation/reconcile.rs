//! Comparing the own log with what Nacos says, name by name.
//!
//! What the log has and Nacos lacks becomes a removal that waits for proof; what the log has is watched, whether Nacos names it or not. It
//! is due when an own partition was read to its end, when the log is taken over, and at the first answer for a name. It defends against
//! facts of a former leader, or of a former start, that nobody would ever find gone; against a fold that is still on its way, which says
//! nothing; and against registries so large that comparing them at once would stop the beats.
//!
//! ```text
//! done ──read, or taken over──▶ names wait ──a slice each step──▶ done
//!                                 ▲ due anew meanwhile: all names wait again, on the graver occasion
//! ```
//!
//! Invariant: a step compares a bounded number of names, and each name that waits is compared once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::cause::ChangeThrough;
use crate::federation::Federation;
use crate::id::{InstanceId, ObservedSubject, ServiceKey};
use crate::input::Effect;
use crate::local::observation::ListDoubt;
use crate::local::service::KnownFrom;
use crate::log::entries::ServiceEntries;
use crate::log::key::DataKey;
use crate::log::origin::ImageValue;
use crate::log::partition::Fold;
use crate::log::record::TopicKind;
use crate::publish::OwnPartition;
use crate::time::Now;

/// Names that one step compares at most: some milliseconds.
const COMPARED_IN_A_STEP: usize = 500;

/// Names that wait to be compared, by their partitions.
#[derive(Debug, Default)]
pub(super) struct Reconciling(BTreeMap<OwnPartition, Waiting>);

#[derive(Debug)]
struct Waiting {
    names: VecDeque<ObservedSubject>,
    occasion: Occasion,
}

/// Why a partition is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Occasion {
    /// It was read.
    Read,
    /// It is taken over: every list is doubted, whether it lacks something or not.
    TakenOver,
}

impl Reconciling {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all names of the partition were compared.
    pub(super) fn is_done(&self, place: OwnPartition) -> bool {
        !self.0.contains_key(&place)
    }

    fn next(&mut self) -> Option<(ObservedSubject, Occasion)> {
        loop {
            let mut first = self.0.first_entry()?;
            let waiting = first.get_mut();
            match waiting.names.pop_front() {
                Some(subject) => return Some((subject, waiting.occasion)),
                None => drop(first.remove()),
            }
        }
    }

    /// Partitions of which no name waits are done.
    fn tidy(&mut self) {
        self.0.retain(|_, waiting| !waiting.names.is_empty());
    }
}

impl Federation {
    /// The partition is to be compared, from the next slice on; `differing` are further keys that changed by reading it.
    pub(super) fn reconcile(&mut self, place: OwnPartition, occasion: Occasion, differing: &[DataKey]) {
        let mut names: BTreeSet<ObservedSubject> = self.logged_names(place);
        names.extend(differing.iter().map(DataKey::subject));
        if occasion == Occasion::TakenOver || self.leadership.drives(place) {
            names.extend(self.local_names(place));
        }
        let before = self.reconciling.0.get(&place).map(|waiting| waiting.occasion);
        let occasion = before.map_or(occasion, |before| before.max(occasion));
        self.reconciling.0.insert(place, Waiting { names: names.into_iter().collect(), occasion });
    }

    /// Compares a slice of what waits.
    pub(super) fn reconcile_slice(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for _ in 0..COMPARED_IN_A_STEP {
            let Some((subject, occasion)) = self.reconciling.next() else { return };
            self.changed.because(ChangeThrough::Reconcile);
            if occasion == Occasion::TakenOver {
                self.local.unsettle(now.mono, &subject);
            }
            self.compare(now, &subject, ListDoubt::WholeService, effects);
            self.consider_subject(now, &subject);
        }
        self.reconciling.tidy();
    }

    fn logged_names(&self, place: OwnPartition) -> BTreeSet<ObservedSubject> {
        let Some(fold) = self.own_log(place).map(|found| found.image()) else { return BTreeSet::new() };
        let services = fold.services().map(|(key, _)| ObservedSubject::Service(key.clone()));
        services.chain(fold.configs().map(|(key, _)| ObservedSubject::Config(key.clone()))).collect()
    }

    fn local_names(&self, (topic, partition): OwnPartition) -> Vec<ObservedSubject> {
        let count = self.origins.get(self.cluster()).map_or(0, |own| own.log.partitions());
        let here = |subject: &ObservedSubject| count > 0 && any_key(subject).partition(count) == partition;
        match topic {
            TopicKind::Instances => {
                self.local.services().map(|(key, _)| ObservedSubject::Service(key.clone())).filter(here).collect()
            }
            TopicKind::Configs => {
                self.local.configs().map(|(key, _)| ObservedSubject::Config(key.clone())).filter(here).collect()
            }
            TopicKind::Control => Vec::new(),
        }
    }

    /// What the log has is watched in Nacos, whether Nacos names it or not: else nobody would ever find it gone. What it has and Nacos
    /// lacks becomes a removal that waits for proof, on a list that has to settle first if `doubt` says so.
    pub(super) fn compare(&mut self, now: Now, subject: &ObservedSubject, doubt: ListDoubt, effects: &mut Vec<Effect>) {
        let (from, logged) = self.logged_of(subject);
        let changed = match subject {
            ObservedSubject::Service(service) => {
                if !logged.is_empty() {
                    self.local.watch_doubtful(now.mono, service.clone(), effects);
                }
                let instances = logged.into_iter().filter_map(|(key, image)| match (key, image) {
                    (DataKey::Instance(_, id), ImageValue::Instance(instance)) => Some((id, instance)),
                    _ => None,
                });
                let instances: Vec<_> = instances.collect();
                let changed = self.local.compare_service(now.mono, service, &instances, from, doubt);
                changed.into_iter().map(|id| DataKey::Instance(service.clone(), id)).collect()
            }
            ObservedSubject::Config(config) => {
                if !logged.is_empty() {
                    self.local.watch_config(config, effects);
                }
                let item = logged
                    .iter()
                    .find_map(|(_, image)| if let ImageValue::Config(item) = image { Some(item) } else { None });
                let unreadable = item.is_none() && !logged.is_empty();
                let changed = !unreadable && self.local.compare_config(now.mono, config, item, from);
                if changed { vec![DataKey::Config(config.clone())] } else { Vec::new() }
            }
        };
        for key in changed {
            self.note_own_change(now, &key);
        }
    }

    /// The first answer for a service or config item after the start may lack what the log has, or, before that could be read, what the
    /// snapshot has. Only the first: later, what Nacos lacks was decided on, and the log is merely behind.
    pub(super) fn compare_first_answer(&mut self, now: Now, subject: &ObservedSubject, effects: &mut Vec<Effect>) {
        self.compare(now, subject, ListDoubt::WholeService, effects);
        self.consider_subject(now, subject); // What cannot be read is held by nobody, and is not wanted.
    }

    /// What the own log has under a name; before it was read to its end, what was known before it is read anew. A fold on its way says
    /// nothing: what it has so far may have been removed further on.
    fn logged_of(&self, subject: &ObservedSubject) -> (KnownFrom, Vec<(DataKey, ImageValue)>) {
        let own = self.origins.get(self.cluster());
        let Some(partition) = own.and_then(|origin| origin.log.holder(&any_key(subject))) else {
            return (KnownFrom::Snapshot, Vec::new());
        };
        let (from, fold) = match () {
            () if partition.reached_end() => (KnownFrom::Log, partition.image()),
            () if partition.is_shadowed() || partition.serves_snapshot() => (KnownFrom::Snapshot, partition.served()),
            () => return (KnownFrom::Snapshot, Vec::new()),
        };
        (from, entries_of(fold, subject))
    }
}

fn entries_of(fold: &Fold, subject: &ObservedSubject) -> Vec<(DataKey, ImageValue)> {
    match subject {
        ObservedSubject::Service(service) => {
            let entries = fold.service(service).into_iter().flat_map(ServiceEntries::iter);
            entries
                .map(|(id, entry)| (DataKey::Instance(service.clone(), id.clone()), ImageValue::of_instance(entry)))
                .collect()
        }
        ObservedSubject::Config(config) => fold
            .config(config)
            .into_iter()
            .map(|entry| (DataKey::Config(config.clone()), ImageValue::of_config(entry)))
            .collect(),
    }
}

impl Federation {
    /// Marks what differs under a name that the log or Nacos has.
    fn consider_subject(&mut self, now: Now, subject: &ObservedSubject) {
        let mut keys: BTreeSet<DataKey> = self.logged_of(subject).1.into_iter().map(|(key, _)| key).collect();
        match subject {
            ObservedSubject::Service(service) => {
                let ids = self.local.service(service).into_iter().flat_map(|state| state.ids());
                keys.extend(ids.map(|id| DataKey::Instance(service.clone(), id.clone())));
            }
            ObservedSubject::Config(config) => drop(keys.insert(DataKey::Config(config.clone()))),
        }
        for key in keys {
            self.consider(now, key);
        }
    }
}

/// A key that stands in the partition of the name.
fn any_key(subject: &ObservedSubject) -> DataKey {
    match subject {
        ObservedSubject::Config(config) => DataKey::Config(config.clone()),
        ObservedSubject::Service(service) => any_instance(service),
    }
}

/// All instances of a service share one partition, whatever their ids.
fn any_instance(service: &ServiceKey) -> DataKey {
    DataKey::Instance(service.clone(), InstanceId::new("", 0, ""))
}
