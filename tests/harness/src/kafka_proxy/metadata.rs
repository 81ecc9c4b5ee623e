//! Metadata answers, read as far as it takes to empty them: versions 9 to 13, which clients of these years speak.

/// What a metadata answer lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// Brokers: topics are there with leaders that nobody knows.
    Brokers,
    /// Topics: brokers are there.
    Topics,
    /// Both.
    All,
    /// Leaders: each partition is there with the error that it has none.
    Leaders,
}

/// Kafka's number for a partition without a leader.
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOBODY: i32 = -1;

/// A place in an answer; every step gives `None` behind its end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn skip(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn varint(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0_usize, 0);
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }

    /// The number of elements of a compact array; a missing one has none.
    fn count(&mut self) -> Option<usize> {
        Some(self.varint()?.saturating_sub(1))
    }

    fn string(&mut self) -> Option<()> {
        let length = self.count()?;
        self.skip(length)
    }

    fn numbers(&mut self) -> Option<()> {
        let count = self.count()?;
        self.skip(count.checked_mul(4)?)
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.skip(length)?;
        }
        Some(())
    }
}

/// Where things are in an answer.
#[derive(Default)]
struct Layout {
    brokers: std::ops::Range<usize>,
    topics: std::ops::Range<usize>,
    /// Of each partition: its error code, 2 bytes, and 6 bytes on its leader, 4 bytes.
    partitions: Vec<usize>,
}

/// The answer without that; `None` if it cannot be read.
pub(super) fn emptied(frame: &[u8], version: i16, what: Emptiness) -> Option<Vec<u8>> {
    let layout = layout(frame, version)?;
    if what == Emptiness::Leaders {
        let mut patched = frame.to_vec();
        for at in layout.partitions {
            patched[at..at + 2].copy_from_slice(&LEADER_NOT_AVAILABLE.to_be_bytes());
            patched[at + 6..at + 10].copy_from_slice(&NOBODY.to_be_bytes());
        }
        return Some(patched);
    }
    let none: &[u8] = &[1];
    let kept = |range: &std::ops::Range<usize>, empty: bool| if empty { none } else { &frame[range.clone()] };
    let brokers = kept(&layout.brokers, matches!(what, Emptiness::Brokers | Emptiness::All));
    let topics = kept(&layout.topics, matches!(what, Emptiness::Topics | Emptiness::All));
    let (before, between, after) =
        (&frame[..layout.brokers.start], &frame[layout.brokers.end..layout.topics.start], &frame[layout.topics.end..]);
    Some([before, brokers, between, topics, after].concat())
}

fn layout(frame: &[u8], version: i16) -> Option<Layout> {
    if !(9..=13).contains(&version) {
        return None;
    }
    let mut cursor = Cursor { bytes: frame, at: 0 };
    let mut layout = Layout::default();
    cursor.skip(4)?; // Correlation id.
    cursor.tags()?;
    cursor.skip(4)?; // Throttle time.
    layout.brokers.start = cursor.at;
    for _ in 0..cursor.count()? {
        cursor.skip(4)?; // Number.
        cursor.string()?; // Host.
        cursor.skip(4)?; // Port.
        cursor.string()?; // Rack.
        cursor.tags()?;
    }
    layout.brokers.end = cursor.at;
    cursor.string()?; // Cluster id.
    cursor.skip(4)?; // Controller.
    layout.topics.start = cursor.at;
    for _ in 0..cursor.count()? {
        topic(&mut cursor, version, &mut layout.partitions)?;
    }
    layout.topics.end = cursor.at;
    Some(layout)
}

fn topic(cursor: &mut Cursor<'_>, version: i16, partitions: &mut Vec<usize>) -> Option<()> {
    cursor.skip(2)?; // Error.
    cursor.string()?; // Name.
    cursor.skip(if version >= 10 { 16 } else { 0 })?; // Id.
    cursor.skip(1)?; // Whether it is internal.
    for _ in 0..cursor.count()? {
        partitions.push(cursor.at);
        cursor.skip(2 + 4 + 4 + 4)?; // Error, number, leader, epoch.
        cursor.numbers()?; // Replicas.
        cursor.numbers()?; // In sync.
        cursor.numbers()?; // Offline.
        cursor.tags()?;
    }
    cursor.skip(4)?; // Authorized operations.
    cursor.tags()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One broker, one topic of two partitions, version 12.
    fn answer() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 9, 0, 0, 0, 0, 0];
        bytes.extend([2, 0, 0, 0, 1, 2, b'h', 0, 0, 35, 132, 0, 0]); // Broker 1 at h:9092, no rack.
        bytes.extend([3, b'i', b'd', 0, 0, 0, 1]); // Cluster id, controller.
        bytes.extend([2, 0, 0, 2, b't']); // One topic.
        bytes.extend([7; 16]);
        bytes.extend([0, 3]);
        for number in 0..2 {
            bytes.extend([0, 0, 0, 0, 0, number, 0, 0, 0, 1, 0, 0, 0, 5]); // Led by 1 in epoch 5.
            bytes.extend([2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1, 0]);
        }
        bytes.extend([0x80, 0, 0, 0, 0]);
        bytes.push(0); // Tags of the answer.
        bytes
    }

    #[test]
    fn an_answer_is_emptied_of_what_is_wanted_and_keeps_the_rest() {
        let whole = answer();
        assert_eq!(layout(&whole, 12).unwrap().partitions.len(), 2);
        let without_brokers = emptied(&whole, 12, Emptiness::Brokers).unwrap();
        assert_eq!(without_brokers.len(), whole.len() - 12);
        assert_eq!(layout(&without_brokers, 12).unwrap().partitions.len(), 2);
        let without_topics = emptied(&whole, 12, Emptiness::Topics).unwrap();
        assert!(layout(&without_topics, 12).unwrap().partitions.is_empty());
        assert_eq!(&without_topics[..29], &whole[..29]);
        let bare = emptied(&whole, 12, Emptiness::All).unwrap();
        assert_eq!(bare, [0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 3, b'i', b'd', 0, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn an_answer_without_leaders_is_as_long_and_says_so_of_each_partition() {
        let whole = answer();
        let without = emptied(&whole, 12, Emptiness::Leaders).unwrap();
        let layout = layout(&whole, 12).unwrap();
        assert_eq!(without.len(), whole.len());
        for at in layout.partitions {
            assert_eq!(&without[at..at + 10], [0, 5, 0, 0, 0, without[at + 5], 255, 255, 255, 255]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        assert_eq!(emptied(&answer(), 8, Emptiness::All), None);
        assert_eq!(emptied(&answer()[..40], 12, Emptiness::All), None);
        assert_eq!(emptied(&[], 12, Emptiness::All), None);
    }
}
