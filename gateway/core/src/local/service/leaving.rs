//! Proven removals of a service: those that go, and those that the guard keeps back.

use super::{LocalService, Missing};
use crate::id::InstanceId;
use crate::service::{HeldRemoval, HoldReason};
use crate::time::{Millis, Mono};

/// Who came and who went missing, by lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Listed, and neither shown nor missing before; never by the first list of a service, which tells of no change.
    pub came: Vec<InstanceId>,
    /// Not listed any more.
    pub missed: Vec<InstanceId>,
}

impl LocalService {
    /// Who moved since this was last called.
    pub fn take_moves(&mut self) -> Moves {
        std::mem::take(&mut self.moves)
    }

    /// How many instances Nacos has.
    #[must_use]
    pub fn present(&self) -> usize {
        self.present.len()
    }

    /// How many instances are shown that Nacos does not list.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// How many removals the guard keeps back.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.missing.values().filter(|missing| missing.kept.is_some()).count()
    }

    /// Whether a removal is proven, kept back or not.
    #[must_use]
    pub fn has_proven(&self) -> bool {
        self.missing.values().any(|missing| missing.proven)
    }

    /// The proofs of what is kept back do not count any more: it is proven by an answer that is asked for from now on, or stays.
    pub fn prove_anew(&mut self, now: Mono) {
        for missing in self.missing.values_mut().filter(|missing| missing.kept.is_some()) {
            (missing.proven, missing.asked_from) = (false, now);
        }
        self.ask(now);
    }

    /// When the question was put that is open; `None` if none is.
    #[must_use]
    pub fn asked_at(&self) -> Option<Mono> {
        self.asked.map(|asked| asked.at)
    }

    /// The hold of an instance that Nacos does not list; `None` if it does, or if it is not known.
    #[must_use]
    pub fn hold_of(&self, id: &InstanceId) -> Option<&HeldRemoval> {
        self.missing.get(id).map(|missing| &missing.held)
    }

    /// The whole service is to be read, as soon as it may be.
    pub fn ask(&mut self, now: Mono) {
        self.want_read(now);
    }

    /// It is not shown any more if it is kept back. Returns whether it was.
    pub fn drop_kept(&mut self, id: &InstanceId) -> bool {
        let is_kept = self.missing.get(id).is_some_and(|missing| missing.kept.is_some());
        if is_kept {
            self.missing.remove(id);
        }
        is_kept
    }

    /// The proof that it is gone does not count any more, if it is kept back. Returns whether it was.
    pub fn refute(&mut self, id: &InstanceId) -> bool {
        let kept = self.missing.get_mut(id).filter(|missing| missing.kept.is_some() && missing.proven);
        let counted = kept.is_some();
        if let Some(missing) = kept {
            missing.proven = false;
        }
        counted
    }

    /// What is proven gone goes. Returns whose wanted value changed.
    pub fn let_go(&mut self) -> Vec<InstanceId> {
        let proven = self.missing.iter().filter(|(_, missing)| missing.proven);
        let ids: Vec<InstanceId> = proven.map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.missing.remove(id);
            self.proven_gone.insert(id.clone());
        }
        ids
    }

    /// What is proven gone is kept back, and trusted until `trust_for` after it went missing. Returns whose hold changed.
    pub fn keep_back(&mut self, trust_for: Millis) -> Vec<InstanceId> {
        let mut changed = Vec::new();
        for (id, missing) in self.missing.iter_mut().filter(|(_, it)| it.proven && it.kept.is_none()) {
            missing.held.reason = HoldReason::MassLoss;
            missing.kept = Some(missing.held.since + trust_for);
            changed.push(id.clone());
        }
        changed
    }

    /// Ids that Nacos has and `is_logged` says the log has not.
    pub fn unlogged(&self, is_logged: impl Fn(&InstanceId) -> bool) -> Vec<InstanceId> {
        self.present.keys().filter(|id| !is_logged(id)).cloned().collect()
    }

    /// Missing instances whose removal is still to be proven.
    pub(super) fn unproven(&self) -> impl Iterator<Item = &Missing> {
        self.missing.values().filter(|missing| !missing.proven)
    }

    /// A proof was found, or refuted: what is refuted is asked for like any other, kept back or not.
    pub(super) fn set_proven(&mut self, id: &InstanceId, proven: bool) {
        if let Some(missing) = self.missing.get_mut(id) {
            missing.proven = proven;
        }
    }
}
