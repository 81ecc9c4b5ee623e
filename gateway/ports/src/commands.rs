//! What people tell the engine to do, through the API: a bounded queue beside the news, each entry with its answer.

use std::collections::BTreeSet;

use federation_core::comparison::ComparisonRefused;
use federation_core::drains::TakenOrder;
use federation_core::guard::{GuardOrder, GuardRefused, GuardTaken};
use federation_core::id::ClusterId;
use federation_core::intents::{DrainOrder, DrainRefused};
use federation_core::log::belonging::{AdoptRefused, Adopted};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for the engine at most. People and their scripts give them; more at once are a mistake somewhere.
const CAPACITY: usize = 16;

/// Gives commands to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineCommands {
    queue: mpsc::Sender<EngineCommand>,
}

/// The engine's end of the queue.
#[derive(Debug)]
pub struct CommandQueue {
    queue: mpsc::Receiver<EngineCommand>,
}

/// One command, with where its answer goes.
#[derive(Debug)]
pub enum EngineCommand {
    /// A drain, or its end.
    OrderDrain {
        /// What is ordered.
        order: DrainOrder,
        /// Where the answer goes; closed once nobody waits for it.
        answer: oneshot::Sender<Result<TakenOrder, DrainRefused>>,
    },
    /// The cluster is what this gateway is configured to be.
    Adopt {
        /// Where the answer goes; closed once nobody waits for it.
        answer: oneshot::Sender<Result<Adopted, AdoptRefused>>,
    },
    /// A decision about a hold of the guard.
    DecideHold {
        /// What is decided.
        order: GuardOrder,
        /// Where the answer goes; closed once nobody waits for it.
        answer: oneshot::Sender<Result<GuardTaken, GuardRefused>>,
    },
    /// The own log is compared with the own Nacos.
    Compare {
        /// Where the number of the comparison goes; closed once nobody waits for it.
        answer: oneshot::Sender<Result<u64, ComparisonRefused>>,
    },
    /// Whose facts do not count from now on.
    Exclude {
        /// All that are excluded from now on.
        clusters: BTreeSet<ClusterId>,
        /// Told once it counts.
        done: oneshot::Sender<()>,
    },
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Too many others wait. Worth another try.
    #[error("the gateway is busy with {CAPACITY} other commands")]
    Busy,
    /// The engine has ended.
    #[error("the gateway is stopping")]
    Gone,
    /// The order was not taken.
    #[error("the drain was not ordered")]
    Refused(#[source] DrainRefused),
    /// The decision was not taken.
    #[error("the hold was not decided about")]
    HoldRefused(#[source] GuardRefused),
}

/// A queue of commands: the end that gives them, and the engine's.
#[must_use]
pub fn commands() -> (EngineCommands, CommandQueue) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (EngineCommands { queue: sender }, CommandQueue { queue: receiver })
}

impl EngineCommands {
    /// Orders a drain. An order that was taken is on its way to the log, not in force yet: see
    /// the view's `settled`. An order whose caller stops waiting before the engine has come to it is not taken.
    ///
    /// # Errors
    /// Nothing was written then.
    pub async fn order_drain(&self, order: DrainOrder) -> Result<TakenOrder, CommandError> {
        let (answer, told) = oneshot::channel();
        self.give(EngineCommand::OrderDrain { order, answer })?;
        told.await.map_err(|_| CommandError::Gone)?.map_err(CommandError::Refused)
    }

    /// The cluster is what this gateway is configured to be, whatever the log says. The answer comes once that was read back, or after ten
    /// seconds. An order whose caller stops waiting before the engine has come to it is not taken.
    ///
    /// # Errors
    /// The engine did not take the order; inside, why it was not carried out.
    pub async fn adopt(&self) -> Result<Result<Adopted, AdoptRefused>, CommandError> {
        let (answer, told) = oneshot::channel();
        self.give(EngineCommand::Adopt { answer })?;
        told.await.map_err(|_| CommandError::Gone)
    }

    /// Decides about a hold of any cluster. A decision that was taken is on its way to the log, not in force yet: see the view's holds. One
    /// whose caller stops waiting before the engine has come to it is not taken.
    ///
    /// # Errors
    /// Nothing was written then.
    pub async fn decide_hold(&self, order: GuardOrder) -> Result<GuardTaken, CommandError> {
        let (answer, told) = oneshot::channel();
        self.give(EngineCommand::DecideHold { order, answer })?;
        told.await.map_err(|_| CommandError::Gone)?.map_err(CommandError::HoldRefused)
    }

    /// Begins to compare the own log with what the own Nacos answers when it is asked anew, unless that is under way already. Answers the
    /// number of the comparison; how far it is, and what it found, is in the view.
    ///
    /// # Errors
    /// The engine did not take the order; inside, why nothing can be compared.
    pub async fn compare(&self) -> Result<Result<u64, ComparisonRefused>, CommandError> {
        let (answer, told) = oneshot::channel();
        self.give(EngineCommand::Compare { answer })?;
        told.await.map_err(|_| CommandError::Gone)
    }

    /// From now on nothing of these clusters counts. Waits until the engine has taken it in; what is shown changes at once after.
    ///
    /// # Errors
    /// The engine did not take it, and will not.
    pub async fn exclude(&self, clusters: BTreeSet<ClusterId>) -> Result<(), CommandError> {
        let (done, told) = oneshot::channel();
        self.give(EngineCommand::Exclude { clusters, done })?;
        told.await.map_err(|_| CommandError::Gone)
    }

    fn give(&self, command: EngineCommand) -> Result<(), CommandError> {
        self.queue.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Gone,
        })
    }
}

impl CommandQueue {
    /// The next command; `None` once nobody can give one. Cancel-safe.
    pub async fn next(&mut self) -> Option<EngineCommand> {
        self.queue.recv().await
    }
}

#[cfg(test)]
mod tests {
    use federation_core::routing::{DrainGuard, Percent};
    use federation_core::time::Millis;

    use super::*;

    fn order() -> DrainOrder {
        DrainOrder {
            target: "frankfurt".parse().unwrap(),
            percent: Percent::new(30).unwrap(),
            over: Millis(0),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            giver: Default::default(),
        }
    }

    #[tokio::test]
    async fn more_commands_than_the_queue_takes_are_refused_at_once_and_those_left_at_the_end_are_answered() {
        let (commands, queue) = commands();
        let mut waiting: Vec<_> = (0..CAPACITY).map(|_| Box::pin(commands.order_drain(order()))).collect();
        for ordered in &mut waiting {
            assert!(futures::poll!(ordered).is_pending());
        }
        assert!(matches!(commands.order_drain(order()).await, Err(CommandError::Busy)));
        drop(queue);
        for ordered in waiting {
            assert!(matches!(ordered.await, Err(CommandError::Gone)));
        }
        assert!(matches!(commands.order_drain(order()).await, Err(CommandError::Gone)));
    }
}
