//! Services and their instances with the rules of Nacos, as plain data.
//!
//! Input: registrations, withdrawals, beats, ended connections, each with the time. Output: snapshots for readers, and the
//! set of services that changed since it was last taken. Invariants: an ephemeral instance lives exactly as long as its
//! connection or its beats; a publisher has one slot per service, whose content a new registration replaces; a
//! service's revision time strictly grows with every change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use federation_core::id::{InstanceId, ServiceKey};
use federation_core::time::{Millis, Mono};

use super::check::{IllegalName, check_service, grouped};
use super::instance::RegisteredInstance;

mod values;

pub use values::{
    BeatOutcome, InstanceLifetime, InstanceOverlay, InstancePatch, InstancePublisher, InstanceSelection,
    ListedServices, NamingNow, NamingSettings, NamingSnapshot,
};

/// Silence after which an instance that beats is shown as unhealthy, unless its metadata says otherwise.
pub const BEAT_UNHEALTHY_AFTER: Millis = Millis(15_000);
/// Silence after which an instance that beats is removed, unless its metadata says otherwise.
pub const BEAT_REMOVED_AFTER: Millis = Millis(30_000);
/// How long a service without instances, and the changes made to an instance that is gone, are remembered.
pub const EMPTY_KEPT_FOR: Millis = Millis(60_000);

#[derive(Debug)]
struct Slot {
    instances: Vec<RegisteredInstance>,
    /// Later registrations of the same address win.
    order: u64,
}

#[derive(Debug)]
struct Laid {
    overlay: InstanceOverlay,
    orphan_since: Option<Mono>,
}

#[derive(Debug)]
struct Service {
    lifetime: InstanceLifetime,
    slots: BTreeMap<InstancePublisher, Slot>,
    overlays: HashMap<InstanceId, Laid>,
    /// Absent until the service is declared: Nacos protects none that merely came into being by a registration, and one declared with a threshold
    /// of 0 when nothing in it is healthy.
    settings: Option<NamingSettings>,
    revision_ms: u64,
    empty_since: Option<Mono>,
}

#[derive(Debug)]
struct Beat {
    last: Mono,
    unhealthy_after: Millis,
    removed_after: Millis,
}

/// All services of one registry.
#[derive(Debug, Default)]
pub struct NamingStore {
    services: HashMap<ServiceKey, Service>,
    /// The same names, in their order: for listings. Changed only when a service begins or ceases to exist.
    names: BTreeSet<ServiceKey>,
    by_connection: HashMap<Arc<str>, BTreeSet<ServiceKey>>,
    beats: HashMap<(ServiceKey, InstancePublisher), Beat>,
    subscribers: HashMap<ServiceKey, BTreeMap<Arc<str>, Arc<str>>>,
    subscribed_by: HashMap<Arc<str>, BTreeSet<ServiceKey>>,
    changed: BTreeSet<ServiceKey>,
    /// Services of which time takes something: without instances, or with changes of an operator. All others cost nothing as time passes.
    ageing: BTreeSet<ServiceKey>,
    owed: BTreeSet<(ServiceKey, Arc<str>)>,
    registrations: u64,
}

impl NamingStore {
    /// Puts `instances` in the publisher's slot in place of what was there.
    ///
    /// # Errors
    /// Refuses what Nacos refuses; then nothing changed.
    pub fn register(
        &mut self,
        key: &ServiceKey,
        publisher: InstancePublisher,
        instances: Vec<RegisteredInstance>,
        now: NamingNow,
    ) -> Result<(), IllegalName> {
        check_service(key)?;
        instances.iter().try_for_each(RegisteredInstance::check)?;
        let lifetime = publisher.lifetime();
        if let Some(service) = self.services.get(key).filter(|service| service.lifetime != lifetime) {
            let (is, offered) = (service.lifetime.name(), lifetime.name());
            return Err(IllegalName::OtherLifetime { service: grouped(key), is, offered });
        }
        match &publisher {
            InstancePublisher::Connection(connection) => {
                self.by_connection.entry(connection.clone()).or_default().insert(key.clone());
            }
            InstancePublisher::Beats(..) => {
                let beat = Beat::of(instances.first(), now.mono);
                self.beats.insert((key.clone(), publisher.clone()), beat);
            }
            InstancePublisher::Durable(..) => {}
        }
        self.registrations += 1;
        let slot = Slot { instances, order: self.registrations };
        match self.services.get_mut(key) {
            Some(service) => drop(service.slots.insert(publisher, slot)),
            None => self.add(key, Service { slots: BTreeMap::from([(publisher, slot)]), ..Service::new(lifetime) }),
        }
        self.touch(key, now);
        Ok(())
    }

