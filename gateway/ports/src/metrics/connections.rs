//! Of the sockets that clients connect to.

use bounded_listener::TurnedAway;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    listener: &'static str,
    reason: &'static str,
}

/// Of the sockets that clients connect to. Names of listeners are from a fixed list.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    open: Family<ListenerLabels, Gauge>,
    turned_away: Family<ReasonLabels, Counter>,
    certificate_expiry: Family<ListenerLabels, Gauge>,
}

impl ConnectionMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "open connections of clients";
        catalog.gauge("federation_connections", "listener", help, &new.open);
        let help = "connections and requests that were turned away or given up, by reason";
        catalog.counter("federation_turned_away_total", "listener, reason", help, &new.turned_away);
        let help = "until the certificate that a listener shows expires; negative once it has";
        let expiry = "federation_tls_certificate_expiry_seconds";
        catalog.gauge(expiry, "listener", help, &new.certificate_expiry);
        new
    }

    /// Open connections at a listener.
    #[must_use]
    pub fn open(&self, listener: &'static str) -> Gauge {
        self.open.get_or_create_owned(&ListenerLabels { listener })
    }

    /// Seconds until a listener's certificate expires; a listener without TLS has no such metric.
    #[must_use]
    pub fn certificate_expiry(&self, listener: &'static str) -> Gauge {
        self.certificate_expiry.get_or_create_owned(&ListenerLabels { listener })
    }

    /// What a listener turned away for this reason.
    #[must_use]
    pub fn turned_away(&self, listener: &'static str, reason: TurnedAway) -> Counter {
        self.turned_away.get_or_create_owned(&ReasonLabels { listener, reason: reason.as_str() })
    }
}
