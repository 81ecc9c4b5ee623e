//! What the view says, as documents. They borrow from it: a service of thousands of instances is encoded without a copy of their texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use federation_answers::discovery::{
    ClusterDocument, ConfigDocument, HeldDocument, InstanceDocument, ItemDocument, LocalityDocument, LookedAt,
    SealedDocument, ServiceDocument,
};
use federation_answers::reason::{ReasonDocument, ReasonValue};
use federation_answers::status::TroubleDocument;
use federation_core::config_item::SealedContent;
use federation_core::instance::Health;
use federation_core::locality::Locality;
use federation_core::reason::{GatewayReason, ReasonParam, ReasonParams};
use federation_core::service::{
    ClusterStatus, FederatedConfig, FederatedInstance, FederatedService, HeldRemoval, OriginConfig,
};

use crate::ask::{Origins, ServiceAsk};
use crate::select::{Moment, Origin};
use federation_ports::trouble::Trouble;

fn locality(locality: Option<&Locality>) -> LocalityDocument<'_> {
    LocalityDocument {
        region: locality.and_then(|locality| locality.region.as_deref()).map(Cow::Borrowed),
        zone: locality.and_then(|locality| locality.zone.as_deref()).map(Cow::Borrowed),
        sub_zone: locality.and_then(|locality| locality.sub_zone.as_deref()).map(Cow::Borrowed),
    }
}

/// Parameters of a reason, by name.
pub(super) fn params(params: ReasonParams) -> BTreeMap<Cow<'static, str>, ReasonValue> {
    let value = |param| match param {
        ReasonParam::Number(number) => ReasonValue::Number(number),
        ReasonParam::Word(word) => ReasonValue::Word(word.to_string()),
    };
    params.into_iter().map(|(name, param)| (name.into(), value(param))).collect()
}

/// Codes of reasons, in the reasons' order.
pub(super) fn codes(reasons: &[GatewayReason]) -> Vec<ReasonDocument> {
    let code = |reason: &GatewayReason| ReasonDocument { code: reason.code().into(), params: params(reason.params()) };
    reasons.iter().map(code).collect()
}

fn held(held: Option<&HeldRemoval>, moment: &Moment) -> Option<HeldDocument> {
    held.map(|held| HeldDocument {
        age_ms: moment.held_for(held).0,
        reason: held.reason.as_str().into(),
        code: held.reason.code().into(),
    })
}

fn cluster<'a>(cluster: &'a ClusterStatus, moment: &Moment) -> ClusterDocument<'a> {
    ClusterDocument {
        cluster: cluster.id.as_str().into(),
        locality: locality(Some(&cluster.locality)),
        local: cluster.local,
        freshness: cluster.freshness.as_str().into(),
        freshness_reason: (&**cluster.reason.text()).into(),
        freshness_code: cluster.reason.code().as_str().into(),
        freshness_params: params(cluster.reason.code().params()),
        age_ms: moment.age(cluster).map(|age| age.0),
        services: cluster.services,
        instances: cluster.instances,
        configs: cluster.configs,
        last_beat_ms: cluster.last_beat.map(|at| at.0),
        signing_key: cluster.signing_key.as_deref().map(Into::into),
    }
}

/// All clusters, by id.
pub(super) fn clusters(moment: &Moment) -> Vec<ClusterDocument<'_>> {
    moment.clusters.clusters.iter().map(|it| cluster(it, moment)).collect()
}

/// What the clusters look like to somebody who looked there in vain.
pub(super) fn looked_at(moment: &Moment, origins: &Origins) -> Vec<LookedAt> {
    let seen = |cluster: &ClusterStatus| LookedAt {
        cluster: cluster.id.to_string(),
        freshness: cluster.freshness.as_str().into(),
        freshness_reason: cluster.reason.to_string(),
        freshness_code: cluster.reason.code().as_str().into(),
        freshness_params: params(cluster.reason.code().params()),
        age_ms: moment.age(cluster).map(|age| age.0),
    };
    moment.looked_at(origins).map(seen).collect()
}

