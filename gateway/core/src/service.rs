//! What the gateway answers from: federated services, config items and clusters. Immutable values, made by the owner of the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::freshness::Freshness;
use crate::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use crate::instance::{Health, Instance};
use crate::locality::Locality;
use crate::reason::FreshnessReason;
use crate::time::{Millis, Mono, WallMs};

/// A number that grows with every change this process made to its view; only compared for being equal or greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// One service with the instances of all origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedService {
    /// Its name.
    pub key: ServiceKey,
    /// Revision of the last change of its instances. The version that an answer shows is the greater of this and the
    /// `freshness_revision` of the origins in it.
    pub revision: Revision,
    /// Origins that have an instance, sorted by id; never one without instances.
    pub origins: Vec<OriginInstances>,
}

/// What one origin has of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginInstances {
    /// The cluster that observed them.
    pub origin: ClusterId,
    /// Where this gateway has them from.
    pub source: FactSource,
    /// Sorted by id, at least one.
    pub instances: Vec<FederatedInstance>,
}

/// One instance in the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedInstance {
    /// Which instance of the service.
    pub id: InstanceId,
    /// What its origin says of it.
    pub instance: Arc<Instance>,
    /// Its health as routing takes it: worse at once, better only after a while. `instance` has the raw word.
    pub effective: Health,
    /// Set while its removal is kept back.
    pub held: Option<HeldRemoval>,
}

/// A removal that is kept back until it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRemoval {
    /// When the local Nacos first failed to list it.
    pub since: Mono,
    /// Why it is not removed yet.
    pub reason: HoldReason,
}

/// Why a removal is kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldReason {
    /// The connection to Nacos is young: its clients may still be registering anew, and lists may be partial.
    AfterConnect,
    /// Nacos was asked whether it is disabled or gone, and has not answered yet.
    Asked,
    /// The account may not read disabled instances: the hold runs instead of the answer.
    MayNotRead,
    /// It is proven gone, together with so much of its namespace that the guard keeps it back.
    MassLoss,
    /// It was registered through the front door of another gateway, which has said nothing since it went missing: if that one is gone, its client is
    /// on its way to another.
    ThroughGateway,
}

impl HoldReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::AfterConnect, Self::Asked, Self::MayNotRead, Self::MassLoss, Self::ThroughGateway];

    /// For programs and for labels.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AfterConnect => "after_connect",
            Self::Asked => "asked",
            Self::MayNotRead => "may_not_read",
            Self::MassLoss => "mass_loss",
            Self::ThroughGateway => "through_gateway",
        }
    }

    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterConnect => "connection to nacos is young, its clients may still be registering",
            Self::Asked => "nacos was asked whether the instance is disabled or gone",
            Self::MayNotRead => "the account may not read disabled instances",
            Self::MassLoss => "so much of its namespace went at once that an operator has to say whether it is gone",
            Self::ThroughGateway => {
                "the gateway that registered it has said nothing since: its client may be registering through another one"
            }
        }
    }
}

/// Where the gateway has an origin's facts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactSource {
    /// The local Nacos, observed by this process.
    Nacos,
    /// The federation log.
    Log,
    /// The snapshot file: the log has not been read to its end since this process started.
    Snapshot,
}

impl FactSource {
    /// For people and for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nacos => "nacos",
            Self::Log => "log",
            Self::Snapshot => "snapshot",
        }
    }
}

/// One config item name with the items of all origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedConfig {
    /// Its name.
    pub key: ConfigKey,
    /// Revision of the last change of its items.
    pub revision: Revision,
    /// One item an origin, sorted by origin, at least one.
    pub items: Vec<OriginConfig>,
}

/// What one origin has under a config item's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginConfig {
    /// The cluster that observed it.
    pub origin: ClusterId,
    /// Where this gateway has it from.
    pub source: FactSource,
    /// Its content and attributes.
    pub item: Arc<ConfigItem>,
    /// Set while its removal is kept back.
    pub held: Option<HeldRemoval>,
}

/// One member of the federation, as this gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Its id.
    pub id: ClusterId,
    /// Where it runs, by its descriptor; of the own cluster by configuration.
    pub locality: Locality,
    /// Where its instances are reached from other networks: by network `host[:port]`, the port that of the instance where
    /// none is named.
    pub advertise: BTreeMap<Arc<str>, Arc<str>>,
    /// The public key by which it says that it signs its orders, as text.
    pub signing_key: Option<Arc<str>>,
    /// Whether it is the gateway's own cluster.
    pub local: bool,
    /// How its facts are to be taken.
    pub freshness: Freshness,
    /// The same as routing takes it: worse at once, better only after a while.
    pub effective: Freshness,
    /// Why, with the age at the last look.
    pub reason: FreshnessReason,
    /// Revision of the last change of `freshness`, `effective`, the locality or the advertised addresses.
    pub freshness_revision: Revision,
    /// Age of its facts at `as_of`; `None` if no word of it has been heard yet.
    pub age: Option<Millis>,
    /// When `age` was true; it grows by one millisecond each millisecond since.
    pub as_of: Mono,
    /// Wall time of the origin's last beat, unix ms, if one was read.
    pub last_beat: Option<WallMs>,
    /// Services with at least one instance.
    pub services: usize,
    /// Instances.
    pub instances: usize,
    /// Config items.
    pub configs: usize,
}
