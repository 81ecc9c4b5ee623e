//! Holds of the guard in the log: the leader says which stand, people of any cluster decide, every gateway of the held cluster obeys.
//!
//! Level-triggered, like all that this process writes: what the log says of the own namespaces is compared with what is kept back here, and
//! what differs is said anew. A word that is not read back is written again; a late word of a deposed leader is overruled by the next one.
//!
//! A release must not let go what it was not given for. So it carries the time at which its hold began, a leader that began another hold
//! overrules it, and one that is found in the log at a start counts for half an hour only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cause::ChangeThrough;
use crate::federation::Federation;
use crate::guard::{
    GuardEntry, GuardOrder, GuardRecord, GuardRefused, GuardTable, GuardTaken, GuardTarget, GuardWord, Hold, OwnWord,
    RefusedDecision,
};
use crate::id::{ClusterId, InstanceId, ServiceKey};
use crate::input::Effect;
use crate::intents::verdict::Signed;
use crate::intents::{DrainRefused, LONGEST_TEXT_BYTES, OrderCounter, OrderGiver};
use crate::lease::ReplicaRole;
use crate::log::control::{ControlKey, ControlValue};
use crate::log::key::DataKey;
use crate::log::record::RecordHeader;
use crate::orders::rules::OrderSubject;
use crate::time::{Millis, Mono, Now, WallMs};

/// What is to be said is looked at this often.
const LOOK_EVERY: Millis = Millis(200);
/// A word that was not read back within this time is written again.
const AGAIN_AFTER: Millis = Millis(1_500);
/// After this long an operator's word counts as not taken: its caller was told long before.
const GIVE_UP_AFTER: Millis = Millis(10_000);
/// Counts of a hold that stands are said anew this often at most.
const RECOUNT_EVERY: Millis = Millis::from_secs(5);
/// A release counts for this long after it was given, by two wall clocks that may each be ten minutes wrong.
const RELEASE_COUNTS_FOR: Millis = Millis::from_secs(1_800);
/// A hold of which this process keeps nothing back is over after this long: longer than lists are doubted after a takeover.
const OVER_AFTER: Millis = Millis::from_secs(60);
/// Who says what the configuration orders.
const BY_CONFIGURATION: &str = "guard.mass_confirm_after";

/// What this process has said of holds, and has heard.
#[derive(Debug, Default)]
pub(super) struct GuardDesk {
    look_at: Mono,
    under_way: BTreeMap<GuardTarget, UnderWay>,
    /// Holds that this process has kept, by namespace: when each began.
    kept: BTreeMap<Arc<str>, WallMs>,
    /// Holds that stand in the log and of which nothing is kept back here, since when.
    idle: BTreeMap<Arc<str>, Mono>,
    /// Releases that this process heard while they counted: namespace, and when the hold began.
    heard: BTreeSet<(Arc<str>, WallMs)>,
    recounted: BTreeMap<Arc<str>, Mono>,
}

/// Written, and not read back yet.
#[derive(Debug)]
struct UnderWay {
    entry: GuardEntry,
    first: Mono,
    last: Mono,
}

impl Federation {
    /// What is in force of holds, of all clusters that are read.
    #[must_use]
    pub fn guard(&self) -> Arc<GuardTable> {
        Arc::clone(&self.guard)
    }

    /// Takes a decision about a hold of any cluster; it is in force once it is read back.
    pub(super) fn order_guard(&mut self, now: Now, order: GuardOrder) -> Result<(GuardTaken, Effect), GuardRefused> {
        if !matches!(order.word, GuardWord::Keep | GuardWord::Release) {
            return Err(GuardRefused::NotAnOrder { word: order.word });
        }
        for (field, text) in [("who", &order.who), ("why", &order.why)] {
            if text.len() > LONGEST_TEXT_BYTES {
                return Err(DrainRefused::TooLong { field, bytes: text.len() }.into());
            }
        }
        self.may_order(now)?;
        let standing = self.guard.get(&order.target).filter(|found| found.entry.word != GuardWord::Over);
        let Some(known) = standing.map(|found| found.entry.clone()) else {
            return Err(GuardRefused::NotHeld { target: order.target });
        };
        let counter = self.next_word(&order.target);
        let GuardOrder { target, word, who, why, giver } = order;
        let entry = GuardEntry { counter, word, who, why, when: now.wall, giver, ..known };
        let record = self.say(now, target.clone(), entry.clone());
        Ok((GuardTaken { target, entry, cluster: self.cluster().clone() }, record))
    }

