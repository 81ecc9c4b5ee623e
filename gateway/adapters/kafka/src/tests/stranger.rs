//! A cluster that writes whatever it likes into its own topics, beside one that does not.

use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::message::{Header as RawHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::*;
use federation_ports::metrics::TroubleKind;

/// What the stranger has written before anybody reads: more than fits into any number of turns that the engine may have ahead.
const BACKLOG: usize = 20_000;
/// Data partitions of a cluster.
const DATA_PARTITIONS: u64 = 2 * PARTITIONS as u64;

/// Writes as no gateway does.
struct Stranger {
    producer: BaseProducer,
}

impl Stranger {
    fn connect(bootstrap: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("compression.codec", "zstd")
            .set("message.max.bytes", "500000000")
            .create()
            .unwrap();
        Self { producer }
    }

    fn write(&self, kind: TopicKind, partition: i32, record: &EncodedRecord, junk_headers: usize) {
        let topic = names().of(&cluster("stranger"), kind);
        let mut headers = OwnedHeaders::new()
            .insert(RawHeader { key: federation_codec::record::HEADER, value: Some(&record.header) });
        for _ in 0..junk_headers {
            headers = headers.insert(RawHeader { key: "junk", value: Some("junk") });
        }
        let value = record.value.clone().unwrap_or_default();
        let wild = BaseRecord::to(&topic).partition(partition).key(&record.key[..]).payload(&value[..]);
        self.producer.send(wild.headers(headers)).map_err(|(error, _)| error).unwrap();
    }

    fn describe(&self, partitions: u32) {
        let descriptor = ControlValue::Descriptor(Descriptor { partitions, ..Descriptor::default() });
        let record =
            federation_codec::record::encode_control(&ControlKey::Descriptor, Some(&descriptor), &header(1)).unwrap();
        self.write(TopicKind::Control, 0, &record, 0);
        self.flush();
    }

    fn flush(&self) {
        self.producer.flush(PATIENCE).unwrap();
    }
}

/// Waits for something that shows in numbers only.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_writes_without_end_is_not_in_the_way_of_another() {
    let broker = broker(&["a", "b", "stranger"]);
    let stranger = Stranger::connect(broker.bootstrap());
    for number in 0..BACKLOG {
        let record = record(&format!("s-{number}"), instance("1"), 1);
        stranger.write(TopicKind::Instances, i32::try_from(record.partition).unwrap(), &record, 0);
    }
    stranger.flush();
    let mut b = Member::start(options(broker.bootstrap(), "b"));
    b.find_members(&["a", "b", "stranger"]).await;
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a", "b", "stranger"]).await;
    // Nobody takes anything in: sooner or later all is there that may wait for the engine.
    let consumed = |of: &str| a.metrics.records_consumed(&cluster(of)).get();
    let (mut last, mut since) = (0, Instant::now());
    until("the flood to stand still", || {
        if consumed("stranger") != last {
            (last, since) = (consumed("stranger"), Instant::now());
        }
        last > 0 && since.elapsed() > Duration::from_millis(500)
    })
    .await;
    b.log.send(record("orders", instance("1"), 1));
    until("the record of b", || consumed("b") > 0).await;
    let mut before = 0;
    a.find("the record of b", |news| match &news.input {
        Input::Log(LogInput::Records { partition, .. }) if partition.origin == cluster("b") => Some(()),
        Input::Log(LogInput::Records { records, .. }) => {
            before += records.len();
            None
        }
        _ => None,
    })
    .await;
    assert!(before < BACKLOG / 4, "{before} records of the stranger were before it");
    until("the end of the flood", || {
        while a.news.try_recv().is_ok() {}
        a.metrics.records_consumed(&cluster("stranger")).get() >= BACKLOG as u64
    })
    .await;
    a.end().await;
    b.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_partitions_that_changes_all_the_time_costs_one_reading_in_ten_seconds() {
    let broker = broker(&["a", "stranger"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a", "stranger"]).await;
    let origin = cluster("stranger");
    let stranger = Stranger::connect(broker.bootstrap());
    let begun = Instant::now();
    for (number, partitions) in (1..).zip([u32::MAX, 0, 1 << 31, 1, 3, 1, 3, 4, 5, 6, 7, 8]) {
        stranger.describe(partitions);
        until("the descriptor", || a.metrics.records_consumed(&origin).get() >= number).await;
    }
    // It was counted before it is followed: one more makes sure that it was.
    stranger.describe(1024);
    until("the last descriptor", || a.metrics.records_consumed(&origin).get() > 12).await;
    let followed = a.metrics.partition_restarts(&origin).get() / DATA_PARTITIONS;
    let most = 1 + begun.elapsed().as_secs() / 10;
    assert!((1..=most).contains(&followed), "followed {followed} times");
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_unpacks_to_more_than_there_can_be_stops_its_partition_alone() {
    let broker = broker(&["a", "stranger"]);
    let stranger = Stranger::connect(broker.bootstrap());
    let bomb = EncodedRecord { value: Some(vec![0; 140 << 20].into()), ..record("bomb", instance("1"), 1) };
    stranger.write(TopicKind::Instances, 0, &bomb, 0);
    let good = (0..).map(|n| record(&format!("s-{n}"), instance("1"), 1)).find(|record| record.partition == 1).unwrap();
    stranger.write(TopicKind::Instances, 1, &good, 0);
    stranger.flush();
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    let troubles = a.troubles.clone();
    until("the trouble", || troubles.has(TroubleKind::LogUnreadable)).await;
    let trouble = troubles.all().into_iter().find(|trouble| trouble.kind == TroubleKind::LogUnreadable).unwrap();
    assert_eq!(trouble.about, format!("{}-0", names().of(&cluster("stranger"), TopicKind::Instances)));
    a.find("the good record", |news| match &news.input {
        Input::Log(LogInput::Records { partition, .. }) => (partition.partition == 1).then_some(()),
        _ => None,
    })
    .await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_with_a_thousand_headers_has_none() {
    let broker = broker(&["a", "stranger"]);
    let stranger = Stranger::connect(broker.bootstrap());
    for (service, junk) in [("orders", 1_000), ("payments", 10)] {
        let record = record(service, instance("1"), 1);
        stranger.write(TopicKind::Instances, i32::try_from(record.partition).unwrap(), &record, junk);
    }
    stranger.flush();
    for (service, header) in [("orders", None), ("payments", Some(header(1)))] {
        let mut a = Member::start(options(broker.bootstrap(), "a"));
        let (_, record, _) = a.find_record(&key(service)).await;
        assert_eq!(record.header, header, "{service}");
        assert_eq!(record.body == RecordBody::Unreadable, header.is_none());
        a.end().await;
    }
}
