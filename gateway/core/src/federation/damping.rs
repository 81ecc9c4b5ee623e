//! Damping of what answers are made from: effective health of instances, effective freshness of origins.
//!
//! Input: every change of an instance's raw health, and time. Output: effective words, and the services to be built anew
//! because a hold ended. Invariant: nothing is kept of an instance that has been healthy for a hold, or is absent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::federation::{Federation, Origin};
use crate::freshness::Freshness;
use crate::id::{ClusterId, InstanceId, ServiceKey};
use crate::instance::Health;
use crate::log::key::DataKey;
use crate::routing::{DampedWord, RoutingWord, WordSeverity};
use crate::seed::{Map, Seed};
use crate::time::{Millis, Mono, Now};

/// An instance of one origin, within its service.
type Registration = (ClusterId, InstanceId);

/// Health that is worse than good, or was within the last hold.
#[derive(Debug)]
pub(super) struct HealthMemory {
    hold: Millis,
    services: Map<ServiceKey, BTreeMap<Registration, DampedWord<Health>>>,
    /// Ends of holds, in their order since all holds are equally long. Those of holds that were broken are passed over.
    ends: VecDeque<(Mono, ServiceKey, Registration)>,
}

/// Whether what is heard follows from what was heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// It is a change that happened, or was heard of, now.
    Now,
    /// A log is read for the first time: the order of its records is not the order of events now.
    CatchingUp,
}

impl HealthMemory {
    pub(super) fn new(hold: Millis, seed: Seed) -> Self {
        Self { hold, services: seed.map(), ends: VecDeque::new() }
    }

    /// An instance that is not remembered was healthy, or is new: its word counts at once.
    fn hear(&mut self, now: Mono, service: &ServiceKey, of: Registration, raw: Health, hearing: Hearing) {
        if self.hold == Millis(0) {
            return;
        }
        let known = self.services.get_mut(service).and_then(|instances| instances.get_mut(&of));
        match known.filter(|_| hearing == Hearing::Now) {
            Some(damped) => {
                let better = raw.severity() < damped.raw().severity();
                damped.hear(now, raw, self.hold);
                if better {
                    self.ends.push_back((now + self.hold, service.clone(), of));
                }
            }
            None if raw.severity() == WordSeverity::Good => self.forget(service, &of),
            None => drop(self.services.entry(service.clone()).or_default().insert(of, DampedWord::new(raw))),
        }
    }

    fn remembers(&self, service: &ServiceKey) -> bool {
        self.services.contains_key(service)
    }

    fn forget(&mut self, service: &ServiceKey, of: &Registration) {
        let Some(instances) = self.services.get_mut(service) else { return };
        instances.remove(of);
        if instances.is_empty() {
            self.services.remove(service);
        }
    }

    /// Services in which something became better.
    fn end_holds(&mut self, now: Mono) -> BTreeSet<ServiceKey> {
        let mut changed = BTreeSet::new();
        while let Some((_, service, of)) = self.ends.pop_front_if(|(end, ..)| *end <= now) {
            let Some(damped) = self.services.get_mut(&service).and_then(|instances| instances.get_mut(&of)) else {
                continue;
            };
            let before = damped.effective();
            damped.forget(now);
            let after = damped.effective();
            if damped.is_settled() && after.severity() == WordSeverity::Good {
                self.forget(&service, &of);
            }
            if before != after {
                changed.insert(service);
            }
        }
        changed
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.ends.front().map(|(end, ..)| *end)
    }

    /// What routing takes an instance for whose raw word is `raw`.
    pub(super) fn effective(&self, service: &ServiceKey, origin: &ClusterId, id: &InstanceId, raw: Health) -> Health {
        // Most services have nothing to remember: ids are copied only for the others.
        let Some(instances) = self.services.get(service) else { return raw };
        let remembered = instances.get(&(origin.clone(), id.clone())).map(DampedWord::effective);
        remembered.filter(|word| word.severity() > raw.severity()).unwrap_or(raw)
    }
}

impl Origin {
    /// What routing takes the origin for. Until it was first heard live in this process, its word counts at once: being
    /// read for the first time is no recovery.
    pub(super) fn hear_freshness(&mut self, now: Mono, raw: Freshness, hold: Millis) -> Freshness {
        match &mut self.damped {
            Some(damped) => {
                damped.hear(now, raw, hold);
                damped.effective()
            }
            None => {
                self.damped = (raw == Freshness::Live).then(|| DampedWord::new(raw));
                raw
            }
        }
    }
}

impl Federation {
    /// A value of `origin` changed: its health is heard.
    pub(super) fn hear_health(&mut self, now: Now, origin: &ClusterId, key: &DataKey) {
        let DataKey::Instance(service, id) = key else { return };
        let heard = self.raw_health(origin, service, id);
        let is_good = heard.is_none_or(|(raw, _)| raw.severity() == WordSeverity::Good);
        if is_good && !self.health.remembers(service) {
            return; // As it is with nearly all: nothing is remembered, nothing is to be.
        }
        let of = (origin.clone(), id.clone());
        match heard {
            Some((raw, hearing)) => self.health.hear(now.mono, service, of, raw, hearing),
            None => self.health.forget(service, &of),
        }
    }

    /// As the view shows it.
    fn raw_health(&self, origin: &ClusterId, service: &ServiceKey, id: &InstanceId) -> Option<(Health, Hearing)> {
        if let Some(state) = self.local.service(service).filter(|_| origin == self.cluster()) {
            return Some((state.wanted(id)?.health, Hearing::Now));
        }
        let partition = self.origins.get(origin)?.log.holder_of_service(service)?;
        let hearing = if partition.is_read() { Hearing::Now } else { Hearing::CatchingUp };
        Some((partition.shown_instance(service, id)?.health, hearing))
    }

    /// Services of which a hold ended are to be built anew.
    pub(super) fn end_holds(&mut self, now: Now) {
        self.changed.note_services(self.health.end_holds(now.mono));
    }

    pub(super) fn next_hold_end(&self) -> Option<Mono> {
        self.health.next_deadline()
    }
}
