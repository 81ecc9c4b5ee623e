//! The texts of fuzzy watch: patterns and service keys.

use super::ServiceName;
use crate::message::naming::GROUP_SEPARATOR;

const PART_SEPARATOR: &str = ">>";

/// The pattern of all services of a namespace.
pub(super) fn pattern_of(namespace: &str) -> String {
    format!("{namespace}{PART_SEPARATOR}*{PART_SEPARATOR}*")
}

/// The namespace of a pattern.
pub(super) fn namespace_of(pattern: &str) -> Option<&str> {
    pattern.split_once(PART_SEPARATOR).map(|(namespace, _)| namespace)
}

/// Reads `namespace@@group@@service`.
pub(super) fn service_of(key: &str) -> Option<ServiceName> {
    let (namespace, grouped) = key.split_once(GROUP_SEPARATOR)?;
    let (group, service) = grouped.split_once(GROUP_SEPARATOR)?;
    Some(ServiceName::new(namespace, group, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_keys_are_read_back() {
        assert_eq!(namespace_of(&pattern_of("public")), Some("public"));
        assert_eq!(namespace_of(&pattern_of("")), Some(""));
        assert_eq!(service_of("public@@G@@s:1"), Some(ServiceName::new("public", "G", "s:1")));
        assert_eq!(service_of("@@G@@s"), Some(ServiceName::new("", "G", "s")));
        assert_eq!((service_of("G@@s"), service_of("")), (None, None));
    }
}
