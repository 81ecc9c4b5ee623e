//! Clusters of which nothing counts at this gateway, by an operator's order given while it runs.
//!
//! It is the override that always wins: what another cluster writes, by mistake or in bad faith, is not shown, not routed to, drains
//! nothing, and is not even read, whatever it is. The order counts at once, also when it cannot be written to disk; it is kept over
//! restarts where it can, and `status` says where it cannot. One writer at a time, any number of readers, which never wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use federation_core::id::ClusterId;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use federation_storage::sealed;
use federation_storage::{AsideReason, StorageError, StoragePlace};

/// The file in the data directory.
const FILE: &str = "excluded.json";
/// Some ids and reasons of at most a KiB.
const MOST_BYTES: u64 = 1 << 20;
/// Clusters that are excluded at most; more is a mistake, and the configuration's `import` the better place.
pub const MOST: usize = 100;

/// An order to exclude a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Who ordered it, for people.
    pub who: String,
    /// Why, for people.
    pub reason: String,
    /// When, wall time, milliseconds since 1970.
    pub since_ms: u64,
}

type Excluded = BTreeMap<ClusterId, Exclusion>;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Exclusions(Arc<Inner>);

struct Inner {
    now: ArcSwap<Excluded>,
    /// Held while one order is taken and written: the file is never older than what counts for long.
    turn: Mutex<()>,
    /// How many orders were taken.
    taken: watch::Sender<u64>,
    place: StoragePlace,
    troubles: TroubleBoard,
}

impl Exclusions {
    /// As they were kept in `place`. Blocks.
    #[must_use]
    pub fn open(place: StoragePlace, troubles: TroubleBoard) -> Self {
        let kept = read(&place).unwrap_or_else(|error| {
            // No trouble of its own: that the folder cannot be used is told by what is kept there all the time, and heals there.
            tracing::error!(error = %error.told(), "which clusters are excluded is not known, none is");
            Excluded::new()
        });
        for (cluster, exclusion) in &kept {
            tracing::warn!(%cluster, who = exclusion.who, reason = exclusion.reason, "nothing of this cluster counts: it is excluded");
        }
        Self(Arc::new(Inner {
            now: ArcSwap::from_pointee(kept),
            turn: Mutex::default(),
            taken: watch::Sender::default(),
            place,
            troubles,
        }))
    }

    /// None, and none is kept: for tests.
    #[must_use]
    pub fn none(place: StoragePlace) -> Self {
        Self(Arc::new(Inner {
            now: ArcSwap::default(),
            turn: Mutex::default(),
            taken: watch::Sender::default(),
            place,
            troubles: TroubleBoard::default(),
        }))
    }

    /// Whether nothing of the cluster counts.
    #[must_use]
    pub fn has(&self, cluster: &ClusterId) -> bool {
        self.0.now.load().contains_key(cluster)
    }

    /// All, with the order.
    #[must_use]
    pub fn all(&self) -> Arc<BTreeMap<ClusterId, Exclusion>> {
        self.0.now.load_full()
    }

