//! Reads what was asked for out of the view: the same for every face.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use federation_access::judge::{ListSight, NamedByPattern};
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::instance::Health;
use federation_core::locality::Locality;
use federation_core::pattern::ConfigPattern;
use federation_core::reason::FreshnessReason;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedConfig, FederatedInstance, FederatedService, HeldRemoval, OriginConfig,
    OriginInstances, Revision,
};
use federation_core::time::{Millis, Mono};

use super::ask::{Filter, ListAsk, Listable, Origins};
use federation_view::hub::services::ServiceShown;
use federation_view::view::{ClusterTable, ViewReader};

/// One instant's clusters, and what the clock said.
pub(crate) struct Moment {
    pub(crate) clusters: Arc<ClusterTable>,
    pub(crate) now: Mono,
}

impl Moment {
    pub(crate) fn of(view: &ViewReader) -> Self {
        Self { clusters: view.clusters(), now: view.now() }
    }

    /// When a watched service was looked at.
    pub(crate) fn of_shown(shown: &ServiceShown) -> Self {
        Self { clusters: Arc::clone(&shown.clusters), now: shown.now }
    }

    /// Age of a cluster's facts now.
    pub(crate) fn age(&self, cluster: &ClusterStatus) -> Option<Millis> {
        let passed = self.now.since(cluster.as_of);
        cluster.age.map(|age| Millis(age.0.saturating_add(passed.0)))
    }

    /// For how long a removal has been kept back.
    pub(crate) fn held_for(&self, held: &HeldRemoval) -> Millis {
        self.now.since(held.since)
    }

    fn origin<'a>(&'a self, id: &'a ClusterId, source: FactSource) -> Origin<'a> {
        match self.clusters.get(id) {
            Some(cluster) => Origin {
                id,
                locality: Some(&cluster.locality),
                freshness: cluster.freshness,
                reason: &cluster.reason,
                age: self.age(cluster),
                source,
            },
            None => Origin {
                id,
                locality: None,
                freshness: Freshness::Stale,
                reason: FreshnessReason::unheard(),
                age: None,
                source,
            },
        }
    }

    /// How the facts of a cluster are to be taken, and how old they are.
    pub(crate) fn freshness_of(&self, id: &ClusterId) -> (Freshness, Option<Millis>) {
        let known = self.clusters.get(id);
        known.map_or((Freshness::Stale, None), |known| (known.freshness, self.age(known)))
    }

    pub(crate) fn service_version(&self, service: &FederatedService) -> Revision {
        self.clusters.version_of(service)
    }

    pub(crate) fn config_version(&self, config: &FederatedConfig) -> Revision {
        self.clusters.version_of_config(config)
    }

    /// The instances that `filter` wants, by origin, address, port and Nacos cluster.
    pub(crate) fn instances<'a>(
        &'a self,
        service: &'a FederatedService,
        filter: &'a Filter,
    ) -> impl Iterator<Item = (Origin<'a>, &'a FederatedInstance)> {
        let wanted = service.origins.iter().filter(|found| filter.origins.accepts(&found.origin));
        wanted.flat_map(move |found| {
            let origin = self.origin(&found.origin, found.source);
            let instances = found.instances.iter();
            instances.filter(|found| filter.wellness.accepts(found.instance.health)).map(move |found| (origin, found))
        })
    }

    /// The items that are wanted, by origin.
    pub(crate) fn items<'a>(
        &'a self,
        config: &'a FederatedConfig,
        origins: &'a Origins,
    ) -> impl Iterator<Item = (Origin<'a>, &'a OriginConfig)> {
        let wanted = config.items.iter().filter(|found| origins.accepts(&found.origin));
        wanted.map(|found| (self.origin(&found.origin, found.source), found))
    }

    /// Why the item cannot be read, as a sentence, if that is so wherever it is wanted.
    pub(crate) fn sealed_sentence(&self, config: &FederatedConfig, origins: &Origins) -> Option<String> {
        let mut told = Vec::new();
        for (origin, found) in self.items(config, origins) {
            let sealed = found.item.content.text().err()?;
            told.push(format!("in {} it is {}", origin.id, sealed.told()));
        }
        (!told.is_empty()).then(|| format!("{}: {}", config.key, told.join("; ")))
    }

    /// The clusters that somebody looked at, in vain.
    pub(crate) fn looked_at<'a>(&'a self, origins: &'a Origins) -> impl Iterator<Item = &'a ClusterStatus> {
        self.clusters.clusters.iter().filter(|cluster| origins.accepts(&cluster.id))
    }

    /// The same as a sentence.
    pub(crate) fn looked_at_sentence(&self, what: &impl fmt::Display, origins: &Origins) -> String {
        let cluster = |cluster: &ClusterStatus| {
            let freshness = cluster.freshness.as_str();
            match self.age(cluster) {
                Some(age) => format!("{} ({freshness}, {} ms old)", cluster.id, age.0),
                None => format!("{} ({freshness}, not heard of yet)", cluster.id),
            }
        };
        let clusters: Vec<String> = self.looked_at(origins).map(cluster).collect();
        let clusters = if clusters.is_empty() { "none".to_owned() } else { clusters.join(", ") };
        format!("no cluster has {what}; looked at: {clusters}")
    }
}

