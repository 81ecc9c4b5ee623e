//! The replicas of all clusters, as they last said what they are: what each has of every origin (rule R7), for whoever compares.
//! Bounded for each cluster: whoever writes many keys pushes out those that were heard the longest ago.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::log::control::{ReplicaRecord, ReplicaState};
use crate::log::reading::Reading;
use crate::log::record::Epoch;
use crate::time::{Millis, Mono};

/// Replicas of one cluster that are remembered.
const MOST: usize = 64;
/// A replica that was not heard for this long is silent: two and a half beats of a standby.
const SILENT_AFTER: Millis = Millis::from_secs(25);

/// One replica, as it last said.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) at: Mono,
    pub(super) state: ReplicaState,
    pub(super) epoch: Epoch,
    pub(super) name: Arc<str>,
    pub(super) readings: Vec<Reading>,
    /// The epoch under which it led last, and for how long its Nacos had been silent when it last said anything under it.
    led: Option<(Epoch, Option<Millis>)>,
}

impl Heard {
    /// Whether it still reads, as far as is known.
    pub(super) fn is_reading(&self, now: Mono) -> bool {
        self.state != ReplicaState::Stopped && now.since(self.at) < SILENT_AFTER
    }
}

/// Replicas of one cluster, by nonce.
#[derive(Clone, Debug, Default)]
pub(super) struct Replicas(BTreeMap<u32, Heard>);

impl Replicas {
    /// A record of the replica was read; `None` is a tombstone.
    pub(super) fn read(&mut self, now: Mono, nonce: u32, replica: Option<&ReplicaRecord>) {
        let Some(replica) = replica else { return drop(self.0.remove(&nonce)) };
        let heard = Heard {
            at: now,
            state: replica.state,
            epoch: replica.epoch,
            name: Arc::clone(&replica.name),
            readings: replica.readings.clone(),
            led: if leads_by_its_word(nonce, replica) {
                Some((replica.epoch, replica.nacos_age))
            } else {
                self.0.get(&nonce).and_then(|heard| heard.led)
            },
        };
        self.0.insert(nonce, heard);
        if self.0.len() > MOST {
            let oldest = self.0.iter().min_by_key(|(_, heard)| heard.at).map(|(nonce, _)| *nonce);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
    }

    /// All of them, by nonce.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Heard)> {
        self.0.iter().map(|(nonce, heard)| (*nonce, heard))
    }

    /// For how long its Nacos had been silent when whoever led before `own` last said so; `None` if nobody did, or if it is a stranger now: its
    /// Nacos is another one. What others say counts for nothing: they may be long gone, or beside another node.
    pub(super) fn former_nacos_age(&self, own: u32) -> Option<Millis> {
        let others = self.all().filter(|(nonce, _)| *nonce != own);
        let led = others.filter_map(|(_, heard)| Some((heard.led?, heard.state)));
        let ((_, nacos_age), state) = led.max_by_key(|((epoch, _), _)| *epoch)?;
        nacos_age.filter(|_| state != ReplicaState::Stranger)
    }

    /// The one that led last, alive or not.
    pub(super) fn leader(&self) -> Option<(u32, &Heard)> {
        let led = |heard: &Heard| matches!(heard.state, ReplicaState::Leader | ReplicaState::Stopped);
        self.all()
            .filter(|(nonce, heard)| led(heard) && heard.epoch.nonce == *nonce)
            .max_by_key(|(_, heard)| heard.epoch)
    }
}

/// A process states the epoch that leads as far as it knows: its own if it leads, or led and knows of no successor.
fn leads_by_its_word(nonce: u32, replica: &ReplicaRecord) -> bool {
    replica.epoch.nonce == nonce && replica.epoch.term > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::control::Descriptor;

    fn record(state: ReplicaState, (term, nonce): (u32, u32), nacos_age: u64) -> ReplicaRecord {
        ReplicaRecord {
            state,
            epoch: Epoch { term, nonce },
            beat: 1,
            warm: true,
            nacos_age: Some(Millis(nacos_age)),
            unpublished_age: Millis(0),
            descriptor: Descriptor::default(),
            name: "".into(),
            advertised: "".into(),
            complaints: Vec::new(),
            readings: Vec::new(),
        }
    }

    #[test]
    fn what_the_former_leader_last_said_of_its_nacos_counts_and_nobody_elses_word() {
        use ReplicaState::{Leader, Standby, Stopped, Stranger};
        let dead = (1, record(Leader, (3, 1), 90_000));
        let standby = (2, record(Standby, (4, 4), 80_000));
        let own = (9, record(Leader, (5, 9), 70_000));
        let others = [dead, standby, own];
        for (name, more, want) in [
            ("nobody led in between", vec![], Some(90_000)),
            ("it died", vec![(4, record(Leader, (4, 4), 7_000))], Some(7_000)),
            ("it handed over", vec![(4, record(Stopped, (4, 4), 11_000))], Some(11_000)),
            (
                "it is a standby by now",
                vec![(4, record(Stopped, (4, 4), 11_000)), (4, record(Standby, (5, 9), 12_000))],
                Some(11_000),
            ),
            ("it stepped down", vec![(4, record(Standby, (4, 4), 13_000))], Some(13_000)),
            ("it is a stranger", vec![(4, record(Leader, (4, 4), 7_000)), (4, record(Stranger, (5, 9), 7_000))], None),
        ] {
            let mut replicas = Replicas::default();
            for (nonce, record) in others.iter().chain(&more) {
                replicas.read(Mono(0), *nonce, Some(record));
            }
            assert_eq!(replicas.former_nacos_age(9), want.map(Millis), "{name}");
        }
    }
}
