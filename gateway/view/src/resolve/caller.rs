//! Who asks: what was said of a caller, and what it is taken for.
//!
//! Input: the parts that somebody gave, the gateway's own place, and the clusters. Output: an [`AskingCaller`], which borrows all
//! of it: a caller whose plan is kept already costs no allocation.

use std::borrow::Cow;

use federation_core::id::ClusterId;
use federation_core::locality::Locality;
use federation_core::routing::Caller;

use crate::view::ClusterTable;

/// What somebody said of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallerAsk<'a> {
    /// Where it is; `None` if nothing was said of that.
    pub place: Option<PlaceAsk<'a>>,
    /// Its network; empty if it is in none.
    pub network: Option<Cow<'a, str>>,
    /// Its cluster; empty if it belongs to none.
    pub cluster: Option<Cow<'a, str>>,
    /// Sorted by name, each once.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A place; a part is there only if those above it are, and never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlaceAsk<'a> {
    /// Its region.
    pub region: Option<Cow<'a, str>>,
    /// Its zone.
    pub zone: Option<Cow<'a, str>>,
    /// Its part of the zone.
    pub sub_zone: Option<Cow<'a, str>>,
}

impl CallerAsk<'_> {
    /// The same, to be kept.
    pub fn into_owned(self) -> CallerAsk<'static> {
        let part = |part: Option<Cow<'_, str>>| part.map(|part| Cow::Owned(part.into_owned()));
        let place = self.place.map(|PlaceAsk { region, zone, sub_zone }| PlaceAsk {
            region: part(region),
            zone: part(zone),
            sub_zone: part(sub_zone),
        });
        let labels = self.labels.into_iter();
        let labels = labels.map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned())));
        CallerAsk { place, network: part(self.network), cluster: part(self.cluster), labels: labels.collect() }
    }
}

/// The gateway's own place: that of callers who say nothing of theirs.
#[derive(Clone, Debug)]
pub struct OwnPlace {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Where it runs.
    pub locality: Locality,
}

/// Where a caller's place is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceFrom {
    /// It was given.
    Given,
    /// It is that of the cluster that was given.
    Cluster,
    /// It is the gateway's own, because nothing was given.
    Gateway,
    /// It is the gateway's own, because the cluster that was given is not known.
    UnknownCluster,
}

/// A caller as it is understood, borrowed.
#[derive(Clone, Debug)]
pub struct AskingCaller<'a> {
    region: Option<&'a str>,
    zone: Option<&'a str>,
    sub_zone: Option<&'a str>,
    network: Option<&'a str>,
    cluster: Option<&'a str>,
    labels: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// Who said where the caller is.
    pub place_from: PlaceFrom,
}

impl<'a> AskingCaller<'a> {
    /// Fills in what was not said.
    pub fn new(said: &'a CallerAsk<'a>, own: &'a OwnPlace, clusters: &'a ClusterTable) -> Self {
        let named = said.cluster.as_deref().filter(|name| !name.is_empty());
        let known = named.and_then(|name| locality_of(name, own, clusters));
        let (place_from, of) = match (&said.place, known, named) {
            (Some(_), known, _) => (PlaceFrom::Given, known),
            (None, Some(locality), _) => (PlaceFrom::Cluster, Some(locality)),
            (None, None, None) => (PlaceFrom::Gateway, Some(&own.locality)),
            (None, None, Some(_)) => (PlaceFrom::UnknownCluster, Some(&own.locality)),
        };
        let [region, zone, sub_zone] = match (&said.place, of) {
            (Some(place), _) => [&place.region, &place.zone, &place.sub_zone].map(Option::as_deref),
            (None, Some(of)) => [&of.region, &of.zone, &of.sub_zone].map(Option::as_deref),
            (None, None) => [None; 3],
        };
        let network = match &said.network {
            Some(network) => Some(&**network).filter(|network| !network.is_empty()),
            None => of.and_then(|of| of.network.as_deref()),
        };
        let own_cluster = (place_from == PlaceFrom::Gateway && said.cluster.is_none()).then(|| own.cluster.as_str());
        Self { region, zone, sub_zone, network, cluster: named.or(own_cluster), labels: &said.labels, place_from }
    }

    /// Whether `caller` is this one.
    pub(super) fn is(&self, caller: &Caller) -> bool {
        let Locality { region, zone, sub_zone, network } = &caller.locality;
        (self.region, self.zone) == (region.as_deref(), zone.as_deref())
            && (self.sub_zone, self.network) == (sub_zone.as_deref(), network.as_deref())
            && self.cluster == caller.cluster.as_deref()
            && self.labels.len() == caller.labels.len()
            && self
                .labels
                .iter()
                .zip(&caller.labels)
                .all(|(ours, theirs)| (&*ours.0, &*ours.1) == (&**theirs.0, &**theirs.1))
    }

    /// The same, to be kept.
    pub fn to_caller(&self) -> Caller {
        let locality = Locality {
            region: self.region.map(Into::into),
            zone: self.zone.map(Into::into),
            sub_zone: self.sub_zone.map(Into::into),
            network: self.network.map(Into::into),
        };
        let labels = self.labels.iter().map(|(name, value)| ((&**name).into(), (&**value).into())).collect();
        Caller { locality, cluster: self.cluster.map(Into::into), labels }
    }
}

fn locality_of<'a>(name: &str, own: &'a OwnPlace, clusters: &'a ClusterTable) -> Option<&'a Locality> {
    if name == own.cluster.as_str() {
        return Some(&own.locality);
    }
    let at = clusters.clusters.binary_search_by(|cluster| cluster.id.as_str().cmp(name)).ok()?;
    Some(&clusters.clusters[at].locality)
}
