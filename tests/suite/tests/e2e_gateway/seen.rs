//! What a gateway shows, compared with what an SDK was told to do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation_harness::process::POLL;
use federation_harness::{Gateway, SdkConfig, SdkInstance, SdkService};
use serde_json::{Value, json};

/// Longer than a gateway holds removals after a connect and after it began to lead, some seven seconds later: then it has nothing more to say about its start.
const START_OVER: Duration = Duration::from_secs(26);

/// Asks until `probe` gives something; how long that took.
///
/// # Errors
/// When `within` is over; the error says what `probe` said last.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return Ok((found, start.elapsed())),
            Err(error) if start.elapsed() > within => {
                return Err(error.context(format!("{what}: not within {} ms", within.as_millis())));
            }
            Err(_) => tokio::time::sleep(POLL / 2).await,
        }
    }
}

/// The name of an instance in tests: `origin ip:port/Nacos cluster`.
pub(crate) fn name_of(instance: &Value) -> String {
    let text = |field: &str| instance[field].as_str().unwrap_or("?").to_owned();
    format!("{} {}:{}/{}", text("origin"), text("ip"), instance["port"], text("clusterName"))
}

/// The same of an instance that an SDK registered at `origin`.
pub(crate) fn name_at(origin: &str, instance: &SdkInstance) -> String {
    format!("{origin} {}:{}/{}", instance.ip, instance.port, instance.cluster)
}

/// The instances of a service by name, sorted.
pub(crate) async fn names(gateway: &Gateway, service: &SdkService) -> Result<Vec<String>> {
    let mut names: Vec<String> = instances(gateway, service).await?.iter().map(name_of).collect();
    names.sort();
    Ok(names)
}

pub(crate) async fn instances(gateway: &Gateway, service: &SdkService) -> Result<Vec<Value>> {
    gateway.instances(&service.namespace, &service.group, &service.service).await
}

/// Fails unless `gateway` shows the instance of `origin` with every field as it was registered, and not held.
pub(crate) async fn shows(gateway: &Gateway, service: &SdkService, origin: &str, wanted: &SdkInstance) -> Result<()> {
    let found = instances(gateway, service).await?;
    let name = name_at(origin, wanted);
    let mut same = found.iter().filter(|instance| name_of(instance) == name);
    let shown = same.next().with_context(|| format!("{} does not show {name}", gateway.cluster()))?;
    ensure!(same.next().is_none(), "{} shows {name} twice", gateway.cluster());
    let health = if wanted.healthy { "healthy" } else { "unhealthy" };
    for (field, value) in [
        ("weight", json!(wanted.weight)),
        ("health", json!(health)),
        ("healthy", json!(wanted.healthy)),
        ("enabled", json!(wanted.enabled)),
        ("ephemeral", json!(wanted.ephemeral)),
        ("metadata", json!(wanted.metadata)),
        ("held", Value::Null),
    ] {
        let equal = match (shown[field].as_f64(), value.as_f64()) {
            (Some(shown), Some(wanted)) => shown.to_bits() == wanted.to_bits(),
            _ => shown[field] == value,
        };
        ensure!(equal, "{} shows {field} of {name} as {}, not {value}", gateway.cluster(), shown[field]);
    }
    Ok(())
}

/// Fails while `gateway` shows the instance of `origin` in any form.
pub(crate) async fn lacks(gateway: &Gateway, service: &SdkService, origin: &str, gone: &SdkInstance) -> Result<()> {
    let name = name_at(origin, gone);
    let found = instances(gateway, service).await?;
    match found.iter().find(|instance| name_of(instance) == name) {
        Some(instance) => bail!("{} still shows {instance}", gateway.cluster()),
        None => Ok(()),
    }
}

/// The item of `origin`, if the gateway has one.
pub(crate) async fn config(gateway: &Gateway, config: &SdkConfig, origin: &str) -> Result<Option<Value>> {
    let SdkConfig { namespace, group, data_id } = config;
    let query = [("namespaceId", &**namespace), ("groupName", group), ("dataId", data_id)];
    match gateway.get("/v1/config", &query).await? {
        (200, document) => {
            let items = document["items"].as_array().context("a config answer without items")?;
            Ok(items.iter().find(|item| item["origin"] == origin).cloned())
        }
        (404, _) => Ok(None),
        (status, document) => bail!("{} answers {status} for {data_id}: {document}", gateway.cluster()),
    }
}

/// Fails unless `gateway` shows the item of `origin` with exactly this content.
pub(crate) async fn shows_config(gateway: &Gateway, item: &SdkConfig, origin: &str, content: &str) -> Result<()> {
    let shown = config(gateway, item, origin).await?;
    let shown = shown.with_context(|| format!("{} has no {} of {origin}", gateway.cluster(), item.data_id))?;
    let text = shown["content"].as_str().context("an item without content")?;
    ensure!(
        text.as_bytes() == content.as_bytes(),
        "{} shows {} with {} bytes that begin with {:?}, published were {} that begin with {:?}",
        gateway.cluster(),
        item.data_id,
        text.len(),
        beginning(text),
        content.len(),
        beginning(content)
    );
    Ok(())
}

fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Fails while `gateway` shows the item of `origin`.
pub(crate) async fn lacks_config(gateway: &Gateway, item: &SdkConfig, origin: &str) -> Result<()> {
    let shown = config(gateway, item, origin).await?;
    ensure!(shown.is_none(), "{} still shows {} of {origin}", gateway.cluster(), item.data_id);
    Ok(())
}

/// What the gateway says of itself.
pub(crate) async fn status(gateway: &Gateway) -> Result<Value> {
    let (code, document) = gateway.get("/v1/status", &[]).await?;
    ensure!(code == 200, "{} answers {code} for its status", gateway.cluster());
    Ok(document)
}

/// How it takes another cluster's facts: live, stale, lost, isolated; `unknown` if it has never heard of it.
pub(crate) async fn freshness(gateway: &Gateway, cluster: &str) -> Result<String> {
    let status = status(gateway).await?;
    let clusters = status["clusters"].as_array().context("a status without clusters")?;
    let found = clusters.iter().find(|it| it["cluster"] == cluster);
    Ok(found.and_then(|it| it["freshness"].as_str()).unwrap_or("unknown").to_owned())
}

/// Fails while the gateway may still hold removals because it has just connected.
pub(crate) async fn start_is_over(gateway: &Gateway) -> Result<()> {
    let uptime = status(gateway).await?["uptimeMs"].as_u64().context("a status without uptime")?;
    ensure!(Duration::from_millis(uptime) > START_OVER, "{} is up for {uptime} ms", gateway.cluster());
    Ok(())
}

/// Fails unless the gateway is ready without reserve, sees every cluster live, and has nothing left to say or to hold. That nothing of what
/// it is to export is there yet is no reserve.
pub(crate) async fn settled(gateway: &Gateway) -> Result<()> {
    let status = status(gateway).await?;
    let clusters = status["clusters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let live = clusters.iter().filter(|cluster| cluster["freshness"] == "live").count();
    let idle = ["changesWaiting", "recordsInFlight", "removalsHeld"].iter().all(|fact| status["facts"][fact] == "0");
    let matches_nothing = |reason: &Value| reason.as_str().is_some_and(|text| text.contains("matches no service"));
    let reserves = status["reasons"].as_array().is_none_or(|reasons| !reasons.iter().all(matches_nothing));
    let whole = status["ready"] == true && !reserves;
    ensure!(whole && live == clusters.len() && live > 1 && idle, "{} says {status}", gateway.cluster());
    Ok(())
}
