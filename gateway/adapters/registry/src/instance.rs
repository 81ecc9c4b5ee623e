//! An instance as somebody registered it.

use std::collections::BTreeMap;

use federation_core::id::InstanceId;
use nacos_protocol::names::{IllegalPart, NamePart, checked};

use super::check::IllegalName;

/// Longest total of the keys and values of one instance's metadata, in characters, as Nacos has it by default.
pub const METADATA_MAX_CHARS: usize = 1024;

/// Largest weight that Nacos accepts of a registration over HTTP.
pub const WEIGHT_MAX: f64 = 10_000.0;

/// One registered address.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredInstance {
    /// Address and Nacos cluster.
    pub id: InstanceId,
    /// Mostly 0 to [`WEIGHT_MAX`], and 1 where the registrant named none; over gRPC and with beats, Nacos takes any number.
    pub weight: f64,
    /// What the registrant, or its missing beats, say.
    pub healthy: bool,
    /// Disabled instances are kept but not shown to subscribers.
    pub enabled: bool,
    /// Free text pairs.
    pub metadata: BTreeMap<String, String>,
}

impl RegisteredInstance {
    /// # Errors
    /// Says which part Nacos would refuse, whichever way it came. A blank address it takes over gRPC, and lists it like any other.
    pub fn check(&self) -> Result<(), IllegalName> {
        checked(NamePart::Ip, &self.id.ip)?;
        checked(NamePart::Cluster, &self.id.nacos_cluster)?;
        let chars: usize = self.metadata.iter().map(|(k, v)| k.chars().count() + v.chars().count()).sum();
        if chars > METADATA_MAX_CHARS {
            return Err(IllegalPart::TooLong { part: "Metadata", max: METADATA_MAX_CHARS }.into());
        }
        Ok(())
    }
}

/// # Errors
/// Refuses a weight that Nacos refuses of registrations and changes over HTTP. What is not a number it takes.
pub fn check_weight(weight: f64) -> Result<(), IllegalName> {
    if (0.0..=WEIGHT_MAX).contains(&weight) || weight.is_nan() { Ok(()) } else { Err(IllegalName::Weight) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(ip: &str, cluster: &str, metadata: usize) -> RegisteredInstance {
        let metadata = BTreeMap::from([("k".to_owned(), "v".repeat(metadata))]);
        RegisteredInstance { id: InstanceId::new(ip, 80, cluster), weight: 1.0, healthy: true, enabled: true, metadata }
    }

    #[test]
    fn instances_that_nacos_refuses_are_refused() {
        let long = "a".repeat(129);
        for (name, instance, legal) in [
            ("plain", instance("10.0.0.1", "DEFAULT", 10), true),
            ("full metadata", instance("10.0.0.1", "a-b_c", 1023), true),
            ("host name", instance("orders.example", "DEFAULT", 0), true),
            ("ipv6 in brackets", instance("[2001:db8::1]", "DEFAULT", 0), true),
            ("no ip", instance("", "DEFAULT", 0), true),
            ("blank ip", instance("  ", "DEFAULT", 0), true),
            ("blanks around the ip", instance(" 10.0.0.1", "DEFAULT", 0), false),
            ("long ip", instance(&long, "DEFAULT", 0), false),
            ("cluster with a dot", instance("10.0.0.1", "a.b", 0), false),
            ("long metadata", instance("10.0.0.1", "DEFAULT", 1024), false),
        ] {
            assert_eq!(instance.check().is_ok(), legal, "{name}");
        }
    }

    #[test]
    fn weights_that_nacos_refuses_over_http_are_refused() {
        for (weight, legal) in [
            (0.0, true),
            (1e-12, true),
            (10_000.0, true),
            (f64::NAN, true),
            (-1.0, false),
            (10_000.1, false),
            (f64::INFINITY, false),
        ] {
            assert_eq!(check_weight(weight).is_ok(), legal, "{weight}");
        }
    }
}
