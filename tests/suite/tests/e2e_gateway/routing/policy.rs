//! A policy document is published in a Nacos, and what its gateway plans changes; a wrong one changes nothing and is named.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, Sdk, SdkConfig, SdkService, announce};
use federation_routing_tests::scenario::{Policy, Scenario};
use serde_json::Value;

use super::plans::{ask, planned, scenario};
use super::trio::{Member, Trio};
use crate::seen::{eventually, status};
use crate::world::{Side, World, in_the_world, unique};
use crate::worst::Times;

const CHANGED_WITHIN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);
const ROUNDS: usize = 5;
/// The threshold, in its second line, is over a hundred percent.
const WRONG: &str = "locality: off\npanic_threshold: 500\n";

#[test]
fn a_policy_published_in_nacos_changes_plans_at_once_and_a_wrong_one_is_named() {
    in_the_world(async |world| {
        let trio = Trio::start(world).await?;
        let outcome = published_on_both_lines(world, &trio).await;
        for side in Side::BOTH {
            // Also after a failure: it is the item that all gateways there look for.
            world.driver(side, Sdk::Java).remove_config(&item()).await?;
        }
        trio.end(outcome).await
    });
}

/// Where gateways look for their policy if they are not told otherwise.
fn item() -> SdkConfig {
    SdkConfig { group: "nacos-fed".into(), ..SdkConfig::public("routing-policy.yaml") }
}

async fn published_on_both_lines(world: &World, trio: &Trio) -> Result<()> {
    let service = trio.service("orders");
    let members = [
        Member::new("frankfurt", 8001, 2),
        Member::new("shanghai", 8001, 1),
        Member::new("shanghai", 8002, 4),
        Member::new("singapore", 8001, 1),
    ];
    trio.register(world, &service, &members).await?;
    for side in Side::BOTH {
        published(world, trio, side, &service, &members).await?;
    }
    trio.deregister(world, &service, &members).await
}

async fn published(world: &World, trio: &Trio, side: Side, service: &SdkService, members: &[Member]) -> Result<()> {
    let (gateway, driver) = (trio.gateway(side.cluster()), world.driver(side, Sdk::Java));
    let near = scenario(side.cluster(), members);
    let anywhere = Scenario { policy: Policy { locality: false, ..Policy::default() }, ..near.clone() };
    eventually("the defaults are in force", PATIENCE, async || planned(gateway, service, &near).await).await?;

    // The SDK's first item takes a second and more, until it is connected.
    let first = SdkConfig { group: item().group, ..SdkConfig::public(unique("connect")) };
    driver.publish_config(&first, "a: 1").await?;
    driver.remove_config(&first).await?;
    let line = world.nacos(side).line().version();
    let mut times = Times::of(format!("a policy published on Nacos {line}"), CHANGED_WITHIN);
    for round in 0..ROUNDS {
        let (word, wanted) = if round % 2 == 0 { ("off", &anywhere) } else { ("on", &near) };
        let document = format!("# round {round}\nlocality: {word}\n");
        let start = Instant::now();
        driver.publish_config(&item(), &document).await?;
        let probe = async || planned(gateway, service, wanted).await;
        eventually("plans change", times.patience(), probe).await?;
        times.add(start.elapsed());
    }
    times.judge()?;
    let last = ask(gateway, "/v1/resolve", service, side.cluster()).await?;
    let source = last["policy"]["source"].as_str().context("a plan without the source of its policy")?;
    ensure!(source.contains("routing-policy.yaml"), "the policy is said to be from {source}");

    driver.publish_config(&item(), WRONG).await?;
    let named = async || wrong_one_is_named(gateway).await;
    let (words, took) = eventually("the wrong one is named", PATIENCE, named).await?;
    announce(&format!("named on Nacos {line} after {} ms: {words}", took.as_millis()));
    let now = ask(gateway, "/v1/resolve", service, side.cluster()).await?;
    for part in ["fingerprint", "policy"] {
        ensure!(now[part] == last[part], "the wrong one makes {part} {}, it was {}", now[part], last[part]);
    }
    planned(gateway, service, &anywhere).await?;

    driver.remove_config(&item()).await?;
    let undone = async || {
        planned(gateway, service, &near).await?;
        let status = status(gateway).await?;
        ensure!(status["reasons"].as_array().is_some_and(Vec::is_empty), "it still says {}", status["reasons"]);
        Ok(())
    };
    eventually("without it the defaults are in force", PATIENCE, undone).await?;
    Ok(())
}

/// Fails until `/v1/policy` and `/v1/status` say which line of the document is wrong and why; what the status says.
async fn wrong_one_is_named(gateway: &Gateway) -> Result<String> {
    let (code, policy) = gateway.get("/v1/policy", &[]).await?;
    ensure!(code == 200, "{} answers {code} for its policy: {policy}", gateway.cluster());
    let sources = policy["sources"].as_array().context("no sources")?;
    let of_item = |it: &&Value| it["name"].as_str().is_some_and(|name| name.contains("routing-policy.yaml"));
    let source = sources.iter().find(of_item).context("the item is no source")?;
    let mistake = &source["refused"]["mistakes"][0];
    ensure!(mistake["line"] == 2 && mistake["field"] == "panic_threshold", "/v1/policy says {source}");
    ensure!(mistake["problem"].as_str().is_some_and(|problem| problem.contains("500")), "/v1/policy says {source}");

    let status = status(gateway).await?;
    let reasons = status["reasons"].as_array().context("no reasons")?;
    let mut reasons = reasons.iter().filter_map(Value::as_str);
    let reason = reasons.find(|it| it.contains("routing-policy.yaml")).context("the status does not say so")?;
    for word in ["line 2", "panic_threshold", "500"] {
        ensure!(reason.contains(word), "{word} is not in {reason:?}");
    }
    Ok(reason.to_owned())
}
