//! When a snapshot is taken, and how: after changes only, a piece each turn, so that none of it makes anybody wait.
//!
//! ```text
//! idle ──something changed, and the last one was long enough ago──▶ pieces ──all handed over──▶ idle
//!   │                                                                 │ the disk does not take it: idle
//!   └── nothing changed for an hour: one all the same, because places in the log grow old
//! ```
//!
//! Each piece is of one instant, and comes with its place in the log; pieces need not be of the same instant, because nothing relates one partition
//! to another.

use std::collections::VecDeque;

use federation_core::federation::{Federation, SnapshotPiece};
use federation_core::time::{Millis, Mono};

use crate::snapshot_stream::{SnapshotOutlet, SnapshotSender, SnapshotStream};

/// A snapshot is taken this often at most, and at an orderly stop.
const KEEP_EVERY: Millis = Millis::from_secs(30);
/// One that takes long is taken less often: it costs a twentieth of the time at most.
const SHARE: u64 = 20;
/// But this often in any case.
const KEEP_LATEST: Millis = Millis::from_secs(300);
/// Without changes it is written anew this often: its places may be believed for half a day at least, and what is read on from an hour ago
/// is short.
const REFRESH_EVERY: Millis = Millis::from_secs(3600);
/// A new drain is kept this soon: a restart without the log must know of it. A ramp's steps wait for the next snapshot.
const KEEP_ORDERS_WITHIN: Millis = Millis::from_secs(2);
/// How long an orderly stop waits for the last one to be taken.
const LAST_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// See the module.
pub(super) struct Keeping {
    outlet: SnapshotOutlet,
    due: Mono,
    refresh: Mono,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    to: SnapshotSender,
    left: VecDeque<SnapshotPiece>,
    revision: u64,
    began: Mono,
}

/// What became of a piece.
enum Progress {
    Moved,
    Waits,
    Over,
}

impl Keeping {
    pub(super) fn new(outlet: SnapshotOutlet, now: Mono) -> Self {
        Self { outlet, due: now + KEEP_EVERY, refresh: now + REFRESH_EVERY, under_way: None }
    }

    /// A drain was ordered: it is kept soon.
    pub(super) fn hasten(&mut self, now: Mono) {
        self.due = self.due.min(now + KEEP_ORDERS_WITHIN);
    }

    /// Whether it has to be called again soon, whatever happens.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Hands over the next piece, if one is due and taken.
    pub(super) fn turn(&mut self, core: &Federation, now: Mono) {
        if self.under_way.is_none() && self.is_due(core, now) {
            self.begin(core, now);
        }
        self.go_on(core, now);
    }

    fn is_due(&self, core: &Federation, now: Mono) -> bool {
        let mark = &self.outlet.mark;
        if mark.is_blocked() {
            return false;
        }
        let differs = !mark.has(core.snapshot_revision());
        mark.take_wanted() || (differs && now >= self.due) || now >= self.refresh
    }

    fn begin(&mut self, core: &Federation, now: Mono) {
        let pieces = core.snapshot_pieces();
        // A place first: there is no sense in a snapshot that nobody takes.
        let Some(place) = self.outlet.streams.try_reserve().ok().filter(|_| !pieces.is_empty()) else { return };
        let revision = core.snapshot_revision();
        let (to, stream) = SnapshotStream::of(revision);
        place.send(stream);
        (self.due, self.refresh) = (now + KEEP_EVERY, now + REFRESH_EVERY);
        self.under_way = Some(UnderWay { to, left: pieces.into(), revision, began: now });
    }

    fn go_on(&mut self, core: &Federation, now: Mono) -> Progress {
        let Some(under_way) = &mut self.under_way else { return Progress::Over };
        if under_way.to.is_closed() {
            self.under_way = None; // It could not be written; whoever writes says when to try again.
            return Progress::Over;
        }
        match under_way.left.front() {
            Some(piece) => match under_way.to.offer(|| core.snapshot_piece(piece)) {
                Ok(()) => {
                    under_way.left.pop_front();
                    Progress::Moved
                }
                Err(_) => Progress::Waits,
            },
            None if under_way.to.end().is_ok() => {
                let took = now.since(under_way.began);
                let pause = Millis(took.0.saturating_mul(SHARE)).clamp(KEEP_EVERY, KEEP_LATEST);
                self.due = self.due.max(under_way.began + pause);
                self.under_way = None;
                Progress::Over
            }
            None => Progress::Waits,
        }
    }

    /// What is not on disk is taken now, whole.
    pub(super) async fn finish(&mut self, core: &Federation, now: Mono) {
        let revision = core.snapshot_revision();
        if self.under_way.as_ref().is_some_and(|under_way| under_way.revision != revision) {
            self.under_way = None; // Something changed since it began.
        }
        if self.outlet.mark.is_blocked() || (self.under_way.is_none() && self.outlet.mark.has(revision)) {
            return;
        }
        let all = async {
            if self.under_way.is_none() {
                let _ = self.outlet.streams.reserve().await; // Given back at once: nobody else takes it.
                self.begin(core, now);
            }
            loop {
                match self.go_on(core, now) {
                    Progress::Moved => {}
                    Progress::Over => return,
                    Progress::Waits => {
                        if let Some(under_way) = &self.under_way {
                            under_way.to.room().await;
                        }
                    }
                }
            }
        };
        if tokio::time::timeout(LAST_WITHIN, all).await.is_err() {
            tracing::warn!("the last snapshot was not taken in time, a restart has an older one");
        }
    }
}
