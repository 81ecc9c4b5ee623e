//! Who leads the own cluster: claim, permission, silence and handing over (rules R7 to R11), as a state machine without a clock or a socket.
//!
//! Input: the control topic's replica records as read back, ends of that topic, what of this process decides about leading, and time.
//! Output: own records to write, and whether this process may write data now. It defends against a leader that pauses and wakes, that can
//! write and not read or read and not write, against answers to earlier questions, a claim that is never read back, terms that nobody could
//! have reached, and a leader that is well with the log and has lost its Nacos.
//!
//! ```text
//! Standby ──warm, the leader silent──▶ Asking ──end read up to, still silent, still warm──▶ Claiming ──read back, highest──▶ Leading
//!    ▲  a beat, not warm, no answer (the wait begins anew) │                                    │ not read back for 3 beats      │
//!    ├──────────────────────────────────────────────────────┴────────────────────────────────────┴─ a higher claim; no permission ─┤
//!    └──another leads, or nobody for 3 beats── HandedOver ◀── no word of Nacos for 10 s, and an heir has one ────────────────────────┘
//! ```
//!
//! Nobody hands over to and fro: an heir has heard its Nacos within 5 s, and says so each beat while the leader's is silent; who has not heard
//! its own for 10 s does not claim. Two that are both without Nacos thus stay as they are.
//!
//! Invariant: it writes data only within its permission of having sent a beat that it has read back since, under the highest epoch it
//! knows. Permission is two and a half beats, the silence after which another may claim is three: two processes never write at once.

use std::collections::{BTreeMap, VecDeque};

use crate::log::control::{ReplicaRecord, ReplicaState};
use crate::log::ends::{ANSWER_WITHIN, EndQuestion};
use crate::log::record::{Epoch, HIGHEST_TERM};
use crate::time::{Millis, Mono};

mod words;

/// Every other process restates its record this often, and on change.
pub const STANDBY_BEAT: Millis = Millis(10_000);
/// The leader restates its record each beat, by default each second. All gateways of a cluster need the same one.
pub const DEFAULT_BEAT: Millis = Millis(1_000);
/// Replica records that were not restated for this long are removed by the leader.
const FORGET_AFTER: Millis = Millis(3_600_000);
/// How many sent beats are remembered; a beat that is not read back among them counts as lost.
const BEATS_IN_FLIGHT: usize = 64;
/// Processes of the own cluster that are remembered; of more, those heard of longest ago are forgotten.
const MOST_REPLICAS: usize = 1_000;

/// A leader whose Nacos said nothing for this long hands over, and nobody claims who has not heard its own for as long (rule R11).
pub const WITHOUT_NACOS: Millis = Millis(10_000);
/// An heir has heard its Nacos within this time. Half of [`WITHOUT_NACOS`]: whose Nacos went silent together with the leader's is none. From
/// this age of the leader's Nacos on, standbys restate themselves each beat, so that it knows before it has to decide.
const HEARD_LATELY: Millis = Millis(WITHOUT_NACOS.0 / 2);

/// What of this process decides whether it may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitness {
    /// Everything that it watches was answered since its connection to Nacos began, and it has read the own log.
    pub warm: bool,
    /// Time since its Nacos last said anything; `None` if it never did.
    pub nacos_age: Option<Millis>,
}

impl Fitness {
    fn may_claim(self) -> bool {
        self.warm && !self.is_without_nacos()
    }

    fn is_without_nacos(self) -> bool {
        self.nacos_age.is_none_or(|age| age >= WITHOUT_NACOS)
    }
}

/// The part this process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaRole {
    /// Reads and serves; would lead if it may.
    Standby,
    /// Has asked for the end of the control topic, to be sure that the leader is silent.
    Asking(EndQuestion),
    /// Has written its claim and waits to read it back.
    Claiming {
        /// When it claimed first.
        since: Mono,
    },
    /// Leads.
    Leading,
    /// Led, has lost its Nacos and said `stopped`, because another process can lead: waits for that one's claim.
    HandedOver {
        /// When it said so.
        since: Mono,
    },
    /// Has said that it stops.
    Stopped,
}