    /// Empties the publisher's slot; a slot that does not exist is no error.
    pub fn withdraw(&mut self, key: &ServiceKey, publisher: &InstancePublisher, now: NamingNow) {
        if let InstancePublisher::Connection(connection) = publisher
            && let Some(keys) = self.by_connection.get_mut(connection)
        {
            keys.remove(key);
        }
        self.beats.remove(&(key.clone(), publisher.clone()));
        let removed = self.services.get_mut(key).and_then(|service| service.slots.remove(publisher));
        if removed.is_some() {
            self.touch(key, now);
        }
    }

    /// Ends a connection: all it registered and subscribed to goes.
    pub fn disconnect(&mut self, connection: &Arc<str>, now: NamingNow) {
        let publisher = InstancePublisher::Connection(connection.clone());
        for key in self.by_connection.remove(connection).unwrap_or_default() {
            self.withdraw(&key, &publisher, now);
        }
        for key in self.subscribed_by.remove(connection).unwrap_or_default() {
            self.forget_subscriber(&key, connection);
        }
    }

    /// Hears a beat of an ephemeral instance that was registered by HTTP.
    pub fn beat(&mut self, key: &ServiceKey, ip: &str, port: u16, now: NamingNow) -> BeatOutcome {
        let publisher = InstancePublisher::Beats(ip.into(), port);
        let Some(beat) = self.beats.get_mut(&(key.clone(), publisher.clone())) else { return BeatOutcome::Unknown };
        beat.last = now.mono;
        if self.set_health(key, &publisher, true) {
            self.touch(key, now);
        }
        BeatOutcome::Known
    }

    /// Lays an operator's change over an instance, replacing the change before it. The instance need not be there: the
    /// change is remembered for [`EMPTY_KEPT_FOR`].
    ///
    /// # Errors
    /// [`IllegalName::NoService`] when the service is not known; or what Nacos refuses of the values.
    pub fn overlay(
        &mut self,
        key: &ServiceKey,
        id: &InstanceId,
        overlay: InstanceOverlay,
        now: NamingNow,
    ) -> Result<(), IllegalName> {
        let InstanceOverlay { weight, enabled, metadata } = overlay.clone();
        RegisteredInstance { id: id.clone(), weight, healthy: true, enabled, metadata }.check()?;
        let service = self.services.get_mut(key).ok_or_else(|| IllegalName::NoService(key.clone()))?;
        service.overlays.insert(id.clone(), Laid { overlay, orphan_since: None });
        self.touch(key, now);
        Ok(())
    }

    /// Lays the named changes over an instance that is there, whatever its Nacos cluster; those of before that are not named stay.
    ///
    /// # Errors
    /// What Nacos refuses of the values.
    pub fn patch(
        &mut self,
        key: &ServiceKey,
        id: &InstanceId,
        patch: InstancePatch,
        now: NamingNow,
    ) -> Result<BeatOutcome, IllegalName> {
        let Some(found) = self.find(key, id) else { return Ok(BeatOutcome::Unknown) };
        let laid = self.services.get(key).and_then(|service| service.overlays.get(&found.id));
        let mut metadata = laid.map(|laid| laid.overlay.metadata.clone()).unwrap_or_default();
        metadata.extend(patch.metadata);
        let (weight, enabled) = (patch.weight.unwrap_or(found.weight), patch.enabled.unwrap_or(found.enabled));
        self.overlay(key, &found.id, InstanceOverlay { weight, enabled, metadata }, now)?;
        Ok(BeatOutcome::Known)
    }

    /// The instance of this address: that of the named Nacos cluster, else one of another. As in Nacos, which finds it by its address alone.
    #[must_use]
    pub fn find(&self, key: &ServiceKey, id: &InstanceId) -> Option<RegisteredInstance> {
        let all = self.services.get(key)?.instances();
        let named = all.get(id).cloned();
        named.or_else(|| all.into_values().find(|instance| (&instance.id.ip, instance.id.port) == (&id.ip, id.port)))
    }

