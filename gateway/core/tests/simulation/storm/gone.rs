//! What a view may stop to show (5: no withdrawal on silence): what its origin removed, and what nobody but a log knew of that lost it.

use federation_core::log::key::DataKey;

use super::checks::RACE;
use super::plan::Kind;
use super::world::Storm;

/// What a truncation took is stated again, and read, within this time.
const RESTATED_WITHIN: u64 = 40_000;

impl Storm {
    pub(crate) fn check_gone(&mut self, slot: usize, of: usize, key: DataKey, since: u64) {
        let named = (self.clusters[of].clone(), key.clone());
        let process = self.process(slot).expect("it runs");
        let told = process.memory.tombstones.get(&named).is_some_and(|at| *at + 400 >= since);
        let decided = self.record.decided.get(&named).is_some_and(|at| *at + 400 >= since);
        let restored = !self.landed[&self.place_of(of, &key)].keys.contains_key(&key)
            && self.record.lost.get(&named.0).is_none_or(|lost| lost + 400 < since);
        // A log without its newest records is what it once was, and an older checkpoint proves that: until its leader states them again.
        let was_truncated = self.record.truncated.get(&named.0).is_some_and(|at| *at + RESTATED_WITHIN > self.now);
        // Nobody but the log knew of an instance that lists did not tell of, because it was disabled or because they lied, when a gateway of its
        // cluster started anew; and gateways believe their log at once, once it was read.
        let was_lost = self.record.lost.get(&named.0).is_some_and(|at| *at + RESTATED_WITHIN > self.now);
        let is_own = self.slots[slot].cluster == of;
        let is_unread = is_own && !process.core.log_is_read();
        // Nor does a checkpoint wait for a key that is refused while the log takes others (R16).
        let refused = |slot: &usize| self.ends(Kind::SendsRefused, *slot) + 2 * RESTATED_WITHIN > self.now;
        let untold = self.is_disabled(of, &key) || self.lists_lied_at_a_start(of);
        let unstated = is_own || untold || self.slots_of(of).iter().any(refused);
        let may_be_gone = was_truncated || is_unread || (was_lost && unstated);
        let is_there = !may_be_gone
            && match &key {
                DataKey::Instance(service, id) => {
                    self.has_long_been(of, &key)
                        && self.registries[of].of(service, id).is_some_and(|it| it.back + RACE < self.now)
                }
                DataKey::Config(_) => self.has_long_been(of, &key),
            };
        if is_there && !told && !decided && !restored && !self.record.unreadable.contains(&key) {
            self.fail("5 no withdrawal on silence", || format!("slot {slot} shows no {key:?} of {} any more", named.0));
        }
    }

    /// Whether a process of the cluster has started since its log lost records, and its registry's lists lacked instances meanwhile.
    fn lists_lied_at_a_start(&self, of: usize) -> bool {
        let lost = self.record.lost.get(&self.clusters[of]).copied().unwrap_or(0);
        let lies = [Kind::EmptyLists, Kind::PartialLists, Kind::OldLists];
        let lied = lies.into_iter().any(|kind| self.ends(kind, of) > lost);
        lied && self.running_of(of).iter().any(|(_, process)| process.started() > lost)
    }

    fn is_disabled(&self, of: usize, key: &DataKey) -> bool {
        let DataKey::Instance(service, id) = key else { return false };
        self.registries[of].of(service, id).is_some_and(|it| !it.instance.enabled)
    }
}
