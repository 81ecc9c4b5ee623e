//! Chance that repeats itself, and what it does to an input.
//!
//! Invariant: the same number gives the same inputs, on every machine and with every version of every library. So the generator is written
//! out here; nothing depends on how good it is.

/// Longest input, in bytes: enough for every structure, and small enough to try thousands in a second.
pub const LONGEST: usize = 16 << 10;

/// Numbers by SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub struct Chance(u64);

impl Chance {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a usize has 64 bits at most").max(1);
        usize::try_from(self.number() % end).expect("it is below a usize")
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> Option<&'a T> {
        all.get(self.below(all.len())).copied()
    }
}

/// Bytes that end, part or begin something in one format or another.
const BYTES: &[u8] = b"\0\x01\x08\x0a\x1f\x7f\x80\xff%\"{}[]:,-'#&* \n\r\t0129eE.+~!|>@=/\\";
/// Numbers at which lengths, counts and signs go wrong, as they stand in big-endian fields, and as varints.
const NUMBERS: &[&[u8]] = &[
    &[0; 8],
    &[0xff; 8],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x08],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1e400",
    b"-0",
];

/// `input`, changed in one to four ways; `other` is another input to take pieces of, `words` what means something in the format.
pub fn mutated(input: &[u8], other: &[u8], words: &[&[u8]], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=chance.below(4) {
        change(&mut bytes, other, words, chance);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let length = chance.below(bytes.len().min(64)) + 1;
    let end = (at + length).min(bytes.len());
    match chance.below(10) {
        0 => flip(bytes, at, chance),
        1 => replace(bytes, at, (at + 1).min(bytes.len()), &[BYTES[chance.below(BYTES.len())]]),
        2 => replace(bytes, at, at, chance.one_of(NUMBERS).unwrap_or_default()),
        3 => {
            let number = chance.one_of(NUMBERS).unwrap_or_default();
            let end = (at + number.len()).min(bytes.len());
            replace(bytes, at, end, number);
        }
        4 => replace(bytes, at, end, &[]),
        5 => {
            let most = if chance.below(16) == 0 { 512 } else { 3 }; // Now and then so many that what is multiplied is felt.
            let piece = bytes[at..end].repeat(1 + chance.below(most));
            replace(bytes, at, at, &piece);
        }
        6 => replace(bytes, at, at, chance.one_of(words).unwrap_or_default()),
        7 => replace(bytes, at, end, chance.one_of(words).unwrap_or_default()),
        8 => {
            let from = chance.below(other.len() + 1);
            let to = (from + 1 + chance.below(128)).min(other.len());
            replace(bytes, at, end, &other[from..to]);
        }
        _ => bytes.truncate(at),
    }
}

fn flip(bytes: &mut [u8], at: usize, chance: &mut Chance) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << chance.below(8);
    }
}

fn replace(bytes: &mut Vec<u8>, from: usize, to: usize, piece: &[u8]) {
    bytes.splice(from..to, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(seed: u64) -> Vec<Vec<u8>> {
        let mut chance = Chance::new(seed);
        (0..500).map(|_| mutated(b"some input", b"another", &[b"word"], &mut chance)).collect()
    }

    #[test]
    fn one_seed_gives_one_list_of_inputs_and_another_gives_another() {
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        // As the paper's reference prints them: what a kept seed tries never changes.
        let mut chance = Chance::new(1_234_567);
        assert_eq!([chance.number(), chance.number()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn inputs_grow_shrink_and_stay_within_the_longest() {
        let all = inputs(3);
        assert!(all.iter().any(|it| it.len() > 500) && all.iter().any(|it| it.len() < 5));
        let mut chance = Chance::new(4);
        let long = vec![b'x'; LONGEST];
        assert!((0..500).all(|_| mutated(&long, &long, &[&long], &mut chance).len() <= LONGEST));
    }

    #[test]
    fn an_empty_input_is_changed_too() {
        let mut chance = Chance::new(5);
        assert!((0..100).any(|_| !mutated(b"", b"", &[], &mut chance).is_empty()));
    }
}
