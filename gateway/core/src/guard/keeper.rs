//! Holds of the own cluster: which proven removals are kept back, and when what is kept back goes.
//!
//! Input: losses, proofs, what the log says that people decided, time. Output: a judgement for each proof, and services of which what is kept
//! back is to go. Invariant: a hold exists exactly while a removal of its namespace is kept back.
//!
//! Duties of the caller: every change of a service is counted before a proof of it is judged; what is told to go is let go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{GuardSettings, Loss, Losses};
use crate::id::ServiceKey;
use crate::seed::Seed;
use crate::time::{Millis, Mono};

/// What becomes of a proven removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It goes, and counts as lost for a window.
    Goes,
    /// It goes, because somebody said so: it counts as nothing.
    GoesByOrder,
    /// It is kept back.
    IsKept,
}

/// What was decided about a namespace of the own cluster, and is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnWord {
    /// Every removal is kept back until somebody says otherwise, a mass or not.
    Keep,
    /// Every removal goes.
    Release,
}

/// Removals of one namespace that are kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub since: Mono,
    /// How many removals are kept back now.
    pub kept: usize,
    /// What was lost at the last judgement.
    pub loss: Loss,
    services: BTreeMap<ServiceKey, usize>,
    /// Since when the loss is no mass any more.
    eased: Option<Mono>,
    leaving: bool,
}

/// The guard over the own Nacos.
#[derive(Debug)]
pub struct Guard {
    settings: GuardSettings,
    losses: Losses,
    holds: BTreeMap<Arc<str>, Hold>,
    words: BTreeMap<Arc<str>, OwnWord>,
    trips: u64,
}

impl Guard {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: GuardSettings, seed: Seed) -> Self {
        let losses = Losses::new(settings.window, seed);
        Self { settings, losses, holds: BTreeMap::new(), words: BTreeMap::new(), trips: 0 }
    }

    /// What a mass loss is.
    #[must_use]
    pub fn settings(&self) -> &GuardSettings {
        &self.settings
    }

    /// What is lost, to be told of changes.
    pub fn losses_mut(&mut self) -> &mut Losses {
        &mut self.losses
    }

    /// How much of a namespace is lost now.
    pub fn loss(&mut self, now: Mono, namespace: &str) -> Loss {
        self.losses.of(now, namespace)
    }

    /// How many instances of the namespace are missing and still shown, kept back or not.
    #[must_use]
    pub fn missing(&self, namespace: &str) -> usize {
        self.losses.missing(namespace)
    }

    /// Namespaces of which removals are kept back.
    pub fn holds(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Hold)> {
        self.holds.iter()
    }

    /// How often a hold began; it only grows.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.trips
    }

    /// What is decided about namespaces, from now on; what is not named is undecided.
    pub fn decide(&mut self, words: BTreeMap<Arc<str>, OwnWord>) {
        self.words = words;
    }

    /// What becomes of proven removals of the namespace. A hold begins by [`Guard::keep`].
    pub fn judge(&mut self, now: Mono, namespace: &str) -> Judgement {
        let is_mass = self.losses.of(now, namespace).is_mass(&self.settings);
        match self.words.get(namespace) {
            Some(OwnWord::Release) => Judgement::GoesByOrder,
            Some(OwnWord::Keep) => Judgement::IsKept,
            None if is_mass || self.holds.get(namespace).is_some_and(|hold| !hold.leaving) => Judgement::IsKept,
            None => Judgement::Goes,
        }
    }

    /// So many removals of the service are kept back now; 0 if none is any more.
    pub fn keep(&mut self, now: Mono, service: &ServiceKey, kept: usize) {
        let namespace = service.namespace();
        if kept == 0 && !self.holds.contains_key(namespace) {
            return;
        }
        let loss = self.losses.of(now, namespace);
        let hold = self.holds.entry(namespace.into()).or_insert_with(|| {
            self.trips += 1;
            Hold { since: now, kept: 0, loss, services: BTreeMap::new(), eased: None, leaving: false }
        });
        let before =
            if kept == 0 { hold.services.remove(service) } else { hold.services.insert(service.clone(), kept) };
        hold.kept = hold.kept + kept - before.unwrap_or(0);
        hold.loss = loss;
        if hold.services.is_empty() {
            self.holds.remove(namespace);
        }
    }

    /// At most `most` services of which everything that is kept back is to go now, and whether by order.
    pub fn leaving(&mut self, now: Mono, most: usize) -> Vec<(ServiceKey, Judgement)> {
        let mut services = Vec::new();
        for (namespace, hold) in &mut self.holds {
            hold.loss = self.losses.of(now, namespace);
            let word = self.words.get(namespace);
            hold.leaving = match word {
                Some(OwnWord::Release) => true,
                Some(OwnWord::Keep) => false,
                None => hold.has_rested(now, &self.settings),
            };
            if hold.leaving {
                let judgement = if word.is_some() { Judgement::GoesByOrder } else { Judgement::Goes };
                services.extend(hold.services.keys().take(most - services.len()).map(|key| (key.clone(), judgement)));
            }
        }
        services
    }

    /// Whether something is to go that has not gone yet.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.holds.values().any(|hold| hold.leaving)
    }
}

impl Hold {
    /// Whether the loss has been no mass for a window.
    fn has_rested(&mut self, now: Mono, settings: &GuardSettings) -> bool {
        if self.loss.is_mass(settings) {
            self.eased = None;
            return false;
        }
        let eased = *self.eased.get_or_insert(now);
        now.since(eased) >= settings.window.max(Millis(1))
    }
}
