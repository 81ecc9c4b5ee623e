//! The beginning of an own partition goes: somebody deletes records of a log that is compacted.

use federation_core::input::LogInput;
use federation_core::log::record::{PartitionId, TopicKind};
use federation_ports::metrics::TroubleKind;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::{Offset, TopicPartitionList};

use crate::member::{Member, admin, cluster, instance_key, names, options, record};
use crate::{instance, kafka};

#[tokio::test(flavor = "multi_thread")]
async fn an_own_partition_whose_beginning_is_deleted_is_read_anew_and_told_and_a_foreign_one_is_not() {
    let kafka = kafka(&[]).await;
    let mut a = Member::joined(options(&kafka.bootstrap(), "purged", "a")).await;
    let mut b = Member::joined(options(&kafka.bootstrap(), "purged", "b")).await;
    let key = instance_key("orders");
    for seq in 1..=5 {
        a.publish(&record(&key, instance(&seq.to_string()), seq), &key).await;
    }
    b.find_record(&key).await;

    let partition = PartitionId { origin: cluster("a"), topic: TopicKind::Instances, partition: key.partition(2) };
    let topic = names("purged").of(&cluster("a"), TopicKind::Instances);
    let number = i32::try_from(partition.partition).unwrap();
    let mut upto = TopicPartitionList::new();
    upto.add_partition_offset(&topic, number, Offset::Offset(4)).unwrap();
    let admin = admin(&kafka.bootstrap());
    // Kafka lets nobody delete records of a topic that is compacted only: the policy was another one for a while.
    for policy in ["compact,delete", "compact"] {
        let alter = AlterConfig::new(ResourceSpecifier::Topic(&topic))
            .set("cleanup.policy", policy)
            .set("delete.retention.ms", "604800000");
        admin.alter_configs([&alter], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
        if policy == "compact,delete" {
            let deleted = admin.delete_records(&upto, &AdminOptions::new()).await.unwrap();
            deleted.elements().iter().for_each(|element| element.error().unwrap());
        }
    }

    let restarted = a.find("a restart and what is left", |news| match news {
        LogInput::Restarted(place) => (*place == partition).then_some(()),
        _ => None,
    });
    restarted.await;
    let (_, left) = a.find_record(&key).await;
    assert_eq!(left.offset, 4, "read from the new beginning");
    let about = format!("{topic}-{number}");
    let told = a.trouble(TroubleKind::LogBeginningLost, &about).await;
    assert!(told.contains(&format!("before offset 4 of {about} are gone")), "{told}");
    a.healed(TroubleKind::LogBeginningLost, &about).await;
    assert_eq!(a.metrics.partition_restarts(&cluster("a")).get(), 1);
    assert!(b.troubles.all().is_empty(), "{:?}", b.troubles.all());
    assert_eq!(b.metrics.partition_restarts(&cluster("a")).get(), 0);
    a.end().await;
    b.end().await;
}
