//! Real Kafka killed, paused, emptied and too small.

use std::time::{Duration, Instant};

use federation_core::input::{LogInput, SendId};
use federation_core::log::record::{PartitionId, TopicKind};
use federation_ports::inbox::LogWriter;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};

use crate::member::{Member, admin, cluster, instance_key, names, options, record};
use crate::{config, config_key, instance, kafka};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_come_back_from_without_loss() {
    let mut kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "killed", "a")).await;
    let key = |number: u64| instance_key(&format!("s{number}"));
    for number in 1..=20 {
        a.publish(&record(&key(number), instance("1"), number), &key(number)).await;
    }
    kafka.kill().await.unwrap();
    a.log.send(record(&key(21), instance("1"), 21));
    assert_eq!(a.find_failure().await, SendId(21));
    kafka.restart().await.unwrap();
    let back = Instant::now();
    a.publish(&record(&key(22), instance("1"), 22), &key(22)).await;
    println!("written and read back {:?} after the broker's return", back.elapsed());
    a.end().await;

    // All that was read back before is still there, once each.
    let mut late = Member::joined(options(&kafka.bootstrap(), "killed", "a")).await;
    let mut found = Vec::new();
    while found.len() < 21 {
        let more = late
            .find("records", |news| match news {
                LogInput::Records { records, .. } => {
                    Some(records.iter().map(|record| record.header.unwrap().seq).collect::<Vec<_>>())
                }
                _ => None,
            })
            .await;
        found.extend(more.into_iter().filter(|&seq| seq != 21));
    }
    found.sort_unstable();
    assert_eq!(found, (1..=20).chain([22]).collect::<Vec<_>>());
    late.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_broker_fails_sends_in_time_and_is_come_back_from() {
    let mut kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "paused", "a")).await;
    let key = instance_key("orders");
    a.publish(&record(&key, instance("1"), 1), &key).await;
    kafka.pause().unwrap();
    let sent = Instant::now();
    a.log.send(record(&key, instance("2"), 2));
    assert_eq!(a.find_failure().await, SendId(2));
    assert!(sent.elapsed() < Duration::from_secs(6), "{:?}", sent.elapsed());
    kafka.resume().unwrap();
    a.publish(&record(&instance_key("after"), instance("3"), 3), &instance_key("after")).await;
    a.end().await;
}

/// Deletes the instances topic of cluster `a` and makes it anew, `count` records of `s0`, `s1`, … in it.
async fn recreate(bootstrap: &str, federation: &str, count: u64) {
    let topic = names(federation).of(&cluster("a"), TopicKind::Instances);
    let admin = admin(bootstrap);
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let new = || NewTopic::new(&topic, 2, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    while admin.create_topics([&new()], &AdminOptions::new()).await.unwrap()[0].is_err() {}
    let mut writer = options(bootstrap, federation, "a");
    writer.topics.creation = federation_kafka::options::TopicCreation::External;
    let mut writer = Member::joined(writer).await;
    for number in 0..count {
        let key = instance_key(&format!("s{number}"));
        writer.publish(&record(&key, instance("new"), number + 1), &key).await;
    }
    writer.end().await;
}

/// What a reader of a re-created topic must see: its start, and then its first record.
async fn reads_anew(reader: &mut Member) {
    let mut restarted = Vec::new();
    reader
        .find("a restart and the first new record", |news| match news {
            LogInput::Restarted(partition) => {
                restarted.push(partition.clone());
                None
            }
            LogInput::Records { partition, records } if restarted.contains(partition) => {
                assert_eq!(records[0].offset, 0, "{partition:?}");
                Some(())
            }
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_is_read_anew() {
    let kafka = kafka(&[]).await;
    for (federation, before, after) in [("shorter", 20, 1), ("longer", 2, 40)] {
        let mut a = Member::joined(options(&kafka.bootstrap(), federation, "a")).await;
        for number in 0..before {
            let key = instance_key(&format!("s{number}"));
            a.publish(&record(&key, instance("old"), number + 1), &key).await;
        }
        let mut reader = Member::start(options(&kafka.bootstrap(), federation, "b"));
        reader.find_record(&instance_key("s1")).await;
        recreate(&kafka.bootstrap(), federation, after).await;
        reads_anew(&mut reader).await;
        assert!(reader.metrics.partition_restarts(&cluster("a")).get() > 0);
        println!("{federation}: read anew");
        reader.end().await;
        a.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_over_the_brokers_limit_fails_alone() {
    let kafka = kafka(&[]).await;
    let admin = admin(&kafka.bootstrap());
    for kind in TopicKind::ALL {
        let topic = names("small").of(&cluster("a"), kind);
        let partitions = if kind == TopicKind::Control { 1 } else { 2 };
        let small = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1))
            .set("cleanup.policy", "compact")
            .set("delete.retention.ms", "604800000")
            .set("max.message.bytes", "1100000");
        admin.create_topics([&small], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }
    let mut a = Member::joined(options(&kafka.bootstrap(), "small", "a")).await;
    let noise: String =
        (0..3_000_000u32).map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    a.log.send(record(&config_key("large"), config(&noise), 1));
    let mut refused = Vec::new();
    for number in 2..=40 {
        let key = config_key(&format!("c{number}"));
        a.log.send(record(&key, config("small"), number));
    }
    let mut read = 0;
    a.find("all small ones, and the refusal of the large one", |news| {
        match news {
            LogInput::SendRefused(id) => refused.push(*id),
            LogInput::Records { records, .. } => read += records.len(),
            _ => {}
        }
        (read == 39 && !refused.is_empty()).then_some(())
    })
    .await;
    assert_eq!(refused, [SendId(1)]);
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_partition_is_told_when_asked() {
    let kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "ends", "a")).await;
    let key = instance_key("orders");
    a.publish(&record(&key, instance("1"), 1), &key).await;
    let wanted = PartitionId { origin: cluster("a"), topic: TopicKind::Instances, partition: key.partition(2) };
    a.log.ask_end(wanted.clone());
    let end = a
        .find("an end", |news| match news {
            LogInput::EndOffset { partition, end } => (*partition == wanted).then_some(*end),
            _ => None,
        })
        .await;
    assert_eq!(end, 1);
    a.end().await;
}
