//! Who takes part: makes sure that the own topics exist and are as they must be, and finds those of other clusters, by
//! asking for all topics every few seconds. News goes to the engine first, then to the reader, so that no record comes
//! from an origin the engine has not heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;
use federation_core::input::{Input, LogInput};
use federation_core::log::bounds::OriginBounds;
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::time::Millis;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Created, Settings, TopicError, check_partitions};
use crate::consume::{Signal, Signals};
use crate::ends::Question;
use crate::inspector::{Inspector, Survey, SurveyError};
use crate::options::{KafkaOptions, TopicCreation};
use crate::produce::Limits;
use crate::topics::{FindingGrade, TopicFinding, TopicNames};
use federation_ports::facts::{FactSource, NamedFacts};
use federation_ports::inbox::EngineInbox;
use federation_ports::metrics::{LogMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// How often all topics are listed: a new cluster is to be seen within 10 s.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon again after a failure, or while the own topics come into being.
const SOON: Duration = Duration::from_millis(500);
/// How often the own topics' settings are verified: what turns dangerous is to be told within 30 s.
const VERIFY_INTERVAL: Duration = Duration::from_secs(20);
/// How soon a refused topic is looked at again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(10);
/// How soon topics that are missing, or not visible yet, are looked after again.
const MISSING_INTERVAL: Duration = Duration::from_secs(2);
/// How long own topics may be missing, or nobody answer about them, before that is trouble.
const MISSING_AFTER: Duration = Duration::from_secs(10);
/// Surveys that fail in a row before that is trouble; each takes up to two seconds.
const FAILED_SURVEYS: u32 = 2;
/// What troubles with all brokers concern.
const ABOUT: &str = "kafka";

/// A cluster whose topics exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) cluster: ClusterId,
    /// Partitions of each data topic.
    pub(super) partitions: u32,
    /// How long tombstones stay readable in its data topics, if this account may see that.
    pub(super) retention: Option<Millis>,
}

impl Member {
    /// Everything of it that is read.
    pub(super) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        let control = std::iter::once((TopicKind::Control, 0));
        let data = TopicKind::DATA.into_iter().flat_map(|kind| (0..self.partitions).map(move |number| (kind, number)));
        control.chain(data).map(|(topic, partition)| PartitionId { origin: self.cluster.clone(), topic, partition })
    }
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

/// Tells the state of the own topics.
#[derive(Debug)]
pub struct TopicFacts(pub watch::Receiver<TopicsHealth>);

impl FactSource for TopicFacts {
    fn facts(&self) -> NamedFacts {
        let told = match &*self.0.borrow() {
            TopicsHealth::Unknown => "unknown: kafka has not been reached yet".to_owned(),
            TopicsHealth::Ready { advice } if advice.is_empty() => "ready".to_owned(),
            TopicsHealth::Ready { advice } => format!("ready; {}", advice.join("; ")),
            TopicsHealth::Refused { reason } => format!("refused: {reason}"),
        };
        vec![("ownTopics", told)]
    }
}

/// The task.
pub(super) struct Membership {
    around: Surroundings,
    names: TopicNames,
    own: OwnTopics,
    told: Vec<Member>,
    seen: BTreeSet<String>,
    gone: BTreeSet<String>,
    /// Surveys that failed in a row.
    failed: u32,
    /// Since when the own topics are not ready.
    unready: Option<Instant>,
    /// The account may not see the settings: said once.
    unseen: bool,
    /// How long tombstones stay readable in each cluster's data topics; asked once.
    retentions: BTreeMap<ClusterId, Option<Millis>>,
}

/// What is known of the own topics.
#[derive(Clone, Copy, Debug)]
enum OwnTopics {
    Unusable { again: Instant },
    Usable { verify: Instant, again: Instant },
}

/// Whether the engine still listens.
type Listening = Result<(), EngineGone>;

/// The engine has ended: nobody is left to tell.
struct EngineGone;

