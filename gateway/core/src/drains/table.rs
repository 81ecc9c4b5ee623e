//! Which drains are in force: of every target the order with the highest (counter, cluster), among all clusters' logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{ClusterId, ServiceKey};
use crate::intents::{DrainIntent, DrainTarget};
use crate::log::intents::{LoggedDrain, RefusedDrain};
use crate::routing::{Drain, Intents, Percent};
use crate::service::Revision;
use crate::time::WallMs;

/// All drains in force, one for each target; an immutable value of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentTable {
    version: Revision,
    /// By the targets' texts: the order in which drains are judged.
    drains: BTreeMap<Arc<str>, DrainInForce>,
    refused: Vec<RefusedOrder>,
}

/// A record of a drain that has no effect at this gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedOrder {
    /// What it would drain.
    pub target: DrainTarget,
    /// The cluster in whose log it stands.
    pub taken_in: ClusterId,
    /// What it says, and why it has no effect.
    pub record: RefusedDrain,
}

/// The drain that counts for its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainInForce {
    /// What is drained.
    pub target: DrainTarget,
    /// The order; also one of 0 %, which undid another.
    pub intent: DrainIntent,
    /// The cluster in whose log the order stands.
    pub taken_in: ClusterId,
    /// Since when the percentage is what it is, by the clock of the gateway that wrote it: of a ramp, its last step.
    pub since: WallMs,
}

impl DrainInForce {
    fn rank(&self) -> (crate::intents::OrderCounter, &ClusterId) {
        (self.intent.counter, &self.taken_in)
    }
}

/// An order as it was written, to be recognised in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOrder {
    /// What is drained.
    pub target: DrainTarget,
    /// The order.
    pub intent: DrainIntent,
    /// The cluster whose gateway took it.
    pub cluster: ClusterId,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderSettled {
    /// It is in force.
    InForce,
    /// Another order for the same target is, given at the same time or later.
    Overruled {
        /// Where that one was taken.
        by: ClusterId,
    },
}

impl IntentTable {
    /// Chooses among what the logs say, in any order.
    #[must_use]
    pub fn new<'a>(
        version: Revision,
        logged: impl IntoIterator<Item = (&'a ClusterId, &'a DrainTarget, &'a LoggedDrain)>,
    ) -> Self {
        let mut drains: BTreeMap<Arc<str>, DrainInForce> = BTreeMap::new();
        for (cluster, target, logged) in logged {
            let Some(intent) = logged.intent.clone() else { continue };
            let drain =
                DrainInForce { target: target.clone(), intent, taken_in: cluster.clone(), since: logged.observed };
            let text: Arc<str> = target.to_string().into();
            if drains.get(&text).is_none_or(|known| drain.rank() > known.rank()) {
                drains.insert(text, drain);
            }
        }
        Self { version, drains, refused: Vec::new() }
    }

    /// The same with records that have no effect here.
    #[must_use]
    pub fn refusing(self, refused: Vec<RefusedOrder>) -> Self {
        Self { refused, ..self }
    }

    /// Records that have no effect here.
    #[must_use]
    pub fn refused(&self) -> &[RefusedOrder] {
        &self.refused
    }

    /// Changes whenever anything in the table does.
    #[must_use]
    pub fn version(&self) -> Revision {
        self.version
    }

    /// All drains in force in byte order of their targets, those of 0 % too.
    pub fn iter(&self) -> impl Iterator<Item = &DrainInForce> {
        self.drains.values()
    }

    /// The drain in force for a target.
    #[must_use]
    pub fn get(&self, target: &DrainTarget) -> Option<&DrainInForce> {
        self.drains.get(target.to_string().as_str())
    }

    /// What operators want of a service: the drains above 0 % that cover it.
    ///
    /// # Panics
    /// Never: targets are unique here.
    #[must_use]
    pub fn for_service(&self, key: &ServiceKey) -> Intents {
        let drains = self.drains.iter().filter(|(_, drain)| drain.intent.percent > Percent::default());
        let drains = drains.filter(|(_, drain)| drain.target.covers(key)).map(|(text, drain)| Drain {
            target: Arc::clone(text),
            cluster: drain.target.cluster().into(),
            percent: drain.intent.percent,
            guard: drain.intent.guard,
        });
        Intents::new(drains.collect()).expect("a map has each target once")
    }

