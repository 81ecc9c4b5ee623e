//! A snapshot on its way from the engine to the disk: piece by piece, so that neither side ever holds all of it.
//!
//! Input: the pieces that the engine takes of its state, one a turn. Output: whoever writes them gets each once there is room, and knows whether
//! all came. The engine learns what is on disk from the [`SnapshotMark`], and writes nothing that is there already.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use federation_core::federation::FrozenPiece;
use tokio::sync::mpsc;

/// Pieces that wait to be written: one is encoded while the next is taken.
const PIECES: usize = 1;

/// One snapshot.
#[derive(Debug)]
pub struct SnapshotStream {
    pieces: mpsc::Receiver<StreamPart>,
    revision: u64,
}

/// The engine's end of it. Dropped before [`SnapshotSender::end`], the snapshot is void.
#[derive(Debug)]
pub struct SnapshotSender {
    parts: mpsc::Sender<StreamPart>,
}

#[derive(Debug)]
enum StreamPart {
    Piece(Box<FrozenPiece>),
    End,
}

/// What the writer of snapshots lets the engine know.
#[derive(Debug, Default)]
pub struct SnapshotMark {
    /// Of the state that is on disk.
    revision: AtomicU64,
    /// Another one is wanted soon: the last could not be written, and now the disk takes something.
    wanted: AtomicBool,
    /// The disk takes nothing.
    blocked: AtomicBool,
}

/// No room at the moment, or nobody takes it any more.
#[derive(Debug, thiserror::Error)]
#[error("the piece is not taken now")]
pub struct PieceNotTaken;

impl SnapshotStream {
    /// A stream of the state of this revision, and where its pieces go in.
    #[must_use]
    pub fn of(revision: u64) -> (SnapshotSender, Self) {
        let (parts, pieces) = mpsc::channel(PIECES);
        (SnapshotSender { parts }, Self { pieces, revision })
    }

    /// The next piece. Blocks its thread.
    ///
    /// # Errors
    /// The engine gave it up: what came so far is nothing.
    pub fn next_piece(&mut self) -> Result<Option<FrozenPiece>, StreamAbandoned> {
        match self.pieces.blocking_recv() {
            Some(StreamPart::Piece(piece)) => Ok(Some(*piece)),
            Some(StreamPart::End) => Ok(None),
            None => Err(StreamAbandoned),
        }
    }

    /// Of the state that it shows.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// The engine does not go on with a snapshot: it has a newer one, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has given this snapshot up")]
pub struct StreamAbandoned;

impl SnapshotSender {
    /// Hands over what `make` gives, if there is room; else it is not made.
    ///
    /// # Errors
    /// There is no room now.
    pub fn offer(&self, make: impl FnOnce() -> Option<FrozenPiece>) -> Result<(), PieceNotTaken> {
        let room = self.parts.try_reserve().map_err(|_| PieceNotTaken)?;
        if let Some(piece) = make() {
            room.send(StreamPart::Piece(Box::new(piece)));
        }
        Ok(())
    }

    /// That was all, if there is room to say so.
    ///
    /// # Errors
    /// There is no room now.
    pub fn end(&self) -> Result<(), PieceNotTaken> {
        self.parts.try_reserve().map_err(|_| PieceNotTaken)?.send(StreamPart::End);
        Ok(())
    }

    /// Whether nobody takes any more of it: it could not be written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.parts.is_closed()
    }

    /// Returns once there is room for a piece, or nobody takes any.
    pub async fn room(&self) {
        let _ = self.parts.reserve().await; // Given back at once: whoever waits for it asks again.
    }
}

impl SnapshotMark {
    /// The state of this revision is on disk.
    pub fn kept(&self, revision: u64) {
        self.revision.store(revision, Ordering::Relaxed);
        self.blocked.store(false, Ordering::Relaxed);
    }

    /// The disk takes nothing, until [`SnapshotMark::want`].
    pub fn block(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }

    /// The disk takes something again: another snapshot is wanted soon.
    pub fn want(&self) {
        self.blocked.store(false, Ordering::Relaxed);
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether the state of this revision is on disk.
    #[must_use]
    pub fn has(&self, revision: u64) -> bool {
        self.revision.load(Ordering::Relaxed) == revision
    }

    /// Whether nothing can be written now.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Whether another is wanted; said once.
    #[must_use]
    pub fn take_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }
}

/// Where the engine's snapshots go.
#[derive(Clone, Debug)]
pub struct SnapshotOutlet {
    /// To whoever writes them: one is written, the next waits.
    pub streams: mpsc::Sender<SnapshotStream>,
    /// What is on disk.
    pub mark: Arc<SnapshotMark>,
}