    /// 1 + the highest that is known of the target.
    fn next_word(&self, target: &GuardTarget) -> OrderCounter {
        let known = self.guard.get(target).map(|found| found.entry.counter);
        let written = self.guard_desk.under_way.get(target).map(|under_way| under_way.entry.counter);
        let others = self.guard.refused().iter().filter(|it| it.target == *target);
        let others = others.filter(|it| it.record.why.may_count_elsewhere());
        let others = others.filter_map(|it| Some(it.record.entry.as_ref()?.counter));
        OrderCounter::above(known.max(written), others).map_or(OrderCounter::FIRST, OrderCounter::next)
    }

    fn say(&mut self, now: Now, target: GuardTarget, entry: GuardEntry) -> Effect {
        let under_way = UnderWay { entry: entry.clone(), first: now.mono, last: now.mono };
        self.guard_desk.under_way.insert(target.clone(), under_way);
        self.guard_record(now, target, entry)
    }

    fn guard_record(&mut self, now: Now, target: GuardTarget, entry: GuardEntry) -> Effect {
        let header = RecordHeader { observed: entry.when, ..self.control_header(now) };
        Effect::Control { key: ControlKey::Guard(target), value: Some(ControlValue::Guard(entry)), header }
    }

    /// Chooses anew what is in force, after what an origin says has changed.
    pub(super) fn choose_guard(&mut self) {
        let included = self.origins.iter().filter(|(id, _)| !self.excluded.contains(*id));
        let said =
            included.flat_map(|(id, origin)| origin.guard.served().map(move |(target, word)| (id, target, word)));
        let refused = self.origins.iter().flat_map(|(id, origin)| {
            origin.guard.refused().map(|(target, record)| RefusedDecision {
                target: target.clone(),
                taken_in: id.clone(),
                record: record.clone(),
            })
        });
        let table = GuardTable::new(said).refusing(refused.collect());
        if table != *self.guard {
            self.guard = Arc::new(table);
            self.changed.note_guard();
            self.guard_desk.look_at = Mono(0);
        }
    }

    /// What was decided is obeyed, and what may go of what is kept back goes.
    pub(super) fn let_go(&mut self, now: Now) {
        if now.mono >= self.guard_desk.look_at {
            let words = self.own_words(now);
            self.local.decide(words);
        }
        for key in self.local.let_go(now.mono) {
            self.changed.because(ChangeThrough::Guard);
            self.note_own_change(now, &key);
            self.consider(now, key);
        }
    }

    /// What is decided of the own namespaces.
    fn own_words(&mut self, now: Now) -> BTreeMap<Arc<str>, OwnWord> {
        let own = &self.settings.identity.cluster;
        let desk = &mut self.guard_desk;
        let mut words = BTreeMap::new();
        let mut heard = BTreeSet::new();
        for (target, found) in self.guard.standing().filter(|(target, _)| target.cluster() == own) {
            let (namespace, entry) = (target.namespace(), &found.entry);
            let of_this_hold = desk.kept.get(namespace).is_none_or(|since| *since == entry.since);
            match entry.word {
                GuardWord::Keep if of_this_hold => drop(words.insert(Arc::clone(namespace), OwnWord::Keep)),
                GuardWord::Release if of_this_hold => {
                    let release = (Arc::clone(namespace), entry.since);
                    let is_young = now.wall.0.abs_diff(entry.when.0) < RELEASE_COUNTS_FOR.0;
                    if is_young || desk.heard.contains(&release) {
                        heard.insert(release);
                        words.insert(Arc::clone(namespace), OwnWord::Release);
                    }
                }
                _ => {}
            }
        }
        desk.heard = heard;
        words
    }

    /// The leader let go what this process, which does not lead, keeps back: its word is the log's.
    pub(super) fn leader_let_go(&mut self, now: Now, key: &DataKey) {
        if self.lease.role() != ReplicaRole::Leading && self.local.was_let_go(now.mono, key) {
            self.note_own_change(now, key);
        }
    }

