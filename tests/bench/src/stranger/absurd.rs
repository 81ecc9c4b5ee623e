//! Records that no gateway would write, beside some that one would: made with the gateway's own encoders, or of plain bytes where these
//! refuse.

use std::sync::Arc;

use federation_codec::record::EncodedRecord;
use federation_codec::record::{encode_control, encode_header, encode_outgoing};
use federation_core::config_item::ConfigItem;
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::input::OutgoingRecord;
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::DataKey;
use federation_core::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::pattern::ServicePattern;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::{Millis, WallMs};
use federation_proto::federation::log::v1 as proto;
use prost::Message;
use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::stage::{PARTITIONS, STRANGER};

/// Different targets of drains.
const TARGETS: u32 = 100_000;
/// What a descriptor may count.
const PARTITION_COUNTS: [u32; 9] = [1, 2, 8, 1_023, 1_024, 1_025, 65_536, 1 << 31, u32::MAX];
const TERMS: [u32; 7] = [0, 1, 7, 1 << 30, (1 << 30) + 1, (1 << 31) - 1, 1 << 31];
const NUMBERS: [u64; 7] = [0, 1, 1 << 31, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX];
/// Instances of the one service that has many.
const CROWD: u32 = 200_000;

/// A record on its way to the stranger's topics.
pub(crate) struct Wild {
    pub(crate) topic: TopicKind,
    pub(crate) partition: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) header: Vec<u8>,
    /// Further headers, without sense.
    pub(crate) junk_headers: usize,
}

fn any<T: Copy>(values: &[T]) -> T {
    *values.choose(&mut rand::rng()).expect("there are some")
}

fn number(below: u32) -> u32 {
    rand::rng().random_range(0..below)
}

/// Words, so that the text packs like a true one.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        text.push_str(any(&["order", "payment", "Überweisung", "-", ".", "v2", "%", "设置", "*"]));
    }
    text
}

fn header() -> RecordHeader {
    let epoch = Epoch { term: any(&TERMS), nonce: number(9) };
    RecordHeader {
        schema: any(&[SCHEMA, SCHEMA, SCHEMA, SCHEMA + 1]),
        epoch,
        seq: rand::random(),
        observed: WallMs(any(&NUMBERS)),
    }
}

impl Wild {
    fn of(record: EncodedRecord) -> Self {
        let value = record.value.map(|value| value.to_vec());
        Self {
            topic: record.topic,
            partition: record.partition,
            key: record.key.to_vec(),
            value,
            header: record.header.to_vec(),
            junk_headers: 0,
        }
    }

    fn control(key: &ControlKey, value: &ControlValue) -> Self {
        Self::of(encode_control(key, Some(value), &header()).expect("the key is a known one"))
    }

    fn data(key: DataKey, body: RecordBody) -> Self {
        let topic = if matches!(key, DataKey::Instance(..)) { TopicKind::Instances } else { TopicKind::Configs };
        let partition = key.partition(PARTITIONS);
        Self::of(encode_outgoing(&OutgoingRecord { topic, partition, key, body, header: header() }))
    }

    /// Bytes as they come, under a key of the kind that stands in this topic.
    fn raw(topic: TopicKind, key: Vec<u8>, value: Option<Vec<u8>>) -> Self {
        let partition = if topic == TopicKind::Control { 0 } else { number(PARTITIONS) };
        Self { topic, partition, key, value, header: encode_header(&header()).to_vec(), junk_headers: 0 }
    }
}

