//! Names as Nacos takes them: what it refuses of their characters and lengths before it looks at what is asked for, in its words, and what is
//! meant where none is given.
//!
//! Nacos checks characters and lengths of what is not blank before it does anything else, and what may not be blank later; so does this.

use crate::reading;

/// Namespace of who names none, over HTTP and of config items.
pub const DEFAULT_NAMESPACE: &str = "public";

/// Nacos cluster of an instance that names none.
pub const DEFAULT_CLUSTER: &str = "DEFAULT";

/// The Nacos cluster that is meant by a name that may be blank.
#[must_use]
pub fn cluster_or_default(said: &str) -> &str {
    if said.trim().is_empty() { DEFAULT_CLUSTER } else { said }
}

/// A part of a request that Nacos does not accept, and says so in its own way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalPart {
    /// It is longer than Nacos keeps.
    #[error("Param '{part}' is illegal, the param length should not exceed {max}.")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Characters at most.
        max: usize,
    },
    /// It has characters that Nacos does not accept there.
    #[error("Param '{0}' is illegal, illegal characters should not appear in the param.")]
    Characters(&'static str),
    /// A port is none.
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    Port,
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
            Self::Service => is_service_name(text),
            Self::Ip => text.chars().all(is_plain_char),
        }
    }
}

/// Checks a part that may be blank.
///
/// # Errors
/// It is too long or has characters that Nacos does not accept there.
pub fn checked(part: NamePart, text: &str) -> Result<(), IllegalPart> {
    if text.trim().is_empty() {
        return Ok(());
    }
    if text.chars().count() > part.max() {
        return Err(IllegalPart::TooLong { part: part.name(), max: part.max() });
    }
    if part.allows(text) { Ok(()) } else { Err(IllegalPart::Characters(part.name())) }
}

/// A port as it is written.
///
/// # Errors
/// Nacos takes no other texts than of numbers from 0 to 65535.
pub fn port(text: &str) -> Result<u16, IllegalPart> {
    reading::int(text).and_then(|port| u16::try_from(port).ok()).ok_or(IllegalPart::Port)
}

/// What Nacos allows in the names of groups and config items.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')
}

/// Nacos looks at the first character apart from the others: it may be all but `@` and the end of a line, a blank and a Chinese one too.
fn is_service_name(text: &str) -> bool {
    let ends_line = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut chars = text.chars();
    let is_first = chars.next().is_none_or(|first| first != '@' && !ends_line(first));
    let rest = chars.as_str();
    is_first && !rest.contains("@@") && rest.chars().all(is_plain_char)
}

/// Everything but blanks (Java's `\s`, which other control characters are not) and Chinese characters.
fn is_plain_char(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{4e00}'..='\u{9fa5}')
}
