//! Tells metrics and the board of troubles what the listeners tell.

use bounded_listener::{Observer, Reason};

use crate::metrics::{ConnectionMetrics, TroubleKind};
use crate::trouble::TroubleBoard;

/// See the module.
pub(super) struct Reception {
    pub(super) troubles: TroubleBoard,
    pub(super) metrics: ConnectionMetrics,
}

impl Observer for Reception {
    fn open(&self, listener: &'static str, connections: usize) {
        self.metrics.open(listener).set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    fn turned_away(&self, listener: &'static str, reason: Reason) {
        self.metrics.turned_away(listener, reason).inc();
    }

    fn trouble(&self, listener: &'static str, trouble: Option<String>) {
        self.troubles.set(TroubleKind::Connections, listener, trouble);
    }
}
