//! Round trips, and everything that must not open.

use federation_core::input::OutgoingRecord;
use federation_core::log::record::{Epoch, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::WallMs;
use proptest::prelude::*;

use super::*;
use crate::record::{RawRecord, RecordSealer, decode_record, digest, encode_header, encode_outgoing};
use crate::snapshot::{self, SnapshotWriter};

const HEADER: RecordHeader =
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 2 }, seq: 3, observed: WallMs(4) };
const MARK: &str = "this-must-not-be-read";

/// A file of these keys, each of one byte and another at its end.
fn keys(bytes: &[u8]) -> SealKeys {
    let line = |byte: &u8| format!("{}ee\n", format!("{byte:02x}").repeat(31));
    SealKeys::of_file(&bytes.iter().map(line).collect::<String>(), SealsOwn::Yes).unwrap()
}

fn sealing(keys: &SealKeys) -> SealKeyId {
    keys.policy().key().unwrap()
}

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn name(data_id: &str) -> ConfigKey {
    ConfigKey::new("prod", "g", data_id)
}

fn item(content: &str) -> ConfigItem {
    ConfigItem {
        content: content.into(),
        md5: "0123".into(),
        description: format!("{content} {MARK}").into(),
        tags: MARK.into(),
        encrypted_data_key: MARK.into(),
        application: MARK.into(),
        content_type: "yaml".into(),
        last_modified_ms: 5,
        sealed_under: None,
    }
}

fn outgoing(key: ConfigKey, item: ConfigItem) -> OutgoingRecord {
    let (topic, body) = (TopicKind::Configs, RecordBody::Config(Arc::new(item)));
    OutgoingRecord { topic, partition: 0, key: DataKey::Config(key), body, header: HEADER }
}

/// The value of a record of `a`, sealed under the first of the keys.
fn sealed(keys: &SealKeys, key: &ConfigKey, item: &ConfigItem) -> Vec<u8> {
    let item = ConfigItem { sealed_under: Some(sealing(keys)), ..item.clone() };
    let record = RecordSealer { origin: &cluster("a"), keys }.encode(&outgoing(key.clone(), item));
    record.value.unwrap().to_vec()
}

/// What a reader with these keys makes of the value of a record.
fn read(keys: &SealKeys, origin: &str, key: &ConfigKey, value: &[u8]) -> RecordBody {
    let (key, header, mut interner) =
        (DataKey::Config(key.clone()).encode(), encode_header(&HEADER), TextInterner::default());
    let raw = RawRecord { offset: 0, key: key.as_bytes(), value: Some(value), header: Some(&header) };
    let mut record = decode_record(&raw, &mut interner);
    keys.open_record(&cluster(origin), &mut record, &mut interner);
    assert_eq!(record.digest, digest(key.as_bytes(), value), "what is opened counts as it stands");
    record.body
}

