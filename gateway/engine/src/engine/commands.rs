//! Brings what people order to the state machine, and its answer back.

use std::collections::BTreeMap;

use federation_core::comparison::ComparisonRefused;
use federation_core::drains::TakenOrder;
use federation_core::guard::{GuardOrder, GuardRefused, GuardTaken};
use federation_core::input::{OperatorOrder, OrderId};
use federation_core::intents::DrainRefused;
use federation_core::log::belonging::{AdoptRefused, Adopted};
use federation_ports::commands::EngineCommand;
use tokio::sync::oneshot;

/// Whoever waits for the answer to an order.
#[derive(Debug, Default)]
pub struct OrderWaiter {
    last: u64,
    answers: BTreeMap<OrderId, oneshot::Sender<Result<TakenOrder, DrainRefused>>>,
    adoptions: BTreeMap<OrderId, oneshot::Sender<Result<Adopted, AdoptRefused>>>,
    decisions: BTreeMap<OrderId, oneshot::Sender<Result<GuardTaken, GuardRefused>>>,
    comparisons: BTreeMap<OrderId, oneshot::Sender<Result<u64, ComparisonRefused>>>,
}

/// What a command asks of the state machine, and whom to tell once that has taken it in.
pub(super) struct Asked {
    pub(super) order: OperatorOrder,
    pub(super) done: Option<oneshot::Sender<()>>,
}

impl OrderWaiter {
    /// What the command asks: nothing if its caller has gone, because the engine was busy for longer than anybody waits.
    pub(super) fn take(&mut self, command: EngineCommand) -> Option<Asked> {
        let (order, answer) = match command {
            EngineCommand::OrderDrain { order, answer } => (order, answer),
            EngineCommand::Adopt { answer } => return self.take_adoption(answer),
            EngineCommand::DecideHold { order, answer } => return self.take_decision(order, answer),
            EngineCommand::Compare { answer } => {
                self.last += 1;
                let id = OrderId(self.last);
                self.comparisons.insert(id, answer);
                return Some(Asked { order: OperatorOrder::Compare { id }, done: None });
            }
            EngineCommand::Exclude { clusters, done } => {
                return Some(Asked { order: OperatorOrder::Exclude(clusters), done: Some(done) });
            }
        };
        if answer.is_closed() {
            tracing::warn!(drain = %order.target, who = %order.who, "a drain is not ordered, whoever ordered it has gone");
            return None;
        }
        self.last += 1;
        let id = OrderId(self.last);
        self.answers.insert(id, answer);
        Some(Asked { order: OperatorOrder::Drain { id, order }, done: None })
    }

    fn take_adoption(&mut self, answer: oneshot::Sender<Result<Adopted, AdoptRefused>>) -> Option<Asked> {
        if answer.is_closed() {
            tracing::warn!("nothing is adopted, whoever ordered it has gone");
            return None;
        }
        self.last += 1;
        let id = OrderId(self.last);
        self.adoptions.insert(id, answer);
        Some(Asked { order: OperatorOrder::Adopt { id }, done: None })
    }

    /// Tells whoever ordered to adopt. They may have stopped waiting: it stands.
    pub(super) fn adopted(&mut self, id: OrderId, outcome: Result<Adopted, AdoptRefused>) {
        match &outcome {
            Ok(adopted) => tracing::info!(descriptor = ?adopted.descriptor, was = ?adopted.was, "descriptor adopted"),
            Err(error) => tracing::warn!(%error, "descriptor not adopted"),
        }
        if let Some(answer) = self.adoptions.remove(&id) {
            let _ = answer.send(outcome);
        }
    }

    /// Tells whoever wants the own log compared. They may have stopped waiting: it goes on.
    pub(super) fn comparison_begun(&mut self, id: OrderId, outcome: Result<u64, ComparisonRefused>) {
        if let Some(answer) = self.comparisons.remove(&id) {
            let _ = answer.send(outcome);
        }
    }

    fn take_decision(
        &mut self,
        order: GuardOrder,
        answer: oneshot::Sender<Result<GuardTaken, GuardRefused>>,
    ) -> Option<Asked> {
        if answer.is_closed() {
            tracing::warn!(hold = %order.target, who = %order.who, "a hold is not decided about, whoever decided has gone");
            return None;
        }
        self.last += 1;
        let id = OrderId(self.last);
        self.decisions.insert(id, answer);
        Some(Asked { order: OperatorOrder::Guard { id, order }, done: None })
    }

    /// Tells whoever decided about a hold. They may have stopped waiting: the decision stands.
    pub(super) fn answer_decision(&mut self, id: OrderId, outcome: Result<GuardTaken, GuardRefused>) {
        if let Ok(taken) = &outcome {
            let entry = &taken.entry;
            tracing::info!(hold = %taken.target, word = entry.word.as_str(), kept = entry.kept, who = %entry.who, "hold decided about");
        }
        if let Some(answer) = self.decisions.remove(&id) {
            let _ = answer.send(outcome);
        }
    }

    /// Tells whoever ordered. They may have stopped waiting: the order stands.
    pub(super) fn answer(&mut self, id: OrderId, outcome: Result<TakenOrder, DrainRefused>) {
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