/// A drain of one of a hundred thousand targets, of another cluster or of its own.
pub(crate) fn drain() -> Wild {
    let glob = |text: &str| text.parse().expect("the pattern is short");
    let service = ServicePattern {
        namespace: glob("*"),
        group: glob("DEFAULT_GROUP"),
        service: glob(&format!("orders-{}", number(TARGETS))),
    };
    let cluster = any(&["a", "b", STRANGER]).parse().expect("an id");
    let intent = DrainIntent {
        counter: OrderCounter::new(any(&[1, 2, 1 << 40, (1 << 40) + 1, (1 << 63) - 1])).expect("below the limit"),
        percent: Percent::new(any(&[0, 50, 100])).expect("a percentage"),
        guard: any(&[DrainGuard::Force, DrainGuard::VoidIfNothingIsLeft]),
        who: "the stranger".into(),
        why: text(number(2_000) as usize).into(),
        when: WallMs(any(&NUMBERS)),
        replica: number(9),
        ramp: None,
        giver: Default::default(),
    };
    Wild::control(&ControlKey::Drain(DrainTarget::new(cluster, Some(service))), &ControlValue::Drain(intent))
}

fn described() -> Descriptor {
    Descriptor {
        nacos_servers: vec!["nowhere:8848".into()],
        partitions: any(&PARTITION_COUNTS),
        generation: number(3),
        reads_schema: SCHEMA,
        ..Descriptor::default()
    }
}

/// A descriptor of another number of partitions each time.
pub(crate) fn descriptor() -> Wild {
    Wild::control(&ControlKey::Descriptor, &ControlValue::Descriptor(described()))
}

/// A beat of somebody, of any term and age.
pub(crate) fn beat() -> Wild {
    let nonce = any(&[1, 2, 3, number(u32::MAX)]);
    let replica = ReplicaRecord {
        state: any(&[ReplicaState::Leader, ReplicaState::Standby, ReplicaState::Stopped, ReplicaState::Stranger]),
        epoch: Epoch { term: any(&TERMS[..6]), nonce },
        beat: any(&NUMBERS),
        warm: true,
        nacos_age: Some(Millis(any(&NUMBERS))),
        unpublished_age: Millis(any(&NUMBERS)),
        descriptor: described(),
        name: text(20).into(),
        advertised: "".into(),
        complaints: (0..number(20)).map(|_| Arc::from(text(40))).collect(),
        readings: Vec::new(),
    };
    Wild::control(&ControlKey::Replica(nonce), &ControlValue::Replica(replica))
}

/// Lists of a million empty texts: little on the wire, much in memory.
pub(crate) fn long_lists() -> Wild {
    let replica = proto::Replica {
        state: proto::ReplicaState::Leader.into(),
        descriptor: Some(proto::Descriptor { nacos_servers: vec![String::new(); 1_000_000], ..Default::default() }),
        complaints: vec![String::new(); 1_000_000],
        ..Default::default()
    };
    Wild::raw(TopicKind::Control, b"replica/00000001".to_vec(), Some(replica.encode_to_vec()))
}

/// Bytes that are nothing, under keys that are something or nothing.
pub(crate) fn garbage() -> Wild {
    let topic = any(&TopicKind::ALL);
    let bytes = |length: u32| (0..length).map(|_| rand::random()).collect::<Vec<u8>>();
    let key = match number(8) {
        0 => b"checkpoint".to_vec(),
        1 => b"descriptor".to_vec(),
        2 => format!("intent/drain/{}", text(30)).into_bytes(),
        3 => "\u{1f}".repeat(100_000).into_bytes(),
        4 => format!("i\u{1f}public\u{1f}g\u{1f}{}\u{1f}10.0.0.1\u{1f}80\u{1f}DEFAULT", number(99)).into_bytes(),
        5 => format!("c\u{1f}public\u{1f}g\u{1f}{}", text(100_000)).into_bytes(),
        _ => bytes(number(64)),
    };
    let mut wild = Wild::raw(topic, key, Some(bytes(number(400))));
    match number(4) {
        0 => wild.header = bytes(number(64)),
        1 => wild.junk_headers = 1_000,
        _ => {}
    }
    wild
}

fn instance_of(metadata: Metadata) -> RecordBody {
    let health = any(&[Health::Healthy, Health::Unhealthy, Health::Unknown]);
    let weight = Weight::try_from(any(&[0.0, 0.0004, 1.0, 1e300])).expect("finite");
    RecordBody::Instance(Arc::new(Instance { weight, health, enabled: true, ephemeral: true, metadata }))
}

