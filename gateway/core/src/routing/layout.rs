//! The plan of one service without some of its clusters, drains aside: levels, their loads, and the share that one
//! thousandth of weight has in each place.
//!
//! Input: the kinds of endpoints and which origins are taken away. Output: a [`Layout`]. Nothing is kept from the plan
//! with all origins: levels, sums of the distribution and loads are computed anew.

use super::census::{Census, Interner, Kind, Standing};
use super::load::{LevelCounts, Load, LoadRules, Loads, PanicMode, loads};
use super::natural::{Natural, common_multiple};
use super::policy::LevelSize;
use super::tier::Rank;
use crate::seed::Map;

/// A fraction that is not negative; the denominator is not zero.
#[derive(Clone, Debug)]
pub(super) struct Fraction {
    pub(super) numerator: Natural,
    pub(super) denominator: Natural,
}

/// One plan, not yet multiplied out to endpoints.
pub(super) struct Layout {
    /// The rank behind each level; none for a level that was given but is empty.
    pub(super) ranks: Vec<Option<Rank>>,
    pub(super) counts: Vec<LevelCounts>,
    pub(super) loads: Loads,
    /// The level of each kind; `None` if it is taken away.
    pub(super) level_of: Vec<Option<usize>>,
    /// Weight of one endpoint of each kind in thousandths, after the distribution; 0 if it is taken away.
    pub(super) weights: Vec<u64>,
    /// Shares of all traffic per thousandth of weight.
    pub(super) units: Vec<Fraction>,
    /// Which of the units each kind has; `None` if it gets nothing.
    pub(super) unit_of: Vec<Option<usize>>,
    /// Percent of the traffic that finds an endpoint: 100, or less where nothing is usable.
    pub(super) served: u8,
}

/// Endpoints that share one part of a level's load by weight.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Bucket {
    pool: Pool,
    /// `None` where localities do not matter.
    locality: Option<usize>,
}

/// Endpoints that share one load.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pool {
    level: usize,
    members: Members,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Members {
    All,
    Healthy,
    Degraded,
}

#[derive(Clone, Copy, Default)]
struct Size {
    endpoints: u64,
    weight: u128,
}

impl Layout {
    /// Plans `census` without the origins for which `taken` says so.
    pub(super) fn without(census: &Census<'_>, taken: impl Fn(usize) -> bool) -> Self {
        let present: Vec<bool> = census.kinds.iter().map(|kind| !taken(kind.origin)).collect();
        let (ranks, level_of) = levels(census, &present);
        let weights = weights(census, &present);
        let counts = counts(census, &level_of, &weights, ranks.len());
        let loads = loads(&counts, LoadRules::from(census.policy));
        let buckets = Buckets::fill(census, &level_of, &weights, &loads.levels);
        let units = buckets.units(census, &level_of, &loads.levels);
        let served = buckets.served(&loads.levels);
        Self { ranks, counts, loads, level_of, weights, units, unit_of: buckets.of_kind, served }
    }
}

/// The levels, best first, and the level of each kind. Ranks are compacted; priorities that were given are not.
fn levels(census: &Census<'_>, present: &[bool]) -> (Vec<Option<Rank>>, Vec<Option<usize>>) {
    let mut met: Vec<Rank> =
        census.kinds.iter().zip(present).filter(|(_, present)| **present).map(|(kind, _)| kind.rank).collect();
    met.sort_unstable();
    met.dedup();
    let level = |rank: Rank| match census.given_priorities() {
        true => rank.place as usize,
        false => met.partition_point(|other| *other < rank),
    };
    let of_kind = census.kinds.iter().zip(present).map(|(kind, present)| present.then(|| level(kind.rank))).collect();
    let mut ranks = vec![None; met.last().map_or(0, |last| level(*last) + 1)];
    met.iter().for_each(|rank| ranks[level(*rank)] = Some(*rank));
    (ranks, of_kind)
}

/// Weights after the distribution: each percentage is split over the endpoints that are there, and rounded up.
fn weights(census: &Census<'_>, present: &[bool]) -> Vec<u64> {
    let own = |kind: &Kind, present: bool| if present { kind.weight.thousandths() } else { 0 };
    let own: Vec<u64> = census.kinds.iter().zip(present).map(|(kind, present)| own(kind, *present)).collect();
    let Some(distribute) = census.distribute else { return own };
    let mut sums = vec![0_u128; distribute.to().len()];
    for ((kind, weight), size) in census.kinds.iter().zip(&own).zip(&census.sizes) {
        sums[kind.slot] += u128::from(*weight) * u128::from(*size);
    }
    let split = |kind: &Kind, weight: u64| {
        let percent = u128::from(distribute.to()[kind.slot].1.get());
        let part = if weight == 0 { 0 } else { (percent * u128::from(weight)).div_ceil(sums[kind.slot]) };
        u64::try_from(part).expect("a part of at most 100") * 1000
    };
    census.kinds.iter().zip(own).map(|(kind, weight)| split(kind, weight)).collect()
}

fn counts(census: &Census<'_>, level_of: &[Option<usize>], weights: &[u64], levels: usize) -> Vec<LevelCounts> {
    let mut counts = vec![LevelCounts::default(); levels];
    for (index, kind) in census.kinds.iter().enumerate() {
        let Some(level) = level_of[index] else { continue };
        let each = match census.policy.level_size {
            LevelSize::Endpoints => 1,
            LevelSize::Weights => u128::from(weights[index]),
        };
        let size = each * u128::from(census.sizes[index]);
        let counts = &mut counts[level];
        counts.total += size;
        match kind.standing {
            Standing::Healthy => counts.healthy += size,
            Standing::Degraded => counts.degraded += size,
            Standing::Excluded => counts.excluded += size,
            Standing::Unhealthy => {}
        }
    }
    counts
}

