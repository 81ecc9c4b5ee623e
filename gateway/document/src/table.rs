//! What a table of fields is made of: the one description from which the reader checks, the JSON Schema and the
//! documentation are derived.

use std::time::Duration;

/// The fields of one mapping.
#[derive(Debug)]
pub struct TableSection {
    /// What the section is for, as a sentence.
    pub about: &'static str,
    /// Its fields in the order in which they are shown.
    pub fields: &'static [TableField],
}

/// One field.
#[derive(Debug)]
pub struct TableField {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ValueKind,
    /// Whether it may be left out, and what then.
    pub presence: FieldPresence,
    /// What it means, and why the default is what it is, in sentences.
    pub about: &'static str,
}

/// Whether a field may be left out.
#[derive(Debug)]
pub enum FieldPresence {
    /// It must be there.
    Required,
    /// It may be left out, which has the stated meaning.
    Optional(&'static str),
    /// It may be left out, and then is this YAML.
    Default(&'static str),
}

/// What a field holds.
#[derive(Debug)]
pub enum ValueKind {
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// `[a-z0-9-]{1,63}`.
    Id,
    /// A pattern over names that may be empty (namespaces).
    GlobOrEmpty,
    /// A pattern over names that are never empty.
    Glob,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, both included.
    Count {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// A number from 0 to 1.
    Ratio,
    /// A length of time within bounds, both included.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A number of bytes within bounds, both included.
    Bytes {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// `host:port`, the host a name or an address.
    HostPort,
    /// `host` or `host:port`: where instances are reached from another network.
    AdvertisedAddress,
    /// A name of a host, of all below one, or any.
    HostName,
    /// `address:port` to listen on.
    SocketAddress,
    /// An `http` or `https` URL.
    Url,
    /// A path in the file system.
    Path,
    /// The beginning of a topic's name.
    TopicPrefix,
    /// Path of a web application: empty, or `/` and a name.
    ContextPath,
    /// Directives for the log filter.
    LogFilter,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A mapping with known fields.
    Section(&'static TableSection),
    /// A list.
    List {
        /// What each item is.
        of: &'static ValueKind,
        /// The least number of items.
        min_items: usize,
    },
    /// A mapping whose names are free.
    Map {
        /// What the names are, in words.
        keys: &'static str,
        /// What the values are.
        of: &'static ValueKind,
    },
    /// A scalar of whatever type, kept as text, shown unless its name says that it is secret.
    Property,
    /// A list that has to be empty for now.
    Reserved,
}

/// A field that has to be there.
#[must_use]
pub const fn required(name: &'static str, kind: ValueKind, about: &'static str) -> TableField {
    TableField { name, kind, presence: FieldPresence::Required, about }
}

/// A field that may be left out; `without` is what holds then, in words.
#[must_use]
pub const fn optional(name: &'static str, kind: ValueKind, without: &'static str, about: &'static str) -> TableField {
    TableField { name, kind, presence: FieldPresence::Optional(without), about }
}

/// A field that is read as this YAML where it is left out.
#[must_use]
pub const fn default(name: &'static str, kind: ValueKind, yaml: &'static str, about: &'static str) -> TableField {
    TableField { name, kind, presence: FieldPresence::Default(yaml), about }
}

/// A list that may be empty.
#[must_use]
pub const fn list(of: &'static ValueKind) -> ValueKind {
    ValueKind::List { of, min_items: 0 }
}

impl TableSection {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static TableField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl ValueKind {
    /// Whether the digits of a number would do as well if they were quoted.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        matches!(self, Self::Text | Self::Secret | Self::Id | Self::Glob | Self::GlobOrEmpty | Self::TopicPrefix)
    }

    /// What would be right, as a noun phrase.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::Secret => "a text".into(),
            Self::Id => "1 to 63 characters of a-z, 0-9 and -".into(),
            Self::Glob | Self::GlobOrEmpty => {
                "a pattern: text in which * stands for any text and ? for one character".into()
            }
            Self::Flag => "true or false".into(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Ratio => "a number from 0 to 1".into(),
            Self::Duration { min, max } => {
                format!(
                    "a duration from {} to {}, like 500ms, 15s, 10m, 1h or 7d",
                    show_duration(*min),
                    show_duration(*max)
                )
            }
            Self::Bytes { min, max } => {
                format!("a size from {} to {}, like 64KiB or 12MiB", show_bytes(*min), show_bytes(*max))
            }
            Self::HostPort => "host:port, like nacos.example:8848, 10.0.0.7:8848 or [::1]:8848".into(),
            Self::AdvertisedAddress => {
                "host or host:port, like edge.example, 192.0.2.7:8443 or [2001:db8::7]:8443".into()
            }
            Self::HostName => "a name, like gateway.example.com, *.example.com for all below it, or * for any".into(),
            Self::SocketAddress => "address:port, like 127.0.0.1:7070, 0.0.0.0:7070 or [::]:7070".into(),
            Self::Url => "an http or https URL without a password, like http://127.0.0.1:4317".into(),
            Self::Path => "a path".into(),
            Self::TopicPrefix => "at most 100 characters of a-z, A-Z, 0-9, `.`, `_` and `-`".into(),
            Self::ContextPath => {
                "an empty text, or a path that begins with / and does not end with it, like /nacos".into()
            }
            Self::LogFilter => {
                "a level (error, warn, info, debug, trace), or levels by module like info,rdkafka=warn".into()
            }
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Section(_) => "a mapping of fields".into(),
            Self::List { min_items: 0, .. } => "a list".into(),
            Self::List { min_items, .. } => format!("a list of at least {min_items}"),
            Self::Map { keys, .. } => format!("a mapping of {keys}"),
            Self::Property => "a text, a number, true or false".into(),
            Self::Reserved => "nothing, or []: it is reserved and not available yet".into(),
        }
    }
}

/// `90s`, `500ms`, `10m`: the largest unit that leaves no rest.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

/// `12MiB`, `64KiB`, `100B`: the largest unit that leaves no rest.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    for (unit_bytes, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit_bytes && bytes.is_multiple_of(unit_bytes) {
            return format!("{}{unit}", bytes / unit_bytes);
        }
    }
    format!("{bytes}B")
}
