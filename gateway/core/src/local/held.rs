//! How many removals are held, by reason: kept as they change, so that telling costs nothing however large the registry is.

use std::collections::BTreeMap;

use crate::id::{ConfigKey, ServiceKey};
use crate::seed::{Map, Seed};
use crate::service::{HeldRemoval, HoldReason};

/// Counts of one service, or of all.
type ByReason = BTreeMap<HoldReason, usize>;

/// Removals that are held now.
#[derive(Debug)]
pub struct HeldCounts {
    total: ByReason,
    /// Only those that have one.
    services: Map<ServiceKey, ByReason>,
    configs: Map<ConfigKey, HoldReason>,
}

impl HeldCounts {
    pub(super) fn new(seed: Seed) -> Self {
        Self { total: ByReason::new(), services: seed.map(), configs: seed.map() }
    }

    /// How many are held for this reason.
    #[must_use]
    pub fn of(&self, reason: HoldReason) -> usize {
        self.total.get(&reason).copied().unwrap_or(0)
    }

    /// All reasons with a removal, and how many.
    #[must_use]
    pub fn total(&self) -> &BTreeMap<HoldReason, usize> {
        &self.total
    }

    pub(super) fn count_service<'a>(&mut self, key: &ServiceKey, held: impl Iterator<Item = &'a HeldRemoval>) {
        let mut now = ByReason::new();
        for held in held {
            *now.entry(held.reason).or_default() += 1;
        }
        let before =
            if now.is_empty() { self.services.remove(key) } else { self.services.insert(key.clone(), now.clone()) };
        self.replace(&before.unwrap_or_default(), &now);
    }

    pub(super) fn count_config(&mut self, key: &ConfigKey, held: Option<&HeldRemoval>) {
        let before = match held {
            Some(held) => self.configs.insert(key.clone(), held.reason),
            None => self.configs.remove(key),
        };
        let one = |reason: Option<HoldReason>| reason.into_iter().map(|reason| (reason, 1)).collect();
        self.replace(&one(before), &one(held.map(|held| held.reason)));
    }

    fn replace(&mut self, before: &ByReason, now: &ByReason) {
        for (reason, count) in now {
            *self.total.entry(*reason).or_default() += count;
        }
        for (reason, count) in before {
            let left = self.total.get(reason).map_or(0, |total| total.saturating_sub(*count));
            if left == 0 {
                self.total.remove(reason);
            } else {
                self.total.insert(*reason, left);
            }
        }
    }
}
