//! What programs behind a door notice when instances fall ill, when Kafka is gone, and when their Nacos is gone as well.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::{Sdk, SdkClient, SdkInstance, SdkService};
use federation_tests::Side;

use crate::doors::{before_the_doors, unique};
use crate::{GONE_WITHIN, SEEN_WITHIN};

/// Nacos's own push, and what the gateway does with it; no log is on this way.
const SEEN_HERE_WITHIN: Duration = Duration::from_secs(10);
/// A Nacos that starts again takes its clients back within 10 s or some more, and what they have is redone then.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

fn ips(list: &[SdkInstance]) -> BTreeSet<&str> {
    list.iter().map(|instance| &*instance.ip).collect()
}

/// Waits until the newest list has just these.
async fn until_told(consumer: &SdkClient, service: &SdkService, within: Duration, wanted: &[&str]) -> Result<()> {
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let told = consumer.until_instances(service, within, |list| ips(list) == wanted).await;
    told.map(drop).with_context(|| format!("a list of {wanted:?}"))
}

#[test]
fn instances_of_the_other_region_come_when_the_own_ones_fall_ill_and_leave_when_they_are_well() {
    before_the_doors(async |doors| {
        let service = SdkService::public(unique("ill"));
        let (here, there) = (SdkInstance::new("10.8.1.1", 8080), SdkInstance::new("10.8.1.2", 8080));
        let provider = doors.client(Side::Shanghai, Sdk::Java).await?;
        let elsewhere = doors.client(Side::Frankfurt, Sdk::Java).await?;
        let consumer = doors.client(Side::Shanghai, Sdk::Java).await?;
        let beside_the_other = doors.client(Side::Frankfurt, Sdk::Java).await?;
        consumer.subscribe(&service).await?;
        beside_the_other.subscribe(&service).await?;
        elsewhere.register(&service, &there).await?;
        until_told(&consumer, &service, SEEN_WITHIN, &["10.8.1.2"]).await.context("before it has one of its own")?;
        provider.register(&service, &here).await?;
        until_told(&consumer, &service, SEEN_WITHIN, &["10.8.1.1"]).await.context("near while near ones are well")?;
        provider.register(&service, &SdkInstance { healthy: false, ..here.clone() }).await?;
        until_told(&consumer, &service, SEEN_WITHIN, &["10.8.1.2"]).await.context("while its own is ill")?;
        provider.register(&service, &here).await?;
        until_told(&consumer, &service, SEEN_WITHIN, &["10.8.1.1"]).await.context("its own is well again")?;
        until_told(&beside_the_other, &service, SEEN_WITHIN, &["10.8.1.2"]).await.context("in the other region")
    });
}

#[test]
fn without_kafka_and_then_without_nacos_lookups_go_on_and_registrations_fail_honestly_and_heal() {
    before_the_doors(async |doors| {
        let (service, later) = (SdkService::public(unique("cut-off")), SdkService::public(unique("later")));
        let (one, other) = (SdkInstance::new("10.8.2.1", 8080), SdkInstance::new("10.8.2.2", 8080));
        let provider = doors.client(Side::Shanghai, Sdk::Java).await?;
        let consumer = doors.client(Side::Shanghai, Sdk::Java).await?;
        let far = doors.client(Side::Frankfurt, Sdk::Java).await?;
        for watcher in [&consumer, &far] {
            watcher.subscribe(&service).await?;
        }
        provider.register(&service, &one).await?;
        until_told(&far, &service, SEEN_WITHIN, &["10.8.2.1"]).await?;

        doors.kafka_mut().kill().await?;
        let second = doors.client(Side::Shanghai, Sdk::Java).await?;
        second.register(&service, &other).await.context("with kafka down")?;
        until_told(&consumer, &service, SEEN_HERE_WITHIN, &["10.8.2.1", "10.8.2.2"])
            .await
            .context("with kafka down")?;
        second.deregister(&service, &other).await.context("with kafka down")?;
        until_told(&consumer, &service, GONE_WITHIN, &["10.8.2.1"]).await.context("with kafka down")?;

        doors.nacos_mut(Side::Shanghai).kill().await?;
        let newcomer = doors.client(Side::Shanghai, Sdk::Java).await?;
        ensure!(ips(&newcomer.list(&service).await?) == BTreeSet::from(["10.8.2.1"]), "lookups go on without a nacos");
        let metrics = reqwest::get(format!("{}/metrics", doors.gateway(Side::Shanghai).base())).await?.text().await?;
        ensure!(metrics.contains("federation_nacos_connected 0"), "the metrics do not say that the nacos is away");
        let refused = second.register(&later, &other).await;
        ensure!(refused.is_err(), "a registration is said to be done although no nacos took it");

        doors.nacos_mut(Side::Shanghai).restart().await?;
        doors.kafka_mut().restart().await?;
        let at_the_nacos = doors.client_past_the_door(Side::Shanghai).await?;
        at_the_nacos.subscribe(&service).await?;
        until_told(&at_the_nacos, &service, HEALED_WITHIN, &["10.8.2.1"]).await.context("in the nacos again")?;
        until_told(&consumer, &service, HEALED_WITHIN, &["10.8.2.1"]).await?;
        second.register(&later, &other).await.context("once its nacos is back")?;
        far.subscribe(&later).await?;
        until_told(&far, &later, HEALED_WITHIN, &["10.8.2.2"]).await.context("in the other region")
    });
}
