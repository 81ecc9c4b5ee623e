//! `service`: all instances of one service, from every cluster.

use federation_answers::discovery::{InstanceDocument, ServiceDocument};
use federation_core::host::Host;

use super::args::{Global, Name, ServiceName};
use super::client::Client;
use super::clusters::{age_of, freshness, locality};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::services::namespace;
use super::table::{Table, left, right};
use federation_answers::printable::printable;

/// Shows one service; a service without any instance is a failure.
pub(super) async fn run(
    service: &ServiceName,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = Name::parse(&service.name, global.group.as_deref())?;
    let answer = client.get("/v1/service", &parameters(&name, service, global)).await?;
    output.answer(&answer, table)?;
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

fn table(document: &ServiceDocument<'static>) -> String {
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
    for instance in &document.instances {
        table.row([
            address(&instance.ip, instance.port),
            instance.cluster_name.to_string(),
            instance.origin.to_string(),
            locality(&instance.locality),
            weight(instance.weight),
            health(instance),
            freshness(&instance.freshness, &instance.freshness_reason),
            age_of(instance.age_ms),
            metadata(instance),
        ]);
    }
    format!("{}\n{}", heading(document), table.render())
}

/// Namespace, group, service, version and how many instances there are.
pub(super) fn heading(document: &ServiceDocument<'_>) -> String {
    let ServiceDocument { namespace_id, group_name, service_name, version, instances } = document;
    let (namespace, count) = (namespace(namespace_id), instances.len());
    printable(&format!("{group_name}@@{service_name} in namespace {namespace}, version {version}: {count} instances"))
}

/// `ip:port`, an IPv6 address in brackets.
pub(super) fn address(ip: &str, port: u16) -> String {
    Host::from(ip).with_port(port).to_string()
}

/// As it was registered: `1.0`, as JSON has it.
pub(super) fn weight(weight: f64) -> String {
    format!("{weight:?}")
}

/// Health, and what else keeps an instance from being used or from going.
pub(super) fn health(instance: &InstanceDocument<'_>) -> String {
    let mut health = instance.health.to_string();
    if !instance.enabled {
        health.push_str(", disabled");
    }
    if let Some(held) = &instance.held {
        health.push_str(&format!(", held ({})", held.reason));
    }
    health
}

/// `name=value` pairs.
pub(super) fn metadata(instance: &InstanceDocument<'_>) -> String {
    instance.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
