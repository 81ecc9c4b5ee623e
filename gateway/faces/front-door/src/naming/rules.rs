//! Which clusters a lookup may answer from: by rules of the configuration, and by what the request names.

use std::collections::BTreeSet;

use federation_core::id::{ClusterId, ServiceKey};
use federation_core::pattern::ServicePattern;
use federation_core::service::FederatedService;

/// What the configuration says of lookups. Patterns are over the client's names: local namespaces.
#[derive(Clone, Debug, Default)]
pub struct LookupRules {
    /// Services that are looked up in the own cluster alone.
    pub local_only: Vec<ServicePattern>,
    /// Services that are looked up in one cluster alone.
    pub only_from: Vec<OnlyFrom>,
}

/// A service is looked up in one cluster alone.
#[derive(Clone, Debug)]
pub struct OnlyFrom {
    /// Which services.
    pub services: ServicePattern,
    /// Where.
    pub cluster: ClusterId,
}

impl LookupRules {
    /// The one cluster that the service is looked up in; `None` where all are. The most specific pattern wins, `local_only` before `only_from`
    /// among equals.
    #[must_use]
    pub fn only(&self, key: &ServiceKey, own: &ClusterId) -> Option<ClusterId> {
        let local = self.local_only.iter().map(|pattern| (pattern, own));
        let from = self.only_from.iter().map(|rule| (&rule.services, &rule.cluster));
        let matching = local.chain(from).filter(|(pattern, _)| pattern.matches(key));
        // Of equals the last is `max_by`'s: turned round, so that the first wins.
        let all: Vec<_> = matching.collect();
        all.into_iter().rev().max_by_key(|(pattern, _)| pattern.specificity()).map(|(_, cluster)| cluster.clone())
    }
}

/// What a request asks for with its `clusters`: names of Nacos clusters, and with an `@` before them clusters of the federation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ClusterFilter {
    nacos_clusters: BTreeSet<String>,
    origins: BTreeSet<String>,
}

impl ClusterFilter {
    /// Reads a comma-separated list; of an empty one all is meant.
    pub(crate) fn read(clusters: &str) -> Self {
        let mut filter = Self::default();
        for name in clusters.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.strip_prefix('@') {
                Some(origin) => filter.origins.insert(origin.to_owned()),
                None => filter.nacos_clusters.insert(name.to_owned()),
            };
        }
        filter
    }

    /// Adds the one cluster that a rule names.
    pub(crate) fn only_from(mut self, cluster: Option<ClusterId>) -> Self {
        if let Some(cluster) = cluster {
            self.origins = BTreeSet::from([cluster.as_str().to_owned()]);
        }
        self
    }

    /// Whether everything passes.
    pub(crate) fn is_open(&self) -> bool {
        self.nacos_clusters.is_empty() && self.origins.is_empty()
    }

    /// What passes of a service; `None` if nothing does.
    pub(crate) fn of(&self, service: &FederatedService) -> Option<FederatedService> {
        let mut kept = service.clone();
        kept.origins.retain(|origin| self.origins.is_empty() || self.origins.contains(origin.origin.as_str()));
        if !self.nacos_clusters.is_empty() {
            for origin in &mut kept.origins {
                origin.instances.retain(|instance| self.nacos_clusters.contains(&*instance.id.nacos_cluster));
            }
        }
        kept.origins.retain(|origin| !origin.instances.is_empty());
        (!kept.origins.is_empty()).then_some(kept)
    }
}