/// A cluster as the source of a fact.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) id: &'a ClusterId,
    pub(crate) locality: Option<&'a Locality>,
    pub(crate) freshness: Freshness,
    pub(crate) reason: &'a FreshnessReason,
    pub(crate) age: Option<Millis>,
    pub(crate) source: FactSource,
}

/// How many instances of a service a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) instances: usize,
    pub(crate) healthy: usize,
    pub(crate) unknown: usize,
}

impl Counts {
    pub(crate) fn of(origin: &OriginInstances) -> Self {
        let with = |health| origin.instances.iter().filter(|found| found.instance.health == health).count();
        Self { instances: origin.instances.len(), healthy: with(Health::Healthy), unknown: with(Health::Unknown) }
    }
}

/// A page of a list.
pub(crate) struct Listed<V> {
    /// How many there are in all pages.
    pub(crate) total: usize,
    pub(crate) rows: Vec<V>,
    /// Whether there may be more, which whoever asks must not see.
    pub(crate) filtered: bool,
}

/// What the view shows under names, ordered by namespace, group and name.
pub(crate) trait InView: Listable + Sized {
    type Key: Ord + NamedByPattern;

    /// Not after any key of the namespace, and not before any key of a lesser one.
    fn first_of(namespace: &str) -> Self::Key;
    fn parts(key: &Self::Key) -> (&str, &str, &str);
    fn names(view: &ViewReader) -> Arc<BTreeSet<Self::Key>>;
    fn find(view: &ViewReader, key: &Self::Key) -> Option<Arc<Self>>;
    /// Whether something of it passes the filter.
    fn has_wanted(&self, filter: &Filter) -> bool;
}

impl InView for FederatedService {
    type Key = ServiceKey;

    fn first_of(namespace: &str) -> ServiceKey {
        ServiceKey::new(namespace, "", "")
    }

    fn parts(key: &ServiceKey) -> (&str, &str, &str) {
        (key.namespace(), key.group(), key.service())
    }

    fn names(view: &ViewReader) -> Arc<BTreeSet<ServiceKey>> {
        view.service_names()
    }

    fn find(view: &ViewReader, key: &ServiceKey) -> Option<Arc<Self>> {
        view.service(key)
    }

    fn has_wanted(&self, filter: &Filter) -> bool {
        let wanted = self.origins.iter().filter(|found| filter.origins.accepts(&found.origin));
        wanted.flat_map(|found| &found.instances).any(|found| filter.wellness.accepts(found.instance.health))
    }
}

impl InView for FederatedConfig {
    type Key = ConfigKey;

    fn first_of(namespace: &str) -> ConfigKey {
        ConfigKey::new(namespace, "", "")
    }

    fn parts(key: &ConfigKey) -> (&str, &str, &str) {
        (key.namespace(), key.group(), key.data_id())
    }

