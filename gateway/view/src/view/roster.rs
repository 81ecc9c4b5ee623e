//! What lists and searches are made of: a few numbers of each service, ordered by name, as of one moment.
//!
//! A list that is filtered, sorted or counted has to look at every service. It must not touch the services themselves for that, which lie all
//! over memory; so each has a row here, beside its neighbours by name. Rows lie in pieces of some hundred. A reader takes all of them as one
//! immutable value; whoever writes changes a piece in place, and copies that one piece while a reader has it.
//!
//! Invariants: rows are sorted by key, one for each service that is shown; a row says what the service says that was put beside it in the same
//! change. What depends on clusters' freshness, on drains and on the time is not here: whoever asks judges it.
//!
//! A row costs 48 bytes, and elsewhere 16 with 20 for each cluster that has the service: some 110 bytes for a service of two clusters, its name
//! not counted, which others hold.

use std::sync::{Arc, Mutex, PoisonError};

use federation_core::id::{ClusterId, ServiceKey};
use federation_core::instance::Health;
use federation_core::service::{FederatedInstance, FederatedService, OriginInstances};
use federation_core::time::Mono;

/// Rows of a piece that is split in two when it has more.
const LARGEST_PIECE: usize = 512;
/// No change is known of.
const NO_CHANGE: u64 = u64::MAX;

/// What one cluster has of a service, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginFacts {
    /// Which cluster: its place in [`ServiceRoster::origins`].
    pub place: u32,
    /// How many instances it has.
    pub instances: u32,
    /// Those that are healthy, by the raw word.
    pub healthy: u32,
    /// Those whose health is not known.
    pub unknown: u32,
    /// Whether the removal of one of them is kept back.
    pub held: bool,
}

/// One service in numbers.
#[derive(Clone, Debug)]
pub struct ServiceFacts {
    /// Its name.
    pub key: ServiceKey,
    /// In the order of the service's origins: by cluster id, at least one.
    pub origins: Arc<[OriginFacts]>,
    changed: u64,
}

impl ServiceFacts {
    /// When its instances last changed since the gateway was ready; `None` if they have not. What is said of it before that is read, not new.
    #[must_use]
    pub fn changed(&self) -> Option<Mono> {
        (self.changed != NO_CHANGE).then_some(Mono(self.changed))
    }
}

/// All services in numbers, ordered by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ServiceRoster {
    /// None is empty.
    pieces: Vec<Arc<Vec<ServiceFacts>>>,
    origins: Arc<Vec<ClusterId>>,
    count: usize,
}

impl ServiceRoster {
    /// How many services there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The clusters that ever had an instance since the start of the process: each at the place that rows name.
    #[must_use]
    pub fn origins(&self) -> &[ClusterId] {
        &self.origins
    }

    /// All rows by name.
    pub fn rows(&self) -> impl Iterator<Item = &ServiceFacts> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// The rows from `first` on, by name.
    pub fn rows_from<'a>(&'a self, first: &ServiceKey) -> impl Iterator<Item = &'a ServiceFacts> + use<'a> {
        let piece = self.piece_of(first);
        let at = self.pieces.get(piece).map_or(0, |rows| rows.partition_point(|row| row.key < *first));
        self.pieces.iter().skip(piece).flat_map(|piece| piece.iter()).skip(at)
    }

    /// The rows after the first `skipped` ones, by name; the pieces before are not looked into.
    pub fn rows_after(&self, skipped: usize) -> impl Iterator<Item = &ServiceFacts> {
        let mut left = skipped;
        let passed = self.pieces.iter().take_while(|piece| {
            let passes = piece.len() <= left;
            left -= if passes { piece.len() } else { 0 };
            passes
        });
        let passed = passed.count();
        self.pieces.iter().skip(passed).flat_map(|piece| piece.iter()).skip(left)
    }

    /// The piece that has the key, or would get it: the last one that begins at or before it.
    fn piece_of(&self, key: &ServiceKey) -> usize {
        self.pieces.partition_point(|piece| piece[0].key <= *key).saturating_sub(1)
    }

    fn place(&mut self, origin: &ClusterId) -> u32 {
        let known = self.origins.iter().position(|known| known == origin);
        let place = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.origins).push(origin.clone());
            self.origins.len() - 1
        });
        u32::try_from(place).expect("clusters are topics of one Kafka: there are never so many")
    }

    /// Shows the service as it is now, beside what it was, or takes its row away. `at` is when it changed, if that is known.
    fn show(
        &mut self,
        key: &ServiceKey,
        now: Option<&FederatedService>,
        former: Option<&FederatedService>,
        at: Option<Mono>,
    ) {
        let Some(now) = now else { return self.remove(key) };
        let origins = now.origins.iter().map(|found| facts(self.place(&found.origin), found)).collect();
        let at = at.filter(|_| former.is_none_or(|former| !has_same_instances(former, now)));
        let piece = self.piece_of(key);
        let Some(rows) = self.pieces.get_mut(piece) else {
            let row = ServiceFacts { key: key.clone(), origins, changed: at.map_or(NO_CHANGE, |at| at.0) };
            self.pieces.push(Arc::new(vec![row]));
            self.count = 1;
            return;
        };
        let rows = Arc::make_mut(rows);
        match rows.binary_search_by(|row| row.key.cmp(key)) {
            Ok(at_row) => {
                rows[at_row].origins = origins;
                rows[at_row].changed = at.map_or(rows[at_row].changed, |at| at.0);
            }
            Err(at_row) => {
                rows.insert(
                    at_row,
                    ServiceFacts { key: key.clone(), origins, changed: at.map_or(NO_CHANGE, |at| at.0) },
                );
                self.count += 1;
                if rows.len() > LARGEST_PIECE {
                    let second = rows.split_off(LARGEST_PIECE / 2);
                    self.pieces.insert(piece + 1, Arc::new(second));
                }
            }
        }
    }

    fn remove(&mut self, key: &ServiceKey) {
        let piece = self.piece_of(key);
        let Some(rows) = self.pieces.get_mut(piece) else { return };
        let Ok(at) = rows.binary_search_by(|row| row.key.cmp(key)) else { return };
        self.count -= 1;
        if rows.len() == 1 {
            self.pieces.remove(piece);
        } else {
            Arc::make_mut(rows).remove(at);
        }
    }
}

