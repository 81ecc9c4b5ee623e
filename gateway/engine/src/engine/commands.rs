//! Brings what people order to the state machine, and its answer back.

use std::collections::BTreeMap;

use federation_core::drains::Taken;
use federation_core::input::{Order, OrderId};
use federation_core::intents::DrainRefused;
use federation_ports::commands::Command;
use tokio::sync::oneshot;

/// Whoever waits for the answer to an order.
#[derive(Debug, Default)]
pub struct Waiting {
    last: u64,
    answers: BTreeMap<OrderId, oneshot::Sender<Result<Taken, DrainRefused>>>,
}

/// What a command asks of the state machine, and whom to tell once that has taken it in.
pub(super) struct Asked {
    pub(super) order: Order,
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl Waiting {
    /// What the command asks: nothing if its caller has gone, because the engine was busy for longer than anybody waits.
    pub(super) fn take(&mut self, command: Command) -> Option<Asked> {
        let (order, answer) = match command {
            Command::OrderDrain { order, answer } => (order, answer),
            Command::Exclude { clusters, done } => {
                return Some(Asked { order: Order::Exclude(clusters), done: Some(done) });
            }
        };
        if answer.is_closed() {
            tracing::warn!(drain = %order.target, who = %order.who, "a drain is not ordered, whoever ordered it has gone");
            return None;
        }
        self.last += 1;
        let id = OrderId(self.last);
        self.answers.insert(id, answer);
        Some(Asked { order: Order::Drain { id, order }, done: None })
    }

    /// Tells whoever ordered. They may have stopped waiting: the order stands.
    pub(super) fn answer(&mut self, id: OrderId, outcome: Result<Taken, DrainRefused>) {
        if let Ok(taken) = &outcome {
            let intent = &taken.intent;
            tracing::info!(
                drain = %taken.target, counter = intent.counter.get(), goal = intent.goal().get(), who = %intent.who,
                "drain ordered"
            );
        }
        if let Some(answer) = self.answers.remove(&id) {
            let _ = answer.send(outcome);
        }
    }
}
