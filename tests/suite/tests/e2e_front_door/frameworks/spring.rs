//! Spring Cloud Alibaba in both of its lines: each application offers itself and calls the other one, and takes its configuration from Nacos.

use anyhow::{Context, Result, ensure};
use federation_harness::{ClientFramework, FrameworkProcess, Nacos};
use federation_tests::Side;
use reqwest::Method;

use super::{GONE_WITHIN, SEEN_WITHIN};
use crate::doors::{before_the_doors, unique};

#[test]
fn spring_applications_of_two_regions_call_each_other_and_refresh_what_is_published() {
    before_the_doors(async |doors| {
        let (orders, shop) = (unique("orders"), unique("shop"));
        let (one, other, shop) = tokio::try_join!(
            doors.application(Side::Shanghai, ClientFramework::Spring, &orders),
            doors.application(Side::Shanghai, ClientFramework::Spring2023, &orders),
            doors.application(Side::Frankfurt, ClientFramework::Spring2023, &shop),
        )?;
        calls(&shop, one.name()).await?;
        calls(&one, shop.name()).await?;
        refreshes(&shop, doors.nacos(Side::Frankfurt)).await?;
        refreshes(&one, doors.nacos(Side::Shanghai)).await?;
        let instances = format!("/instances?service={orders}");
        shop.until(&instances, SEEN_WITHIN, |list| list.lines().count() == 2).await.context("both providers")?;
        other.stop().await?;
        shop.until(&instances, GONE_WITHIN, |list| list.lines().count() == 1).await.context("one was stopped")?;
        calls(&shop, one.name()).await?;
        one.kill().await?;
        shop.until(&instances, GONE_WITHIN, str::is_empty).await.context("the other was killed")?;
        Ok(())
    });
}

/// Calls over HTTP, through the load balancer that comes with the framework.
async fn calls(caller: &FrameworkProcess, name: &str) -> Result<()> {
    let answer = caller.until(&format!("/ask?service={name}"), SEEN_WITHIN, |answer| answer == name).await;
    answer.map(drop).with_context(|| format!("{} calls {name}", caller.name()))
}

/// A value of a bean in the refresh scope, which began without the config item; published as a console does, at the Nacos of its region.
async fn refreshes(application: &FrameworkProcess, nacos: &Nacos) -> Result<()> {
    let greeting = |text: &'static str| application.until("/greeting", SEEN_WITHIN, move |answer| answer == text);
    greeting("nothing").await?;
    let data_id = format!("{}.properties", application.name());
    for (content, text) in [("greeting=hello", "hello"), ("greeting=good evening", "good evening")] {
        let item = [("dataId", &*data_id), ("group", "DEFAULT_GROUP"), ("content", content)];
        let answer = nacos.call(Method::POST, "/nacos/v1/cs/configs", &item).await?;
        ensure!(answer == (200, "true".into()), "it is not published: {answer:?}");
        greeting(text).await.with_context(|| format!("{content} was published"))?;
    }
    Ok(())
}
