//! What people tell the engine to do, through the API: a bounded queue beside the news, each entry with its answer.

use federation_core::federation::input::Effect;
use federation_core::federation::{Federation, Now};
use federation_core::intents::{DrainOrder, DrainRefused, Taken};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for the engine at most. People and their scripts give them; more at once are a mistake somewhere.
const CAPACITY: usize = 16;

/// Gives commands to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineCommands {
    queue: mpsc::Sender<Command>,
}

/// The engine's end of the queue.
#[derive(Debug)]
pub struct CommandQueue {
    queue: mpsc::Receiver<Command>,
}

/// One command, with where its answer goes.
#[derive(Debug)]
pub(super) enum Command {
    OrderDrain { order: DrainOrder, answer: oneshot::Sender<Result<Taken, DrainRefused>> },
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
}

/// A queue of commands: the end that gives them, and the engine's.
#[must_use]
pub fn commands() -> (EngineCommands, CommandQueue) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (EngineCommands { queue: sender }, CommandQueue { queue: receiver })
}

impl EngineCommands {
    /// Orders a drain. An order that was taken is on its way to the log, not in force yet: see
    /// [`crate::view::ViewReader::settled`]. An order whose caller stops waiting before the engine has come to it is not taken.
    ///
    /// # Errors
    /// Nothing was written then.
    pub async fn order_drain(&self, order: DrainOrder) -> Result<Taken, CommandError> {
        let (answer, told) = oneshot::channel();
        self.queue.try_send(Command::OrderDrain { order, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Gone,
        })?;
        told.await.map_err(|_| CommandError::Gone)?.map_err(CommandError::Refused)
    }
}

impl CommandQueue {
    /// The next command; `None` once nobody can give one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Command> {
        self.queue.recv().await
    }
}

impl Command {
    /// Carries the command out and answers it. Returns what is to be done for it: nothing for one whose caller has gone, because the
    /// engine was busy for longer than anybody waits.
    pub(super) fn run(self, now: Now, core: &mut Federation) -> Option<Effect> {
        let Self::OrderDrain { order, answer } = self;
        if answer.is_closed() {
            tracing::warn!(drain = %order.target, who = %order.who, "a drain is not ordered, whoever ordered it has gone");
            return None;
        }
        let (told, effect) = match core.order_drain(now, order) {
            Ok((taken, effect)) => (Ok(taken), Some(effect)),
            Err(refused) => (Err(refused), None),
        };
        if let Ok(taken) = &told {
            let intent = &taken.intent;
            tracing::info!(
                drain = %taken.target, counter = intent.counter.get(), goal = intent.goal().get(), who = %intent.who,
                "drain ordered"
            );
        }
        // Whoever ordered may have stopped waiting: the order stands.
        let _ = answer.send(told);
        effect
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
