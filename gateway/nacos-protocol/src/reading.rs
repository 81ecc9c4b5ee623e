//! What clients write, read as Nacos reads it: one reader for all doors, the parameters and the JSON of HTTP and the JSON of gRPC.
//!
//! Nacos is written in Java: JSON is bound by Jackson, which turns scalars of one type into another's (`"80"` is a port, `1.50` in metadata is
//! the text `1.50`, null is zero), parameters are parsed by Java's own functions, and metadata may be written as pairs of text. Clients of all ages rest on
//! that; what is refused here and taken there is an outage after a move, and what is taken here and refused there is found out when somebody
//! moves back. So the rules are theirs to the letter, and were taken from what servers of both lines answered.
//!
//! This is for what is *written* to a server. What a server says is read by the messages' own, more forgiving rules: one odd field of one instance must
//! not hide a whole service.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::message::naming::NacosInstance;

/// A text that cannot be read as what is needed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableText(String);

/// A number as Java's `Integer.parseInt` takes it: digits with perhaps a sign, within 32 bits.
#[must_use]
pub fn int(text: &str) -> Option<i32> {
    text.parse().ok() // Rust's rules are the same.
}

/// A number as Java's `Double.parseDouble` takes it: blanks around it, `NaN`, `Infinity` and a `d` or `f` behind it are legal, `inf` is not.
#[must_use]
pub fn double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let number = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    // What Rust reads beside numbers begins with a letter (inf, nan) or a second sign.
    let numeric = number.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    number.parse::<f64>().ok().filter(|_| numeric).map(|number| sign * number)
}

/// Whether a parameter says yes, by the words that Nacos knows; anything else is no.
#[must_use]
pub fn flag(text: &str) -> bool {
    ["true", "yes", "on", "y", "t"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Metadata as a parameter: a JSON object of scalars, or pairs like `a=b,c=d`. What follows the object is not looked at. Of the pairs each has exactly one
/// sign, apart from signs at its end, and something behind it.
///
/// # Errors
/// It is neither.
pub fn metadata(text: &str) -> Result<BTreeMap<String, String>, UnreadableText> {
    let json: Result<Option<Texts>, _> = first_value(text);
    match json {
        Ok(texts) => Ok(texts.unwrap_or_default().0),
        Err(_) => pairs(text),
    }
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, UnreadableText> {
    let pair = |pair: &str| match *split(pair, '=') {
        [key, value] => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UnreadableText(format!("metadata format incorrect: {text}"))),
    };
    split(text, ',').into_iter().map(pair).collect()
}

/// As Java splits: empty parts at the end are none.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.last() == Some(&"") {
        parts.pop();
    }
    parts
}

/// What an HTTP client says of itself with every beat.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct ClientBeat {
    /// Address; may be missing.
    #[serde(deserialize_with = "coerced")]
    pub ip: String,
    /// Port, 0 where none is said.
    #[serde(deserialize_with = "coerced")]
    pub port: i32,
    /// Weight, 0 where none is said: as Nacos has it.
    #[serde(deserialize_with = "coerced")]
    pub weight: f64,
    /// Nacos cluster; empty where none is said.
    #[serde(deserialize_with = "coerced")]
    pub cluster: String,
    /// Pairs; none where nothing or null is said.
    #[serde(deserialize_with = "texts")]
    pub metadata: BTreeMap<String, String>,
}

impl ClientBeat {
    /// Reads the parameter `beat`.
    ///
    /// # Errors
    /// It is no JSON object, or holds something that Nacos does not take there.
    pub fn parse(text: &str) -> Result<Self, UnreadableText> {
        if text.trim_start().starts_with('[') {
            return Err(UnreadableText("a list in place of an object".into())); // serde would read it field by field.
        }
        first_value(text).map_err(|error| UnreadableText(error.to_string()))
    }
}

/// An instance as a client registers it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Registration {
    #[serde(deserialize_with = "coerced")]
    instance_id: String,
    #[serde(deserialize_with = "coerced")]
    ip: String,
    #[serde(deserialize_with = "coerced")]
    port: i32,
    #[serde(deserialize_with = "coerced")]
    weight: f64,
    #[serde(deserialize_with = "coerced")]
    healthy: bool,
    #[serde(deserialize_with = "coerced")]
    enabled: bool,
    #[serde(deserialize_with = "coerced")]
    ephemeral: bool,
    #[serde(deserialize_with = "coerced")]
    cluster_name: String,
    #[serde(deserialize_with = "coerced")]
    service_name: String,
    #[serde(deserialize_with = "texts")]
    metadata: BTreeMap<String, String>,
}

impl Default for Registration {
    fn default() -> Self {
        let NacosInstance {
            instance_id,
            ip,
            port,
            weight,
            healthy,
            enabled,
            ephemeral,
            cluster_name,
            service_name,
            metadata,
        } = NacosInstance::default();
        Self { instance_id, ip, port, weight, healthy, enabled, ephemeral, cluster_name, service_name, metadata }
    }
}

