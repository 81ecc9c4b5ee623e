//! What a gateway has to show, by two witnesses, and the rule by which it is blamed. Pure.
//!
//! Clients know what was acknowledged to them (`told`). Each Nacos knows what it lists (`listed`); it is asked four times a second, at its own
//! address, past the lines of the gateways. A client can lose for good what it registered, and a gateway is not to show what its Nacos does not
//! list. So:
//!
//! 1. An untouched instance was *wrongly missing* if a gateway answered without it though its Nacos listed it.
//! 2. A Nacos that is killed, paused or restarted proves nobody's absence, until it is well again and [`REDO_GRACE_MS`] is over: what it listed
//!    before the fault stands, that is the promise. What it lists in that time counts at once. Afterwards its list is the truth again, also
//!    where somebody did not come back.
//! 3. A Nacos whose lines to gateways are cut, or lead to an empty one, is well itself: what it lists is the truth throughout.
//! 4. Margins: an absence begins [`LISTED_LATE_MS`] before the last look that still found the instance. When a look finds it again, gateways have
//!    [`BACK_WITHIN_MS`] to show it; if anything is at fault within that time, so long after that fault.
//! 5. A value, and that somebody is gone, is right if either witness says so: lists are looked at too rarely to know each value. At the end
//!    every gateway has to show what its Nacos lists, no more and no less.
//! 6. What was acknowledged to a client and is not listed was lost by the client or its Nacos: counted and printed apart, and the client is made to
//!    register it anew ([`crate::workload`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::history::{Absence, Care, Histories, InstanceName, Lag, Value};

/// How long after a fault a Nacos proves nobody's absence, ms: the removal hold, for which every gateway waits at least. SDKs come back 1 to 5 s
/// after their server.
pub(crate) const REDO_GRACE_MS: u64 = 15_000;
/// How much later than a push to a gateway a change may be in the list, ms: both are made 0.5 s after the change, on two busy cores.
const LISTED_LATE_MS: u64 = 1_000;
/// What came back to its Nacos has to be shown by every gateway within this time, ms; the goal of a repair.
const BACK_WITHIN_MS: u64 = 10_000;
/// What was acknowledged and is not listed for longer is lost, ms.
pub(crate) const LOST_AFTER_MS: u64 = 5_000;

/// What a Nacos answered.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// All that it lists, by the names of its cluster.
    pub(crate) instances: BTreeMap<InstanceName, Value>,
}

/// A fault, from its begin to its repair; `u64::MAX` while it lasts.
#[derive(Clone, Debug)]
struct Episode {
    begin: u64,
    end: u64,
    /// The cluster whose Nacos itself is struck, if one is.
    nacos: Option<String>,
}

/// Names an episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpisodeId(usize);

/// What was acknowledged to its client, and its Nacos did not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LostInstance {
    pub(crate) instance: InstanceName,
    #[serde(rename = "fromMs")]
    pub(crate) from: u64,
    /// `None`: until the end.
    #[serde(rename = "toMs")]
    pub(crate) to: Option<u64>,
}

/// Both witnesses, and when which of them is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    told: Histories,
    listed: Histories,
    /// In order of their begin.
    episodes: Vec<Episode>,
    /// When the newest look at each cluster's Nacos was asked for.
    looked: BTreeMap<String, u64>,
}

impl Truth {
    /// As [`Histories::given`], of a client's command.
    pub(crate) fn given(&mut self, name: &InstanceName, care: Care, value: Option<Value>, at: u64) {
        self.told.given(name, care, value, at);
    }

    /// As [`Histories::acknowledged`], of a client's command.
    pub(crate) fn acknowledged(&mut self, name: &InstanceName, at: u64) {
        self.told.acknowledged(name, at);
    }

    /// A fault begins; of the Nacos of that cluster, if one is given.
    pub(crate) fn fault_begun(&mut self, nacos: Option<&str>, at: u64) -> EpisodeId {
        self.episodes.push(Episode { begin: at, end: u64::MAX, nacos: nacos.map(str::to_owned) });
        EpisodeId(self.episodes.len() - 1)
    }

    /// It is repaired.
    pub(crate) fn fault_over(&mut self, EpisodeId(episode): EpisodeId, at: u64) {
        self.episodes[episode].end = at;
    }

    /// Whether that cluster's Nacos proves absences in all of this time.
    pub(crate) fn is_witness(&self, origin: &str, from: u64, to: u64) -> bool {
        let of_nacos = self.episodes.iter().filter(|episode| episode.nacos.as_deref() == Some(origin));
        !of_nacos.into_iter().any(|it| it.begin <= to && it.end.saturating_add(REDO_GRACE_MS) >= from)
    }

