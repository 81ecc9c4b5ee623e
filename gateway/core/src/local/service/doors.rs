//! Through which gateways the instances of a service were registered, and for which of the missing that matters.
//!
//! A Nacos drops all that was registered over a gateway's connections when the gateway is killed, and the clients behind it come back through
//! another one, a second or some later. So whoever goes missing and bears the mark of another gateway is waited for, until that one is known to
//! have lived at that time or later (then it was the client that went), for a hold at most.

use std::collections::BTreeSet;

use super::{LocalService, Missing};
use crate::id::InstanceId;
use crate::local::mark::DoorMark;
use crate::service::HoldReason;
use crate::time::Mono;

/// Behind whose front doors instances went missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissedAtDoors {
    /// Behind that of this process: others want to hear that it lives.
    pub own: bool,
    /// Behind those of others: whether they live is what this process wants to hear.
    pub others: BTreeSet<DoorMark>,
}

impl LocalService {
    /// Nacos showed the instance with this mark, or with none. To be called before what it said is taken in.
    pub fn note_door(&mut self, id: &InstanceId, mark: Option<DoorMark>) {
        match mark {
            None if self.doors.is_empty() => {}
            None => drop(self.doors.remove(id)),
            Some(mark) if self.doors.get(id) == Some(&mark) => {}
            Some(mark) => drop(self.doors.insert(id.clone(), mark)),
        }
    }

    /// Those of `missed` that came through the doors of others are waited for until then. Forgets the marks of what is gone.
    pub fn wait_at_doors(&mut self, missed: &[InstanceId], own: Option<DoorMark>, until: Mono) -> MissedAtDoors {
        if self.doors.len() > self.len() {
            let (present, missing) = (&self.present, &self.missing);
            self.doors.retain(|id, _| present.contains_key(id) || missing.contains_key(id));
        }
        let mut found = MissedAtDoors::default();
        for id in missed {
            let Some(mark) = self.doors.get(id) else { continue };
            let Some(missing) = self.missing.get_mut(id) else { continue };
            if Some(*mark) == own {
                found.own = true;
                continue;
            }
            found.others.insert(*mark);
            missing.awaited = Some(until);
            if missing.held.reason == HoldReason::Asked {
                missing.held.reason = HoldReason::ThroughGateway;
            }
        }
        found
    }

    /// The gateway lived at `lived_at`, or later: what went missing behind it up to then went by itself. Returns whose hold changed.
    pub fn door_lived(&mut self, now: Mono, door: DoorMark, lived_at: Mono) -> Vec<InstanceId> {
        let mut changed = Vec::new();
        for (id, missing) in self.missing.iter_mut().filter(|(_, missing)| missing.is_awaited(now)) {
            if self.doors.get(id) != Some(&door) || missing.held.since > lived_at {
                continue;
            }
            missing.awaited = None;
            if missing.held.reason == HoldReason::ThroughGateway {
                missing.held.reason = HoldReason::Asked;
            }
            changed.push(id.clone());
        }
        if self.settled && !changed.is_empty() {
            self.want_read(now);
        }
        changed
    }

    /// Whether anybody is waited for who came through this door.
    #[must_use]
    pub fn waits_at_door(&self, now: Mono, door: DoorMark) -> bool {
        self.missing.iter().any(|(id, missing)| missing.is_awaited(now) && self.doors.get(id) == Some(&door))
    }
}

impl Missing {
    fn is_awaited(&self, now: Mono) -> bool {
        self.awaited.is_some_and(|until| now < until)
    }

    /// Why it is held on a settled service.
    pub(super) fn settled_reason(&self, now: Mono) -> HoldReason {
        if self.is_awaited(now) { HoldReason::ThroughGateway } else { HoldReason::Asked }
    }
}
