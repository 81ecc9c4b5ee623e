//! Tells metrics and the board of troubles what the listeners tell.

use bounded_listener::{ListenerObserver, TurnedAway};

use federation_ports::metrics::{ConnectionMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// See the module.
pub(super) struct Reception {
    pub(super) troubles: TroubleBoard,
    pub(super) metrics: ConnectionMetrics,
}

impl ListenerObserver for Reception {
    fn open(&self, listener: &'static str, connections: usize) {
        self.metrics.open(listener).set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    fn turned_away(&self, listener: &'static str, reason: TurnedAway) {
        self.metrics.turned_away(listener, reason).inc();
    }

    fn trouble(&self, listener: &'static str, trouble: Option<String>) {
        self.troubles.set(TroubleKind::Connections, listener, trouble);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listeners_tell_is_counted_and_shown_until_it_is_well() {
        let reception = Reception { troubles: TroubleBoard::default(), metrics: ConnectionMetrics::default() };
        reception.open("http", 3);
        reception.turned_away("http", TurnedAway::Full);
        reception.trouble("http", Some("it is full".to_owned()));
        assert_eq!(reception.metrics.open("http").get(), 3);
        assert_eq!(reception.metrics.turned_away("http", TurnedAway::Full).get(), 1);
        assert_eq!(reception.metrics.turned_away("grpc", TurnedAway::Full).get(), 0);
        assert!(reception.troubles.has(TroubleKind::Connections));
        reception.trouble("http", None);
        assert!(!reception.troubles.has(TroubleKind::Connections));
    }
}
