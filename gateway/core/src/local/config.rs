//! One config item of the local Nacos, and its removal while that waits for proof.
//!
//! Nacos answers "not found" for some 100 ms after a publish, and for as long as a restarted server loads: one such answer is a
//! question. It is believed when a second read, asked at least a second later and after the connection has settled, says the same.

use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::input::ConfigReading;
use crate::local::service::KnownFrom;
use crate::service::{HeldRemoval, HoldReason};
use crate::time::{Millis, Mono};

/// The least time between the first "not found" and the read that confirms it.
const CONFIRM_AFTER: Millis = Millis::from_secs(1);
/// What the guard keeps back is read again after this.
const KEPT_AGAIN_AFTER: Millis = Millis::from_secs(60);
/// A read that failed is asked again after this.
const RETRY_AFTER: Millis = Millis::from_secs(2);

/// One config item, as observed.
#[derive(Clone, Debug, Default)]
pub struct LocalConfig {
    item: Option<Arc<ConfigItem>>,
    held: Option<HeldRemoval>,
    known: bool,
    next_read: Option<Mono>,
    /// Its removal was proven on this connection.
    proven_gone: bool,
    /// Its removal is proven by the last answer, and not carried out.
    proven: bool,
    /// The guard keeps its removal back.
    kept: bool,
    /// It is held by the word of a snapshot alone.
    of_snapshot: bool,
    /// When it stands on the agenda next; that is kept by whoever keeps the agenda.
    pub(super) scheduled: Mono,
}

impl LocalConfig {
    /// Whether Nacos has answered for it in this process.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// What Nacos, and the hold, say.
    #[must_use]
    pub fn wanted(&self) -> Option<&Arc<ConfigItem>> {
        self.item.as_ref()
    }

    /// Whether Nacos has it.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.item.is_some() && self.held.is_none()
    }

    /// Whether its removal is proven and not carried out.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether the guard keeps its removal back.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Its proven removal is kept back; it is read now and then, because what tells that it is back may get lost. Returns whether its hold changed.
    pub fn keep_back(&mut self, now: Mono) -> bool {
        let changed = !self.kept;
        self.kept = true;
        if let Some(held) = &mut self.held {
            held.reason = HoldReason::MassLoss;
        }
        self.next_read = Some(now + KEPT_AGAIN_AFTER);
        changed
    }

    /// It is not shown any more if it is kept back. Returns whether it was.
    pub fn drop_kept(&mut self) -> bool {
        let was_kept = self.kept;
        if was_kept {
            *self = Self { known: true, ..Self::default() };
        }
        was_kept
    }

    /// Its proven removal is carried out. Returns whether the wanted value changed.
    pub fn let_go(&mut self) -> bool {
        let changed = self.item.is_some();
        *self = Self { known: true, proven_gone: true, ..Self::default() };
        changed
    }

    /// The proof that it is gone does not count any more: it is asked for.
    pub fn prove_anew(&mut self, now: Mono) {
        self.proven = false;
        self.next_read = Some(now);
    }

    /// Set while its removal is kept back.
    #[must_use]
    pub fn held(&self) -> Option<&HeldRemoval> {
        self.held.as_ref()
    }

    /// When to read it next, if a read is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.next_read
    }

    /// Whether a read is due. One that is returned counts as asked, and is asked again if no answer comes.
    pub fn due(&mut self, now: Mono) -> bool {
        let due = self.next_read.is_some_and(|at| now >= at);
        if due {
            self.next_read = Some(now + Millis(RETRY_AFTER.0 * 3));
        }
        due
    }

    /// A connection was set up: a removal that waits is to be confirmed on this one.
    pub fn connected(&mut self, settled_at: Mono) {
        self.proven_gone = false;
        self.unsettle(settled_at);
    }

    /// No removal is believed before `settled_at`.
    pub fn unsettle(&mut self, settled_at: Mono) {
        if let Some(held) = &mut self.held {
            self.proven = false;
            if !self.kept {
                held.reason = HoldReason::AfterConnect;
            }
            self.next_read = Some(settled_at);
        }
    }

    /// The log has this item. If Nacos has none, its removal waits for proof. Returns whether it is newly held.
    pub fn compare_with_log(&mut self, now: Mono, logged: &Arc<ConfigItem>, settled_at: Mono, from: KnownFrom) -> bool {
        self.of_snapshot &= from != KnownFrom::Log;
        if !self.known || self.item.is_some() || self.proven_gone {
            return false;
        }
        self.item = Some(Arc::clone(logged));
        self.of_snapshot = from == KnownFrom::Snapshot;
        self.hold(now, settled_at);
        true
    }

    /// What was found in a sealed item takes its place, if it is held as that. Returns whether it was.
    pub fn open(&mut self, sealed: &ConfigItem, opened: &Arc<ConfigItem>) -> bool {
        let same = self.item.as_deref() == Some(sealed);
        if same {
            self.item = Some(Arc::clone(opened));
        }
        same
    }

    /// The log was read to its end and does not have it. Returns whether it is not shown any more: only a snapshot had it.
    pub fn is_not_logged(&mut self) -> bool {
        self.proven_gone = false;
        let gone = self.of_snapshot && self.held.is_some();
        if gone {
            *self = Self { known: true, ..Self::default() };
        }
        gone
    }

    /// An answer. Returns whether the wanted value, or the hold, changed. Before `settled_at` no removal is believed. One that is proven is
    /// carried out by [`LocalConfig::let_go`], or kept back.
    pub fn read(&mut self, now: Mono, reading: ConfigReading, settled_at: Mono) -> bool {
        match reading {
            ConfigReading::Item(item) => {
                let changed = self.item.as_ref() != Some(&item) || self.held.is_some() || !self.known;
                *self = Self { item: Some(item), known: true, ..Self::default() };
                changed
            }
            ConfigReading::Absent => self.read_absent(now, settled_at),
            ConfigReading::Failed => {
                self.next_read = Some(now + RETRY_AFTER);
                false
            }
        }
    }

    fn read_absent(&mut self, now: Mono, settled_at: Mono) -> bool {
        self.known = true;
        let Some(held) = &self.held else {
            if self.item.is_some() {
                self.hold(now, settled_at);
                return true;
            }
            self.next_read = None;
            return false;
        };
        if now >= settled_at && now >= held.since + CONFIRM_AFTER {
            self.proven = true;
            self.next_read = None;
            return false;
        }
        self.next_read = Some(settled_at.max(held.since + CONFIRM_AFTER));
        false
    }

    fn hold(&mut self, now: Mono, settled_at: Mono) {
        let reason = if now < settled_at { HoldReason::AfterConnect } else { HoldReason::Asked };
        self.held = Some(HeldRemoval { since: now, reason });
        self.next_read = Some(settled_at.max(now + CONFIRM_AFTER));
    }
}
