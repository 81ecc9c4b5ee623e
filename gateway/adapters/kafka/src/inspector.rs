//! Questions to the brokers on connections of their own, so that they never wait behind a fetch: which topics there are,
//! and where partitions begin and end. Every question blocks its thread, for a bounded time.
//!
//! Whether this client is answered is what all others are measured by, so it is replaced whenever it fails for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use federation_core::log::record::PartitionId;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::{Metadata, MetadataBroker};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::Context;
use crate::disposal::{Disposable, Disposal};
use crate::life::Questions;
use crate::lookout::Lookout;
use crate::options::{KafkaOptions, QUESTION_TIMEOUT, Renewals};
use crate::topics::TopicNames;
use federation_ports::metrics::{Component, LogMetrics};

type Client = Disposable<BaseConsumer<Context>>;

/// Asks the brokers.
pub(super) struct Inspector {
    client: ArcSwap<Client>,
    renewals: Mutex<Renewals>,
    options: Arc<KafkaOptions>,
    names: TopicNames,
    /// Broker that leads each partition, as of the last answer about topics; -1 for none.
    leaders: Mutex<HashMap<PartitionId, i32>>,
    /// How questions for topics went, and those for places.
    surveys: Mutex<Questions>,
    rounds: Mutex<Questions>,
    /// Id of the Kafka cluster, once told.
    kafka: Mutex<Option<Arc<str>>>,
    lookout: Arc<Lookout>,
    disposal: Disposal,
    metrics: LogMetrics,
}

/// What the brokers have.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// Topics of the federation by name.
    pub(super) topics: BTreeMap<String, TopicState>,
    /// One of the brokers.
    pub(super) broker: Option<i32>,
    /// Id of the Kafka cluster, if it tells one.
    pub(super) kafka: Option<Arc<str>>,
}

/// What is known of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopicState {
    /// How many partitions it has.
    pub(super) partitions: u32,
    /// How many copies the partition with the fewest has.
    pub(super) copies: u16,
}

/// Why it is not known what the brokers have.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    /// Nobody answered.
    #[error("kafka does not answer")]
    Unanswered(#[from] KafkaError),
    /// An answer without brokers says nothing about topics either.
    #[error("kafka's answer names no broker")]
    NoBrokers,
}

/// Which edge of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Its first offset.
    Begin,
    /// The offset after its last record.
    End,
}

/// Answers to a question for places.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where partitions begin or end.
    pub(super) answered: Vec<(PartitionId, u64)>,
    /// Who did not answer.
    pub(super) unanswered: Vec<Unanswered>,
}

/// A leader that did not answer, or no leader at all.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// The broker; `None` where there is no leader.
    pub(super) leader: Option<i32>,
    /// What it was asked about, at least one.
    pub(super) partitions: Vec<PartitionId>,
    /// What the client says.
    pub(super) error: KafkaError,
}

impl Inspector {
    /// A client; reaches nobody yet.
    pub(super) fn new(
        options: &Arc<KafkaOptions>,
        lookout: &Arc<Lookout>,
        disposal: &Disposal,
        metrics: &LogMetrics,
    ) -> KafkaResult<Self> {
        let renewals = Mutex::new(options.renewals());
        let client = options.inspector().create_with_context(Context::default())?;
        Ok(Self {
            renewals,
            client: ArcSwap::from_pointee(Disposable::new(client, disposal)),
            options: Arc::clone(options),
            names: TopicNames::new(&options.topic_prefix, &options.federation),
            leaders: Mutex::default(),
            surveys: Mutex::new(Questions::new()),
            rounds: Mutex::new(Questions::new()),
            kafka: Mutex::default(),
            lookout: Arc::clone(lookout),
            disposal: disposal.clone(),
            metrics: metrics.clone(),
        })
    }

    /// All topics of the federation that this account may see.
    pub(super) fn survey(&self) -> Result<Survey, SurveyError> {
        let client = self.client();
        // Of all topics: to ask for one by name may create it.
        let answer = client.fetch_metadata(None, QUESTION_TIMEOUT).map_err(SurveyError::from);
        let answer = match answer {
            Ok(metadata) if metadata.brokers().is_empty() => Err(SurveyError::NoBrokers),
            other => other,
        };
        self.judge(&self.surveys, answer.is_ok());
        if answer.is_ok() {
            client.context().reached();
        }
        let kafka = answer.is_ok().then(|| self.kafka_id(&client)).flatten();
        answer.map(|metadata| Survey { kafka, ..self.read(&metadata) })
    }

