//! What a view keeps of keys whose last record came out of order (rule R14).
//!
//! A record of a leader that was deposed, or one that a mirror copies again, may land after newer ones. It is its key's last record, so it is
//! folded (rule R1), and whoever leads overrules it as soon as it reads it back. A view that showed it meanwhile would lose an instance that
//! lives, or show one that is gone. So it keeps what it had of the key until the key's next record that is in order, or for two seconds.
//!
//! ```text
//! as folded ──a late record that changes the key──▶ former value kept ──next record in order, or 2 s after the first late one──▶ as folded
//! ```
//!
//! Invariants: nothing here changes a fold, a digest or a comparison; no key is kept back for longer than [`KEPT_BACK_FOR`], however many late
//! records follow; a wrong order of epochs (a restored log, a forged checkpoint) costs that delay, never content.
//!
//! Bounds, of each partition: [`MOST_KEYS`] keys, and [`MOST_BYTES`] of values, so that any single config item has room. What is beyond them is
//! shown at once, as if it were in order: a flood of late records is a fault of its own, and must not fill the memory.
//!
//! Duty of the caller: to end what is due, with [`Partition::end_late`], when [`LateRecords::next_end`] says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::id::{ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::log::bounds::value_bytes;
use crate::log::entries::ServiceEntries;
use crate::log::key::DataKey;
use crate::log::partition::{AppliedRecord, Fold, Partition};
use crate::log::record::RecordBody;
use crate::time::{Millis, Mono};

/// A leader that reads its topics overrules a late record within some hundred milliseconds; a second and a half if it has to wait for a
/// broker, or did so a moment ago. Longer, and what nobody overrules (a restored log) is shown late without need.
pub const KEPT_BACK_FOR: Millis = Millis::from_secs(2);
/// What one producer has under way when it is deposed lands within seconds: some hundred records of a partition.
const MOST_KEYS: usize = 1_024;
/// Metadata of all these keys, or one config item of the largest size.
const MOST_BYTES: u64 = 16 << 20;

/// The value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue {
    /// Of an `i` key.
    Instance(Arc<Instance>),
    /// Of a `c` key.
    Config(Arc<ConfigItem>),
}

impl FactValue {
    fn bytes(&self) -> u64 {
        match self {
            Self::Instance(instance) => value_bytes(&RecordBody::Instance(Arc::clone(instance))),
            Self::Config(item) => value_bytes(&RecordBody::Config(Arc::clone(item))),
        }
    }
}

/// What a view shows of a key instead of its last record.
#[derive(Clone, Debug)]
struct Former {
    /// `None` if nothing was shown.
    value: Option<FactValue>,
    until: Mono,
}

/// What is kept back in one partition.
#[derive(Clone, Debug, Default)]
pub struct LateRecords {
    keys: BTreeMap<DataKey, Former>,
    /// Of the former values.
    bytes: u64,
}

impl LateRecords {
    /// Whether everything is shown as it was folded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are kept back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// When the first of them is to be shown as it was folded.
    #[must_use]
    pub fn next_end(&self) -> Option<Mono> {
        self.keys.values().map(|former| former.until).min()
    }

    /// Keys that are kept back.
    pub fn keys(&self) -> impl Iterator<Item = &DataKey> {
        self.keys.keys()
    }

    /// Instances of a service that are kept back, with what is shown of them.
    #[must_use]
    pub fn of_service(&self, service: &ServiceKey) -> BTreeMap<&InstanceId, Option<&Arc<Instance>>> {
        if self.keys.is_empty() {
            return BTreeMap::new();
        }
        let first = DataKey::Instance(service.clone(), InstanceId::new("", 0, ""));
        let from_here = self.keys.range(first..).map_while(|(key, former)| match key {
            DataKey::Instance(of, id) if of == service => Some((id, former)),
            _ => None,
        });
        from_here.map(|(id, former)| (id, instance_of(former.value.as_ref()))).collect()
    }

    /// Whether the config item is kept back, and what is shown of it.
    #[must_use]
    pub fn of_config(&self, config: &ConfigKey) -> Option<Option<&Arc<ConfigItem>>> {
        if self.keys.is_empty() {
            return None;
        }
        let former = self.keys.get(&DataKey::Config(config.clone()))?;
        Some(if let Some(FactValue::Config(item)) = &former.value { Some(item) } else { None })
    }

    /// A record in order was folded, and left `after`. Returns what it did to the view.
    pub(super) fn overrule(
        &mut self,
        key: &DataKey,
        after: Option<&FactValue>,
        applied: AppliedRecord,
    ) -> AppliedRecord {
        let Some(former) = self.forget(key) else { return applied };
        match applied {
            AppliedRecord::Undecodable(_) => applied,
            _ if former.as_ref() == after => AppliedRecord::Unchanged,
            _ => AppliedRecord::Changed(key.clone()),
        }
    }