/// What the lease wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Write the own record; [`Lease::sent`] is to be called with the time before the write.
    WriteOwn,
    /// Ask for the end offset of the control topic.
    AskEnd,
    /// Remove the record of a process that is long gone.
    Forget(u32),
    /// Leadership began: the own data partitions are to be read to their ends, then written.
    Began,
    /// Leadership ended: take back what is queued.
    Ended,
}

#[derive(Clone, Debug)]
struct Seen {
    state: ReplicaState,
    epoch: Epoch,
    arrived: Mono,
    warm: bool,
    nacos_age: Option<Millis>,
    /// When its record before this one arrived.
    before: Option<Mono>,
}

impl Seen {
    /// Age of its Nacos's last word by now, if it has one.
    fn nacos_age(&self, now: Mono) -> Option<Millis> {
        self.nacos_age.map(|age| age + now.since(self.arrived))
    }
}

/// Leadership of the own cluster.
#[derive(Debug)]
pub struct Lease {
    nonce: u32,
    beat_every: Millis,
    role: ReplicaRole,
    epoch: Epoch,
    replicas: BTreeMap<u32, Seen>,
    highest_term: u32,
    /// The highest term in the own data topics.
    met_term: u32,
    reached_end: Option<Mono>,
    next_offset: u64,
    beat: u64,
    in_flight: VecDeque<(u64, Mono)>,
    permitted_until: Option<Mono>,
    /// Since when it leads without permission.
    unpermitted_since: Option<Mono>,
    /// A wait for the leader's silence does not begin before: it failed then.
    wait_from: Mono,
    last_write: Option<Mono>,
    /// State and warmth in the last own record.
    last_stated: Option<(ReplicaState, bool)>,
    last_read_back: Option<Mono>,
    set_aside: u64,
    /// Its cluster is described differently: it never leads.
    stranger: bool,
    words: words::Words,
}

impl Lease {
    /// A process that knows nothing of the others yet.
    #[must_use]
    pub fn new(nonce: u32, beat_every: Millis) -> Self {
        Self {
            nonce,
            beat_every,
            role: ReplicaRole::Standby,
            epoch: Epoch::default(),
            replicas: BTreeMap::new(),
            highest_term: 0,
            met_term: 0,
            reached_end: None,
            next_offset: 0,
            beat: 0,
            in_flight: VecDeque::new(),
            permitted_until: None,
            unpermitted_since: None,
            wait_from: Mono(0),
            last_write: None,
            last_stated: None,
            last_read_back: None,
            set_aside: 0,
            stranger: false,
            words: words::Words::default(),
        }
    }

