//! Which faults happen, to whom, in which order and how long: made from a seed alone, so that the same seed is the same plan again.
//!
//! Kinds are dealt from a deck: first each kind once, then those that cost no start of a JVM a second time, then again from the beginning. So
//! a run of twelve minutes has every kind, and as many starts of Nacos and Kafka as two busy cores can take. Every third turn has two
//! faults at a time, of two victims.

use std::time::Duration;

use serde::Serialize;

use crate::seed::Seed;

/// The two clusters, by place: 3.x and 2.x.
pub(crate) const REGIONS: usize = 2;
/// Gateways of each.
pub(crate) const REPLICAS: usize = 2;
/// Brokers of the one Kafka.
pub(crate) const BROKERS: usize = 3;
/// Faults of twelve minutes: some more than are due, for turns that are slow.
const FAULTS_OF_12_MINUTES: u64 = 45;
/// Every so many turns there are two faults at a time.
const PAIR_EACH: usize = 3;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    LeaderKilled,
    LeaderPaused,
    LeaderRestarted,
    StandbyKilled,
    StandbyPaused,
    StandbyRestarted,
    BrokerKilled,
    BrokerPaused,
    BrokerRestarted,
    NacosKilled,
    NacosPaused,
    NacosRestarted,
    NacosLineCut,
    NacosLineSilent,
    KafkaLineCut,
    KafkaLineSilent,
    DiskFull,
    NacosEmpty,
}

/// What of a thing is concerned: two faults at a time are never of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Area {
    Gateway,
    Broker,
    Nacos,
}

/// Which gateway of a cluster, by what it is when the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Leader,
    Standby,
}

/// How long it takes, by design, until something that was deregistered meanwhile is shown no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// After every connect to Nacos, restart and takeover: the list has to rest for it.
    RemovalHold,
    /// After an outage of Nacos: four times the outage longer.
    Outage,
    /// A mass loss is held until the window is over without one.
    MassWindow,
}

impl Bound {
    /// In the words of the documentation, with the time.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::RemovalHold => "removal_hold (15 s)",
            Self::Outage => "removal_hold + 4 x outage (15-90 s)",
            Self::MassWindow => "guard.mass_window (60 s) + removal_hold",
        }
    }
}

impl FaultKind {
    pub(crate) const ALL: [Self; 18] = [
        Self::LeaderKilled,
        Self::LeaderPaused,
        Self::LeaderRestarted,
        Self::StandbyKilled,
        Self::StandbyPaused,
        Self::StandbyRestarted,
        Self::BrokerKilled,
        Self::BrokerPaused,
        Self::BrokerRestarted,
        Self::NacosKilled,
        Self::NacosPaused,
        Self::NacosRestarted,
        Self::NacosLineCut,
        Self::NacosLineSilent,
        Self::KafkaLineCut,
        Self::KafkaLineSilent,
        Self::DiskFull,
        Self::NacosEmpty,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LeaderKilled => "leader killed",
            Self::LeaderPaused => "leader paused",
            Self::LeaderRestarted => "leader restarted",
            Self::StandbyKilled => "standby killed",
            Self::StandbyPaused => "standby paused",
            Self::StandbyRestarted => "standby restarted",
            Self::BrokerKilled => "broker killed",
            Self::BrokerPaused => "broker paused",
            Self::BrokerRestarted => "broker restarted",
            Self::NacosKilled => "nacos killed",
            Self::NacosPaused => "nacos paused",
            Self::NacosRestarted => "nacos restarted",
            Self::NacosLineCut => "line to nacos cut",
            Self::NacosLineSilent => "line to nacos silent",
            Self::KafkaLineCut => "line to kafka cut",
            Self::KafkaLineSilent => "line to kafka silent",
            Self::DiskFull => "disk full",
            Self::NacosEmpty => "nacos answers empty",
        }
    }

    pub(crate) fn area(self) -> Area {
        match self {
            Self::BrokerKilled | Self::BrokerPaused | Self::BrokerRestarted => Area::Broker,
            Self::NacosKilled | Self::NacosPaused | Self::NacosRestarted | Self::NacosEmpty => Area::Nacos,
            _ => Area::Gateway,
        }
    }

    /// Whether it takes half a minute: the start of a Nacos, or longer than the removal hold.
    pub(crate) fn is_long(self) -> bool {
        matches!(self, Self::NacosKilled | Self::NacosRestarted | Self::NacosEmpty)
    }

    /// Whether the Nacos itself is struck, so that its list means nothing for a while; not what leads to it.
    pub(crate) fn strikes_nacos(self) -> bool {
        matches!(self, Self::NacosKilled | Self::NacosPaused | Self::NacosRestarted)
    }

    /// Whether a JVM starts.
    fn is_heavy(self) -> bool {
        self.is_long() || matches!(self, Self::BrokerKilled | Self::BrokerRestarted)
    }

    pub(crate) fn bound(self) -> Bound {
        match self {
            Self::NacosKilled | Self::NacosRestarted | Self::NacosPaused => Bound::Outage,
            Self::NacosLineCut | Self::NacosLineSilent => Bound::Outage,
            Self::NacosEmpty => Bound::MassWindow,
            _ => Bound::RemovalHold,
        }
    }

    /// Shortest and longest time in ms from the fault to what ends it.
    fn lasts(self) -> (u64, u64) {
        match self {
            Self::LeaderRestarted | Self::StandbyRestarted | Self::NacosKilled | Self::NacosRestarted => (200, 2_000),
            Self::LeaderKilled | Self::StandbyKilled => (500, 6_000),
            Self::BrokerKilled | Self::BrokerRestarted => (2_000, 6_000),
            Self::LeaderPaused | Self::StandbyPaused | Self::BrokerPaused | Self::NacosPaused => (4_000, 12_000),
            Self::NacosLineCut | Self::NacosLineSilent => (4_000, 14_000),
            Self::KafkaLineCut | Self::KafkaLineSilent => (4_000, 12_000),
            Self::DiskFull => (4_000, 8_000),
            Self::NacosEmpty => (25_000, 30_000), // A new connection, and longer than the removal hold: it is the guard that holds.
        }
    }
}