    /// A record out of order was folded: the key had `before` and has `after`. Returns what it did to the view.
    pub(super) fn keep_back(
        &mut self,
        now: Mono,
        key: &DataKey,
        (before, after): (Option<FactValue>, Option<&FactValue>),
        applied: AppliedRecord,
    ) -> AppliedRecord {
        if self.keys.contains_key(key) {
            return AppliedRecord::Late(key.clone());
        }
        let bytes = before.as_ref().map_or(0, FactValue::bytes);
        let has_room = self.keys.len() < MOST_KEYS && self.bytes.saturating_add(bytes) <= MOST_BYTES;
        if before.as_ref() == after || !has_room {
            return applied;
        }
        self.bytes += bytes;
        self.keys.insert(key.clone(), Former { value: before, until: now + KEPT_BACK_FOR });
        AppliedRecord::Late(key.clone())
    }

    /// From now on these are shown as they were folded.
    pub(super) fn forget_all(&mut self, keys: &[DataKey]) {
        if !self.keys.is_empty() {
            keys.iter().for_each(|key| drop(self.forget(key)));
        }
    }

    /// Returns what was shown of the key instead of its last record, if it was kept back.
    fn forget(&mut self, key: &DataKey) -> Option<Option<FactValue>> {
        let former = self.keys.remove(key)?;
        self.bytes -= former.value.as_ref().map_or(0, FactValue::bytes);
        Some(former.value)
    }

    fn due(&self, now: Mono) -> Vec<DataKey> {
        self.keys.iter().filter(|(_, former)| former.until <= now).map(|(key, _)| key.clone()).collect()
    }
}

fn instance_of(value: Option<&FactValue>) -> Option<&Arc<Instance>> {
    if let Some(FactValue::Instance(instance)) = value { Some(instance) } else { None }
}

impl Fold {
    /// The last value of a key that could be read.
    #[must_use]
    pub fn value_of(&self, key: &DataKey) -> Option<FactValue> {
        match key {
            DataKey::Instance(service, id) => self.service(service)?.get(id)?.value.clone().map(FactValue::Instance),
            DataKey::Config(config) => self.config(config)?.value.clone().map(FactValue::Config),
        }
    }
}

impl Partition {
    /// Ends what was kept back for long enough. Returns the keys of which a view now shows something else.
    pub fn end_late(&mut self, now: Mono) -> Vec<DataKey> {
        let due = self.late().due(now);
        let mut changed = Vec::new();
        for key in due {
            let folded = self.served().value_of(&key);
            if self.late_mut().forget(&key).is_some_and(|shown| shown != folded) {
                changed.push(key);
            }
        }
        changed
    }

    /// Instances of a service as a view shows them, sorted by id.
    #[must_use]
    pub fn shown_instances(&self, service: &ServiceKey) -> Vec<(&InstanceId, &Arc<Instance>)> {
        let folded = self.served().service(service).into_iter().flat_map(ServiceEntries::iter);
        let folded = folded.filter_map(|(id, entry)| Some((id, entry.value.as_ref()?)));
        let late = self.late().of_service(service);
        if late.is_empty() {
            return folded.collect();
        }
        let mut shown: BTreeMap<&InstanceId, &Arc<Instance>> = folded.collect();
        for (id, former) in late {
            match former {
                Some(instance) => drop(shown.insert(id, instance)),
                None => drop(shown.remove(id)),
            }
        }
        shown.into_iter().collect()
    }

    /// An instance as a view shows it.
    #[must_use]
    pub fn shown_instance(&self, service: &ServiceKey, id: &InstanceId) -> Option<&Arc<Instance>> {
        match self.late().of_service(service).get(id) {
            Some(former) => *former,
            None => self.served().service(service)?.get(id)?.value.as_ref(),
        }
    }

    /// Instances of a service that count, those whose values cannot be read too.
    #[must_use]
    pub fn counted_instances(&self, service: &ServiceKey) -> usize {
        let folded = self.served().service(service);
        let mut count = folded.map_or(0, ServiceEntries::len);
        for (id, former) in self.late().of_service(service) {
            let is_folded = folded.is_some_and(|entries| entries.get(id).is_some());
            count = count + usize::from(former.is_some()) - usize::from(is_folded);
        }
        count
    }

    /// A config item as a view shows it.
    #[must_use]
    pub fn shown_config(&self, config: &ConfigKey) -> Option<&Arc<ConfigItem>> {
        match self.late().of_config(config) {
            Some(former) => former,
            None => self.served().config(config)?.value.as_ref(),
        }
    }

    /// Whether a config item counts, also if its value cannot be read.
    #[must_use]
    pub fn counts_config(&self, config: &ConfigKey) -> bool {
        match self.late().of_config(config) {
            Some(former) => former.is_some(),
            None => self.served().config(config).is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