    /// Creates a service by itself.
    ///
    /// # Errors
    /// Refuses a name that Nacos refuses, and one that exists.
    pub fn create(
        &mut self,
        key: &ServiceKey,
        lifetime: InstanceLifetime,
        settings: NamingSettings,
        now: NamingNow,
    ) -> Result<(), IllegalName> {
        check_service(key)?;
        if self.services.contains_key(key) {
            return Err(IllegalName::ServiceExists(key.clone()));
        }
        let service = Service { settings: Some(settings), ..Service::new(lifetime) };
        self.add(key, service);
        self.touch(key, now);
        Ok(())
    }

    /// Changes what is said of a service.
    ///
    /// # Errors
    /// It does not exist.
    pub fn change(&mut self, key: &ServiceKey, settings: NamingSettings, now: NamingNow) -> Result<(), IllegalName> {
        let service = self.services.get_mut(key).ok_or_else(|| IllegalName::NoSuchService(key.clone()))?;
        service.settings = Some(settings);
        self.touch(key, now);
        Ok(())
    }

    /// Removes a service that has no instances.
    ///
    /// # Errors
    /// It does not exist, or has some.
    pub fn remove(&mut self, key: &ServiceKey) -> Result<(), IllegalName> {
        let service = self.services.get(key).ok_or_else(|| IllegalName::NoSuchService(key.clone()))?;
        if !service.slots.is_empty() {
            return Err(IllegalName::ServiceNotEmpty(key.clone()));
        }
        self.services.remove(key);
        self.names.remove(key);
        self.changed.insert(key.clone());
        Ok(())
    }

    /// What was said of a service, the defaults where nothing was; `None` when it is not known.
    #[must_use]
    pub fn settings(&self, key: &ServiceKey) -> Option<NamingSettings> {
        self.services.get(key).map(|service| service.settings.clone().unwrap_or_default())
    }

    /// Sets the health of a persistent instance; the answer says whether it exists.
    pub fn judge(&mut self, key: &ServiceKey, ip: &str, port: u16, healthy: bool, now: NamingNow) -> BeatOutcome {
        let publisher = InstancePublisher::Durable(ip.into(), port);
        if !self.services.get(key).is_some_and(|service| service.slots.contains_key(&publisher)) {
            return BeatOutcome::Unknown;
        }
        if self.set_health(key, &publisher, healthy) {
            self.touch(key, now);
        }
        BeatOutcome::Known
    }

    /// Subscribes a connection, in place of its subscription before; the service need not exist and is not created.
    /// It is owed one push even if nothing changes: its first answer may arrive after a newer push and overwrite it.
    pub fn subscribe(&mut self, key: &ServiceKey, connection: &Arc<str>, clusters: &str) {
        self.owed.insert((key.clone(), connection.clone()));
        self.subscribers.entry(key.clone()).or_default().insert(connection.clone(), clusters.into());
        self.subscribed_by.entry(connection.clone()).or_default().insert(key.clone());
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, key: &ServiceKey, connection: &Arc<str>) {
        self.forget_subscriber(key, connection);
        if let Some(keys) = self.subscribed_by.get_mut(connection) {
            keys.remove(key);
        }
    }

