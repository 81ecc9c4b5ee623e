//! Keeps on disk what the engine hands over, so that the newest snapshot is there after a restart.
//!
//! A disk that does not take one is a trouble, about the file, and tried again by itself: with a few bytes, so that a full disk costs
//! nothing, until it takes them; then the engine is asked for another. While nothing changes there is nothing to write, so the disk is tried then,
//! too: that it takes no more is known before it matters. It never holds up the engine, and an orderly stop waits for it only so long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use federation_engine::snapshot_file::{self, NEWEST, UnwrittenGeneration};
use federation_engine::snapshot_stream::{SnapshotMark, SnapshotStream};
use federation_ports::metrics::TroubleKind;
use federation_ports::seal_keys::SealKeyring;
use federation_ports::trouble::TroubleBoard;
use federation_storage::{ANSWERS_WITHIN, StoragePlace, TRY_AGAIN};

/// How long an orderly stop waits for the last snapshot: half a million instances take a second or two.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait after a snapshot failed that the disk had room for when it began: writing it is not cheap.
const TRY_WHOLE_AGAIN: Duration = Duration::from_secs(30);
/// How often the disk is tried while there is nothing to write.
const TRY_IDLE: Duration = Duration::from_secs(30);
/// A block: less tells nothing of a full disk.
const PROBED: usize = 4096;

/// See the module.
pub(super) struct SnapshotKeeper {
    place: StoragePlace,
    keys: SealKeyring,
    troubles: TroubleBoard,
    snapshots: mpsc::Receiver<SnapshotStream>,
    mark: Arc<SnapshotMark>,
    /// The next to be written.
    waiting: Option<SnapshotStream>,
    /// At most one.
    writing: JoinSet<Outcome>,
    writing_since: Instant,
    /// When the disk is tried next.
    try_at: Instant,
    /// The last attempt failed.
    is_failing: bool,
    is_slow: bool,
}

/// What came of an attempt.
enum Outcome {
    /// The state of this revision is on disk.
    Written(u64),
    /// The disk takes a block.
    Takes,
    /// The engine gave it up, or had newer things to say.
    Abandoned,
    /// Nothing was written; to be tried again after so long.
    Failed(String, Duration),
}

impl SnapshotKeeper {
    pub(super) fn new(
        place: StoragePlace,
        keys: SealKeyring,
        troubles: TroubleBoard,
        snapshots: mpsc::Receiver<SnapshotStream>,
        mark: Arc<SnapshotMark>,
    ) -> Self {
        let now = Instant::now();
        Self {
            place,
            keys,
            troubles,
            snapshots,
            mark,
            waiting: None,
            writing: JoinSet::new(),
            writing_since: now,
            try_at: now, // The disk is tried at once, not only when there is a snapshot.
            is_failing: false,
            is_slow: false,
        }
    }

    /// Runs until the engine has ended and its last snapshot is written, or cannot be.
    pub(super) async fn run(mut self) {
        let mut stop_at = None;
        loop {
            let (try_at, slow_at) = (self.try_at, self.writing_since + ANSWERS_WITHIN);
            let is_writing = !self.writing.is_empty();
            let takes = self.waiting.is_none() && stop_at.is_none();
            // All arms are cancel-safe: a snapshot stays in the channel, an outcome in the set.
            tokio::select! {
                received = self.snapshots.recv(), if takes => match received {
                    Some(stream) => self.waiting = Some(stream),
                    None => stop_at = Some(Instant::now() + STOP_WITHIN),
                },
                Some(ended) = self.writing.join_next() => self.note(ended),
                () = tokio::time::sleep_until(try_at), if !is_writing && stop_at.is_none() => self.try_disk(),
                () = tokio::time::sleep_until(slow_at), if is_writing && !self.is_slow => self.tell_slow(),
                () = until(stop_at) => return,
            }
            if self.writing.is_empty() {
                match self.waiting.take() {
                    // Else it is let go: the engine notices, and is asked for another once the disk takes something.
                    Some(stream) if !self.is_failing => self.write(stream),
                    Some(_) => {}
                    None if stop_at.is_some() => return,
                    None => {}
                }
            }
        }
    }

    fn write(&mut self, mut stream: SnapshotStream) {
        let place = self.place.clone();
        let keys = self.keys.load();
        self.spawn(move || match snapshot_file::write(&place, &mut stream, keys) {
            Ok(()) => Outcome::Written(stream.revision()),
            Err(UnwrittenGeneration::Abandoned(_)) => Outcome::Abandoned,
            // The stream is closed with it: the engine does not go on taking pieces.
            Err(UnwrittenGeneration::Storage(error)) => Outcome::Failed(error.told(), TRY_AGAIN),
        });
    }

    /// Tries whether the disk takes anything.
    fn try_disk(&mut self) {
        let place = self.place.clone();
        self.spawn(move || match place.to_write().and_then(|folder| folder.probe(PROBED)) {
            Ok(()) => Outcome::Takes,
            Err(error) => Outcome::Failed(error.told(), TRY_AGAIN),
        });
    }

    fn spawn(&mut self, job: impl FnOnce() -> Outcome + Send + 'static) {
        self.writing_since = Instant::now();
        self.writing.spawn_blocking(job);
    }

    fn note(&mut self, ended: Result<Outcome, JoinError>) {
        self.is_slow = false;
        let again_in = match ended {
            Ok(Outcome::Written(revision)) => {
                self.mark.kept(revision);
                self.is_well();
                TRY_IDLE
            }
            Ok(Outcome::Takes) => {
                if std::mem::take(&mut self.is_failing) {
                    self.mark.want(); // What was not written is old by now, and is not kept here: the engine has it.
                }
                self.is_well();
                TRY_IDLE
            }
            Ok(Outcome::Abandoned) => TRY_IDLE,
            Ok(Outcome::Failed(why, again_in)) => {
                self.fail(format!(
                    "no snapshot is kept, a restart without the log would answer with an older one or none: {why}"
                ));
                again_in
            }
            Err(panicked) => {
                self.fail(format!("writing the snapshot failed: {panicked}"));
                TRY_WHOLE_AGAIN
            }
        };
        self.try_at = Instant::now() + again_in;
    }

    fn is_well(&mut self) {
        self.is_failing = false;
        self.troubles.heal(TroubleKind::Storage, &self.about());
    }

    fn fail(&mut self, text: String) {
        self.is_failing = true;
        self.mark.block();
        self.troubles.raise(TroubleKind::Storage, &self.about(), text);
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
