//! What changed in what answers are made of, noted key by key until the engine takes it, each with what it came of.

use std::collections::BTreeMap;

use crate::cause::ChangeCause;
use crate::id::{ConfigKey, ServiceKey};
use crate::log::key::DataKey;

/// What changed in what answers are made of, since it was last taken.
#[derive(Debug, Default)]
pub struct ViewChanges {
    /// Services to be built anew, and what each last change came of.
    pub services: BTreeMap<ServiceKey, ChangeCause>,
    /// Config items to be built anew, and what each last change came of.
    pub configs: BTreeMap<ConfigKey, ChangeCause>,
    /// The drains in force.
    pub intents: bool,
    /// What is in force of holds of the guard.
    pub guard: bool,
}

impl ViewChanges {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.configs.is_empty() && !self.intents && !self.guard
    }
}

/// What changed, and what further changes come of.
#[derive(Debug, Default)]
pub(super) struct NotedChanges {
    noted: ViewChanges,
    cause: ChangeCause,
}

impl NotedChanges {
    /// What changes from here on comes of this.
    pub(super) fn because(&mut self, cause: impl Into<ChangeCause>) {
        self.cause = cause.into();
    }

    pub(super) fn note(&mut self, key: &DataKey) {
        match key {
            DataKey::Instance(service, _) => drop(self.noted.services.insert(service.clone(), self.cause)),
            DataKey::Config(config) => drop(self.noted.configs.insert(config.clone(), self.cause)),
        }
    }

    pub(super) fn note_services(&mut self, services: impl IntoIterator<Item = ServiceKey>) {
        self.noted.services.extend(services.into_iter().map(|service| (service, self.cause)));
    }

    pub(super) fn note_configs(&mut self, configs: impl IntoIterator<Item = ConfigKey>) {
        self.noted.configs.extend(configs.into_iter().map(|config| (config, self.cause)));
    }

    pub(super) fn note_intents(&mut self) {
        self.noted.intents = true;
    }

    pub(super) fn note_guard(&mut self) {
        self.noted.guard = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    pub(super) fn take(&mut self) -> ViewChanges {
        std::mem::take(&mut self.noted)
    }
}
