//! What a drain is of: a cluster, or some of its services.

use std::fmt;
use std::str::FromStr;

use crate::escape;
use crate::id::{ClusterId, InvalidId, ServiceKey};
use crate::pattern::{InvalidGlob, ServicePattern};

/// A cluster, or the services of it that a pattern names. There is one spelling for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DrainTarget {
    cluster: ClusterId,
    services: Option<ServicePattern>,
}

/// Why a text names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// What stands before the first `/`.
    #[error("a drain begins with a cluster's id")]
    Cluster(#[source] InvalidId),
    /// Neither one part nor four.
    #[error("a drain is of a cluster, or of cluster/namespace/group/service, not of {parts} parts")]
    Parts {
        /// How many there are.
        parts: usize,
    },
    /// A part that is not encoded as it has to be, or a spelling of which there is a shorter one.
    #[error("{text:?} is not how this target is written")]
    Spelling {
        /// The text as it was given.
        text: String,
    },
    /// A pattern that is too long.
    #[error("a pattern of services is wrong")]
    Pattern(#[source] InvalidGlob),
}

impl DrainTarget {
    /// All of a cluster, or the services that `services` names. The pattern of everything is all of it.
    #[must_use]
    pub fn new(cluster: ClusterId, services: Option<ServicePattern>) -> Self {
        Self { cluster, services: services.filter(|pattern| *pattern != ServicePattern::any()) }
    }

    /// The cluster that loses traffic.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The services that are meant; `None` = all.
    #[must_use]
    pub fn services(&self) -> Option<&ServicePattern> {
        self.services.as_ref()
    }

    /// Whether the service is meant.
    #[must_use]
    pub fn covers(&self, service: &ServiceKey) -> bool {
        self.services.as_ref().is_none_or(|pattern| pattern.matches(service))
    }
}

impl fmt::Display for DrainTarget {
    /// `cluster` or `cluster/namespace/group/service`; in the last three `/`, `%` and control characters percent-encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.cluster.to_string();
        for part in self.services.iter().flat_map(|pattern| [&pattern.namespace, &pattern.group, &pattern.service]) {
            text.push('/');
            escape::push(&mut text, part.as_str(), &['/']);
        }
        f.write_str(&text)
    }
}

impl FromStr for DrainTarget {
    type Err = InvalidTarget;
    /// Accepts what [`DrainTarget`] prints, and nothing else: it is a part of a key.
    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let parts: Vec<&str> = text.split('/').collect();
        let cluster = parts[0].parse().map_err(InvalidTarget::Cluster)?;
        let spelling = || InvalidTarget::Spelling { text: text.to_owned() };
        let glob = |part: &str| {
            let plain = escape::undo(part, &['/']).ok_or_else(spelling)?;
            plain.parse().map_err(InvalidTarget::Pattern)
        };
        let services = match parts[1..] {
            [] => None,
            [namespace, group, service] => {
                Some(ServicePattern { namespace: glob(namespace)?, group: glob(group)?, service: glob(service)? })
            }
            _ => return Err(InvalidTarget::Parts { parts: parts.len() }),
        };
        let target = Self::new(cluster, services);
        if target.to_string() == text { Ok(target) } else { Err(spelling()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(cluster: &str, services: Option<[&str; 3]>) -> DrainTarget {
        let glob = |text: &str| text.parse().unwrap();
        let services = services.map(|[namespace, group, service]| ServicePattern {
            namespace: glob(namespace),
            group: glob(group),
            service: glob(service),
        });
        DrainTarget::new(cluster.parse().unwrap(), services)
    }

    #[test]
    fn a_target_has_one_spelling_and_is_read_back_from_it() {
        for (target, text) in [
            (target("frankfurt", None), "frankfurt"),
            (target("frankfurt", Some(["*", "*", "*"])), "frankfurt"),
            (target("a", Some(["", "g", "order-*"])), "a//g/order-*"),
            (target("a", Some(["**", "*", "x"])), "a/*/*/x"),
            (target("a", Some(["n/1", "50%", "t\tb\u{7f}"])), "a/n%2F1/50%25/t%09b%7F"),
            (target("a", Some(["服", "?", "é"])), "a/服/?/é"),
        ] {
            assert_eq!(target.to_string(), text);
            assert_eq!(text.parse(), Ok(target));
        }
    }

    #[test]
    fn another_spelling_is_no_target() {
        let parse = |text: &str| text.parse::<DrainTarget>().unwrap_err();
        assert!(matches!(parse(""), InvalidTarget::Cluster(_)));
        assert!(matches!(parse("Frankfurt"), InvalidTarget::Cluster(_)));
        assert!(matches!(parse("a/"), InvalidTarget::Parts { parts: 2 }));
        assert!(matches!(parse("a/b/c"), InvalidTarget::Parts { parts: 3 }));
        assert!(matches!(parse("a/b/c/d/e"), InvalidTarget::Parts { parts: 5 }));
        assert!(matches!(parse(&format!("a/{}/g/s", "x".repeat(1025))), InvalidTarget::Pattern(_)));
        for text in ["a/*/*/*", "a/**/*/x", "a/%2f/g/s", "a/%41/g/s", "a/%/g/s", "a/\t/g/s"] {
            assert!(matches!(parse(text), InvalidTarget::Spelling { .. }), "{text:?}");
        }
    }

    #[test]
    fn a_target_covers_the_services_of_its_pattern() {
        let order = ServiceKey::new("public", "g", "order-1");
        assert!(target("a", None).covers(&order));
        assert!(target("a", Some(["*", "*", "order-*"])).covers(&order));
        assert!(!target("a", Some(["*", "*", "cart"])).covers(&order));
    }
}
