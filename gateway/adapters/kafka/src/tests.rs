//! Members that exchange records over the embedded broker: no network but the loopback, seconds in all.

mod stranger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::input::{OutgoingRecord, SendId};
use federation_core::instance::{Health, Instance, Weight};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, PartitionId, Record, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::{Millis, WallMs};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::embedded::EmbeddedKafka;
use super::options::{ReadPace, TopicCreation, TopicSettings};
use super::topics::TopicNames;
use super::*;
use federation_codec::record::EncodedRecord;
use federation_core::input::{Input, LogInput};
use federation_ports::inbox::{EngineNews, LogWriter};

const PARTITIONS: u32 = 2;
/// Longer than any step takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn names() -> TopicNames {
    TopicNames::new("t.", &"demo".parse().unwrap())
}

fn options(bootstrap: &str, name: &str) -> KafkaOptions {
    KafkaOptions {
        brokers: vec![bootstrap.to_owned()],
        properties: BTreeMap::new(),
        renewed: None,
        topic_prefix: "t.".to_owned(),
        federation: "demo".parse().unwrap(),
        cluster: cluster(name),
        topics: TopicSettings {
            creation: TopicCreation::External,
            partitions: PARTITIONS,
            max_message_bytes: 1_000_000,
            ..TopicSettings::default()
        },
        pace: ReadPace::default(),
        imports: Arc::new(|_| true),
        signatures: None,
        cursors: BTreeMap::new(),
        keys: Default::default(),
    }
}

/// An adapter without an engine: the test is its engine.
struct Member {
    log: KafkaLog,
    news: mpsc::Receiver<EngineNews>,
    parts: JoinSet<Result<(), PartPanicked>>,
    stop: CancellationToken,
    metrics: LogMetrics,
    troubles: TroubleBoard,
}

impl Member {
    fn start(options: KafkaOptions) -> Self {
        let (inbox, news) = mpsc::channel(federation_ports::inbox::INBOX_CAPACITY);
        let (metrics, troubles) = (LogMetrics::default(), TroubleBoard::default());
        let (log, tasks) = connect(options, inbox, metrics.clone(), troubles.clone()).unwrap();
        let (mut parts, stop) = (JoinSet::new(), CancellationToken::new());
        parts.spawn(tasks.run(stop.clone()));
        Self { log, news, parts, stop, metrics, troubles }
    }

    /// The first thing found in the news; what is passed over is gone.
    async fn find<T>(&mut self, what: &str, mut pick: impl FnMut(&EngineNews) -> Option<T>) -> T {
        let search = async {
            loop {
                let news = self.news.recv().await.expect("the adapter runs");
                if let Some(found) = pick(&news) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn find_members(&mut self, wanted: &[&str]) {
        let wanted: Vec<_> = wanted.iter().map(|name| (cluster(name), PARTITIONS)).collect();
        self.find("members", |news| match &news.input {
            Input::Log(LogInput::Members(members)) => (*members == wanted).then_some(()),
            _ => None,
        })
        .await;
    }

    async fn find_record(&mut self, wanted: &DataKey) -> (PartitionId, Record, Option<String>) {
        self.find("a record", |news| match &news.input {
            Input::Log(LogInput::Records { partition, records }) => {
                let record = records.iter().find(|record| record.key == RecordKey::Data(wanted.clone()))?;
                Some((partition.clone(), record.clone(), news.traceparent.clone()))
            }
            _ => None,
        })
        .await
    }

    async fn find_failure(&mut self) -> SendId {
        self.find("a failed send", |news| match news.input {
            Input::Log(LogInput::SendFailed(id) | LogInput::SendRefused(id)) => Some(id),
            _ => None,
        })
        .await
    }

    async fn find_end(&mut self, wanted: &PartitionId, least: u64) {
        self.find("the end of a partition", |news| match &news.input {
            Input::Log(LogInput::AtEnd { partition, next_offset }) => {
                (partition == wanted && *next_offset >= least).then_some(())
            }
            _ => None,
        })
        .await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.parts.join_next()).await.expect("the adapter ends");
        ended.unwrap().unwrap().unwrap();
    }
}

fn key(service: &str) -> DataKey {
    DataKey::Instance(ServiceKey::new("public", "g", service), InstanceId::new("10.0.0.1", 80, "DEFAULT"))
}

fn instance(metadata: &str) -> RecordBody {
    RecordBody::Instance(Arc::new(Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: [("zone", metadata)].into_iter().collect(),
    }))
}

fn header(seq: u64) -> RecordHeader {
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 7 }, seq, observed: WallMs(1) }
}

