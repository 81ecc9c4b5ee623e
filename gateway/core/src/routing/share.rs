//! Exact shares of endpoints, and their rounding to millionths by largest remainder.
//!
//! Input: the mixture of plans. Output: a share per endpoint. Invariant: the rounded shares sum to the millionths that
//! find an endpoint at all; an endpoint whose exact share is zero gets nothing.

use std::cmp::Ordering;

use super::census::{Census, Interner};
use super::drain::Mixture;
use super::layout::Layout;
use super::natural::Natural;

/// Millionths in the whole.
pub(super) const MILLION: u64 = 1_000_000;

/// Kinds that have the same unit in every plan of the mixture: their shares have one denominator.
struct Cell {
    /// By plan of the mixture: what a thousandth of weight adds to the numerator.
    factors: Vec<(usize, Natural)>,
    denominator: Natural,
}

/// The exact share of one endpoint of a kind, in millionths: whole ones, and a remainder over its cell's denominator.
struct Exact {
    whole: u64,
    rest: Natural,
    /// The leading bits of the remainder, which decide most comparisons.
    head: u64,
    cell: usize,
}

/// Shares in millionths, and how many of them rounding gave away.
pub(super) struct Rounded {
    /// One per endpoint, in the order of the input.
    pub(super) shares: Vec<u32>,
    /// Endpoints that got one millionth for their remainder.
    pub(super) topped_up: u64,
}

/// Who gets one millionth more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TopUp {
    None,
    All,
    /// As many as are left, first come first served.
    First,
}

/// Rounds shares. `order` holds the kind of each endpoint, in the order in which ties are broken and shares are returned.
pub(super) fn round(census: &Census<'_>, mixture: &Mixture, order: &[usize]) -> Rounded {
    let (cells, exact) = exact_shares(census, mixture);
    let given: u64 = exact.iter().zip(&census.sizes).map(|(exact, size)| exact.whole * size).sum();
    let topped_up = mixture.served_millionths() - given;
    let (top_up, mut left) = top_up(&cells, &exact, &census.sizes, topped_up);
    let mut share = |kind: usize| {
        let more = match top_up[kind] {
            TopUp::None => 0,
            TopUp::All => 1,
            TopUp::First => u64::from(left > 0),
        };
        if top_up[kind] == TopUp::First {
            left -= more;
        }
        u32::try_from(exact[kind].whole + more).expect("at most a million")
    };
    Rounded { shares: order.iter().map(|kind| share(*kind)).collect(), topped_up }
}

/// Gives `left` millionths to the largest remainders. Where a group of equal ones is too large for what is left, its
/// members are marked as [`TopUp::First`] and the number that is left for them is returned.
fn top_up(cells: &[Cell], exact: &[Exact], sizes: &[u64], mut left: u64) -> (Vec<TopUp>, u64) {
    let compare = |a: &usize, b: &usize| exact[*a].compare_rest(&exact[*b], cells);
    let mut by_rest: Vec<usize> = (0..exact.len()).filter(|kind| !exact[*kind].rest.is_zero()).collect();
    by_rest.sort_unstable_by(|a, b| compare(b, a));
    let mut top_up = vec![TopUp::None; exact.len()];
    for group in by_rest.chunk_by(|a, b| compare(a, b) == Ordering::Equal) {
        let size: u64 = group.iter().map(|kind| sizes[*kind]).sum();
        let fate = if size <= left { TopUp::All } else { TopUp::First };
        group.iter().for_each(|kind| top_up[*kind] = fate);
        if fate == TopUp::First {
            break;
        }
        left -= size;
    }
    (top_up, left)
}

impl Exact {
    /// Orders remainders, whatever their denominators.
    fn compare_rest(&self, other: &Self, cells: &[Cell]) -> Ordering {
        self.head.cmp(&other.head).then_with(|| match self.cell == other.cell {
            true => self.rest.cmp(&other.rest),
            false => {
                let (own, others) = (&cells[self.cell].denominator, &cells[other.cell].denominator);
                self.rest.times(others).cmp(&other.rest.times(own))
            }
        })
    }
}

/// The exact share of one endpoint of each kind.
fn exact_shares(census: &Census<'_>, mixture: &Mixture) -> (Vec<Cell>, Vec<Exact>) {
    let mut keys: Interner<Vec<(usize, usize)>> = Interner::default();
    let units = |kind: usize| {
        let unit = |(plan, (_, layout)): (usize, &(u64, Layout))| Some((plan, layout.unit_of[kind]?));
        mixture.parts.iter().enumerate().filter_map(unit).collect()
    };
    let cell_of: Vec<usize> = (0..census.kinds.len()).map(|kind| keys.intern(units(kind))).collect();
    let cells: Vec<Cell> = keys.values.iter().map(|key| Cell::new(key, mixture)).collect();
    let exact = cell_of.into_iter().enumerate().map(|(kind, cell)| cells[cell].exact(kind, cell, mixture)).collect();
    (cells, exact)
}

impl Cell {
    /// Brings the units of `key`, pairs of a plan and its unit, to their common denominator.
    fn new(key: &[(usize, usize)], mixture: &Mixture) -> Self {
        let unit = |(plan, unit): &(usize, usize)| &mixture.parts[*plan].1.units[*unit];
        let whole = Natural::from(u128::from(mixture.whole));
        let denominator = key.iter().fold(whole, |product, unit_of| product.times(&unit(unit_of).denominator));
        let factor = |index: usize| {
            let part = mixture.parts[key[index].0].0;
            let own = unit(&key[index]).numerator.times_small(part);
            let others = key.iter().enumerate().filter(|(other, _)| *other != index);
            (key[index].0, others.fold(own, |product, (_, other)| product.times(&unit(other).denominator)))
        };
        Self { factors: (0..key.len()).map(factor).collect(), denominator }
    }

    fn exact(&self, kind: usize, cell: usize, mixture: &Mixture) -> Exact {
        let mut numerator = Natural::default();
        for (plan, factor) in &self.factors {
            numerator.add(&factor.times_small(mixture.parts[*plan].1.weights[kind]));
        }
        let (whole, rest) = numerator.times_small(MILLION).divided_by(&self.denominator);
        let (head, _) = rest.times_small(1 << 63).divided_by(&self.denominator);
        Exact { whole, rest, head, cell }
    }
}
