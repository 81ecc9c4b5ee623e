//! What a Nacos has, since when, and what it says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::config_item::ConfigItem;
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance};

use crate::world::Dice;

/// One instance that a client has registered.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) instance: Instance,
    /// When its client registered it.
    pub(crate) since: u64,
    /// Until when a restarted registry does not have it.
    pub(crate) back: u64,
    /// Since when it is ill.
    pub(crate) ill_since: Option<u64>,
}

pub(crate) type Listing = Vec<(InstanceId, Instance)>;
type Services = BTreeMap<ServiceKey, BTreeMap<InstanceId, Registered>>;

/// How a list differs from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    Partial,
    Empty,
    Old,
}

/// One registry. Its clients register, whatever it does.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) services: Services,
    pub(crate) configs: BTreeMap<ConfigKey, (Arc<ConfigItem>, u64)>,
    /// When a restarted one has its config items again.
    pub(crate) loaded: u64,
    /// When one that is down is back.
    pub(crate) up: u64,
    pub(crate) may_read: bool,
    /// What it had when its lists began to be old.
    pub(crate) former: Services,
    pub(crate) last_lie: u64,
}

impl Registry {
    pub(crate) fn of(&self, key: &ServiceKey, id: &InstanceId) -> Option<&Registered> {
        self.services.get(key)?.get(id)
    }

    /// All instances that it has now, disabled ones too.
    pub(crate) fn all(&self, now: u64, key: &ServiceKey) -> Listing {
        let instances = self.services.get(key).into_iter().flatten().filter(|(_, it)| it.back <= now);
        instances.map(|(id, it)| (id.clone(), it.instance.clone())).collect()
    }

    /// A list of the enabled ones as it would be told.
    pub(crate) fn list(&self, now: u64, key: &ServiceKey, lie: Lie, dice: &mut Dice) -> Listing {
        let enabled = |(_, instance): &(InstanceId, Instance)| instance.enabled;
        match lie {
            Lie::Empty => Vec::new(),
            Lie::None => self.all(now, key).into_iter().filter(enabled).collect(),
            Lie::Partial => self.all(now, key).into_iter().filter(enabled).filter(|_| !dice.one_in(3)).collect(),
            Lie::Old => {
                let former = self.former.get(key).into_iter().flatten().filter(|(_, it)| it.back <= now);
                former.map(|(id, it)| (id.clone(), it.instance.clone())).filter(enabled).collect()
            }
        }
    }

    /// The services that have an instance now.
    pub(crate) fn names(&self, now: u64, namespace: &str) -> Vec<ServiceKey> {
        let named = self.services.iter().filter(|(key, _)| key.namespace() == namespace);
        named.filter(|(_, it)| it.values().any(|it| it.back <= now)).map(|(key, _)| key.clone()).collect()
    }

    /// A client registers an instance, or says it anew with another value.
    pub(crate) fn register(&mut self, now: u64, key: &ServiceKey, id: &InstanceId, instance: Instance) {
        let instances = self.services.entry(key.clone()).or_default();
        let known = instances.get(id);
        let ill = instance.health == Health::Unhealthy;
        let ill_since = ill.then(|| known.and_then(|it| it.ill_since).unwrap_or(now));
        let (since, back) = known.map_or((now, now.max(self.up)), |it| (it.since, it.back));
        // Where disabled cannot be told from gone, an instance that is enabled again is a new one.
        let returns = !self.may_read && instance.enabled && known.is_some_and(|it| !it.instance.enabled);
        let since = if returns { now } else { since };
        instances.insert(id.clone(), Registered { instance, since, back, ill_since });
    }

    pub(crate) fn deregister(&mut self, key: &ServiceKey, id: &InstanceId) {
        if let Some(instances) = self.services.get_mut(key) {
            instances.remove(id);
            if instances.is_empty() {
                self.services.remove(key);
            }
        }
    }

    /// It restarts now and is up at `up`; its clients come back one by one within `spread` from then on.
    pub(crate) fn restart(&mut self, up: u64, spread: u64, dice: &mut Dice) {
        self.up = up;
        self.loaded = up + dice.roll(spread);
        for registered in self.services.values_mut().flat_map(|it| it.values_mut()) {
            registered.back = up + dice.roll(spread);
        }
    }
}