    fn names(view: &ViewReader) -> Arc<BTreeSet<ConfigKey>> {
        view.config_names()
    }

    fn find(view: &ViewReader, key: &ConfigKey) -> Option<Arc<Self>> {
        view.config(key)
    }

    fn has_wanted(&self, filter: &Filter) -> bool {
        self.items.iter().any(|found| filter.origins.accepts(&found.origin))
    }
}

/// Which config items of a list are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DriftWanted {
    /// All.
    Any,
    /// Those whose contents differ between the clusters that are wanted.
    Only,
}

/// Whether two of the clusters that are wanted have different contents under this name. Of what is sealed nothing is known.
pub(crate) fn has_drift(config: &FederatedConfig, origins: &Origins) -> bool {
    let wanted = config.items.iter().filter(|found| origins.accepts(&found.origin));
    let mut texts = wanted.filter_map(|found| found.item.content.text().ok());
    texts.next().is_some_and(|first| texts.any(|other| other != first))
}

/// A page of config items, as [`page`], of those alone that differ if that is wanted.
pub(crate) fn config_page(
    view: &ViewReader,
    ask: &ListAsk,
    drift: DriftWanted,
    sight: &ListSight<ConfigPattern>,
) -> Listed<Arc<FederatedConfig>> {
    let is_wanted = |config: &FederatedConfig| has_drift(config, &ask.filter.origins);
    page_of(view, ask, sight, (drift == DriftWanted::Only).then_some(&is_wanted))
}

/// A page of a list. Values are fetched for the page only, unless the filter needs them. A name whose value vanishes meanwhile is left out,
/// and the page filled from what follows: a page that is not full is the last one.
pub(crate) fn page<V: InView>(
    view: &ViewReader,
    ask: &ListAsk,
    sight: &ListSight<<V::Key as NamedByPattern>::Pattern>,
) -> Listed<Arc<V>> {
    page_of(view, ask, sight, None)
}

/// As [`page`], of those alone that are wanted.
fn page_of<V: InView>(
    view: &ViewReader,
    ask: &ListAsk,
    sight: &ListSight<<V::Key as NamedByPattern>::Pattern>,
    is_wanted: Option<&dyn Fn(&V) -> bool>,
) -> Listed<Arc<V>> {
    let filtered = sight.is_filtered();
    let (names, value) = (V::names(view), |key: &V::Key| V::find(view, key));
    let (skipped, size) = (ask.page.skipped(), ask.page.size as usize);
    let every_name = ask.group.as_str() == "*" && ask.name.as_str() == "*";
    let every_value = ask.filter == Filter::default() && is_wanted.is_none();
    if ask.namespace.is_none() && every_name && every_value && !filtered {
        let rows = names.iter().skip(skipped).filter_map(value).take(size).collect();
        return Listed { total: names.len(), rows, filtered };
    }
    let from = match &ask.namespace {
        Some(namespace) => Bound::Included(V::first_of(namespace)),
        None => Bound::Unbounded,
    };
    let inside = |key: &&V::Key| ask.namespace.as_deref().is_none_or(|namespace| V::parts(key).0 == namespace);
    let matching = |key: &&V::Key| {
        let (_, group, name) = V::parts(key);
        (every_name || ask.group.matches(group) && ask.name.matches(name)) && sight.shows(*key)
    };
    let mut listed = Listed { total: 0, rows: Vec::new(), filtered };
    for key in names.range((from, Bound::Unbounded)).take_while(inside).filter(matching) {
        let on_page = listed.total >= skipped && listed.rows.len() < size;
        let found = if every_value && !on_page { None } else { value(key) };
        match found {
            Some(found) if !found.has_wanted(&ask.filter) || is_wanted.is_some_and(|is_wanted| !is_wanted(&found)) => {}
            Some(found) if on_page => {
                listed.rows.push(found);
                listed.total += 1;
            }
            Some(_) => listed.total += 1,
            None => listed.total += usize::from(every_value),
        }
    }
    listed
}