    /// Subscribed connections of a service with the clusters each asked for.
    pub fn subscribers(&self, key: &ServiceKey) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.subscribers.get(key).into_iter().flatten()
    }

    /// A service as a subscriber sees it. `clusters` is a comma-separated list, empty for all.
    #[must_use]
    pub fn query(
        &self,
        key: &ServiceKey,
        clusters: &str,
        selection: InstanceSelection,
        now: NamingNow,
    ) -> NamingSnapshot {
        let Some(service) = self.services.get(key) else {
            // One less than now: the first change in this very millisecond must already look newer.
            let revision_ms = now.wall.0.saturating_sub(1);
            return NamingSnapshot {
                hosts: Vec::new(),
                revision_ms,
                protected: false,
                lifetime: InstanceLifetime::Ephemeral,
            };
        };
        let wanted: BTreeSet<&str> = clusters.split(',').filter(|cluster| !cluster.is_empty()).collect();
        let asked = |host: &RegisteredInstance| wanted.is_empty() || wanted.contains(&*host.id.nacos_cluster);
        let shown = service.registered().into_values().filter(|host| asked(host)).map(|host| service.shown(host));
        let all: Vec<RegisteredInstance> = shown.filter(|host| host.enabled).collect();
        let (hosts, protected) = protect(all, selection, service.settings.as_ref().map(|settings| settings.threshold));
        NamingSnapshot { hosts, revision_ms: service.revision_ms, protected, lifetime: service.lifetime }
    }

    /// Every instance with its true health, disabled ones too, by address; `None` when the service is not known.
    #[must_use]
    pub fn instances(&self, key: &ServiceKey) -> Option<(InstanceLifetime, Vec<RegisteredInstance>)> {
        self.services
            .get(key)
            .map(|service| (service.lifetime, service.registered().into_values().map(|it| service.shown(it)).collect()))
    }

    /// Services of a namespace by group and name; those without instances too.
    pub fn list(&self, namespace: &str) -> impl Iterator<Item = &ServiceKey> {
        let first = ServiceKey::new(namespace, "", "");
        self.names.range(first..).take_while(move |key| key.namespace() == namespace)
    }

    /// Services of all namespaces, by namespace, group and name.
    pub fn all(&self) -> impl Iterator<Item = &ServiceKey> {
        self.names.iter()
    }

    /// How many services, instances and subscriptions there are.
    #[must_use]
    pub fn totals(&self) -> (usize, usize, usize) {
        let instances =
            self.services.values().flat_map(|service| service.slots.values()).map(|slot| slot.instances.len());
        let subscriptions = self.subscribers.values().map(BTreeMap::len);
        (self.services.len(), instances.sum(), subscriptions.sum())
    }

    /// Figures of a service; `None` when it is not known.
    #[must_use]
    pub fn figures(&self, key: &ServiceKey) -> Option<ListedServices> {
        // An operator's changes change nothing that is counted here.
        let hosts = self.services.get(key)?.registered();
        let clusters: BTreeSet<&str> = hosts.keys().map(|id| &*id.nacos_cluster).collect();
        let healthy = hosts.values().filter(|host| host.healthy).count();
        Some(ListedServices { key: key.clone(), clusters: clusters.len(), instances: hosts.len(), healthy })
    }

    /// Whether anybody publishes in the service.
    #[must_use]
    pub fn is_published(&self, key: &ServiceKey) -> bool {
        self.services.get(key).is_some_and(|service| !service.slots.is_empty())
    }

    /// Whether some service has something new to see.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whether somebody is owed a push.
    #[must_use]
    pub fn owes_pushes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Subscriptions that are owed a push, since this was last asked; some may have ended meanwhile.
    pub fn take_owed(&mut self) -> BTreeSet<(ServiceKey, Arc<str>)> {
        std::mem::take(&mut self.owed)
    }

    /// The clusters that a subscribed connection asked for; `None` when it is not subscribed.
    #[must_use]
    pub fn subscription(&self, key: &ServiceKey, connection: &Arc<str>) -> Option<&Arc<str>> {
        self.subscribers.get(key)?.get(connection)
    }

    /// Services whose readers have something new to see, since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<ServiceKey> {
        std::mem::take(&mut self.changed)
    }

    /// Lets time pass: silent instances get unhealthy and then go, empty services and orphaned changes are forgotten.
    pub fn expire(&mut self, now: NamingNow) {
        let silent = |beat: &Beat, after: Millis| now.mono.since(beat.last) >= after;
        let of = |beats: &HashMap<(ServiceKey, InstancePublisher), Beat>, late: &dyn Fn(&Beat) -> bool| -> Vec<_> {
            beats.iter().filter(|(_, beat)| late(beat)).map(|(slot, _)| slot.clone()).collect()
        };
        for (key, publisher) in of(&self.beats, &|beat| silent(beat, beat.removed_after)) {
            self.withdraw(&key, &publisher, now);
        }
        for (key, publisher) in of(&self.beats, &|beat| silent(beat, beat.unhealthy_after)) {
            if self.set_health(&key, &publisher, false) {
                self.touch(&key, now);
            }
        }
        let old = |since: Mono| now.mono.since(since) >= EMPTY_KEPT_FOR;
        self.ageing.retain(|key| {
            let Some(service) = self.services.get_mut(key) else { return false };
            service.forget_orphans(now.mono);
            if service.empty_since.is_some_and(old) {
                self.services.remove(key);
                self.names.remove(key);
                return false;
            }
            service.is_ageing()
        });
    }

    fn add(&mut self, key: &ServiceKey, service: Service) {
        self.names.insert(key.clone());
        self.services.insert(key.clone(), service);
    }

    fn forget_subscriber(&mut self, key: &ServiceKey, connection: &Arc<str>) {
        if let Some(subscribers) = self.subscribers.get_mut(key) {
            subscribers.remove(connection);
            if subscribers.is_empty() {
                self.subscribers.remove(key);
            }
        }
    }

    /// Sets the health of a slot's instances; true when that changed anything.
    fn set_health(&mut self, key: &ServiceKey, publisher: &InstancePublisher, healthy: bool) -> bool {
        let slot = self.services.get_mut(key).and_then(|service| service.slots.get_mut(publisher));
        let Some(slot) = slot else { return false };
        let mut changed = false;
        for instance in &mut slot.instances {
            changed |= instance.healthy != healthy;
            instance.healthy = healthy;
        }
        changed
    }

    fn touch(&mut self, key: &ServiceKey, now: NamingNow) {
        if let Some(service) = self.services.get_mut(key) {
            service.revision_ms = now.wall.0.max(service.revision_ms + 1);
            service.empty_since = service.slots.is_empty().then_some(now.mono);
            if service.is_ageing() {
                self.ageing.insert(key.clone());
            }
            self.changed.insert(key.clone());
        }
    }
}

