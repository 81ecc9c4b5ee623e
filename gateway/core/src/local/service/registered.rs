//! What Nacos acknowledged to a client of this gateway, until its lists have caught up.
//!
//! Nacos gathers changes for half a second before it pushes them, answers reads from what it pushed last, and passes them from server to server
//! within a second or two. So for a while after an acknowledgement lists are older than it: they do not take back what it said.
//!
//! Invariant: an acknowledgement counts for [`CAUGHT_UP_WITHIN`] at most; from then on a list says what is, and one is asked for if none has
//! agreed meanwhile. A removal is proven as ever.

use std::sync::Arc;

use super::LocalService;
use crate::id::InstanceId;
use crate::instance::Instance;
use crate::time::{Millis, Mono};

/// In which time a list has what was acknowledged: 0.6 s on the server itself, 1.7 s on another one of a cluster.
pub const CAUGHT_UP_WITHIN: Millis = Millis::from_secs(3);

/// An instance that Nacos acknowledged, and that no list has shown since.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    instance: Arc<Instance>,
    until: Mono,
}

impl LocalService {
    /// Nacos acknowledged these instances to a client. One that is known as disabled stays so until Nacos says otherwise. Returns the ids whose wanted value, or hold, changed; of a service that was not
    /// listed yet, its first list will have them.
    pub fn registered(&mut self, now: Mono, instances: Vec<(InstanceId, Instance)>) -> Vec<InstanceId> {
        let mut changed = Vec::new();
        for (id, instance) in instances {
            if self.present.get(&id).is_some_and(|known| !known.enabled) {
                self.want_read(now); // An operator disabled it: that its client says it anew does not enable it.
                continue;
            }
            let instance = Arc::new(instance);
            let until = now + CAUGHT_UP_WITHIN;
            self.acknowledged.insert(id.clone(), Acknowledged { instance: Arc::clone(&instance), until });
            if !self.listed {
                continue;
            }
            self.proven_gone.remove(&id);
            let was_missing = self.missing.remove(&id).is_some();
            if !was_missing && !self.present.contains_key(&id) {
                self.moves.came.push(id.clone());
            }
            if was_missing || self.present.get(&id) != Some(&instance) {
                self.present.insert(id.clone(), instance);
                changed.push(id);
            }
        }
        if !changed.is_empty() {
            self.quiet_since = now;
        }
        changed
    }

    /// Nacos acknowledged that a client withdrew these: lists say what is again.
    pub fn withdrawn(&mut self, ids: &[InstanceId]) {
        ids.iter().for_each(|id| drop(self.acknowledged.remove(id)));
    }

    /// A list, in the order of ids, with what it may be too old to have. What it has has been caught up with.
    pub(super) fn with_acknowledged(&mut self, now: Mono, listing: &mut Vec<(InstanceId, Instance)>, protected: bool) {
        let counts = |acknowledged: &Acknowledged| now < acknowledged.until;
        self.acknowledged.retain(|id, acknowledged| {
            let listed = listing.binary_search_by(|(listed, _)| listed.cmp(id)).map(|at| &listing[at].1);
            counts(acknowledged) && !listed.is_ok_and(|listed| is_said(&acknowledged.instance, listed, protected))
        });
        for (id, Acknowledged { instance, .. }) in &self.acknowledged {
            let instance = Instance::clone(instance);
            match listing.binary_search_by(|(listed, _)| listed.cmp(id)) {
                Ok(at) => listing[at].1 = instance,
                Err(at) => listing.insert(at, (id.clone(), instance)),
            }
        }
    }

    /// What no list agreed with in time does not count any more; whether there was any.
    pub(super) fn ends_waiting(&mut self, now: Mono) -> bool {
        let before = self.acknowledged.len();
        self.acknowledged.retain(|_, acknowledged| now < acknowledged.until);
        self.acknowledged.len() < before
    }

    /// When that is to be looked at.
    pub(super) fn waits_until(&self) -> Option<Mono> {
        self.acknowledged.values().map(|acknowledged| acknowledged.until).min()
    }
}

