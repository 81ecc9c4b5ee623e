//! Section `kafka`: where the federation log is kept and how.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use federation_codec::seal::SealsOwn;
use rdkafka::ClientConfig;

use federation_document::reader::{FieldPlace, MappingFields, ReadValue};
use federation_document::secret::{MASK, is_sensitive};
use federation_document::values::{ByteCount, HostPort, PropertyText, ReservedValue};

use super::weakness::{SectionWeakness, is_on_this_machine};

/// The Kafka that keeps the federation log.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Addresses to start from, at least one.
    pub brokers: Vec<HostPort>,
    /// Further properties of every client; none that the log fixes.
    pub properties: KafkaProperties,
    /// Files with further ones.
    pub properties_files: KafkaPropertyFiles,
    /// Settings of this cluster's topics.
    pub topics: TopicsConfig,
    /// Begins the name of every topic.
    pub topic_prefix: String,
    /// How contents of config items are sealed; `None`: they are not.
    pub sealing: Option<SealingConfig>,
}

/// How contents of config items are sealed, on the log and in snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingConfig {
    /// A file of keys.
    pub key_file: PathBuf,
    /// Whether own items are sealed, or only those of others opened.
    pub seals: SealsOwn,
}

impl KafkaConfig {
    /// What others on the line to brokers beyond this machine can read or forge.
    pub(super) fn weakness(&self) -> Option<SectionWeakness> {
        if self.brokers.iter().all(is_on_this_machine) {
            return None;
        }
        let (what, right) = self.properties.weakness(&self.properties_files)?;
        Some(SectionWeakness { field: "properties", what, right })
    }
}

impl KafkaProperties {
    /// What is weak, and what would be right.
    fn weakness(&self, files: &KafkaPropertyFiles) -> Option<(&'static str, &'static str)> {
        let value = |name: &str| self.0.get(name).map(|value| value.to_ascii_lowercase());
        let has = |beginning: &str| self.0.keys().chain(files.0.keys()).any(|name| name.starts_with(beginning));
        let protocol = value("security.protocol").unwrap_or_else(|| "plaintext".to_owned());
        let (tls, sasl) = (protocol.ends_with("ssl"), protocol.starts_with("sasl_"));
        if tls && value("enable.ssl.certificate.verification").is_some_and(|value| is_off(&value)) {
            return Some(("certificates of brokers are not verified", "no enable.ssl.certificate.verification: false"));
        }
        if tls && value("ssl.endpoint.identification.algorithm").is_some_and(|value| value == "none") {
            return Some(("host names of brokers are not verified", "ssl.endpoint.identification.algorithm: https"));
        }
        if !tls && has("ssl.") {
            return Some(("settings of TLS, which is not spoken", "security.protocol: ssl, or sasl_ssl"));
        }
        if !sasl && has("sasl.") {
            return Some(("settings of SASL, which is not used", "security.protocol: sasl_ssl"));
        }
        (sasl && !tls).then_some(("SASL without TLS", "security.protocol: sasl_ssl"))
    }
}

/// As librdkafka reads it.
fn is_off(value: &str) -> bool {
    matches!(value, "false" | "f" | "0" | "no" | "n" | "off")
}

/// Properties for librdkafka by name. Printed with secrets masked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(pub BTreeMap<String, String>);

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |(name, value): (&String, &String)| {
            (name.clone(), if is_sensitive(name) { MASK.to_owned() } else { value.clone() })
        };
        f.debug_map().entries(self.0.iter().map(masked)).finish()
    }
}

/// Files with values of properties, by name; not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaPropertyFiles(pub BTreeMap<String, PathBuf>);

/// How topics are created and what is verified of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// Of each data topic, 1 to 256.
    pub partitions: u32,
    /// `None` for the broker's default.
    pub replication_factor: Option<u16>,
    /// Of the control topic.
    pub control: CompactionConfig,
    /// Of the data topics.
    pub data: CompactionConfig,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag: Duration,
    /// `delete.retention.ms`, at least a day.
    pub delete_retention: Duration,
    /// `max.message.bytes`.
    pub max_message_bytes: ByteCount,
}

/// When a topic is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionConfig {
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag: Duration,
    /// `segment.ms`.
    pub segment: Duration,
}

/// Properties that the log's rules fix, with the reason or what to write in their place.
const FIXED_PROPERTIES: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.brokers"),
    ("metadata.broker.list", "kafka.brokers"),
    ("message.max.bytes", "kafka.topics.max_message_bytes"),
    ("acks", NO_LOSS),
    ("request.required.acks", NO_LOSS),
    ("enable.idempotence", NO_LOSS),
    ("enable.gapless.guarantee", NO_LOSS),
    ("transactional.id", NO_LOSS),
    ("message.timeout.ms", PERMISSION),
    ("delivery.timeout.ms", PERMISSION),
    ("auto.offset.reset", FULL_READ),
    ("enable.partition.eof", FULL_READ),
    ("group.id", FULL_READ),
    ("group.instance.id", FULL_READ),
    ("group.protocol", FULL_READ),
    ("enable.auto.commit", FULL_READ),
    ("enable.auto.offset.store", FULL_READ),
    ("partitioner", "nothing here: every record names its partition"),
    ("allow.auto.create.topics", "nothing here: topics are created with their settings, never by chance"),
];
const NO_LOSS: &str = "nothing here: the log fixes it, so that no acknowledged record is lost or repeated";
const PERMISSION: &str =
    "nothing here: the log fixes it, so that a deposed leader's records expire with its permission";