impl Service {
    fn new(lifetime: InstanceLifetime) -> Self {
        Self {
            lifetime,
            slots: BTreeMap::new(),
            overlays: HashMap::new(),
            settings: None,
            revision_ms: 0,
            empty_since: None,
        }
    }

    fn is_ageing(&self) -> bool {
        self.empty_since.is_some() || !self.overlays.is_empty()
    }

    /// The slots' instances, one per address and cluster: the one that was registered last.
    fn registered(&self) -> BTreeMap<&InstanceId, &RegisteredInstance> {
        let mut slots: Vec<&Slot> = self.slots.values().collect();
        slots.sort_by_key(|slot| slot.order);
        slots.into_iter().flat_map(|slot| &slot.instances).map(|instance| (&instance.id, instance)).collect()
    }

    /// As [`Service::registered`], with operators' changes laid over them.
    fn instances(&self) -> BTreeMap<InstanceId, RegisteredInstance> {
        self.registered().into_iter().map(|(id, instance)| (id.clone(), self.shown(instance))).collect()
    }

    fn shown(&self, instance: &RegisteredInstance) -> RegisteredInstance {
        let mut shown = instance.clone();
        if let Some(Laid { overlay, .. }) = self.overlays.get(&instance.id) {
            shown.weight = overlay.weight;
            shown.enabled = overlay.enabled;
            shown.metadata.extend(overlay.metadata.clone());
        }
        shown
    }

    fn forget_orphans(&mut self, now: Mono) {
        if self.overlays.is_empty() {
            return;
        }
        let registered = self.slots.values().flat_map(|slot| &slot.instances);
        let present: BTreeSet<InstanceId> = registered.map(|instance| instance.id.clone()).collect();
        for (id, laid) in &mut self.overlays {
            let since = laid.orphan_since.unwrap_or(now);
            laid.orphan_since = (!present.contains(id)).then_some(since);
        }
        self.overlays.retain(|_, laid| laid.orphan_since.is_none_or(|since| now.since(since) < EMPTY_KEPT_FOR));
    }
}

impl Beat {
    fn of(instance: Option<&RegisteredInstance>, now: Mono) -> Self {
        let own = |key: &str, default: Millis| {
            let said = instance.and_then(|instance| instance.metadata.get(key));
            said.and_then(|ms| ms.parse().ok()).map_or(default, Millis)
        };
        Self {
            last: now,
            unhealthy_after: own("preserved.heart.beat.timeout", BEAT_UNHEALTHY_AFTER),
            removed_after: own("preserved.ip.delete.timeout", BEAT_REMOVED_AFTER),
        }
    }
}

/// Nacos's protection: with too few healthy instances, all are shown, and as healthy.
fn protect(
    all: Vec<RegisteredInstance>,
    selection: InstanceSelection,
    threshold: Option<f32>,
) -> (Vec<RegisteredInstance>, bool) {
    let healthy = all.iter().filter(|host| host.healthy).count();
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^24, and Nacos computes in float as well")]
    let protected =
        !all.is_empty() && threshold.is_some_and(|threshold| healthy as f32 / all.len() as f32 <= threshold);
    let hosts = match (protected, selection) {
        (true, _) => all.into_iter().map(|host| RegisteredInstance { healthy: true, ..host }).collect(),
        (false, InstanceSelection::Enabled) => all,
        (false, InstanceSelection::Healthy) => all.into_iter().filter(|host| host.healthy).collect(),
    };
    (hosts, protected)
}

#[cfg(test)]
mod tests;
