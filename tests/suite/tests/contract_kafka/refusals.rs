//! What real brokers refuse to take: it is told by name for as long as it lasts, and no longer.

use std::time::Duration;

use federation_core::log::record::TopicKind;
use federation_harness::{Kafka, KafkaOptions, Part, Parts};
use federation_ports::inbox::LogWriter;
use federation_ports::metrics::{SendFailure, TroubleKind};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::member::{Member, admin, cluster, config_key, instance_key, names, options, record};
use crate::{config, instance, kafka};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Makes the own topics of `a` with these settings beside what they need.
async fn topics(bootstrap: &str, federation: &str, further: &[(&str, &str)]) {
    for kind in TopicKind::ALL {
        let topic = names(federation).of(&cluster("a"), kind);
        let partitions = if kind == TopicKind::Control { 1 } else { 2 };
        let mut new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(-1))
            .set("cleanup.policy", "compact")
            .set("delete.retention.ms", "604800000");
        for (name, value) in further {
            new = new.set(name, value);
        }
        admin(bootstrap).create_topics([&new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }
}

/// Whether this broker refuses a record of tomorrow in this topic, as it would refuse all of a producer whose clock is wrong.
async fn refuses_tomorrow(bootstrap: &str, topic: &str) -> bool {
    let producer: ThreadedProducer<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create_with_context(Told::default()).unwrap();
    let tomorrow =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64 + DAY_MS;
    let record = BaseRecord::to(topic).key("k").payload("v").timestamp(tomorrow);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
    producer.client().context().refused.load(std::sync::atomic::Ordering::Acquire)
}

#[derive(Default)]
struct Told {
    refused: std::sync::atomic::AtomicBool,
}

impl rdkafka::ClientContext for Told {}

impl rdkafka::producer::ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        self.refused.store(result.is_err(), std::sync::atomic::Ordering::Release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_taken_whatever_the_clock_also_by_topics_that_look_at_it() {
    let kafka = kafka(&[]).await;
    // No record of a clock is within a millisecond before and after the broker's.
    let strict = [
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "1"),
        ("message.timestamp.before.max.ms", "1"),
    ];
    topics(&kafka.bootstrap(), "strict", &strict).await;
    let topic = names("strict").of(&cluster("a"), TopicKind::Instances);
    assert!(refuses_tomorrow(&kafka.bootstrap(), &topic).await, "the broker looks at the time");
    let mut a = Member::joined(options(&kafka.bootstrap(), "strict", "a")).await;
    for (key, body) in [(instance_key("orders"), instance("1")), (config_key("c"), config("x"))] {
        assert_eq!(a.publish(&record(&key, body, 1), &key).await, 0, "{key:?}");
    }
    let advice = format!("{:?}", a.health.borrow());
    assert!(advice.contains("message.timestamp.type=CreateTime, wanted is LogAppendTime"), "{advice}");
    a.end().await;

    let a = Member::joined(options(&kafka.bootstrap(), "own", "a")).await;
    let topic = names("own").of(&cluster("a"), TopicKind::Instances);
    assert!(!refuses_tomorrow(&kafka.bootstrap(), &topic).await, "topics of our own do not look at it at all");
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_in_sync_are_told_by_name_until_there_are_enough() {
    let parts = Parts::ensure(&[Part::Kafka]).await.unwrap();
    let mut brokers = Kafka::start_cluster(&parts, vec![KafkaOptions::default(); 3]).await.unwrap();
    let bootstrap: Vec<String> = brokers.iter().map(Kafka::bootstrap).collect();
    let bootstrap = bootstrap.join(",");
    topics(&bootstrap, "sync", &[("min.insync.replicas", "3")]).await;
    let mut a = Member::joined(options(&bootstrap, "sync", "a")).await;
    let key = instance_key("orders");
    a.publish(&record(&key, instance("1"), 1), &key).await;
    brokers[2].stop().await.unwrap();

    let topic = names("sync").of(&cluster("a"), TopicKind::Instances);
    let mut seq = 1;
    while a.told(TroubleKind::LogRefuses, &topic).is_none() {
        seq += 1;
        a.log.send(record(&key, instance("2"), seq));
        a.find_failure().await;
        assert!(seq < 100, "{:?}", a.troubles.all());
    }
    let told = a.told(TroubleKind::LogRefuses, &topic).unwrap();
    assert!(told.contains("fewer replicas are in sync than min.insync.replicas asks for"), "{told}");
    assert!(a.metrics.sends_failed(SendFailure::NotEnoughReplicas).get() > 0);

    brokers[2].restart().await.unwrap();
    a.publish(&record(&key, instance("3"), seq + 1), &key).await;
    a.healed(TroubleKind::LogRefuses, &topic).await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_told_by_its_key_until_a_smaller_one_is_taken() {
    let kafka = kafka(&[]).await;
    topics(&kafka.bootstrap(), "large", &[("max.message.bytes", "1100000")]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "large", "a")).await;
    let noise: String =
        (0..3_000_000u32).map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    let key = config_key("large");
    a.log.send(record(&key, config(&noise), 1));
    let topic = names("large").of(&cluster("a"), TopicKind::Configs);
    let told = a.trouble(TroubleKind::LogRefuses, &topic).await;
    assert!(told.contains("c·public·g·large"), "{told}");
    let other = config_key("small");
    a.publish(&record(&other, config("small"), 2), &other).await;
    assert!(a.told(TroubleKind::LogRefuses, &topic).is_some(), "another record's success says nothing of this one");
    a.publish(&record(&key, config("small"), 3), &key).await;
    a.healed(TroubleKind::LogRefuses, &topic).await;
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_turn_dangerous_are_told_within_half_a_minute_and_healed() {
    let kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "turned", "a")).await;
    let topic = names("turned").of(&cluster("a"), TopicKind::Instances);
    let admin = admin(&kafka.bootstrap());
    for (name, value, wanted) in
        [("cleanup.policy", "delete", "compact"), ("unclean.leader.election.enable", "true", "false")]
    {
        let alter = |value: &'static str| {
            AlterConfig::new(ResourceSpecifier::Topic(&topic))
                .set("cleanup.policy", if name == "cleanup.policy" { value } else { "compact" })
                .set("delete.retention.ms", "604800000")
                .set("unclean.leader.election.enable", if name == "cleanup.policy" { "false" } else { value })
        };
        admin.alter_configs([&alter(value)], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        let turned = std::time::Instant::now();
        let told = a.trouble(TroubleKind::LogTopics, &topic).await;
        assert!(told.contains(&format!("topic {topic} has {name}={value}, wanted is {wanted}")), "{told}");
        assert!(turned.elapsed() < Duration::from_secs(30), "{:?}", turned.elapsed());
        admin.alter_configs([&alter(wanted)], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        a.healed(TroubleKind::LogTopics, &topic).await;
    }
    a.end().await;
}