    /// What became of an order; `None` while it has not been read in the log. Of two orders that one cluster took at once
    /// the later in its log counts: which that is, is told when the order was read.
    #[must_use]
    pub fn settled(&self, taken: &TakenOrder) -> Option<OrderSettled> {
        let known = self.get(&taken.target)?;
        let (ours, theirs) = ((taken.intent.counter, &taken.cluster), known.rank());
        if theirs > ours {
            Some(OrderSettled::Overruled { by: known.taken_in.clone() })
        } else {
            (theirs == ours && known.intent.is_same_order(&taken.intent)).then_some(OrderSettled::InForce)
        }
    }

    /// Whether both have the same orders in force, whatever step their ramps have reached.
    #[must_use]
    pub fn has_same_orders(&self, other: &Self) -> bool {
        let orders = |table: &Self| -> Vec<_> {
            let order = |(text, drain): (&Arc<str>, &DrainInForce)| {
                (Arc::clone(text), drain.intent.counter, drain.taken_in.clone(), drain.intent.goal())
            };
            table.drains.iter().map(order).collect()
        };
        orders(self) == orders(other)
    }

    /// Whether both say the same, whatever their versions.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.drains == other.drains && self.refused == other.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::OrderCounter;
    use crate::routing::DrainGuard;

    fn cluster(name: &str) -> ClusterId {
        name.parse().unwrap()
    }

    fn logged(counter: u64, percent: u8) -> LoggedDrain {
        let intent = DrainIntent {
            counter: OrderCounter::new(counter).unwrap(),
            percent: Percent::new(percent).unwrap(),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            when: WallMs(1),
            replica: 7,
            ramp: None,
            giver: crate::intents::OrderGiver::default(),
        };
        LoggedDrain::read(intent, WallMs(1), crate::intents::verdict::Signed::Absent)
    }

    fn table(logged: &[(&str, &str, LoggedDrain)]) -> IntentTable {
        let owned: Vec<_> = logged
            .iter()
            .map(|(cluster_name, target, drain)| (cluster(cluster_name), target.parse().unwrap(), drain))
            .collect();
        IntentTable::new(Revision(1), owned.iter().map(|(cluster, target, drain)| (cluster, target, *drain)))
    }

    fn in_force(table: &IntentTable) -> Vec<(String, u8, String)> {
        let row =
            |drain: &DrainInForce| (drain.target.to_string(), drain.intent.percent.get(), drain.taken_in.to_string());
        table.iter().map(row).collect()
    }

    #[test]
    fn the_highest_counter_is_in_force_then_the_highest_cluster_whatever_the_order() {
        let mut rows = vec![
            ("a", "x", logged(3, 30)),
            ("b", "x", logged(4, 0)),
            ("c", "x", logged(1, 99)),
            ("a", "x/*/*/s", logged(2, 10)),
            ("b", "x/*/*/s", logged(2, 20)),
        ];
        let want = [("x".to_owned(), 0, "b".to_owned()), ("x/*/*/s".to_owned(), 20, "b".to_owned())];
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            assert_eq!(in_force(&table(&rows)), want);
        }
    }

    #[test]
    fn a_service_sees_the_drains_that_cover_it_in_byte_order_of_their_targets() {
        let table =
            table(&[("a", "x/*/*/order-*", logged(1, 10)), ("a", "x", logged(1, 20)), ("a", "y", logged(1, 0))]);
        let drains = |name: &str| -> Vec<(String, u8)> {
            let intents = table.for_service(&ServiceKey::new("public", "g", name));
            intents.drains().iter().map(|drain| (drain.target.to_string(), drain.percent.get())).collect()
        };
        assert_eq!(drains("order-1"), [("x".to_owned(), 20), ("x/*/*/order-*".to_owned(), 10)]);
        assert_eq!(drains("cart"), [("x".to_owned(), 20)]);
    }

    #[test]
    fn an_order_is_settled_when_it_or_a_higher_one_is_in_force() {
        let taken = |counter, percent| TakenOrder {
            target: "x".parse().unwrap(),
            intent: logged(counter, percent).intent.unwrap(),
            cluster: cluster("b"),
        };
        let table = table(&[("b", "x", logged(4, 30))]);
        assert_eq!(table.settled(&taken(4, 30)), Some(OrderSettled::InForce));
        assert_eq!(table.settled(&taken(4, 31)), None, "another order of the same cluster came first");
        assert_eq!(table.settled(&taken(5, 30)), None);
        assert_eq!(table.settled(&taken(3, 30)), Some(OrderSettled::Overruled { by: cluster("b") }));
    }
}
