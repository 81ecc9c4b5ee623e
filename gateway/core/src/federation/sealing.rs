//! Under which keys the contents of the own config items stand on the log, and driving that to what is configured.
//!
//! Bytes and keys are the business of whoever encodes and decodes; here is decided which key an item is to be written under, and when one that
//! stands under another is written anew. It defends against three mistakes: a content that is published because a process was given no
//! key; thousands of items that are rewritten at once, which would delay what people wait for; and a rotation that leaves a moment in which
//! an item is missing: it is only ever overwritten, by the same content.
//!
//! ```text
//! stands as configured ──another key is to seal, or none──▶ waits ──a few each quarter of a second──▶ admitted ──read back──▶ stands as configured
//! ```
//!
//! Invariant: that an item stands under another key than is configured is no difference that makes it due, unless it is admitted. So a
//! partition with items that wait is not behind, and its checkpoints are stated meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::config_item::{ConfigItem, SealPolicy};
use crate::federation::Federation;
use crate::federation::own::Wanted;
use crate::federation::reconcile::Occasion;
use crate::id::{ClusterId, ConfigKey};
use crate::input::{OpenedItem, SealInput};
use crate::lease::ReplicaRole;
use crate::log::key::DataKey;
use crate::log::origin::ImageValue;
use crate::log::partition::SealCounts;
use crate::log::record::{RecordBody, TopicKind};
use crate::time::{Millis, Mono, Now};

/// So many items are rewritten at a time.
const ADMITTED: usize = 100;
/// So often the next ones are: with [`ADMITTED`], at most 400 items a second.
const ADMIT_EVERY: Millis = Millis(250);
/// What is left, because Nacos has not answered for it or because it is held, is looked for again after this.
const SEARCH_AGAIN: Millis = Millis::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    policy: SealPolicy,
    /// Items that may be rewritten now.
    admitted: BTreeSet<ConfigKey>,
    /// Items that were found under another key.
    waiting: VecDeque<ConfigKey>,
    next_admission: Mono,
    next_search: Mono,
}

impl Federation {
    /// How contents of own config items are written.
    #[must_use]
    pub fn seal_policy(&self) -> SealPolicy {
        self.sealing.policy
    }

    /// Under which keys the config items of each origin stand on the log, as they are served.
    pub fn seals(&self) -> impl Iterator<Item = (&ClusterId, SealCounts)> {
        self.origins.iter().map(|(id, origin)| {
            let mut counts = SealCounts::default();
            origin.log.folds().for_each(|fold| counts.add(fold.seals()));
            (id, counts)
        })
    }

    /// Own config items that stand on the log otherwise than they are to be written.
    #[must_use]
    pub fn items_to_reseal(&self) -> u64 {
        let key = match self.sealing.policy {
            SealPolicy::Unkeyed => return 0,
            SealPolicy::Clear => None,
            SealPolicy::Under(key) => Some(key),
        };
        let Some(own) = self.origins.get(self.cluster()) else { return 0 };
        let images = own.log.all().map(|(_, _, partition)| partition.image().seals());
        images.map(|seals| seals.total() - seals.under(key)).sum()
    }

    /// Sealed items that were never tried with their key, by origin: to be told of by [`SealInput::Opened`] if that is there now.
    pub fn unopened(&self) -> impl Iterator<Item = (&ClusterId, &ConfigKey, &Arc<ConfigItem>)> {
        self.origins.iter().flat_map(|(id, origin)| {
            let partitions = origin.log.all().filter(|(topic, ..)| *topic == TopicKind::Configs);
            partitions.flat_map(move |(_, _, partition)| partition.unopened().map(move |(key, item)| (id, key, item)))
        })
    }

    pub(super) fn step_sealing(&mut self, now: Now, input: SealInput) {
        match input {
            SealInput::Policy(policy) if policy != self.sealing.policy => {
                if self.sealing.policy == SealPolicy::Unkeyed {
                    self.look_at_all_items(); // Changes of what stands sealed were not due.
                }
                // What is admitted is forgotten: it may stand as it is to by now.
                self.sealing =
                    Sealing { policy, next_admission: now.mono, next_search: now.mono, ..Sealing::default() };
            }
            SealInput::Policy(_) => {}
            SealInput::Opened(items) => items.into_iter().for_each(|item| self.take_opened(now, item)),
        }
    }

