//! Pages of lists, as documents.

use std::sync::Arc;

use federation_answers::discovery::{
    ConfigSummary, ConfigsDocument, ContentSummary, CountsDocument, FacetsDocument, ServiceSummary, ServicesDocument,
};
use federation_core::service::{FederatedConfig, OriginConfig};
use federation_view::view::{OriginFacts, ServiceFacts};

use super::document::sealed;
use crate::ApiState;
use crate::ask::{Origins, Page};
use crate::listing::{ListFacets, ListMoment, RowDetail, RowTotals, ServicePage, ServiceState, ServicesAsk};
use crate::select::{Listed, Moment, has_drift};

/// A page of services.
pub(super) fn services<'a>(
    state: &ApiState,
    moment: &'a ListMoment,
    found: &ServicePage<'a>,
    ask: &ServicesAsk,
) -> ServicesDocument<'a> {
    let count = |origin: &OriginFacts| {
        let id = moment.roster.origins()[origin.place as usize].as_str();
        let (instances, healthy, unknown) =
            (origin.instances as usize, origin.healthy as usize, origin.unknown as usize);
        (id.into(), CountsDocument { instances, healthy, unknown })
    };
    let summary = |(row, totals): &(&'a ServiceFacts, RowTotals)| ServiceSummary {
        namespace_id: row.key.namespace().into(),
        group_name: row.key.group().into(),
        service_name: row.key.service().into(),
        clusters: match ask.detail {
            RowDetail::Clusters => found.looker.wanted(row).map(count).collect(),
            RowDetail::Summary => Default::default(),
        },
        instances: totals.instances,
        healthy: totals.healthy,
        unhealthy: totals.unhealthy(),
        unknown: totals.unknown,
        origins: totals.origins,
        states: totals.states.iter().map(|it| it.as_str().into()).collect(),
        changed_ms: row.changed().map(|at| state.wall_at(at).0),
    };
    ServicesDocument {
        total: found.total,
        page_no: ask.list.page.number,
        page_size: ask.list.page.size,
        services: found.rows.iter().map(summary).collect(),
        next_cursor: found.next.as_ref().map(|next| next.text()),
        facets: found.facets.as_ref().map(facets),
        filtered: found.filtered,
    }
}

fn facets<'a>(found: &ListFacets<'a>) -> FacetsDocument<'a> {
    let of = |state: ServiceState| found.states[state as usize];
    FacetsDocument {
        unhealthy: of(ServiceState::Unhealthy),
        stale: of(ServiceState::Stale),
        held: of(ServiceState::Held),
        drained: of(ServiceState::Drained),
        single: of(ServiceState::Single),
        changed: of(ServiceState::Changed),
        namespaces: found.namespaces.iter().map(|(name, count)| ((*name).into(), *count)).collect(),
        origins: found.origins.iter().map(|(id, count)| (id.as_str().into(), *count)).collect(),
    }
}

/// A page of config items.
pub(super) fn configs<'a>(
    listed: &'a Listed<Arc<FederatedConfig>>,
    page: Page,
    origins: &'a Origins,
    moment: &Moment,
) -> ConfigsDocument<'a> {
    let content = |item: &'a OriginConfig| {
        let (md5, content_type) = (&*item.item.md5, &*item.item.content_type);
        let content = item.item.content.text();
        let (bytes, sealed) = (content.map_or(0, str::len), content.err().map(sealed));
        let (freshness, age) = moment.freshness_of(&item.origin);
        let summary = ContentSummary {
            md5: md5.into(),
            r#type: content_type.into(),
            bytes,
            sealed,
            last_modified_ms: item.item.last_modified_ms,
            freshness: freshness.as_str().into(),
            age_ms: age.map(|age| age.0),
            held: item.held.is_some(),
        };
        (item.origin.as_str().into(), summary)
    };
    let summary = |config: &'a Arc<FederatedConfig>| ConfigSummary {
        namespace_id: config.key.namespace().into(),
        group_name: config.key.group().into(),
        data_id: config.key.data_id().into(),
        clusters: config.items.iter().filter(|item| origins.accepts(&item.origin)).map(content).collect(),
        drift: has_drift(config, origins),
    };
    ConfigsDocument {
        total: listed.total,
        page_no: page.number,
        page_size: page.size,
        configs: listed.rows.iter().map(summary).collect(),
        filtered: listed.filtered,
    }
}
