//! What Nacos refuses of names, addresses and contents, in its words: one set of rules for both doors.
//!
//! Nacos checks characters and lengths of what is not blank before it does anything else, and what may not be blank later; so does this.

use federation_core::id::{ConfigKey, ServiceKey};

/// Longest content of a config item, in bytes.
pub const CONTENT_MAX_BYTES: usize = 10 * 1024 * 1024;

/// A registration, publication or request with parts that Nacos does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalName {
    /// A required part is empty.
    #[error("Param '{0}' is required.")]
    Missing(&'static str),
    /// A part is longer than Nacos keeps.
    #[error("Param '{part}' is illegal, the param length should not exceed {max}.")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Characters at most.
        max: usize,
    },
    /// A part has characters that Nacos does not accept there.
    #[error("Param '{0}' is illegal, illegal characters should not appear in the param.")]
    Characters(&'static str),
    /// A port is none.
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    Port,
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
        matches!(self, Self::TooLong { .. } | Self::Characters(_) | Self::Port)
    }
}

/// `group@@service`.
#[must_use]
pub fn grouped(key: &ServiceKey) -> String {
    format!("{}@@{}", key.group(), key.service())
}

/// A part whose characters and length are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// Of namespaces; `tenant` of config items.
    Namespace,
    /// Of groups.
    Group,
    /// Of services, without the group.
    Service,
    /// Of config items.
    DataId,
    /// Of Nacos clusters.
    Cluster,
    /// Of addresses.
    Ip,
}

impl NamePart {
    fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespaceId/tenant",
            Self::Group => "group",
            Self::Service => "serviceName",
            Self::DataId => "dataId",
            Self::Cluster => "cluster",
            Self::Ip => "ip",
        }
    }

    fn max(self) -> usize {
        match self {
            Self::Namespace | Self::Cluster => 64,
            Self::Group | Self::Ip => 128,
            Self::DataId => 256,
            Self::Service => 512,
        }
    }

    fn allows(self, text: &str) -> bool {
        match self {
            Self::Namespace | Self::Cluster => {
                text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            }
            Self::Group | Self::DataId => text.chars().all(is_name_char),
            Self::Service => !text.starts_with('@') && !text.contains("@@") && text.chars().all(is_plain_char),
            Self::Ip => text.chars().all(is_plain_char),
        }
    }
}

/// Checks a part that may be blank.
///
/// # Errors
/// It is too long or has characters that Nacos does not accept there.
pub fn checked(part: NamePart, text: &str) -> Result<(), IllegalName> {
    if text.trim().is_empty() {
        return Ok(());
    }
    if text.chars().count() > part.max() {
        return Err(IllegalName::TooLong { part: part.name(), max: part.max() });
    }
    if part.allows(text) { Ok(()) } else { Err(IllegalName::Characters(part.name())) }
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
    checked(NamePart::Group, key.group())
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

/// What Nacos allows in the names of groups and config items.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')
}

/// Everything but blanks (Java's `\s`, which other control characters are not) and Chinese characters.
fn is_plain_char(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{4e00}'..='\u{9fa5}')
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
