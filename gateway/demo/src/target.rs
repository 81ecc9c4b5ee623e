//! What can be stopped and started, and how people name it.

use std::fmt;
use std::str::FromStr;

use super::region::DemoRegion;

/// One part of the demo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The broker that keeps the log of all regions.
    Kafka,
    /// The gateway of a region.
    Gateway(DemoRegion),
    /// The registry of a region, as if its Nacos failed.
    Registry(DemoRegion),
    /// One instance of the shop, by its region and name.
    Instance(DemoRegion, String),
}

/// Text that names nothing that could be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that can be stopped or started")]
pub(super) struct NoTarget(pub(super) String);

const REGISTRY: &str = "-registry";

impl FromStr for Target {
    type Err = NoTarget;

    /// `kafka`, `REGION`, `REGION-registry` or `REGION/INSTANCE`.
    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let no_target = || NoTarget(text.to_owned());
        let region =
            |name: &str| DemoRegion::ALL.into_iter().find(|region| region.name() == name).ok_or_else(no_target);
        if matches!(text, "kafka" | "broker") {
            return Ok(Self::Kafka);
        }
        if let Some((name, instance)) = text.split_once('/') {
            return Ok(Self::Instance(region(name)?, instance.to_owned()));
        }
        match text.strip_suffix(REGISTRY) {
            Some(name) => region(name).map(Self::Registry),
            None => region(text).map(Self::Gateway),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka => formatter.write_str("kafka"),
            Self::Gateway(region) => write!(formatter, "{region}"),
            Self::Registry(region) => write!(formatter, "{region}{REGISTRY}"),
            Self::Instance(region, name) => write!(formatter, "{region}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_shown() {
        for text in ["kafka", "frankfurt", "virginia-registry", "shanghai/cart-2"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in ["", "atlantis", "atlantis-registry", "atlantis/cart-1", "Frankfurt"] {
            assert_eq!(text.parse::<Target>(), Err(NoTarget(text.to_owned())));
        }
    }
}
