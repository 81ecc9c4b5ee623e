//! Questions to the brokers on connections of their own, so that they never wait behind a fetch: which topics there are,
//! and where partitions end. Every question blocks its thread, for a bounded time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use federation_core::log::record::PartitionId;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataBroker;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::client::Context;
use crate::kafka::options::{KafkaOptions, QUESTION_TIMEOUT};
use crate::kafka::topics::TopicNames;

/// Asks the brokers.
pub(super) struct Inspector {
    client: BaseConsumer<Context>,
    names: TopicNames,
    /// Broker that leads each partition, as of the last answer about topics.
    leaders: Mutex<HashMap<PartitionId, i32>>,
}

/// What the brokers have.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// Topics of the federation by name.
    pub(super) topics: BTreeMap<String, TopicState>,
    /// One of the brokers.
    pub(super) broker: Option<i32>,
}

/// What is known of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopicState {
    /// How many partitions it has.
    pub(super) partitions: u32,
    /// How many copies the partition with the fewest has.
    pub(super) copies: u16,
}

impl Inspector {
    /// A client; reaches nobody yet.
    pub(super) fn new(options: &KafkaOptions) -> KafkaResult<Self> {
        let client = options.inspector().create_with_context(Context::default())?;
        let names = TopicNames::new(&options.topic_prefix, &options.federation);
        Ok(Self { client, names, leaders: Mutex::default() })
    }

    /// All topics of the federation that this account may see.
    pub(super) fn survey(&self) -> KafkaResult<Survey> {
        self.serve_log();
        // Of all topics: to ask for one by name may create it.
        let metadata = self.client.fetch_metadata(None, QUESTION_TIMEOUT)?;
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
        Ok(Survey { topics, broker: metadata.brokers().first().map(MetadataBroker::id) })
    }

    /// End offsets of those partitions whose leaders answered. Leaders are asked one after the other, each for all of its
    /// partitions, so that a silent one costs one time-out and hides nobody else.
    pub(super) fn ends(&self, partitions: &[PartitionId]) -> Ends {
        self.serve_log();
        let mut by_leader: BTreeMap<i32, Vec<&PartitionId>> = BTreeMap::new();
        {
            let leaders = self.leaders();
            for partition in partitions {
                by_leader.entry(leaders.get(partition).copied().unwrap_or(-1)).or_default().push(partition);
            }
        }
        let mut ends = Ends::default();
        for partitions in by_leader.values().rev() {
            match self.ends_at(partitions) {
                Ok(answered) => ends.answered.extend(answered),
                Err(error) => ends.failure = Some(error),
            }
        }
        ends
    }

    /// What was last found wrong with the connection, for people.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.serve_log();
        self.client.context().take_trouble()
    }

    fn ends_at(&self, partitions: &[&PartitionId]) -> KafkaResult<Vec<(PartitionId, u64)>> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let topic = self.names.of(&partition.origin, partition.topic);
            let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
            // In place of a time, -1 asks for the end.
            list.add_partition_offset(&topic, number, Offset::End)?;
        }
        let list = self.client.offsets_for_times(list, QUESTION_TIMEOUT)?;
        Ok(list.elements().iter().filter_map(|element| self.read_end(element)).collect())
    }

    fn read_end(&self, element: &TopicPartitionListElem<'_>) -> Option<(PartitionId, u64)> {
        element.error().ok()?;
        let Offset::Offset(end) = element.offset() else { return None };
        let (origin, topic) = self.names.parse(element.topic())?;
        let partition = PartitionId { origin, topic, partition: u32::try_from(element.partition()).ok()? };
        Some((partition, u64::try_from(end).ok()?))
    }

    /// Log lines and errors wait in the client until they are polled.
    fn serve_log(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }

    /// The critical sections swap or read the map: a panic cannot leave it half done.
    fn leaders(&self) -> MutexGuard<'_, HashMap<PartitionId, i32>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers to a question for end offsets.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Where partitions end.
    pub(super) answered: Vec<(PartitionId, u64)>,
    /// Why some did not answer.
    pub(super) failure: Option<KafkaError>,
}
