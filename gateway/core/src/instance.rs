//! One registered instance, as its origin knows it.

mod metadata;

pub use metadata::{Metadata, MetadataKeys};

/// What Nacos keeps of an instance beside its identity. Immutable: a change is a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Instance {
    /// Relative share of traffic.
    pub weight: Weight,
    /// True health, as far as it is known.
    pub health: Health,
    /// A disabled instance takes no traffic; Nacos leaves it out of pushes.
    pub enabled: bool,
    /// Ephemeral instances live as long as their registrant's connection or heart-beat.
    pub ephemeral: bool,
    /// Pairs that the registrant set.
    pub metadata: Metadata,
}

/// Health of an instance. Nacos declares everybody healthy when too few are ("protection"): that is `Unknown`, never `Healthy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Health {
    /// Nacos says so, and was not protecting.
    Healthy,
    /// Nacos says so.
    Unhealthy,
    /// Nacos sent protected data and its true word is not known yet.
    Unknown,
}

/// Nacos's weight: a finite number, 0 or more (Nacos itself takes up to 10,000).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight(f64);

impl Eq for Weight {} // Never NaN, by construction.

/// A number that cannot be a weight.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("weight {0} is not a finite number of 0 or more")]
pub struct InvalidWeight(pub f64);

impl Weight {
    /// What Nacos gives an instance that was registered without a weight.
    pub const DEFAULT: Self = Self(1.0);

    /// The weight as Nacos has it.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;
    fn try_from(number: f64) -> Result<Self, InvalidWeight> {
        // Adding zero turns -0.0 into 0.0, which prints and encodes as one value.
        if number.is_finite() && number >= 0.0 { Ok(Self(number + 0.0)) } else { Err(InvalidWeight(number)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_finite_and_not_negative() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, f64::NEG_INFINITY] {
            assert!(Weight::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Weight::try_from(0.5).map(Weight::get), Ok(0.5));
        assert!(Weight::try_from(-0.0).is_ok_and(|weight| weight.get().is_sign_positive()));
    }
}
