//! How often the stranger writes what.

use rand::RngExt;

use crate::absurd::{self, Wild};

/// A kind of record with its share; small ones first, those of megabytes are drawn apart.
const SMALL: [(u32, fn() -> Wild); 11] = [
    (150, absurd::drain),
    (50, absurd::descriptor),
    (100, absurd::beat),
    (50, absurd::garbage),
    (300, absurd::instance),
    (20, absurd::instance_of_long_names),
    (150, absurd::one_of_a_crowd),
    (80, absurd::config),
    (50, absurd::tombstone),
    (20, absurd::checkpoint),
    (30, absurd::misplaced),
];
/// Letters of a large config item.
const LARGE_BYTES: usize = 10 << 20;

/// What the stranger draws its records from.
pub(crate) struct Deck {
    large_every: u32,
    noise: String,
    shares: u32,
}

impl Deck {
    /// A deck with one record of megabytes in `large_every`; 0 for none.
    pub(crate) fn new(large_every: u32) -> Self {
        let mut rng = rand::rng();
        let noise = (0..LARGE_BYTES).map(|_| char::from(rng.random_range(b' '..=b'~'))).collect();
        Self { large_every, noise, shares: SMALL.iter().map(|(share, _)| share).sum() }
    }

    /// The next record.
    pub(crate) fn draw(&self) -> Wild {
        let mut rng = rand::rng();
        if self.large_every > 0 && rng.random_range(0..self.large_every) == 0 {
            return match rng.random_range(0..4) {
                0 => absurd::long_lists(),
                1 => absurd::instance_of_much_metadata(),
                _ => absurd::large_config(&self.noise),
            };
        }
        let mut at = rng.random_range(0..self.shares);
        for (share, make) in SMALL {
            if at < share {
                return make();
            }
            at -= share;
        }
        unreachable!("the shares add up")
    }
}