    /// Asked for until it is known: the library does not free what it answers.
    fn kafka_id(&self, client: &Client) -> Option<Arc<str>> {
        // The critical section sets a value: a panic cannot leave it half done.
        let mut known = self.kafka.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = client.client().fetch_cluster_id(QUESTION_TIMEOUT).filter(|id| !id.is_empty()).map(Arc::from);
        }
        known.clone()
    }

    fn read(&self, metadata: &Metadata) -> Survey {
        let mut leaders = HashMap::new();
        let mut topics = BTreeMap::new();
        for topic in metadata.topics() {
            let Some((origin, kind)) = self.names.parse(topic.name()) else { continue };
            let partitions = topic.partitions();
            for partition in partitions {
                let Ok(number) = u32::try_from(partition.id()) else { continue };
                leaders
                    .insert(PartitionId { origin: origin.clone(), topic: kind, partition: number }, partition.leader());
            }
            let copies = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
            let state = TopicState {
                partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
                copies: u16::try_from(copies).unwrap_or(u16::MAX),
            };
            if state.partitions > 0 {
                topics.insert(topic.name().to_owned(), state);
            }
        }
        *self.leaders() = leaders;
        Survey { topics, broker: metadata.brokers().first().map(MetadataBroker::id), kafka: None }
    }

    /// Edges of those partitions whose leaders answered. Leaders are asked one after the other, each for all of its
    /// partitions, so that a silent one costs one time-out and hides nobody else; partitions without a leader come last. Those that the
    /// last survey did not list are not asked about: their topics are gone.
    pub(super) fn places(&self, edge: Edge, partitions: &[PartitionId]) -> Places {
        let client = self.client();
        let mut by_leader: BTreeMap<i32, Vec<PartitionId>> = BTreeMap::new();
        {
            let leaders = self.leaders();
            for partition in partitions {
                if let Some(&leader) = leaders.get(partition) {
                    by_leader.entry(leader).or_default().push(partition.clone());
                }
            }
        }
        let mut places = Places::default();
        for (number, partitions) in by_leader.into_iter().rev() {
            let leader = (number >= 0).then_some(number);
            match self.places_at(&client, edge, &partitions) {
                Ok(answered) => {
                    leader.inspect(|leader| client.context().answered(*leader));
                    places.answered.extend(answered);
                }
                Err(error) => places.unanswered.push(Unanswered { leader, partitions, error }),
            }
        }
        places
    }

    /// All leaders were asked; a client that some of them do not answer for a while is replaced.
    pub(super) fn all_were_asked(&self, all_answered: bool) {
        self.judge(&self.rounds, all_answered);
    }

    /// Why nobody can be reached, for people, if the client said so.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.client().context().trouble()
    }

    /// Why this broker cannot be reached, for people, if the client said so.
    pub(super) fn trouble_of(&self, broker: i32) -> Option<Arc<str>> {
        self.client().context().trouble_of(broker)
    }

    /// The client, with its log lines and errors served: they wait in it until it is polled.
    fn client(&self) -> Arc<Client> {
        // The critical section looks at a number.
        let outdated = self.renewals.lock().unwrap_or_else(PoisonError::into_inner).are_due();
        if outdated {
            tracing::info!("properties of kafka clients changed, another asks questions");
            self.renew(Instant::now());
        }
        let client = self.client.load_full();
        while client.poll(Duration::ZERO).is_some() {}
        client
    }

    fn judge(&self, questions: &Mutex<Questions>, answered: bool) {
        // The critical section counts: a panic cannot leave it half done.
        let mut questions = questions.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            return questions.answered();
        }
        let (since, renew) = questions.failed(Instant::now());
        drop(questions);
        if renew {
            self.renew(since);
        }
    }

    /// Puts another client in the place of the one that has failed since then.
    fn renew(&self, failing_since: Instant) {
        if !self.disposal.has_room() {
            tracing::error!("too many kafka clients never end, the one that asks questions is not replaced");
            return;
        }
        let following = Context::following(self.client.load().context());
        match self.options.inspector().create_with_context(following) {
            Ok(client) => {
                // While nobody is answered, this only finds out whether the brokers are back; else the old one was at fault.
                if self.lookout.last_heard().is_some_and(|heard| heard > failing_since) {
                    self.metrics.restarts(Component::Inspector).inc();
                    tracing::warn!(
                        "kafka answers others and not the client that asks questions, another takes its place"
                    );
                }
                *self.kafka.lock().unwrap_or_else(PoisonError::into_inner) = None; // Who is behind the addresses now may be another.
                self.client.store(Arc::new(Disposable::new(client, &self.disposal)));
            }
            Err(error) => tracing::error!(%error, "the client that asks questions could not be replaced"),
        }
    }

    fn places_at(
        &self,
        client: &Client,
        edge: Edge,
        partitions: &[PartitionId],
    ) -> KafkaResult<Vec<(PartitionId, u64)>> {
        // In place of a time, these two numbers ask for the edges.
        let edge = if edge == Edge::End { Offset::End } else { Offset::Beginning };
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let topic = self.names.of(&partition.origin, partition.topic);
            let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
            list.add_partition_offset(&topic, number, edge)?;
        }
        let list = client.offsets_for_times(list, QUESTION_TIMEOUT)?;
        Ok(list.elements().iter().filter_map(|element| self.read_place(element)).collect())
    }

    fn read_place(&self, element: &TopicPartitionListElem<'_>) -> Option<(PartitionId, u64)> {
        element.error().ok()?;
        let Offset::Offset(place) = element.offset() else { return None };
        let (origin, topic) = self.names.parse(element.topic())?;
        let partition = PartitionId { origin, topic, partition: u32::try_from(element.partition()).ok()? };
        Some((partition, u64::try_from(place).ok()?))
    }

    /// The critical sections swap or read the map: a panic cannot leave it half done.
    fn leaders(&self) -> MutexGuard<'_, HashMap<PartitionId, i32>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Whether every broker that leads something answered, and there is one.
    pub(super) fn all_answered(&self) -> bool {
        !self.answered.is_empty() && self.unanswered.iter().all(|unanswered| unanswered.leader.is_none())
    }
}