fn address() -> InstanceId {
    InstanceId::new(&format!("10.{}.{}.{}", number(256), number(256), number(256)), 80, "DEFAULT")
}

/// An instance as there are many.
pub(crate) fn instance() -> Wild {
    let service = ServiceKey::new("public", "DEFAULT_GROUP", &format!("s-{}", number(300_000)));
    let metadata = (0..5).map(|n| (format!("key-{n}"), format!("value-{}", number(1 << 20)))).collect();
    Wild::data(DataKey::Instance(service, address()), instance_of(metadata))
}

/// An instance whose names are as long as they may be, or longer.
pub(crate) fn instance_of_long_names() -> Wild {
    let name = format!("{}{}", rand::random::<u64>(), text(any(&[200, 2_000, 4_000, 20_000])));
    Wild::data(DataKey::Instance(ServiceKey::new("public", &name, &name), address()), instance_of(Metadata::default()))
}

/// One of many instances of one service.
pub(crate) fn one_of_a_crowd() -> Wild {
    let number = number(CROWD);
    let [_, a, b, c] = number.to_be_bytes();
    let id = InstanceId::new(&format!("10.{a}.{b}.{c}"), 80, "DEFAULT");
    let service = ServiceKey::new("public", "DEFAULT_GROUP", "crowd");
    Wild::data(
        DataKey::Instance(service, id),
        instance_of([("n", rand::random::<u16>().to_string())].into_iter().collect()),
    )
}

/// Metadata of so many pairs, or bytes, that no Nacos takes them.
pub(crate) fn instance_of_much_metadata() -> Wild {
    let service = ServiceKey::new("public", "DEFAULT_GROUP", &format!("fat-{}", number(1_000)));
    let metadata = match number(2) {
        0 => (0..100_000).map(|n| (format!("{n:x}"), String::new())).collect(),
        _ => [("key".to_owned(), text(3 << 20))].into_iter().collect(),
    };
    Wild::data(DataKey::Instance(service, address()), instance_of(metadata))
}

fn item(content: String) -> RecordBody {
    let item =
        ConfigItem { content: content.into(), md5: "00".into(), content_type: "text".into(), ..ConfigItem::default() };
    RecordBody::Config(Arc::new(item))
}

/// A config item as there are many.
pub(crate) fn config() -> Wild {
    let key = ConfigKey::new("public", "DEFAULT_GROUP", &format!("c-{}", number(100_000)));
    Wild::data(DataKey::Config(key), item(text(number(2_000) as usize)))
}

/// A config item as large as Nacos allows, of letters by chance so that it does not pack, or of one letter so that it does.
pub(crate) fn large_config(noise: &str) -> Wild {
    let key = ConfigKey::new("public", "DEFAULT_GROUP", &format!("large-{}", number(1_000)));
    let content = if number(2) == 0 { noise.to_owned() } else { "x".repeat(noise.len()) };
    Wild::data(DataKey::Config(key), item(content))
}

/// Takes one of the others away.
pub(crate) fn tombstone() -> Wild {
    let mut wild = if number(2) == 0 { instance() } else { config() };
    wild.value = None;
    wild
}

/// A statement about a partition that is never true.
pub(crate) fn checkpoint() -> Wild {
    let value = proto::Checkpoint {
        count: any(&NUMBERS),
        digest: vec![7; 16],
        beat: any(&NUMBERS),
        partitions: any(&PARTITION_COUNTS),
    };
    let topic = any(&TopicKind::DATA);
    Wild::raw(topic, b"checkpoint".to_vec(), Some(value.encode_to_vec()))
}

/// A good record where it does not belong.
pub(crate) fn misplaced() -> Wild {
    let mut wild = instance();
    (wild.topic, wild.partition) = (any(&TopicKind::DATA), number(PARTITIONS));
    wild
}