const FULL_READ: &str = "nothing here: the log fixes it, because every gateway reads every partition whole";

impl ReadValue for KafkaConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let brokers = fields.get("brokers");
            let properties = fields.get::<KafkaProperties>("properties");
            let properties_files = fields.get::<KafkaPropertyFiles>("properties_files");
            let topics = fields.get("topics");
            let topic_prefix = fields.get("topic_prefix");
            let insecure = fields.get::<bool>("insecure");
            let sealing = fields.maybe("encrypt_configs");
            let read_also = fields.get::<ReservedValue>("read_also");
            let (properties, properties_files) = (properties?, properties_files?);
            if let Some(twice) = properties_files.0.keys().find(|name| properties.0.contains_key(*name)) {
                let problem = format!("{twice} is in `properties` as well");
                fields.mistake("properties_files", &problem, "each property once");
                return None;
            }
            let (brokers, topics, topic_prefix, sealing) = (brokers?, topics?, topic_prefix?, sealing?);
            let kafka = Self { brokers, properties, properties_files, topics, topic_prefix, sealing };
            SectionWeakness::refuse(fields, kafka.weakness(), insecure?)?;
            read_also.map(|ReservedValue| kafka)
        })
    }
}

impl ReadValue for SealingConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let key_file = fields.get("key_file");
            let seal = fields.get::<bool>("seal");
            Some(Self { key_file: key_file?, seals: if seal? { SealsOwn::Yes } else { SealsOwn::No } })
        })
    }
}

impl ReadValue for KafkaProperties {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let properties = BTreeMap::<String, PropertyText>::read(place)?;
        let mistakes_before = place.mistakes.count();
        for (name, PropertyText(value)) in &properties {
            if let Some(expected) = fixed(name) {
                place.add_below(name, "a property that must not be set", expected);
            } else if let Err(error) = ClientConfig::new().set(name, value).create_native_config() {
                place.add_below(
                    name,
                    &refusal(&error, name),
                    "a property of librdkafka 2.12 with a value that it takes",
                );
            }
        }
        let good = place.mistakes.count() == mistakes_before;
        good.then(|| Self(properties.into_iter().map(|(name, PropertyText(value))| (name, value)).collect()))
    }
}

fn fixed(name: &str) -> Option<&'static str> {
    FIXED_PROPERTIES.iter().find(|(fixed, _)| *fixed == name).map(|(_, expected)| *expected)
}

impl ReadValue for KafkaPropertyFiles {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let files = BTreeMap::<String, PathBuf>::read(place)?;
        let mistakes_before = place.mistakes.count();
        for name in files.keys() {
            if let Some(expected) = fixed(name) {
                place.add_below(name, "a property that must not be set", expected);
            }
        }
        (place.mistakes.count() == mistakes_before).then_some(Self(files))
    }
}

/// Why librdkafka does not take this value of a property, without the value; `None` if it does.
#[must_use]
pub fn refused_property(name: &str, value: &str) -> Option<String> {
    let refused = ClientConfig::new().set(name, value).create_native_config().is_err();
    refused.then(|| format!("librdkafka does not take it for {name}"))
}

/// The library's own words, which name the value, unless it may be a secret.
fn refusal(error: &rdkafka::error::KafkaError, name: &str) -> String {
    match error {
        rdkafka::error::KafkaError::ClientConfig(_, reason, ..) if !is_sensitive(name) => {
            format!("librdkafka refuses it: {reason}")
        }
        _ => "librdkafka refuses it".to_owned(),
    }
}

impl ReadValue for TopicsConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let partitions = fields.get("partitions");
            let replication_factor = fields.maybe("replication_factor");
            let control = fields.get("control");
            let data = fields.get("data");
            let min_compaction_lag = fields.get("min_compaction_lag");
            let delete_retention = fields.get("delete_retention");
            let max_message_bytes = fields.get("max_message_bytes");
            let topics = Self {
                partitions: partitions?,
                replication_factor: replication_factor?,
                control: control?,
                data: data?,
                min_compaction_lag: min_compaction_lag?,
                delete_retention: delete_retention?,
                max_message_bytes: max_message_bytes?,
            };
            check_lags(&topics, fields);
            Some(topics)
        })
    }
}

/// Kafka itself refuses a topic whose longest lag is below its shortest.
fn check_lags(topics: &TopicsConfig, fields: &mut MappingFields<'_>) {
    let shortest = topics.control.max_compaction_lag.min(topics.data.max_compaction_lag);
    if topics.min_compaction_lag > shortest {
        fields.mistake(
            "min_compaction_lag",
            "longer than a max_compaction_lag",
            "at most the shorter max_compaction_lag",
        );
    }
}

impl ReadValue for CompactionConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let max_compaction_lag = fields.get("max_compaction_lag");
            let segment = fields.get("segment");
            Some(Self { max_compaction_lag: max_compaction_lag?, segment: segment? })
        })
    }
}