/// What the task works with.
pub(super) struct Surroundings {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) inspector: Arc<Inspector>,
    pub(super) inbox: EngineInbox,
    pub(super) signals: Signals,
    pub(super) questions: SyncSender<Question>,
    pub(super) health: Arc<watch::Sender<TopicsHealth>>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: LogMetrics,
    pub(super) troubles: TroubleBoard,
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
            failed: 0,
            unready: None,
            unseen: false,
            retentions: BTreeMap::new(),
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
            Err(error) => return self.unanswered(&error).await,
        };
        self.failed = 0;
        self.around.troubles.heal(TroubleKind::LogUnreachable, ABOUT);
        let own = self.own_topics(&survey).await?;
        self.announce(&survey).await?;
        self.notice_reappeared(&survey);
        Ok(own)
    }

    async fn unanswered(&mut self, error: &SurveyError) -> Result<Duration, EngineGone> {
        let why = self.around.inspector.trouble().unwrap_or_else(|| chain(error).into());
        tracing::debug!(%error, reason = %why, "kafka does not answer");
        self.failed += 1;
        if self.failed >= FAILED_SURVEYS {
            self.around.troubles.raise(TroubleKind::LogUnreachable, ABOUT, format!("kafka cannot be reached: {why}"));
        }
        self.tell(LogInput::Unreachable { reason: why }).await?;
        Ok(SOON)
    }

    /// Looks after the own topics; tells when to look again.
    async fn own_topics(&mut self, survey: &Survey) -> Result<Duration, EngineGone> {
        let missing = TopicKind::ALL.iter().any(|&kind| !survey.topics.contains_key(&self.own_name(kind)));
        let now = Instant::now();
        let due = match self.own {
            OwnTopics::Unusable { again } => now >= again,
            OwnTopics::Usable { verify, again } => (missing && now >= again) || now >= verify,
        };
        if !due {
            return Ok(if missing { SOON } else { INTERVAL });
        }
        match self.prepare(survey).await {
            Ok(findings) => {
                self.usable(&findings);
                Ok(INTERVAL)
            }
            Err(error @ (TopicError::NotVisible { .. } | TopicError::Unanswered(_))) => {
                tracing::debug!(%error, "own topics are not ready yet");
                self.unready(now, &error);
                Ok(SOON)
            }
            Err(error) => {
                self.refused(&error).await?;
                Ok(INTERVAL)
            }
        }
    }

    async fn prepare(&mut self, survey: &Survey) -> Result<Vec<TopicFinding>, TopicError> {
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
        let unseen = verified.settings == Settings::Unseen;
        if unseen && !self.unseen {
            tracing::warn!("account may not describe the own topics' settings, they are not verified");
        }
        self.unseen = unseen;
        Ok(verified.findings)
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

    fn usable(&mut self, findings: &[TopicFinding]) {
        self.around.metrics.topic_findings.set(i64::try_from(findings.len()).unwrap_or(i64::MAX));
        let risky = findings.iter().filter(|finding| finding.grade == FindingGrade::Risky);
        self.around.troubles.replace(TroubleKind::LogTopics, by_topic(risky));
        self.unready = None;
        let advice: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let health = TopicsHealth::Ready { advice };
        if *self.around.health.borrow() != health {
            if let TopicsHealth::Ready { advice } = &health {
                advice.iter().for_each(|finding| tracing::warn!(finding, "own topic is not as advised"));
            }
            self.around.health.send_replace(health);
        }
        let now = Instant::now();
        self.own = OwnTopics::Usable { verify: now + VERIFY_INTERVAL, again: now };
    }

    /// Topics that are made, or asked about, take their moment.
    fn unready(&mut self, now: Instant, error: &TopicError) {
        match &mut self.own {
            OwnTopics::Unusable { again } | OwnTopics::Usable { again, .. } => *again = now + MISSING_INTERVAL,
        }
        let since = *self.unready.get_or_insert(now);
        if now.duration_since(since) >= MISSING_AFTER {
            let about = match error {
                TopicError::NotVisible { topic } => topic.clone(),
                _ => "own topics".to_owned(),
            };
            self.around.troubles.replace(TroubleKind::LogTopics, [(about, chain(error))]);
        }
    }

    async fn refused(&mut self, error: &TopicError) -> Listening {
        let reason = chain(error);
        let health = TopicsHealth::Refused { reason: reason.clone() };
        let was_used = matches!(self.own, OwnTopics::Usable { .. }) || self.is_member();
        if *self.around.health.borrow() != health {
            let follows = if was_used { "content of the log may get lost" } else { "nothing is published" };
            tracing::error!(reason, "own topics are not as they must be: {follows}");
            self.around.health.send_replace(health);
        }
        let troubles = match error {
            TopicError::Unsuitable(findings) => {
                self.around.metrics.topic_findings.set(i64::try_from(findings.len()).unwrap_or(i64::MAX));
                by_topic(findings.iter())
            }
            TopicError::TooFewPartitions { topic, .. }
            | TopicError::Denied { topic, .. }
            | TopicError::NotCreated { topic, .. }
            | TopicError::NotVisible { topic } => BTreeMap::from([(topic.clone(), reason.clone())]),
            TopicError::Unanswered(_) => BTreeMap::from([("own topics".to_owned(), reason.clone())]),
        };
        self.around.troubles.replace(TroubleKind::LogTopics, troubles);
        // Once it could be used, it stays a member: the engine's state of it does not go away.
        self.own = OwnTopics::Unusable { again: Instant::now() + REFUSED_INTERVAL };
        self.tell(LogInput::Unreachable { reason: reason.into() }).await
    }

    /// Whether the engine was told that the own topics can be used.
    fn is_member(&self) -> bool {
        self.told.iter().any(|member| member.cluster == self.around.options.cluster)
    }

    /// Tells the engine of new members, then the reader of all.
    async fn announce(&mut self, survey: &Survey) -> Listening {
        let now = self.members(survey);
        self.learn_retentions(&now).await;
        let mut all: BTreeMap<ClusterId, u32> =
            self.told.iter().map(|member| (member.cluster.clone(), member.partitions)).collect();
        for member in now {
            all.insert(member.cluster, member.partitions);
        }
        let all: Vec<Member> = all
            .into_iter()
            .map(|(cluster, partitions)| {
                let retention = self.retentions.get(&cluster).copied().flatten();
                Member { cluster, partitions, retention }
            })
            .collect();
        if all != self.told {
            let members = all.iter().map(|member| (member.cluster.clone(), member.partitions)).collect();
            self.tell(LogInput::Members(members)).await?;
            self.told.clone_from(&all);
        }
        // Each round again: a reader or asker that was restarted has forgotten them. Full queues are as good as told.
        let (members, kafka) = (all.clone(), survey.kafka.clone());
        let _ = self.around.signals.try_send(Signal::Members { members, kafka });
        let _ = self.around.questions.try_send(Question::Members(all));
        Ok(())
    }

    /// Asks how long tombstones stay readable, where that is not known. Who may not see it reads on from a snapshot for less long.
    async fn learn_retentions(&mut self, members: &[Member]) {
        let unknown: Vec<&Member> = members.iter().filter(|it| !self.retentions.contains_key(&it.cluster)).collect();
        if unknown.is_empty() || self.around.options.topics.creation == TopicCreation::External {
            return;
        }
        let topics_of = |member: &Member| TopicKind::DATA.map(|kind| self.names.of(&member.cluster, kind));
        let topics: Vec<String> = unknown.iter().flat_map(|member| topics_of(member)).collect();
        let told = match Admin::connect(&self.around.options, &self.names) {
            Ok(admin) => admin.retentions(&topics).await,
            Err(error) => {
                tracing::debug!(%error, "nobody can be asked how long tombstones stay");
                BTreeMap::new()
            }
        };
        let least = |member: &Member| {
            let each: Option<Vec<Millis>> = topics_of(member).iter().map(|topic| told.get(topic).copied()).collect();
            each.and_then(|each| each.into_iter().min())
        };
        let learnt: Vec<_> = unknown.iter().map(|member| (member.cluster.clone(), least(member))).collect();
        self.retentions.extend(learnt);
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
            let partitions = partitions.min(OriginBounds::default().partitions); // Each costs a queue, also one that nothing is ever in.
            let partitions =
                if cluster == self.around.options.cluster { self.around.options.topics.partitions } else { partitions };
            (wanted && topics.len() == TopicKind::ALL.len()).then_some(Member { cluster, partitions, retention: None })
        };
        by_cluster.into_iter().filter_map(member).collect()
    }

    /// A topic that was away may be another one, even if its offsets happen to fit.
    fn notice_reappeared(&mut self, survey: &Survey) {
        let present: BTreeSet<String> = survey.topics.keys().cloned().collect();
        self.gone.extend(self.seen.difference(&present).cloned());
        for topic in self.gone.intersection(&present) {
            tracing::info!(topic, "topic was not listed for a while and is back");
            let _ = self.around.signals.try_send(Signal::Reappeared(topic.clone()));
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

/// Findings of each topic in one sentence.
fn by_topic<'a>(findings: impl Iterator<Item = &'a TopicFinding>) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for finding in findings {
        let text = texts.entry(finding.topic.clone()).or_default();
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&finding.to_string());
    }
    texts
}

/// An error with its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
