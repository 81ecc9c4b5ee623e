//! Whether all gateways have what each origin says that it has: a matrix of origins and readers, from what each replica states of its own
//! readings (rule R7), and where and what differs here.
//!
//! The origin's word is that of its last leader, alive or not: one that stopped in order stated everything that it wrote. So a record that
//! somebody puts into the log of a cluster without a gateway shows as a difference, although there is nobody to overrule it.

use std::sync::Arc;

use crate::federation::links::LinkObserver;
use crate::federation::replicas::Heard;
use crate::federation::{Federation, Origin};
use crate::id::ClusterId;
use crate::lease::ReplicaRole;
use crate::log::control::ReplicaState;
use crate::log::key::DataKey;
use crate::log::reading::{LinkWord, Reading, ReadingState, ReadingVerdict};
use crate::log::record::PartitionId;
use crate::time::{Millis, Mono};

/// Origins that a replica states its readings of, the first by their ids: as many as a list in a record may have.
const MOST_STATED: usize = 256;
/// Partitions of which differences are told, and keys of each.
const MOST_TOLD: usize = 64;

/// All origins, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Sorted by id.
    pub origins: Vec<VerifiedOrigin>,
    /// All replicas, and how each takes every origin; sorted by cluster and nonce.
    pub observers: Vec<LinkObserver>,
}

/// One origin and all who read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedOrigin {
    /// The origin.
    pub origin: ClusterId,
    /// What its last leader says that it has; `None` if none was heard that says so.
    pub stated: Option<Stated>,
    /// Sorted by cluster and nonce.
    pub readers: Vec<VerifiedReader>,
    /// Partitions that are not what the origin stated last, as this process reads them. Of an origin that is written to, the changes of the
    /// last ten seconds are among them; so they are told where this process's own reading is not equal only.
    pub differences: Vec<Difference>,
}

/// The word of an origin's last leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its name for people.
    pub name: Arc<str>,
    /// Whether it still leads, as far as is known.
    pub alive: bool,
    /// Since its word was read.
    pub age: Millis,
    /// What it has.
    pub reading: Reading,
}

/// A replica that reads an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReader {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its nonce.
    pub nonce: u32,
    /// Its name for people.
    pub name: Arc<str>,
    /// Since its word was read; zero for this process.
    pub age: Millis,
    /// How it compares.
    pub verdict: ReadingVerdict,
    /// What it has; `None` if it does not say.
    pub reading: Option<Reading>,
}

/// A partition that is not what its origin stated last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub place: PartitionId,
    /// Records of facts met since that statement.
    pub since: u64,
    /// Keys whose last record came out of order, so that no leader in office wrote it (rule R14); not all that differ.
    pub keys: Vec<DataKey>,
}

impl Verification {
    /// Whether every reader has what every origin says that it has.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let equal = |reader: &VerifiedReader| reader.verdict == ReadingVerdict::Equal;
        self.origins.iter().all(|origin| origin.readers.iter().all(equal))
    }
}

impl Federation {
    /// What this process has of every origin, for its own record.
    pub(super) fn readings(&self, now: Mono) -> Vec<Reading> {
        self.origins.iter().take(MOST_STATED).map(|(id, origin)| self.reading(now, id, origin)).collect()
    }

    pub(super) fn reading(&self, now: Mono, id: &ClusterId, origin: &Origin) -> Reading {
        let own = *id == *self.cluster();
        let reading = own.then(|| self.wanted_reading(origin)).flatten().unwrap_or_else(|| origin.reading(id));
        Reading { link: self.link_word(now, own, origin), ..reading }
    }

    /// Its freshness as of the last look, its age as of now; `None` before the first look. What wall clocks say of an age is shown and not stated:
    /// nothing in the log depends on them.
    fn link_word(&self, now: Mono, own: bool, origin: &Origin) -> Option<LinkWord> {
        let age = own.then(|| self.local.age(now)).flatten().or_else(|| origin.pulse.measured_age(now));
        (self.looked_at > Mono(0)).then_some(LinkWord { freshness: origin.freshness, age })
    }

    /// The leader's word of its own log counts what it has sent as well; `None` while it is not sure, or does not lead.
    fn wanted_reading(&self, origin: &Origin) -> Option<Reading> {
        if !matches!(self.lease.role(), ReplicaRole::Leading | ReplicaRole::Stopped) || !self.leadership.is_complete() {
            return None;
        }
        let mut reading = origin.reading(self.cluster());
        (reading.count, reading.digest) = (0, 0);
        for (topic, number, partition) in origin.log.all() {
            let (count, digest) = self.publisher.projected((topic, number), partition.image())?;
            (reading.count, reading.digest) = (reading.count + count, reading.digest.wrapping_add(digest));
        }
        reading.place = reading.place.max((self.lease.epoch(), self.publisher.last_seq()));
        Some(reading)
    }

