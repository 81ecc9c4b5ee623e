//! Section `routing`: where policies come from, when better news count, and where instances are.

use std::sync::Arc;
use std::time::Duration;

use federation_core::routing::{PlaceRules, ZoneSource};

use federation_document::reader::{FieldPlace, ReadValue};
use federation_document::values::ByteCount;
use federation_policy::sources::PolicySources;

/// How services are routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingConfig {
    /// Where policies come from.
    pub policy: PolicySources,
    /// When better news count.
    pub damping: DampingConfig,
    /// What registrants say of places and addresses.
    pub places: PlaceRules,
    /// Bytes of plans that are kept; `None`: a part of the memory there is.
    pub plan_cache: Option<ByteCount>,
}

/// How long better news have to stay true before they count; zero for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DampingConfig {
    /// Of the health of an instance.
    pub health: Duration,
    /// Of the freshness of a cluster.
    pub freshness: Duration,
}

impl ReadValue for RoutingConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let policy = fields.get("policy");
            let damping = fields.get("damping");
            let keys = fields.get::<PlaceKeys>("instance_locality");
            let advertise_prefix = fields.filled("advertise_prefix", "the beginning of a metadata key");
            let plan_cache = fields.maybe("plan_cache");
            let keys = keys?;
            let places = PlaceRules {
                region_key: keys.region,
                zone_key: keys.zone,
                sub_zone_key: keys.sub_zone,
                zone_from: keys.zone_from,
                advertise_prefix: advertise_prefix?.into(),
            };
            Some(Self { policy: policy?, damping: damping?, places, plan_cache: plan_cache? })
        })
    }
}

impl ReadValue for DampingConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let health = fields.get("health");
            let freshness = fields.get("freshness");
            Some(Self { health: health?, freshness: freshness? })
        })
    }
}

/// What was written of the metadata keys of places.
struct PlaceKeys {
    region: Arc<str>,
    zone: Arc<str>,
    sub_zone: Arc<str>,
    zone_from: ZoneSource,
}

impl ReadValue for PlaceKeys {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let mut key = |name| fields.filled(name, "a metadata key").map(Arc::from);
            let (region, zone, sub_zone) = (key("region"), key("zone"), key("sub_zone"));
            let nacos_cluster = fields.get::<bool>("nacos_cluster_as_zone");
            let zone_from = if nacos_cluster? { ZoneSource::NacosCluster } else { ZoneSource::Metadata };
            Some(Self { region: region?, zone: zone?, sub_zone: sub_zone?, zone_from })
        })
    }
}