    /// What this process, which does not lead, begins to keep back and the log as read does not have, the leader let go before, in parts that
    /// were no mass to it: there is no removal of it to keep back, and nobody would ever end that hold, because only a leader's are said.
    pub(super) fn drop_if_unlogged(&mut self, now: Now, key: &DataKey) {
        if self.lease.role() == ReplicaRole::Leading || self.local.guard().holds().len() == 0 {
            return;
        }
        let logged = self.origins.get(self.cluster()).and_then(|own| own.log.image(key));
        if logged.is_none() && self.own_partition_is_read(key) {
            self.local.was_let_go(now.mono, key);
        }
    }

    /// The leader wrote an instance that this process, which does not lead, keeps back as proven gone: it may have come back at a Nacos that
    /// this process does not hear. So it is asked for anew, and does not go before.
    pub(super) fn leader_has(&mut self, now: Now, service: &ServiceKey, id: &InstanceId) {
        if self.lease.role() != ReplicaRole::Leading {
            self.local.doubt_proof(now.mono, service, id);
        }
    }

    /// What is to be said of holds is said: words that were not read back, and, by the leader, which holds stand.
    pub(super) fn drive_guard(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono < self.guard_desk.look_at {
            return;
        }
        self.guard_desk.look_at = now.mono + LOOK_EVERY;
        self.say_again(now, effects);
        if self.lease.role() != ReplicaRole::Leading {
            self.guard_desk.kept.clear(); // From now on another leader's holds are the own cluster's.
        }
        let is_read = self.origins.get(self.cluster()).is_some_and(|own| own.intents.is_read());
        if !(is_read && self.lease.may_write(now.mono) && self.has_taken_over()) {
            self.guard_desk.idle.clear();
            return;
        }
        let holds: Vec<(Arc<str>, Hold)> =
            self.local.guard().holds().map(|(namespace, hold)| (Arc::clone(namespace), hold.clone())).collect();
        for (namespace, hold) in &holds {
            self.state_hold(now, namespace, hold, effects);
        }
        self.state_ends(now, effects);
    }

    fn say_again(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let table = &self.guard;
        let read_back = |target: &GuardTarget, entry: &GuardEntry| {
            table.get(target).is_some_and(|found| found.entry.counter >= entry.counter)
        };
        self.guard_desk.under_way.retain(|target, under_way| {
            now.mono < under_way.first + GIVE_UP_AFTER && !read_back(target, &under_way.entry)
        });
        let late = self.guard_desk.under_way.iter_mut().filter(|(_, it)| now.mono >= it.last + AGAIN_AFTER);
        let again = late.map(|(target, under_way)| {
            under_way.last = now.mono;
            (target.clone(), under_way.entry.clone())
        });
        for (target, entry) in again.collect::<Vec<_>>() {
            effects.push(self.guard_record(now, target, entry));
        }
    }

    /// A hold stands: so it is said, unless it is.
    fn state_hold(&mut self, now: Now, namespace: &Arc<str>, hold: &Hold, effects: &mut Vec<Effect>) {
        let target = GuardTarget::new(self.cluster().clone(), Arc::clone(namespace));
        if self.guard_desk.under_way.contains_key(&target) {
            return;
        }
        let began = WallMs(now.wall.0.saturating_sub(now.mono.since(hold.since).0));
        let said = self.guard.get(&target).map(|found| found.entry.clone());
        let standing = said.filter(|said| said.word != GuardWord::Over);
        // A hold that was found in the log goes on; one that began here is another one than an old release was for.
        let heard = &self.guard_desk.heard;
        let goes_on = |said: &&GuardEntry| {
            said.word != GuardWord::Release || heard.contains(&(Arc::clone(namespace), said.since))
        };
        let adopted = standing.as_ref().filter(goes_on).map(|said| said.since);
        let since = *self.guard_desk.kept.entry(Arc::clone(namespace)).or_insert(adopted.unwrap_or(began));
        let counts = (hold.kept as u64, hold.loss.lost as u64, hold.loss.of as u64);
        let entry = |word, who: &str| GuardEntry {
            counter: OrderCounter::FIRST,
            word,
            since,
            kept: counts.0,
            lost: counts.1,
            of: counts.2,
            who: who.into(),
            why: "".into(),
            when: now.wall,
            giver: OrderGiver::default(),
        };
        let confirmed =
            self.settings.guard.confirm_after.is_some_and(|after| now.wall.0.saturating_sub(since.0) >= after.0);
        let recounted = self.guard_desk.recounted.get(namespace).copied();
        let may_recount = recounted.is_none_or(|at| now.mono >= at + RECOUNT_EVERY);
        let next = match &standing {
            Some(said) if said.since == since => match said.word {
                GuardWord::Held if confirmed => Some(entry(GuardWord::Release, BY_CONFIGURATION)),
                GuardWord::Held if (said.kept, said.lost, said.of) != counts && may_recount => {
                    Some(entry(GuardWord::Held, "guard"))
                }
                _ => None,
            },
            _ => Some(entry(GuardWord::Held, "guard")),
        };
        if let Some(entry) = next {
            self.guard_desk.recounted.insert(Arc::clone(namespace), now.mono);
            let entry = GuardEntry { counter: self.next_word(&target), ..entry };
            effects.push(self.say(now, target, entry));
        }
    }