/// One fault of one victim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Number of the cluster; means nothing for a broker.
    pub(crate) region: usize,
    /// Means nothing for a broker and a Nacos.
    pub(crate) role: Role,
    /// Number of the broker; means nothing for others.
    pub(crate) broker: usize,
    #[serde(rename = "lastsMs")]
    pub(crate) lasts_ms: u64,
}

impl Fault {
    fn draw(kind: FaultKind, seed: &mut Seed) -> Self {
        let (region, replica, broker) = (seed.below(REGIONS), seed.below(REPLICAS), seed.below(BROKERS));
        let (shortest, longest) = kind.lasts();
        let role = match kind {
            FaultKind::LeaderKilled | FaultKind::LeaderPaused | FaultKind::LeaderRestarted => Role::Leader,
            FaultKind::StandbyKilled | FaultKind::StandbyPaused | FaultKind::StandbyRestarted => Role::Standby,
            _ if replica == 0 => Role::Leader,
            _ => Role::Standby,
        };
        Self { kind, region, role, broker, lasts_ms: seed.between(shortest, longest) }
    }

    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_millis(self.lasts_ms)
    }

    /// For people, before it is known who has the role.
    pub(crate) fn described(&self) -> String {
        let whom = match self.kind.area() {
            Area::Broker => format!("broker {}", self.broker + 1),
            Area::Nacos => format!("cluster {}", self.region + 1),
            Area::Gateway => format!("{:?} of cluster {}", self.role, self.region + 1).to_lowercase(),
        };
        format!("{}: {whom}, {:.1} s", self.kind.name(), self.lasts().as_secs_f64())
    }

    /// Whether the two cannot happen at a time: of one victim, of two brokers (two of three are a majority that is gone), or both long.
    fn bars(&self, other: &Self) -> bool {
        let same = self.kind.area() == other.kind.area() && self.region == other.region;
        match self.kind.area() {
            Area::Broker => other.kind.area() == Area::Broker,
            Area::Nacos => same || self.kind.is_long() && other.kind.is_long(),
            Area::Gateway => same && self.role == other.role,
        }
    }
}

/// What happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Turn {
    /// One, or two that begin a second apart.
    pub(crate) faults: Vec<Fault>,
}

impl Turn {
    /// The time from its first fault to what ends its last, without what a start takes, ms.
    pub(crate) fn lasts_ms(&self) -> u64 {
        self.faults.iter().map(|fault| fault.lasts_ms).max().unwrap_or_default()
    }
}

/// Kinds in the order in which they are dealt.
struct Deck {
    seed: Seed,
    cards: Vec<FaultKind>,
    rounds: usize,
}

impl Deck {
    fn fill(&mut self) {
        let light = self.rounds % 2 == 1;
        let mut layer: Vec<_> = FaultKind::ALL.into_iter().filter(|kind| !light || !kind.is_heavy()).collect();
        self.seed.shuffle(&mut layer);
        self.cards.extend(layer);
        self.rounds += 1;
    }

