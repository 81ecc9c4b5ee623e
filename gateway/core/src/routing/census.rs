//! The counted endpoints of a service, grouped into kinds of which all members fare alike: a service has many endpoints
//! of few kinds, and every plan without one cluster or another is a plan of the same kinds.

use std::hash::Hash;
use std::sync::Arc;

use super::endpoint::{Endpoint, EndpointCounting, MilliWeight, OriginName};
use super::filter::Filtered;
use super::policy::{Distribute, Policy};
use super::tier::{Rank, RankRule, Ranker};
use crate::instance::Health;
use crate::seed::Map;

/// What an endpoint counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    Healthy,
    Degraded,
    Unhealthy,
    Excluded,
}

impl From<&Endpoint> for Standing {
    fn from(endpoint: &Endpoint) -> Self {
        match (endpoint.counting, endpoint.health) {
            (EndpointCounting::Excluded, _) => Self::Excluded,
            (EndpointCounting::Counted, Health::Healthy) => Self::Healthy,
            (EndpointCounting::Counted, Health::Unknown) => Self::Degraded,
            (EndpointCounting::Counted, Health::Unhealthy) => Self::Unhealthy,
        }
    }
}

/// Endpoints that nothing in the arithmetic tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) rank: Rank,
    /// Index into the localities of the filter.
    pub(super) locality: usize,
    /// Index into [`Census::origins`].
    pub(super) origin: usize,
    pub(super) standing: Standing,
    pub(super) weight: MilliWeight,
    /// Which percentage of the distribution it belongs to; 0 where there is none.
    pub(super) slot: usize,
}

/// All counted endpoints of a service, for one caller and policy.
pub(super) struct Census<'a> {
    pub(super) kinds: Vec<Kind>,
    /// How many endpoints each kind has.
    pub(super) sizes: Vec<u64>,
    /// The kind of each counted endpoint, in the order of the filter.
    pub(super) kind_of: Vec<usize>,
    /// By locality: weights of the localities, where the policy gives any.
    pub(super) locality_weights: Option<Vec<u32>>,
    pub(super) origins: Vec<OriginName>,
    pub(super) distribute: Option<&'a Distribute>,
    pub(super) policy: &'a Policy,
    /// How ranks came about.
    pub(super) rule: RankRule,
}

impl<'a> Census<'a> {
    pub(super) fn take(filtered: &Filtered<'a>, ranker: Ranker<'_>, policy: &'a Policy) -> Self {
        let mut kinds = Interner::default();
        let mut origins = Interner::default();
        let mut kind_of = Vec::with_capacity(filtered.counted.len());
        for counted in &filtered.counted {
            let endpoint = counted.endpoint;
            kind_of.push(kinds.intern(Kind {
                rank: ranker.rank(endpoint),
                locality: counted.locality,
                origin: origins.intern(&endpoint.origin),
                standing: endpoint.into(),
                weight: endpoint.weight,
                slot: counted.slot,
            }));
        }
        let mut sizes = vec![0; kinds.values.len()];
        kind_of.iter().for_each(|kind| sizes[*kind] += 1);
        let weight_of = |locality: &Arc<str>| policy.locality_weights.get(locality).copied().unwrap_or(1);
        let weigh = || filtered.localities.iter().map(weight_of).collect();
        Self {
            kinds: kinds.values,
            sizes,
            kind_of,
            locality_weights: (!policy.locality_weights.is_empty()).then(weigh),
            origins: origins.values.into_iter().cloned().collect(),
            distribute: filtered.distribute,
            policy,
            rule: ranker.rule,
        }
    }

    /// Whether priorities were given from outside, so that gaps are kept.
    pub(super) fn given_priorities(&self) -> bool {
        self.rule == RankRule::Given
    }
}

/// Up to so many values are found by looking at all of them: for a service of few endpoints a map costs more than it saves.
const SEARCHED: usize = 16;

/// Numbers values in the order they are first met.
pub(super) struct Interner<T> {
    /// Empty up to [`SEARCHED`] values, complete beyond.
    numbers: Map<T, usize>,
    pub(super) values: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: Map::default(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(super) fn intern(&mut self, value: T) -> usize {
        let (numbers, values) = (&mut self.numbers, &mut self.values);
        if numbers.is_empty() {
            if let Some(number) = values.iter().position(|known| *known == value) {
                return number;
            }
            if values.len() < SEARCHED {
                values.push(value);
                return values.len() - 1;
            }
            numbers.extend(values.iter().cloned().zip(0..));
        }
        *numbers.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() - 1
        })
    }
}
