//! What the store is told, and what it tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::ServiceKey;
use federation_core::time::{Mono, WallMs};

use super::super::instance::RegisteredInstance;

/// The time of one event, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct NamingNow {
    /// Decides about deadlines.
    pub mono: Mono,
    /// Shown to clients.
    pub wall: WallMs,
}

/// Who owns a slot. The order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstancePublisher {
    /// A gRPC connection: its instances go when it ends.
    Connection(Arc<str>),
    /// Ephemeral by HTTP: kept by beats of this address.
    Beats(Arc<str>, u16),
    /// Persistent: kept until it is withdrawn.
    Durable(Arc<str>, u16),
}

impl InstancePublisher {
    pub(super) fn lifetime(&self) -> InstanceLifetime {
        match self {
            Self::Connection(_) | Self::Beats(..) => InstanceLifetime::Ephemeral,
            Self::Durable(..) => InstanceLifetime::Persistent,
        }
    }
}

/// Kind of a service; it holds for all its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceLifetime {
    /// Instances live as long as their registrant.
    Ephemeral,
    /// Instances live until they are withdrawn.
    Persistent,
}

impl InstanceLifetime {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ephemeral => "ephemeral",
            Self::Persistent => "persistent",
        }
    }
}

/// What an operator changed on an instance: laid over what its registrant says.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceOverlay {
    /// In place of the registered weight.
    pub weight: f64,
    /// In place of the registered state.
    pub enabled: bool,
    /// Added to the registered pairs; the same key is replaced.
    pub metadata: BTreeMap<String, String>,
}

/// What an operator changes of an instance by a patch: what is not named stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstancePatch {
    /// Another weight.
    pub weight: Option<f64>,
    /// Another state.
    pub enabled: Option<bool>,
    /// Pairs to be added or replaced.
    pub metadata: BTreeMap<String, String>,
}

/// What an operator says of a service as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamingSettings {
    /// Share of healthy instances at or below which all are shown as healthy; mostly 0 to 1, Nacos takes any number.
    pub threshold: f32,
    /// Free text pairs.
    pub metadata: BTreeMap<String, String>,
}

/// Which instances a reader asks for; disabled ones are never among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceSelection {
    /// Healthy or not.
    Enabled,
    /// Healthy only, as far as protection allows.
    Healthy,
}

/// A service as a subscriber sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamingSnapshot {
    /// Ordered by address.
    pub hosts: Vec<RegisteredInstance>,
    /// Strictly grows with every change of the service; near the wall clock in ms.
    pub revision_ms: u64,
    /// The share of healthy instances is at or below the threshold: all are shown as healthy.
    pub protected: bool,
    /// What kind of instances these are.
    pub lifetime: InstanceLifetime,
}

/// Figures of one service in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedServices {
    /// The service.
    pub key: ServiceKey,
    /// Different Nacos clusters of its instances.
    pub clusters: usize,
    /// All instances, disabled ones too.
    pub instances: usize,
    /// Instances that are healthy.
    pub healthy: usize,
}

/// Whether a beat found its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatOutcome {
    /// It did.
    Known,
    /// It did not: the sender must register.
    Unknown,
}
