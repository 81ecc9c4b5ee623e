//! Of the board of troubles.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;
use super::label::{MetricLabel, TroubleKind};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TroubleLabels {
    kind: MetricLabel<TroubleKind>,
}

/// Of what is wrong now.
#[derive(Clone, Debug, Default)]
pub struct TroubleMetrics {
    standing: Family<TroubleLabels, Gauge>,
}

impl TroubleMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "things that are wrong with this gateway now, as its status lists them";
        catalog.gauge("federation_troubles", "kind", help, &new.standing);
        for kind in TroubleKind::ALL {
            new.standing(*kind).set(0);
        }
        new
    }

    /// How many troubles of this kind stand.
    #[must_use]
    pub fn standing(&self, kind: TroubleKind) -> Gauge {
        self.standing.get_or_create_owned(&TroubleLabels { kind: MetricLabel(kind) })
    }
}
