//! What a replica has of every origin, as bytes. A reading that this version cannot make sense of is left out, and the rest counts: it is
//! for comparison only.

use federation_core::freshness::Freshness;
use federation_core::log::reading::{LinkWord, Reading, ReadingState};
use federation_core::log::record::{Epoch, HIGHEST_TERM};
use federation_core::time::Millis;
use federation_proto::federation::log::v1 as proto;

pub(super) fn to_proto(reading: &Reading) -> proto::Reading {
    let state = match reading.state {
        ReadingState::Unread => proto::ReadingState::Unread,
        ReadingState::Sound => proto::ReadingState::Sound,
        ReadingState::Incomplete => proto::ReadingState::Incomplete,
        ReadingState::Diverged => proto::ReadingState::Diverged,
    };
    let (epoch, seq) = reading.place;
    let met = epoch != Epoch::default();
    proto::Reading {
        origin: reading.origin.to_string(),
        state: state.into(),
        epoch: met.then_some(proto::Epoch { term: epoch.term, nonce: epoch.nonce }),
        seq,
        count: reading.count,
        digest: if reading.digest == 0 { Vec::new() } else { reading.digest.to_be_bytes().to_vec() },
        freshness: reading.link.map_or(proto::LinkFreshness::Unspecified, |link| freshness(link.freshness)).into(),
        age_ms: reading.link.and_then(|link| link.age).map(|age| age.0),
    }
}

fn freshness(of: Freshness) -> proto::LinkFreshness {
    match of {
        Freshness::Live => proto::LinkFreshness::Live,
        Freshness::Stale => proto::LinkFreshness::Stale,
        Freshness::Lost => proto::LinkFreshness::Lost,
        Freshness::Isolated => proto::LinkFreshness::Isolated,
    }
}

/// `None` if it is not said, or in a word of a later version.
fn link(record: &proto::Reading) -> Option<LinkWord> {
    let freshness = match record.freshness() {
        proto::LinkFreshness::Unspecified => return None,
        proto::LinkFreshness::Live => Freshness::Live,
        proto::LinkFreshness::Stale => Freshness::Stale,
        proto::LinkFreshness::Lost => Freshness::Lost,
        proto::LinkFreshness::Isolated => Freshness::Isolated,
    };
    Some(LinkWord { freshness, age: record.age_ms.map(Millis) })
}

pub(super) fn from_proto(record: proto::Reading) -> Option<Reading> {
    let state = match record.state() {
        proto::ReadingState::Unspecified => return None,
        proto::ReadingState::Unread => ReadingState::Unread,
        proto::ReadingState::Sound => ReadingState::Sound,
        proto::ReadingState::Incomplete => ReadingState::Incomplete,
        proto::ReadingState::Diverged => ReadingState::Diverged,
    };
    let epoch = record.epoch.map_or(Epoch::default(), |epoch| Epoch { term: epoch.term, nonce: epoch.nonce });
    let digest = match record.digest.as_slice() {
        [] => 0,
        bytes => u128::from_be_bytes(bytes.try_into().ok()?),
    };
    (epoch.term <= HIGHEST_TERM).then_some(Reading {
        origin: record.origin.parse().ok()?,
        state,
        place: (epoch, record.seq),
        count: record.count,
        digest,
        link: link(&record),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(digest: u128, place: (Epoch, u64)) -> Reading {
        let link = Some(LinkWord { freshness: Freshness::Isolated, age: Some(Millis(1 << 40)) });
        Reading { origin: "shanghai".parse().unwrap(), state: ReadingState::Sound, place, count: 2, digest, link }
    }

    #[test]
    fn a_reading_comes_back_as_it_was_and_stays_small() {
        let place = (Epoch { term: 3, nonce: u32::MAX }, 1 << 40);
        let silent = Reading { link: None, ..reading(3, place) };
        for reading in [reading(u128::MAX, place), reading(0, Default::default()), silent] {
            let record = to_proto(&reading);
            assert!(prost::Message::encoded_len(&record) <= 70, "{}", prost::Message::encoded_len(&record));
            assert_eq!(from_proto(record), Some(reading));
        }
    }

    #[test]
    fn what_an_older_or_a_later_version_says_of_freshness_is_not_known_and_the_rest_counts() {
        let good = || to_proto(&reading(7, (Epoch { term: 1, nonce: 1 }, 1)));
        for (name, record) in [
            ("not said", proto::Reading { freshness: 0, age_ms: None, ..good() }),
            ("a word of a later version", proto::Reading { freshness: 99, ..good() }),
        ] {
            let want = Reading { link: None, ..reading(7, (Epoch { term: 1, nonce: 1 }, 1)) };
            assert_eq!(from_proto(record), Some(want), "{name}");
        }
    }

    #[test]
    fn a_reading_that_makes_no_sense_is_left_out() {
        let good = || to_proto(&reading(7, (Epoch { term: 1, nonce: 1 }, 1)));
        let absurd = proto::Epoch { term: HIGHEST_TERM + 1, nonce: 1 };
        for (name, record) in [
            ("no cluster's id", proto::Reading { origin: "A b".to_owned(), ..good() }),
            ("half a digest", proto::Reading { digest: vec![1; 8], ..good() }),
            ("a state of a later version", proto::Reading { state: 99, ..good() }),
            ("a term that nobody can have reached", proto::Reading { epoch: Some(absurd), ..good() }),
        ] {
            assert_eq!(from_proto(record), None, "{name}");
        }
    }
}
