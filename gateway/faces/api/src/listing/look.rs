//! What is said of one row at one moment: its sums over the clusters that are wanted, and its states.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::ClusterId;
use federation_core::intents::DrainTarget;
use federation_core::routing::Percent;
use federation_core::service::ClusterStatus;
use federation_core::time::Mono;
use federation_view::view::{ClusterTable, OriginFacts, ServiceFacts, ServiceRoster, ViewReader};

use super::{CHANGED_FOR_MS, ServiceState, StateSet};
use crate::ask::Origins;

/// All that a list is made of.
pub(crate) struct ListMoment {
    pub(crate) roster: ServiceRoster,
    clusters: Arc<ClusterTable>,
    drains: Arc<IntentTable>,
    now: Mono,
}

impl ListMoment {
    pub(crate) fn of(view: &ViewReader) -> Self {
        Self { roster: view.roster(), clusters: view.clusters(), drains: view.intents(), now: view.now() }
    }

    /// Judges rows by the clusters that are wanted.
    pub(super) fn looker(&self, origins: &Origins) -> RowLooker<'_> {
        let mut regions = BTreeMap::new();
        let drains: Vec<&DrainTarget> = self
            .drains
            .iter()
            .filter(|drain| drain.intent.percent > Percent::default())
            .map(|drain| &drain.target)
            .collect();
        let place = |id: &ClusterId| {
            let known = self.clusters.get(id);
            let next = regions.len();
            let region = known
                .and_then(|known| known.locality.region.clone())
                .map(|region| *regions.entry(region).or_insert(next));
            let own = drains.iter().filter(|target| target.cluster() == id).copied().collect();
            let is_live = known.map(|known: &ClusterStatus| known.freshness) == Some(Freshness::Live);
            PlaceFacts { is_wanted: origins.accepts(id), is_live, region, drains: own }
        };
        RowLooker { places: self.roster.origins().iter().map(place).collect(), now: self.now }
    }
}

/// One cluster, as rows name it.
struct PlaceFacts<'a> {
    is_wanted: bool,
    is_live: bool,
    /// A number for its region; `None` if it has told none.
    region: Option<usize>,
    /// The drains in force of it.
    drains: Vec<&'a DrainTarget>,
}

/// Judges rows at one moment.
pub(crate) struct RowLooker<'a> {
    places: Vec<PlaceFacts<'a>>,
    now: Mono,
}

/// A row in sums, over the clusters that are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowTotals {
    pub(crate) instances: usize,
    pub(crate) healthy: usize,
    pub(crate) unknown: usize,
    pub(crate) origins: usize,
    pub(crate) states: StateSet,
}

impl RowTotals {
    pub(crate) fn unhealthy(self) -> usize {
        self.instances - self.healthy - self.unknown
    }
}

impl RowLooker<'_> {
    /// The clusters of a row that are wanted.
    pub(crate) fn wanted<'r>(&self, row: &'r ServiceFacts) -> impl Iterator<Item = &'r OriginFacts> {
        row.origins.iter().filter(|found| self.places[found.place as usize].is_wanted)
    }

    /// All that is said of the row. Whether it is in one region only is said of all its clusters.
    pub(crate) fn look(&self, row: &ServiceFacts) -> RowTotals {
        let mut totals = RowTotals::default();
        for found in self.wanted(row) {
            let place = &self.places[found.place as usize];
            totals.instances += found.instances as usize;
            totals.healthy += found.healthy as usize;
            totals.unknown += found.unknown as usize;
            totals.origins += 1;
            if !place.is_live {
                totals.states.insert(ServiceState::Stale);
            }
            if found.held {
                totals.states.insert(ServiceState::Held);
            }
            if place.drains.iter().any(|target| target.covers(&row.key)) {
                totals.states.insert(ServiceState::Drained);
            }
        }
        if totals.unhealthy() > 0 {
            totals.states.insert(ServiceState::Unhealthy);
        }
        if self.is_in_one_region(row) {
            totals.states.insert(ServiceState::Single);
        }
        if row.changed().is_some_and(|at| self.now.since(at).0 <= CHANGED_FOR_MS) {
            totals.states.insert(ServiceState::Changed);
        }
        totals
    }

    /// A cluster that has told no region may be anywhere.
    fn is_in_one_region(&self, row: &ServiceFacts) -> bool {
        let region = |found: &OriginFacts| self.places[found.place as usize].region;
        let Some((first, others)) = row.origins.split_first() else { return false };
        others.is_empty() || region(first).is_some() && others.iter().all(|other| region(other) == region(first))
    }
}
