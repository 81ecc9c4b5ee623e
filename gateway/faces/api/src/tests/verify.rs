//! `/v1/verify`: what it says of gateways that have the same, and of others.

use federation_core::federation::{
    Difference, LinkObserver, ObservedLink, Stated, Verification, VerifiedOrigin, VerifiedReader,
};
use federation_core::id::InstanceId;
use federation_core::log::key::DataKey;
use federation_core::log::reading::{LinkWord, Reading, ReadingState, ReadingVerdict};
use federation_core::log::record::{Epoch, PartitionId, TopicKind};

use super::*;

impl Gateway {
    pub(super) fn set_verification(&mut self, verification: Verification) {
        self.writer.apply(ViewChange { verification: Some(Arc::new(verification)), ..ViewChange::default() });
    }
}

fn reading(count: u64, seq: u64) -> Reading {
    Reading {
        origin: "shanghai".parse().unwrap(),
        state: ReadingState::Sound,
        place: (Epoch { term: 3, nonce: 0xbeef }, seq),
        count,
        digest: u128::from(count) << 96 | 0xd1,
        link: None,
    }
}

fn reader(cluster: &str, nonce: u32, verdict: ReadingVerdict, reading: Option<Reading>) -> VerifiedReader {
    let cluster = cluster.parse().unwrap();
    VerifiedReader { cluster, nonce, name: "a".into(), age: Millis(1_500), verdict, reading }
}

/// What shanghai says that it has, as its own gateway and two others have it.
pub(super) fn one_differs() -> Verification {
    let key = DataKey::Instance(key("orders"), InstanceId::new("10.0.0.1", 80, "DEFAULT"));
    let place = PartitionId { origin: "shanghai".parse().unwrap(), topic: TopicKind::Instances, partition: 5 };
    let shanghai = VerifiedOrigin {
        origin: "shanghai".parse().unwrap(),
        stated: Some(Stated { name: "a".into(), alive: true, age: Millis(400), reading: reading(12, 70) }),
        readers: vec![
            reader("frankfurt", 1, ReadingVerdict::Diverged, Some(reading(11, 70))),
            reader("shanghai", 2, ReadingVerdict::Equal, Some(reading(12, 70))),
            reader("singapore", 3, ReadingVerdict::Behind(4), Some(reading(10, 66))),
            reader("virginia", 4, ReadingVerdict::Unknown, None),
        ],
        differences: vec![Difference { place, since: 3, keys: vec![key] }],
    };
    Verification { origins: vec![shanghai], observers: observers() }
}

/// Shanghai's own gateway, one of frankfurt that is cut off, and one of an earlier version.
fn observers() -> Vec<LinkObserver> {
    let link = |origin: &str, freshness: Freshness, age: u64, verdict| ObservedLink {
        origin: origin.parse().unwrap(),
        word: Some(LinkWord { freshness, age: Some(Millis(age)) }),
        verdict,
    };
    let observer = |cluster: &str, nonce: u32, said: u64, links: Vec<ObservedLink>| LinkObserver {
        cluster: cluster.parse().unwrap(),
        nonce,
        name: format!("{cluster}-0").into(),
        leads: said < 25_000,
        own: cluster == "shanghai",
        alive: said < 25_000,
        said_age: Millis(said),
        links,
    };
    let (unread, unsaid) = (
        ReadingVerdict::Unread,
        ObservedLink { origin: "shanghai".parse().unwrap(), word: None, verdict: ReadingVerdict::Equal },
    );
    vec![
        observer(
            "frankfurt",
            1,
            90_000,
            vec![
                link("frankfurt", Freshness::Live, 20, ReadingVerdict::Equal),
                link("shanghai", Freshness::Isolated, 12_000, ReadingVerdict::Behind(4)),
            ],
        ),
        observer(
            "shanghai",
            2,
            0,
            vec![
                link("frankfurt", Freshness::Lost, 100_000, unread),
                link("shanghai", Freshness::Live, 7, ReadingVerdict::Equal),
            ],
        ),
        observer("virginia", 4, 1_500, vec![unsaid]),
    ]
}

#[tokio::test]
async fn a_row_of_the_matrix_says_how_old_it_is_and_what_its_observer_does_not_say_is_null() {
    let mut gateway = Gateway::new();
    gateway.set_verification(one_differs());
    let answer = gateway.get("/v1/links").await.json();
    let cell = |row: usize, column: usize| answer["observers"][row]["links"][column].clone();
    assert_eq!(
        (&answer["observers"][0]["saidAgeMs"], &answer["observers"][0]["alive"]),
        (&90_000.into(), &false.into())
    );
    assert_eq!(answer["observers"].as_array().unwrap().iter().filter(|it| it["own"] == true).count(), 1);
    assert_eq!((cell(0, 1)["freshness"].as_str(), cell(0, 1)["records"].as_u64()), (Some("isolated"), Some(4)));
    assert_eq!((cell(2, 0)["freshness"].clone(), cell(2, 0)["ageMs"].clone()), (Value::Null, Value::Null));
}

#[tokio::test]
async fn all_are_equal_only_if_each_reader_of_each_origin_is() {
    let mut gateway = Gateway::new();
    let equal = |answer: &str| serde_json::from_str::<Value>(answer).unwrap()["equal"].clone();
    gateway.set_verification(one_differs());
    assert_eq!(equal(&gateway.get("/v1/verify").await.body), false);
    let mut verification = one_differs();
    verification.origins[0].readers.retain(|reader| reader.verdict == ReadingVerdict::Equal);
    gateway.set_verification(verification);
    assert_eq!(equal(&gateway.get("/v1/verify").await.body), true);
}

#[tokio::test]
async fn a_parameter_is_refused() {
    assert_eq!(Gateway::new().get("/v1/verify?origin=shanghai").await.status, 400);
}
