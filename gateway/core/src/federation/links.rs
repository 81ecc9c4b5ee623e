//! How every replica takes every origin: a matrix of observers and origins, from what each replica states of its readings (rule R7) and from
//! what this process sees itself.
//!
//! A row is what its observer said last, and as old as that word: whoever is cut off says nothing new, so that its row grows old by itself.
//! Nothing is concluded from it here; it is for people. Bounded by the replicas that are remembered of each cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::federation::Federation;
use crate::federation::replicas::Heard;
use crate::federation::verify::VerifiedOrigin;
use crate::id::ClusterId;
use crate::lease::ReplicaRole;
use crate::log::control::ReplicaState;
use crate::log::reading::{LinkWord, Reading, ReadingVerdict};
use crate::time::{Millis, Mono};

/// A replica, and how it takes each origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkObserver {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its nonce.
    pub nonce: u32,
    /// Its name for people.
    pub name: Arc<str>,
    /// Whether it leads its cluster, as far as is known.
    pub leads: bool,
    /// Whether it is this process.
    pub own: bool,
    /// Whether it was heard lately: within two and a half beats of a standby.
    pub alive: bool,
    /// Since its word was read; zero for this process.
    pub said_age: Millis,
    /// Sorted by origin; empty if it does not say what it reads.
    pub links: Vec<ObservedLink>,
}

/// How an observer takes one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLink {
    /// The origin.
    pub origin: ClusterId,
    /// Freshness and age in its eyes; `None` if it does not say.
    pub word: Option<LinkWord>,
    /// How what it has compares with what the origin says of itself.
    pub verdict: ReadingVerdict,
}

/// What each origin says of itself.
type StatedReadings<'a> = BTreeMap<&'a ClusterId, &'a Reading>;

impl Federation {
    /// All replicas that have not ended in order, of clusters that are shown. The cost grows with the number of clusters times that of replicas.
    pub(super) fn observers(&self, now: Mono, origins: &[VerifiedOrigin]) -> Vec<LinkObserver> {
        let stated: StatedReadings<'_> =
            origins.iter().filter_map(|it| Some((&it.origin, &it.stated.as_ref()?.reading))).collect();
        let mut observers = vec![self.own_observer(now, &stated)];
        for (cluster, origin) in self.origins.iter().filter(|(id, _)| self.is_shown(id) || *id == self.cluster()) {
            let leader = origin.replicas.leader().map(|(nonce, _)| nonce);
            for (nonce, heard) in origin.replicas.all() {
                if nonce != self.settings.identity.nonce && heard.state != ReplicaState::Stopped {
                    let leads = leader == Some(nonce) && heard.state == ReplicaState::Leader;
                    observers.push(self.observer(now, (cluster, nonce, heard), leads, &stated));
                }
            }
        }
        observers.sort_by(|left, right| (&left.cluster, left.nonce).cmp(&(&right.cluster, right.nonce)));
        observers
    }

    fn own_observer(&self, now: Mono, stated: &StatedReadings<'_>) -> LinkObserver {
        let shown = self.origins.iter().filter(|(id, _)| self.is_shown(id) || *id == self.cluster());
        let identity = &self.settings.identity;
        LinkObserver {
            cluster: self.cluster().clone(),
            nonce: identity.nonce,
            name: Arc::clone(&identity.name),
            leads: self.lease.role() == ReplicaRole::Leading,
            own: true,
            alive: true,
            said_age: Millis(0),
            links: shown.map(|(id, origin)| observed(&self.reading(now, id, origin), stated)).collect(),
        }
    }

    fn observer(
        &self,
        now: Mono,
        (cluster, nonce, heard): (&ClusterId, u32, &Heard),
        leads: bool,
        stated: &StatedReadings<'_>,
    ) -> LinkObserver {
        let shown = heard.readings.iter().filter(|it| self.is_shown(&it.origin) || it.origin == *self.cluster());
        let mut links: Vec<ObservedLink> = shown.map(|reading| observed(reading, stated)).collect();
        links.sort_by(|left, right| left.origin.cmp(&right.origin));
        links.dedup_by(|later, former| later.origin == former.origin); // Nobody need believe that another one names each once.
        LinkObserver {
            cluster: cluster.clone(),
            nonce,
            name: Arc::clone(&heard.name),
            leads,
            own: false,
            alive: heard.is_reading(now),
            said_age: now.since(heard.at),
            links,
        }
    }
}

fn observed(reading: &Reading, stated: &StatedReadings<'_>) -> ObservedLink {
    let verdict = stated.get(&reading.origin).map_or(ReadingVerdict::Unknown, |stated| reading.against(stated));
    ObservedLink { origin: reading.origin.clone(), word: reading.link, verdict }
}