/// One service, as far as it is asked for.
pub(super) fn service<'a>(
    ask: &'a ServiceAsk,
    service: &'a FederatedService,
    moment: &'a Moment,
    version: u64,
) -> ServiceDocument<'a> {
    let found = moment.instances(service, &ask.filter);
    ServiceDocument {
        namespace_id: service.key.namespace().into(),
        group_name: service.key.group().into(),
        service_name: service.key.service().into(),
        version,
        instances: found.map(|(origin, found)| instance(found, origin, moment)).collect(),
    }
}

fn instance<'a>(found: &'a FederatedInstance, origin: Origin<'a>, moment: &Moment) -> InstanceDocument<'a> {
    let health = found.instance.health;
    InstanceDocument {
        ip: (&*found.id.ip).into(),
        port: found.id.port,
        cluster_name: (&*found.id.nacos_cluster).into(),
        weight: found.instance.weight.get(),
        health: health_word(health).into(),
        healthy: health == Health::Healthy,
        enabled: found.instance.enabled,
        ephemeral: found.instance.ephemeral,
        metadata: Cow::Borrowed(&found.instance.metadata),
        origin: origin.id.as_str().into(),
        locality: locality(origin.locality),
        freshness: origin.freshness.as_str().into(),
        freshness_reason: (&**origin.reason.text()).into(),
        freshness_code: origin.reason.code().as_str().into(),
        freshness_params: params(origin.reason.code().params()),
        age_ms: origin.age.map(|age| age.0),
        held: held(found.held.as_ref(), moment),
        source: origin.source.as_str().into(),
    }
}

pub(super) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

pub(super) fn sealed(content: &SealedContent) -> SealedDocument {
    SealedDocument { key_id: content.key.to_string().into(), reason: content.reason.as_str().into() }
}

/// One config item, as far as it is asked for.
pub(super) fn config<'a>(
    config: &'a FederatedConfig,
    origins: &'a Origins,
    moment: &'a Moment,
    version: u64,
) -> ConfigDocument<'a> {
    ConfigDocument {
        namespace_id: config.key.namespace().into(),
        group_name: config.key.group().into(),
        data_id: config.key.data_id().into(),
        version,
        items: moment.items(config, origins).map(|(origin, found)| item(found, origin, moment)).collect(),
    }
}

fn item<'a>(found: &'a OriginConfig, origin: Origin<'a>, moment: &Moment) -> ItemDocument<'a> {
    let item = &found.item;
    ItemDocument {
        origin: origin.id.as_str().into(),
        content: item.content.text().ok().map(Into::into),
        sealed: item.content.text().err().map(sealed),
        md5: (&*item.md5).into(),
        r#type: (&*item.content_type).into(),
        freshness: origin.freshness.as_str().into(),
        freshness_reason: (&**origin.reason.text()).into(),
        freshness_code: origin.reason.code().as_str().into(),
        freshness_params: params(origin.reason.code().params()),
        age_ms: origin.age.map(|age| age.0),
        held: held(found.held.as_ref(), moment),
        source: origin.source.as_str().into(),
        encrypted_data_key: (&*item.encrypted_data_key).into(),
        description: (&*item.description).into(),
        tags: (&*item.tags).into(),
        app_name: (&*item.application).into(),
        last_modified_ms: item.last_modified_ms,
    }
}

/// What is wrong now.
pub(super) fn troubles(troubles: Vec<Trouble>) -> Vec<TroubleDocument> {
    let trouble = |it: Trouble| {
        let Trouble { kind, about, text, since_ms } = it;
        TroubleDocument { kind: kind.as_str().into(), about, text, since_ms }
    };
    troubles.into_iter().map(trouble).collect()
}

/// Facts by name. What is told twice under one name is one text: a name stands once in an object.
pub(super) fn facts<'a>(facts: &'a [(&'static str, String)]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut told: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(facts.len());
    for (name, text) in facts {
        match texts.get(name) {
            Some(at) => told[*at].1.to_mut().push_str(&format!("; {text}")),
            None => {
                texts.insert(name, told.len());
                told.push(((*name).into(), text.into()));
            }
        }
    }
    told
}