    /// Compares what every replica states of its readings with what the origins say of themselves. The cost grows with the number of
    /// clusters times that of replicas.
    #[must_use]
    pub fn verification(&self, now: Mono) -> Verification {
        let origins = self.origins.iter().filter(|(id, _)| self.is_shown(id) || *id == self.cluster());
        let origins: Vec<VerifiedOrigin> = origins.map(|(id, origin)| self.verify(now, id, origin)).collect();
        let observers = self.observers(now, &origins);
        Verification { origins, observers }
    }

    fn verify(&self, now: Mono, id: &ClusterId, origin: &Origin) -> VerifiedOrigin {
        let stated = self.stated_by(now, id, origin);
        let readers: Vec<VerifiedReader> = self.readers(now, id, origin, stated.as_ref());
        let here = readers.iter().find(|reader| reader.nonce == self.settings.identity.nonce);
        let differs = here.is_some_and(|reader| reader.verdict != ReadingVerdict::Equal);
        let differences = if differs { origin.differences(id) } else { Vec::new() };
        VerifiedOrigin { origin: id.clone(), stated, readers, differences }
    }

    fn stated_by(&self, now: Mono, id: &ClusterId, origin: &Origin) -> Option<Stated> {
        let leads = *id == *self.cluster() && self.lease.role() == ReplicaRole::Leading;
        if leads {
            let name = Arc::clone(&self.settings.identity.name);
            return Some(Stated { name, alive: true, age: Millis(0), reading: self.reading(now, id, origin) });
        }
        let (_, leader) = origin.replicas.leader()?;
        let reading = reading_of(leader, id)?.clone();
        let alive = leader.state == ReplicaState::Leader && leader.is_reading(now);
        Some(Stated { name: Arc::clone(&leader.name), alive, age: now.since(leader.at), reading })
    }

    fn readers(&self, now: Mono, id: &ClusterId, origin: &Origin, stated: Option<&Stated>) -> Vec<VerifiedReader> {
        let verdict = |reading: Option<&Reading>| match (reading, stated) {
            (Some(reading), Some(stated)) => reading.against(&stated.reading),
            _ => ReadingVerdict::Unknown,
        };
        let mut readers = Vec::new();
        for (cluster, of) in self.origins.iter().filter(|(id, _)| self.is_shown(id) || *id == self.cluster()) {
            for (nonce, heard) in of.replicas.all().filter(|(_, heard)| heard.is_reading(now)) {
                let is_here = nonce == self.settings.identity.nonce;
                let reading = reading_of(heard, id);
                // Who reads others and not this one leaves it out; who reads nothing does not say.
                if is_here || (reading.is_none() && !heard.readings.is_empty()) {
                    continue;
                }
                readers.push(VerifiedReader {
                    cluster: cluster.clone(),
                    nonce,
                    name: Arc::clone(&heard.name),
                    age: now.since(heard.at),
                    verdict: verdict(reading),
                    reading: reading.cloned(),
                });
            }
        }
        let reading = self.reading(now, id, origin);
        readers.push(VerifiedReader {
            cluster: self.cluster().clone(),
            nonce: self.settings.identity.nonce,
            name: Arc::clone(&self.settings.identity.name),
            age: Millis(0),
            verdict: verdict(Some(&reading)),
            reading: Some(reading),
        });
        readers.sort_by(|left, right| (&left.cluster, left.nonce).cmp(&(&right.cluster, right.nonce)));
        readers
    }
}

fn reading_of<'a>(heard: &'a Heard, origin: &ClusterId) -> Option<&'a Reading> {
    heard.readings.iter().find(|reading| reading.origin == *origin)
}

impl Origin {
    /// What is served of it, as it was read.
    fn reading(&self, id: &ClusterId) -> Reading {
        let mut reading = Reading {
            origin: id.clone(),
            state: self.reading_state(),
            place: Default::default(),
            count: 0,
            digest: 0,
            link: None,
        };
        for (_, _, partition) in self.log.all() {
            let served = partition.served();
            (reading.count, reading.digest) =
                (reading.count + served.count(), reading.digest.wrapping_add(served.digest()));
            reading.place = reading.place.max(partition.latest().unwrap_or_default());
        }
        reading
    }

    fn reading_state(&self) -> ReadingState {
        let is_served_as_read =
            self.log.is_read() && self.log.all().all(|(_, _, partition)| partition.serves_the_log());
        match () {
            () if self.log.diverged().next().is_some() => ReadingState::Diverged,
            () if !is_served_as_read => ReadingState::Unread,
            () if self.log.is_incomplete() => ReadingState::Incomplete,
            () => ReadingState::Sound,
        }
    }

    fn differences(&self, id: &ClusterId) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (topic, number, partition) in self.log.all() {
            if partition.is_as_stated() || differences.len() >= MOST_TOLD {
                continue;
            }
            differences.push(Difference {
                place: PartitionId { origin: id.clone(), topic, partition: number },
                since: partition.facts_since_stated(),
                keys: partition.out_of_order().take(MOST_TOLD).cloned().collect(),
            });
        }
        differences
    }
}
