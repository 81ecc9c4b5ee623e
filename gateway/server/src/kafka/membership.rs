//! Who takes part: makes sure that the own topics exist and are as they must be, and finds those of other clusters, by
//! asking for all topics every few seconds. News goes to the engine first, then to the reader, so that no record comes
//! from an origin the engine has not heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use federation_core::federation::input::{Input, LogInput};
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::kafka::admin::{Admin, Created, TopicError, check_partitions};
use crate::kafka::consume::{Signal, Signals};
use crate::kafka::ends::Question;
use crate::kafka::inspector::{Inspector, Survey};
use crate::kafka::options::{KafkaOptions, TopicCreation};
use crate::kafka::produce::Limits;
use crate::kafka::topics::TopicNames;
use crate::metrics::LogMetrics;
use crate::ports::Inbox;

/// How often all topics are listed: a new cluster is to be seen within 10 s.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon again after a failure, or while the own topics come into being.
const SOON: Duration = Duration::from_millis(500);
/// How often the own topics' settings are verified.
const VERIFY_INTERVAL: Duration = Duration::from_secs(300);
/// How soon a refused topic is looked at again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(10);

/// A cluster whose topics exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) cluster: ClusterId,
    /// Partitions of each data topic.
    pub(super) partitions: u32,
}

/// State of the own topics, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TopicsHealth {
    /// Kafka has not been reached yet.
    #[default]
    Unknown,
    /// They can be used.
    Ready {
        /// What would be better otherwise.
        advice: Vec<String>,
    },
    /// They cannot be used: the cluster publishes nothing.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// The task.
pub(super) struct Membership {
    around: Surroundings,
    names: TopicNames,
    own: OwnTopics,
    told: Vec<Member>,
    seen: BTreeSet<String>,
    gone: BTreeSet<String>,
}

/// What is known of the own topics.
#[derive(Clone, Copy, Debug)]
enum OwnTopics {
    Unusable { again: Instant },
    Usable { verify: Instant },
}

/// Whether the engine still listens.
type Listening = Result<(), EngineGone>;

/// The engine has ended: nobody is left to tell.
struct EngineGone;

/// What the task works with.
pub(super) struct Surroundings {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) inspector: Arc<Inspector>,
    pub(super) inbox: Inbox,
    pub(super) signals: Signals,
    pub(super) questions: SyncSender<Question>,
    pub(super) health: Arc<watch::Sender<TopicsHealth>>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: LogMetrics,
}

