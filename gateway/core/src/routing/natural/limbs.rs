//! Numbers beyond 128 bits: limbs, sums, products, order, and a quotient of one limb.

use std::cmp::Ordering;

/// A natural number. Invariant: the last limb is not zero, so that equal numbers have equal limbs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::routing) struct Limbs {
    /// Least significant first.
    limbs: Vec<u64>,
}

impl From<u128> for Limbs {
    fn from(value: u128) -> Self {
        Self { limbs: vec![low(value), high(value)] }.trimmed()
    }
}

impl Limbs {
    /// The number if it fits.
    pub(super) fn to_machine(&self) -> Option<u128> {
        match self.limbs[..] {
            [] => Some(0),
            [low] => Some(u128::from(low)),
            [low, high] => Some(u128::from(low) | (u128::from(high) << 64)),
            _ => None,
        }
    }

    /// Adds `other` to this number.
    pub(super) fn add(&mut self, other: &Self) {
        if self.limbs.len() < other.limbs.len() {
            self.limbs.resize(other.limbs.len(), 0);
        }
        let mut carry = 0;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let sum = u128::from(*limb) + u128::from(other.limbs.get(index).copied().unwrap_or(0)) + carry;
            *limb = low(sum);
            carry = sum >> 64;
        }
        if carry > 0 {
            self.limbs.push(low(carry));
        }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0; self.limbs.len() + other.limbs.len()];
        for (shift, &a) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (index, &b) in other.limbs.iter().enumerate() {
                // At most (2^64 - 1)^2 + 2 * (2^64 - 1) = 2^128 - 1.
                let sum = u128::from(a) * u128::from(b) + u128::from(limbs[shift + index]) + carry;
                limbs[shift + index] = low(sum);
                carry = sum >> 64;
            }
            limbs[shift + other.limbs.len()] = low(carry);
        }
        Self { limbs }.trimmed()
    }

    pub(super) fn times_small(&self, factor: u64) -> Self {
        let mut limbs = Vec::with_capacity(self.limbs.len() + 1);
        let mut carry = 0;
        for &limb in &self.limbs {
            let product = u128::from(limb) * u128::from(factor) + carry;
            limbs.push(low(product));
            carry = product >> 64;
        }
        limbs.push(low(carry));
        Self { limbs }.trimmed()
    }

    /// Quotient and remainder by one limb; `divisor` is not zero.
    pub(super) fn divided_by_small(&self, divisor: u64) -> (Self, u64) {
        let mut limbs = vec![0; self.limbs.len()];
        let mut rest = 0;
        for (index, &limb) in self.limbs.iter().enumerate().rev() {
            let here = (u128::from(rest) << 64) | u128::from(limb);
            limbs[index] = low(here / u128::from(divisor));
            rest = low(here % u128::from(divisor));
        }
        (Self { limbs }.trimmed(), rest)
    }

    /// How often `divisor` (not zero) fits, which must be less than 2^64 times, and what remains.
    ///
    /// The leading limbs give an estimate that is never too high; what it misses is found by estimating again.
    pub(super) fn divided_by(&self, divisor: &Self) -> (u64, Self) {
        let mut rest = self.clone();
        let mut quotient = 0_u64;
        while rest.cmp(divisor) != Ordering::Less {
            let times = rest.underestimate(divisor).max(1);
            rest.subtract(&divisor.times_small(times));
            quotient += times;
        }
        (quotient, rest)
    }

    /// A lower bound of `self / divisor`, close to it: computed from the leading 64 bits of the divisor, rounded up.
    fn underestimate(&self, divisor: &Self) -> u64 {
        let dropped = divisor.bits().saturating_sub(63);
        let lead = divisor.shifted_down(dropped) + u128::from(dropped > 0);
        let own = self.shifted_down(dropped); // Below 2^128: the quotient is below 2^64 and the lead has 64 bits at most.
        low((own / lead).min(u128::from(u64::MAX)))
    }

    fn bits(&self) -> usize {
        self.limbs.last().map_or(0, |last| self.limbs.len() * 64 - last.leading_zeros() as usize)
    }

    /// The lowest 128 bits of the number divided by 2^`bits`.
    fn shifted_down(&self, bits: usize) -> u128 {
        let limb = |index: usize| u128::from(self.limbs.get(bits / 64 + index).copied().unwrap_or(0));
        let (part, whole) = (bits % 64, limb(0) | (limb(1) << 64));
        if part == 0 { whole } else { (whole >> part) | (limb(2) << (128 - part)) }
    }

    /// Takes `other`, which is not greater, away from this number.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let (rest, first) = limb.overflowing_sub(other.limbs.get(index).copied().unwrap_or(0));
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            *limb = rest;
            borrow = first || second;
        }
        debug_assert!(!borrow, "a greater number was taken away");
        self.trim();
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn trimmed(mut self) -> Self {
        self.trim();
        self
    }
}

impl Ord for Limbs {
    fn cmp(&self, other: &Self) -> Ordering {
        let lengths = self.limbs.len().cmp(&other.limbs.len());
        lengths.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

impl PartialOrd for Limbs {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The lower 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "the lower limb is what is asked for")]
fn low(value: u128) -> u64 {
    value as u64
}

fn high(value: u128) -> u64 {
    low(value >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limbs(limbs: Vec<u64>) -> Limbs {
        Limbs { limbs }.trimmed()
    }

    fn limb() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 63), any::<u64>()]
    }

    proptest! {
        #[test]
        fn a_quotient_times_the_divisor_plus_the_rest_is_the_number(
            divisor in prop::collection::vec(limb(), 1..6), quotient in limb(), rest in prop::collection::vec(limb(), 0..6),
        ) {
            let divisor = limbs(divisor);
            prop_assume!(divisor != Limbs::default());
            let rest = limbs(rest);
            let rest = if rest < divisor { rest } else { Limbs::default() };
            let mut number = divisor.times_small(quotient);
            number.add(&rest);
            prop_assert_eq!(number.divided_by(&divisor), (quotient, rest));
        }

        #[test]
        fn small_numbers_behave_as_the_machine_s(a in any::<u64>(), b in any::<u64>(), c in 1..u64::MAX) {
            let (wide_a, wide_b) = (u128::from(a), u128::from(b));
            let product = Limbs::from(wide_a).times(&Limbs::from(wide_b));
            prop_assert_eq!(&product, &Limbs::from(wide_a * wide_b));
            prop_assert_eq!(Limbs::from(wide_a).times_small(b), product.clone());
            let (quotient, rest) = product.divided_by_small(c);
            prop_assert_eq!((quotient, u128::from(rest)), (Limbs::from(wide_a * wide_b / u128::from(c)), wide_a * wide_b % u128::from(c)));
            let mut sum = Limbs::from(wide_a);
            sum.add(&Limbs::from(wide_b));
            prop_assert_eq!(sum, Limbs::from(wide_a + wide_b));
            prop_assert_eq!(Limbs::from(wide_a).cmp(&Limbs::from(wide_b)), a.cmp(&b));
        }

        #[test]
        fn products_distribute_over_sums(
            a in prop::collection::vec(limb(), 0..5), b in prop::collection::vec(limb(), 0..5), c in prop::collection::vec(limb(), 0..5),
        ) {
            let (a, b, c) = (limbs(a), limbs(b), limbs(c));
            let mut sum = a.clone();
            sum.add(&b);
            let mut products = a.times(&c);
            products.add(&b.times(&c));
            prop_assert_eq!(sum.times(&c), products);
        }
    }
}
