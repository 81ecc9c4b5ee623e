//! Whether records of a partition come in the order in which leaders wrote them (rule R14). Input: headers in log order. Nothing here decides
//! what a reader ends up with: the last record by offset counts (rule R1), in order or not.

use std::collections::BTreeMap;

use crate::log::record::{Epoch, RecordHeader};

/// Epochs whose numbers are remembered: leaderships of which records may still be under way.
const EPOCHS: usize = 8;

/// What was met of a partition since its fold began.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The highest epoch of a checkpoint: whoever led before has been overruled.
    stated: Option<Epoch>,
    /// The last number of each epoch, of the highest ones.
    seqs: BTreeMap<Epoch, u64>,
}

impl Order {
    /// A record with this header was met. Returns whether it is in order: its epoch is not below that of any checkpoint met so far, and its
    /// number is above the last one of its epoch.
    pub fn meet(&mut self, header: Option<&RecordHeader>, is_checkpoint: bool) -> bool {
        let in_order = self.is_in_order(header);
        let Some(header) = header else { return in_order };
        if self.seqs.get(&header.epoch).is_none_or(|last| header.seq > *last) {
            self.seqs.insert(header.epoch, header.seq);
            if self.seqs.len() > EPOCHS {
                self.seqs.pop_first();
            }
        }
        if is_checkpoint {
            self.stated = self.stated.max(Some(header.epoch));
        }
        in_order
    }

    /// Whether a record with this header, met next, would be in order.
    #[must_use]
    pub fn is_in_order(&self, header: Option<&RecordHeader>) -> bool {
        header.is_some_and(|header| {
            let overruled = self.stated.is_some_and(|stated| header.epoch < stated);
            !overruled && self.seqs.get(&header.epoch).is_none_or(|last| header.seq > *last)
        })
    }

    /// The highest epoch met, and its last number.
    #[must_use]
    pub fn latest(&self) -> Option<(Epoch, u64)> {
        self.seqs.last_key_value().map(|(epoch, seq)| (*epoch, *seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallMs;

    fn header(term: u32, seq: u64) -> RecordHeader {
        RecordHeader { schema: 1, epoch: Epoch { term, nonce: 1 }, seq, observed: WallMs(0) }
    }

    #[test]
    fn late_writes_of_deposed_leaders_and_repeats_are_out_of_order() {
        let mut order = Order::default();
        let met = |order: &mut Order, term, seq, is_checkpoint| order.meet(Some(&header(term, seq)), is_checkpoint);
        for (name, term, seq, is_checkpoint, want) in [
            ("the first", 1, 5, false, true),
            ("the next", 1, 6, true, true),
            ("a repeat", 1, 6, true, false),
            ("a new leader", 2, 1, false, true),
            ("the former one, while nothing is stated by the new one", 1, 7, false, true),
            ("the new leader states", 2, 2, true, true),
            ("the former one, late", 1, 8, false, false),
            ("the new one goes on", 2, 3, false, true),
        ] {
            assert_eq!(met(&mut order, term, seq, is_checkpoint), want, "{name}");
        }
        assert!(!order.meet(None, false), "a record without a header");
        assert_eq!(order.latest(), Some((Epoch { term: 2, nonce: 1 }, 3)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut order = Order::default();
        for term in 0..100 {
            order.meet(Some(&header(term, 1)), false);
        }
        assert_eq!(order.seqs.len(), EPOCHS);
        assert_eq!(order.latest().map(|(epoch, _)| epoch.term), Some(99));
    }
}
