//! An instance as somebody registered it, and what Nacos refuses to register.

use std::collections::BTreeMap;

use federation_core::id::{InstanceId, ServiceKey};

/// Longest total of the keys and values of one instance's metadata, in characters, as Nacos has it by default.
pub const METADATA_MAX_CHARS: usize = 1024;

/// Largest weight that Nacos accepts.
pub const WEIGHT_MAX: f64 = 10_000.0;

/// One registered address.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Address and Nacos cluster.
    pub id: InstanceId,
    /// 0 to [`WEIGHT_MAX`]; 1 where the registrant named none.
    pub weight: f64,
    /// What the registrant, or its missing beats, say.
    pub healthy: bool,
    /// Disabled instances are kept but not shown to subscribers.
    pub enabled: bool,
    /// Free text pairs.
    pub metadata: BTreeMap<String, String>,
}

/// A registration or request with parts that Nacos does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// A required part is empty.
    #[error("param '{0}' is required")]
    Missing(&'static str),
    /// A part is longer than Nacos keeps.
    #[error("param '{part}' is illegal, the length should not exceed {max} characters")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Characters at most.
        max: usize,
    },
    /// A part has characters that Nacos does not accept there.
    #[error("param '{part}' is illegal, illegal characters should not appear in it: {text}")]
    Characters {
        /// Which part.
        part: &'static str,
        /// The text as it was given.
        text: String,
    },
    /// The weight is not a number from 0 to [`WEIGHT_MAX`].
    #[error("instance weight {0} is not between 0 and 10000")]
    Weight(String),
    /// A service is ephemeral or persistent as a whole.
    #[error("service {service} is {is}: instances of the other kind cannot be registered")]
    OtherLifetime {
        /// The service.
        service: ServiceKey,
        /// What the service is.
        is: &'static str,
    },
    /// The service of an update is not known.
    #[error("service not found: {0}")]
    NoService(ServiceKey),
}

impl Instance {
    /// # Errors
    /// Says which part Nacos would refuse.
    pub fn check(&self) -> Result<(), Illegal> {
        bounded("ip", &self.id.ip, 1, 128)?;
        bounded("cluster", &self.id.nacos_cluster, 1, 64)?;
        let plain = |b: char| b.is_ascii_alphanumeric() || b == '-' || b == '_';
        if !self.id.nacos_cluster.chars().all(plain) {
            return Err(Illegal::Characters { part: "cluster", text: self.id.nacos_cluster.to_string() });
        }
        if !(0.0..=WEIGHT_MAX).contains(&self.weight) {
            return Err(Illegal::Weight(self.weight.to_string()));
        }
        let chars: usize = self.metadata.iter().map(|(k, v)| k.chars().count() + v.chars().count()).sum();
        if chars > METADATA_MAX_CHARS {
            return Err(Illegal::TooLong { part: "metadata", max: METADATA_MAX_CHARS });
        }
        Ok(())
    }
}

/// # Errors
/// Says which part of a service's name Nacos would refuse.
pub fn check_service(key: &ServiceKey) -> Result<(), Illegal> {
    bounded("namespaceId", key.namespace(), 0, 64)?;
    bounded("groupName", key.group(), 1, 128)?;
    bounded("serviceName", key.service(), 1, 512)?;
    if !key.group().chars().all(is_name_char) {
        return Err(Illegal::Characters { part: "groupName", text: key.group().to_owned() });
    }
    let service = key.service();
    if service.starts_with('@') || service.contains("@@") || !service.chars().all(is_service_char) {
        return Err(Illegal::Characters { part: "serviceName", text: service.to_owned() });
    }
    Ok(())
}

/// What Nacos allows in the names of groups and config items.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')
}

/// Everything but blanks (Java's `\s`, which other control characters are not) and Chinese characters.
fn is_service_char(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{4e00}'..='\u{9fa5}')
}

/// Checks a text's length in characters.
pub(super) fn bounded(part: &'static str, text: &str, min: usize, max: usize) -> Result<(), Illegal> {
    match text.chars().count() {
        n if n < min => Err(Illegal::Missing(part)),
        n if n > max => Err(Illegal::TooLong { part, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(ip: &str, cluster: &str, weight: f64, metadata: usize) -> Instance {
        let metadata = BTreeMap::from([("k".to_owned(), "v".repeat(metadata))]);
        Instance { id: InstanceId::new(ip, 80, cluster), weight, healthy: true, enabled: true, metadata }
    }

    #[test]
    fn instances_that_nacos_refuses_are_refused() {
        for (name, instance, legal) in [
            ("plain", instance("10.0.0.1", "DEFAULT", 1.0, 10), true),
            ("heaviest", instance("10.0.0.1", "a-b_c", 10_000.0, 1023), true),
            ("no address", instance("", "DEFAULT", 1.0, 0), false),
            ("odd cluster", instance("10.0.0.1", "a b", 1.0, 0), false),
            ("negative weight", instance("10.0.0.1", "DEFAULT", -0.1, 0), false),
            ("weight that is no number", instance("10.0.0.1", "DEFAULT", f64::NAN, 0), false),
            ("long metadata", instance("10.0.0.1", "DEFAULT", 1.0, 1024), false),
        ] {
            assert_eq!(instance.check().is_ok(), legal, "{name}");
        }
    }

    #[test]
    fn service_names_that_nacos_refuses_are_refused() {
        let long = "s".repeat(513);
        for (group, service, legal) in [
            ("DEFAULT_GROUP", "orders", true),
            ("g", "a:b.c-d_e@f", true),
            ("DEFAULT_GROUP", "a\u{1f}b/\"'é", true),
            ("g h", "orders", false),
            ("", "orders", false),
            ("g", "", false),
            ("g", "a@@b", false),
            ("g", "@a", false),
            ("g", "a b", false),
            ("g", "订单", false),
            ("g", long.as_str(), false),
        ] {
            assert_eq!(check_service(&ServiceKey::new("public", group, service)).is_ok(), legal, "{group} {service}");
        }
    }
}
