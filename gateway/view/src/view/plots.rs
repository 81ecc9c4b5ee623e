//! Clusters as they were every ten seconds of the last hour, for plots.
//!
//! The writer of the view adds a point when it shows clusters in a ten seconds that has none yet; it does so twice a second, so that a ten seconds without
//! a point is one in which the engine did not turn, and stays empty. Bounds: [`MOST_POINTS`] points for each cluster that is shown or was
//! within the hour, 24 bytes each. Invariant: all rings end with the same ten seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use federation_core::id::ClusterId;
use federation_core::service::ClusterStatus;
use federation_core::time::{Millis, Mono};

/// Between two points.
pub const POINT_EVERY: Millis = Millis::from_secs(10);
/// Points that are kept: an hour.
pub const MOST_POINTS: usize = 360;

/// A cluster at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlotPoint {
    /// Age of its facts; `None` if it was not known.
    pub age: Option<Millis>,
    /// Instances, of all services.
    pub instances: usize,
    /// Services with at least one instance.
    pub services: usize,
    /// Changes that were remembered or counted of it since the point before.
    pub changes: u32,
}

/// All rings at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlotHistory {
    /// When the ten seconds of the newest points began, by the view's clock; `None` before the first.
    pub newest: Option<Mono>,
    /// For each cluster its points, oldest first, all of one length; `None` where nothing is known.
    pub clusters: BTreeMap<ClusterId, Vec<Option<PlotPoint>>>,
}

/// The rings. Locked while a point is added, and while they are copied.
#[derive(Default)]
pub(super) struct PlotRings(Mutex<Rings>);

#[derive(Default)]
struct Rings {
    newest: Option<u64>,
    clusters: BTreeMap<ClusterId, VecDeque<Option<PlotPoint>>>,
    changes: BTreeMap<ClusterId, u32>,
}

impl PlotRings {
    /// Something of these clusters changed.
    pub(super) fn count<'a>(&self, clusters: impl Iterator<Item = &'a ClusterId>) {
        let mut rings = self.rings();
        for cluster in clusters {
            *rings.changes.entry(cluster.clone()).or_default() += 1;
        }
    }

    /// Clusters as they are now.
    pub(super) fn sample(&self, now: Mono, clusters: &[ClusterStatus]) {
        let slot = now.0 / POINT_EVERY.0;
        let mut rings = self.rings();
        let missed = match rings.newest {
            Some(newest) if newest >= slot => return,
            Some(newest) => usize::try_from(slot - newest - 1).unwrap_or(usize::MAX).min(MOST_POINTS),
            None => 0,
        };
        rings.newest = Some(slot);
        let length = rings.clusters.values().map(VecDeque::len).max().unwrap_or(0);
        let changes = std::mem::take(&mut rings.changes);
        for cluster in clusters {
            rings.clusters.entry(cluster.id.clone()).or_insert_with(|| std::iter::repeat_n(None, length).collect());
        }
        for (id, ring) in &mut rings.clusters {
            ring.extend(std::iter::repeat_n(None, missed));
            let status = clusters.iter().find(|status| status.id == *id);
            ring.push_back(status.map(|status| point(status, now, changes.get(id).copied().unwrap_or(0))));
            ring.drain(..ring.len().saturating_sub(MOST_POINTS));
        }
        rings.clusters.retain(|_, ring| ring.iter().any(Option::is_some));
    }

    pub(super) fn history(&self) -> PlotHistory {
        let rings = self.rings();
        PlotHistory {
            newest: rings.newest.map(|slot| Mono(slot * POINT_EVERY.0)),
            clusters: rings.clusters.iter().map(|(id, ring)| (id.clone(), ring.iter().copied().collect())).collect(),
        }
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn point(status: &ClusterStatus, now: Mono, changes: u32) -> PlotPoint {
    let age = status.age.map(|age| age + now.since(status.as_of));
    PlotPoint { age, instances: status.instances, services: status.services, changes }
}

#[cfg(test)]
mod tests {
    use federation_core::freshness::Freshness;
    use federation_core::service::Revision;

    use super::*;

    fn status(id: &str, instances: usize) -> ClusterStatus {
        ClusterStatus {
            id: id.parse().unwrap(),
            locality: Default::default(),
            advertise: Default::default(),
            local: false,
            freshness: Freshness::Live,
            effective: Freshness::Live,
            reason: federation_core::reason::FreshnessCode::NotJudged.into(),
            freshness_revision: Revision(1),
            age: Some(Millis(5)),
            as_of: Mono(0),
            last_beat: None,
            services: 1,
            instances,
            configs: 0,
            signing_key: None,
        }
    }

    fn instances(rings: &PlotRings, id: &str) -> Vec<Option<usize>> {
        rings.history().clusters[&id.parse().unwrap()].iter().map(|point| point.map(|point| point.instances)).collect()
    }

    #[test]
    fn there_is_one_point_for_ten_seconds_none_where_nobody_looked_and_all_rings_are_equally_long() {
        let rings = PlotRings::default();
        for (at, number) in [(1_000, 1), (9_000, 2), (10_000, 3), (41_000, 4)] {
            rings.sample(Mono(at), &[status("a", number)]);
        }
        rings.sample(Mono(50_500), &[status("a", 5), status("b", 6)]);
        assert_eq!(instances(&rings, "a"), [Some(1), Some(3), None, None, Some(4), Some(5)]);
        assert_eq!(instances(&rings, "b"), [None, None, None, None, None, Some(6)]);
        assert_eq!(rings.history().newest, Some(Mono(50_000)));
    }

    #[test]
    fn an_hour_is_kept_and_a_cluster_goes_an_hour_after_it_went() {
        let rings = PlotRings::default();
        rings.sample(Mono(0), &[status("gone", 1)]);
        for slot in 1..=400 {
            rings.count([&"a".parse().unwrap()].into_iter());
            rings.sample(Mono(slot * POINT_EVERY.0), &[status("a", 1)]);
        }
        let history = rings.history();
        assert_eq!(history.clusters.len(), 1);
        let points = &history.clusters[&"a".parse().unwrap()];
        assert_eq!((points.len(), points[7].unwrap().changes), (MOST_POINTS, 1), "changes since the point before");
        rings.sample(Mono(u64::MAX / 2), &[status("a", 1)]);
        assert_eq!(instances(&rings, "a").iter().flatten().count(), 1, "after a long pause nothing else is known");
    }
}