fn reason(body: &RecordBody) -> Option<SealReason> {
    let RecordBody::Config(item) = body else { return None };
    item.content.text().err().map(|sealed| sealed.reason)
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

proptest! {
    #[test]
    fn what_is_sealed_opens_with_its_key_and_is_the_same_bytes_each_time(content in ".*", data_id in "[a-z%\u{1f}]{0,9}") {
        let (writer, reader, item, key) = (keys(&[1]), keys(&[2, 1]), item(&content), name(&data_id));
        let value = sealed(&writer, &key, &item);
        let body = read(&reader, "a", &key, &value);
        let want = ConfigItem { sealed_under: Some(sealing(&writer)), ..item };
        prop_assert_eq!(&body, &RecordBody::Config(Arc::new(want.clone())));
        let again = RecordSealer { origin: &cluster("a"), keys: &reader }.encode(&outgoing(key.clone(), want));
        prop_assert_eq!(again.value.as_deref(), Some(&*value), "whoever has the key writes it so");
        let unopened = read(&keys(&[3]), "a", &key, &value);
        prop_assert_eq!(reason(&unopened), Some(SealReason::NoKey));
        let RecordBody::Config(unopened) = unopened else { unreachable!() };
        let kept = encode_outgoing(&outgoing(key, ConfigItem::clone(&unopened)));
        prop_assert_eq!(kept.value.as_deref(), Some(&*value), "who cannot read it keeps it as it came");
    }

    #[test]
    fn another_content_item_cluster_or_key_is_other_bytes(one in ".{0,9}", other in ".{0,9}") {
        let (first, second) = (keys(&[1]), keys(&[2]));
        let value = sealed(&first, &name("x"), &item(&one));
        prop_assert_eq!(sealed(&first, &name("x"), &item(&other)) == value, one == other);
        prop_assert_ne!(&sealed(&first, &name("y"), &item(&one)), &value);
        prop_assert_ne!(&sealed(&second, &name("x"), &item(&one)), &value);
    }
}

#[test]
fn nothing_of_an_item_stands_in_its_sealed_value() {
    let (keys, item) = (keys(&[1]), item(MARK));
    let (value, clear) = (sealed(&keys, &name("x"), &item), encode_outgoing(&outgoing(name("x"), item.clone())));
    assert!(contains(&clear.value.unwrap(), MARK));
    assert!(["yaml", "0123", MARK].iter().all(|part| !contains(&value, part)));
    assert_eq!(value.len(), config::encode(&item).len() + 38, "how long it is can be seen");
    let without_the_key = outgoing(name("x"), ConfigItem { sealed_under: Some(sealing(&keys)), ..item });
    let value = encode_outgoing(&without_the_key).value.unwrap();
    assert_eq!(value.len(), BEGINNING.len() + NAME_BYTES, "nothing is written rather than something in the clear");
    assert_eq!(read(&keys, "a", &name("x"), &value), RecordBody::Unreadable);
}

#[test]
fn each_bit_that_is_flipped_is_noticed() {
    let (keys, key) = (keys(&[1]), name("x"));
    let value = sealed(&keys, &key, &item("content"));
    for bit in 0..value.len() * 8 {
        let mut changed = value.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let body = read(&keys, "a", &key, &changed);
        let (form, name) = (BEGINNING.len(), BEGINNING.len() + NAME_BYTES);
        match bit / 8 {
            at if at < form => assert_eq!(body, RecordBody::Unreadable, "bit {bit}: another form"),
            at if at < name => assert_eq!(reason(&body), Some(SealReason::NoKey), "bit {bit}: another key"),
            _ => assert_eq!(reason(&body), Some(SealReason::CannotBeOpened), "bit {bit}"),
        }
    }
    for length in 0..value.len() {
        let body = read(&keys, "a", &key, &value[..length]);
        let whole = matches!(&body, RecordBody::Config(item) if item.content.text().is_ok());
        assert!(!whole || length == 0, "{length} bytes of it");
    }
}

#[test]
fn what_is_moved_to_another_item_or_cluster_does_not_open() {
    let (keys, value) = (keys(&[1]), sealed(&keys(&[1]), &name("x"), &item("content")));
    assert_eq!(reason(&read(&keys, "a", &name("x"), &value)), None);
    for (origin, key) in [("b", name("x")), ("a", name("y")), ("a", ConfigKey::new("dev", "g", "x"))] {
        assert_eq!(reason(&read(&keys, origin, &key, &value)), Some(SealReason::CannotBeOpened), "{origin} {key}");
    }
}

#[test]
fn a_key_that_is_gone_opens_nothing_and_what_it_opened_stays_sealed_under_it() {
    let (first, key) = (keys(&[1]), name("x"));
    let value = sealed(&first, &key, &item("content"));
    let RecordBody::Config(opened) = read(&first, "a", &key, &value) else { panic!("it opens") };
    let later = keys(&[2]).after(&first);
    assert_eq!(reason(&read(&later, "a", &key, &value)), Some(SealReason::NoKey));
    let latest = keys(&[3]).after(&later);
    let kept = RecordSealer { origin: &cluster("a"), keys: &latest };
    let kept = kept.encode(&outgoing(key, ConfigItem::clone(&opened)));
    assert_eq!(kept.value.as_deref(), Some(&*value));
}

fn piece(facts: Vec<KeptFact>) -> federation_core::federation::OriginSnapshot {
    let place = federation_core::log::cursor::KeptPlace {
        topic: TopicKind::Configs,
        partition: 0,
        cursor: federation_core::log::cursor::LogCursor {
            source: federation_core::log::cursor::LogSource { kafka: "k".into(), topic: None, begin: 0 },
            next_offset: 9,
            at_end: WallMs(1),
        },
        count: 1,
        digest: 7,
        checkpoint: None,
    };
    federation_core::federation::OriginSnapshot {
        origin: cluster("a"),
        descriptor: None,
        last_beat: None,
        partitions: 1,
        facts,
        intents: Vec::new(),
        places: vec![place],
    }
}

#[test]
fn a_snapshot_is_no_less_sealed_than_the_log_and_says_what_that_has() {
    let keys = Arc::new(keys(&[1]));
    let fact = |data_id: &str, item: ConfigItem| KeptFact {
        key: DataKey::Config(name(data_id)),
        body: RecordBody::Config(Arc::new(item)),
        header: Some(HEADER),
        digest: 7,
        readable: true,
    };
    let under = ConfigItem { sealed_under: Some(sealing(&keys)), ..item(MARK) };
    for (facts, places_without_keys) in [
        (vec![fact("sealed", under.clone())], 1),
        // What the log has for all to read is read from there, and not believed to be sealed.
        (vec![fact("sealed", under), fact("clear", item(MARK))], 0),
    ] {
        let before = piece(facts);
        let mut writer = SnapshotWriter::begin(Vec::new(), "f/a").unwrap().sealing(Arc::clone(&keys));
        writer.write(&before.clone().into()).unwrap();
        let bytes = writer.end().unwrap();
        assert!(!contains(&bytes, MARK));
        let opened = snapshot::read(std::io::Cursor::new(&bytes), &keys).unwrap().unwrap();
        assert_eq!(opened.origins, std::slice::from_ref(&before));
        let [unopened] = snapshot::decode(bytes).unwrap().origins.try_into().unwrap();
        assert!(unopened.facts.iter().all(|fact| reason(&fact.body) == Some(SealReason::NoKey)));
        assert_eq!(unopened.places.len(), places_without_keys);
    }
}

#[test]
fn a_file_of_keys_has_one_on_each_line_or_does_not_count() {
    let hex = "0123456789abcdef".repeat(4);
    let base64 = "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=";
    let read = |text: &str| SealKeys::of_file(text, SealsOwn::Yes);
    let of_hex = read(&format!("# remark\n\n  {hex}  \n")).unwrap();
    assert_eq!(of_hex.policy(), read(base64).unwrap().policy(), "the same key, written otherwise");
    let upper = hex.to_uppercase();
    for (text, want) in [
        ("", NoSealKeys::None),
        ("# only a remark", NoSealKeys::None),
        ("short", NoSealKeys::NoKey(1)),
        (&format!("{hex}\n{}", &hex[1..]), NoSealKeys::NoKey(2)),
        (&format!("{}zz", &hex[2..]), NoSealKeys::NoKey(1)),
        (&"7".repeat(64), NoSealKeys::NotRandom(1)),
        (&format!("{hex}\n{base64}"), NoSealKeys::Repeated(2)),
        (&format!("{hex}\n{upper}"), NoSealKeys::Repeated(2)),
        (&(10..27).map(|n| format!("{}{n}\n", "ab".repeat(31))).collect::<String>(), NoSealKeys::TooMany),
    ] {
        assert_eq!(read(text).unwrap_err(), want, "{text}");
        assert!(!want.to_string().contains(&hex[1..]), "a key is never told");
    }
    let opens = SealKeys::of_file(&hex, SealsOwn::No).unwrap();
    assert_eq!((opens.policy(), opens.names().count()), (SealPolicy::Clear, 1));
    assert!(!format!("{opens:?}").contains(&hex[..8]));
}
