//! Through which gateway's front door an instance was registered: a mark among its metadata in the local Nacos, and nowhere else.
//!
//! Input: what Nacos says of an instance. Output: the same without the mark, and the mark. A Nacos drops what was registered over a connection as
//! soon as that one ends, also when it was a gateway that ended and not its client. The mark says which gateway has to be alive before such a
//! removal is believed. Invariant: it is taken out before anything is compared, shown or written to the log.

use std::fmt::{self, Display};

use crate::instance::Metadata;

/// The nonce of the process whose front door registered an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DoorMark(pub u32);

impl DoorMark {
    /// The metadata key.
    pub const KEY: &str = "nacos-fed.via";
    /// Characters of the key and a value together: Nacos bounds them for each instance.
    pub const LENGTH: usize = Self::KEY.len() + 8;

    /// Takes the mark out of metadata. What stands under its key and cannot be read is taken out as well: nobody registered that for others.
    pub fn take(metadata: &mut Metadata) -> Option<Self> {
        let mark = metadata.get(Self::KEY).map(Self::read)?;
        *metadata = metadata.iter().filter(|(key, _)| *key != Self::KEY).collect();
        mark
    }

    /// Reads the value of [`DoorMark::KEY`].
    fn read(text: &str) -> Option<Self> {
        let hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

/// As in the key of that process's record in the control topic.
impl Display for DoorMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_taken_out_and_all_else_stays() {
        let mark = DoorMark(0x00c0_ffee);
        for (under_the_key, want) in [(mark.to_string(), Some(mark)), ("+0c0ffee".into(), None), ("x".into(), None)] {
            let mut metadata: Metadata =
                [("a", "1"), (DoorMark::KEY, &*under_the_key), ("z", "2")].into_iter().collect();
            assert_eq!(DoorMark::take(&mut metadata), want, "{under_the_key}");
            assert_eq!(metadata, [("a", "1"), ("z", "2")].into_iter().collect());
            assert_eq!(DoorMark::take(&mut metadata), None);
        }
        assert_eq!(DoorMark::KEY.len() + mark.to_string().len(), DoorMark::LENGTH);
    }
}