    /// Records whose term nobody can have reached; they count for nothing.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.set_aside
    }

    /// A beat that was read back allows writing for this long, counted from before it was sent.
    #[must_use]
    pub fn permission(&self) -> Millis {
        Millis(self.beat_every.0 * 5 / 2)
    }

    /// Silence of the leader after which another may claim.
    #[must_use]
    pub fn silence(&self) -> Millis {
        Millis(self.beat_every.0 * 3)
    }

    /// The part this process plays.
    #[must_use]
    pub fn role(&self) -> ReplicaRole {
        self.role
    }

    /// The epoch that it leads or claims, or that leads as far as it knows.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self.role {
            ReplicaRole::Leading
            | ReplicaRole::Claiming { .. }
            | ReplicaRole::HandedOver { .. }
            | ReplicaRole::Stopped => self.epoch,
            ReplicaRole::Standby | ReplicaRole::Asking(_) => self.leader().map_or(self.epoch, |(_, seen)| seen.epoch),
        }
    }

    /// Number of the last own record.
    #[must_use]
    pub fn beat(&self) -> u64 {
        self.beat
    }

    /// Whether data may be written now.
    #[must_use]
    pub fn may_write(&self, now: Mono) -> bool {
        self.role == ReplicaRole::Leading && self.permitted_until.is_some_and(|until| now < until)
    }

    /// The state to state in the own record.
    #[must_use]
    pub fn state(&self) -> ReplicaState {
        match self.role {
            ReplicaRole::Standby | ReplicaRole::Asking(_) if self.stranger => ReplicaState::Stranger,
            ReplicaRole::Standby | ReplicaRole::Asking(_) => ReplicaState::Standby,
            ReplicaRole::Claiming { .. } | ReplicaRole::Leading => ReplicaState::Leader,
            ReplicaRole::HandedOver { .. } | ReplicaRole::Stopped => ReplicaState::Stopped,
        }
    }

    /// When an own record was read back last.
    #[must_use]
    pub fn last_read_back(&self) -> Option<Mono> {
        self.last_read_back
    }

    /// Whether the process will not write any more: it said so, is not known, or was silent for as long as it takes to be sure.
    #[must_use]
    pub fn is_gone(&self, now: Mono, nonce: u32) -> bool {
        let Some(seen) = self.replicas.get(&nonce) else { return self.reached_end.is_some() };
        let patience = match seen.state {
            ReplicaState::Stopped => return true,
            ReplicaState::Leader => self.silence(),
            ReplicaState::Standby | ReplicaState::Stranger => Millis(STANDBY_BEAT.0 * 5 / 2),
        };
        now >= seen.arrived + patience
    }

    /// How long nothing of this process has been read back although it wrote something; `None` while all is well.
    #[must_use]
    pub fn unread_back(&self, now: Mono) -> Option<Millis> {
        let overdue = self.in_flight.front().is_some_and(|(_, sent)| now >= *sent + self.permission());
        let silence = now.since(self.last_read_back.unwrap_or_default());
        (self.last_read_back.is_none() || overdue).then_some(silence)
    }

    /// Whether an own record has been waited for, for three beats, by a process that has read one back before: it is not known whether
    /// what is in the log comes here (rule R22).
    #[must_use]
    pub fn misses_own_beat(&self, now: Mono) -> bool {
        let overdue = self.in_flight.front().is_some_and(|(_, sent)| now >= *sent + self.silence());
        self.last_read_back.is_some() && overdue
    }

    /// Nonce of the process that leads by its own word, if any does.
    #[must_use]
    pub fn leader_nonce(&self) -> Option<u32> {
        self.leader().map(|(nonce, _)| nonce)
    }

    /// A term was met in the own data topics: a claim is to be above it, and so is a leadership (rule R8). Without permission it may be that of
    /// a successor, whose claim this process has not read yet: it claims above the term once a beat of its own is read back without one.
    pub fn met_term(&mut self, now: Mono, term: u32, wishes: &mut Vec<Wish>) {
        if term > HIGHEST_TERM {
            self.set_aside += 1;
            return;
        }
        self.highest_term = self.highest_term.max(term);
        self.met_term = self.met_term.max(term);
        if term > self.epoch.term && self.may_write(now) {
            self.claim_anew(now, wishes);
        }
    }

    /// Numbers the own record that is about to be written at `now` with this warmth, and remembers it until it is read back.
    pub fn sent(&mut self, now: Mono, warm: bool) -> u64 {
        self.beat += 1;
        self.last_write = Some(now);
        self.last_stated = Some((self.state(), warm));
        self.in_flight.push_back((self.beat, now));
        if self.in_flight.len() > BEATS_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.beat
    }

    /// A leader or claimant claims anew above all that it knows: its producer was replaced, so that late sends of the old one are told
    /// apart, or a higher term was met.
    pub fn claim_anew(&mut self, now: Mono, wishes: &mut Vec<Wish>) {
        if matches!(self.role, ReplicaRole::Leading | ReplicaRole::Claiming { .. }) {
            self.highest_term = self.highest_term.max(self.epoch.term);
            wishes.push(Wish::Ended);
            self.claim(now, wishes);
        }
    }

    fn claim(&mut self, now: Mono, wishes: &mut Vec<Wish>) {
        let term = (self.highest_term + 1).min(HIGHEST_TERM);
        self.epoch = Epoch { term, nonce: self.nonce };
        self.role = ReplicaRole::Claiming { since: now };
        self.permitted_until = None;
        wishes.push(Wish::WriteOwn);
    }

    /// A replica record was read; `None` is a tombstone.
    pub fn read(
        &mut self,
        now: Mono,
        offset: u64,
        nonce: u32,
        replica: Option<&ReplicaRecord>,
        wishes: &mut Vec<Wish>,
    ) {
        self.next_offset = self.next_offset.max(offset + 1);
        let Some(replica) = replica else {
            self.replicas.remove(&nonce);
            return;
        };
        if replica.epoch.term > HIGHEST_TERM {
            self.set_aside += 1;
            return;
        }
        let seen = Seen {
            state: replica.state,
            epoch: replica.epoch,
            arrived: now,
            warm: replica.warm,
            nacos_age: replica.nacos_age,
            before: self.replicas.get(&nonce).map(|seen| seen.arrived),
        };
        self.highest_term = self.highest_term.max(replica.epoch.term);
        self.replicas.insert(nonce, seen);
        self.forget_the_oldest();
        if nonce == self.nonce {
            self.read_back(now, replica, wishes);
        } else if replica.state == ReplicaState::Leader {
            self.read_rival(now, replica.epoch, wishes);
        }
    }

    fn forget_the_oldest(&mut self) {
        while self.replicas.len() > MOST_REPLICAS {
            let others = self.replicas.iter().filter(|(nonce, _)| **nonce != self.nonce);
            let Some(oldest) = others.min_by_key(|(_, seen)| seen.arrived).map(|(nonce, _)| *nonce) else { return };
            self.replicas.remove(&oldest);
        }
    }

    /// The control topic was read to its end.
    pub fn at_end(&mut self, now: Mono, next_offset: u64) {
        self.next_offset = self.next_offset.max(next_offset);
        self.reached_end.get_or_insert(now);
    }

    /// The control topic is read anew from its beginning, perhaps because it is another one: nobody claims before its end. What
    /// was known of others stays, and so does the highest term.
    pub fn restarted(&mut self, now: Mono) {
        self.next_offset = 0;
        self.reached_end = None;
        self.words.heard = None;
        if let ReplicaRole::Asking(_) = self.role {
            self.wait_anew(now);
        }
    }

    /// The leader of the control partition said where it ends, asked at `asked`.
    pub fn end_offset(&mut self, end: u64, asked: Mono) {
        if let ReplicaRole::Asking(question) = &mut self.role {
            question.answer(end, asked);
        }
    }

    /// Whether this process belongs to the cluster (rule R13): who does not leads no more, and never claims.
    pub fn belongs(&mut self, now: Mono, belongs: bool, wishes: &mut Vec<Wish>) {
        self.stranger = !belongs;
        match self.role {
            _ if belongs => {}
            ReplicaRole::Leading | ReplicaRole::Claiming { .. } => self.step_down(now, wishes),
            ReplicaRole::Asking(_) | ReplicaRole::HandedOver { .. } => self.wait_anew(now),
            ReplicaRole::Standby | ReplicaRole::Stopped => {}
        }
    }

    /// Time passed. Call until it wishes nothing.
    pub fn tick(&mut self, now: Mono, fitness: Fitness, wishes: &mut Vec<Wish>) {
        match self.role {
            ReplicaRole::Standby if fitness.may_claim() && !self.stranger && self.leader_is_silent(now) => {
                self.role = ReplicaRole::Asking(EndQuestion::put(now));
                wishes.push(Wish::AskEnd);
            }
            ReplicaRole::Asking(question) => self.tick_asking(now, question, fitness.may_claim(), wishes),
            ReplicaRole::Claiming { since } if now >= since + self.silence() => {
                self.step_down(now, wishes); // It can write, and not read: it must not keep others from leading.
            }
            ReplicaRole::Claiming { .. } if self.is_beat_due(now) => wishes.push(Wish::WriteOwn),
            ReplicaRole::Leading => self.tick_leading(now, fitness, wishes),
            ReplicaRole::HandedOver { since } if now >= since + self.silence() => self.wait_anew(now), // Nobody wanted it.
            ReplicaRole::Standby
            | ReplicaRole::Claiming { .. }
            | ReplicaRole::HandedOver { .. }
            | ReplicaRole::Stopped => {}
        }
        if matches!(self.role, ReplicaRole::Standby)
            && self.reached_end.is_some()
            && self.is_standby_due(now, fitness.warm)
        {
            wishes.push(Wish::WriteOwn);
        }
    }

    /// Who does not lead restates itself now and then, on change, and each beat while the leader's Nacos is silent: it may be an heir.
    fn is_standby_due(&self, now: Mono, warm: bool) -> bool {
        let Some(last) = self.last_write else { return true };
        let leader = self.leader().filter(|(nonce, _)| *nonce != self.nonce);
        let heir_wanted = leader.is_some_and(|(_, seen)| {
            now < seen.arrived + self.silence() && seen.nacos_age.is_none_or(|age| age >= HEARD_LATELY)
        });
        let changed = self.last_stated != Some((self.state(), warm));
        let interval = if heir_wanted || changed { self.beat_every } else { STANDBY_BEAT };
        now >= last + self.word_interval(now).map_or(interval, |word| word.min(interval))
    }

    fn is_beat_due(&self, now: Mono) -> bool {
        self.last_write.is_none_or(|last| now >= last + self.word_interval(now).unwrap_or(self.beat_every))
    }

    /// When [`Lease::tick`] is to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self, now: Mono) -> Mono {
        let interval =
            if matches!(self.role, ReplicaRole::Stopped) { STANDBY_BEAT } else { Millis(self.beat_every.0 / 4) };
        let beat = self.last_write.map(|last| last + self.beat_every).filter(|due| *due > now);
        beat.map_or(now + interval, |due| due.min(now + interval))
    }

    /// The process is about to end in order.
    pub fn stop(&mut self, wishes: &mut Vec<Wish>) {
        if self.role != ReplicaRole::Stopped {
            self.role = ReplicaRole::Stopped;
            wishes.push(Wish::WriteOwn);
        }
    }

    fn leader(&self) -> Option<(u32, &Seen)> {
        let leaders = self.replicas.iter().filter(|(_, seen)| seen.state == ReplicaState::Leader);
        leaders.max_by_key(|(_, seen)| seen.epoch).map(|(nonce, seen)| (*nonce, seen))
    }

    /// Rule R9: the leader's last beat arrived three beats ago, in a wait that was not broken.
    fn leader_is_silent(&self, now: Mono) -> bool {
        let Some(reached_end) = self.reached_end else { return false };
        let jitter = Millis(u64::from(self.nonce % 500));
        let waited = |from: Mono| now >= from + self.silence() + jitter;
        let silent = match self.leader().filter(|(nonce, _)| *nonce != self.nonce) {
            Some((_, seen)) => waited(seen.arrived.max(reached_end)),
            None => true,
        };
        silent && (self.wait_from == Mono(0) || waited(self.wait_from))
    }

    /// Back to waiting: the silence has to last anew, since nothing could be heard or this process was not fit to lead.
    fn wait_anew(&mut self, now: Mono) {
        self.role = ReplicaRole::Standby;
        self.wait_from = now;
    }

    /// An answer that was there before this process slept, or that it took long to read up to, says nothing of the silence since.
    fn is_too_old(&self, now: Mono, question: EndQuestion) -> bool {
        now >= question.since() + self.silence().max(ANSWER_WITHIN)
    }

    fn tick_asking(&mut self, now: Mono, question: EndQuestion, may_claim: bool, wishes: &mut Vec<Wish>) {
        if !self.leader_is_silent(now) {
            self.role = ReplicaRole::Standby; // A beat came after all.
        } else if !may_claim || question.is_overdue(now) || self.is_too_old(now, question) {
            self.wait_anew(now);
        } else if question.is_reached(self.next_offset) {
            self.claim(now, wishes);
        }
    }

    fn tick_leading(&mut self, now: Mono, fitness: Fitness, wishes: &mut Vec<Wish>) {
        if fitness.is_without_nacos() && self.has_heir(now) {
            return self.hand_over(now, wishes);
        }
        if self.permitted_until.is_some_and(|until| now >= until) {
            self.permitted_until = None; // Until a beat sent from now on is read back.
            self.unpermitted_since = Some(now);
            wishes.push(Wish::Ended);
        }
        if self.unpermitted_since.is_some_and(|since| now >= since + self.silence()) {
            return self.step_down(now, wishes); // Rule R10: it can write, and not read.
        }
        if self.is_beat_due(now) {
            wishes.push(Wish::WriteOwn);
        }
        let others = self.replicas.iter().filter(|(nonce, _)| **nonce != self.nonce);
        let gone: Vec<u32> =
            others.filter(|(_, seen)| now >= seen.arrived + FORGET_AFTER).map(|(nonce, _)| *nonce).collect();
        for nonce in gone {
            self.replicas.remove(&nonce);
            wishes.push(Wish::Forget(nonce));
        }
    }

    /// Rule R11: whether another process could lead at once. It is warm, has heard its Nacos lately, and restates itself each beat: so it
    /// reads this leader's beats, and would read that it stopped.
    fn has_heir(&self, now: Mono) -> bool {
        let each_beat = self.permission();
        self.replicas.iter().any(|(nonce, seen)| {
            *nonce != self.nonce
                && seen.state == ReplicaState::Standby
                && seen.warm
                && seen.nacos_age(now).is_some_and(|age| age < HEARD_LATELY)
                && now < seen.arrived + each_beat
                && seen.before.is_some_and(|before| seen.arrived < before + each_beat)
        })
    }

    fn hand_over(&mut self, now: Mono, wishes: &mut Vec<Wish>) {
        self.step_down(now, wishes);
        self.role = ReplicaRole::HandedOver { since: now };
    }

    fn read_back(&mut self, now: Mono, replica: &ReplicaRecord, wishes: &mut Vec<Wish>) {
        let beat = replica.beat;
        self.last_read_back = Some(now);
        let sent = self.in_flight.iter().find(|(number, _)| *number == beat).map(|(_, at)| *at);
        self.in_flight.retain(|(number, _)| *number > beat);
        let Some(sent) = sent else { return };
        self.words.heard = Some(sent);
        // A record from before the claim says nothing of the claim.
        let is_claim = replica.state == ReplicaState::Leader && replica.epoch == self.epoch;
        if is_claim && self.met_term > self.epoch.term {
            return self.claim_anew(now, wishes);
        }
        if let ReplicaRole::Claiming { .. } = self.role
            && is_claim
        {
            if self.is_highest_alive(now) {
                self.role = ReplicaRole::Leading;
                wishes.push(Wish::Began);
            } else {
                self.wait_anew(now);
            }
        }
        if self.role == ReplicaRole::Leading && replica.epoch == self.epoch {
            let until = sent + self.permission();
            self.permitted_until = Some(self.permitted_until.map_or(until, |known| known.max(until)));
            self.unpermitted_since = None;
        }
    }

    /// Whether no process that still beats claims a higher epoch. The dead do not count: at the highest term there is none above theirs.
    fn is_highest_alive(&self, now: Mono) -> bool {
        let rivals = self.replicas.iter().filter(|(nonce, seen)| {
            **nonce != self.nonce && seen.state == ReplicaState::Leader && now < seen.arrived + self.silence()
        });
        rivals.map(|(_, seen)| seen.epoch).all(|rival| rival < self.epoch)
    }

    fn read_rival(&mut self, now: Mono, rival: Epoch, wishes: &mut Vec<Wish>) {
        match self.role {
            ReplicaRole::Leading | ReplicaRole::Claiming { .. } if rival > self.epoch => self.step_down(now, wishes),
            ReplicaRole::HandedOver { .. } if rival > self.epoch => self.wait_anew(now),
            _ => {}
        }
    }

    fn step_down(&mut self, now: Mono, wishes: &mut Vec<Wish>) {
        self.wait_anew(now);
        self.permitted_until = None;
        self.unpermitted_since = None;
        wishes.push(Wish::Ended);
        wishes.push(Wish::WriteOwn);
    }
}

#[cfg(test)]
mod tests;
