//! An answer that was encoded once, up to what every request adds.
//!
//! Its endpoints stand one after the other, so that a request for some of them is served by cutting, not by encoding.

use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Which endpoints somebody wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlanExcerpt {
    /// At most so many; `None`: all.
    pub limit: Option<u32>,
    /// Which priorities.
    pub depth: PlanDepth,
}

/// Which priorities somebody wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlanDepth {
    /// All.
    #[default]
    All,
    /// The best one that has a share.
    Top,
}

impl PlanExcerpt {
    /// Which of `endpoints` endpoints, the best priority with a share being `top`.
    pub fn of(self, endpoints: usize, top: &Range<usize>) -> Range<usize> {
        let range = match self.depth {
            PlanDepth::All => 0..endpoints,
            PlanDepth::Top => top.clone(),
        };
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        range.start..range.end.min(range.start.saturating_add(limit))
    }
}

/// A plan as bytes, or why there is none.
#[derive(Debug)]
pub enum EncodedPlan {
    /// Something can be used.
    Usable(PlanPieces),
    /// Nothing can.
    Unusable(NothingUsable),
}

/// That nothing can be used.
#[derive(Debug)]
pub struct NothingUsable {
    /// In a sentence.
    pub detail: String,
    /// The whole answer.
    pub bytes: Bytes,
}

/// `W/"0123456789abcdef"`.
pub(super) type Tag = [u8; 20];

fn tag(name: u64) -> Tag {
    let mut tag = *b"W/\"0000000000000000\"";
    for (place, digit) in tag[3..19].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(name >> (60 - 4 * place) & 15) as usize];
    }
    tag
}

/// A plan as bytes.
#[derive(Debug)]
pub struct PlanPieces {
    /// Head, endpoints and tail.
    pub bytes: Bytes,
    /// Where each endpoint begins, and where the last one ends.
    pub starts: Box<[usize]>,
    /// The endpoints of the best priority that has a share.
    pub top: Range<usize>,
    /// Names these bytes: 16 hexadecimal digits in quotes, a weak entity tag of HTTP. Held here: what is elsewhere has to be
    /// fetched from memory for each answer.
    pub tag: Tag,
    /// Names what watchers are told.
    pub fingerprint: u64,
}

impl PlanPieces {
    /// `starts` has one number more than there are endpoints.
    pub fn new(bytes: Vec<u8>, starts: Vec<usize>, top: Range<usize>, fingerprint: u64) -> Self {
        let tag = tag(xxh3_64(&bytes));
        Self { bytes: bytes.into(), starts: starts.into(), top, tag, fingerprint }
    }

    /// How many endpoints there are.
    pub fn endpoints(&self) -> usize {
        self.starts.len() - 1
    }

    /// What stands before the endpoints.
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.starts[0]]
    }

    /// Endpoints, with whatever stands between them.
    pub fn some(&self, endpoints: &Range<usize>) -> &[u8] {
        &self.bytes[self.starts[endpoints.start]..self.starts[endpoints.end]]
    }

    /// What stands behind the endpoints.
    pub fn tail(&self) -> &[u8] {
        &self.bytes[self.starts[self.endpoints()]..]
    }
}

impl EncodedPlan {
    /// Bytes of memory.
    pub fn size(&self) -> usize {
        match self {
            Self::Usable(PlanPieces { bytes, starts, .. }) => bytes.len() + size_of_val(&**starts),
            Self::Unusable(unusable) => unusable.detail.len() + unusable.bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_number_in_16_digits() {
        for name in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(tag(name), format!("W/\"{name:016x}\"").as_bytes());
        }
    }
}
