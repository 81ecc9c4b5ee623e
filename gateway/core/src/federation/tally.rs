//! How much each origin has, as it is shown: kept as it changes, because counting costs as much as the registry is large.
//!
//! Input: a key of which something changed. Output: the counts that clusters are shown with. Invariant: equal to counting everything anew
//! (a property test does).

use std::collections::BTreeSet;

use crate::federation::{Federation, Origin};
use crate::id::{ClusterId, ConfigKey, ServiceKey};
use crate::log::key::DataKey;
use crate::log::partition::Partition;
use crate::seed::{Map, Seed, Set};

/// How much an origin has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginSize {
    /// Services with an instance.
    pub services: usize,
    /// Instances.
    pub instances: usize,
    /// Config items.
    pub configs: usize,
}

/// What an origin is counted with.
#[derive(Debug)]
pub(super) struct Tally {
    /// Instances of each service that has one.
    services: Map<ServiceKey, usize>,
    configs: Set<ConfigKey>,
    instances: usize,
}

impl Tally {
    pub(super) fn new(seed: Seed) -> Self {
        Self { services: seed.map(), configs: seed.set(), instances: 0 }
    }

    pub(super) fn size(&self) -> OriginSize {
        OriginSize { services: self.services.len(), instances: self.instances, configs: self.configs.len() }
    }

    fn set_service(&mut self, key: &ServiceKey, instances: usize) {
        let before = match self.services.get_mut(key) {
            Some(known) if instances > 0 => std::mem::replace(known, instances),
            Some(_) => self.services.remove(key).unwrap_or(0),
            None if instances > 0 => {
                self.services.insert(key.clone(), instances);
                0
            }
            None => 0,
        };
        self.instances = self.instances + instances - before;
    }

    fn set_config(&mut self, key: &ConfigKey, exists: bool) {
        if !exists {
            self.configs.remove(key);
        } else if !self.configs.contains(key) {
            self.configs.insert(key.clone());
        }
    }
}

impl Federation {
    /// How much is shown of an origin.
    #[must_use]
    pub fn size(&self, id: &ClusterId) -> OriginSize {
        self.origins.get(id).map(|origin| origin.tally.size()).unwrap_or_default()
    }

    /// Counts anew what an origin has under a key of which something may have changed.
    pub(super) fn recount(&mut self, id: &ClusterId, key: &DataKey) {
        match key {
            DataKey::Instance(service, _) => self.recount_service(id, service),
            DataKey::Config(config) => self.recount_config(id, config),
        }
    }

    pub(super) fn recount_service(&mut self, id: &ClusterId, service: &ServiceKey) {
        let local = if id == self.cluster() { self.local.service(service).map(|state| state.len()) } else { None };
        let counted = if id == self.cluster() { &self.settings.export } else { &self.settings.import.items };
        let counted = counted.has_service(service);
        let Some(origin) = self.origins.get_mut(id) else { return };
        let logged =
            |origin: &Origin| origin.log.holder_of_service(service).map_or(0, |it| it.counted_instances(service));
        let instances = if counted { local.unwrap_or_else(|| logged(origin)) } else { 0 };
        origin.tally.set_service(service, instances);
    }

    pub(super) fn recount_config(&mut self, id: &ClusterId, config: &ConfigKey) {
        let local = if id == self.cluster() { self.local.config(config).map(|it| it.wanted().is_some()) } else { None };
        let counted = if id == self.cluster() { &self.settings.export } else { &self.settings.import.items };
        let counted = counted.has_config(config);
        let Some(origin) = self.origins.get_mut(id) else { return };
        let logged = |origin: &Origin| origin.log.holder_of_config(config).is_some_and(|it| it.counts_config(config));
        let exists = counted && local.unwrap_or_else(|| logged(origin));
        origin.tally.set_config(config, exists);
    }

    /// As [`Federation::size`], by counting everything: what the tally is compared with in tests.
    #[must_use]
    pub fn size_counted_anew(&self, id: &ClusterId) -> OriginSize {
        let mut size = OriginSize::default();
        let Some(origin) = self.origins.get(id) else { return size };
        let own = id == self.cluster();
        let shown = if own { &self.settings.export } else { &self.settings.import.items };
        if own {
            for (_, state) in self.local.services().filter(|(_, state)| !state.is_empty()) {
                size.services += 1;
                size.instances += state.len();
            }
            size.configs = self.local.configs().filter(|(_, state)| state.wanted().is_some()).count();
        }
        for (_, _, partition) in origin.log.all() {
            let (services, configs) = names_of(partition);
            let unlisted = services.into_iter().filter(|key| !own || self.local.service(key).is_none());
            for key in unlisted.filter(|key| shown.has_service(key)) {
                let instances = partition.counted_instances(key);
                size.services += usize::from(instances > 0);
                size.instances += instances;
            }
            let unknown = configs.into_iter().filter(|key| !own || self.local.config(key).is_none());
            size.configs += unknown.filter(|key| shown.has_config(key) && partition.counts_config(key)).count();
        }
        size
    }
}

/// What a partition has something of, or shows something of although it was removed.
fn names_of(partition: &Partition) -> (BTreeSet<&ServiceKey>, BTreeSet<&ConfigKey>) {
    let mut services: BTreeSet<&ServiceKey> = partition.served().services().map(|(key, _)| key).collect();
    let mut configs: BTreeSet<&ConfigKey> = partition.served().configs().map(|(key, _)| key).collect();
    for key in partition.late().keys() {
        match key {
            DataKey::Instance(service, _) => drop(services.insert(service)),
            DataKey::Config(config) => drop(configs.insert(config)),
        }
    }
    (services, configs)
}
