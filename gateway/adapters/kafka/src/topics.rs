//! The topics of a cluster (rule R23): their names, what is wanted of them, and whether they are so. Pure: who asks Kafka
//! is [`super::admin`].

use std::fmt;
use std::time::Duration;

use federation_core::id::{ClusterId, FederationId};
use federation_core::log::record::TopicKind;

use crate::options::TopicSettings;

/// Below this, a batch of small records could be larger than the topic takes, and all of them would fail with it. Kafka's own
/// default is a little more.
const LEAST_MAX_MESSAGE_BYTES: u64 = 1 << 20;
/// A removal must stay readable for at least this long, or a reader that was away would keep what is gone.
const LEAST_DELETE_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Kafka's name of the size of the largest batch that a topic takes.
pub const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Kafka's name of how long tombstones stay readable, ms.
pub const DELETE_RETENTION: &str = "delete.retention.ms";

/// Names of the topics of one federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Prefix and federation with their dots.
    before_cluster: String,
}

impl TopicNames {
    /// Names `<prefix><federation>.<cluster>.<kind>`.
    #[must_use]
    pub fn new(prefix: &str, federation: &FederationId) -> Self {
        Self { before_cluster: format!("{prefix}{federation}.") }
    }

    /// The name of a cluster's topic.
    #[must_use]
    pub fn of(&self, cluster: &ClusterId, kind: TopicKind) -> String {
        format!("{}{cluster}.{}", self.before_cluster, kind.as_str())
    }

    /// Whose topic a name is; `None` if it is no topic of this federation.
    #[must_use]
    pub fn parse(&self, topic: &str) -> Option<(ClusterId, TopicKind)> {
        let (cluster, kind) = topic.strip_prefix(&self.before_cluster)?.split_once('.')?;
        let kind = TopicKind::ALL.into_iter().find(|candidate| candidate.as_str() == kind)?;
        Some((cluster.parse().ok()?, kind))
    }
}

/// One setting of a topic: what it is created with, and what is accepted later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSetting {
    /// Kafka's name of it.
    pub name: &'static str,
    /// What a new topic gets.
    pub value: String,
    /// What an existing one must have: nothing is written to a topic that has not.
    pub required: Option<AcceptedDeviation>,
    /// What it had better have.
    pub advised: Option<AcceptedDeviation>,
    /// How bad it is not to have that.
    pub otherwise: FindingGrade,
}

/// Values that are accepted of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptedDeviation {
    /// This one.
    Exactly(String),
    /// This number or a greater one.
    AtLeast(u64),
    /// This number or a smaller one.
    AtMost(u64),
}

/// How bad another value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingGrade {
    /// Content would be lost or wrong: nothing is written to such a topic.
    Required,
    /// What was acknowledged can get lost with a broker: said as trouble, and lived with.
    Risky,
    /// Slower or larger than intended: said, and lived with.
    Advised,
}

/// A setting that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFinding {
    /// The topic.
    pub topic: String,
    /// Kafka's name of the setting.
    pub setting: &'static str,
    /// What it is; empty if Kafka did not tell.
    pub value: String,
    /// What is wanted.
    pub wanted: AcceptedDeviation,
    /// What follows.
    pub grade: FindingGrade,
}

impl fmt::Display for AcceptedDeviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(value) => f.write_str(value),
            Self::AtLeast(number) => write!(f, "at least {number}"),
            Self::AtMost(number) => write!(f, "at most {number}"),
        }
    }
}

impl fmt::Display for TopicFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {} has {}={}, wanted is {}", self.topic, self.setting, self.value, self.wanted)
    }
}

impl AcceptedDeviation {
    fn takes(&self, value: &str) -> bool {
        let number = || value.parse::<u64>().ok();
        match self {
            Self::Exactly(wanted) => value == wanted,
            Self::AtLeast(least) => number().is_some_and(|number| number >= *least),
            Self::AtMost(most) => number().is_some_and(|number| number <= *most),
        }
    }
}

/// What is wanted of a topic of this kind with this many copies.
#[must_use]
pub fn settings(topics: &TopicSettings, kind: TopicKind, copies: Option<u16>) -> Vec<TopicSetting> {
    let times = if kind == TopicKind::Control { topics.control } else { topics.data };
    let wished = |name, value: String, accepted, otherwise| TopicSetting {
        name,
        value,
        required: None,
        advised: Some(accepted),
        otherwise,
    };
    let advised = |name, value: String, accepted| wished(name, value, accepted, FindingGrade::Advised);
    let at_least = |name, number: u64| advised(name, number.to_string(), AcceptedDeviation::AtLeast(number));
    let at_most = |name, number: u64| advised(name, number.to_string(), AcceptedDeviation::AtMost(number));
    let required = |name, value: String, accepted| TopicSetting {
        name,
        value,
        required: Some(accepted),
        advised: None,
        otherwise: FindingGrade::Required,
    };
    let exactly = |value: &str| AcceptedDeviation::Exactly(value.to_owned());
    let mut settings = vec![
        required("cleanup.policy", "compact".to_owned(), exactly("compact")),
        required(
            DELETE_RETENTION,
            millis(topics.delete_retention).to_string(),
            AcceptedDeviation::AtLeast(millis(LEAST_DELETE_RETENTION)),
        ),
        TopicSetting {
            required: Some(AcceptedDeviation::AtLeast(LEAST_MAX_MESSAGE_BYTES)),
            ..at_least(MAX_MESSAGE_BYTES, topics.max_message_bytes)
        },
        at_least("min.compaction.lag.ms", millis(topics.min_compaction_lag)),
        at_most("max.compaction.lag.ms", millis(times.max_compaction_lag)),
        at_most("segment.ms", millis(times.segment)),
        wished("unclean.leader.election.enable", "false".to_owned(), exactly("false"), FindingGrade::Risky),
        // The broker's clock counts, not the gateway's: see `NO_TIMESTAMP`.
        advised("message.timestamp.type", "LogAppendTime".to_owned(), exactly("LogAppendTime")),
    ];
    if copies.is_some_and(|copies| copies >= 3) {
        settings.push(TopicSetting { otherwise: FindingGrade::Risky, ..at_least("min.insync.replicas", 2) });
    }
    settings
}