fn record(service: &str, body: RecordBody, seq: u64) -> EncodedRecord {
    let key = key(service);
    let partition = key.partition(PARTITIONS);
    federation_codec::record::encode_outgoing(&OutgoingRecord {
        topic: TopicKind::Instances,
        partition,
        key,
        body,
        header: header(seq),
    })
}

fn beat(number: u64) -> EncodedRecord {
    let replica = ReplicaRecord {
        state: ReplicaState::Leader,
        epoch: Epoch { term: 1, nonce: 7 },
        beat: number,
        warm: true,
        nacos_age: Some(Millis(3)),
        unpublished_age: Millis(0),
        descriptor: Descriptor { partitions: PARTITIONS, ..Descriptor::default() },
        name: "a-0".into(),
        advertised: "".into(),
        complaints: Vec::new(),
        readings: Vec::new(),
    };
    let value = ControlValue::Replica(replica);
    federation_codec::record::encode_control(&ControlKey::Replica(7), Some(&value), &header(number)).unwrap()
}

fn broker(clusters: &[&str]) -> EmbeddedKafka {
    let broker = EmbeddedKafka::start().unwrap();
    for name in clusters {
        broker.create_topics(&names(), &cluster(name), PARTITIONS).unwrap();
    }
    broker
}

fn control_of(name: &str) -> PartitionId {
    PartitionId { origin: cluster(name), topic: TopicKind::Control, partition: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_read_each_others_records_in_order_and_to_the_end() {
    let broker = broker(&["a", "b"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    let mut b = Member::start(options(broker.bootstrap(), "b"));
    a.find_members(&["a", "b"]).await;
    b.find_members(&["a", "b"]).await;

    a.log.send(record("orders", instance("1"), 1));
    a.log.send(record("orders", RecordBody::Tombstone, 2));
    let traced = EncodedRecord { traceparent: Some("00-1-2-01".to_owned()), ..record("orders", instance("3"), 3) };
    a.log.send(traced);
    a.log.send(beat(1));

    for member in [&mut a, &mut b] {
        let partition = PartitionId {
            origin: cluster("a"),
            topic: TopicKind::Instances,
            partition: key("orders").partition(PARTITIONS),
        };
        let mut bodies = Vec::new();
        let mut trace = None;
        while bodies.len() < 3 {
            let (at, records, traceparent) = member
                .find("records", |news| match &news.input {
                    Input::Log(LogInput::Records { partition, records }) => {
                        Some((partition.clone(), records.clone(), news.traceparent.clone()))
                    }
                    _ => None,
                })
                .await;
            assert_eq!(at, partition);
            assert_eq!(records.iter().any(|record| record.offset == 2), traceparent.is_some());
            trace = trace.or(traceparent);
            bodies.extend(records.into_iter().map(|record| record.body));
        }
        assert_eq!(bodies, [instance("1"), RecordBody::Tombstone, instance("3")]);
        assert_eq!(trace.as_deref(), Some("00-1-2-01"));
        member.find_end(&partition, 3).await;
    }
    a.end().await;
    b.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beats_and_ends_of_partitions_come_back() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    a.find_end(&control_of("a"), 0).await;
    a.log.send(beat(41));
    a.find("the beat", |news| match &news.input {
        Input::Log(LogInput::Control { origin, records }) => {
            assert_eq!(*origin, cluster("a"));
            let Some(ControlValue::Replica(replica)) = &records.last()?.value else { return None };
            (replica.beat == 41).then_some(())
        }
        _ => None,
    })
    .await;
    a.log.ask_end(control_of("a"));
    a.find("an end offset", |news| match &news.input {
        Input::Log(LogInput::EndOffset { partition, end }) => {
            (*partition == control_of("a") && *end == 1).then_some(())
        }
        _ => None,
    })
    .await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_joins_later_is_read_from_its_beginning() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    broker.create_topics(&names(), &cluster("b"), PARTITIONS).unwrap();
    let mut b = Member::start(options(broker.bootstrap(), "b"));
    b.find_members(&["a", "b"]).await;
    b.log.send(record("orders", instance("1"), 1));
    a.find_members(&["a", "b"]).await;
    let (partition, record, _) = a.find_record(&key("orders")).await;
    assert_eq!((partition.origin, record.offset), (cluster("b"), 0));
    a.end().await;
    b.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_that_are_not_imported_are_not_read() {
    let broker = broker(&["a", "b", "c"]);
    let imports: options::ClusterFilter = Arc::new(|cluster| cluster.as_str() == "c");
    let mut a = Member::start(KafkaOptions { imports, ..options(broker.bootstrap(), "a") });
    a.find_members(&["a", "c"]).await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_broker_is_told_fails_sends_and_is_come_back_from() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    a.log.send(record("before", instance("1"), 1));
    a.find_record(&key("before")).await;

    broker.go_down().unwrap();
    a.log.send(record("during", instance("1"), 2));
    let (mut told, mut failed) = (false, None);
    a.find("trouble and the failed send", |news| {
        match &news.input {
            Input::Log(LogInput::Unreachable { .. }) => told = true,
            Input::Log(LogInput::SendFailed(id)) => failed = Some(*id),
            _ => {}
        }
        (told && failed == Some(SendId(2))).then_some(())
    })
    .await;

    broker.come_up().unwrap();
    a.log.send(record("after", instance("1"), 3));
    let (_, record, _) = a.find_record(&key("after")).await;
    assert_eq!(record.header, Some(header(3)));
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_can_be_taken_back() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    broker.go_down().unwrap();
    a.log.send(record("orders", instance("1"), 5));
    a.log.purge();
    assert_eq!(a.find_failure().await, SendId(5));
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_fails_alone() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    a.log.send(record("large", instance(&"x".repeat(1_000_001)), 1));
    a.log.send(record("small", instance("1"), 2));
    assert_eq!(a.find_failure().await, SendId(1));
    a.find_record(&key("small")).await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_outside_of_its_partition_is_ignored_and_counted() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    let stray = record("stray", instance("1"), 1);
    let other = 1 - stray.partition;
    a.log.send(EncodedRecord { partition: other, ..stray });
    let neighbour = (0..)
        .map(|number| format!("s{number}"))
        .find(|name| key(name).partition(PARTITIONS) == other)
        .expect("names are many");
    a.log.send(record(&neighbour, instance("1"), 2));
    let (_, found, _) = a
        .find("the first record", |news| match &news.input {
            Input::Log(LogInput::Records { partition, records }) => {
                Some((partition.clone(), records[0].clone(), news.traceparent.clone()))
            }
            _ => None,
        })
        .await;
    assert_eq!((found.key, found.offset), (RecordKey::Data(key(&neighbour)), 1));
    assert_eq!(a.metrics.records_misplaced(&cluster("a")).get(), 1);
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_waits_for_deliveries_and_no_longer_than_allowed() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    a.log.send(record("orders", instance("1"), 1));
    a.log.flusher().flush(PATIENCE).await.unwrap();
    broker.go_down().unwrap();
    a.log.send(record("orders", instance("2"), 2));
    let left = a.log.flusher().flush(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(left.unsent, 1);
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_need_not_be_there_at_the_start() {
    let broker = broker(&["a"]);
    broker.go_down().unwrap();
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find("trouble", |news| matches!(news.input, Input::Log(LogInput::Unreachable { .. })).then_some(())).await;
    broker.come_up().unwrap();
    a.find_members(&["a"]).await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_partitions_are_refused_with_what_to_do() {
    let broker = broker(&["a"]);
    let topics = TopicSettings { partitions: 4, ..options("", "a").topics };
    let options = KafkaOptions { topics, ..options(broker.bootstrap(), "a") };
    let (inbox, mut news) = mpsc::channel(16);
    let (_log, tasks) = connect(options, inbox, LogMetrics::default(), TroubleBoard::default()).unwrap();
    let mut health = tasks.topics_health();
    let (mut parts, stop) = (JoinSet::new(), CancellationToken::new());
    parts.spawn(tasks.run(stop.clone()));
    parts.spawn(async move {
        while news.recv().await.is_some() {}
        Ok(())
    });
    let refused = timeout(PATIENCE, health.wait_for(|health| matches!(health, TopicsHealth::Refused { .. }))).await;
    let TopicsHealth::Refused { reason } = refused.unwrap().unwrap().clone() else { unreachable!() };
    assert!(reason.contains("t.demo.a.instances has 2 partitions, wanted are 4"), "{reason}");
    stop.cancel();
    while parts.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_cannot_go_on_is_replaced_and_told() {
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    let broker: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    for kind in TopicKind::ALL {
        broker.create_topic(&names().of(&cluster("a"), kind), 2, 1).unwrap();
    }
    let mut a = Member::start(options(&broker.bootstrap_servers(), "a"));
    a.find_members(&["a"]).await;
    a.log.send(record("orders", instance("1"), 1));
    a.find_record(&key("orders")).await;
    let fenced = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER];
    broker.request_errors(RDKafkaApiKey::Produce, &fenced);
    a.log.send(record("orders", instance("2"), 2));
    let (mut rebuilt, mut failed) = (false, None);
    a.find("a rebuilt producer and the failed send", |news| {
        match &news.input {
            Input::Log(LogInput::ProducerReplaced) => rebuilt = true,
            Input::Log(LogInput::SendFailed(id)) => failed = Some(*id),
            _ => {}
        }
        (rebuilt && failed == Some(SendId(2))).then_some(())
    })
    .await;
    a.log.send(record("after", instance("3"), 3));
    a.find_record(&key("after")).await;
    assert_eq!(a.metrics.restarts(Component::DataProducer).get(), 1);
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_new_properties_take_the_place_of_those_before_and_nothing_is_lost() {
    let broker = broker(&["a"]);
    let properties = |name: &str| BTreeMap::from([("client.rack".to_owned(), name.to_owned())]).into();
    let renewed = tokio::sync::watch::Sender::new(properties("first"));
    let options = KafkaOptions { renewed: Some(renewed.subscribe()), ..options(broker.bootstrap(), "a") };
    assert_eq!(options.consumer().get("client.rack"), Some("first"));
    assert!(!format!("{:?}", renewed.borrow()).contains("first"), "values are printed nowhere");
    let mut a = Member::start(options.clone());
    a.find_members(&["a"]).await;
    a.log.send(record("before", instance("1"), 1));
    a.find_record(&key("before")).await;
    renewed.send_replace(properties("second"));
    assert_eq!(options.data_producer().get("client.rack"), Some("second"));
    a.find("another producer", |news| matches!(news.input, Input::Log(LogInput::ProducerReplaced)).then_some(())).await;
    let replaced = [Component::DataProducer, Component::ControlProducer, Component::Consumer];
    for number in 2.. {
        a.log.send(record(&format!("after {number}"), instance("1"), number));
        a.find_record(&key(&format!("after {number}"))).await;
        if replaced.iter().all(|component| a.metrics.restarts(*component).get() > 0) {
            break;
        }
    }
    assert_eq!(replaced.map(|component| a.metrics.restarts(component).get()), [1; 3]);
    a.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_is_handed_over_and_counted() {
    let broker = broker(&["a"]);
    let mut a = Member::start(options(broker.bootstrap(), "a"));
    a.find_members(&["a"]).await;
    a.log.send(EncodedRecord { value: Some("no instance".into()), ..record("orders", instance("1"), 1) });
    let (_, record, _) = a.find_record(&key("orders")).await;
    assert_eq!(record.body, RecordBody::Unreadable);
    assert_eq!(a.metrics.records_undecodable(&cluster("a")).get(), 1);
    a.end().await;
}

#[test]
fn a_property_that_kafka_does_not_know_is_an_error_at_once() {
    let properties = BTreeMap::from([("no.such.property".to_owned(), "1".to_owned())]);
    let (inbox, _news) = mpsc::channel(1);
    let options = KafkaOptions { properties, ..options("x:1", "a") };
    assert!(connect(options, inbox, LogMetrics::default(), TroubleBoard::default()).is_err());
}
