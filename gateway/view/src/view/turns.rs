//! Whether the engine turns: it stamps each turn, and a monitor beside it says in all answers when it has not for too long.
//!
//! The failure that this defends against is a stuck engine that calls itself healthy: nothing new is taken in, ages grow, and the last
//! thing that was said of every cluster, *live*, goes on being said. So the stamp is an atomic that needs no lock of the engine's, and
//! who judges it is a task of its own. The engine's next change of the view takes the judgement back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use federation_core::reason::FreshnessCode;
use federation_core::time::{Millis, Mono};

use super::Shared;
use super::signals::{SignalTopic, Signalled};

/// No turn was made yet: what has not begun is not stuck.
const NOT_BEGUN: u64 = u64::MAX;

/// When the engine last turned, and whether that is too long ago.
pub(super) struct Turns {
    last: AtomicU64,
    stuck: AtomicBool,
}

impl Default for Turns {
    fn default() -> Self {
        Self { last: AtomicU64::new(NOT_BEGUN), stuck: AtomicBool::new(false) }
    }
}

impl Turns {
    pub(super) fn turned(&self, now: Mono) {
        self.last.store(now.0, Ordering::Relaxed); // Orders nothing else: it is a number of its own.
    }

    /// Since the last turn; `None` before the first.
    pub(super) fn silence(&self, now: Mono) -> Option<Millis> {
        let last = self.last.load(Ordering::Relaxed);
        (last != NOT_BEGUN).then(|| now.since(Mono(last)))
    }

    pub(super) fn stuck_for(&self, now: Mono) -> Option<Millis> {
        self.silence(now).filter(|_| self.stuck.load(Ordering::Relaxed))
    }

    /// Returns whether it is another word than before.
    pub(super) fn set_stuck(&self, stuck: bool) -> bool {
        self.stuck.swap(stuck, Ordering::Relaxed) != stuck
    }
}

/// Looks at the engine from outside. There is one, the watchdog's.
pub struct EngineMonitor {
    shared: Arc<Shared>,
}

impl EngineMonitor {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// For how long the engine has not turned; `None` before it began.
    #[must_use]
    pub fn silence(&self) -> Option<Millis> {
        self.shared.turns.silence((self.shared.now)())
    }

    /// Says in all answers that nothing can be said of any cluster, because the engine has not turned for `silence`. Stands until the
    /// engine writes to the view; called again, it renews the reason only.
    pub fn show_stuck(&self, silence: Millis) {
        let begins = self.shared.turns.set_stuck(true);
        self.shared.clusters.isolate(FreshnessCode::EngineStuck(silence));
        self.shared.gateway.send_modify(|_| {}); // Who tells whether the gateway is ready looks again.
        if begins {
            let topics = vec![SignalTopic::Clusters, SignalTopic::Gateway];
            self.shared.signals.signal(&Signalled { topics, ..Signalled::default() });
        }
    }
}

/// Why nothing can be said, for people.
pub fn reason(silence: Millis) -> String {
    FreshnessCode::EngineStuck(silence).to_string()
}