/// Who shares what with whom.
struct Buckets {
    buckets: Vec<Bucket>,
    sizes: Vec<Size>,
    of_kind: Vec<Option<usize>>,
}

impl Buckets {
    fn fill(census: &Census<'_>, level_of: &[Option<usize>], weights: &[u64], loads: &[Load]) -> Self {
        let mut buckets = Interner::default();
        let mut sizes: Vec<Size> = Vec::new();
        let mut of_kind = Vec::with_capacity(census.kinds.len());
        for (index, kind) in census.kinds.iter().enumerate() {
            let bucket = level_of[index].and_then(|level| bucket(census, kind, level, loads[level]));
            let number = bucket.map(|bucket| buckets.intern(bucket));
            of_kind.push(number);
            let Some(number) = number else { continue };
            sizes.resize(buckets.values.len(), Size::default());
            sizes[number].endpoints += census.sizes[index];
            sizes[number].weight += u128::from(weights[index]) * u128::from(census.sizes[index]);
        }
        Self { buckets: buckets.values, sizes, of_kind }
    }

    /// The share of one thousandth of weight in each bucket: load · effective locality weight / (100 · sum of effective
    /// locality weights · weight of the bucket).
    fn units(&self, census: &Census<'_>, level_of: &[Option<usize>], loads: &[Load]) -> Vec<Fraction> {
        let (effective, sums) = self.effective_weights(census, level_of);
        let unit = |(index, bucket): (usize, &Bucket)| {
            let whole = Natural::from(100 * self.sizes[index].weight);
            Fraction {
                numerator: effective[index].times_small(u64::from(bucket.pool.load(loads))),
                denominator: sums.get(&bucket.pool).map_or_else(|| whole.clone(), |sum| whole.times(sum)),
            }
        };
        self.buckets.iter().enumerate().map(unit).collect()
    }

    /// Weight · min(1, overprovisioning · eligible / counted) of each bucket's locality, all of one pool multiplied by the
    /// common denominator of that pool, and their sums. 1 and no sum where localities do not matter.
    fn effective_weights(&self, census: &Census<'_>, level_of: &[Option<usize>]) -> (Vec<Natural>, Map<Pool, Natural>) {
        let Some(locality_weights) = &census.locality_weights else {
            return (vec![Natural::one(); self.buckets.len()], Map::default());
        };
        let counted = counted_by_locality(census, level_of);
        let counted_in =
            |bucket: &Bucket| bucket.locality.map_or(1, |locality| counted[&(bucket.pool.level, locality)]);
        let mut multiples: Map<Pool, Natural> = Map::default();
        for bucket in &self.buckets {
            let known = multiples.entry(bucket.pool).or_insert_with(Natural::one);
            *known = common_multiple(known, counted_in(bucket));
        }
        let factor = u128::from(census.policy.overprovisioning.percent());
        let mut sums: Map<Pool, Natural> = Map::default();
        let mut effective = Vec::with_capacity(self.buckets.len());
        for (bucket, size) in self.buckets.iter().zip(&self.sizes) {
            let counted = counted_in(bucket);
            let availability = (factor * u128::from(size.endpoints)).min(100 * u128::from(counted));
            let weight = bucket.locality.map_or(1, |locality| u128::from(locality_weights[locality]));
            let (parts, _) = multiples[&bucket.pool].divided_by_small(counted);
            let weight = parts.times(&Natural::from(weight * availability));
            sums.entry(bucket.pool).or_default().add(&weight);
            effective.push(weight);
        }
        (effective, sums)
    }

    fn served(&self, loads: &[Load]) -> u8 {
        let mut pools = Interner::default();
        self.buckets.iter().for_each(|bucket| {
            pools.intern(bucket.pool);
        });
        pools.values.iter().map(|pool| pool.load(loads)).sum()
    }
}

impl Pool {
    fn load(self, loads: &[Load]) -> u8 {
        let load = loads[self.level];
        match self.members {
            Members::All => load.healthy + load.degraded,
            Members::Healthy => load.healthy,
            Members::Degraded => load.degraded,
        }
    }
}

/// Where a kind takes its share from. In a panic all share by weight alone.
fn bucket(census: &Census<'_>, kind: &Kind, level: usize, load: Load) -> Option<Bucket> {
    let locality = census.locality_weights.is_some().then_some(kind.locality);
    let (members, locality) = match (load.panic, kind.standing) {
        (PanicMode::Panicking, _) => (Members::All, None),
        (PanicMode::Calm, Standing::Healthy) => (Members::Healthy, locality),
        (PanicMode::Calm, Standing::Degraded) => (Members::Degraded, locality),
        (PanicMode::Calm, Standing::Unhealthy | Standing::Excluded) => return None,
    };
    Some(Bucket { pool: Pool { level, members }, locality })
}

/// Endpoints that are not excluded, by level and locality; never weights.
fn counted_by_locality(census: &Census<'_>, level_of: &[Option<usize>]) -> Map<(usize, usize), u64> {
    let mut counted = Map::default();
    for ((kind, level), size) in census.kinds.iter().zip(level_of).zip(&census.sizes) {
        let Some(level) = level else { continue };
        if kind.standing != Standing::Excluded {
            *counted.entry((*level, kind.locality)).or_default() += size;
        }
    }
    counted
}
