//! The adapter of the log on real Kafka: what the mock cluster of the adapter's own tests cannot show.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod access;
mod beginning;
mod member;
mod refusals;
mod silence;
mod topics;
mod trouble;

use std::sync::Arc;

use federation_codec::record;
use federation_codec::record::EncodedRecord;
use federation_core::config_item::ConfigItem;
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Weight};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::DataKey;
use federation_core::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA};
use federation_core::time::{Millis, WallMs};
use federation_harness::{Kafka, KafkaOptions, Part, Parts};
use federation_ports::inbox::LogWriter;
use member::{Member, config_key, instance_key, options, record};

async fn kafka(properties: &[(&str, &str)]) -> Kafka {
    let parts = Parts::ensure(&[Part::Kafka]).await.unwrap();
    let properties = properties.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Kafka::start(&parts, KafkaOptions { properties, ..KafkaOptions::default() }).await.unwrap()
}

fn instance(zone: &str) -> RecordBody {
    RecordBody::Instance(Arc::new(Instance {
        weight: Weight::try_from(0.5).unwrap(),
        health: Health::Unknown,
        enabled: false,
        ephemeral: true,
        metadata: [("zone", zone), ("quote\"\n", "值")].into_iter().collect(),
    }))
}

fn config(content: &str) -> RecordBody {
    RecordBody::Config(Arc::new(ConfigItem { content: content.into(), md5: "m".into(), ..ConfigItem::default() }))
}

/// A beat, as a standby writes it.
fn beat(seq: u64) -> EncodedRecord {
    let replica = ReplicaRecord {
        state: ReplicaState::Standby,
        epoch: Epoch { term: 1, nonce: 7 },
        beat: seq,
        warm: true,
        nacos_age: None,
        unpublished_age: Millis(0),
        descriptor: Descriptor { partitions: 2, ..Descriptor::default() },
        name: "a-0".into(),
        advertised: "".into(),
        complaints: Vec::new(),
        readings: Vec::new(),
    };
    let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 7 }, seq, observed: WallMs(1) };
    record::encode_control(&ControlKey::Replica(7), Some(&ControlValue::Replica(replica)), &header).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_cross_from_cluster_to_cluster_byte_for_byte() {
    let kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "cross", "a")).await;
    let mut b = Member::start(options(&kafka.bootstrap(), "cross", "b"));
    let odd = DataKey::Instance(ServiceKey::new("", "g%\u{1f}", "s\n\u{7f}组"), InstanceId::new("fe80::1", 0, ""));
    let longest = "é".repeat(5 << 20); // 10 MiB of UTF-8.
    let cases = [
        (odd, instance("1")),
        (instance_key("plain"), instance("2")),
        (config_key("empty"), config("")),
        (config_key("lines"), config("a\r\nb\n\u{feff}\0")),
        (config_key("longest"), config(&longest)),
        (DataKey::Config(ConfigKey::new("", "", "%25")), config("x")),
    ];
    for (seq, (key, body)) in (1..).zip(&cases) {
        a.log.send(record(key, body.clone(), seq));
        let (partition, found) = b.find_record(key).await;
        assert_eq!((partition.origin, &found.body), (member::cluster("a"), body), "{key:?}");
        assert_eq!(found.header.unwrap().seq, seq);
    }
    let (key, _) = &cases[1];
    a.log.send(record(key, RecordBody::Tombstone, 9));
    assert_eq!(b.find_record(key).await.1.body, RecordBody::Tombstone);
    a.end().await;
    b.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_late_finds_what_compaction_kept() {
    use federation_core::input::LogInput;
    use federation_kafka::options::{CompactionTimes, TopicSettings};
    use std::time::Duration;

    let kafka = kafka(&[]).await;
    let second = Duration::from_secs(1);
    let times = CompactionTimes { max_compaction_lag: second, segment: second };
    let mut options = options(&kafka.bootstrap(), "late", "a");
    options.topics =
        TopicSettings { partitions: 2, data: times, min_compaction_lag: Duration::ZERO, ..TopicSettings::default() };
    let mut a = Member::joined(options.clone()).await;
    let key = instance_key("orders");
    let mut seq = 0;
    // Kafka compacts when it gets round to it, and only what a later append has closed.
    let late_offset = loop {
        for _ in 0..20 {
            seq += 1;
            a.publish(&record(&key, instance(&seq.to_string()), seq), &key).await;
        }
        let mut late = options.clone();
        late.cluster = member::cluster("late");
        let mut late = Member::start(late);
        let first = late.find_record(&key).await.1;
        let wanted = seq - 1;
        let partition = key.partition(2);
        late.find("the end", |news| match news {
            LogInput::AtEnd { partition: at, next_offset } => (at.origin == member::cluster("a")
                && at.topic == federation_core::log::record::TopicKind::Instances
                && at.partition == partition
                && *next_offset > wanted)
                .then_some(()),
            _ => None,
        })
        .await;
        late.end().await;
        if first.offset > 0 {
            break first.offset;
        }
    };
    assert!(late_offset < seq);
    a.end().await;
}