impl Membership {
    pub(super) fn new(around: Surroundings) -> Self {
        Self {
            names: TopicNames::new(&around.options.topic_prefix, &around.options.federation),
            around,
            own: OwnTopics::Unusable { again: Instant::now() },
            told: Vec::new(),
            seen: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Looks again and again until stopped, or until nobody listens.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let round = self.round();
            let pause = tokio::select! {
                // Not cancel-safe, and need not be: nothing goes on after a stop.
                () = stop.cancelled() => return,
                pause = round => pause,
            };
            let Ok(pause) = pause else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<Duration, EngineGone> {
        let inspector = Arc::clone(&self.around.inspector);
        let survey = spawn_blocking(move || inspector.survey()).await.expect("a survey does not panic");
        let survey = match survey {
            Ok(survey) => survey,
            Err(error) => {
                let trouble = self.around.inspector.trouble().unwrap_or_else(|| error.to_string().into());
                tracing::debug!(%error, reason = %trouble, "kafka does not answer");
                self.around.metrics.readable.set(0);
                self.tell(LogInput::Unreachable { reason: trouble }).await?;
                return Ok(SOON);
            }
        };
        let own = self.own_topics(&survey).await?;
        self.announce(&survey).await?;
        self.notice_reappeared(&survey);
        Ok(own)
    }

    /// Looks after the own topics; tells when to look again.
    async fn own_topics(&mut self, survey: &Survey) -> Result<Duration, EngineGone> {
        let missing = TopicKind::ALL.iter().any(|&kind| !survey.topics.contains_key(&self.own_name(kind)));
        let due = match self.own {
            OwnTopics::Unusable { again } => Instant::now() >= again,
            OwnTopics::Usable { verify } => missing || Instant::now() >= verify,
        };
        if !due {
            return Ok(INTERVAL);
        }
        match self.prepare(survey).await {
            Ok(advice) => {
                self.usable(advice);
                Ok(INTERVAL)
            }
            Err(error @ (TopicError::NotVisible { .. } | TopicError::Unanswered(_))) => {
                tracing::debug!(%error, "own topics are not ready yet");
                Ok(SOON)
            }
            Err(error) => {
                self.refused(&error).await?;
                Ok(INTERVAL)
            }
        }
    }

    async fn prepare(&self, survey: &Survey) -> Result<Vec<String>, TopicError> {
        if self.around.options.topics.creation == TopicCreation::External {
            return self.check_external(survey).map(|()| Vec::new());
        }
        let admin = Admin::connect(&self.around.options, &self.names)?;
        if admin.create_missing(survey).await? == Created::Some {
            return Err(TopicError::NotVisible { topic: self.own_name(TopicKind::Control) });
        }
        let verified = admin.verify(survey).await?;
        for (kind, limit) in verified.limits {
            self.around.limits.set(kind, limit);
        }
        Ok(verified.advice.iter().map(ToString::to_string).collect())
    }

    fn check_external(&self, survey: &Survey) -> Result<(), TopicError> {
        for kind in TopicKind::ALL {
            let topic = self.own_name(kind);
            let Some(state) = survey.topics.get(&topic) else { return Err(TopicError::NotVisible { topic }) };
            let wanted = if kind == TopicKind::Control { 1 } else { self.around.options.topics.partitions };
            check_partitions(&topic, state.partitions, wanted)?;
        }
        Ok(())
    }

    fn usable(&mut self, advice: Vec<String>) {
        self.around.metrics.topic_findings.set(i64::try_from(advice.len()).unwrap_or(i64::MAX));
        let health = TopicsHealth::Ready { advice };
        if *self.around.health.borrow() != health {
            if let TopicsHealth::Ready { advice } = &health {
                advice.iter().for_each(|finding| tracing::warn!(finding, "own topic is not as advised"));
            }
            self.around.health.send_replace(health);
        }
        self.own = OwnTopics::Usable { verify: Instant::now() + VERIFY_INTERVAL };
    }

    async fn refused(&mut self, error: &TopicError) -> Listening {
        let reason = chain(error);
        let health = TopicsHealth::Refused { reason: reason.clone() };
        if *self.around.health.borrow() != health {
            tracing::error!(reason, "own topics cannot be used, nothing is published");
            self.around.health.send_replace(health);
        }
        if let TopicError::Unsuitable(findings) = error {
            self.around.metrics.topic_findings.set(i64::try_from(findings.len()).unwrap_or(i64::MAX));
        }
        // Once it could be used, it stays a member: the engine's state of it does not go away.
        self.own = OwnTopics::Unusable { again: Instant::now() + REFUSED_INTERVAL };
        self.tell(LogInput::Unreachable { reason: reason.into() }).await
    }

    /// Tells the engine of new members, then the reader of all.
    async fn announce(&mut self, survey: &Survey) -> Listening {
        let now = self.members(survey);
        let mut all: BTreeMap<ClusterId, u32> =
            self.told.iter().map(|member| (member.cluster.clone(), member.partitions)).collect();
        for member in now {
            all.insert(member.cluster, member.partitions);
        }
        let all: Vec<Member> = all.into_iter().map(|(cluster, partitions)| Member { cluster, partitions }).collect();
        if all != self.told {
            let members = all.iter().map(|member| (member.cluster.clone(), member.partitions)).collect();
            self.tell(LogInput::Members(members)).await?;
            self.told.clone_from(&all);
        }
        // Each round again: a reader or asker that was restarted has forgotten them. Full queues are as good as told.
        let _ = self.around.signals.try_send(Signal::Members(all.clone()));
        let _ = self.around.questions.try_send(Question::Members(all));
        Ok(())
    }

    /// Clusters that have all their topics; the own one only once its topics can be used.
    fn members(&self, survey: &Survey) -> Vec<Member> {
        let mut by_cluster: BTreeMap<ClusterId, BTreeMap<TopicKind, u32>> = BTreeMap::new();
        for (topic, state) in &survey.topics {
            if let Some((cluster, kind)) = self.names.parse(topic) {
                by_cluster.entry(cluster).or_default().insert(kind, state.partitions);
            }
        }
        let member = |(cluster, topics): (ClusterId, BTreeMap<TopicKind, u32>)| {
            let wanted = if cluster == self.around.options.cluster {
                matches!(self.own, OwnTopics::Usable { .. })
            } else {
                (self.around.options.imports)(&cluster)
            };
            let partitions = TopicKind::DATA.into_iter().filter_map(|kind| topics.get(&kind)).min().copied()?;
            let partitions =
                if cluster == self.around.options.cluster { self.around.options.topics.partitions } else { partitions };
            (wanted && topics.len() == TopicKind::ALL.len()).then_some(Member { cluster, partitions })
        };
        by_cluster.into_iter().filter_map(member).collect()
    }

    /// A topic that was away is another one, even if its offsets happen to fit.
    fn notice_reappeared(&mut self, survey: &Survey) {
        let present: BTreeSet<String> = survey.topics.keys().cloned().collect();
        self.gone.extend(self.seen.difference(&present).cloned());
        for topic in self.gone.intersection(&present) {
            tracing::warn!(topic, "topic was deleted and is back, reading it anew");
            let _ = self.around.signals.try_send(Signal::Recreated(topic.clone()));
        }
        self.gone.retain(|topic| !present.contains(topic));
        self.seen = present;
    }

    fn own_name(&self, kind: TopicKind) -> String {
        self.names.of(&self.around.options.cluster, kind)
    }

    async fn tell(&self, news: LogInput) -> Listening {
        self.around.inbox.send(Input::Log(news).into()).await.map_err(|_| EngineGone)
    }
}

/// An error with its sources in one line.
fn chain(error: &TopicError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
