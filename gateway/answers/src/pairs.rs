//! Names and values as an object, in the order in which they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use federation_core::instance::Metadata;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn write<S: Serializer>(metadata: &Metadata, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metadata.iter())
}

pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, Metadata>, D::Error> {
    let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(Cow::Owned(pairs.into_iter().collect()))
}

/// Names and values in a list.
pub(crate) type List<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

pub(crate) fn write_list<S: Serializer>(
    list: &[(Cow<'_, str>, Cow<'_, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(list.iter().map(|(name, value)| (name, value)))
}

pub(crate) fn read_list<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<List<'a>, D::Error> {
    struct Pairs<'a>(PhantomData<&'a ()>);

    impl<'de, 'a> Visitor<'de> for Pairs<'a> {
        type Value = List<'a>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<'a>, A::Error> {
            let mut list = List::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                list.push((name.into(), value.into()));
            }
            Ok(list)
        }
    }

    deserializer.deserialize_map(Pairs(PhantomData))
}
