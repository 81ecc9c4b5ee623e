//! The small sections: `replica`, `locality`, `advertise`, `freshness`, `telemetry` and `log`.

use std::collections::BTreeMap;
use std::time::Duration;

use federation_core::routing::AdvertisedAddress;
use url::Url;

use federation_document::reader::{FieldPlace, ReadValue};
use federation_document::values::{LogFilter, Ratio};

/// When a silent cluster counts as stale and as lost: `3 × beat <= stale_after < lost_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessConfig {
    /// From one of the leader's beats to the next.
    pub beat: Duration,
    /// Age from which a cluster is stale.
    pub stale_after: Duration,
    /// Age from which a cluster is lost.
    pub lost_after: Duration,
}

/// Traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Where traces go; `None` for nowhere.
    pub otlp: Option<Url>,
    /// Share of the changes that are traced.
    pub sample_ratio: Ratio,
}

/// The program's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged.
    pub level: LogFilter,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What was written of the replica.
pub(super) struct Replica {
    pub(super) name: Option<String>,
}

impl ReadValue for Replica {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| Some(Self { name: fields.maybe("name")? }))
    }
}

/// Where the cluster's instances are reached from other networks, by network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdvertiseConfig(pub BTreeMap<String, AdvertisedAddress>);

impl ReadValue for AdvertiseConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let addresses = BTreeMap::<String, AdvertisedAddress>::read(place)?;
        if let Some(wrong) = addresses.keys().find(|network| network.is_empty() || network.trim() != **network) {
            let problem =
                if wrong.is_empty() { "a network without a name" } else { "a network's name with blanks around it" };
            place.add_below(wrong, problem, "the name of another network");
            return None;
        }
        Some(Self(addresses))
    }
}

impl ReadValue for FreshnessConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let beat = fields.get::<Duration>("beat");
            let stale_after = fields.get::<Duration>("stale_after");
            let lost_after = fields.get::<Duration>("lost_after");
            let (beat, stale_after, lost_after) = (beat?, stale_after?, lost_after?);
            if stale_after < beat * 3 {
                fields.mistake("stale_after", "shorter than three beats", "at least three times `beat`");
            }
            if lost_after <= stale_after {
                fields.mistake("lost_after", "not longer than stale_after", "longer than `stale_after`");
            }
            Some(Self { beat, stale_after, lost_after })
        })
    }
}

impl ReadValue for TelemetryConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let otlp = fields.maybe("otlp");
            let sample_ratio = fields.get("sample_ratio");
            Some(Self { otlp: otlp?, sample_ratio: sample_ratio? })
        })
    }
}

impl ReadValue for LogConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let format = fields.get("format");
            let level = fields.get("level");
            Some(Self { format: format?, level: level? })
        })
    }
}

impl ReadValue for LogFormat {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.choice().map(|word| if word == "json" { Self::Json } else { Self::Text })
    }
}
