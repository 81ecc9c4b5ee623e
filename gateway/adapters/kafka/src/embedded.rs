//! A Kafka inside this process, for the demo and quick tests: librdkafka's mock cluster, reached over the loopback by any
//! number of clients. It keeps records in memory, at most 5 MiB of each partition (older ones vanish without a word), compacts
//! nothing, and knows no admin calls: topics are created here, before the first client connects.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::topics::TopicNames;

/// One broker, until dropped.
pub struct EmbeddedKafka {
    bootstrap: String,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// The embedded broker could not be started or did not obey.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The library refused.
    #[error("the embedded kafka refused")]
    Refused(#[from] KafkaError),
    /// Its thread could not be started.
    #[error("the embedded kafka's thread could not be started")]
    Thread(#[from] std::io::Error),
    /// Its thread has ended.
    #[error("the embedded kafka has ended")]
    Ended,
}

/// The mock cluster may not leave its thread.
struct Order {
    what: What,
    done: SyncSender<KafkaResult<()>>,
}

enum What {
    CreateTopic { name: String, partitions: i32 },
    Down,
    Up,
}

impl EmbeddedKafka {
    /// Starts a broker with no topics on a port of its own choice.
    ///
    /// # Errors
    /// If there is no port or thread to be had.
    pub fn start() -> Result<Self, EmbeddedError> {
        let (orders, ordered) = sync_channel(1);
        let (started, start) = sync_channel(1);
        let thread =
            std::thread::Builder::new().name("embedded-kafka".to_owned()).spawn(move || serve(&started, &ordered))?;
        let bootstrap = start.recv().map_err(|_| EmbeddedError::Ended)??;
        Ok(Self { bootstrap, orders, thread: Some(thread) })
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates the three topics of a cluster.
    ///
    /// # Errors
    /// If they exist already.
    pub fn create_topics(&self, names: &TopicNames, cluster: &ClusterId, partitions: u32) -> Result<(), EmbeddedError> {
        for kind in TopicKind::ALL {
            let partitions = if kind == TopicKind::Control { 1 } else { partitions };
            let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            self.order(What::CreateTopic { name: names.of(cluster, kind), partitions })?;
        }
        Ok(())
    }

    /// Breaks all connections and takes no new ones. Records stay.
    ///
    /// # Errors
    /// If the broker has ended.
    pub fn go_down(&self) -> Result<(), EmbeddedError> {
        self.order(What::Down)
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// If the broker has ended.
    pub fn come_up(&self) -> Result<(), EmbeddedError> {
        self.order(What::Up)
    }

    fn order(&self, what: What) -> Result<(), EmbeddedError> {
        let (done, result) = sync_channel(1);
        self.orders.send(Order { what, done }).map_err(|_| EmbeddedError::Ended)?;
        Ok(result.recv().map_err(|_| EmbeddedError::Ended)??)
    }
}

impl Drop for EmbeddedKafka {
    fn drop(&mut self) {
        // The thread ends when nobody can give orders any more.
        let (nobody, _) = sync_channel(1);
        self.orders = nobody;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the embedded kafka panicked");
        }
    }
}

fn serve(started: &SyncSender<KafkaResult<String>>, orders: &Receiver<Order>) {
    let broker = match MockCluster::new(1) {
        Ok(broker) => broker,
        Err(error) => return drop(started.send(Err(error))),
    };
    if started.send(Ok(broker.bootstrap_servers())).is_err() {
        return;
    }
    for Order { what, done } in orders {
        // Whoever gave the order may be gone.
        let _ = done.send(obey(&broker, what));
    }
}

fn obey(broker: &MockCluster<'_, DefaultProducerContext>, what: What) -> KafkaResult<()> {
    const ALL_BROKERS: i32 = -1;
    match what {
        What::CreateTopic { name, partitions } => broker.create_topic(&name, partitions, 1),
        What::Down => broker.broker_down(ALL_BROKERS),
        What::Up => broker.broker_up(ALL_BROKERS),
    }
}
