//! What a gateway plans, compared with the naive arithmetic on what is known to be true.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, SdkService};
use federation_routing_tests::naive::{self, Answer, Priority};
use federation_routing_tests::scenario::{Caller, Drain, Endpoint, Policy, Scenario};
use serde_json::Value;

use super::trio::Member;

/// Priority and millionths by id.
pub(super) type Shares = BTreeMap<String, (usize, u64)>;

/// What is to be planned for a caller in `region`: everybody is live, by the default policy, with no drains.
pub(super) fn scenario(region: &str, members: &[Member]) -> Scenario {
    let place = |region: &str| [Some(region.to_owned()), None, None];
    let endpoint = |member: &Member| Endpoint {
        place: place(member.cluster),
        weight: 1000 * u64::from(member.weight),
        health: member.health,
        ..Endpoint::new(&member.id(), member.cluster)
    };
    Scenario {
        caller: Caller { place: place(region), ..Caller::default() },
        policy: Policy::default(),
        origins: BTreeMap::new(),
        drains: Vec::<Drain>::new(),
        endpoints: members.iter().map(endpoint).collect(),
    }
}

pub(super) fn shares_of(answer: &Answer) -> Shares {
    answer.endpoints.iter().map(|it| (it.id.clone(), (it.priority, it.share))).collect()
}

/// What each cluster gets.
pub(super) fn by_cluster(shares: &Shares) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (id, (_, share)) in shares {
        let cluster = id.split('/').next().unwrap_or_default();
        *sums.entry(cluster.to_owned()).or_default() += share;
    }
    sums
}

/// `/v1/resolve` or `/v1/explain` for a caller in `region`.
pub(super) async fn ask(gateway: &Gateway, path: &str, service: &SdkService, region: &str) -> Result<Value> {
    let query = [
        ("namespaceId", &*service.namespace),
        ("groupName", &service.group),
        ("serviceName", &service.service),
        ("region", region),
    ];
    let (status, document) = gateway.get(path, &query).await?;
    ensure!(status == 200, "{} answers {status} for {path}: {document}", gateway.cluster());
    Ok(document)
}

pub(super) fn endpoints(document: &Value) -> Result<&[Value]> {
    document["endpoints"].as_array().map(Vec::as_slice).context("no endpoints")
}

pub(super) fn shares(document: &Value) -> Result<Shares> {
    let text = |endpoint: &Value, field: &str| endpoint[field].as_str().unwrap_or("?").to_owned();
    let one = |it: &Value| {
        let id = format!("{}/{}:{}@{}", text(it, "origin"), text(it, "ip"), it["port"], text(it, "clusterName"));
        let priority = it["priority"].as_u64().context("no priority")?;
        Ok((id, (usize::try_from(priority)?, it["share"].as_u64().context("no share")?)))
    };
    endpoints(document)?.iter().map(one).collect()
}

/// Fails unless the gateway plans the scenario as the naive arithmetic does, for callers and in explanations.
pub(super) async fn planned(gateway: &Gateway, service: &SdkService, scenario: &Scenario) -> Result<()> {
    let region = scenario.caller.place[0].as_deref().context("the caller has no region")?;
    let answer = naive::answer(scenario);
    let wanted = shares_of(&answer);
    for path in ["/v1/resolve", "/v1/explain"] {
        let found = shares(&ask(gateway, path, service, region).await?)?;
        ensure!(found == wanted, "{path} of {} gives {found:?}, not {wanted:?}", gateway.cluster());
    }
    Ok(())
}

/// Fails unless the gateway's explanation says `rule` of the load, and counts and loads as the naive arithmetic has them.
pub(super) async fn load_explained(
    gateway: &Gateway,
    service: &SdkService,
    scenario: &Scenario,
    rule: &str,
) -> Result<String> {
    let region = scenario.caller.place[0].as_deref().context("the caller has no region")?;
    let line = trace_line(&ask(gateway, "/v1/explain", service, region).await?, "load: ")?;
    let levels: Vec<String> = naive::answer(scenario).priorities.iter().enumerate().map(level).collect();
    ensure!(line.starts_with(rule), "{} does not say {rule:?}: {line}", gateway.cluster());
    ensure!(line.ends_with(&levels.join(", ")), "{} does not say {levels:?}: {line}", gateway.cluster());
    Ok(line)
}

/// A step of the trace.
pub(super) fn trace_line(document: &Value, step: &str) -> Result<String> {
    let lines = document["trace"].as_array().context("no trace")?;
    let mut lines = lines.iter().filter_map(Value::as_str);
    let line = lines.find_map(|line| line.strip_prefix(step)).with_context(|| format!("no step {step}"))?;
    Ok(line.to_owned())
}

fn level((index, priority): (usize, &Priority)) -> String {
    let ([total, healthy, degraded, excluded], [load, degraded_load]) = (priority.counts, priority.loads);
    let panic = if priority.panic { " panics," } else { "" };
    format!(
        "P{index}{panic} {healthy} healthy {degraded} degraded {excluded} excluded of {total}: {load} % healthy load {degraded_load} % degraded load"
    )
}
