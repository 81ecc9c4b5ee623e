//! Dubbo 3 with discovery by application: which application offers an interface, consumers read in a config item of the provider's Nacos.

use anyhow::{Context, Result, ensure};
use federation_harness::{ClientFramework, FrameworkProcess, Nacos};
use federation_tests::Side;
use reqwest::Method;

use super::SEEN_WITHIN;
use crate::doors::{before_the_doors, unique};

const INTERFACE: &str = "federation.clients.dubbo.Greeter";

#[test]
fn dubbo_consumers_call_a_provider_of_another_region_whose_mapping_their_own_nacos_does_not_have() {
    before_the_doors(async |doors| {
        let (near, far) = (unique("near"), unique("far"));
        let early = doors.application(Side::Frankfurt, ClientFramework::DubboConsumer, &unique("early")).await?;
        let (status, told) = early.ask("/ask").await?;
        ensure!(status == 502 && told.contains("No provider available"), "nobody offers it yet: {status} {told}");

        let provider = doors.application(Side::Shanghai, ClientFramework::DubboProvider, &far).await?;
        let told = is_greeted_by(&early, &far).await;
        told.with_context(|| format!("it was there before its provider, of which it is told; {}", provider.log_end()))?;
        let late = doors.application(Side::Frankfurt, ClientFramework::DubboConsumer, &unique("late")).await?;
        is_greeted_by(&late, &far).await.context("it reads the mapping when it starts")?;

        // Its own region gets a provider as well, which reads what the other region has before it writes.
        let own_provider = doors.application(Side::Frankfurt, ClientFramework::DubboProvider, &near).await?;
        is_greeted_by(&early, &near).await?;
        for (side, name) in [(Side::Shanghai, &far), (Side::Frankfurt, &near)] {
            let mapping = mapping(doors.nacos(side)).await?;
            ensure!(mapping == *name, "{} has {mapping}, not {name}", side.cluster());
        }

        own_provider.stop().await?;
        is_greeted_by(&late, &far).await.context("the other region's provider is left")?;
        provider.kill().await?;
        let nobody = async |consumer: &FrameworkProcess| -> Result<()> {
            let (status, told) = consumer.ask("/ask").await?;
            ensure!(status == 502, "nobody is left, and {told} is answered");
            Ok(())
        };
        nobody(&early).await?;
        nobody(&late).await
    });
}

async fn is_greeted_by(consumer: &FrameworkProcess, provider: &str) -> Result<()> {
    let greeting = format!("{provider} greets the consumer");
    let told = consumer.until("/ask", SEEN_WITHIN, |answer| answer == greeting).await;
    told.map(drop).with_context(|| format!("{} is not greeted by {provider}", consumer.name()))
}

/// What a Nacos itself has.
async fn mapping(nacos: &Nacos) -> Result<String> {
    let item = [("dataId", INTERFACE), ("group", "mapping")];
    Ok(nacos.call(Method::GET, "/nacos/v1/cs/configs", &item).await?.1)
}