    /// Holds that stand in the log, and of which nothing is kept back: soon, they are over.
    fn state_ends(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let held: BTreeSet<Arc<str>> = self.local.guard().holds().map(|(namespace, _)| Arc::clone(namespace)).collect();
        let own = self.guard.standing().filter(|(target, _)| target.cluster() == self.cluster());
        let ended: Vec<(GuardTarget, GuardEntry)> = own
            .filter(|(target, _)| !held.contains(target.namespace()))
            .map(|(target, found)| (target.clone(), found.entry.clone()))
            .collect();
        let idle = std::mem::take(&mut self.guard_desk.idle);
        for (target, entry) in ended {
            let namespace = target.namespace();
            let since = idle.get(namespace).copied().unwrap_or(now.mono);
            self.guard_desk.idle.insert(Arc::clone(namespace), since);
            let was_kept_here = self.guard_desk.kept.contains_key(namespace);
            let is_whole = self.local.guard().missing(namespace) == 0;
            let is_over =
                (was_kept_here && (is_whole || entry.word == GuardWord::Held)) || now.mono >= since + OVER_AFTER;
            if is_over && !self.guard_desk.under_way.contains_key(&target) {
                let counter = self.next_word(&target);
                let over = GuardEntry {
                    counter,
                    word: GuardWord::Over,
                    kept: 0,
                    who: "guard".into(),
                    when: now.wall,
                    giver: OrderGiver::default(),
                    ..entry
                };
                effects.push(self.say(now, target, over));
            }
        }
        self.guard_desk
            .kept
            .retain(|namespace, _| held.contains(namespace) || self.guard_desk.idle.contains_key(namespace));
        self.guard_desk.recounted.retain(|namespace, _| held.contains(namespace));
    }

    /// Folds one word about a hold, if it is accepted. Returns whether what is served or refused changed.
    pub(super) fn read_guard(
        &mut self,
        now: Now,
        id: &ClusterId,
        target: &GuardTarget,
        value: Option<&ControlValue>,
        signed: Signed,
    ) -> bool {
        let entry = if let Some(ControlValue::Guard(entry)) = value { Some(entry) } else { None };
        let subject = OrderSubject::Hold(target, entry.map(|entry| entry.word));
        let refused = self.settings.intents.judge(self.cluster(), id, subject, signed).err();
        let record = match (refused, value) {
            (Some(why), _) => GuardRecord::Refused(entry, why),
            (None, None) => GuardRecord::Tombstone,
            (None, Some(ControlValue::Guard(entry))) => GuardRecord::Word(entry),
            (None, Some(_)) => GuardRecord::Unreadable,
        };
        let most = self.bounds.drains;
        let Some(origin) = self.origins.get_mut(id) else { return false };
        origin.counts.not_accepted += u64::from(refused.is_some());
        let changed = origin.guard.fold(target, record, most);
        if let Some(entry) = entry.filter(|_| changed && origin.guard.is_read()) {
            self.hear_word(now, id, target, entry, refused);
        }
        changed
    }

    /// Whether people gave this process this word.
    pub(super) fn is_under_way(&self, id: &ClusterId, target: &GuardTarget, entry: &GuardEntry) -> bool {
        let under_way = self.guard_desk.under_way.get(target).is_some_and(|it| it.entry == *entry);
        under_way && id == self.cluster() && &*entry.who != BY_CONFIGURATION
    }
}
