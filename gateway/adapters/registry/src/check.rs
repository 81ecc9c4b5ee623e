//! What Nacos refuses of names, addresses and contents, in its words: one set of rules for both doors.

use federation_core::id::{ConfigKey, ServiceKey};
use nacos_protocol::names::{IllegalPart, NamePart, checked};

/// Longest content of a config item, in bytes.
pub const CONTENT_MAX_BYTES: usize = 10 * 1024 * 1024;

/// A registration, publication or request with parts that Nacos does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalName {
    /// A part has characters, a length or a value that Nacos does not accept there.
    #[error(transparent)]
    Part(#[from] IllegalPart),
    /// The weight is out of range.
    #[error("instance format invalid: The weights range from 0.0 to 10000.0")]
    Weight,
    /// The name of a service or a group is blank.
    #[error("Param '{0}' is illegal, {0} is blank")]
    Blank(&'static str),
    /// The data id or the group of a config item is blank.
    #[error("invalid {part} : {text}")]
    BlankName {
        /// Which part.
        part: &'static str,
        /// As it was given.
        text: String,
    },
    /// The content of a config item is blank.
    #[error("content is blank : {0}")]
    BlankContent(String),
    /// The content of a config item is too large.
    #[error("content is larger than {CONTENT_MAX_BYTES} bytes")]
    LargeContent,
    /// A service is ephemeral or persistent as a whole.
    #[error("Current service {service} is {is} service, can't register {offered} instance.")]
    OtherLifetime {
        /// `group@@service`.
        service: String,
        /// What the service is.
        is: &'static str,
        /// What was to be registered.
        offered: &'static str,
    },
    /// The service of a changed instance is not known.
    #[error("service not found, namespace: {}, service: {}", .0.namespace(), grouped(.0))]
    NoService(ServiceKey),
    /// A service to be changed or removed is not known.
    #[error("service {} not found!", grouped(.0))]
    NoSuchService(ServiceKey),
    /// A service to be created exists.
    #[error("specified service {} already exists!", grouped(.0))]
    ServiceExists(ServiceKey),
    /// A service to be removed has instances.
    #[error("Service {} is not empty, can't be delete. Please unregister instance first", grouped(.0))]
    ServiceNotEmpty(ServiceKey),
}

impl IllegalName {
    /// Whether Nacos refuses it before it looks at what is asked for, and says so in its own way.
    #[must_use]
    pub fn is_of_params(&self) -> bool {
        matches!(self, Self::Part(_))
    }
}

/// `group@@service`.
#[must_use]
pub fn grouped(key: &ServiceKey) -> String {
    format!("{}@@{}", key.group(), key.service())
}

/// # Errors
/// Says which part of a service's name Nacos would refuse.
pub fn check_service(key: &ServiceKey) -> Result<(), IllegalName> {
    check_service_chars(key)?;
    for (part, text) in [("serviceName", key.service()), ("groupName", key.group())] {
        if text.trim().is_empty() {
            return Err(IllegalName::Blank(part));
        }
    }
    Ok(())
}

/// # Errors
/// A part of the name is too long or has illegal characters; blank parts are legal here.
pub fn check_service_chars(key: &ServiceKey) -> Result<(), IllegalName> {
    checked(NamePart::Namespace, key.namespace())?;
    checked(NamePart::Service, key.service())?;
    Ok(checked(NamePart::Group, key.group())?)
}

/// # Errors
/// Says which part of a config item's name Nacos would refuse.
pub fn check_config(key: &ConfigKey) -> Result<(), IllegalName> {
    checked(NamePart::Namespace, key.namespace())?;
    checked(NamePart::DataId, key.data_id())?;
    checked(NamePart::Group, key.group())?;
    for (part, text) in [("dataId", key.data_id()), ("group", key.group())] {
        if text.trim().is_empty() {
            return Err(IllegalName::BlankName { part, text: text.to_owned() });
        }
    }
    Ok(())
}

/// # Errors
/// Says what Nacos would refuse of a content.
pub fn check_content(content: &str) -> Result<(), IllegalName> {
    if content.trim().is_empty() {
        return Err(IllegalName::BlankContent(content.to_owned()));
    }
    if content.len() > CONTENT_MAX_BYTES { Err(IllegalName::LargeContent) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_that_nacos_refuses_are_refused() {
        let (longest, long) = ("s".repeat(512), "s".repeat(513));
        for (group, service, legal) in [
            ("DEFAULT_GROUP", "orders", true),
            ("g", "a:b.c-d_e@f", true),
            ("DEFAULT_GROUP", "a\u{1f}b/\"'é", true),
            ("g", longest.as_str(), true),
            ("g h", "orders", false),
            ("a/b", "orders", false),
            ("", "orders", false),
            ("g", "", false),
            ("g", "  ", false),
            ("g", "a@@b", false),
            ("g", "@a", false),
            ("g", "a b", false),
            ("g", "订单", false),
            ("g", "订", true), // The first character may be what no other may.
            ("g", "订orders", true),
            ("g", "orders订", false),
            ("g", " a", true),
            ("g", "\na", false),
            ("g", long.as_str(), false),
        ] {
            assert_eq!(check_service(&ServiceKey::new("public", group, service)).is_ok(), legal, "{group} {service}");
        }
        assert_eq!(check_service_chars(&ServiceKey::new("", "", "")), Ok(()));
        for namespace in ["a.b", "a b", &"n".repeat(65)] {
            assert!(check_service(&ServiceKey::new(namespace, "g", "s")).is_err(), "{namespace}");
        }
    }
}
