//! How values with rules of their own are written and read by serde: as the text or number that they are made from, and judged when read.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::guard::GuardTarget;
use crate::id::{ClusterId, ConfigKey, ServiceKey};
use crate::instance::{Metadata, Weight};
use crate::intents::{DrainTarget, OrderCounter};
use crate::pattern::Glob;
use crate::percent::Percent;

/// Written as `$write` makes it of the value, read as `$read` makes the value of that.
macro_rules! written_as {
    ($type:ty, $written:ty, $write:expr, $read:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let write: fn(&$type) -> $written = $write;
                write(self).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read: fn($written) -> Result<$type, String> = $read;
                read(<$written>::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

type Three = (String, String, String);

written_as!(ClusterId, String, |id| id.to_string(), |text| text.parse().map_err(told));
written_as!(DrainTarget, String, |target| target.to_string(), |text| text.parse().map_err(told));
written_as!(GuardTarget, String, |target| target.to_string(), |text| text.parse().map_err(told));
written_as!(Glob, String, |glob| glob.as_str().to_owned(), |text| text.parse().map_err(told));
written_as!(Weight, f64, |weight| weight.get(), |number| Self::try_from(number).map_err(told));
written_as!(Percent, u8, |percent| percent.get(), |number| Self::new(number).ok_or_else(|| out_of_range(number)));
written_as!(OrderCounter, u64, |counter| counter.get(), |number| Self::new(number).ok_or_else(|| out_of_range(number)));
written_as!(ServiceKey, Three, |key| (key.namespace().into(), key.group().into(), key.service().into()), |(
    namespace,
    group,
    service,
)| Ok(
    Self::new(&namespace, &group, &service)
));
written_as!(ConfigKey, Three, |key| (key.namespace().into(), key.group().into(), key.data_id().into()), |(
    namespace,
    group,
    data_id,
)| Ok(
    Self::new(&namespace, &group, &data_id)
));
written_as!(
    Metadata,
    Vec<(String, String)>,
    |metadata| metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    |pairs| Ok(pairs.into_iter().collect())
);

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn out_of_range(number: impl std::fmt::Display) -> String {
    format!("{number} is out of range")
}