impl From<Registration> for NacosInstance {
    fn from(said: Registration) -> Self {
        let Registration {
            instance_id,
            ip,
            port,
            weight,
            healthy,
            enabled,
            ephemeral,
            cluster_name,
            service_name,
            metadata,
        } = said;
        Self { instance_id, ip, port, weight, healthy, enabled, ephemeral, cluster_name, service_name, metadata }
    }
}

/// What a client offers to register; `None` where it says nothing or null, which Nacos refuses.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct OfferedValue<T>(pub Option<T>);

impl<T> OfferedValue<T> {
    /// Whether nothing is offered; then nothing is written, not even null.
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> From<T> for OfferedValue<T> {
    fn from(offered: T) -> Self {
        Self(Some(offered))
    }
}

impl crate::message::Tolerant for OfferedValue<NacosInstance> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<Registration>::deserialize(deserializer)?.map(NacosInstance::from)))
    }
}

impl crate::message::Tolerant for OfferedValue<Vec<NacosInstance>> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let set = Option::<Vec<Registration>>::deserialize(deserializer)?;
        Ok(Self(set.map(|set| set.into_iter().map(NacosInstance::from).collect())))
    }
}

/// The first JSON value of a text; what follows is not looked at.
fn first_value<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, serde_json::Error> {
    T::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// A JSON value before it is known what it should be.
pub(crate) enum Scalar<'a> {
    Null,
    Text(String),
    /// As it is written.
    Number(&'a str),
    Truth(bool),
    /// An object or a list.
    Structure,
    /// A text with half of a surrogate pair: legal where JSON is only looked over, and no text of any language but Java's.
    Broken,
}

impl<'a> From<&'a RawValue> for Scalar<'a> {
    fn from(raw: &'a RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_or(Self::Broken, Self::Text),
            Some(b'{' | b'[') => Self::Structure,
            Some(b't') => Self::Truth(true),
            Some(b'f') => Self::Truth(false),
            Some(b'n') => Self::Null,
            _ => Self::Number(text),
        }
    }
}

/// A type that scalars of other types are turned into, as Jackson does. `None`: this one is refused there.
pub(crate) trait Coerced: Sized {
    fn of(scalar: Scalar<'_>) -> Option<Self>;
}

impl Coerced for Option<String> {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Null => Some(None),
            Scalar::Text(text) => Some(Some(text)),
            Scalar::Number(literal) => Some(Some(literal.to_owned())),
            Scalar::Truth(truth) => Some(Some(truth.to_string())),
            Scalar::Structure | Scalar::Broken => None,
        }
    }
}

impl Coerced for String {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        Option::<Self>::of(scalar).map(Option::unwrap_or_default)
    }
}

impl Coerced for i64 {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Null => Some(0),
            Scalar::Text(text) if text.trim().is_empty() => Some(0),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Number(literal) => literal.parse().ok().or_else(|| truncated(double(literal)?)),
            Scalar::Truth(_) | Scalar::Structure | Scalar::Broken => None,
        }
    }
}

/// The whole part of a number that has another.
fn truncated(number: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "within 53 bits, and the fraction is to go")]
    (number.abs() < 9e15).then_some(number as i64)
}

impl Coerced for i32 {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        i64::of(scalar)?.try_into().ok()
    }
}

impl Coerced for f64 {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Null => Some(0.0),
            Scalar::Text(text) if text.trim().is_empty() => Some(0.0),
            Scalar::Text(text) => double(&text),
            Scalar::Number(literal) => double(literal),
            Scalar::Truth(_) | Scalar::Structure | Scalar::Broken => None,
        }
    }
}

impl Coerced for bool {
    fn of(scalar: Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Null => Some(false),
            Scalar::Truth(truth) => Some(truth),
            Scalar::Text(text) => match text.trim() {
                "" | "false" | "False" | "FALSE" => Some(false),
                "true" | "True" | "TRUE" => Some(true),
                _ => None,
            },
            Scalar::Number(literal) => literal.parse::<i64>().ok().map(|number| number != 0),
            Scalar::Structure | Scalar::Broken => None,
        }
    }
}

fn coerced<'de, T: Coerced, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let refused = || D::Error::custom(format_args!("{} does not fit", raw.get().chars().take(64).collect::<String>()));
    T::of(Scalar::from(&*raw)).ok_or_else(refused)
}

/// Pairs of text, of scalars of any type; a pair with null is left out: to a reader in Java both mean "no such key".
#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let text = |(key, raw): (String, Box<RawValue>)| match Option::<String>::of(Scalar::from(&*raw)) {
            Some(text) => Ok(text.map(|text| (key, text))),
            None => Err(D::Error::custom(format_args!("the value of {key:?} is no text"))),
        };
        Ok(Self(raw.into_iter().filter_map(|pair| text(pair).transpose()).collect::<Result<_, _>>()?))
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::<Texts>::deserialize(deserializer)?.unwrap_or_default().0)
}

#[cfg(test)]
mod tests;