/// Whether a list says what was acknowledged; under protection its health says nothing.
fn is_said(acknowledged: &Instance, listed: &Instance, protected: bool) -> bool {
    let health = if protected { acknowledged.health } else { listed.health };
    Instance { health, ..listed.clone() } == *acknowledged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Health, Metadata, Weight};
    use crate::local::service::{RemovalPatience, ServiceAsk};

    const PATIENCE: RemovalPatience =
        RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(1_800) };
    const LONG_AFTER: Mono = Mono(100_000);

    fn id(ip: &str) -> InstanceId {
        InstanceId::new(ip, 80, "DEFAULT")
    }

    fn instance(weight: f64) -> Instance {
        let weight = Weight::try_from(weight).unwrap();
        Instance { weight, health: Health::Healthy, enabled: true, ephemeral: true, metadata: Metadata::default() }
    }

    fn at(ms: u64) -> Mono {
        LONG_AFTER + Millis(ms)
    }

    /// A settled service that lists `a`.
    fn service() -> LocalService {
        let mut service = LocalService::new(Mono(0), at(1_000_000));
        service.list(at(0), vec![(id("a"), instance(1.0))], false, &PATIENCE);
        assert!(service.is_settled());
        service
    }

    fn weight(service: &LocalService, ip: &str) -> Option<f64> {
        service.wanted(&id(ip)).map(|instance| instance.weight.get())
    }

    #[test]
    fn what_nacos_acknowledged_is_there_at_once_and_older_lists_do_not_take_it_back() {
        let mut service = service();
        let acknowledged = vec![(id("a"), instance(5.0)), (id("b"), instance(2.0))];
        assert_eq!(service.registered(at(1_000), acknowledged.clone()), [id("a"), id("b")]);
        assert_eq!(service.registered(at(1_001), acknowledged.clone()), [], "said again it is no change");
        assert_eq!(service.list(at(1_500), vec![(id("a"), instance(1.0))], false, &PATIENCE), []);
        assert_eq!((weight(&service, "a"), weight(&service, "b"), service.missing()), (Some(5.0), Some(2.0), 0));
        assert_eq!(service.list(at(2_000), acknowledged, false, &PATIENCE), [], "the list has caught up");
        assert_eq!(service.list(at(2_100), vec![(id("a"), instance(1.0))], false, &PATIENCE).len(), 2);
        assert_eq!((weight(&service, "a"), service.missing()), (Some(1.0), 1), "a later list counts like any other");
    }

    #[test]
    fn what_no_list_ever_has_is_asked_for_and_then_held_like_any_missing_one() {
        let mut service = service();
        service.registered(at(1_000), vec![(id("b"), instance(2.0))]);
        assert_eq!(service.next_deadline(&PATIENCE), at(1_000) + CAUGHT_UP_WITHIN);
        assert_eq!(service.due(at(3_999), &PATIENCE), ServiceAsk::Nothing);
        assert_eq!(service.due(at(4_000), &PATIENCE), ServiceAsk::Query);
        service.list(at(4_100), vec![(id("a"), instance(1.0))], false, &PATIENCE);
        assert_eq!((weight(&service, "b"), service.missing()), (Some(2.0), 1), "held, and not forgotten");
    }

    #[test]
    fn a_service_that_was_never_listed_has_it_with_its_first_list() {
        let mut service = LocalService::new(Mono(0), at(1_000_000));
        assert_eq!(service.registered(at(0), vec![(id("b"), instance(2.0))]), []);
        assert!(!service.is_listed(), "nothing is known of a service before Nacos lists it");
        assert_eq!(service.list(at(10), vec![(id("a"), instance(1.0))], false, &PATIENCE), [id("a"), id("b")]);
    }

    #[test]
    fn one_that_was_missing_is_back_and_one_that_was_withdrawn_is_for_lists_to_tell() {
        let mut service = service();
        service.list(at(500), Vec::new(), false, &PATIENCE);
        assert_eq!(service.missing(), 1);
        assert_eq!(service.registered(at(600), vec![(id("a"), instance(1.0))]), [id("a")]);
        assert_eq!(service.missing(), 0);
        service.withdrawn(&[id("a")]);
        service.list(at(700), Vec::new(), false, &PATIENCE);
        assert_eq!(service.missing(), 1);
    }

    #[test]
    fn what_an_operator_disabled_is_not_enabled_by_its_clients_registering_anew() {
        let mut service = service();
        let disabled = Instance { enabled: false, ..instance(1.0) };
        service.due(at(1_000_000), &PATIENCE);
        let read = crate::input::ServiceReading::All(vec![(id("a"), disabled)]);
        service.list(at(1_000_000), Vec::new(), false, &PATIENCE);
        service.read(at(1_000_001), read, &PATIENCE);
        assert!(!service.wanted(&id("a")).unwrap().enabled);
        assert_eq!(service.registered(at(1_000_002), vec![(id("a"), instance(1.0))]), []);
        assert!(!service.wanted(&id("a")).unwrap().enabled);
        assert_eq!(service.due(at(1_002_000), &PATIENCE), ServiceAsk::Read, "Nacos is asked whether it still is");
    }

    #[test]
    fn health_that_is_not_true_catches_up_and_an_old_connection_has_acknowledged_nothing() {
        let mut service = service();
        service.registered(at(1_000), vec![(id("b"), instance(2.0))]);
        service.list(at(1_100), vec![(id("a"), instance(1.0)), (id("b"), instance(2.0))], true, &PATIENCE);
        assert_eq!(service.wanted(&id("b")).unwrap().health, Health::Unknown);
        service.registered(at(1_200), vec![(id("c"), instance(2.0))]);
        service.connected(at(1_300), Millis(0), &PATIENCE);
        service.list(at(1_400), vec![(id("a"), instance(1.0)), (id("b"), instance(2.0))], false, &PATIENCE);
        assert_eq!(service.missing(), 1, "held after the connect, like all others");
    }
}
