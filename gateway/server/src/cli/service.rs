//! `service`: all instances of one service, from every cluster.

use federation_core::host::Host;
use serde_json::Value;

use super::args::{Global, Name, ServiceName};
use super::client::Client;
use super::clusters::{age_of, freshness, items, locality, text};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::services::namespace;
use super::table::{Table, left, right};

/// Shows one service; a service without any instance is a failure.
pub(super) async fn run(
    service: &ServiceName,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = Name::parse(&service.name, global.group.as_deref())?;
    let document = client.get("/v1/service", &parameters(&name, service, global)).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&table(&document))?,
    }
    Ok(Exit::Ok)
}

/// The query for one service, to look at or to watch.
pub(super) fn parameters<'a>(
    name: &'a Name,
    service: &'a ServiceName,
    global: &'a Global,
) -> [(&'static str, Option<&'a str>); 5] {
    [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", name.group.as_deref()),
        ("serviceName", Some(&name.name)),
        ("origin", service.origin.as_deref()),
        ("healthyOnly", service.healthy_only.then_some("true")),
    ]
}

fn table(document: &Value) -> String {
    let mut table = Table::new([
        left("INSTANCE"),
        left("CLUSTER"),
        left("ORIGIN"),
        left("LOCALITY"),
        right("WEIGHT"),
        left("HEALTH"),
        left("FRESHNESS"),
        right("AGE"),
        left("METADATA"),
    ]);
    let instances = items(document, "instances");
    for instance in instances {
        table.row([
            address(instance),
            text(instance, "clusterName"),
            text(instance, "origin"),
            locality(&instance["locality"]),
            text(instance, "weight"),
            health(instance),
            freshness(instance),
            age_of(instance),
            metadata(&instance["metadata"]),
        ]);
    }
    format!("{}\n{}", heading(document), table.render())
}

/// Namespace, group, service, version and how many instances there are.
pub(super) fn heading(document: &Value) -> String {
    let name = format!("{}@@{}", text(document, "groupName"), text(document, "serviceName"));
    let instances = items(document, "instances").len();
    let version = text(document, "version");
    printable(&format!("{} in namespace {}, version {version}: {instances} instances", name, namespace(document)))
}

/// `ip:port`, an IPv6 address in brackets.
pub(super) fn address(instance: &Value) -> String {
    let port = instance["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    Host::from(&*text(instance, "ip")).with_port(port).to_string()
}

/// Health, and what else keeps an instance from being used or from going.
pub(super) fn health(instance: &Value) -> String {
    let mut health = text(instance, "health");
    if instance["enabled"] == false {
        health.push_str(", disabled");
    }
    match &instance["held"] {
        Value::Null => {}
        Value::Object(held) => {
            let reason = held.get("reason").and_then(Value::as_str).map(|reason| format!(" ({reason})"));
            health.push_str(&format!(", held{}", reason.unwrap_or_default()));
        }
        _ => health.push_str(", held"),
    }
    health
}

/// `name=value` pairs.
pub(super) fn metadata(metadata: &Value) -> String {
    let pairs = metadata.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" ")
}
