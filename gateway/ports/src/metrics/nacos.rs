//! What the adapter of the local Nacos counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GivenUpLabels {
    reason: &'static str,
}

/// Of the adapter of the local Nacos.
#[derive(Clone, Debug, Default)]
pub struct NacosMetrics {
    /// 1 while connected and logged in.
    pub connected: Gauge,
    /// Connections that were set up.
    pub connects: Counter,
    /// Services subscribed to now.
    pub subscriptions: Gauge,
    /// Pushes received.
    pub pushes: Counter,
    given_up: Family<GivenUpLabels, Counter>,
    refused: Family<CallLabels, Counter>,
    failed: Family<CallLabels, Counter>,
}

impl NacosMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        catalog.gauge("federation_nacos_connected", "", "1 while connected to the local Nacos, else 0", &new.connected);
        catalog.counter("federation_nacos_connects_total", "", "connections set up", &new.connects);
        catalog.gauge("federation_nacos_subscriptions", "", "services subscribed to", &new.subscriptions);
        catalog.counter("federation_nacos_pushes_total", "", "pushes received", &new.pushes);
        let help = "connections given up although they stood: nothing was answered, or nothing pushed that was due";
        catalog.counter("federation_nacos_connections_given_up_total", "reason", help, &new.given_up);
        for reason in ["no_answer", "no_pushes"] {
            let _ = new.given_up(reason); // Shown as 0 from the start.
        }
        let help = "calls that the local Nacos refused to this account";
        catalog.counter("federation_nacos_calls_refused_total", "call", help, &new.refused);
        let help = "calls that failed otherwise: no answer in time, an error, or nonsense";
        catalog.counter("federation_nacos_calls_failed_total", "call", help, &new.failed);
        new
    }

    /// Connections given up for `reason`, a name from a fixed list such as `no_answer`.
    #[must_use]
    pub fn given_up(&self, reason: &'static str) -> Counter {
        self.given_up.get_or_create_owned(&GivenUpLabels { reason })
    }

    /// Refusals of `call`, a name from a fixed list such as `list_services`.
    #[must_use]
    pub fn calls_refused(&self, call: &'static str) -> Counter {
        self.refused.get_or_create_owned(&CallLabels { call })
    }

    /// Failures of `call` other than refusals.
    #[must_use]
    pub fn calls_failed(&self, call: &'static str) -> Counter {
        self.failed.get_or_create_owned(&CallLabels { call })
    }
}
