//! Whose topics these are (rule R13): the descriptor in force, who contradicts it, and an operator's word that replaces it.
//!
//! The control topic says what the cluster is: by its `descriptor`, and before that was ever written by the claim of whoever leads. A
//! process whose own descriptor contradicts that is a *stranger*: it reads and serves, and never leads, because it would publish what
//! another Nacos says and remove what this one said. It defends against a second gateway that is started with the same id, and against
//! a leader that was moved to another Nacos by a change of its configuration.
//!
//! Invariant: what is in force changes only by a record that was read, and while the topic is read anew only at its end: an old descriptor
//! on the way there makes nobody a stranger.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::federation::Federation;
use crate::input::{Effect, OrderId};
use crate::lease::{ReplicaRole, STANDBY_BEAT, Wish};
use crate::log::belonging::{AdoptRefused, Adopted, Contradiction};
use crate::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use crate::log::record::Epoch;
use crate::time::{Millis, Mono, Now};

/// A stranger that has not been heard for this long is not spoken of any more: its record is restated each ten seconds.
const GONE_AFTER: Millis = Millis(STANDBY_BEAT.0 * 5 / 2);
/// Other strangers that are remembered; of more, those heard of longest ago are forgotten.
const MOST_STRANGERS: usize = 64;
/// An adopted descriptor that is not read back is written again this often.
const ADOPT_AGAIN: Millis = Millis(1_500);
/// After this long an adoption is given up.
const ADOPT_WITHIN: Millis = Millis(10_000);

/// Whose topics these are, as this process knows.
#[derive(Debug, Default)]
pub(super) struct Belonging {
    /// The topic's descriptor.
    described: Option<Descriptor>,
    /// The last one met while the topic is read anew.
    met: Option<Descriptor>,
    /// What the highest claim of another process said.
    claimed: Option<(Epoch, Descriptor)>,
    /// Other processes whose descriptors contradict what is in force, by their nonces.
    others: BTreeMap<u32, Other>,
    adopting: Option<Adopting>,
    /// Whether this process contradicts what is in force.
    stranger: bool,
}

#[derive(Debug)]
struct Other {
    name: Arc<str>,
    advertised: Arc<str>,
    descriptor: Descriptor,
    heard: Mono,
}

#[derive(Debug)]
struct Adopting {
    id: OrderId,
    was: Option<Descriptor>,
    first: Mono,
    last: Mono,
}

/// What this process is, what its cluster is, and who is a stranger there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// What this process is configured to be.
    pub own: Descriptor,
    /// What its cluster is; `None` while nobody has said so.
    pub in_force: Option<Descriptor>,
    /// What the two contradict each other in. Unless that is nothing, this process is a stranger.
    pub contradictions: Vec<Contradiction>,
    /// Other processes that are strangers, and were heard lately.
    pub strangers: Vec<Stranger>,
}

/// Another process with the id of this cluster that contradicts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Random number of its start.
    pub nonce: u32,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Where its HTTP API is reached, for people; may be empty.
    pub advertised: Arc<str>,
    /// What it takes the cluster to be.
    pub descriptor: Descriptor,
    /// What that and the descriptor in force contradict each other in.
    pub contradictions: Vec<Contradiction>,
}

impl Belonging {
    fn in_force(&self) -> Option<&Descriptor> {
        self.described.as_ref().or(self.claimed.as_ref().map(|(_, descriptor)| descriptor))
    }

    /// A claim says what the cluster is if it is above all others, that of this process too: of two that begin at once one gives way.
    fn note_claim(&mut self, replica: &ReplicaRecord, own_claim: Option<Epoch>) {
        let highest = self.claimed.as_ref().map(|(epoch, _)| *epoch).max(own_claim);
        if replica.state == ReplicaState::Leader && highest.is_none_or(|highest| replica.epoch >= highest) {
            self.claimed = Some((replica.epoch, replica.descriptor.clone()));
        }
    }

    fn note_other(&mut self, now: Mono, nonce: u32, replica: &ReplicaRecord) {
        if replica.state == ReplicaState::Stopped {
            self.others.remove(&nonce);
            return;
        }
        let (name, advertised) = (Arc::clone(&replica.name), Arc::clone(&replica.advertised));
        self.others.insert(nonce, Other { name, advertised, descriptor: replica.descriptor.clone(), heard: now });
        while self.others.len() > MOST_STRANGERS {
            let oldest = self.others.iter().min_by_key(|(_, other)| other.heard).map(|(nonce, _)| *nonce);
            oldest.map(|nonce| self.others.remove(&nonce));
        }
    }
}

impl Federation {
    /// What this process is, what its cluster is, and who is a stranger there.
    #[must_use]
    pub fn membership(&self, now: Mono) -> Membership {
        let own = &self.settings.descriptor;
        let in_force = self.belonging.in_force();
        let against =
            |descriptor: &Descriptor| in_force.map(|in_force| descriptor.contradictions(in_force)).unwrap_or_default();
        let heard = self.belonging.others.iter().filter(|(_, other)| now < other.heard + GONE_AFTER);
        let strangers = heard.filter_map(|(nonce, other)| {
            let contradictions = against(&other.descriptor);
            let (name, advertised) = (Arc::clone(&other.name), Arc::clone(&other.advertised));
            let descriptor = other.descriptor.clone();
            let stranger = Stranger { nonce: *nonce, name, advertised, descriptor, contradictions };
            (!stranger.contradictions.is_empty()).then_some(stranger)
        });
        Membership {
            own: own.clone(),
            in_force: in_force.cloned(),
            contradictions: against(own),
            strangers: strangers.collect(),
        }
    }