    /// How many orders were taken in the life of the process; changes with each.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.taken.subscribe()
    }

    /// All ids.
    #[must_use]
    pub fn clusters(&self) -> BTreeSet<ClusterId> {
        self.0.now.load().keys().cloned().collect()
    }

    /// Excludes the cluster, or with `None` lets it count again; `told` is called with what counts before it is written. Returns whether
    /// it is kept over a restart.
    pub async fn change<F: Future<Output = ()>>(
        &self,
        cluster: &ClusterId,
        order: Option<Exclusion>,
        told: impl FnOnce(BTreeSet<ClusterId>) -> F,
    ) -> bool {
        let _turn = self.0.turn.lock().await;
        let mut next = Excluded::clone(&self.0.now.load());
        match order {
            Some(exclusion) => drop(next.insert(cluster.clone(), exclusion)),
            None => drop(next.remove(cluster)),
        }
        self.0.now.store(Arc::new(next));
        self.0.taken.send_modify(|taken| *taken += 1);
        told(self.clusters()).await;
        let (place, kept) = (self.0.place.clone(), self.all());
        let written = tokio::task::spawn_blocking(move || write(&place, &kept)).await;
        match written {
            Ok(Ok(())) => self.0.troubles.heal(TroubleKind::Storage, FILE),
            Ok(Err(error)) => self.not_kept(error.told()),
            Err(panicked) => self.not_kept(panicked.to_string()),
        }
        !self.0.troubles.all().iter().any(|it| it.kind == TroubleKind::Storage && it.about == FILE)
    }

    fn not_kept(&self, why: impl std::fmt::Display) {
        let text = format!("which clusters are excluded counts now and is forgotten at a restart: {why}");
        self.0.troubles.raise(TroubleKind::Storage, FILE, text);
    }
}

fn read(place: &StoragePlace) -> Result<Excluded, StorageError> {
    let Some(folder) = place.to_read()? else { return Ok(Excluded::new()) };
    let Some(bytes) = folder.read(FILE, MOST_BYTES)? else { return Ok(Excluded::new()) };
    let read: Result<BTreeMap<String, Exclusion>, sealed::UnsealedReason> = sealed::unseal(&bytes);
    match read {
        Ok(read) => Ok(read.into_iter().filter_map(|(id, it)| Some((id.parse().ok()?, it))).collect()),
        Err(refused) => {
            tracing::error!(file = FILE, %refused, "the file is set aside");
            folder.set_aside(FILE, AsideReason::Refused)?;
            Ok(Excluded::new())
        }
    }
}

fn write(place: &StoragePlace, excluded: &Excluded) -> Result<(), StorageError> {
    let saved: BTreeMap<String, &Exclusion> = excluded.iter().map(|(id, it)| (id.to_string(), it)).collect();
    let folder = place.to_write()?;
    folder.stage(FILE, &sealed::seal(&saved))?.put_in_place()?;
    folder.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(reason: &str) -> Exclusion {
        Exclusion { who: "ann".to_owned(), reason: reason.to_owned(), since_ms: 5 }
    }

    #[tokio::test]
    async fn an_order_counts_at_once_and_after_a_restart_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = StoragePlace::from(folder.path());
        let exclusions = Exclusions::open(place.clone(), TroubleBoard::default());
        let zanzibar: ClusterId = "zanzibar".parse().unwrap();
        let told = |names: BTreeSet<ClusterId>| async move { assert_eq!(names.len(), 1) };
        assert!(exclusions.change(&zanzibar, Some(order("garbage")), told).await);
        assert!(exclusions.has(&zanzibar));
        let restarted = Exclusions::open(place.clone(), TroubleBoard::default());
        assert_eq!(restarted.all()[&zanzibar], order("garbage"));
        assert!(restarted.change(&zanzibar, None, |names| async move { assert!(names.is_empty()) }).await);
        assert!(!restarted.has(&zanzibar) && !Exclusions::open(place, TroubleBoard::default()).has(&zanzibar));
    }

    #[tokio::test]
    async fn an_order_counts_also_where_it_cannot_be_written_and_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("a-file");
        std::fs::write(&blocked, "x").unwrap();
        let troubles = TroubleBoard::default();
        let exclusions = Exclusions::open(StoragePlace::from(blocked.as_path()), troubles.clone());
        let zanzibar: ClusterId = "zanzibar".parse().unwrap();
        assert!(!exclusions.change(&zanzibar, Some(order("")), |_| async {}).await);
        assert!(exclusions.has(&zanzibar) && troubles.has(TroubleKind::Storage));
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let exclusions = Exclusions::open(StoragePlace::from(folder.path()), TroubleBoard::default());
        assert!(exclusions.all().is_empty() && !folder.path().join(FILE).exists());
    }
}
