//! One partition of one origin's data topic, folded.
//!
//! Input: records in log order, perhaps repeated. Output: the keys whose shown value changed. Invariant (rule R1): the fold is what
//! compaction keeps, the last record per key by offset; no epoch, sequence or clock changes that. A partition that has to
//! be read anew is folded into a shadow while the old state serves (rule R18).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::config_item::ConfigItem;
use crate::id::{ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::log::key::{DataKey, RecordKey};
use crate::log::record::{Body, Epoch, Header, Record};

/// The last record of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// The last value that could be read, if any ever could.
    pub value: Option<Arc<T>>,
    /// Whether the last record itself could be read (rule R3: it counts in digests even if not).
    pub readable: bool,
    /// Digest of the last record.
    pub digest: u128,
    /// Header of the last record, if it had one.
    pub header: Option<Header>,
}

/// Instances of one service of one origin, by id.
pub type ServiceEntries = BTreeMap<InstanceId, Entry<Instance>>;

/// Last record per key, and the count and digest that checkpoints state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fold {
    services: HashMap<ServiceKey, ServiceEntries, RandomState>,
    configs: HashMap<ConfigKey, Entry<ConfigItem>, RandomState>,
    count: u64,
    digest: u128,
}

impl Fold {
    /// Number of `i` and `c` keys.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum modulo 2¹²⁸ of the records' digests.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The instances of a service; `None` if there are none.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&ServiceEntries> {
        self.services.get(key)
    }

    /// A config item.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<&Entry<ConfigItem>> {
        self.configs.get(key)
    }

    /// All services, in no order.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceKey, &ServiceEntries)> {
        self.services.iter()
    }

    /// All config items, in no order.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigKey, &Entry<ConfigItem>)> {
        self.configs.iter()
    }

    /// Digest of the key's last record, if it is present.
    #[must_use]
    pub fn digest_of(&self, key: &DataKey) -> Option<u128> {
        match key {
            DataKey::Instance(service, id) => self.services.get(service)?.get(id).map(|entry| entry.digest),
            DataKey::Config(config) => self.configs.get(config).map(|entry| entry.digest),
        }
    }

    /// Applies one record of a fact. Returns whether what a view shows of it changed.
    fn apply(&mut self, key: &DataKey, record: &Record) -> bool {
        let before = self.digest_of(key);
        let changed = match key {
            DataKey::Instance(service, id) => self.apply_instance(service, id, record),
            DataKey::Config(config) => self.apply_config(config, record),
        };
        let after = (record.body != Body::Tombstone).then_some(record.digest);
        self.digest = self.digest.wrapping_sub(before.unwrap_or(0)).wrapping_add(after.unwrap_or(0));
        self.count = self.count + u64::from(after.is_some()) - u64::from(before.is_some());
        changed
    }

    fn apply_instance(&mut self, service: &ServiceKey, id: &InstanceId, record: &Record) -> bool {
        if record.body == Body::Tombstone {
            let Some(entries) = self.services.get_mut(service) else { return false };
            let shown = entries.remove(id).is_some_and(|entry| entry.value.is_some());
            if entries.is_empty() {
                self.services.remove(service);
            }
            return shown;
        }
        let read = if let Body::Instance(instance) = &record.body { Some(instance) } else { None };
        let entries = self.services.entry(service.clone()).or_default();
        let (entry, changed) = next_entry(entries.get(id), read, record);
        entries.insert(id.clone(), entry);
        changed
    }

    fn apply_config(&mut self, key: &ConfigKey, record: &Record) -> bool {
        if record.body == Body::Tombstone {
            return self.configs.remove(key).is_some_and(|entry| entry.value.is_some());
        }
        let read = if let Body::Config(item) = &record.body { Some(item) } else { None };
        let (entry, changed) = next_entry(self.configs.get(key), read, record);
        self.configs.insert(key.clone(), entry);
        changed
    }

    /// All keys whose shown value differs between the two folds.
    fn differences(&self, other: &Self) -> Vec<DataKey> {
        let mut keys = Vec::new();
        for (left, right) in [(self, other), (other, self)] {
            for (service, entries) in &left.services {
                let theirs = right.services.get(service);
                let differs = |id: &InstanceId, entry: &Entry<Instance>| {
                    theirs.and_then(|theirs| theirs.get(id)).and_then(|found| found.value.as_ref())
                        != entry.value.as_ref()
                };
                let ids = entries.iter().filter(|(id, entry)| differs(id, entry)).map(|(id, _)| id.clone());
                keys.extend(ids.map(|id| DataKey::Instance(service.clone(), id)));
            }
            for (config, entry) in &left.configs {
                if right.configs.get(config).and_then(|found| found.value.as_ref()) != entry.value.as_ref() {
                    keys.push(DataKey::Config(config.clone()));
                }
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }
}

fn next_entry<T: PartialEq>(before: Option<&Entry<T>>, read: Option<&Arc<T>>, record: &Record) -> (Entry<T>, bool) {
    let kept = || before.and_then(|entry| entry.value.clone());
    let value = read.cloned().or_else(kept);
    let changed = before.and_then(|entry| entry.value.as_ref()) != value.as_ref();
    (Entry { value, readable: read.is_some(), digest: record.digest, header: record.header }, changed)
}

/// What a record did.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// What a view shows of this key changed.
    Changed(DataKey),
    /// The record was folded; nothing that a view shows changed.
    Unchanged,
    /// The record was folded into the shadow: what a view shows stays as it is until that takes its place.
    Held,
    /// As `Unchanged` or `Changed`, and the value could not be read.
    Undecodable(DataKey),
    /// A checkpoint completed the shadow: it took the place of the old state, which differs in these keys.
    Replaced(Vec<DataKey>),
    /// Not a fact: a checkpoint, a census, a key of a later version or of none.
    NotAFact,
}

