//! The values that answers are made of, built from the state when a key changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::federation::damping::HealthMemory;
use crate::federation::{Federation, Origin};
use crate::freshness::Freshness;
use crate::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::local::observation::NacosConnection;
use crate::log::key::{DataKey, NameHash};
use crate::log::partition::Partition;
use crate::log::record::PartitionId;
use crate::pulse::FreshnessVerdict;
use crate::reason::FreshnessCode;
use crate::route::RouteSettings;
use crate::service::{
    ClusterStatus, FactSource, FederatedConfig, FederatedInstance, FederatedService, HeldRemoval, HoldReason,
    OriginConfig, OriginInstances,
};
use crate::time::{Millis, Mono, Now};

/// A connected Nacos that was silent for this long is not called connected any more; three rounds of its health check.
const NACOS_SILENT_AFTER: Millis = Millis::from_secs(10);

impl Federation {
    /// Whether answers show this key as the own Nacos lists it, so that an own record that is read back changes none.
    pub(super) fn is_shown_from_nacos(&self, origin: &ClusterId, key: &DataKey) -> bool {
        let is_listed = match key {
            DataKey::Instance(service, _) => self.local.service(service).is_some(),
            DataKey::Config(config) => self.local.config(config).is_some(),
        };
        is_listed && origin == self.cluster()
    }

    /// The service as it is to be shown now; `None` if no origin has an instance.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<FederatedService> {
        let (own, hash) = (self.own_instances(key), NameHash::of_service(key));
        let remote = self.origins.iter().filter(|(id, _)| *id != self.cluster() && self.is_shown(id));
        let shown = self.settings.import.items.has_service(key);
        let remote =
            remote.filter(|_| shown).filter_map(|(id, origin)| logged_instances(id, origin, (hash, key), &self.health));
        let mut origins: Vec<OriginInstances> = own.into_iter().chain(remote).collect();
        if origins.is_empty() {
            return None;
        }
        origins.sort_by(|left, right| left.origin.cmp(&right.origin));
        origins.shrink_to_fit(); // Most services are of one origin, and there may be a hundred thousand of them.
        Some(FederatedService { key: key.clone(), revision: self.revision, origins })
    }

    /// The config item as it is to be shown now; `None` if no origin has it.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<FederatedConfig> {
        let own = self.own_config(key);
        let remote = self.origins.iter().filter(|(id, _)| *id != self.cluster() && self.is_shown(id));
        let shown = self.settings.import.items.has_config(key);
        let remote = remote.filter(|_| shown).filter_map(|(id, origin)| logged_config(id, origin, key));
        let mut items: Vec<OriginConfig> = own.into_iter().chain(remote).collect();
        if items.is_empty() {
            return None;
        }
        items.sort_by(|left, right| left.origin.cmp(&right.origin));
        Some(FederatedConfig { key: key.clone(), revision: self.revision, items })
    }

    /// All clusters, sorted by id, with their freshness as of the last [`Input::Look`](crate::input::Input::Look).
    #[must_use]
    pub fn clusters(&self) -> Vec<ClusterStatus> {
        self.origins.iter().map(|(id, origin)| self.status(id, origin)).collect()
    }

    fn status(&self, id: &ClusterId, origin: &Origin) -> ClusterStatus {
        let local = id == self.cluster();
        let descriptor = if local { Some(&self.settings.descriptor) } else { origin.descriptor.as_ref() };
        let size = origin.tally.size();
        ClusterStatus {
            id: id.clone(),
            locality: descriptor.map(|descriptor| descriptor.locality.clone()).unwrap_or_default(),
            advertise: descriptor.map(|descriptor| descriptor.advertise.clone()).unwrap_or_default(),
            signing_key: descriptor.and_then(|descriptor| descriptor.signing_key.clone()),
            local,
            freshness: origin.freshness,
            effective: origin.effective,
            reason: origin.reason.clone(),
            freshness_revision: origin.freshness_revision,
            age: origin.age,
            as_of: self.looked_at,
            last_beat: origin.pulse.last_beat(),
            services: size.services,
            instances: size.instances,
            configs: size.configs,
        }
    }

    /// Judges all clusters as of now. A change of freshness gets a new revision.
    pub(super) fn look(&mut self, now: Now) {
        self.looked_at = now.mono;
        let own = self.judge_own(now);
        let suspicion = self.suspect_route(now);
        let (hold, settings) = (self.settings.damping.freshness, &self.settings.freshness);
        for (id, origin) in &mut self.origins {
            let FreshnessVerdict { freshness, reason, age } = if *id == self.settings.identity.cluster {
                own.clone()
            } else {
                let trouble = origin.pulse.data_trouble(now.mono, &origin.log);
                let is_well = trouble.is_none();
                let verdict = origin.pulse.judge(now.mono, now.wall, trouble, settings);
                match suspicion.of(id).filter(|_| is_well) {
                    Some(reason) => origin.pulse.judge_behind(verdict, reason, settings),
                    None => verdict,
                }
            };
            (origin.reason, origin.age) = (reason, age);
            let effective = origin.hear_freshness(now.mono, freshness, hold);
            if (origin.freshness, origin.effective) != (freshness, effective) {
                self.revision.0 += 1;
                (origin.freshness, origin.effective, origin.freshness_revision) = (freshness, effective, self.revision);
            }
        }
    }

    /// Rule R22: whether the way to other clusters is suspect.
    fn suspect_route(&mut self, now: Now) -> Suspicion {
        let patience = self.lease.silence();
        let misses_own_beat = self.lease.misses_own_beat(now.mono);
        let remote = self.origins.iter().filter(|(id, _)| **id != self.settings.identity.cluster);
        let silent: Vec<(&ClusterId, &Origin, Mono)> =
            remote.filter_map(|(id, it)| Some((id, it, it.pulse.silent_since(now.mono, patience)?))).collect();
        let answers = !misses_own_beat && silent.iter().all(|(_, it, _)| it.pulse.unanswered(now.mono).is_none());
        self.route.look(now.mono, answers);
        if misses_own_beat {
            return Suspicion::OfAll;
        }
        let silent: Vec<(&ClusterId, Mono)> = silent.into_iter().map(|(id, _, last)| (id, last)).collect();
        let settings = RouteSettings { together: patience, believed_after: self.settings.freshness.lost_after };
        Suspicion::Of(self.route.suspected(now.mono, &silent, settings))
    }

    fn own_instances(&self, key: &ServiceKey) -> Option<OriginInstances> {
        if !self.settings.export.has_service(key) {
            return None;
        }
        let Some(state) = self.local.service(key) else {
            let (own, hash) = (self.origins.get(self.cluster())?, NameHash::of_service(key));
            return logged_instances(self.cluster(), own, (hash, key), &self.health);
        };
        let shown = |(id, instance, held): (&InstanceId, &Arc<Instance>, Option<&HeldRemoval>)| {
            let effective = self.health.effective(key, self.cluster(), id, instance.health);
            FederatedInstance { id: id.clone(), instance: Arc::clone(instance), effective, held: held.cloned() }
        };
        let instances: Vec<FederatedInstance> = state.instances().map(shown).collect();
        let origin = self.cluster().clone();
        (!instances.is_empty()).then_some(OriginInstances { origin, source: FactSource::Nacos, instances })
    }

    fn own_config(&self, key: &ConfigKey) -> Option<OriginConfig> {
        if !self.settings.export.has_config(key) {
            return None;
        }
        let Some(state) = self.local.config(key) else {
            return logged_config(self.cluster(), self.origins.get(self.cluster())?, key);
        };
        let (item, held) = (Arc::clone(state.wanted()?), state.held().cloned());
        Some(OriginConfig { origin: self.cluster().clone(), source: FactSource::Nacos, item, held })
    }

    /// The own facts are as old as the word of Nacos; before its first word, as old as the log says.
    fn judge_own(&self, now: Now) -> FreshnessVerdict {
        let logged = || {
            let origin = self.origins.get(self.cluster());
            origin.and_then(|origin| origin.pulse.judge(now.mono, now.wall, None, &self.settings.freshness).age)
        };
        let Some(age) = self.local.age(now.mono) else {
            let reason = FreshnessCode::OwnNacosUnanswered.into();
            return FreshnessVerdict { freshness: Freshness::Stale, reason, age: logged() };
        };
        let settings = &self.settings.freshness;
        let freshness = match age {
            age if age >= settings.lost_after => Freshness::Lost,
            age if age >= settings.stale_after => Freshness::Stale,
            _ => Freshness::Live,
        };
        let reason = match self.local.connection() {
            NacosConnection::Down(_, why) => FreshnessCode::OwnNacosDisconnected(Arc::clone(why)),
            _ if age >= NACOS_SILENT_AFTER => FreshnessCode::OwnNacosSilent,
            _ => FreshnessCode::OwnNacosConnected,
        };
        FreshnessVerdict { freshness, reason: reason.into(), age: Some(age) }
    }

    /// Count and digest of every data partition as folded, in the order of their places: equal for all who read the same
    /// records.
    pub fn digests(&self) -> impl Iterator<Item = (PartitionId, u64, u128)> {
        self.origins.iter().flat_map(|(id, origin)| {
            origin.log.all().map(|(topic, partition, found)| {
                let place = PartitionId { origin: id.clone(), topic, partition };
                (place, found.image().count(), found.image().digest())
            })
        })
    }

    /// How many removals are held, by reason.
    #[must_use]
    pub fn removals_held(&self) -> &BTreeMap<HoldReason, usize> {
        self.local.held().total()
    }
}

