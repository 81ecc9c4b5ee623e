//! The own topics: created where they are missing, verified against what is wanted of them (rule R23).

use std::collections::BTreeMap;

use federation_core::log::record::TopicKind;
use federation_core::time::Millis;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::Context;
use crate::inspector::Survey;
use crate::options::{ADMIN_TIMEOUT, KafkaOptions};
use crate::topics::{DELETE_RETENTION, FindingGrade, MAX_MESSAGE_BYTES, TopicFinding, TopicNames, settings, verify};

/// Why the own topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TopicError {
    /// An operator must act.
    #[error("kafka's topics are not fit for the federation log: {}", list(.0))]
    Unsuitable(Vec<TopicFinding>),
    /// An operator must act: the partition of a key depends on their number.
    #[error(
        "topic {topic} has {found} partitions, wanted are {wanted}; their number cannot change, so set kafka.topics.partitions to {found}"
    )]
    TooFewPartitions {
        /// The topic.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many are configured.
        wanted: u32,
    },
    /// An operator must act: the account lacks a right.
    #[error("kafka does not let this account {action} topic {topic}; grant it, or create the topics beforehand")]
    Denied {
        /// What was tried.
        action: &'static str,
        /// On which topic.
        topic: String,
    },
    /// An operator must act, or it passes by itself.
    #[error("kafka refused to create topic {topic}: {code}")]
    NotCreated {
        /// The topic.
        topic: String,
        /// Kafka's word.
        code: RDKafkaErrorCode,
    },
    /// Nobody answered; to be tried again.
    #[error("kafka did not answer about topics")]
    Unanswered(#[from] KafkaError),
    /// Created just now and not seen by all brokers yet; to be tried again.
    #[error("topic {topic} is not visible yet")]
    NotVisible {
        /// The topic.
        topic: String,
    },
}