/// Compares a topic's settings, as `value_of` tells them, with what is wanted.
pub fn verify(topic: &str, wanted: &[TopicSetting], value_of: impl Fn(&str) -> Option<String>) -> Vec<TopicFinding> {
    let differs = |setting: &TopicSetting| {
        let value = value_of(setting.name).unwrap_or_default();
        let checks = [(&setting.required, FindingGrade::Required), (&setting.advised, setting.otherwise)];
        let failed = |(accepted, grade): (&Option<AcceptedDeviation>, FindingGrade)| {
            accepted.as_ref().filter(|accepted| !accepted.takes(&value)).map(|accepted| (accepted.clone(), grade))
        };
        let (wanted, grade) = checks.into_iter().find_map(failed)?;
        Some(TopicFinding { topic: topic.to_owned(), setting: setting.name, value, wanted, grade })
    };
    wanted.iter().filter_map(differs).collect()
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn names() -> TopicNames {
        TopicNames::new("nacos-fed.", &"demo".parse().unwrap())
    }

    #[test]
    fn a_topic_is_named_by_prefix_federation_cluster_and_kind() {
        let shanghai: ClusterId = "shanghai".parse().unwrap();
        for kind in TopicKind::ALL {
            let name = names().of(&shanghai, kind);
            assert_eq!(name, format!("nacos-fed.demo.shanghai.{}", kind.as_str()));
            assert_eq!(names().parse(&name), Some((shanghai.clone(), kind)));
        }
    }

    #[test]
    fn topics_of_others_are_not_ours() {
        for topic in [
            "nacos-fed.demo.shanghai",
            "nacos-fed.demo.shanghai.instances.g2",
            "nacos-fed.demo.Shanghai.instances",
            "nacos-fed.demo2.shanghai.instances",
            "nacos-fed.demo..instances",
            "demo.shanghai.instances",
            "a.nacos-fed.demo.shanghai.instances",
        ] {
            assert_eq!(names().parse(topic), None, "{topic}");
        }
    }

    /// Findings of a topic that has the wanted settings but for those given.
    fn findings(kind: TopicKind, copies: Option<u16>, other: &[(&'static str, &str)]) -> Vec<TopicFinding> {
        let wanted = settings(&TopicSettings::default(), kind, copies);
        let mut values: HashMap<&str, String> =
            wanted.iter().map(|setting| (setting.name, setting.value.clone())).collect();
        values.extend(other.iter().map(|&(name, value)| (name, value.to_owned())));
        verify("t", &wanted, |name| values.get(name).cloned())
    }

    #[test]
    fn what_a_topic_is_created_with_is_accepted() {
        for kind in TopicKind::ALL {
            for copies in [None, Some(1), Some(3)] {
                assert_eq!(findings(kind, copies, &[]), []);
            }
        }
    }

    #[test]
    fn a_setting_that_loses_content_is_required_or_a_risk_and_others_are_advised() {
        let cases = [
            ("cleanup.policy", "delete", Some(FindingGrade::Required)),
            ("cleanup.policy", "compact,delete", Some(FindingGrade::Required)),
            ("delete.retention.ms", "86400000", None),
            ("delete.retention.ms", "86399999", Some(FindingGrade::Required)),
            ("min.compaction.lag.ms", "0", Some(FindingGrade::Advised)),
            ("min.compaction.lag.ms", "120000", None),
            ("max.compaction.lag.ms", "9223372036854775807", Some(FindingGrade::Advised)),
            ("segment.ms", "1000", None),
            ("max.message.bytes", "1048588", Some(FindingGrade::Advised)),
            ("max.message.bytes", "1048575", Some(FindingGrade::Required)),
            ("unclean.leader.election.enable", "true", Some(FindingGrade::Risky)),
            ("min.insync.replicas", "1", Some(FindingGrade::Risky)),
            ("message.timestamp.type", "CreateTime", Some(FindingGrade::Advised)),
        ];
        for (name, value, want) in cases {
            let found: Vec<FindingGrade> =
                findings(TopicKind::Instances, Some(3), &[(name, value)]).iter().map(|finding| finding.grade).collect();
            assert_eq!(found, want.into_iter().collect::<Vec<_>>(), "{name}={value}");
        }
    }

    #[test]
    fn a_finding_names_topic_setting_value_and_what_is_wanted() {
        let found = findings(TopicKind::Control, None, &[("cleanup.policy", "delete")]);
        assert_eq!(found[0].to_string(), "topic t has cleanup.policy=delete, wanted is compact");
    }

    #[test]
    fn in_sync_copies_are_asked_for_only_where_there_are_three() {
        assert_eq!(findings(TopicKind::Configs, Some(2), &[("min.insync.replicas", "1")]), []);
    }
}