fn facts(place: u32, found: &OriginInstances) -> OriginFacts {
    let mut facts = OriginFacts { place, ..OriginFacts::default() };
    for found in &found.instances {
        facts.instances += 1;
        facts.healthy += u32::from(found.instance.health == Health::Healthy);
        facts.unknown += u32::from(found.instance.health == Health::Unknown);
        facts.held |= found.held.is_some();
    }
    facts
}

/// Whether nothing of the instances differs that people would call a change: not where they were read, nor what routing makes of their health.
fn has_same_instances(former: &FederatedService, now: &FederatedService) -> bool {
    let same_instance = |(former, now): (&FederatedInstance, &FederatedInstance)| {
        former.id == now.id
            && former.held.is_some() == now.held.is_some()
            && (Arc::ptr_eq(&former.instance, &now.instance) || former.instance == now.instance)
    };
    let same_origin = |(former, now): (&OriginInstances, &OriginInstances)| {
        former.origin == now.origin
            && former.instances.len() == now.instances.len()
            && former.instances.iter().zip(&now.instances).all(same_instance)
    };
    former.origins.len() == now.origins.len() && former.origins.iter().zip(&now.origins).all(same_origin)
}

/// The roster that readers take; there is one writer.
#[derive(Default)]
pub(super) struct SharedRoster(Mutex<ServiceRoster>); // Locked for one clone, which copies no row, or for the rows of one change.

/// What a service was before it changed.
pub(super) struct FormerService<'a> {
    pub(super) key: &'a ServiceKey,
    pub(super) now: Option<&'a Arc<FederatedService>>,
    pub(super) former: Option<Arc<FederatedService>>,
}

