//! The federation log in Kafka: [`connect`] gives the engine's way to write, and the tasks that read.
//!
//! Nothing here decides anything: records go in and out as they are, trouble is told and lived with. Every part restarts by
//! itself; only the engine's end ends them.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::consume::Reader;
use crate::disposal::Disposal;
use crate::ends::{EndReader, Question};
use crate::inspector::Inspector;
use crate::lookout::Lookout;
use crate::membership::{Membership, Surroundings};
use crate::options::KafkaOptions;
use crate::produce::{KafkaLog, Producers};
use crate::resumption::Resumption;
use crate::supervise::Supervisor;
use federation_ports::inbox::EngineInbox;
use federation_ports::metrics::{Component, LogMetrics};
use federation_ports::trouble::TroubleBoard;

pub use membership::{TopicFacts, TopicsHealth};
pub use resumption::ResumptionFacts;

mod admin;
mod chores;
mod client;
mod complaint;
mod consume;
mod delivery;
mod disposal;
pub mod embedded;
mod ends;
mod fairness;
mod fetcher;
mod hearing;
mod inspector;
mod life;
mod lookout;
mod membership;
pub mod options;
pub mod produce;
mod refusals;
mod resumption;
mod slot;
mod source;
mod supervise;
pub mod topics;
mod turn;

/// How soon a part that ended without being told is started again, at first and at most.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);

/// The clients could not be made: a property that librdkafka refuses. Whether Kafka can be reached shows later.
#[derive(Debug, thiserror::Error)]
#[error("kafka clients cannot be made with these properties")]
pub struct KafkaConnectError(#[from] KafkaError);

/// A part of the adapter panicked.
#[derive(Debug, thiserror::Error)]
#[error("a part of the kafka adapter panicked")]
pub struct PartPanicked(#[source] JoinError);

/// What reads the log and looks after its topics.
pub struct KafkaTasks {
    membership: Membership,
    reader: Reader,
    ends: EndReader,
    supervisor: Supervisor,
    inbox: EngineInbox,
    metrics: LogMetrics,
    health: Arc<watch::Sender<TopicsHealth>>,
}

/// Makes the clients. Nothing is read before [`KafkaTasks::run`], and Kafka need not be there. What is wrong and lasts is told on the board.
///
/// # Errors
/// If librdkafka refuses a property.
pub fn connect(
    options: KafkaOptions,
    inbox: EngineInbox,
    metrics: LogMetrics,
    troubles: TroubleBoard,
) -> Result<(KafkaLog, KafkaTasks), KafkaConnectError> {
    let options = Arc::new(options);
    let renewals = options.renewals(); // Before any client is made.
    let (signals, signalled) = sync_channel(consume::CAPACITY);
    let (questions, asked) = sync_channel::<Question>(ends::CAPACITY);
    let (lookout, disposal) = (Arc::new(Lookout::default()), Disposal::default());
    let inspector = Arc::new(Inspector::new(&options, &lookout, &disposal, &metrics)?);
    let producers = Arc::new(Producers::new(&options, &metrics, &signals, &lookout, &disposal)?);
    options.consumer().create_native_config()?;
    let health = Arc::new(watch::Sender::new(TopicsHealth::default()));
    let resumption = Arc::new(Resumption::of(options.cursors.len()));
    let tasks = KafkaTasks {
        membership: Membership::new(Surroundings {
            options: Arc::clone(&options),
            inspector: Arc::clone(&inspector),
            inbox: inbox.clone(),
            signals: signals.clone(),
            questions: questions.clone(),
            health: Arc::clone(&health),
            limits: producers.limits(),
            metrics: metrics.clone(),
            troubles: troubles.clone(),
        }),
        ends: EndReader {
            own: options.cluster.clone(),
            inspector,
            lookout: Arc::clone(&lookout),
            inbox: inbox.clone(),
            signals: signals.clone(),
            troubles: troubles.clone(),
            questions: Arc::new(Mutex::new(asked)),
        },
        reader: Reader {
            options,
            inbox: inbox.clone(),
            metrics: metrics.clone(),
            troubles: troubles.clone(),
            lookout,
            disposal,
            signals,
            signalled: Arc::new(Mutex::new(signalled)),
            begun: Arc::default(),
            resumption,
        },
        supervisor: Supervisor::new(Arc::clone(&producers), renewals, inbox.clone(), troubles),
        inbox,
        metrics,
        health,
    };
    Ok((KafkaLog::new(producers, questions), tasks))
}

impl KafkaTasks {
    /// State of the own topics, now and whenever it changes.
    #[must_use]
    pub fn topics_health(&self) -> watch::Receiver<TopicsHealth> {
        self.health.subscribe()
    }

    /// How much of the log is read on from the engine's snapshot.
    #[must_use]
    pub fn resumption(&self) -> ResumptionFacts {
        ResumptionFacts(Arc::clone(&self.reader.resumption))
    }

    /// Reads, until `stop` or until the engine's inbox is closed. Returns when all parts have ended.
    ///
    /// # Errors
    /// If a part panicked that cannot be started again; the others are stopped then.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PartPanicked> {
        let stop = stop.child_token();
        let mut parts = JoinSet::new();
        parts.spawn(self.membership.run(stop.clone()));
        parts.spawn(self.supervisor.run(stop.clone()));
        let (reader, ends, metrics) = (self.reader, self.ends, self.metrics);
        parts.spawn(keep(
            Restarts { metrics: metrics.clone(), component: Component::Consumer },
            self.inbox.clone(),
            stop.clone(),
            move |stop| {
                if let Err(error) = reader.run(stop) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "reader of the log failed, starting it again"
                    );
                }
            },
        ));
        parts.spawn(keep(Restarts { metrics, component: Component::Ends }, self.inbox, stop.clone(), move |stop| {
            ends.run(stop)
        }));
        let mut outcome = Ok(());
        while let Some(ended) = parts.join_next().await {
            if let Err(error) = ended {
                stop.cancel();
                outcome = Err(PartPanicked(error));
            }
        }
        outcome
    }
}

/// Where restarts of a part are counted.
struct Restarts {
    metrics: LogMetrics,
    component: Component,
}

/// Runs blocking work on a thread of its own, again and again with growing pauses, until `stop` or the engine's end.
async fn keep<W>(restarts: Restarts, inbox: EngineInbox, stop: CancellationToken, work: W)
where
    W: Fn(&CancellationToken) + Clone + Send + 'static,
{
    let mut backoff = FIRST_BACKOFF;
    loop {
        let started = Instant::now();
        let (work, token) = (work.clone(), stop.clone());
        if let Err(error) = spawn_blocking(move || work(&token)).await {
            tracing::error!(%error, part = ?restarts.component, "a part of the kafka adapter panicked, starting it again");
        }
        if inbox.is_closed() {
            return;
        }
        if stop.is_cancelled() {
            return;
        }
        restarts.metrics.restarts(restarts.component).inc();
        if started.elapsed() > LONGEST_BACKOFF {
            backoff = FIRST_BACKOFF;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff) => {}
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

#[cfg(test)]
mod tests;
