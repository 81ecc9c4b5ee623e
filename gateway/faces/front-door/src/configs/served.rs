//! Whether clients are given copies in place of what the local Nacos says: a trouble while they are, so that nobody takes what is old for new
//! without a word.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use federation_ports::metrics::{FrontDoorMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// So long after the last copy the trouble is over, if Nacos has answered since. Of several servers one may be away: then copies and answers
/// alternate, and that is one trouble.
const OVER_AFTER: Duration = Duration::from_secs(15);
/// What the trouble concerns.
const ABOUT: &str = "config items";

/// See the module.
pub(super) struct CopiesServed {
    board: TroubleBoard,
    metrics: FrontDoorMetrics,
    times: Mutex<ServedTimes>, // Locked for one look.
}

#[derive(Default)]
struct ServedTimes {
    /// The last copy; `None` while there is no trouble.
    served: Option<Instant>,
    answered_since: bool,
}

impl CopiesServed {
    pub(super) fn new(board: TroubleBoard, metrics: FrontDoorMetrics) -> Self {
        Self { board, metrics, times: Mutex::default() }
    }

    /// A copy was given to a caller, because of this.
    pub(super) fn served(&self, error: &dyn std::fmt::Display) {
        self.metrics.config_copies.inc();
        let was_served = {
            let mut times = self.times();
            times.answered_since = false;
            times.served.replace(Instant::now()).is_some()
        };
        tracing::debug!(%error, "a config item was read from its last known copy");
        if !was_served {
            let text = format!(
                "read from last known copies, and not to be changed, since the local nacos cannot be reached: {error}"
            );
            self.board.raise(TroubleKind::ConfigCopies, ABOUT, text);
        }
    }

    /// Nacos answered.
    pub(super) fn nacos_answered(&self) {
        self.times().answered_since = true;
    }

    /// Ends the trouble once it is over.
    pub(super) fn look_after(&self, now: Instant) {
        let is_over = {
            let mut times = self.times();
            let long_ago = times.served.is_some_and(|served| now.saturating_duration_since(served) >= OVER_AFTER);
            let is_over = long_ago && times.answered_since;
            if is_over {
                times.served = None;
            }
            is_over
        };
        if is_over {
            self.board.heal(TroubleKind::ConfigCopies, ABOUT);
        }
    }

    fn times(&self) -> MutexGuard<'_, ServedTimes> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use nacos_protocol::client::CallError;

    use super::*;

    #[test]
    fn copies_are_a_trouble_until_none_was_served_for_a_while_and_nacos_answers() {
        let (board, metrics) = (TroubleBoard::default(), FrontDoorMetrics::default());
        let served = CopiesServed::new(board.clone(), metrics.clone());
        served.served(&CallError::NotConnected);
        served.served(&CallError::NotConnected);
        let later = Instant::now() + OVER_AFTER;
        served.look_after(later);
        assert!(board.has(TroubleKind::ConfigCopies), "nobody asked since");
        served.nacos_answered();
        served.look_after(Instant::now());
        assert!(board.has(TroubleKind::ConfigCopies), "one server may be away still");
        served.look_after(later + Duration::from_secs(1));
        assert!(!board.has(TroubleKind::ConfigCopies));
        assert_eq!(metrics.config_copies.get(), 2);
    }
}
