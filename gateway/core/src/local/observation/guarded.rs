//! What is observed, under the guard: proven removals go, or are kept back while they are part of a mass loss.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{LocalObservation, data_keys};
use crate::guard::{Guard, GuardSettings, Judgement, OwnWord};
use crate::id::{InstanceId, ObservedSubject, ServiceKey};
use crate::instance::Instance;
use crate::log::key::DataKey;
use crate::time::{Millis, Mono};

/// Services of which held removals go in one step at most; the rest goes in the next ones.
const GO_IN_A_STEP: usize = 256;
/// Steps in which held removals go follow each other in this time.
const GO_EVERY: Millis = Millis(20);

impl LocalObservation {
    /// As [`LocalObservation::new`], with another guard. Only before the first input.
    #[must_use]
    pub fn guarded(self, settings: GuardSettings) -> Self {
        let guard = Guard::new(settings, self.seed);
        Self { guard, ..self }
    }

    /// What of the own Nacos was lost, and what of that is kept back.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What people decided about the own namespaces, from now on.
    pub fn decide(&mut self, words: BTreeMap<Arc<str>, OwnWord>) {
        self.guard.decide(words);
    }

    /// The leader let go what this process keeps back: it goes here, too. Returns whether it was kept back.
    pub fn was_let_go(&mut self, now: Mono, key: &DataKey) -> bool {
        match key {
            DataKey::Instance(service, id) => self.instance_was_let_go(now, service, id),
            DataKey::Config(config) => self.config_was_let_go(now, config),
        }
    }

    fn instance_was_let_go(&mut self, now: Mono, key: &ServiceKey, id: &InstanceId) -> bool {
        let Some(watched) = self.services.get_mut(key) else { return false };
        let was_kept = watched.state.drop_kept(id);
        if was_kept {
            self.guard.keep(now, &service_of(key), watched.state.kept());
            self.reschedule(key);
        }
        was_kept
    }

    /// Somebody who may have heard more says that an instance exists, which is kept back here as proven gone: it is to be proven anew.
    pub fn doubt_proof(&mut self, now: Mono, key: &ServiceKey, id: &InstanceId) {
        let Some(watched) = self.services.get_mut(key) else { return };
        if watched.state.refute(id) {
            self.guard.keep(now, &service_of(key), watched.state.kept());
            self.reschedule(key);
        }
    }

    /// What is kept back and was released goes; what may go because the loss is over is asked for once more. Returns whose wanted value
    /// changed. To be called in each step.
    pub fn let_go(&mut self, now: Mono) -> Vec<DataKey> {
        if self.guard.holds().len() == 0 {
            self.next_to_go = None;
            return Vec::new();
        }
        let mut changed = Vec::new();
        for (subject, judgement) in self.guard.leaving(now, GO_IN_A_STEP) {
            match (subject, judgement) {
                (ObservedSubject::Config(key), _) => changed.extend(self.let_config_go(now, &key, judgement)),
                (ObservedSubject::Service(key), Judgement::GoesByOrder) => {
                    changed.extend(self.go(now, &key, judgement))
                }
                (ObservedSubject::Service(key), _) => self.prove_anew(now, &key),
            }
        }
        self.next_to_go = self.guard.is_leaving().then(|| now + GO_EVERY);
        changed
    }

    /// Tells the guard who came to a service, and who went missing.
    pub(super) fn note_moves(&mut self, now: Mono, key: &ServiceKey) {
        let Some(watched) = self.services.get_mut(key) else { return };
        let moves = watched.state.take_moves();
        self.wait_at_doors(now, key, &moves.missed);
        moves.missed.iter().for_each(|id| self.guard.losses_mut().missed(key, id));
        moves.came.iter().for_each(|id| self.guard.losses_mut().came(now, key, id));
        let kept = self.services.get(key).map_or(0, |watched| watched.state.kept());
        self.guard.keep(now, &service_of(key), kept);
    }

    /// What Nacos has and the log has not came while nobody wrote: it replaces what went meanwhile.
    pub(super) fn note_unlogged(&mut self, now: Mono, key: &ServiceKey, logged: &[(InstanceId, Arc<Instance>)]) {
        let Some(watched) = self.services.get(key) else { return };
        self.guard.keep(now, &service_of(key), watched.state.kept());
        if logged.is_empty() {
            return;
        }
        let ids: BTreeSet<&InstanceId> = logged.iter().map(|(id, _)| id).collect();
        for id in watched.state.unlogged(|id| ids.contains(id)) {
            self.guard.losses_mut().came(now, key, &id);
        }
    }

    /// Proven removals of the service go, or are kept back. To be called after each read of it.
    pub(super) fn judge_proven(&mut self, now: Mono, key: &ServiceKey) -> Vec<DataKey> {
        let has_proven = self.services.get(key).is_some_and(|watched| watched.state.has_proven());
        if !has_proven {
            return Vec::new();
        }
        match self.guard.judge(now, &service_of(key)) {
            Judgement::IsKept => self.keep_back(now, key),
            judgement => self.go(now, key, judgement),
        }
    }

    fn keep_back(&mut self, now: Mono, key: &ServiceKey) -> Vec<DataKey> {
        let trust_for = self.guard.settings().trust_for;
        let Some(watched) = self.services.get_mut(key) else { return Vec::new() };
        let changed = watched.state.keep_back(trust_for);
        self.guard.keep(now, &service_of(key), watched.state.kept());
        self.reschedule(key);
        data_keys(key, changed)
    }

    /// What is kept back of the service goes by the next answer that lacks it, and not by an older one: pushes may have been lost since.
    fn prove_anew(&mut self, now: Mono, key: &ServiceKey) {
        if let Some(watched) = self.services.get_mut(key) {
            watched.state.prove_anew(now);
            self.reschedule(key);
        }
    }

    fn go(&mut self, now: Mono, key: &ServiceKey, judgement: Judgement) -> Vec<DataKey> {
        let Some(watched) = self.services.get_mut(key) else { return Vec::new() };
        let gone = watched.state.let_go();
        match judgement {
            Judgement::Goes => gone.iter().for_each(|id| self.guard.losses_mut().left(now, key, id)),
            // What was released is gone by an old proof: what is back, and was not heard, is read at once.
            _ if !gone.is_empty() => watched.state.ask(now),
            _ => {}
        }
        self.guard.keep(now, &service_of(key), watched.state.kept());
        self.reschedule(key);
        data_keys(key, gone)
    }
}

fn service_of(key: &ServiceKey) -> ObservedSubject {
    ObservedSubject::Service(key.clone())
}