    /// Whether this process contradicts what its cluster is.
    #[must_use]
    pub fn is_stranger(&self) -> bool {
        self.belonging.stranger
    }

    fn judge_belonging(&mut self) {
        let in_force = self.belonging.in_force();
        self.belonging.stranger =
            in_force.is_some_and(|in_force| !self.settings.descriptor.contradictions(in_force).is_empty());
    }

    /// A record of a process of the own cluster was read.
    pub(super) fn heard_replica(&mut self, now: Mono, nonce: u32, replica: Option<&ReplicaRecord>) {
        if nonce == self.settings.identity.nonce {
            return;
        }
        let Some(replica) = replica else {
            self.belonging.others.remove(&nonce);
            return;
        };
        let claims = matches!(self.lease.role(), ReplicaRole::Leading | ReplicaRole::Claiming { .. });
        self.belonging.note_claim(replica, claims.then(|| self.lease.epoch()));
        self.belonging.note_other(now, nonce, replica);
        if self.belonging.described.is_none() {
            self.judge_belonging();
        }
    }

    /// The own cluster's descriptor was read.
    pub(super) fn own_described(&mut self, descriptor: &Descriptor) {
        let place = match self.described_in_log.read {
            true => &mut self.belonging.described,
            false => &mut self.belonging.met,
        };
        *place = Some(descriptor.clone());
        self.judge_belonging();
    }

    /// The own control topic was read to its end.
    pub(super) fn own_control_is_read(&mut self) {
        if let Some(met) = self.belonging.met.take() {
            self.belonging.described = Some(met);
        }
        self.judge_belonging();
    }

    /// The own control topic is read anew, perhaps because it is another one. What was in force stays until another word is met.
    pub(super) fn own_control_restarted(&mut self) {
        (self.belonging.met, self.belonging.claimed) = (None, None);
    }

    /// Who turns out to be a stranger leads no more.
    pub(super) fn settle_belonging(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let stranger = self.described_in_log.read && self.belonging.stranger;
        let mut wishes: Vec<Wish> = Vec::new();
        self.lease.belongs(now.mono, !stranger, &mut wishes);
        self.fulfil(now, wishes, effects);
        self.drive_adoption(now, effects);
    }

    /// Rule R13: an operator says that the cluster is what this process is configured to be. Answered by [`Effect::Adopted`] once that is in
    /// force, or will not be.
    pub(super) fn adopt(&mut self, now: Now, id: OrderId, effects: &mut Vec<Effect>) {
        if let Err(refused) = self.may_adopt(now.mono) {
            return effects.push(Effect::Adopted { id, outcome: Err(refused) });
        }
        let (own, was) = (self.settings.descriptor.clone(), self.belonging.described.clone());
        if was.as_ref() == Some(&own) {
            return effects.push(Effect::Adopted { id, outcome: Ok(Adopted { descriptor: own, was }) });
        }
        self.belonging.adopting = Some(Adopting { id, was, first: now.mono, last: now.mono });
        self.write_descriptor(now, effects);
    }

    fn may_adopt(&self, now: Mono) -> Result<(), AdoptRefused> {
        if self.lease.role() == ReplicaRole::Stopped {
            return Err(AdoptRefused::Stopping);
        }
        let own = self.origins.get(self.cluster());
        let silent = || own.and_then(|own| own.pulse.unanswered(now)).map(|code| code.to_string().into());
        if let Some(reason) = self.log_trouble.clone().or_else(silent) {
            return Err(AdoptRefused::Unreachable { reason });
        }
        if !self.described_in_log.read {
            return Err(AdoptRefused::NotRead);
        }
        if self.belonging.adopting.is_some() { Err(AdoptRefused::Busy) } else { Ok(()) }
    }

    fn drive_adoption(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(adopting) = &mut self.belonging.adopting else { return };
        let own = &self.settings.descriptor;
        let outcome = if self.belonging.described.as_ref() == Some(own) {
            Ok(Adopted { descriptor: own.clone(), was: adopting.was.take() })
        } else if now.mono >= adopting.first + ADOPT_WITHIN {
            Err(AdoptRefused::NotReadBack { within: ADOPT_WITHIN })
        } else {
            if now.mono >= adopting.last + ADOPT_AGAIN {
                adopting.last = now.mono;
                self.write_descriptor(now, effects);
            }
            return;
        };
        let id = adopting.id;
        self.belonging.adopting = None;
        effects.push(Effect::Adopted { id, outcome });
    }

    pub(super) fn write_descriptor(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let value = Some(ControlValue::Descriptor(self.settings.descriptor.clone()));
        effects.push(Effect::Control { key: ControlKey::Descriptor, value, header: self.control_header(now) });
    }
}
