//! Looks after the engine from outside: it is the part that would tell what is wrong, and stuck it tells nothing.
//!
//! Input: the engine's stamps in the view. Output: the label of all clusters there, and the trouble on the board. Both are taken back
//! when the engine turns again: the label by the engine's own next change, the trouble here.

use std::time::Duration;

use federation_core::time::Millis;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::view::{EngineMonitor, stuck_reason};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// From when on the engine is stuck. It turns each 250 ms when nothing happens, and works for some 50 ms between two stamps at most;
/// this is long enough for a machine that swaps or is short of CPU, and half of what makes a cluster stale: so nothing is called live
/// for longer than it would be if the cluster itself had fallen silent.
pub const STUCK_AFTER: Millis = Millis::from_secs(5);
/// From when on `/livez` says that the process had better be started again. A restart reads the log anew, so one that turns again by
/// itself is the better one for a while: as long as it takes until a silent cluster counts as lost.
pub const DEAD_AFTER: Millis = Millis::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks that lie further apart than this say that the whole process was paused, the engine with it: it has until the next look.
const PAUSED: Millis = Millis(2_000);

/// The engine's watchdog.
pub struct EngineWatchdog {
    monitor: EngineMonitor,
    troubles: TroubleBoard,
}

/// What a look is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    InTime,
    AfterAPause,
}

impl EngineWatchdog {
    /// Looks through `monitor`, and tells on `troubles`.
    #[must_use]
    pub fn new(monitor: EngineMonitor, troubles: TroubleBoard) -> Self {
        Self { monitor, troubles }
    }

    /// Looks until `stop`: while the gateway stops, nobody asks any more.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = tokio::time::Instant::now();
        loop {
            tokio::select! { // Both are cancel-safe.
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            let apart = Millis(u64::try_from(last.elapsed().as_millis()).unwrap_or(u64::MAX));
            last = tokio::time::Instant::now();
            self.look(if apart > PAUSED { Look::AfterAPause } else { Look::InTime });
        }
    }

    /// One look in time, for whoever sets the pace.
    pub fn look_now(&self) {
        self.look(Look::InTime);
    }

    fn look(&self, look: Look) {
        let silence = self.monitor.silence().unwrap_or_default();
        if silence < STUCK_AFTER {
            self.troubles.heal(TroubleKind::EngineStuck, "");
            return;
        }
        if look == Look::InTime {
            self.monitor.show_stuck(silence);
            let text = format!(
                "{}: nothing is read, written, shown or ordered until it does; if it stays so, restart this gateway",
                stuck_reason(silence)
            );
            self.troubles.raise(TroubleKind::EngineStuck, "", text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use federation_core::time::Mono;

    use super::*;
    use crate::view;

    #[test]
    fn a_stuck_engine_is_told_by_the_watchdog_and_healed_when_it_turns_again() {
        let clock = Arc::new(AtomicU64::new(1_000));
        let read = Arc::clone(&clock);
        let (writer, reader) = view::new(Arc::new(move || Mono(read.load(Ordering::SeqCst))));
        let troubles = TroubleBoard::default();
        let watchdog = EngineWatchdog::new(writer.monitor(), troubles.clone());
        clock.store(100_000, Ordering::SeqCst);
        watchdog.look(Look::InTime);
        assert!(!troubles.has(TroubleKind::EngineStuck), "it has not begun");
        writer.turned();
        for (at, look, stuck) in [
            (104_999, Look::InTime, false),
            (105_000, Look::AfterAPause, false),
            (105_000, Look::InTime, true),
            (112_000, Look::AfterAPause, true),
        ] {
            clock.store(at, Ordering::SeqCst);
            watchdog.look(look);
            assert_eq!(
                (troubles.has(TroubleKind::EngineStuck), reader.engine_stuck().is_some()),
                (stuck, stuck),
                "{at}"
            );
        }
        assert!(troubles.all()[0].text.contains("has not turned for 5 s"), "{:?}", troubles.all());
        writer.turned();
        watchdog.look(Look::InTime);
        assert!(troubles.all().is_empty());
    }
}
