//! The view's values as protobuf messages, and requests as what is asked for.

use federation_core::config_item::SealedContent;
use federation_core::freshness::Freshness;
use federation_core::id::ServiceKey;
use federation_core::instance::Health;
use federation_core::locality::Locality;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedConfig, FederatedInstance, FederatedService, HeldRemoval, OriginConfig,
};
use federation_proto::federation::v1 as pb;
use tonic::Status;

use crate::ask::{BadField, ConfigAsk, Filter, ListAsk, Origins, Page, ServiceAsk, Wellness};
use crate::select::{Counts, Moment, Origin};

/// Which field of the request cannot be used, and why.
impl From<BadField> for Status {
    fn from(bad: BadField) -> Self {
        let field = bad.field.message_field();
        Self::invalid_argument(match &bad.value {
            Some(value) => format!("{field} cannot be {value:?}: {}", bad.detail),
            None => format!("{field} is missing: {}", bad.detail),
        })
    }
}

fn decode_filter(origins: &[String], healthy_only: bool) -> Result<Filter, BadField> {
    let wellness = if healthy_only { Wellness::HealthyOnly } else { Wellness::Any };
    Ok(Filter { origins: decode_origins(origins)?, wellness })
}

fn decode_origins(origins: &[String]) -> Result<Origins, BadField> {
    Origins::parse(origins.iter().map(String::as_str))
}

/// Protobuf has no way to leave out a number of its own: 0 is the default.
fn decode_page(number: u32, size: u32) -> Result<Page, BadField> {
    Page::new((number != 0).then_some(number), (size != 0).then_some(size))
}

pub(super) fn decode_services(request: &pb::ListServicesRequest) -> Result<ListAsk, BadField> {
    let filter = decode_filter(&request.origins, request.healthy_only)?;
    let page = decode_page(request.page_no, request.page_size)?;
    let (group, name) = (Some(request.group_name.as_str()), Some(request.service_name.as_str()));
    ListAsk::of::<FederatedService>(request.namespace_id.as_deref(), group, name, filter, page)
}

pub(super) fn decode_service(request: &pb::GetServiceRequest) -> Result<ServiceAsk, BadField> {
    let filter = decode_filter(&request.origins, request.healthy_only)?;
    ServiceAsk::new(request.namespace_id.as_deref(), Some(&request.group_name), &request.service_name, filter)
}

pub(super) fn decode_watch(request: &pb::WatchServiceRequest) -> Result<ServiceAsk, BadField> {
    let filter = decode_filter(&request.origins, request.healthy_only)?;
    ServiceAsk::new(request.namespace_id.as_deref(), Some(&request.group_name), &request.service_name, filter)
}

pub(super) fn decode_configs(request: &pb::ListConfigsRequest) -> Result<ListAsk, BadField> {
    let filter = decode_filter(&request.origins, false)?;
    let page = decode_page(request.page_no, request.page_size)?;
    let (group, data_id) = (Some(request.group_name.as_str()), Some(request.data_id.as_str()));
    ListAsk::of::<FederatedConfig>(request.namespace_id.as_deref(), group, data_id, filter, page)
}

pub(super) fn decode_config(request: &pb::GetConfigRequest) -> Result<ConfigAsk, BadField> {
    let origins = decode_origins(&request.origins)?;
    ConfigAsk::new(request.namespace_id.as_deref(), Some(&request.group_name), &request.data_id, origins)
}

pub(super) fn freshness(freshness: Freshness) -> i32 {
    i32::from(match freshness {
        Freshness::Live => pb::Freshness::Live,
        Freshness::Stale => pb::Freshness::Stale,
        Freshness::Lost => pb::Freshness::Lost,
        Freshness::Isolated => pb::Freshness::Isolated,
    })
}

pub(super) fn health(health: Health) -> i32 {
    i32::from(match health {
        Health::Healthy => pb::Health::Healthy,
        Health::Unhealthy => pb::Health::Unhealthy,
        Health::Unknown => pb::Health::Unknown,
    })
}

fn source(source: FactSource) -> i32 {
    i32::from(match source {
        FactSource::Nacos => pb::Source::Nacos,
        FactSource::Log => pb::Source::Log,
        FactSource::Snapshot => pb::Source::Snapshot,
    })
}

fn locality(locality: &Locality) -> pb::Locality {
    let part = |part: &Option<std::sync::Arc<str>>| part.as_deref().map(str::to_owned);
    pb::Locality { region: part(&locality.region), zone: part(&locality.zone), sub_zone: part(&locality.sub_zone) }
}

fn held(held: Option<&HeldRemoval>, moment: &Moment) -> Option<pb::Held> {
    held.map(|held| pb::Held { age_ms: moment.held_for(held).0, reason: held.reason.as_str().to_owned() })
}

fn number(count: usize) -> u64 {
    count as u64
}

pub(super) fn encode_cluster(cluster: &ClusterStatus, moment: &Moment) -> pb::Cluster {
    pb::Cluster {
        cluster: cluster.id.to_string(),
        locality: Some(locality(&cluster.locality)),
        local: cluster.local,
        freshness: freshness(cluster.freshness),
        freshness_reason: cluster.reason.to_string(),
        age_ms: moment.age(cluster).map(|age| age.0),
        services: number(cluster.services),
        instances: number(cluster.instances),
        configs: number(cluster.configs),
        last_beat_ms: cluster.last_beat.map(|at| at.0),
    }
}

