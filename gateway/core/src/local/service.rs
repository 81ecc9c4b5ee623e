//! One service of the local Nacos: its instances, and those whose removal is not confirmed yet.
//!
//! Here a removal is decided. A list that lacks a known instance is a question, not a removal. It defends against lists that lack the
//! disabled, lists that are partial after a connect or a restart of Nacos until its clients have registered anew, clients that come back
//! late after an outage, answers to questions that were put too early, and accounts that cannot tell disabled from gone.
//!
//! ```text
//! present ──a list lacks it──▶ missing, held ──settled, and a read asked since lacks it──▶ gone (proven, until the log knows)
//!    ▲ listed, or read as disabled │   ▲ the log or a snapshot has it, Nacos does not
//!    └─────────────────────────────┘   └── unknown; a held one becomes doubtful after a minute, and stays
//! ```
//!
//! Invariant: nothing leaves but by a complete read that was asked after the instance went missing and after the service settled on this
//! connection; where the account may not read that, by having stayed missing for the whole hold. A connect unsettles, and voids questions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::InstanceId;
use crate::input::ServiceReading;
use crate::instance::{Health, Instance};
use crate::local::mark::DoorMark;
use crate::service::{HeldRemoval, HoldReason};
use crate::time::{Millis, Mono};

mod doors;
mod leaving;
mod outage;
mod registered;

pub use doors::MissedAtDoors;
pub use leaving::Moves;
pub use outage::returned_by;
use registered::Acknowledged;
pub use registered::CAUGHT_UP_WITHIN;

/// How long a question may stay unanswered before it is asked again.
const ANSWER_WITHIN: Millis = Millis::from_secs(6);
/// Least time between two reads of one service: one busy service does not occupy the few reads that may be in flight.
const ASK_AGAIN_AFTER: Millis = Millis::from_secs(1);
/// A list that goes on changing after a connect is believed at the latest after this many holds: registering anew takes
/// clients seconds, so what still changes a minute later is life, not recovery.
const MOST_HOLDS: u64 = 4;
/// How much longer than the hold a missing instance may stay neither confirmed as gone nor found again on one connection, before its health
/// is no longer known: a minute after it went missing, by default. It stays, because a removal needs proof; callers prefer proven ones.
const DOUBT_AFTER: Millis = Millis::from_secs(45);

/// Not before somebody says something.
pub const NEVER: Mono = Mono(u64::MAX);

/// Instances as an answer of Nacos lists them.
type Listing = BTreeMap<InstanceId, Arc<Instance>>;

/// When removals are believed, and how often everything is read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RemovalPatience {
    /// After a connect, a list must have been the same for this long before a removal is believed.
    pub removal_hold: Millis,
    /// Each service is read through the admin API this often, to find what pushes missed.
    pub sweep_interval: Millis,
}

/// What the caller has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAsk {
    /// Nothing.
    Nothing,
    /// Read all instances, disabled ones too.
    Read,
    /// Query the enabled instances: the last list disagrees with a read, or with what Nacos acknowledged.
    Query,
}

/// One service, as observed.
#[derive(Clone, Debug)]
pub struct LocalService {
    present: Listing,
    missing: BTreeMap<InstanceId, Missing>,
    listed: bool,
    listed_on_this_connection: bool,
    settled: bool,
    connected_at: Mono,
    /// How much longer than the hold the list has to rest on this connection, at most a hold: as long as Nacos was away before.
    outage: Millis,
    /// Until when a client is waited for that was there before Nacos was away. A connection that breaks again takes nothing back of it.
    returned_by: Mono,
    /// Nacos was silent on this connection: that it lists an instance does not say that its client is back.
    stalled: bool,
    quiet_since: Mono,
    /// Health of the last list was not true, and no read has told the truth since.
    protected: bool,
    asked: Option<Asked>,
    /// A read is wanted, not before this time.
    wants_read: Option<Mono>,
    next_sweep: Mono,
    /// Removals that were proven on this connection and that the log may not have yet: the proof outlives the moment at which the record
    /// could not be written.
    proven_gone: BTreeSet<InstanceId>,
    /// Who came and who went missing, since the guard was last told.
    moves: Moves,
    /// What lists have to catch up with.
    acknowledged: BTreeMap<InstanceId, Acknowledged>,
    /// Through which gateways instances were registered, as far as marks say.
    doors: BTreeMap<InstanceId, DoorMark>,
}

