//! The table of clusters, as the engine tells it, and as it is shown while the engine is stuck; and what numbers changes have.
//!
//! While the engine is stuck, every cluster is *isolated*: whatever was last said of it, this gateway's own route to its facts is broken.
//! What routing goes by, the effective freshness, stays: all clusters are alike in this, so plans change in that word only.
//!
//! Both the beginning and the end of that are changes which the engine knows nothing of, and clients compare versions: so each takes a
//! number of its own, and everything the engine numbers later comes after them. Invariant: two different values of one thing are never
//! shown with one number, and a later one has a higher one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use federation_core::freshness::Freshness;
use federation_core::reason::{FreshnessCode, FreshnessReason};
use federation_core::service::{ClusterStatus, Revision};
use tokio::sync::watch;

use super::{ClusterTable, ViewChange};

/// What readers see of the clusters.
#[derive(Default)]
pub(super) struct ShownClusters {
    shown: ArcSwap<ClusterTable>,
    changed: watch::Sender<Revision>,
    /// Locked while a table is put in place, and while a change is numbered: by the engine, and by its watchdog while it is stuck.
    book: Mutex<Book>,
}

/// What was told, and which numbers are taken.
#[derive(Default)]
struct Book {
    told: Arc<ClusterTable>,
    /// Numbers that the view took itself: what the engine numbers is shown with so many more.
    ahead: u64,
    /// The number of the last change of all clusters that the engine knows nothing of.
    floor: Revision,
    /// The highest number that was shown of anything.
    newest: Revision,
    /// The number of the present isolation.
    stuck: Option<Revision>,
}

impl ShownClusters {
    pub(super) fn table(&self) -> Arc<ClusterTable> {
        self.shown.load_full()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Revision> {
        self.changed.subscribe()
    }

    /// Gives what the engine wants to show its numbers. A stuck engine is not stuck any more: then all clusters are shown anew.
    pub(super) fn number(&self, change: &mut ViewChange) {
        let mut book = self.book();
        if book.stuck.is_some() {
            book.recover();
            change.clusters.get_or_insert_with(|| Arc::clone(&book.told));
        }
        book.number(change);
    }

    /// Shows a table that was numbered.
    pub(super) fn replace(&self, clusters: Arc<ClusterTable>) {
        let mut book = self.book();
        book.told = clusters;
        if book.stuck.is_none() {
            self.show(Arc::clone(&book.told));
        } // Else the watchdog came between: what it shows stands until the next change.
    }

    /// Shows all clusters as isolated, for this reason.
    pub(super) fn isolate(&self, reason: FreshnessCode) {
        let mut book = self.book();
        let revision = book.isolation();
        let reason = FreshnessReason::from(reason);
        let isolated = |cluster: &ClusterStatus| ClusterStatus {
            freshness: Freshness::Isolated,
            freshness_revision: revision,
            reason: reason.clone(),
            ..cluster.clone()
        };
        self.show(Arc::new(ClusterTable { clusters: book.told.clusters.iter().map(isolated).collect() }));
    }

    fn show(&self, clusters: Arc<ClusterTable>) {
        let newest = clusters.clusters.iter().map(|cluster| cluster.freshness_revision).max().unwrap_or_default();
        self.shown.store(clusters);
        self.changed.send_if_modified(|seen| std::mem::replace(seen, newest) != newest);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// The number of the present isolation; a new one begins if there is none.
    fn isolation(&mut self) -> Revision {
        let next = Revision(self.newest.0 + 1);
        let revision = *self.stuck.get_or_insert(next);
        self.newest = self.newest.max(revision);
        revision
    }

    /// The isolation and its end have taken one number each.
    fn recover(&mut self) {
        self.stuck = None;
        self.floor = Revision(self.newest.0 + 1);
        self.newest = self.floor;
        self.ahead += 2;
    }

    fn number(&mut self, change: &mut ViewChange) {
        let ahead = self.ahead;
        for (_, service) in &mut change.services {
            let Some(service) = service else { continue };
            if ahead > 0 {
                Arc::make_mut(service).revision.0 += ahead; // Its only owner, so nothing is copied.
            }
            self.newest = self.newest.max(service.revision);
        }
        for (_, config) in &mut change.configs {
            let Some(config) = config else { continue };
            if ahead > 0 {
                Arc::make_mut(config).revision.0 += ahead;
            }
            self.newest = self.newest.max(config.revision);
        }
        if let Some(clusters) = &mut change.clusters {
            self.number_clusters(clusters);
        }
    }

    fn number_clusters(&mut self, table: &mut Arc<ClusterTable>) {
        let (ahead, floor) = (self.ahead, self.floor);
        let is_told = Arc::ptr_eq(table, &self.told); // Numbered before, but for the floor.
        if ahead > 0 {
            for cluster in &mut Arc::make_mut(table).clusters {
                let told = cluster.freshness_revision.0 + if is_told { 0 } else { ahead };
                cluster.freshness_revision = Revision(told).max(floor);
            }
        }
        let newest = table.clusters.iter().map(|cluster| cluster.freshness_revision).max().unwrap_or_default();
        self.newest = self.newest.max(newest);
    }
}