fn encode_looked_at(cluster: &ClusterStatus, moment: &Moment) -> pb::LookedAt {
    pb::LookedAt {
        cluster: cluster.id.to_string(),
        freshness: freshness(cluster.freshness),
        freshness_reason: cluster.reason.to_string(),
        age_ms: moment.age(cluster).map(|age| age.0),
    }
}

pub(super) fn encode_summary(service: &FederatedService, origins: &Origins) -> pb::ServiceSummary {
    let wanted = service.origins.iter().filter(|origin| origins.accepts(&origin.origin));
    let counted = wanted.map(|origin| {
        let Counts { instances, healthy, unknown } = Counts::of(origin);
        let [instances, healthy, unknown] = [instances, healthy, unknown].map(number);
        (origin.origin.to_string(), pb::InstanceCounts { instances, healthy, unknown })
    });
    pb::ServiceSummary {
        namespace_id: service.key.namespace().to_owned(),
        group_name: service.key.group().to_owned(),
        service_name: service.key.service().to_owned(),
        clusters: counted.collect(),
    }
}

pub(super) fn encode_service(
    ask: &ServiceAsk,
    service: &FederatedService,
    moment: &Moment,
    version: u64,
) -> pb::Service {
    let found = moment.instances(service, &ask.filter);
    pb::Service {
        namespace_id: service.key.namespace().to_owned(),
        group_name: service.key.group().to_owned(),
        service_name: service.key.service().to_owned(),
        version,
        instances: found.map(|(origin, instance)| encode_instance(instance, origin, moment)).collect(),
    }
}

fn encode_instance(found: &FederatedInstance, origin: Origin<'_>, moment: &Moment) -> pb::Instance {
    let instance = &found.instance;
    let pairs = instance.metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    pb::Instance {
        ip: found.id.ip.to_string(),
        port: u32::from(found.id.port),
        cluster_name: found.id.nacos_cluster.to_string(),
        weight: instance.weight.get(),
        health: health(instance.health),
        healthy: instance.health == Health::Healthy,
        enabled: instance.enabled,
        ephemeral: instance.ephemeral,
        metadata: pairs.collect(),
        origin: origin.id.to_string(),
        locality: origin.locality.map(locality),
        freshness: freshness(origin.freshness),
        freshness_reason: origin.reason.to_string(),
        age_ms: origin.age.map(|age| age.0),
        held: held(found.held.as_ref(), moment),
        source: source(origin.source),
    }
}

pub(super) fn encode_absent(key: &ServiceKey, moment: &Moment) -> pb::Absent {
    let clusters = moment.looked_at(&Origins::All).map(|cluster| encode_looked_at(cluster, moment));
    pb::Absent {
        namespace_id: key.namespace().to_owned(),
        group_name: key.group().to_owned(),
        service_name: key.service().to_owned(),
        clusters: clusters.collect(),
    }
}

pub(super) fn encode_config_summary(config: &FederatedConfig, origins: &Origins) -> pb::ConfigSummary {
    let wanted = config.items.iter().filter(|item| origins.accepts(&item.origin));
    let contents = wanted.map(|found| {
        let (md5, r#type) = (found.item.md5.to_string(), found.item.content_type.to_string());
        let content = found.item.content.text();
        let (bytes, sealed) = (number(content.map_or(0, str::len)), content.err().map(sealed));
        (found.origin.to_string(), pb::ConfigContentSummary { md5, r#type, bytes, sealed })
    });
    pb::ConfigSummary {
        namespace_id: config.key.namespace().to_owned(),
        group_name: config.key.group().to_owned(),
        data_id: config.key.data_id().to_owned(),
        clusters: contents.collect(),
    }
}

pub(super) fn encode_config(ask: &ConfigAsk, config: &FederatedConfig, moment: &Moment, version: u64) -> pb::Config {
    let found = moment.items(config, &ask.origins);
    pb::Config {
        namespace_id: config.key.namespace().to_owned(),
        group_name: config.key.group().to_owned(),
        data_id: config.key.data_id().to_owned(),
        version,
        items: found.map(|(origin, item)| encode_item(item, origin, moment)).collect(),
    }
}

fn sealed(content: &SealedContent) -> pb::Sealed {
    pb::Sealed { key_id: content.key.to_string(), reason: content.reason.as_str().to_owned() }
}

fn encode_item(found: &OriginConfig, origin: Origin<'_>, moment: &Moment) -> pb::ConfigItem {
    let item = &found.item;
    pb::ConfigItem {
        origin: origin.id.to_string(),
        content: item.content.text().unwrap_or_default().to_owned(),
        sealed: item.content.text().err().map(sealed),
        md5: item.md5.to_string(),
        r#type: item.content_type.to_string(),
        freshness: freshness(origin.freshness),
        freshness_reason: origin.reason.to_string(),
        age_ms: origin.age.map(|age| age.0),
        held: held(found.held.as_ref(), moment),
        source: source(origin.source),
        encrypted_data_key: item.encrypted_data_key.to_string(),
        description: item.description.to_string(),
        tags: item.tags.to_string(),
        app_name: item.application.to_string(),
        last_modified_ms: item.last_modified_ms,
    }
}
