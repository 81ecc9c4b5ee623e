//! What is said of holds of the guard, as bytes (rule R12). A value that no gateway writes is refused whole: it is unreadable.

use federation_core::guard::{GuardEntry, GuardWord};
use federation_core::intents::OrderCounter;
use federation_core::time::WallMs;
use federation_proto::federation::log::v1 as proto;

use super::intents::{giver_from_proto, giver_to_proto};
use crate::interner::TextInterner;

pub(super) fn guard_to_proto(entry: &GuardEntry) -> proto::GuardEntry {
    let word = match entry.word {
        GuardWord::Held => proto::GuardWord::Held,
        GuardWord::Keep => proto::GuardWord::Keep,
        GuardWord::Release => proto::GuardWord::Release,
        GuardWord::Over => proto::GuardWord::Over,
    };
    proto::GuardEntry {
        counter: entry.counter.get(),
        word: word.into(),
        since_ms: entry.since.0,
        kept: entry.kept,
        lost: entry.lost,
        of: entry.of,
        who: entry.who.to_string(),
        why: entry.why.to_string(),
        when_ms: entry.when.0,
        giver: giver_to_proto(&entry.giver),
    }
}

pub(super) fn guard_from_proto(entry: &proto::GuardEntry, interner: &mut TextInterner) -> Option<GuardEntry> {
    let word = match entry.word() {
        proto::GuardWord::Unspecified => return None,
        proto::GuardWord::Held => GuardWord::Held,
        proto::GuardWord::Keep => GuardWord::Keep,
        proto::GuardWord::Release => GuardWord::Release,
        proto::GuardWord::Over => GuardWord::Over,
    };
    Some(GuardEntry {
        counter: OrderCounter::new(entry.counter)?,
        word,
        since: WallMs(entry.since_ms),
        kept: entry.kept,
        lost: entry.lost,
        of: entry.of,
        who: interner.text(&entry.who),
        why: interner.text(&entry.why),
        when: WallMs(entry.when_ms),
        giver: giver_from_proto(entry.giver.as_ref(), interner),
    })
}

#[cfg(test)]
mod tests {
    use federation_core::guard::GuardTarget;
    use federation_core::log::control::{ControlKey, ControlValue};
    use federation_core::log::record::{Epoch, RecordHeader, SCHEMA};
    use serde::Deserialize;

    use super::*;
    use crate::record::{RawRecord, decode_control, encode_control, encode_header};

    #[derive(Deserialize)]
    struct GuardVector {
        cluster: String,
        namespace: String,
        key: String,
        valid: bool,
        counter: u64,
        word: String,
        since_ms: u64,
        kept: u64,
        lost: u64,
        of: u64,
        who: String,
        why: String,
        when_ms: u64,
        value_hex: String,
    }

    impl GuardVector {
        fn entry(&self) -> GuardEntry {
            let words = [GuardWord::Held, GuardWord::Keep, GuardWord::Release, GuardWord::Over];
            GuardEntry {
                counter: OrderCounter::new(self.counter).unwrap(),
                word: words.into_iter().find(|word| word.as_str() == self.word).unwrap(),
                since: WallMs(self.since_ms),
                kept: self.kept,
                lost: self.lost,
                of: self.of,
                who: self.who.as_str().into(),
                why: self.why.as_str().into(),
                when: WallMs(self.when_ms),
                giver: Default::default(),
            }
        }
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn words_about_holds_are_as_another_implementation_encodes_them() {
        let vectors: Vec<GuardVector> =
            serde_json::from_str(include_str!("../../../../proto/vectors/guard.json")).unwrap();
        let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 3, nonce: 7 }, seq: 42, observed: WallMs(5) };
        for vector in &vectors {
            let (value, bytes) = (unhex(&vector.value_hex), encode_header(&header));
            let raw = RawRecord { offset: 0, key: vector.key.as_bytes(), value: Some(&value), header: Some(&bytes) };
            let record = decode_control(&raw, &mut TextInterner::default());
            let target = GuardTarget::new(vector.cluster.parse().unwrap(), vector.namespace.as_str().into());
            assert_eq!(record.key, ControlKey::Guard(target), "{}", vector.key);
            if !vector.valid {
                assert_eq!(record.value, Some(ControlValue::Unreadable), "{}", vector.value_hex);
                continue;
            }
            let entry = ControlValue::Guard(vector.entry());
            let encoded = encode_control(&record.key, Some(&entry), &header).unwrap();
            assert_eq!(record.value, Some(entry));
            assert_eq!((&encoded.key[..], encoded.value.as_deref()), (vector.key.as_bytes(), Some(&value[..])));
        }
        assert!(vectors.iter().filter(|vector| vector.valid).count() >= 4);
    }
}
