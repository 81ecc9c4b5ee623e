//! What operators want: read from every origin's control topic, chosen from, and written to the own one (rule R24).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drains::writer::{Part, Write};
use crate::drains::{IntentTable, RefusedOrder, TakenOrder};
use crate::federation::Federation;
use crate::id::ClusterId;
use crate::input::{Effect, OperatorOrder};
use crate::intents::verdict::Signed;
use crate::intents::{DrainIntent, DrainOrder, DrainRamp, DrainRefused, DrainTarget, LONGEST_TEXT_BYTES, OrderCounter};
use crate::lease::ReplicaRole;
use crate::log::control::{ControlKey, ControlValue};
use crate::log::intents::DrainRecord;
use crate::log::record::RecordHeader;
use crate::orders::rules::OrderSubject;
use crate::time::{Millis, Now};

/// A member that was never heard is waited for this long before an order is taken without knowing its orders.
const FIRST_WORD_WITHIN: Millis = Millis::from_secs(10);

impl Federation {
    /// The drains in force, of all clusters that are read.
    #[must_use]
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.intents)
    }

    pub(super) fn obey(&mut self, now: Now, order: OperatorOrder, effects: &mut Vec<Effect>) {
        match order {
            OperatorOrder::Exclude(clusters) => self.exclude(clusters),
            OperatorOrder::Adopt { id } => self.adopt(now, id, effects),
            OperatorOrder::Compare { id } => self.begin_comparison(now, id, effects),
            OperatorOrder::Guard { id, order } => {
                let outcome = self.order_guard(now, order).map(|(taken, record)| {
                    effects.push(record);
                    taken
                });
                effects.push(Effect::GuardAnswer { id, outcome });
            }
            OperatorOrder::Drain { id, order } => {
                let outcome = self.order_drain(now, order).map(|(taken, record)| {
                    effects.push(record);
                    taken
                });
                effects.push(Effect::Answer { id, outcome });
            }
        }
    }

    /// Takes an order. What becomes of it is told by [`IntentTable::settled`]; an order that is not read back within ten seconds is given
    /// up. Whether a service would be left with nothing is not asked here: planning sees to that.
    fn order_drain(&mut self, now: Now, order: DrainOrder) -> Result<(TakenOrder, Effect), DrainRefused> {
        for (field, text) in [("who", &order.who), ("why", &order.why)] {
            if text.len() > LONGEST_TEXT_BYTES {
                return Err(DrainRefused::TooLong { field, bytes: text.len() });
            }
        }
        self.may_order(now)?;
        let counter = self.next_counter(&order.target)?;
        let in_force = self.intents.get(&order.target).map(|drain| drain.intent.percent);
        let from = self.intent_writer.percent_under_way(&order.target).or(in_force).unwrap_or_default();
        let ramp = DrainRamp::new(from, order.percent, now.wall, order.over);
        let intent = DrainIntent {
            counter,
            percent: if ramp.is_some() { from } else { order.percent },
            guard: order.guard,
            who: order.who,
            why: order.why,
            when: now.wall,
            replica: self.settings.identity.nonce,
            ramp,
            giver: order.giver,
        };
        let write = self.intent_writer.write(now, &order.target, intent.clone());
        let taken = TakenOrder { target: order.target, intent, cluster: self.cluster().clone() };
        Ok((taken, self.intent_record(now, write)))
    }

    /// An order is taken if it can be counted and be written.
    pub(super) fn may_order(&self, now: Now) -> Result<(), DrainRefused> {
        if self.lease.role() == ReplicaRole::Stopped {
            return Err(DrainRefused::Stopping);
        }
        let own = self.origins.get(self.cluster());
        let silent = || own.and_then(|own| own.pulse.unanswered(now.mono)).map(|code| code.to_string().into());
        if let Some(reason) = self.log_trouble.clone().or_else(silent) {
            return Err(DrainRefused::Unreachable { reason });
        }
        for (id, origin) in &self.origins {
            let is_awaited = match origin.member {
                Some(_) if id == self.cluster() => true,
                Some(_) if origin.pulse.was_answered() => origin.pulse.unanswered(now.mono).is_none(),
                Some(since) => now.mono < since + FIRST_WORD_WITHIN,
                None => id == self.cluster(),
            };
            if is_awaited && !origin.intents.is_read() {
                return Err(DrainRefused::NotRead { whose: id.clone() });
            }
        }
        match self.lease.unread_back(now.mono) {
            Some(silence) => Err(DrainRefused::NotWritten { silence }),
            None => Ok(()),
        }
    }

    /// 1 + the highest that is known of the target, so that an own order overrules what others ordered, here and elsewhere. At the end of counting
    /// only an order of the same number in a cluster not below the holder's is one.
    fn next_counter(&self, target: &DrainTarget) -> Result<OrderCounter, DrainRefused> {
        let logged = self.origins.iter().flat_map(|(id, origin)| {
            origin.intents.of(target).filter_map(move |logged| Some((logged.intent.as_ref()?.counter, id)))
        });
        let written = self.intent_writer.counter(target).map(|counter| (counter, self.cluster()));
        let accepted = logged.chain(written).max();
        let refused = self.origins.values().filter_map(|origin| origin.intents.refused_of(target));
        let refused = refused.filter(|record| record.why.may_count_elsewhere());
        let refused = refused.filter_map(|record| Some(record.intent.as_ref()?.counter));
        let highest = OrderCounter::above(accepted.map(|(counter, _)| counter), refused);
        let next = highest.map_or(OrderCounter::FIRST, OrderCounter::next);
        match accepted {
            Some((highest, holder)) if (next, self.cluster()) < (highest, holder) => {
                Err(DrainRefused::CountedOut { holder: holder.clone() })
            }
            _ => Ok(next),
        }
    }

    /// Ramps, repairs, and intents that leave.
    pub(super) fn drive_intents(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(own) = self.origins.get(&self.settings.identity.cluster) else { return };
        let (lease, table, cluster) = (&self.lease, &self.intents, &self.settings.identity.cluster);
        let in_force = |target: &DrainTarget, counter: OrderCounter| {
            table.get(target).is_some_and(|drain| (drain.intent.counter, &drain.taken_in) == (counter, cluster))
        };
        let part = Part {
            nonce: self.settings.identity.nonce,
            leads: lease.may_write(now.mono),
            is_gone: &|nonce| lease.is_gone(now.mono, nonce),
            is_in_force: &in_force,
        };
        let writes = self.intent_writer.tick(now, &own.intents, &part);
        if part.leads {
            self.prune_intents(now, effects);
        }
        for write in writes {
            effects.push(self.intent_record(now, write));
        }
    }

    fn prune_intents(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut members = self.origins.values().filter(|origin| origin.member.is_some());
        let all_read = members.all(|origin| origin.intents.is_read());
        if !all_read || !self.intent_pruner.is_due(now.mono) {
            return;
        }
        let logs: BTreeMap<_, _> = self.origins.iter().map(|(id, origin)| (id, &origin.intents)).collect();
        for target in self.intent_pruner.prune(now, &self.settings.identity.cluster, &logs, &self.intents) {
            let header = self.control_header(now);
            effects.push(Effect::Control { key: ControlKey::Drain(target), value: None, header });
        }
    }

    fn intent_record(&mut self, now: Now, write: Write) -> Effect {
        let header = RecordHeader { observed: write.observed, ..self.control_header(now) };
        Effect::Control { key: ControlKey::Drain(write.target), value: Some(ControlValue::Drain(write.intent)), header }
    }

    /// Returns whether what is served or refused of the origin's drains changed: then [`Federation::choose_intents`] is due, once for a batch.
    pub(super) fn read_drain(
        &mut self,
        now: Now,
        id: &ClusterId,
        target: &DrainTarget,
        value: Option<&ControlValue>,
        (header, signed): (Option<RecordHeader>, Signed),
    ) -> bool {
        let order = if let Some(ControlValue::Drain(intent)) = value { Some(intent) } else { None };
        let verdict = self.settings.intents.judge(self.cluster(), id, OrderSubject::Drain(target), signed);
        let record = match (verdict, value, header) {
            (Err(why), ..) => DrainRecord::Refused(order, why),
            (Ok(()), None, _) => DrainRecord::Tombstone,
            (Ok(()), Some(ControlValue::Drain(intent)), Some(header)) => {
                DrainRecord::Order(intent, header.observed, signed)
            }
            (Ok(()), Some(_), _) => DrainRecord::Unreadable,
        };
        if id == self.cluster() {
            match record {
                DrainRecord::Tombstone => self.intent_writer.read(now.mono, target, None),
                DrainRecord::Order(intent, observed, _) => {
                    self.intent_writer.read(now.mono, target, Some((intent, observed)));
                }
                DrainRecord::Unreadable | DrainRecord::Refused(..) => {}
            }
        }
        let (most, before) = (self.bounds.drains, self.percent_of(target).0);
        let Some(origin) = self.origins.get_mut(id) else { return false };
        let (was, is_read) = (origin.intents.served_of(target).cloned(), origin.intents.is_read());
        let changed = origin.fold_drain(target, record, most);
        origin.counts.not_accepted += u64::from(verdict.is_err());
        match verdict {
            Ok(()) if changed && is_read => self.hear_drain(now, id, target, was.as_ref(), before),
            Err(why) if changed && is_read => self.hear_refused_drain(now, id, target, order, why),
            _ => {}
        }
        changed
    }

    /// What one origin has changed: all are chosen from anew. They are few: [`crate::log::bounds::OriginBounds`] sees to that.
    pub(super) fn choose_intents(&mut self) {
        let revision = self.next_revision();
        let logged = self
            .origins
            .iter()
            .filter(|(id, _)| !self.excluded.contains(*id))
            .flat_map(|(id, origin)| origin.intents.served().map(move |(target, logged)| (id, target, logged)));
        let refused = self.origins.iter().flat_map(|(id, origin)| {
            origin.intents.refused().map(|(target, record)| RefusedOrder {
                target: target.clone(),
                taken_in: id.clone(),
                record: record.clone(),
            })
        });
        let table = IntentTable::new(revision, logged).refusing(refused.collect());
        if !table.says_the_same(&self.intents) {
            self.intents = Arc::new(table);
            self.changed.note_intents();
        }
    }
}
