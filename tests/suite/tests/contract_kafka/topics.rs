//! Topics on real Kafka: created as they must be, refused when they are not.

use federation_core::log::record::TopicKind;
use federation_kafka::TopicsHealth;
use federation_kafka::options::TopicSettings;
use federation_kafka::topics::settings;
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};

use crate::kafka;
use crate::member::{Member, admin, cluster, names, options};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_with_the_settings_of_the_contract() {
    let kafka = kafka(&[]).await;
    let a = Member::joined(options(&kafka.bootstrap(), "settings", "a")).await;
    assert_eq!(*a.health.borrow(), TopicsHealth::Ready { advice: Vec::new() });
    let admin = admin(&kafka.bootstrap());
    for kind in TopicKind::ALL {
        let topic = names("settings").of(&cluster("a"), kind);
        let described =
            admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &AdminOptions::new()).await.unwrap();
        let described = described.into_iter().next().unwrap().unwrap();
        for setting in settings(&TopicSettings::default(), kind, Some(1)) {
            let value = described.get(setting.name).and_then(|entry| entry.value.clone());
            assert_eq!(value.as_deref(), Some(setting.value.as_str()), "{} of {topic}", setting.name);
        }
        let metadata = admin.inner().fetch_metadata(Some(&topic), std::time::Duration::from_secs(10)).unwrap();
        let partitions = if kind == TopicKind::Control { 1 } else { 2 };
        assert_eq!(metadata.topics()[0].partitions().len(), partitions, "{topic}");
    }
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_would_lose_records_is_refused_by_name() {
    let kafka = kafka(&[]).await;
    let topic = names("refused").of(&cluster("a"), TopicKind::Configs);
    let admin = admin(&kafka.bootstrap());
    let wrong = NewTopic::new(&topic, 2, TopicReplication::Fixed(1)).set("cleanup.policy", "delete");
    admin.create_topics([&wrong], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let mut a = Member::start(options(&kafka.bootstrap(), "refused", "a"));
    let refused = a.health.wait_for(|health| matches!(health, TopicsHealth::Refused { .. })).await.unwrap().clone();
    let TopicsHealth::Refused { reason } = refused else { unreachable!() };
    assert!(reason.contains(&format!("topic {topic} has cleanup.policy=delete, wanted is compact")), "{reason}");

    let right = rdkafka::admin::AlterConfig::new(ResourceSpecifier::Topic(&topic))
        .set("cleanup.policy", "compact")
        .set("delete.retention.ms", "604800000");
    admin.alter_configs([&right], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let ready = a.health.wait_for(|health| matches!(health, TopicsHealth::Ready { .. })).await.unwrap().clone();
    let TopicsHealth::Ready { advice } = ready else { unreachable!() };
    assert!(advice.iter().any(|finding| finding.contains("max.message.bytes")), "{advice:?}");
    assert_eq!(a.metrics.topic_findings.get(), i64::try_from(advice.len()).unwrap());
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_topic_comes_into_being_by_chance() {
    let kafka = kafka(&[("auto.create.topics.enable", "true")]).await;
    let mut options = options(&kafka.bootstrap(), "chance", "a");
    options.topics.creation = federation_kafka::options::TopicCreation::External;
    let mut a = Member::start(options);
    let key = crate::instance_key("orders");
    federation_ports::inbox::LogWriter::send(&mut a.log, crate::record(&key, crate::instance("1"), 1));
    a.find_failure().await;
    let metadata = admin(&kafka.bootstrap()).inner().fetch_metadata(None, std::time::Duration::from_secs(10)).unwrap();
    let ours: Vec<_> =
        metadata.topics().iter().map(|topic| topic.name()).filter(|name| name.starts_with("t.chance")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    a.end().await;
}