fn list(findings: &[TopicFinding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Creates and verifies. Short-lived: a client of this kind gathers its log lines without end.
pub(super) struct Admin<'a> {
    options: &'a KafkaOptions,
    names: &'a TopicNames,
    client: AdminClient<Context>,
    calls: AdminOptions,
}

impl<'a> Admin<'a> {
    pub(super) fn connect(options: &'a KafkaOptions, names: &'a TopicNames) -> Result<Self, TopicError> {
        let client = options.inspector().create_with_context(Context::default())?;
        let calls = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT));
        Ok(Self { options, names, client, calls })
    }

    /// Creates those own topics that `seen` lacks.
    pub(super) async fn create_missing(&self, seen: &Survey) -> Result<Created, TopicError> {
        let missing: Vec<(TopicKind, String)> = TopicKind::ALL
            .into_iter()
            .map(|kind| (kind, self.names.of(&self.options.cluster, kind)))
            .filter(|(_, topic)| !seen.topics.contains_key(topic))
            .collect();
        if missing.is_empty() {
            return Ok(Created::Nothing);
        }
        let copies = match self.options.topics.replication_factor {
            Some(copies) => Some(copies),
            None => self.default_copies(seen.broker).await,
        };
        for (kind, topic) in missing {
            self.create(kind, &topic, copies).await?;
        }
        Ok(Created::Some)
    }

    /// What the topics are like; an error if something required is not so.
    pub(super) async fn verify(&self, seen: &Survey) -> Result<Verified, TopicError> {
        let (mut findings, mut limits, mut seen_settings) = (Vec::new(), Vec::new(), Settings::Seen);
        for kind in TopicKind::ALL {
            let topic = self.names.of(&self.options.cluster, kind);
            let Some(state) = seen.topics.get(&topic) else { return Err(TopicError::NotVisible { topic }) };
            check_partitions(&topic, state.partitions, self.partitions(kind))?;
            let wanted = settings(&self.options.topics, kind, Some(state.copies));
            if let Some(resource) = self.describe(&topic).await? {
                let limit = resource.get(MAX_MESSAGE_BYTES).and_then(|entry| entry.value.as_ref()?.parse().ok());
                limits.extend(limit.map(|limit| (kind, limit)));
                findings
                    .extend(verify(&topic, &wanted, |name| resource.get(name).and_then(|entry| entry.value.clone())));
            } else {
                seen_settings = Settings::Unseen;
            }
        }
        if findings.iter().any(|finding| finding.grade == FindingGrade::Required) {
            findings.retain(|finding| finding.grade == FindingGrade::Required);
            return Err(TopicError::Unsuitable(findings));
        }
        Ok(Verified { findings, limits, settings: seen_settings })
    }

    /// How long tombstones stay readable in each of these topics, as far as the account may see it.
    pub(super) async fn retentions(&self, topics: &[String]) -> BTreeMap<String, Millis> {
        let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self.client.describe_configs(&resources, &self.calls).await.unwrap_or_default();
        let told = answers.into_iter().flatten().filter_map(|resource| {
            let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else { return None };
            let retention = resource.get(DELETE_RETENTION)?.value.as_ref()?.parse().ok()?;
            Some((topic.clone(), Millis(retention)))
        });
        told.collect()
    }

    async fn create(&self, kind: TopicKind, topic: &str, copies: Option<u16>) -> Result<(), TopicError> {
        let wanted = settings(&self.options.topics, kind, copies);
        let replication = self.options.topics.replication_factor.map_or(-1, i32::from);
        let partitions = i32::try_from(self.partitions(kind)).unwrap_or(i32::MAX);
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replication));
        for setting in &wanted {
            new = new.set(setting.name, &setting.value);
        }
        match self.client.create_topics([&new], &self.calls).await?.into_iter().next() {
            Some(Ok(_)) => {
                tracing::info!(topic, partitions, "topic created");
                Ok(())
            }
            // Another replica of this cluster was quicker.
            None | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((topic, code))) if is_denial(code) => Err(TopicError::Denied { action: "create", topic }),
            Some(Err((topic, code))) => Err(TopicError::NotCreated { topic, code }),
        }
    }

    /// `None` if the account may not see the settings: then they are taken to be right.
    async fn describe(&self, topic: &str) -> Result<Option<ConfigResource>, TopicError> {
        let answers = self.client.describe_configs([&ResourceSpecifier::Topic(topic)], &self.calls).await?;
        match answers.into_iter().next() {
            Some(Ok(resource)) => Ok(Some(resource)),
            Some(Err(code)) if is_denial(code) => Ok(None),
            Some(Err(code)) => Err(TopicError::Unanswered(KafkaError::AdminOp(code))),
            None => Ok(None),
        }
    }

    /// The brokers' default number of copies, if the account may see it.
    async fn default_copies(&self, broker: Option<i32>) -> Option<u16> {
        let broker = ResourceSpecifier::Broker(broker?);
        let answers = self.client.describe_configs([&broker], &self.calls).await.ok()?;
        let resource = answers.into_iter().next()?.ok()?;
        resource.get("default.replication.factor")?.value.as_ref()?.parse().ok()
    }

    fn partitions(&self, kind: TopicKind) -> u32 {
        if kind == TopicKind::Control { 1 } else { self.options.topics.partitions }
    }
}

/// What fit topics are like.
#[derive(Debug)]
pub(super) struct Verified {
    /// What would be better otherwise.
    pub(super) findings: Vec<TopicFinding>,
    /// The largest batch in bytes that each topic takes, where Kafka tells.
    pub(super) limits: Vec<(TopicKind, u64)>,
    /// Whether all settings could be looked at.
    pub(super) settings: Settings,
}

/// Whether the account may see what topics are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settings {
    /// They were looked at.
    Seen,
    /// Some could not be, and are taken to be right.
    Unseen,
}

/// Whether something was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// All topics were there.
    Nothing,
    /// At least one was missing.
    Some,
}

/// Fewer partitions than wanted is an error; more of them an alarm, because the further ones stay empty.
pub(super) fn check_partitions(topic: &str, found: u32, wanted: u32) -> Result<(), TopicError> {
    if found < wanted {
        return Err(TopicError::TooFewPartitions { topic: topic.to_owned(), found, wanted });
    }
    if found > wanted {
        tracing::error!(
            topic,
            found,
            wanted,
            "topic has more partitions than its cluster uses, the further ones stay empty"
        );
    }
    Ok(())
}

fn is_denial(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed)
}