/// A partition's fold, and the shadow that may replace it.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    served: Fold,
    shadow: Option<Shadow>,
    next_offset: u64,
    at_end_once: bool,
    highest_term: u32,
    last_checkpoint: Option<(Epoch, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Shadow {
    fold: Fold,
    at_end_once: bool,
    /// Whether the last checkpoint met was equal to the fold at its place.
    proven: bool,
}

impl Partition {
    /// Goes on serving what was folded, until the log itself has been read from its beginning.
    #[must_use]
    pub fn into_snapshot(self) -> Self {
        Self { served: self.served, shadow: Some(Shadow::default()), ..Self::default() }
    }

    /// What answers are made of.
    #[must_use]
    pub fn served(&self) -> &Fold {
        &self.served
    }

    /// What the log says as far as it was read: the shadow while there is one.
    #[must_use]
    pub fn image(&self) -> &Fold {
        self.shadow.as_ref().map_or(&self.served, |shadow| &shadow.fold)
    }

    /// Whether the log is being folded anew while an older state serves.
    #[must_use]
    pub fn is_shadowed(&self) -> bool {
        self.shadow.is_some()
    }

    /// Whether what is served was folded by an earlier process.
    #[must_use]
    pub fn serves_snapshot(&self) -> bool {
        self.is_shadowed() && !self.at_end_once
    }

    /// Whether the end of the log was reached since the fold of the log began.
    #[must_use]
    pub fn reached_end(&self) -> bool {
        self.shadow.as_ref().map_or(self.at_end_once, |shadow| shadow.at_end_once)
    }

    /// Offset after the last record that was folded.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The highest term in any header so far.
    #[must_use]
    pub fn highest_term(&self) -> u32 {
        self.highest_term
    }

    /// Epoch and beat of the last checkpoint read.
    #[must_use]
    pub fn last_checkpoint(&self) -> Option<(Epoch, u64)> {
        self.last_checkpoint
    }

    /// Folds one record.
    pub fn apply(&mut self, record: &Record) -> Applied {
        self.next_offset = record.offset + 1;
        if let (Body::Checkpoint(stated), Some(header)) = (&record.body, record.header) {
            self.last_checkpoint = Some((header.epoch, stated.beat));
        }
        self.highest_term = self.highest_term.max(record.header.map_or(0, |header| header.epoch.term));
        match (&record.key, &mut self.shadow) {
            (RecordKey::Data(key), Some(shadow)) => {
                shadow.fold.apply(key, record);
                Applied::Held
            }
            (RecordKey::Data(key), None) => {
                let changed = self.served.apply(key, record);
                match record.body {
                    Body::Unreadable => Applied::Undecodable(key.clone()),
                    _ if changed => Applied::Changed(key.clone()),
                    _ => Applied::Unchanged,
                }
            }
            (RecordKey::Checkpoint, Some(shadow)) => {
                if let Body::Checkpoint(stated) = record.body {
                    shadow.proven = (stated.count, stated.digest) == (shadow.fold.count, shadow.fold.digest);
                }
                self.replace_if_proven()
            }
            _ => Applied::NotAFact,
        }
    }

    /// All records below `next_offset` were folded, and there were no more.
    pub fn at_end(&mut self, next_offset: u64) -> Applied {
        self.next_offset = self.next_offset.max(next_offset);
        match &mut self.shadow {
            Some(shadow) => shadow.at_end_once = true,
            None => self.at_end_once = true,
        }
        self.replace_if_proven()
    }

    /// The reader begins anew at the partition's start: what was folded goes on serving.
    pub fn restart(&mut self) {
        self.next_offset = 0;
        self.shadow = Some(Shadow::default());
    }

    /// Takes the shadow as it is: for the leader, which drives its own log to what its Nacos says.
    pub fn replace(&mut self) -> Vec<DataKey> {
        let Some(shadow) = self.shadow.take() else { return Vec::new() };
        self.at_end_once = shadow.at_end_once;
        let differences = self.served.differences(&shadow.fold);
        self.served = shadow.fold;
        differences
    }

    fn replace_if_proven(&mut self) -> Applied {
        let proven = self.shadow.as_ref().is_some_and(|shadow| shadow.proven && shadow.at_end_once);
        if proven { Applied::Replaced(self.replace()) } else { Applied::NotAFact }
    }
}
