//! Keeps on disk what the engine hands over, so that the newest snapshot is there after a restart.
//!
//! A disk that does not take one is a trouble, about the file, and tried again by itself: first with a few bytes, so that a full disk costs
//! nothing, then with the newest snapshot. It never holds up the engine, and an orderly stop waits for it only so long.

use std::sync::Arc;
use std::time::Duration;

use federation_core::federation::OriginSnapshot;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use federation_engine::snapshot_file::{self, NEWEST};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use federation_storage::{ANSWERS_WITHIN, StorageError, StoragePlace, TRY_AGAIN};

/// How long an orderly stop waits for the last snapshot: half a million instances take a second or two.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait after a snapshot failed that the disk had room for when it began: writing it is not cheap.
const TRY_WHOLE_AGAIN: Duration = Duration::from_secs(30);
/// A block: less tells nothing of a full disk.
const PROBED: usize = 4096;

type Snapshot = Arc<Vec<OriginSnapshot>>;

/// See the module.
pub(super) struct SnapshotKeeper {
    place: StoragePlace,
    troubles: TroubleBoard,
    snapshots: mpsc::Receiver<Vec<OriginSnapshot>>,
    /// The newest that is not on disk.
    unwritten: Option<Snapshot>,
    /// At most one.
    writing: JoinSet<Result<(), Box<Failed>>>,
    writing_since: Instant,
    /// When a failed write is tried again.
    retry_at: Option<Instant>,
    is_slow: bool,
}

/// A write that failed.
struct Failed {
    error: StorageError,
    /// What was to be written; `None` when only the disk was tried.
    snapshot: Option<Snapshot>,
    again_in: Duration,
}

impl Failed {
    fn new(error: StorageError, snapshot: Option<Snapshot>, again_in: Duration) -> Box<Self> {
        Box::new(Self { error, snapshot, again_in })
    }
}

impl SnapshotKeeper {
    pub(super) fn new(
        place: StoragePlace,
        troubles: TroubleBoard,
        snapshots: mpsc::Receiver<Vec<OriginSnapshot>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            place,
            troubles,
            snapshots,
            unwritten: None,
            writing: JoinSet::new(),
            writing_since: now,
            retry_at: Some(now), // The disk is tried at once, not only when there is a snapshot.
            is_slow: false,
        }
    }

    /// Runs until the engine has ended and its last snapshot is written, or cannot be.
    pub(super) async fn run(mut self) {
        let mut stop_at = None;
        loop {
            let (retry_at, slow_at) = (self.retry_at, self.writing_since + ANSWERS_WITHIN);
            let is_writing = !self.writing.is_empty();
            // All arms are cancel-safe: a snapshot stays in the channel, an outcome in the set.
            tokio::select! {
                received = self.snapshots.recv(), if stop_at.is_none() => match received {
                    Some(origins) => {
                        self.unwritten = Some(Arc::new(origins));
                        self.retry_at = None; // It is written now.
                    }
                    None => {
                        stop_at = Some(Instant::now() + STOP_WITHIN);
                        self.retry_at = None;
                    }
                },
                Some(written) = self.writing.join_next() => {
                    self.note(written);
                    if stop_at.is_some() && self.retry_at.is_some() {
                        return; // It failed, and there is no time to try again.
                    }
                }
                () = until(retry_at), if !is_writing => self.retry(),
                () = tokio::time::sleep_until(slow_at), if is_writing && !self.is_slow => self.tell_slow(),
                () = until(stop_at) => return,
            }
            if self.writing.is_empty() && self.retry_at.is_none() && !self.write() && stop_at.is_some() {
                return;
            }
        }
    }

    /// Writes what is not on disk; false if all is.
    fn write(&mut self) -> bool {
        let Some(snapshot) = self.unwritten.take() else { return false };
        let place = self.place.clone();
        self.spawn(move || {
            let written = snapshot_file::write(&place, &snapshot);
            written.map_err(|error| Failed::new(error, Some(snapshot), TRY_AGAIN))
        });
        true
    }

    /// Tries whether the disk takes anything, then what is not on it.
    fn retry(&mut self) {
        self.retry_at = None;
        let (place, snapshot) = (self.place.clone(), self.unwritten.take());
        self.spawn(move || {
            if let Err(error) = place.to_write().and_then(|folder| folder.probe(PROBED)) {
                return Err(Failed::new(error, snapshot, TRY_AGAIN));
            }
            let Some(snapshot) = snapshot else { return Ok(()) };
            let written = snapshot_file::write(&place, &snapshot);
            written.map_err(|error| Failed::new(error, Some(snapshot), TRY_WHOLE_AGAIN))
        });
    }

    fn spawn(&mut self, job: impl FnOnce() -> Result<(), Box<Failed>> + Send + 'static) {
        self.writing_since = Instant::now();
        self.writing.spawn_blocking(job);
    }

    fn note(&mut self, written: Result<Result<(), Box<Failed>>, JoinError>) {
        self.is_slow = false;
        let about = self.about();
        match written {
            Ok(Ok(())) => self.troubles.heal(TroubleKind::Storage, &about),
            Ok(Err(failed)) => {
                let Failed { error, snapshot, again_in } = *failed;
                let text = format!(
                    "no snapshot is kept, a restart without the log would answer with an older one or none: {}",
                    error.told()
                );
                self.troubles.raise(TroubleKind::Storage, &about, text);
                if self.unwritten.is_none() {
                    self.unwritten = snapshot; // Else there is a newer one.
                }
                self.retry_at = Some(Instant::now() + again_in);
            }
            Err(panicked) => {
                self.troubles.raise(TroubleKind::Storage, &about, format!("writing the snapshot failed: {panicked}"));
                self.retry_at = Some(Instant::now() + TRY_WHOLE_AGAIN);
            }
        }
    }

    fn tell_slow(&mut self) {
        self.is_slow = true;
        let text = format!("the disk has not answered for {ANSWERS_WITHIN:?}, no snapshot is kept meanwhile");
        self.troubles.raise(TroubleKind::Storage, &self.about(), text);
    }

    fn about(&self) -> String {
        self.place.path().join(NEWEST).display().to_string()
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
