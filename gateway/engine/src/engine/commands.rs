//! Carries out what people order.

use federation_core::federation::input::Effect;
use federation_core::federation::{Federation, Now};
use federation_ports::commands::Command;

/// Carries the command out and answers it. Returns what is to be done for it: nothing for one whose caller has gone, because the
/// engine was busy for longer than anybody waits.
pub(super) fn run(command: Command, now: Now, core: &mut Federation) -> Option<Effect> {
    let (order, answer) = match command {
        Command::OrderDrain { order, answer } => (order, answer),
        Command::Exclude { clusters, done } => {
            core.exclude(clusters);
            let _ = done.send(()); // Whoever ordered it may have gone: it counts.
            return None;
        }
    };
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
