//! Keys of records (rule R2) and the partition that a key belongs to (rule R23).
//!
//! A key is text: fields parted by 0x1F, all fields always present. Inside a field the bytes below 0x20, 0x7F and `%`
//! are percent-encoded, so a field never contains a separator, whatever name Nacos allowed.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

use crate::escape;
use crate::id::{ConfigKey, InstanceId, ObservedSubject, ServiceKey};

/// Parts the fields of a key.
pub const SEPARATOR: char = '\u{1f}';
const SEPARATOR_TEXT: &str = "\u{1f}";

/// Key of a record of a data topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DataKey {
    /// `i·namespace·group·service·ip·port·nacosCluster`
    Instance(ServiceKey, InstanceId),
    /// `c·namespace·group·dataId`
    Config(ConfigKey),
}

/// What a key of a data topic can be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordKey {
    /// A fact of the origin; counted in digests.
    Data(DataKey),
    /// `checkpoint`: the origin's statement of count and digest at this place.
    Checkpoint,
    /// `census·NN`: the origin's statement of all keys of this bucket (rule R20).
    Census(u8),
    /// Well formed but of a type that this version does not know (also `s·…`): ignored.
    Other,
    /// Not well formed: ignored and counted.
    Malformed,
}

impl DataKey {
    /// The service or config item that it is about.
    #[must_use]
    pub fn subject(&self) -> ObservedSubject {
        match self {
            Self::Instance(service, _) => ObservedSubject::Service(service.clone()),
            Self::Config(config) => ObservedSubject::Config(config.clone()),
        }
    }

    /// The key's text as it stands in the log.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(96);
        match self {
            Self::Instance(service, id) => {
                text.push('i');
                push_fields(&mut text, [service.namespace(), service.group(), service.service(), &id.ip]);
                let _ = write!(text, "{SEPARATOR}{}", id.port);
                push_fields(&mut text, [&id.nacos_cluster]);
            }
            Self::Config(config) => {
                text.push('c');
                push_fields(&mut text, [config.namespace(), config.group(), config.data_id()]);
            }
        }
        text
    }

    /// The partition of this key among `partitions`: XXH3-64, seed 0, of the encoded first three name fields with their
    /// separators between them, modulo `partitions`. All instances of a service share one partition.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn partition(&self, partitions: u32) -> u32 {
        let hash = match self {
            Self::Instance(service, _) => NameHash::of_service(service),
            Self::Config(config) => NameHash::of_config(config),
        };
        hash.partition(partitions)
    }
}

/// Hash of a name: says in which partition what has that name is, whatever their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHash(u64);

/// Names that are shorter, with their separators, are hashed without an allocation.
const SHORT_NAME: usize = 256;

impl NameHash {
    /// Of a service: all its instances share a partition.
    #[must_use]
    pub fn of_service(service: &ServiceKey) -> Self {
        Self::of([service.namespace(), service.group(), service.service()])
    }

    /// Of a config item.
    #[must_use]
    pub fn of_config(config: &ConfigKey) -> Self {
        Self::of([config.namespace(), config.group(), config.data_id()])
    }

    /// The partition among `partitions`.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn partition(self, partitions: u32) -> u32 {
        u32::try_from(self.0 % u64::from(partitions)).expect("a remainder of a u32 is a u32")
    }

    fn of(parts: [&str; 3]) -> Self {
        let [namespace, group, own] = parts;
        let length = namespace.len() + group.len() + own.len() + 2;
        if length > SHORT_NAME || !parts.into_iter().all(escape::is_plain) {
            let mut text = String::with_capacity(length);
            escape::push(&mut text, namespace, &[]);
            push_fields(&mut text, [group, own]);
            return Self(xxh3_64(text.as_bytes()));
        }
        let mut bytes = [0; SHORT_NAME];
        let mut at = 0;
        for part in [namespace, SEPARATOR_TEXT, group, SEPARATOR_TEXT, own] {
            bytes[at..at + part.len()].copy_from_slice(part.as_bytes());
            at += part.len();
        }
        Self(xxh3_64(&bytes[..at]))
    }
}

/// The partition of an encoded `namespace·group·name` among `partitions`.
///
/// # Panics
/// If `partitions` is 0.
#[must_use]
pub fn partition_of(encoded_name: &[u8], partitions: u32) -> u32 {
    NameHash(xxh3_64(encoded_name)).partition(partitions)
}

impl RecordKey {
    /// Reads the key of a data topic's record.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else { return Self::Malformed };
        let fields: Vec<&str> = text.split(SEPARATOR).collect();
        match fields.as_slice() {
            ["checkpoint"] => Self::Checkpoint,
            ["census", bucket] => parse_bucket(bucket).map_or(Self::Malformed, Self::Census),
            ["i", fields @ ..] => parse_instance(fields).map_or(Self::Malformed, Self::Data),
            ["c", fields @ ..] => parse_config(fields).map_or(Self::Malformed, Self::Data),
            _ => Self::Other,
        }
    }

    /// The key's text as it stands in the log; `None` for keys that this version does not write.
    #[must_use]
    pub fn encode(&self) -> Option<String> {
        match self {
            Self::Data(key) => Some(key.encode()),
            Self::Checkpoint => Some("checkpoint".to_owned()),
            Self::Census(bucket) => Some(format!("census{SEPARATOR}{bucket:02x}")),
            Self::Other | Self::Malformed => None,
        }
    }
}