    /// The next fault that may happen beside `beside`.
    fn deal(&mut self, beside: Option<&Fault>) -> Fault {
        loop {
            for place in 0..self.cards.len() {
                let mut fault = Fault::draw(self.cards[place], &mut self.seed);
                if beside.is_some_and(|beside| beside.bars(&fault)) {
                    fault.region = (fault.region + 1) % REGIONS;
                }
                if beside.is_none_or(|beside| !beside.bars(&fault)) {
                    self.cards.remove(place);
                    return fault;
                }
            }
            self.fill();
        }
    }
}

/// How many faults a run of so many minutes has; at least four.
fn faults_of(minutes: u64) -> usize {
    usize::try_from((minutes * FAULTS_OF_12_MINUTES).div_ceil(12)).unwrap_or(usize::MAX).max(4)
}

/// The plan of a run of so many minutes.
pub(crate) fn plan(seed: u64, minutes: u64) -> Vec<Turn> {
    let mut deck = Deck { seed: Seed::new(seed), cards: Vec::new(), rounds: 0 };
    let (mut turns, mut left) = (Vec::new(), faults_of(minutes));
    while left > 0 {
        let mut faults = vec![deck.deal(None)];
        if turns.len() % PAIR_EACH == PAIR_EACH - 1 && left > 1 {
            faults.push(deck.deal(faults.first()));
        }
        left -= faults.len();
        turns.push(Turn { faults });
    }
    turns
}

/// How many faults a plan has.
pub(crate) fn faults_in(turns: &[Turn]) -> usize {
    turns.iter().map(|turn| turn.faults.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_seed_is_the_same_plan_again_and_another_seed_another_one() {
        assert_eq!(plan(7, 12), plan(7, 12));
        assert_ne!(plan(7, 12), plan(8, 12));
        assert!(plan(7, 12).starts_with(&plan(7, 3)[..5]), "a short run is the beginning of a long one");
    }

    #[test]
    fn twelve_minutes_have_every_kind_and_over_forty_faults_a_third_of_the_turns_with_two() {
        for seed in 0..500 {
            let turns = plan(seed, 12);
            let mut kinds: BTreeMap<FaultKind, usize> = BTreeMap::new();
            for fault in turns.iter().flat_map(|turn| &turn.faults) {
                *kinds.entry(fault.kind).or_default() += 1;
            }
            assert!(faults_in(&turns) >= 40, "seed {seed}: {}", faults_in(&turns));
            assert_eq!(kinds.len(), FaultKind::ALL.len(), "seed {seed}: {kinds:?}");
            let pairs = turns.iter().filter(|turn| turn.faults.len() == 2).count();
            assert!(pairs * 4 >= turns.len(), "seed {seed}: {pairs} of {}", turns.len());
            let long: usize = kinds.iter().filter(|(kind, _)| kind.is_long()).map(|(_, count)| count).sum();
            assert!(long <= 6, "seed {seed}: {long} take half a minute");
        }
    }

    #[test]
    fn three_minutes_have_ten_faults_of_ten_kinds() {
        for seed in 0..500 {
            let turns = plan(seed, 3);
            let kinds: BTreeSet<_> = turns.iter().flat_map(|turn| &turn.faults).map(|fault| fault.kind).collect();
            assert!(kinds.len() >= 10, "seed {seed}: {kinds:?}");
        }
    }

    #[test]
    fn two_faults_at_a_time_are_of_two_victims_and_never_of_two_brokers() {
        for seed in 0..500 {
            for turn in plan(seed, 12) {
                let [first, second] = &turn.faults[..] else { continue };
                assert!(!first.bars(second) && !second.bars(first), "seed {seed}: {turn:?}");
                assert!(
                    first.kind.area() != Area::Broker || second.kind.area() != Area::Broker,
                    "seed {seed}: {turn:?}"
                );
            }
        }
    }

    #[test]
    fn a_fault_lasts_within_the_bounds_of_its_kind() {
        for seed in 0..100 {
            for fault in plan(seed, 12).into_iter().flat_map(|turn| turn.faults) {
                let (shortest, longest) = fault.kind.lasts();
                assert!((shortest..=longest).contains(&fault.lasts_ms), "{fault:?}");
                assert!(fault.region < REGIONS && fault.broker < BROKERS, "{fault:?}");
            }
        }
    }
}
