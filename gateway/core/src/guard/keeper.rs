//! Holds of the own cluster: which proven removals are kept back, and when what is kept back goes.
//!
//! Input: losses, proofs, what the log says that people decided, time. Output: a judgement for each proof, and services of which what is kept
//! back may go. Invariant: a hold exists exactly while a removal of its namespace is kept back.
//!
//! Duties of the caller: every change of a service is counted before a proof of it is judged; what goes by order is let go when it is named;
//! what goes because the loss is over is proven anew first, since its proof is as old as the hold, and is judged again by that proof.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{GuardSettings, Loss, Losses};
use crate::id::{ConfigKey, InstanceId, ObservedSubject, ServiceKey};
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
    subjects: BTreeMap<ObservedSubject, usize>,
    /// Since when the loss is no mass any more.
    eased: Option<Mono>,
    leaving: Option<Leaving>,
}

/// What is kept back may go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaving {
    by: Judgement,
    /// What has not been told yet.
    untold: BTreeSet<ObservedSubject>,
}

/// The guard over the own Nacos.
#[derive(Debug)]
pub struct Guard {
    settings: GuardSettings,
    losses: Losses,
    /// Of config items, each counted as a service of one instance: few items among many instances are a mass of their own.
    config_losses: Losses,
    holds: BTreeMap<Arc<str>, Hold>,
    words: BTreeMap<Arc<str>, OwnWord>,
    trips: u64,
}

impl Guard {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: GuardSettings, seed: Seed) -> Self {
        let losses = || Losses::new(settings.window, seed);
        let (holds, words) = (BTreeMap::new(), BTreeMap::new());
        Self { settings, losses: losses(), config_losses: losses(), holds, words, trips: 0 }
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

    /// How much of a namespace is lost now: of its instances, or of its config items where only that is a mass.
    pub fn loss(&mut self, now: Mono, namespace: &str) -> Loss {
        let (instances, configs) = (self.losses.of(now, namespace), self.config_losses.of(now, namespace));
        if !instances.is_mass(&self.settings) && configs.is_mass(&self.settings) { configs } else { instances }
    }

    /// How many instances and config items of the namespace are missing and still shown, kept back or not.
    #[must_use]
    pub fn missing(&self, namespace: &str) -> usize {
        self.losses.missing(namespace) + self.config_losses.missing(namespace)
    }

    /// The config item is there or not, and shown although it is not.
    pub fn count_config(&mut self, key: &ConfigKey, present: bool, missing: bool) {
        let (service, _) = counted_as(key);
        self.config_losses.count(&service, usize::from(present), usize::from(missing));
    }

    /// Nacos has a config item that was not shown.
    pub fn config_came(&mut self, now: Mono, key: &ConfigKey) {
        let (service, id) = counted_as(key);
        self.config_losses.came(now, &service, &id);
    }

    /// Nacos does not have a config item any more.
    pub fn config_missed(&mut self, key: &ConfigKey) {
        let (service, id) = counted_as(key);
        self.config_losses.missed(&service, &id);
    }

    /// The removal of a config item was proven and is not kept back.
    pub fn config_left(&mut self, now: Mono, key: &ConfigKey) {
        let (service, id) = counted_as(key);
        self.config_losses.left(now, &service, &id);
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
    pub fn judge(&mut self, now: Mono, subject: &ObservedSubject) -> Judgement {
        let namespace = subject.namespace();
        let instances = self.losses.of(now, namespace).is_mass(&self.settings);
        // A Nacos that lost its instances is not believed about its config items; the other way round they are two matters.
        let is_mass =
            instances || (is_config(subject) && self.config_losses.of(now, namespace).is_mass(&self.settings));
        match self.words.get(namespace) {
            Some(OwnWord::Release) => Judgement::GoesByOrder,
            Some(OwnWord::Keep) => Judgement::IsKept,
            None if is_mass || self.holds.get(namespace).is_some_and(|hold| hold.leaving.is_none()) => {
                Judgement::IsKept
            }
            None => Judgement::Goes,
        }
    }

    /// So many removals of a service, or of a config item, are kept back now; 0 if none is any more.
    pub fn keep(&mut self, now: Mono, subject: &ObservedSubject, kept: usize) {
        let namespace = subject.namespace();
        if kept == 0 && !self.holds.contains_key(namespace) {
            return;
        }
        let loss = self.loss(now, namespace);
        let hold = self.holds.entry(namespace.into()).or_insert_with(|| {
            self.trips += 1;
            Hold { since: now, kept: 0, loss, subjects: BTreeMap::new(), eased: None, leaving: None }
        });
        let before =
            if kept == 0 { hold.subjects.remove(subject) } else { hold.subjects.insert(subject.clone(), kept) };
        hold.kept = hold.kept + kept - before.unwrap_or(0);
        hold.loss = loss;
        if hold.subjects.is_empty() {
            self.holds.remove(namespace);
        }
    }

    /// At most `most` services and config items of which what is kept back may go from now on, and by what. Each is named once, whether it can go
    /// at once or is to be proven first: one that Nacos does not answer for keeps no other from going.
    pub fn leaving(&mut self, now: Mono, most: usize) -> Vec<(ObservedSubject, Judgement)> {
        let mut told = Vec::new();
        let namespaces: Vec<Arc<str>> = self.holds.keys().cloned().collect();
        for namespace in &namespaces {
            let loss = self.loss(now, namespace);
            let Some(hold) = self.holds.get_mut(namespace) else { continue };
            hold.loss = loss;
            let by = match self.words.get(&**namespace) {
                Some(OwnWord::Release) => Some(Judgement::GoesByOrder),
                Some(OwnWord::Keep) => None,
                None => hold.has_rested(now, &self.settings).then_some(Judgement::Goes),
            };
            hold.leave(by);
            if let Some(leaving) = &mut hold.leaving {
                let room = most - told.len();
                let untold = std::iter::from_fn(|| leaving.untold.pop_first()).take(room);
                told.extend(untold.map(|subject| (subject, leaving.by)));
            }
        }
        told
    }

    /// Whether [`Guard::leaving`] has more to name.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.holds.values().any(|hold| hold.leaving.as_ref().is_some_and(|leaving| !leaving.untold.is_empty()))
    }
}

fn is_config(subject: &ObservedSubject) -> bool {
    matches!(subject, ObservedSubject::Config(_))
}

/// A config item as what losses count.
fn counted_as(key: &ConfigKey) -> (ServiceKey, InstanceId) {
    (ServiceKey::new(key.namespace(), key.group(), key.data_id()), InstanceId::new("", 0, ""))
}

impl Hold {
    /// What is kept back may go, by this, or may not.
    fn leave(&mut self, by: Option<Judgement>) {
        if self.leaving.as_ref().map(|leaving| leaving.by) != by {
            let untold = || self.subjects.keys().cloned().collect();
            self.leaving = by.map(|by| Leaving { by, untold: untold() });
        }
    }

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
