//! Config items under the guard: a proven removal goes, or is kept back while it is part of a mass loss of its namespace.

use super::LocalObservation;
use crate::guard::Judgement;
use crate::id::{ConfigKey, ObservedSubject};
use crate::local::config::LocalConfig;
use crate::log::key::DataKey;
use crate::time::Mono;

impl LocalObservation {
    /// Tells the guard what became of a config item, which `was_present` before. To be called after each answer for it.
    pub(super) fn note_config(&mut self, now: Mono, key: &ConfigKey, was_known: bool, was_present: bool) {
        let Some(config) = self.configs.get(key) else { return };
        match (was_present, config.is_present()) {
            (false, true) if was_known => self.guard.config_came(now, key),
            (true, false) => self.guard.config_missed(key),
            _ => {}
        }
        self.keep_config(now, key);
    }

    /// Tells the guard whether the removal of a config item is kept back.
    pub(super) fn keep_config(&mut self, now: Mono, key: &ConfigKey) {
        let is_kept = self.configs.get(key).is_some_and(LocalConfig::is_kept);
        self.guard.keep(now, &ObservedSubject::Config(key.clone()), usize::from(is_kept));
    }

    /// A proven removal of the item goes, or is kept back. Returns whether its wanted value, or its hold, changed.
    pub(super) fn judge_config(&mut self, now: Mono, key: &ConfigKey) -> bool {
        if !self.configs.get(key).is_some_and(LocalConfig::is_proven) {
            return false;
        }
        let subject = ObservedSubject::Config(key.clone());
        let judgement = self.guard.judge(now, &subject);
        let Some(config) = self.configs.get_mut(key) else { return false };
        let changed = match judgement {
            Judgement::IsKept => config.keep_back(now),
            Judgement::Goes | Judgement::GoesByOrder => config.let_go(),
        };
        if judgement == Judgement::Goes && changed {
            self.guard.config_left(now, key);
        }
        self.keep_config(now, key);
        changed
    }

    /// As [`LocalObservation::was_let_go`], of a config item.
    pub(super) fn config_was_let_go(&mut self, now: Mono, key: &ConfigKey) -> bool {
        let was_kept = self.configs.get_mut(key).is_some_and(LocalConfig::drop_kept);
        if was_kept {
            self.keep_config(now, key);
            self.reschedule_config(key);
        }
        was_kept
    }

    /// What is kept back may go: what was released at once, else by the next answer that lacks it.
    pub(super) fn let_config_go(&mut self, now: Mono, key: &ConfigKey, judgement: Judgement) -> Option<DataKey> {
        let config = self.configs.get_mut(key)?;
        let gone = judgement == Judgement::GoesByOrder && config.is_proven() && config.let_go();
        config.prove_anew(now); // Also what went by order: what is there all the same is shown again.
        self.keep_config(now, key);
        self.reschedule_config(key);
        gone.then(|| DataKey::Config(key.clone()))
    }
}