    fn look_at_all_items(&mut self) {
        let count = self.origins.get(self.cluster()).map_or(0, |own| own.log.partitions());
        (0..count).for_each(|partition| self.reconcile((TopicKind::Configs, partition), Occasion::Read, &[]));
    }

    fn take_opened(&mut self, now: Now, OpenedItem { origin, key, sealed, opened }: OpenedItem) {
        let data_key = DataKey::Config(key);
        let DataKey::Config(key) = &data_key else { return };
        let own = origin == *self.cluster();
        let held = own && self.local.open_held(key, &sealed, &opened);
        let Some(found) = self.origins.get_mut(&origin) else { return };
        let place = Some(found.log.partitions()).filter(|count| *count > 0).map(|count| data_key.partition(count));
        let partition = place.and_then(|place| found.log.partition_mut(TopicKind::Configs, place));
        let logged = partition.is_some_and(|partition| partition.open(key, &sealed, &opened));
        if !held && !logged {
            return; // It was overwritten meanwhile.
        }
        self.changed.note(&data_key);
        self.note_snapshot_change();
        if own {
            self.consider(now, data_key);
        }
    }

    /// What the local Nacos says of a config item, as it is to stand on the log.
    pub(super) fn wanted_item(&self, config: &ConfigKey) -> Wanted {
        let Some(state) = self.local.config(config) else { return Wanted::Unknown };
        let Some(item) = state.wanted() else { return Wanted::Absent };
        let key = match self.sealing.policy {
            SealPolicy::Unkeyed => {
                let logged = self.logged_item(config);
                // Also where what stands there is not what Nacos says any more: better old than published.
                let stands_sealed = logged.as_ref().is_some_and(|logged| logged.seal().is_some());
                if stands_sealed && item.content.text().is_ok() {
                    return Wanted::Unknown;
                }
                None
            }
            SealPolicy::Clear => None,
            SealPolicy::Under(key) => Some(key),
        };
        Wanted::Present(RecordBody::Config(item.under(key)))
    }

    fn logged_item(&self, config: &ConfigKey) -> Option<Arc<ConfigItem>> {
        let key = DataKey::Config(config.clone());
        match self.origins.get(self.cluster())?.log.image(&key) {
            Some(ImageValue::Config(item)) => Some(item),
            _ => None,
        }
    }

    /// Whether what is logged has to be overwritten by what is wanted.
    pub(super) fn item_differs(&self, key: &DataKey, logged: &ConfigItem, wanted: &ConfigItem) -> bool {
        let admitted = matches!(key, DataKey::Config(config) if self.sealing.admitted.contains(config));
        if admitted { logged != wanted } else { !logged.says_as(wanted) }
    }

    /// Has a few more items rewritten, if it is time and some stand otherwise than they are to.
    pub(super) fn reseal(&mut self, now: Now) {
        let may = self.lease.role() == ReplicaRole::Leading && self.lease.may_write(now.mono);
        if !may || now.mono < self.sealing.next_admission {
            return;
        }
        self.sealing.next_admission = now.mono + ADMIT_EVERY;
        let done: Vec<ConfigKey> = self
            .sealing
            .admitted
            .iter()
            .filter(|key| !self.differs(&DataKey::Config((*key).clone())))
            .cloned()
            .collect();
        self.sealing.admitted.retain(|key| !done.contains(key));
        if self.sealing.waiting.is_empty() && self.sealing.admitted.is_empty() {
            self.search(now);
        }
        while self.sealing.admitted.len() < ADMITTED {
            let Some(config) = self.sealing.waiting.pop_front() else { return };
            let key = DataKey::Config(config.clone());
            self.sealing.admitted.insert(config.clone());
            if self.leadership.has_taken(&key) && self.differs(&key) {
                self.consider(now, key);
            } else {
                self.sealing.admitted.remove(&config);
            }
        }
    }

    fn search(&mut self, now: Now) {
        if now.mono < self.sealing.next_search || self.items_to_reseal() == 0 {
            return;
        }
        self.sealing.next_search = now.mono + SEARCH_AGAIN;
        let key = self.sealing.policy.key();
        let Some(own) = self.origins.get(self.cluster()) else { return };
        let items = own.log.all().flat_map(|(_, _, partition)| partition.image().configs());
        let others = items.filter(|(_, entry)| entry.value.as_ref().is_some_and(|item| item.seal() != key));
        let mut found: Vec<ConfigKey> = others.map(|(key, _)| key.clone()).collect();
        found.sort(); // Of a hash map: the same each time.
        self.sealing.waiting = found.into();
    }
}
