//! A Nacos that was away, or stood still: its word is believed about removals only after its clients had time to come back.
//!
//! What counts is for how long nothing was heard of it, not when a connection ended: a server that stands still is noticed late, and a process
//! that starts beside a Nacos that is away never had a connection. A server may also stand still for less than a connection does without it.

use super::{LocalObservation, NacosConnection};
use crate::id::{ConfigKey, ServiceKey};
use crate::input::LocalInput;
use crate::local::service::returned_by;
use crate::time::{Millis, Mono};

/// A Nacos that was not heard for this long on a connection that stands stood still, or this process did: whoever is connected hears something
/// twice a second, and clients of Nacos lose a server that is silent for some eight seconds.
const STALLED_AFTER: Millis = Millis::from_secs(4);

impl LocalObservation {
    /// Nacos was away for at least as long as nothing was heard of it: a connection may end long after the server stood still, and a process
    /// that starts beside a Nacos that is away has heard nothing.
    pub(super) fn connected(&mut self, now: Mono, outage: Millis) {
        self.returned_by = self.returned_by.max(returned_by(now, outage, &self.patience));
        self.connection = NacosConnection::Up(now);
        self.warm = false;
        let settled_at = self.settled_at();
        let services: Vec<ServiceKey> = self.services.keys().cloned().collect();
        for key in services {
            if let Some(watched) = self.services.get_mut(&key) {
                watched.state.connected(now, outage, &self.patience);
            }
            self.reschedule(&key);
        }
        let configs: Vec<ConfigKey> = self.configs.keys().cloned().collect();
        for key in configs {
            if let Some(config) = self.configs.get_mut(&key) {
                config.connected(settled_at);
            }
            self.reschedule_config(&key);
        }
    }

    /// Nacos speaks after this silence: if the connection stands all the same, whoever it lacks from now on is waited for as after an outage.
    pub(super) fn speaks_again(&mut self, now: Mono, input: &LocalInput, silence: Millis) {
        let stands = matches!(self.connection, NacosConnection::Up(_)) && *input != LocalInput::Connected;
        if !stands || silence < STALLED_AFTER {
            return;
        }
        self.returned_by = self.returned_by.max(returned_by(now, silence, &self.patience));
        let mut keys: Vec<ServiceKey> = self.services.keys().cloned().collect();
        keys.sort_unstable(); // The map has no order, the agenda has one.
        for key in keys {
            if let Some(watched) = self.services.get_mut(&key) {
                watched.state.stalled(now, silence, &self.patience);
            }
            self.reschedule(&key);
        }
    }

    /// The former leader's Nacos had been silent for this long when it was last heard: who was there before is waited for as after an outage
    /// that this process has seen itself.
    pub fn outlast(&mut self, outage: Millis) {
        if outage < STALLED_AFTER {
            return;
        }
        let NacosConnection::Up(since) = self.connection else { return };
        self.returned_by = self.returned_by.max(returned_by(since, outage, &self.patience));
        let until = self.returned_by;
        self.services.values_mut().for_each(|watched| watched.state.wait_for_all_until(until));
    }
}
