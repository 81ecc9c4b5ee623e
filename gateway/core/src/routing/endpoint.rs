//! What is planned: the endpoints of one service, and the caller that asks for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::freshness::Freshness;
use crate::id::ClusterId;
use crate::instance::{Health, Metadata};
use crate::locality::Locality;

/// Labels of a caller.
pub type CallerLabels = BTreeMap<Arc<str>, Arc<str>>;

/// The cluster that first observed an endpoint. In a gateway always a [`ClusterId`]; a scenario names clusters freely,
/// which is why this is any text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginName(Arc<str>);

impl OriginName {
    /// An origin of any name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name, as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ClusterId> for OriginName {
    fn from(id: &ClusterId) -> Self {
        Self::new(id.as_str())
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Weight of an endpoint in thousandths of what Nacos shows, 0 to [`MilliWeight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MilliWeight(u64);

/// A weight that is not a number or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a weight must be a finite number")]
pub struct InvalidWeight;

impl MilliWeight {
    /// An endpoint of this weight is left out.
    pub const ZERO: Self = Self(0);
    /// What Nacos gives an instance that was registered without a weight.
    pub const ONE: Self = Self(1000);
    /// The greatest weight, 10,000: what Nacos allows.
    pub const MAX: Self = Self(10_000_000);

    /// Counts a registered weight in thousandths, rounded half up. Nothing is greater than [`MilliWeight::MAX`] or less than
    /// [`MilliWeight::ZERO`], and no positive weight is counted as less than one thousandth: zero means that a registrant wants no traffic,
    /// and whoever gave a tiny weight wants some.
    ///
    /// # Errors
    /// NaN and infinities are refused.
    pub fn from_registered(weight: f64) -> Result<Self, InvalidWeight> {
        if !weight.is_finite() {
            return Err(InvalidWeight);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=10,000,000 before")]
        let thousandths = (weight * 1000.0).round().clamp(0.0, 10_000_000.0) as u64;
        Ok(Self(if weight > 0.0 { thousandths.max(1) } else { thousandths }))
    }

    /// `thousandths`, at most [`MilliWeight::MAX`].
    #[must_use]
    pub fn from_thousandths(thousandths: u64) -> Self {
        Self(thousandths.min(Self::MAX.0))
    }

    /// The weight in thousandths.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        self.0
    }
}

/// Whether an endpoint takes part at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointAdmission {
    /// It does.
    Admitted,
    /// Its registrant switched it off.
    Disabled,
    /// A rule keeps it out: export, import, expiry, reachability. The text is shown as the reason.
    Barred(Arc<str>),
}

/// Whether an endpoint counts in its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointCounting {
    /// As usual.
    Counted,
    /// Warming up: in the total and nowhere else, and used only in a panic.
    Excluded,
}

/// One routable address of a service, as routing sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Unique among the endpoints of one plan.
    pub id: Arc<str>,
    /// Where it was observed first.
    pub origin: OriginName,
    /// Where it runs; its `network` is the label of that name.
    pub locality: Locality,
    /// What `failover_priority` may compare: what its registrant set.
    pub labels: Metadata,
    /// As registered.
    pub weight: MilliWeight,
    /// Effective health.
    pub health: Health,
    /// Whether it counts.
    pub counting: EndpointCounting,
    /// Whether it takes part.
    pub admission: EndpointAdmission,
    /// Effective freshness of its origin.
    pub freshness: Freshness,
    /// A priority given from outside. If every endpoint of a plan has one, they are taken as they are, gaps included;
    /// otherwise none of them is looked at.
    pub priority: Option<u16>,
}

impl AsRef<Self> for Endpoint {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Where the caller is; all parts may be missing.
    pub locality: Locality,
    /// The cluster the caller belongs to.
    pub cluster: Option<Arc<str>>,
    /// What `failover_priority` may compare.
    pub labels: CallerLabels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_weight_is_counted_in_thousandths_within_its_bounds() {
        for (registered, thousandths) in [
            (1.0, 1000),
            (0.5, 500),
            (0.001, 1),
            (0.0005, 1),
            (0.000_4, 1),
            (1e-12, 1),
            (f64::MIN_POSITIVE, 1),
            (-0.0, 0),
            (-1e-12, 0),
            (0.0, 0),
            (-3.0, 0),
            (10_000.0, 10_000_000),
            (10_000.1, 10_000_000),
            (1e308, 10_000_000),
            (-1e308, 0),
        ] {
            assert_eq!(MilliWeight::from_registered(registered), Ok(MilliWeight(thousandths)), "{registered}");
        }
        for refused in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(MilliWeight::from_registered(refused), Err(InvalidWeight));
        }
    }
}