/// Whose silence may be that of the route.
enum Suspicion {
    /// What this process writes does not come back.
    OfAll,
    /// These fell silent together.
    Of(BTreeSet<ClusterId>),
}

impl Suspicion {
    /// Why the way to the origin is suspect.
    fn of(&self, origin: &ClusterId) -> Option<FreshnessCode> {
        match self {
            Self::OfAll => Some(FreshnessCode::OwnWritesLost),
            Self::Of(together) => together.contains(origin).then_some(FreshnessCode::SilentTogether),
        }
    }
}

fn source_of(partition: &Partition) -> FactSource {
    if partition.serves_snapshot() { FactSource::Snapshot } else { FactSource::Log }
}

fn logged_instances(
    cluster: &ClusterId,
    origin: &Origin,
    (hash, key): (NameHash, &ServiceKey),
    health: &HealthMemory,
) -> Option<OriginInstances> {
    let partition = origin.log.holder_of_hash(hash)?;
    let shown = |(id, instance): (&InstanceId, &Arc<Instance>)| {
        let effective = health.effective(key, cluster, id, instance.health);
        FederatedInstance { id: id.clone(), instance: Arc::clone(instance), effective, held: None }
    };
    let instances: Vec<FederatedInstance> = partition.shown_instances(key).into_iter().map(shown).collect();
    let source = source_of(partition);
    (!instances.is_empty()).then(|| OriginInstances { origin: cluster.clone(), source, instances })
}

fn logged_config(id: &ClusterId, origin: &Origin, key: &ConfigKey) -> Option<OriginConfig> {
    let partition = origin.log.holder_of_config(key)?;
    let item = Arc::clone(partition.shown_config(key)?);
    Some(OriginConfig { origin: id.clone(), source: source_of(partition), item, held: None })
}
