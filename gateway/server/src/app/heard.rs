//! Orders that the engine reads in the log, as records of who did what.

use federation_access::audit::{AuditLog, AuditOutcome, AuditRecord};
use federation_core::guard::GuardWord;
use federation_core::intents::OrderGiver;
use federation_core::orders::{HeardOrder, HeardWhat};
use federation_core::routing::DrainGuard;
use federation_ports::orders::OrderListener;
use serde_json::{Value, json};

/// Keeps what was ordered at other gateways beside what is ordered at this one.
#[derive(Clone)]
pub(super) struct HeardOrders(pub(super) AuditLog);

impl OrderListener for HeardOrders {
    fn heard(&self, order: HeardOrder) {
        self.0.record(record(order));
    }
}

fn record(heard: HeardOrder) -> AuditRecord {
    let HeardOrder { origin, when, what, refused } = heard;
    let Told { giver, who, why, act, order, before, after } = told(what);
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    AuditRecord {
        at_ms: when.0,
        // Whoever is not known by the gateway that took the order is at least somebody by his own word, as before there were identities.
        who: said(&giver.identity).or_else(|| said(&who)).unwrap_or_else(|| "unknown".to_owned()),
        from: said(&giver.from),
        means: said(&giver.means),
        taken_in: Some(origin.to_string()),
        act,
        order,
        before,
        after,
        reason: said(&why),
        outcome: if refused.is_some() { AuditOutcome::Refused } else { AuditOutcome::Done },
        status: 0,
        answer: refused.map_or(Value::Null, |why| Value::String(format!("not accepted here, because {why}"))),
    }
}

/// What is said of an order of whatever kind.
struct Told {
    giver: OrderGiver,
    who: String,
    why: String,
    act: String,
    order: Value,
    before: Value,
    after: Value,
}

fn told(what: HeardWhat) -> Told {
    match what {
        HeardWhat::Drain { target, intent, before, after } => Told {
            act: format!("{} {target}", if intent.goal().get() == 0 { "undrain" } else { "drain" }),
            order: json!({
                "target": target.to_string(),
                "percent": intent.goal().get(),
                "overMs": intent.ramp.map(|ramp| ramp.over().0),
                "force": intent.guard == DrainGuard::Force,
                "who": &*intent.who,
                "counter": intent.counter.get(),
            }),
            giver: intent.giver,
            who: intent.who.to_string(),
            why: intent.why.to_string(),
            before: before.get().into(),
            after: after.get().into(),
        },
        HeardWhat::Forgotten { target, before, after } => Told {
            act: format!("remove the drain of {target} from the log"),
            order: json!({"target": target.to_string()}),
            giver: OrderGiver::default(),
            who: String::new(),
            why: String::new(),
            before: before.get().into(),
            after: after.get().into(),
        },
        HeardWhat::Hold { target, entry, before } => Told {
            act: format!("{} {target}", if entry.word == GuardWord::Keep { "keep" } else { "release" }),
            order: json!({
                "id": target.to_string(),
                "kept": entry.kept,
                "who": &*entry.who,
                "counter": entry.counter.get(),
            }),
            giver: entry.giver,
            who: entry.who.to_string(),
            why: entry.why.to_string(),
            before: before.map_or(Value::Null, |word| word.as_str().into()),
            after: entry.word.as_str().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use federation_core::intents::verdict::NotAccepted;
    use federation_core::intents::{DrainIntent, OrderCounter};
    use federation_core::routing::Percent;
    use federation_core::time::WallMs;
    use federation_ports::trouble::TroubleBoard;

    use super::*;

    fn heard(giver: OrderGiver, refused: Option<NotAccepted>) -> HeardOrder {
        let percent = |number| Percent::new(number).unwrap();
        let intent = DrainIntent {
            counter: OrderCounter::FIRST,
            percent: percent(30),
            guard: DrainGuard::default(),
            who: "token:ops (says ann)".into(),
            why: "disk".into(),
            when: WallMs(5),
            replica: 7,
            ramp: None,
            giver,
        };
        let what = HeardWhat::Drain { target: "a".parse().unwrap(), intent, before: percent(0), after: percent(30) };
        HeardOrder { origin: "b".parse().unwrap(), when: WallMs(5), what, refused }
    }

    #[test]
    fn what_was_ordered_elsewhere_is_kept_with_who_from_where_and_what_changed() {
        let (log, _) = AuditLog::new(None, TroubleBoard::default());
        let orders = HeardOrders(log.clone());
        orders.heard(heard(OrderGiver::new("token:ops", "10.0.0.1:5", "token"), None));
        orders.heard(heard(OrderGiver::default(), Some(NotAccepted::Unsigned)));
        let records = log.recent();
        let told = |record: &AuditRecord| (record.who.clone(), record.from.clone(), record.outcome);
        assert_eq!(told(&records[0]), ("token:ops".into(), Some("10.0.0.1:5".into()), AuditOutcome::Done));
        assert_eq!((&*records[0].act, &records[0].before, &records[0].after), ("drain a", &json!(0), &json!(30)));
        assert_eq!((records[0].taken_in.as_deref(), records[0].reason.as_deref()), (Some("b"), Some("disk")));
        assert_eq!(told(&records[1]), ("token:ops (says ann)".into(), None, AuditOutcome::Refused));
        assert_eq!(records[1].answer, json!("not accepted here, because it is not signed"));
    }
}