fn parse_instance(fields: &[&str]) -> Option<DataKey> {
    let [namespace, group, service, ip, port, nacos_cluster] = fields else { return None };
    let service = ServiceKey::new(&decode(namespace)?, &decode(group)?, &decode(service)?);
    let port: u16 = port.parse().ok().filter(|number: &u16| number.to_string() == **port)?;
    Some(DataKey::Instance(service, InstanceId::new(&decode(ip)?, port, &decode(nacos_cluster)?)))
}

/// Two lower-case hexadecimal digits.
fn parse_bucket(text: &str) -> Option<u8> {
    u8::from_str_radix(text, 16).ok().filter(|bucket| format!("{bucket:02x}") == text)
}

fn parse_config(fields: &[&str]) -> Option<DataKey> {
    let [namespace, group, data_id] = fields else { return None };
    Some(DataKey::Config(ConfigKey::new(&decode(namespace)?, &decode(group)?, &decode(data_id)?)))
}

fn decode(field: &str) -> Option<String> {
    escape::undo(field, &[])
}

fn push_fields<const N: usize>(text: &mut String, fields: [&str; N]) {
    for field in fields {
        text.push(SEPARATOR);
        escape::push(text, field, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_documented_text() {
        let service = ServiceKey::new("", "DEFAULT_GROUP", "a%b\u{1f}c\nd");
        let instance = DataKey::Instance(service, InstanceId::new("fe80::1", 8080, "DEFAULT"));
        assert_eq!(
            instance.encode(),
            "i\u{1f}\u{1f}DEFAULT_GROUP\u{1f}a%25b%1Fc%0Ad\u{1f}fe80::1\u{1f}8080\u{1f}DEFAULT"
        );
        let config = DataKey::Config(ConfigKey::new("public", "g", "设置.yaml"));
        assert_eq!(config.encode(), "c\u{1f}public\u{1f}g\u{1f}设置.yaml");
    }

    #[test]
    fn a_name_is_hashed_as_its_encoded_text_whatever_is_in_it_and_however_long_it_is() {
        for (namespace, group, own) in [
            ("", "", ""),
            ("public", "DEFAULT_GROUP", "orders"),
            ("", "设置", "a%b\u{1f}c\nd\u{7f}"),
            ("n", "g", "x".repeat(251).as_str()),
            ("n", "g", "x".repeat(252).as_str()),
            ("n", "g", "x".repeat(253).as_str()),
        ] {
            let key = DataKey::Config(ConfigKey::new(namespace, group, own));
            let encoded = key.encode();
            assert_eq!(key.partition(u32::MAX), partition_of(&encoded.as_bytes()[2..], u32::MAX), "{encoded:?}");
        }
    }

    #[test]
    fn a_key_that_the_encoder_would_not_write_is_malformed() {
        for (text, want) in [
            ("checkpoint", RecordKey::Checkpoint),
            ("census\u{1f}07", RecordKey::Census(7)),
            ("census\u{1f}fe", RecordKey::Census(254)),
            ("census\u{1f}FE", RecordKey::Malformed),
            ("census\u{1f}7", RecordKey::Malformed),
            ("census\u{1f}+7", RecordKey::Malformed),
            ("census\u{1f}100", RecordKey::Malformed),
            ("s\u{1f}a\u{1f}b\u{1f}c", RecordKey::Other),
            ("i\u{1f}a\u{1f}b\u{1f}c\u{1f}1.2.3.4\u{1f}080\u{1f}D", RecordKey::Malformed),
            ("i\u{1f}a\u{1f}b\u{1f}c\u{1f}1.2.3.4\u{1f}65536\u{1f}D", RecordKey::Malformed),
            ("i\u{1f}a\u{1f}b", RecordKey::Malformed),
            ("c\u{1f}a\u{1f}b\u{1f}%41", RecordKey::Malformed),
            ("c\u{1f}a\u{1f}b\u{1f}%1f", RecordKey::Malformed),
            ("c\u{1f}a\u{1f}b\u{1f}%+1", RecordKey::Malformed),
            ("c\u{1f}a\u{1f}b\u{1f}%F", RecordKey::Malformed),
            ("c\u{1f}a\u{1f}b\u{1f}%ä", RecordKey::Malformed),
        ] {
            assert_eq!(RecordKey::parse(text.as_bytes()), want, "{text:?}");
        }
        assert_eq!(RecordKey::parse(&[0xff]), RecordKey::Malformed);
    }
}