#[derive(Clone, Debug)]
struct Missing {
    last: Arc<Instance>,
    held: HeldRemoval,
    known_from: KnownFrom,
    /// Neither confirmed nor refuted for so long that its health is not known any more.
    doubted: bool,
    /// Not listed on this connection yet: if Nacos was away, its client may still be on its way back.
    may_return: bool,
    /// Its removal is proven on this connection: it goes unless the guard keeps it back.
    proven: bool,
    /// Set while the guard keeps it back, also while it is to be proven anew: until when its health is trusted.
    kept: Option<Mono>,
    /// A question that was put before proves nothing.
    asked_from: Mono,
    /// Until when it is waited for because the gateway that registered it may be gone; `None` if that one is known to live.
    awaited: Option<Mono>,
}

/// Who said that a missing instance exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFrom {
    /// A list of Nacos, in this process.
    List,
    /// The own log, read to its end.
    Log,
    /// What an earlier process had read of the log: it counts until the log itself was read.
    Snapshot,
}

/// Removals of one service that nothing confirms or refutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnconfirmedRemovals {
    /// Since when the first of them has been missing.
    pub since: Mono,
    /// How many.
    pub instances: usize,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Mono,
    settled: bool,
    lists_seen: bool,
}

impl LocalService {
    /// A service that nothing is known of yet, found on a connection that stands since `connected_at`; first swept at
    /// `first_sweep`.
    #[must_use]
    pub fn new(connected_at: Mono, first_sweep: Mono) -> Self {
        Self {
            present: Listing::new(),
            missing: BTreeMap::new(),
            listed: false,
            listed_on_this_connection: false,
            settled: false,
            connected_at,
            outage: Millis(0),
            returned_by: connected_at,
            stalled: false,
            quiet_since: connected_at,
            protected: false,
            asked: None,
            wants_read: None,
            next_sweep: first_sweep,
            proven_gone: BTreeSet::new(),
            moves: Moves::default(),
            acknowledged: BTreeMap::new(),
            doors: BTreeMap::new(),
        }
    }