impl SharedRoster {
    pub(super) fn snapshot(&self) -> ServiceRoster {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows services as they are now.
    pub(super) fn set(&self, changed: &[FormerService<'_>], at: Option<Mono>) {
        if changed.is_empty() {
            return;
        }
        let mut roster = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for FormerService { key, now, former } in changed {
            roster.show(key, now.map(|now| &**now), former.as_deref(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use federation_core::id::InstanceId;
    use federation_core::instance::{Instance, Metadata, Weight};
    use federation_core::service::{FactSource, HeldRemoval, HoldReason, Revision};
    use proptest::prelude::*;

    use super::*;

    fn key(number: u16) -> ServiceKey {
        ServiceKey::new(["a", "b", ""][usize::from(number % 3)], "g", &format!("s{number}"))
    }

    fn instance(port: u16, health: Health, held: bool) -> FederatedInstance {
        let held = held.then_some(HeldRemoval { since: Mono(1), reason: HoldReason::Asked });
        let weight = Weight::try_from(1.0).unwrap();
        let instance =
            Arc::new(Instance { weight, health, enabled: true, ephemeral: true, metadata: Metadata::default() });
        FederatedInstance { id: InstanceId::new("10.0.0.1", port, "DEFAULT"), instance, effective: health, held }
    }

    fn service(key: ServiceKey, origins: &[(&str, Vec<FederatedInstance>)]) -> FederatedService {
        let origins = origins.iter().map(|(origin, instances)| OriginInstances {
            origin: origin.parse().unwrap(),
            source: FactSource::Log,
            instances: instances.clone(),
        });
        FederatedService { key, revision: Revision(1), origins: origins.collect() }
    }

    #[test]
    fn a_row_counts_what_each_cluster_has() {
        let mut roster = ServiceRoster::default();
        let many = vec![
            instance(1, Health::Healthy, false),
            instance(2, Health::Unhealthy, true),
            instance(3, Health::Unknown, false),
        ];
        let first = service(key(1), &[("b", vec![instance(1, Health::Healthy, false)])]);
        let second = service(key(2), &[("a", many), ("b", vec![instance(9, Health::Healthy, false)])]);
        roster.show(&key(1), Some(&first), None, None);
        roster.show(&key(2), Some(&second), None, None);
        let row = roster.rows_from(&key(2)).find(|row| row.key == key(2)).unwrap();
        let names: Vec<&str> = row.origins.iter().map(|it| roster.origins()[it.place as usize].as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let OriginFacts { instances, healthy, unknown, held, .. } = row.origins[0];
        assert_eq!((instances, healthy, unknown, held), (3, 1, 1, true));
    }

    #[test]
    fn a_change_is_one_of_instances_and_counts_from_when_it_is_known() {
        let before = service(key(1), &[("a", vec![instance(1, Health::Healthy, false)])]);
        let mut elsewhere = before.clone();
        (elsewhere.origins[0].source, elsewhere.origins[0].instances[0].effective) =
            (FactSource::Nacos, Health::Unhealthy);
        let with = |instance| service(key(1), &[("a", vec![instance])]);
        let mut roster = ServiceRoster::default();
        let mut changed = |now: &FederatedService, former: Option<&FederatedService>, at| {
            roster.show(&now.key, Some(now), former, at);
            roster.rows().next().unwrap().changed().map(|at| at.0)
        };
        assert_eq!(changed(&before, None, None), None, "what is read at the start is not new");
        assert_eq!(changed(&elsewhere, Some(&before), Some(Mono(5))), None, "the same instances");
        let ill = with(instance(1, Health::Unhealthy, false));
        assert_eq!(changed(&ill, Some(&before), Some(Mono(6))), Some(6));
        let held = with(instance(1, Health::Unhealthy, true));
        assert_eq!(changed(&held, Some(&ill), Some(Mono(7))), Some(7));
        assert_eq!(changed(&held, Some(&held), Some(Mono(8))), Some(7));
        assert_eq!(changed(&with(instance(2, Health::Unhealthy, true)), Some(&held), None), Some(7), "not known when");
    }

    #[test]
    fn who_reads_sees_one_moment() {
        let shared = SharedRoster::default();
        let set = |number: u16, instances: Vec<FederatedInstance>| {
            let (key, now) = (key(number), Arc::new(service(key(number), &[("a", instances)])));
            shared.set(&[FormerService { key: &key, now: Some(&now), former: None }], None);
        };
        (0..2_000).for_each(|number| set(number, vec![instance(1, Health::Healthy, false)]));
        let before = shared.snapshot();
        (0..3_000).for_each(|number| set(number, vec![]));
        assert!(before.rows().all(|row| row.origins[0].instances == 1));
        assert_eq!((before.len(), shared.snapshot().len()), (2_000, 3_000));
    }

    proptest! {
        #[test]
        fn rows_are_what_an_ordered_map_has(steps in prop::collection::vec((0_u16..2_000, any::<bool>()), 0..3_000)) {
            let (mut roster, mut map) = (ServiceRoster::default(), BTreeMap::new());
            for (number, (name, exists)) in steps.iter().enumerate() {
                let instances = (0..u16::try_from(number % 3).unwrap()).map(|port| instance(port, Health::Healthy, false));
                let service = service(key(*name), &[("a", instances.collect())]);
                roster.show(&service.key, exists.then_some(&service), None, None);
                match exists {
                    true => drop(map.insert(service.key.clone(), number % 3)),
                    false => drop(map.remove(&service.key)),
                }
            }
            let of = |row: &ServiceFacts| (row.key.clone(), row.origins[0].instances as usize);
            let want: Vec<_> = map.iter().map(|(key, count)| (key.clone(), *count)).collect();
            prop_assert_eq!(roster.rows().map(of).collect::<Vec<_>>(), want.clone());
            prop_assert_eq!(roster.len(), want.len());
            for skipped in [0, 1, want.len() / 2, want.len()] {
                prop_assert_eq!(roster.rows_after(skipped).map(of).collect::<Vec<_>>(), want[skipped.min(want.len())..].to_vec());
            }
            for first in [key(0), key(700), key(1_999), ServiceKey::new("z", "", "")] {
                let rest: Vec<_> = want.iter().filter(|(key, _)| *key >= first).cloned().collect();
                prop_assert_eq!(roster.rows_from(&first).map(of).collect::<Vec<_>>(), rest);
            }
        }
    }
}
