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
    pub(super) nacos_age: Option<Millis>,
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
            nacos_age: replica.nacos_age,
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

    /// The one that led last, alive or not.
    pub(super) fn leader(&self) -> Option<(u32, &Heard)> {
        let led = |heard: &Heard| matches!(heard.state, ReplicaState::Leader | ReplicaState::Stopped);
        self.all()
            .filter(|(nonce, heard)| led(heard) && heard.epoch.nonce == *nonce)
            .max_by_key(|(_, heard)| heard.epoch)
    }
}
