//! The client that fetches: one consumer without a group, and the queues that it fills for each partition. Input: what to read, and
//! from where. Output: what its callbacks found out. When it is replaced, what it had fetched and nobody took is fetched again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::Context;
use crate::consume::{Signal, Signals};
use crate::disposal::Disposal;
use crate::options::KafkaOptions;
use crate::slot::Slot;

/// The client of one reader.
pub(super) struct Fetcher {
    /// Taken by the drop only.
    consumer: Option<Arc<BaseConsumer<Context>>>,
    signals: Signals,
    disposal: Disposal,
}

/// What a client found out beside records.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Topics that turned out to be others under the same name.
    pub(super) recreated: BTreeSet<String>,
    /// Topic and partition of records outside of their partition's queue: these have lost their order.
    pub(super) strayed: Vec<(String, i32)>,
    /// It cannot go on.
    pub(super) broken: Option<KafkaError>,
}

impl Fetcher {
    /// A client that knows of nothing but the ids of these topics; reaches nobody yet.
    pub(super) fn new(
        options: &KafkaOptions,
        topic_ids: HashMap<String, String>,
        signals: &Signals,
        disposal: &Disposal,
    ) -> KafkaResult<Self> {
        Self::with(options, Context::knowing(topic_ids), signals, disposal)
    }

    /// A client to take the place of this one.
    pub(super) fn another(&self, options: &KafkaOptions) -> KafkaResult<Self> {
        Self::with(options, Context::following(self.context()), &self.signals, &self.disposal)
    }

    fn with(options: &KafkaOptions, context: Context, signals: &Signals, disposal: &Disposal) -> KafkaResult<Self> {
        let consumer = options.consumer().create_with_context(context)?;
        Ok(Self { consumer: Some(Arc::new(consumer)), signals: signals.clone(), disposal: disposal.clone() })
    }

    /// Whether it may be replaced: there is room for its end.
    pub(super) fn can_be_replaced(&self) -> bool {
        self.disposal.has_room()
    }

    /// Starts to read a slot's partition from where the slot is; a failure leaves the slot without a queue.
    pub(super) fn attach(&self, index: usize, slot: &mut Slot) {
        // Split before the partition is assigned: afterwards its first records could go to the common queue.
        let Some(mut queue) = self.consumer().split_partition_queue(&slot.topic, number(slot)) else { return };
        let signals = self.signals.clone();
        queue.set_nonempty_callback(move || {
            let _ = signals.try_send(Signal::Ready(index));
        });
        let assigned = list(slot, place(slot)).and_then(|list| self.consumer().incremental_assign(&list));
        match assigned {
            Ok(()) => slot.queue = Some(queue),
            Err(error) => tracing::debug!(%error, topic = slot.topic, "partition could not be assigned"),
        }
    }

    /// Ends reading a slot's partition.
    pub(super) fn detach(&self, slot: &mut Slot) {
        slot.queue = None;
        let gone = list(slot, Offset::Invalid).and_then(|list| self.consumer().incremental_unassign(&list));
        if let Err(error) = gone {
            tracing::debug!(%error, topic = slot.topic, "partition was not assigned");
        }
    }

    /// Moves to where the slot is already, so that the end of the partition is told once more. A client that cannot is found out by its
    /// silence.
    pub(super) fn read_on(&self, slot: &Slot) {
        if let Err(error) = self.consumer().seek(&slot.topic, number(slot), place(slot), Duration::ZERO) {
            tracing::debug!(%error, topic = slot.topic, "could not seek");
        }
    }

    /// Serves the client's log and errors.
    pub(super) fn serve(&self) -> Findings {
        let mut findings = Findings::default();
        let consumer = self.consumer();
        while let Some(event) = consumer.poll(Duration::ZERO) {
            match event {
                Ok(message) => findings.strayed.push((message.topic().to_owned(), message.partition())),
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => findings.broken = Some(error),
                Err(_) => {} // The context has noted it.
            }
        }
        findings.recreated = consumer.context().take_recreated();
        findings
    }

    /// What the client knows of its connections and topics.
    pub(super) fn context(&self) -> &Context {
        self.consumer().context()
    }

    /// Ends the client, with the queues that it filled, without waiting for that.
    pub(super) fn end(mut self, queues: Vec<PartitionQueue<Context>>) {
        let consumer = self.consumer.take();
        // Queues first: they must not outlive their client.
        self.disposal.end((queues, consumer));
    }

    fn consumer(&self) -> &Arc<BaseConsumer<Context>> {
        self.consumer.as_ref().expect("only the end takes it")
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            self.disposal.end(consumer);
        }
    }
}

fn place(slot: &Slot) -> Offset {
    match slot.place.next() {
        Some(next) => Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX)),
        None => Offset::Beginning,
    }
}

fn number(slot: &Slot) -> i32 {
    i32::try_from(slot.id.partition).unwrap_or(i32::MAX)
}

fn list(slot: &Slot, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&slot.topic, number(slot), offset)?;
    Ok(list)
}
