//! Natural numbers of any size, as far as exact shares need them: sums, products, order, and a quotient of one limb.
//!
//! Why not 128 bits: the share of an endpoint under four drains is a sum of up to sixteen fractions whose denominators
//! are sums of weights, up to 40 bits each and seldom related, and availabilities of localities add more. No fixed width
//! is provably enough. Nearly all of them fit all the same, and those that do are held without an allocation: a plan of
//! five endpoints makes a hundred of them.

mod limbs;

use std::cmp::Ordering;

use self::limbs::Limbs;

/// A natural number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Natural {
    /// Every number that fits.
    Machine(u128),
    /// 2^128 or more.
    Large(Limbs),
}

impl Default for Natural {
    fn default() -> Self {
        Self::Machine(0)
    }
}

impl From<u128> for Natural {
    fn from(value: u128) -> Self {
        Self::Machine(value)
    }
}

impl From<Limbs> for Natural {
    fn from(limbs: Limbs) -> Self {
        limbs.to_machine().map_or(Self::Large(limbs), Self::Machine)
    }
}

impl Natural {
    /// 1, the empty product.
    pub(super) fn one() -> Self {
        Self::Machine(1)
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Self::Machine(0)
    }

    fn limbs(&self) -> Limbs {
        match self {
            Self::Machine(value) => Limbs::from(*value),
            Self::Large(limbs) => limbs.clone(),
        }
    }

    /// Adds `other` to this number.
    pub(super) fn add(&mut self, other: &Self) {
        if let (Self::Machine(a), Self::Machine(b)) = (&*self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            *self = Self::Machine(sum);
            return;
        }
        let mut sum = self.limbs();
        sum.add(&other.limbs());
        *self = sum.into();
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Machine(a), Self::Machine(b)) => a.checked_mul(*b).map(Self::Machine),
            _ => None,
        }
        .unwrap_or_else(|| self.limbs().times(&other.limbs()).into())
    }

    pub(super) fn times_small(&self, factor: u64) -> Self {
        match self {
            Self::Machine(value) => value.checked_mul(u128::from(factor)).map(Self::Machine),
            Self::Large(_) => None,
        }
        .unwrap_or_else(|| self.limbs().times_small(factor).into())
    }

    /// Quotient and remainder by one limb; `divisor` is not zero.
    pub(super) fn divided_by_small(&self, divisor: u64) -> (Self, u64) {
        match self {
            Self::Machine(value) => {
                let (quotient, rest) = (value / u128::from(divisor), value % u128::from(divisor));
                (Self::Machine(quotient), u64::try_from(rest).expect("less than the divisor"))
            }
            Self::Large(limbs) => {
                let (quotient, rest) = limbs.divided_by_small(divisor);
                (quotient.into(), rest)
            }
        }
    }

    /// How often `divisor` (not zero) fits, which must be less than 2^64 times, and what remains.
    pub(super) fn divided_by(&self, divisor: &Self) -> (u64, Self) {
        if let (Self::Machine(value), Self::Machine(divisor)) = (self, divisor)
            && let Ok(quotient) = u64::try_from(value / divisor)
        {
            return (quotient, Self::Machine(value % divisor));
        }
        let (quotient, rest) = self.limbs().divided_by(&divisor.limbs());
        (quotient, rest.into())
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Machine(a), Self::Machine(b)) => a.cmp(b),
            (Self::Machine(_), Self::Large(_)) => Ordering::Less,
            (Self::Large(_), Self::Machine(_)) => Ordering::Greater,
            (Self::Large(a), Self::Large(b)) => a.cmp(b),
        }
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The least common multiple of `known` and a small number that is not zero.
pub(super) fn common_multiple(known: &Natural, number: u64) -> Natural {
    let (_, rest) = known.divided_by_small(number);
    known.times_small(number / common_divisor(number, rest))
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As often below 2^128 as above.
    fn any_size() -> impl Strategy<Value = Limbs> {
        let limb = prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()];
        let wide = |(low, high): (u64, u64)| Limbs::from(u128::from(low) | (u128::from(high) << 64));
        (0..5_usize, (limb.clone(), limb.clone()), limb).prop_map(move |(times, start, factor)| {
            (0..times).fold(wide(start), |number, _| number.times_small(factor))
        })
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_a_number_is_held(a in any_size(), b in any_size(), small in 1..u64::MAX) {
            let (x, y) = (Natural::from(a.clone()), Natural::from(b.clone()));
            prop_assert_eq!((x.limbs(), x.cmp(&y)), (a.clone(), a.cmp(&b)));
            prop_assert_eq!(x.times(&y).limbs(), a.times(&b));
            prop_assert_eq!(x.times_small(small).limbs(), a.times_small(small));
            let (quotient, rest) = x.divided_by_small(small);
            prop_assert_eq!((quotient.limbs(), rest), a.divided_by_small(small));
            let mut sum = x.clone();
            sum.add(&y);
            let mut limbs = a.clone();
            limbs.add(&b);
            prop_assert_eq!(sum.limbs(), limbs.clone());
            if x < y {
                let mut number = y.times_small(small);
                number.add(&x);
                prop_assert_eq!(number.divided_by(&y), (small, x.clone()));
            }
            let canonical = |number: &Natural| matches!(number, Natural::Machine(_)) == number.limbs().to_machine().is_some();
            prop_assert!(canonical(&x) && canonical(&x.times(&y)) && canonical(&sum));
        }
    }

    #[test]
    fn the_common_multiple_of_small_numbers_is_the_least() {
        let of =
            |numbers: &[u64]| numbers.iter().fold(Natural::one(), |known, number| common_multiple(&known, *number));
        assert_eq!(of(&[4, 6, 10, 1]), Natural::from(60));
        let to_forty: Vec<u64> = (1..=40).collect();
        assert_eq!(of(&to_forty), Natural::from(5_342_931_457_063_200));
    }
}
