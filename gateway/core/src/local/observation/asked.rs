//! Questions that somebody else puts to Nacos about what is watched.

use std::collections::BTreeSet;

use super::LocalObservation;
use crate::id::{ObservedSubject, ServiceKey};
use crate::time::Mono;

impl LocalObservation {
    /// Everything that is watched, answered or not.
    #[must_use]
    pub fn watched_subjects(&self) -> BTreeSet<ObservedSubject> {
        let services = self.services.keys().cloned().map(ObservedSubject::Service);
        services.chain(self.configs.keys().cloned().map(ObservedSubject::Config)).collect()
    }

    /// The service is read as soon as it may be.
    pub fn ask(&mut self, now: Mono, key: &ServiceKey) {
        if let Some(watched) = self.services.get_mut(key) {
            watched.state.ask(now);
            self.reschedule(key);
        }
    }

    /// When the question was put that the next answer for the service is to; `None` if none is open.
    #[must_use]
    pub fn asked_at(&self, key: &ServiceKey) -> Option<Mono> {
        self.services.get(key).and_then(|watched| watched.state.asked_at())
    }
}
