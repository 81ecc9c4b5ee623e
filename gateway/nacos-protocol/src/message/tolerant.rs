//! Reading what servers and clients of many ages write: an absent or null field is its default, text may come as a number and a number as text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::reading::{Coerced, Scalar};

/// A field type that can be read from null.
pub(crate) trait Tolerant: Sized {
    /// Reads the value; null gives the default.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn read<'de, T: Tolerant, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// A scalar that Jackson would turn into this type: `"80"` is a number, `"true"` a flag, null nothing.
struct Scalars<T>(std::marker::PhantomData<T>);

impl<T: Coerced> Scalars<T> {
    fn of<E: Error>(scalar: Scalar<'_>) -> Result<T, E> {
        T::of(scalar).ok_or_else(|| E::custom("a value of another type"))
    }
}

impl<T: Coerced> Visitor<'_> for Scalars<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, a flag or a text of one")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Self::of(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        Self::of(Scalar::Truth(truth))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Self::of(Scalar::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Self::of(Scalar::Number(&number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Self::of(Scalar::Number(&number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Self::of(Scalar::Number(&number.to_string()))
    }
}

fn scalar<'de, T: Coerced, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Scalars(std::marker::PhantomData))
}

macro_rules! scalar_of_any_type {
    ($($type:ty),*) => { $(impl Tolerant for $type {
        fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            scalar(deserializer)
        }
    })* };
}
scalar_of_any_type!(bool, i32, i64);

fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! null_is_default {
    ($($type:ty),*) => { $(impl Tolerant for $type {
        fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            or_default(deserializer)
        }
    })* };
}
null_is_default!(BTreeMap<String, bool>);

impl<T: for<'de> Deserialize<'de>> Tolerant for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        or_default(deserializer)
    }
}

impl<T: for<'de> Deserialize<'de>> Tolerant for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl Tolerant for String {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Text::deserialize(deserializer)?.0.unwrap_or_default())
    }
}

/// A null value is left out: for a Java reader both mean "no such key".
impl Tolerant for BTreeMap<String, String> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Option::<BTreeMap<String, Text>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(texts.into_iter().filter_map(|(key, text)| Some((key, text.0?))).collect())
    }
}

/// True unless the field says false: for fields whose absence means true.
pub(super) fn true_unless_said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    /// A flag, or null.
    struct Flag(Option<bool>);
    impl Coerced for Flag {
        fn of(scalar: Scalar<'_>) -> Option<Self> {
            match scalar {
                Scalar::Null => Some(Self(None)),
                other => bool::of(other).map(|flag| Self(Some(flag))),
            }
        }
    }
    Ok(scalar::<Flag, D>(deserializer)?.0.unwrap_or(true))
}

/// A weight; null is 1, as if it were absent. What is not a finite number ("NaN", "Infinity": Java writes these as text) is 0, so that no traffic follows nonsense.
pub(super) fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Text::deserialize(deserializer)?.0 {
        None => Ok(1.0),
        Some(text) => {
            let weight: f64 = text.parse().map_err(|_| D::Error::custom("weight is not a number"))?;
            Ok(if weight.is_finite() { weight } else { 0.0 })
        }
    }
}

/// Any JSON value as text; null is `None`; numbers, booleans, arrays and objects are their JSON.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(Some(text)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        let value = serde_json::Value::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Text(Some(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Text, A::Error> {
        let value = serde_json::Value::deserialize(serde::de::value::SeqAccessDeserializer::new(sequence))?;
        Ok(Text(Some(value.to_string())))
    }
}
