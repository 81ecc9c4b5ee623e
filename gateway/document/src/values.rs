//! The types of single values: how each is read from a scalar.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use federation_core::host::Host;
use federation_core::id::{ClusterId, FederationId};
use federation_core::pattern::Glob;
use federation_core::routing::AdvertisedAddress;
use url::Url;

use crate::reader::{FieldPlace, ReadValue};
use crate::secret::Secret;
use crate::table::ValueKind;

/// Where to connect to: a host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// A DNS name or an address.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
}

impl HostPort {
    /// Parses `host:port` or `[v6]:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(|_| v6)?,
            None => host,
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let v6 = host.contains(':') && text.starts_with('[');
        let valid = !host.is_empty() && (v6 || host.chars().all(legal));
        valid.then(|| Self { host: host.into(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.with_port(self.port).fmt(f)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

/// Nothing: the value of a field that is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedValue;

/// A scalar of whatever type as text.
pub struct PropertyText(pub String);

/// A text that names the levels to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(pub String);

impl ReadValue for String {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        match place.kind {
            ValueKind::TopicPrefix => place.parse(topic_prefix),
            ValueKind::ContextPath => place.parse(context_path),
            _ => place.text().map(str::to_owned),
        }
    }
}

impl ReadValue for Secret {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.text().map(|text| Self::new(text.to_owned()))
    }
}

impl ReadValue for PropertyText {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.scalar().map(|scalar| Self(scalar.text.clone()))
    }
}

impl ReadValue for ReservedValue {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        use crate::tree::TreeValue;
        match &place.node.value {
            TreeValue::Null => {}
            TreeValue::Sequence(items) if items.is_empty() => {}
            _ => {
                place.add("not available yet", &place.kind.expected());
                return None;
            }
        }
        place.shown = crate::reader::ShownValue::List(Vec::new());
        Some(Self)
    }
}

impl ReadValue for bool {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let flag = match place.plain()?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        if flag.is_none() {
            place.wrong_type();
        }
        flag
    }
}

macro_rules! read_count {
    ($($number:ty),*) => {$(
        impl ReadValue for $number {
            fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
                let count = count(place)?;
                Some(Self::try_from(count).expect("the table's bounds lie within the type's, which a test checks"))
            }
        }
    )*};
}

read_count!(u16, u32, u64);

impl ReadValue for Ratio {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let Ok(number) = place.plain()?.parse::<f64>() else {
            place.wrong_type();
            return None;
        };
        if !(0.0..=1.0).contains(&number) {
            place.out_of_range();
            return None;
        }
        Some(Self(number))
    }
}

impl ReadValue for Duration {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let ValueKind::Duration { min, max } = place.kind else { unreachable!("no duration at {}", place.path) };
        let duration = place.parse(parse_duration)?;
        if !(*min..=*max).contains(&duration) {
            place.out_of_range();
            return None;
        }
        Some(duration)
    }
}

impl ReadValue for ByteCount {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let ValueKind::Bytes { min, max } = place.kind else { unreachable!("no size at {}", place.path) };
        let bytes = place.parse(bytes)?;
        if !(*min..=*max).contains(&bytes) {
            place.out_of_range();
            return None;
        }
        Some(Self(bytes))
    }
}

impl ReadValue for HostPort {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(Self::parse)
    }
}

impl ReadValue for AdvertisedAddress {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok())
    }
}

impl ReadValue for SocketAddr {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok())
    }
}

impl ReadValue for PathBuf {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| (!text.is_empty() && !text.contains('\0')).then(|| text.into()))
    }
}

impl ReadValue for Url {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none();
        place.parse(|text| text.parse().ok().filter(fits))
    }
}

impl ReadValue for Glob {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        if !matches!(place.kind, ValueKind::GlobOrEmpty) && place.text()?.is_empty() {
            place.add("an empty pattern would match nothing", &place.kind.expected());
            return None;
        }
        place.parse(|text| text.parse().ok())
    }
}

impl ReadValue for ClusterId {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok())
    }
}

impl ReadValue for FederationId {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok())
    }
}

impl ReadValue for LogFilter {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok())
    }
}

impl std::str::FromStr for LogFilter {
    type Err = tracing_subscriber::filter::ParseError;
    /// Accepts what [`tracing_subscriber::EnvFilter`] does, by which log events are then chosen.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        tracing_subscriber::EnvFilter::builder().parse(text).map(|_| Self(text.to_owned()))
    }
}

impl FieldPlace<'_> {
    /// The index of the word that stands here among the table's.
    pub fn choice(&mut self) -> Option<&'static str> {
        let ValueKind::Choice(words) = self.kind else { unreachable!("no choice at {}", self.path) };
        self.parse(|text| words.iter().find(|word| **word == text).copied())
    }
}

fn count(place: &mut FieldPlace<'_>) -> Option<u64> {
    let ValueKind::Count { min, max } = place.kind else { unreachable!("no count at {}", place.path) };
    let text = place.plain()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        place.wrong_type();
        return None;
    }
    let within = text.parse().ok().filter(|count| (*min..=*max).contains(count));
    if within.is_none() {
        place.out_of_range();
    }
    within
}

/// `500ms`, `15s`, `10m`, `1h`, `7d`; a number without unit is none, so that nobody has to guess which was meant.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit_bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit_bytes)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..unit].parse().ok()?, &text[unit..]))
}

/// 100 characters leave room for two ids and the log's name within Kafka's 249.
fn topic_prefix(text: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (text.len() <= 100 && text.chars().all(legal)).then(|| text.to_owned())
}

fn context_path(text: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
    let valid = text.is_empty() || (text.starts_with('/') && !text.ends_with('/') && text.chars().all(legal));
    valid.then(|| text.to_owned())
}
