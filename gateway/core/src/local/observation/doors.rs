//! Marks of front doors: taken out of what Nacos says, and what is missing behind a gateway until that one is heard.

use std::collections::{BTreeMap, BTreeSet};

use super::{LocalObservation, data_keys};
use crate::id::{InstanceId, ServiceKey};
use crate::input::{LocalInput, ServiceReading};
use crate::local::mark::DoorMark;
use crate::log::key::DataKey;
use crate::time::Mono;

/// What is waited for, of all services.
#[derive(Debug, Default)]
pub(super) struct WaitingAtDoors {
    own: Option<DoorMark>,
    /// Of each gateway: services with missing instances that came through it, and until when the last of them is waited for.
    others: BTreeMap<DoorMark, (Mono, BTreeSet<ServiceKey>)>,
    word_wanted: bool,
}

impl LocalObservation {
    /// As [`LocalObservation::new`], of a process whose front door marks what it registers so. Only before the first input.
    #[must_use]
    pub fn behind(mut self, own: DoorMark) -> Self {
        self.doors.own = Some(own);
        self
    }

    /// Takes the marks out of what Nacos says and notes them. To be called with each input before it is looked at.
    pub fn take_marks(&mut self, input: &mut LocalInput) {
        let (service, instances) = match input {
            LocalInput::Listed { service, instances, .. }
            | LocalInput::Acknowledged { service, registered: instances, .. }
            | LocalInput::Read {
                service,
                reading: ServiceReading::All(instances) | ServiceReading::EnabledOnly { instances, .. },
            } => (service, instances),
            _ => return,
        };
        let mut state = self.services.get_mut(service).map(|watched| &mut watched.state);
        for (id, instance) in instances {
            let mark = DoorMark::take(&mut instance.metadata);
            if let Some(state) = &mut state {
                state.note_door(id, mark);
            }
        }
    }

    /// These went missing: who came through another gateway is waited for until that one is heard, for a hold at most.
    pub(super) fn wait_at_doors(&mut self, now: Mono, key: &ServiceKey, missed: &[InstanceId]) {
        let Some(watched) = self.services.get_mut(key) else { return };
        let until = now + self.patience.removal_hold;
        let found = watched.state.wait_at_doors(missed, self.doors.own, until);
        self.doors.word_wanted |= found.own || !found.others.is_empty();
        for door in found.others {
            self.doors.others.retain(|_, (last, _)| *last > now);
            let (last, services) = self.doors.others.entry(door).or_default();
            *last = until;
            services.insert(key.clone());
        }
    }

    /// Whether something went missing behind a front door since this was last called: all replicas are to say that they live.
    pub fn take_word_wanted(&mut self) -> bool {
        std::mem::take(&mut self.doors.word_wanted)
    }

    /// The gateway with this mark lived at `lived_at`, or later. Returns whose hold changed.
    pub fn door_lived(&mut self, now: Mono, door: DoorMark, lived_at: Mono) -> Vec<DataKey> {
        let Some((last, services)) = self.doors.others.remove(&door) else { return Vec::new() };
        let (mut changed, mut left) = (Vec::new(), BTreeSet::new());
        for key in services {
            let Some(watched) = self.services.get_mut(&key) else { continue };
            changed.extend(data_keys(&key, watched.state.door_lived(now, door, lived_at)));
            let waits = watched.state.waits_at_door(now, door);
            self.reschedule(&key);
            if waits {
                left.insert(key);
            }
        }
        if !left.is_empty() {
            self.doors.others.insert(door, (last, left));
        }
        changed
    }
}
