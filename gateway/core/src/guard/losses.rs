//! How much of each namespace was lost lately: counted as it changes, so that asking costs nothing however large the registry is.
//!
//! Input: how many instances of a service are present and missing, whenever that changes; ids that came, went missing, or left. Output: what
//! of a namespace is lost, and of how many. An instance is lost from when it goes missing until a window after it left, or until it is back.
//!
//! A lost instance is *replaced* by one that came to the same service lately and is still there: a rollout under new addresses loses nothing.
//! Invariant: the sums of a namespace are those of its services (a property test counts anew).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::GuardSettings;
use crate::id::{InstanceId, ServiceKey};
use crate::seed::{Map, Seed};
use crate::time::{Millis, Mono};

/// What came is a replacement for what goes within so many windows: rollouts start the new one first, and are slow to end the old one.
const REPLACES_FOR_WINDOWS: u64 = 5;

/// How much of a namespace is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Instances that are missing, or left within the window, and were not replaced.
    pub lost: usize,
    /// Instances that there were before; at least `lost`.
    pub of: usize,
}

impl Loss {
    /// Whether it is a mass.
    #[must_use]
    pub fn is_mass(self, settings: &GuardSettings) -> bool {
        let (lost, of) = (self.lost as u128, self.of as u128);
        self.lost >= settings.instances.max(1) && lost * 100 > of * u128::from(settings.percent.get())
    }

    /// The part that is lost, in whole percent, rounded down.
    #[must_use]
    pub fn percent(self) -> u64 {
        (self.lost as u64 * 100).checked_div(self.of as u64).unwrap_or(0)
    }
}

/// Losses of all namespaces of the own Nacos.
#[derive(Debug)]
pub struct Losses {
    window: Millis,
    services: Map<ServiceKey, Counted>,
    namespaces: BTreeMap<Arc<str>, Sums>,
    /// When what left counts no more, and what came replaces nothing any more; each in its order, since all last equally long.
    left: VecDeque<(Mono, ServiceKey, InstanceId)>,
    came: VecDeque<(Mono, ServiceKey, InstanceId)>,
}

/// Of one service, or of all services of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    loss: Loss,
    missing: usize,
}

#[derive(Debug, Default)]
struct Counted {
    present: usize,
    missing: usize,
    /// Until when each counts.
    left: BTreeMap<InstanceId, Mono>,
    came: BTreeMap<InstanceId, Mono>,
}

impl Counted {
    fn sums(&self) -> Sums {
        let gone = self.missing + self.left.len();
        let lost = gone.saturating_sub(self.came.len());
        let of = (self.present + gone).saturating_sub(self.came.len());
        Sums { loss: Loss { lost, of }, missing: self.missing }
    }

    fn is_empty(&self) -> bool {
        self.present == 0 && self.missing == 0 && self.left.is_empty() && self.came.is_empty()
    }
}

impl Losses {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(window: Millis, seed: Seed) -> Self {
        let (left, came) = (VecDeque::new(), VecDeque::new());
        Self { window, services: seed.map(), namespaces: BTreeMap::new(), left, came }
    }

    /// How much of the namespace is lost.
    pub fn of(&mut self, now: Mono, namespace: &str) -> Loss {
        self.advance(now);
        self.namespaces.get(namespace).map(|sums| sums.loss).unwrap_or_default()
    }

    /// How many instances of the namespace are missing and still shown.
    #[must_use]
    pub fn missing(&self, namespace: &str) -> usize {
        self.namespaces.get(namespace).map_or(0, |sums| sums.missing)
    }

    /// The service has so many instances that Nacos lists, and so many that it lacks and that are still shown.
    pub fn count(&mut self, service: &ServiceKey, present: usize, missing: usize) {
        self.change(service, |counted| (counted.present, counted.missing) = (present, missing));
    }

    /// Nacos lists an instance that was not shown. One that left within the window is back; another one is new.
    pub fn came(&mut self, now: Mono, service: &ServiceKey, id: &InstanceId) {
        let until = now + Millis(self.window.0.saturating_mul(REPLACES_FOR_WINDOWS));
        let is_new = self.change(service, |counted| {
            let is_new = counted.left.remove(id).is_none();
            if is_new {
                counted.came.insert(id.clone(), until);
            }
            is_new
        });
        if is_new {
            self.came.push_back((until, service.clone(), id.clone()));
        }
    }

    /// Nacos does not list an instance any more: it replaces nobody.
    pub fn missed(&mut self, service: &ServiceKey, id: &InstanceId) {
        self.change(service, |counted| counted.came.remove(id));
    }

    /// The removal of an instance was proven and is not kept back. Not to be told of what people ordered.
    pub fn left(&mut self, now: Mono, service: &ServiceKey, id: &InstanceId) {
        let until = now + self.window;
        self.change(service, |counted| {
            counted.came.remove(id);
            counted.left.insert(id.clone(), until);
        });
        self.left.push_back((until, service.clone(), id.clone()));
    }

    /// What left counts no more when its window is over.
    fn advance(&mut self, now: Mono) {
        while let Some((until, service, id)) = self.left.pop_front_if(|(until, ..)| *until <= now) {
            self.change(&service, |counted| expire(&mut counted.left, &id, until));
        }
        while let Some((until, service, id)) = self.came.pop_front_if(|(until, ..)| *until <= now) {
            self.change(&service, |counted| expire(&mut counted.came, &id, until));
        }
    }

    /// Changes what is counted of a service, and the sums by it.
    fn change<T>(&mut self, service: &ServiceKey, change: impl FnOnce(&mut Counted) -> T) -> T {
        let counted = match self.services.get_mut(service) {
            Some(counted) => counted,
            None => self.services.entry(service.clone()).or_default(),
        };
        let before = counted.sums();
        let told = change(counted);
        let after = counted.sums();
        if counted.is_empty() {
            self.services.remove(service);
        }
        if before != after {
            self.sum(service.namespace(), before, after);
        }
        told
    }

    fn sum(&mut self, namespace: &str, before: Sums, after: Sums) {
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), Sums::default());
        }
        let sums = self.namespaces.get_mut(namespace).expect("it was just put in");
        sums.loss.lost = sums.loss.lost + after.loss.lost - before.loss.lost;
        sums.loss.of = sums.loss.of + after.loss.of - before.loss.of;
        sums.missing = sums.missing + after.missing - before.missing;
        if *sums == Sums::default() {
            self.namespaces.remove(namespace);
        }
    }
}

/// An instance that left, or came, again meanwhile has a later end.
fn expire(known: &mut BTreeMap<InstanceId, Mono>, id: &InstanceId, until: Mono) {
    if known.get(id) == Some(&until) {
        known.remove(id);
    }
}

#[cfg(test)]
mod tests;