    /// Takes down what that cluster's Nacos answered.
    pub(crate) fn listed(&mut self, origin: &str, listing: &Listing) {
        let Listing { asked, answered, instances } = listing;
        let is_witness = self.is_witness(origin, *asked, *answered);
        let before = self.looked.insert(origin.to_owned(), *asked).unwrap_or(*asked);
        let known: BTreeSet<InstanceName> = self.listed.names().filter(|it| it.origin() == origin).cloned().collect();
        for name in known.iter().chain(instances.keys().filter(|name| !known.contains(name))) {
            let value = instances.get(name);
            if self.listed.of(name) == value.map(|value| &**value) {
                continue;
            }
            // What both witnesses say is true whatever happens to one of them.
            let agreed = self.told.lag(name, None, *asked, *answered) == Lag::None;
            if value.is_some() || is_witness || agreed {
                let begun = before.saturating_sub(LISTED_LATE_MS);
                self.listed.given(name, Care::Changed, value.cloned(), begun);
                self.listed.acknowledged(name, *answered);
            }
        }
    }

    /// Whether every Nacos was looked at after this time.
    pub(crate) fn looked_since(&self, at: u64) -> bool {
        !self.looked.is_empty() && self.looked.values().all(|asked| *asked >= at)
    }

    /// How far behind it is to show this of an instance, none for nothing: by the witness who has it less far.
    pub(crate) fn lag(&self, name: &InstanceName, shown: Option<&str>, asked: u64, answered: u64) -> Lag {
        self.told.lag(name, shown, asked, answered).min(self.listed.lag(name, shown, asked, answered))
    }

    /// All that was ever heard of.
    pub(crate) fn names(&self) -> BTreeSet<&InstanceName> {
        self.told.names().chain(self.listed.names()).collect()
    }

    /// What is listed of one instance.
    pub(crate) fn of(&self, name: &InstanceName) -> Option<&str> {
        self.listed.of(name)
    }

    /// What its client was told, or asks for, of one instance.
    pub(crate) fn told_of(&self, name: &InstanceName) -> Option<&str> {
        self.told.of(name)
    }

    /// The instances to which nothing happens on purpose.
    pub(crate) fn untouched(&self) -> impl Iterator<Item = &InstanceName> {
        self.told.untouched()
    }

    /// Commands acknowledged so far.
    pub(crate) fn commands(&self) -> usize {
        self.told.commands()
    }

    /// Whether an answer of that time has to have an untouched instance.
    pub(crate) fn owes(&self, name: &InstanceName, asked: u64, answered: u64) -> bool {
        let excused = |Absence { from, to }: Absence| from <= answered && to.is_none_or(|to| asked < self.due(to));
        let absences = self.listed.absences(name);
        !absences.is_empty() && !absences.into_iter().any(excused)
    }

    /// By when gateways have to show what was back at that time.
    fn due(&self, back: u64) -> u64 {
        let later = |due: u64, it: &Episode| {
            let concerns = it.begin < due && it.end >= back;
            if concerns { due.max(it.end.saturating_add(BACK_WITHIN_MS)) } else { due }
        };
        self.episodes.iter().fold(back + BACK_WITHIN_MS, later)
    }

    /// For how long an instance has been registered by its client's word and not listed, while its Nacos is a witness; `None` if it is not so.
    pub(crate) fn unlisted_for(&self, name: &InstanceName, now: u64) -> Option<u64> {
        if self.told.of(name).is_none() || self.listed.of(name).is_some() || !self.is_witness(name.origin(), now, now) {
            return None;
        }
        let Lag::Behind(told) = self.told.lag(name, None, now, now) else { return None };
        let away = self.listed.absences(name).last().map_or(told, |absence| now.saturating_sub(absence.from));
        Some(told.min(away))
    }

    /// Whatever was lost by its client or its Nacos, until `now`.
    pub(crate) fn lost(&self, now: u64) -> Vec<LostInstance> {
        let mut lost = Vec::new();
        for instance in self.told.names() {
            let absences = self.listed.absences(instance);
            let never = absences.is_empty().then_some(Absence { from: 0, to: None });
            for Absence { from, to } in absences.into_iter().chain(never) {
                let end = to.unwrap_or(now);
                if self.told.lag(instance, None, end, end).exceeds(LOST_AFTER_MS) {
                    lost.push(LostInstance { instance: instance.clone(), from, to });
                }
            }
        }
        lost
    }

    /// Where the witnesses differ now, for people.
    pub(crate) fn disagreements(&self) -> Vec<String> {
        let differ = self.names().into_iter().filter(|name| self.told.of(name) != self.listed.of(name));
        let word = |value: Option<&str>| value.unwrap_or("nothing").to_owned();
        differ
            .map(|name| format!("{name}: {} told, {} listed", word(self.told.of(name)), word(self.listed.of(name))))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