    /// Whether Nacos has listed it in this process: only then is anything known of it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// How many instances are shown, held ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.present.len() + self.missing.len()
    }

    /// Whether nothing is registered and no removal is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present.is_empty() && self.missing.is_empty()
    }

    /// Whether its list has been believed on this connection.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// What Nacos, and the holds, say of an instance.
    #[must_use]
    pub fn wanted(&self, id: &InstanceId) -> Option<&Arc<Instance>> {
        self.present.get(id).or_else(|| self.missing.get(id).map(|missing| &missing.last))
    }

    /// All instances in the order of their ids, with the hold of those that are missing.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = (&InstanceId, &Arc<Instance>, Option<&HeldRemoval>)> {
        let present = self.present.iter().map(|(id, instance)| (id, instance, None));
        let missing = self.missing.iter().map(|(id, missing)| (id, &missing.last, Some(&missing.held)));
        let mut all: Vec<_> = present.chain(missing).collect();
        all.sort_by_key(|(id, _, _)| *id);
        all.into_iter()
    }

    /// Ids of all instances that are shown, held ones included.
    pub fn ids(&self) -> impl Iterator<Item = &InstanceId> {
        self.present.keys().chain(self.missing.keys())
    }

    /// The removals that are held.
    pub fn held(&self) -> impl Iterator<Item = &HeldRemoval> {
        self.missing.values().map(|missing| &missing.held)
    }

    /// When [`LocalService::doubt`] is to be called; `None` while nothing is missing that is not doubted yet.
    #[must_use]
    pub fn doubt_due(&self, patience: &RemovalPatience) -> Option<Mono> {
        let undoubted = self.missing.values().filter(|missing| !missing.doubted);
        undoubted.map(|missing| self.doubted_from(missing, patience)).min()
    }

    fn doubted_from(&self, missing: &Missing, patience: &RemovalPatience) -> Mono {
        let doubted_from = missing.held.since.max(self.connected_at) + patience.removal_hold + DOUBT_AFTER;
        missing.kept.unwrap_or(doubted_from)
    }

    /// What has been missing for too long is no longer shown as healthy, once. Returns the ids whose wanted value changed.
    pub fn doubt(&mut self, now: Mono, patience: &RemovalPatience) -> Vec<InstanceId> {
        let is_due = |missing: &Missing| !missing.doubted && now >= self.doubted_from(missing, patience);
        let due: Vec<InstanceId> =
            self.missing.iter().filter(|(_, missing)| is_due(missing)).map(|(id, _)| id.clone()).collect();
        let mut lower = |id: &InstanceId| {
            let missing = self.missing.get_mut(id).expect("the id was just found");
            missing.doubted = true;
            let is_lower = missing.last.health == Health::Healthy;
            if is_lower {
                missing.last = Arc::new(Instance { health: Health::Unknown, ..Instance::clone(&missing.last) });
            }
            is_lower
        };
        due.into_iter().filter(|id| lower(id)).collect()
    }

    /// The removals that are doubted, and not kept back by the guard; `None` if there are none.
    #[must_use]
    pub fn unconfirmed(&self) -> Option<UnconfirmedRemovals> {
        let doubted = self.missing.values().filter(|missing| missing.doubted && missing.kept.is_none());
        doubted.map(|missing| UnconfirmedRemovals { since: missing.held.since, instances: 1 }).reduce(|one, other| {
            UnconfirmedRemovals { since: one.since.min(other.since), instances: one.instances + other.instances }
        })
    }

    /// Its list is doubted from now on, as after a connect: this process takes the log over, or meets what the log has for the first time.
    pub fn unsettle(&mut self, now: Mono) {
        self.settled = false;
        self.connected_at = now;
        self.quiet_since = now;
        for missing in self.missing.values_mut() {
            missing.proven = false;
            if missing.kept.is_none() {
                missing.held.reason = HoldReason::AfterConnect;
            }
        }
    }

    /// The log does not have the instance (any more): its removal needs no memory.
    pub fn forget_proof(&mut self, id: &InstanceId) {
        self.proven_gone.remove(id);
    }

    /// A list of the enabled instances. Returns the ids whose wanted value, or hold, changed.
    pub fn list(
        &mut self,
        now: Mono,
        instances: Vec<(InstanceId, Instance)>,
        protected: bool,
        patience: &RemovalPatience,
    ) -> Vec<InstanceId> {
        self.settle(now, patience);
        // A service that is new on a connection which has stood for the hold is nobody's recovery.
        self.settled |= !self.listed && now >= self.connected_at + patience.removal_hold;
        let first = !self.listed_on_this_connection;
        // Most lists say what is known: nothing is made anew for an instance that did not change.
        let mut listing = instances;
        listing.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.with_acknowledged(now, &mut listing, protected);
        let mut changed = self.miss(now, &listing);
        for (id, instance) in listing {
            let instance = shown(instance, protected);
            self.proven_gone.remove(&id);
            let was_missing = self.missing.remove(&id).is_some();
            if !was_missing && self.listed && !self.present.contains_key(&id) {
                self.moves.came.push(id.clone());
            }
            if was_missing || self.present.get(&id).is_none_or(|known| **known != instance) {
                self.present.insert(id.clone(), Arc::new(instance));
                changed.push(id);
            }
        }
        if !changed.is_empty() || !self.listed_on_this_connection {
            self.quiet_since = now;
        }
        (self.listed, self.listed_on_this_connection, self.protected) = (true, true, protected);
        if let Some(asked) = &mut self.asked {
            asked.lists_seen = true;
        }
        let disabled = self.present.values().any(|instance| !instance.enabled);
        // Before it settles, a read cannot tell gone from not registered anew yet, but it can tell disabled. Not at the first
        // list of a connection: then all services would be read at once.
        let worth_asking = !self.missing.is_empty() && (self.settled || !first);
        if protected || disabled || worth_asking {
            self.want_read(now);
        }
        changed
    }

    /// Known enabled instances that `listing`, which is in the order of ids, lacks become missing.
    fn miss(&mut self, now: Mono, listing: &[(InstanceId, Instance)]) -> Vec<InstanceId> {
        let is_listed = |id: &InstanceId| listing.binary_search_by(|(listed, _)| listed.cmp(id)).is_ok();
        let gone = |(id, instance): &(&InstanceId, &Arc<Instance>)| instance.enabled && !is_listed(id);
        let ids: Vec<InstanceId> = self.present.iter().filter(gone).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            let last = self.present.remove(id).expect("the id was just found");
            self.hold(now, id.clone(), last, KnownFrom::List);
        }
        self.moves.missed.extend(ids.iter().cloned());
        ids
    }

    /// Until when a missing instance is waited for, whatever reads say.
    fn waited_for_until(&self, missing: &Missing) -> Mono {
        let since = if missing.may_return { self.returned_by } else { missing.held.since };
        since.max(missing.asked_from).max(missing.awaited.unwrap_or_default())
    }

    /// When the hold alone proves that it is gone.
    fn believed_at(&self, missing: &Missing, patience: &RemovalPatience) -> Mono {
        (missing.held.since + patience.removal_hold).max(self.waited_for_until(missing))
    }

    fn hold(&mut self, now: Mono, id: InstanceId, last: Arc<Instance>, known_from: KnownFrom) {
        let reason = if self.settled { HoldReason::Asked } else { HoldReason::AfterConnect };
        let may_return = known_from != KnownFrom::List || !self.listed_on_this_connection || self.stalled;
        let held = HeldRemoval { since: now, reason };
        let (doubted, proven, kept, awaited) = (false, false, None, None);
        let missing = Missing { last, held, known_from, doubted, may_return, proven, kept, asked_from: now, awaited };
        self.missing.insert(id, missing);
    }

    /// The log has this instance. If Nacos does not list it, its removal waits for proof like any other, unless there is one already.
    /// Returns whether it is newly held.
    pub fn compare_with_log(&mut self, now: Mono, id: &InstanceId, logged: &Arc<Instance>, from: KnownFrom) -> bool {
        if !self.listed || self.proven_gone.contains(id) {
            return false;
        }
        if self.wanted(id).is_some() {
            if let Some(missing) = self.missing.get_mut(id).filter(|_| from == KnownFrom::Log) {
                missing.known_from = KnownFrom::Log;
            }
            return false;
        }
        self.hold(now, id.clone(), Arc::clone(logged), from);
        if self.settled {
            self.want_read(now);
        }
        true
    }

    /// The log was read to its end, and has these ids: what is held by the word of a snapshot alone, and is not among them, went while
    /// this process was not there. Returns what is not shown any more.
    pub fn drop_what_only_the_snapshot_had(&mut self, logged: &BTreeSet<&InstanceId>) -> Vec<InstanceId> {
        self.proven_gone.retain(|id| logged.contains(id));
        let gone = |(id, missing): &(&InstanceId, &Missing)| {
            missing.known_from == KnownFrom::Snapshot && !logged.contains(*id)
        };
        let ids: Vec<InstanceId> = self.missing.iter().filter(gone).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.missing.remove(id);
        }
        ids
    }

    /// A fresh read. Returns the ids whose wanted value, or hold, changed, and whether the list has to be queried anew. What it proves gone
    /// stays until [`LocalService::let_go`].
    pub fn read(
        &mut self,
        now: Mono,
        reading: ServiceReading,
        patience: &RemovalPatience,
    ) -> (Vec<InstanceId>, ServiceAsk) {
        self.settle(now, patience);
        let Some(asked) = self.asked.take() else { return (Vec::new(), ServiceAsk::Nothing) };
        self.next_sweep = now + patience.sweep_interval;
        match reading {
            ServiceReading::All(instances) => {
                let listing = instances.into_iter().map(|(id, instance)| (id, Arc::new(instance))).collect();
                self.judge(now, &asked, &listing)
            }
            ServiceReading::EnabledOnly { instances, protected } => {
                let changed = self.list(now, instances, protected, patience);
                self.wants_read = None;
                self.believe_the_hold(now, &asked, patience);
                (changed, ServiceAsk::Nothing)
            }
            ServiceReading::Failed => {
                self.want_read(now + ASK_AGAIN_AFTER);
                (Vec::new(), ServiceAsk::Nothing)
            }
        }
    }

    /// Judges by a complete read: what is missing and not in it is gone, if the read was asked late enough.
    fn judge(&mut self, now: Mono, asked: &Asked, read: &Listing) -> (Vec<InstanceId>, ServiceAsk) {
        let mut changed = self.judge_missing(asked, read);
        changed.extend(self.judge_disabled(now, asked, read));
        if self.protected && !asked.lists_seen {
            changed.extend(self.believe_health(read));
        }
        let health_unknown = self.protected && asked.lists_seen;
        let again = now + ASK_AGAIN_AFTER;
        if health_unknown {
            self.want_read(again);
        }
        let decided_at = self.unproven().map(|missing| self.waited_for_until(missing)).min();
        if let Some(decided_at) = decided_at.filter(|_| self.settled) {
            self.want_read(decided_at.max(again));
        }
        (changed, if self.agrees_with(read) { ServiceAsk::Nothing } else { ServiceAsk::Query })
    }

    /// Under protection a read alone tells true health.
    fn believe_health(&mut self, read: &Listing) -> Vec<InstanceId> {
        let mut changed = Vec::new();
        for (id, ours) in self.present.iter_mut().filter(|(_, ours)| ours.enabled) {
            let Some(theirs) = read.get(id).filter(|theirs| theirs.enabled && theirs.health != ours.health) else {
                continue;
            };
            *ours = Arc::new(Instance { health: theirs.health, ..Instance::clone(ours) });
            changed.push(id.clone());
        }
        changed
    }

    /// Whether the last list and the read say the same of enabled instances, the health of protected ones aside.
    fn agrees_with(&self, read: &Listing) -> bool {
        let same = |ours: &Instance, theirs: &Instance| {
            let health = if self.protected { theirs.health } else { ours.health };
            Instance { health, ..ours.clone() } == *theirs
        };
        let listed = self.present.iter().filter(|(_, ours)| ours.enabled);
        let enabled = read.values().filter(|theirs| theirs.enabled).count();
        let mut known = 0;
        for (id, ours) in listed {
            known += 1;
            if !read.get(id).is_some_and(|theirs| same(ours, theirs)) {
                return false;
            }
        }
        known == enabled
    }

    fn judge_missing(&mut self, asked: &Asked, read: &Listing) -> Vec<InstanceId> {
        let ids: Vec<InstanceId> = self.missing.keys().cloned().collect();
        let mut changed = Vec::new();
        for id in ids {
            let missing = &self.missing[&id];
            let since = missing.held.since.max(self.waited_for_until(missing));
            let proves = asked.settled && self.settled && since <= asked.at;
            match read.get(&id) {
                Some(instance) if !instance.enabled => {
                    self.missing.remove(&id);
                    self.present.insert(id.clone(), Arc::clone(instance));
                    changed.push(id);
                }
                // Listed by one node and not by another, or registered anew meanwhile: asked again.
                Some(_) => self.set_proven(&id, false),
                None if proves => self.set_proven(&id, true),
                None => {}
            }
        }
        changed
    }

    /// Disabled instances are in no list: the read alone tells of them.
    fn judge_disabled(&mut self, now: Mono, asked: &Asked, read: &Listing) -> Vec<InstanceId> {
        let mut changed = Vec::new();
        for (id, instance) in read.iter().filter(|(_, instance)| !instance.enabled) {
            let known_enabled = self.present.get(id).is_some_and(|ours| ours.enabled);
            if !known_enabled && self.present.get(id) != Some(instance) {
                self.present.insert(id.clone(), Arc::clone(instance));
                changed.push(id.clone());
            }
        }
        if asked.settled && self.settled {
            let gone = |(id, ours): &(&InstanceId, &Arc<Instance>)| !ours.enabled && !read.contains_key(*id);
            let ids: Vec<InstanceId> = self.present.iter().filter(gone).map(|(id, _)| id.clone()).collect();
            for id in ids {
                let last = self.present.remove(&id).expect("the id was just found");
                self.hold(now, id.clone(), last, KnownFrom::List);
                self.set_proven(&id, true);
            }
        }
        changed
    }

    /// Where disabled cannot be told from gone, an instance that stayed missing for the whole hold is gone.
    fn believe_the_hold(&mut self, now: Mono, asked: &Asked, patience: &RemovalPatience) {
        let believed = |missing: &Missing| asked.settled && asked.at >= self.believed_at(missing, patience);
        let gone: Vec<InstanceId> =
            self.missing.iter().filter(|(_, missing)| believed(missing)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.set_proven(id, true));
        let earliest = self.unproven().map(|missing| self.believed_at(missing, patience)).min();
        for missing in self.missing.values_mut().filter(|missing| self.settled && missing.kept.is_none()) {
            missing.held.reason = HoldReason::MayNotRead;
        }
        if let Some(due) = earliest.filter(|_| self.settled) {
            self.want_read(due.max(now + ASK_AGAIN_AFTER));
        }
    }

    /// What is due now. A question that is returned counts as asked.
    pub fn due(&mut self, now: Mono, patience: &RemovalPatience) -> ServiceAsk {
        self.settle(now, patience);
        if self.ends_waiting(now) && self.listed {
            return ServiceAsk::Query;
        }
        if self.asked.is_some_and(|asked| now < asked.at + ANSWER_WITHIN) {
            return ServiceAsk::Nothing;
        }
        let wanted = self.wants_read.is_some_and(|not_before| now >= not_before);
        if !self.listed || !(wanted || now >= self.next_sweep) {
            return ServiceAsk::Nothing;
        }
        self.wants_read = None;
        self.asked = Some(Asked { at: now, settled: self.settled, lists_seen: false });
        ServiceAsk::Read
    }

    /// When [`LocalService::due`] is to be called at the latest. A service that was never listed has nothing due: its first list will.
    #[must_use]
    pub fn next_deadline(&self, patience: &RemovalPatience) -> Mono {
        if !self.listed {
            return NEVER;
        }
        let settling = (!self.settled && self.listed_on_this_connection).then(|| self.settles_at(patience));
        let asking = self.wants_read;
        let first = [settling, asking].into_iter().flatten().fold(self.next_sweep, Mono::min);
        let first = self.asked.map_or(first, |asked| first.max(asked.at + ANSWER_WITHIN));
        self.waits_until().map_or(first, |until| first.min(until))
    }

    fn settles_at(&self, patience: &RemovalPatience) -> Mono {
        let hold = Millis(patience.removal_hold.0 + self.outage.0.min(patience.removal_hold.0));
        (self.quiet_since + hold).min(self.connected_at + Millis(hold.0 * MOST_HOLDS))
    }

    /// After a connect a service settles when its list has been the same for the hold; from then on a missing instance
    /// is asked for at once.
    fn settle(&mut self, now: Mono, patience: &RemovalPatience) {
        if self.settled || !self.listed_on_this_connection || now < self.settles_at(patience) {
            return;
        }
        self.settled = true;
        for missing in self.missing.values_mut().filter(|missing| missing.kept.is_none()) {
            missing.held.reason = missing.settled_reason(now);
        }
        let disabled = self.present.values().any(|instance| !instance.enabled);
        if disabled || !self.missing.is_empty() {
            self.want_read(now);
        }
    }

    fn want_read(&mut self, not_before: Mono) {
        let sooner = self.wants_read.map_or(not_before, |wanted| wanted.min(not_before));
        self.wants_read = Some(sooner);
    }
}

/// Under protection Nacos calls everybody healthy: that is not known.
fn shown(instance: Instance, protected: bool) -> Instance {
    if protected { Instance { health: Health::Unknown, ..instance } } else { instance }
}
