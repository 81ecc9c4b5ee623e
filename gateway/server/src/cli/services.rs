//! `services`: which services there are, and how many instances each cluster has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::args::{Filter, Global};
use super::client::Client;
use super::clusters::{items, text};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::table::{Table, left, right};

/// Most clusters that have a column each; more are written in one cell.
const MOST_COLUMNS: usize = 8;

/// Lists all services, whatever the number of pages.
pub(super) async fn run(
    filter: &Filter,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", global.group.as_deref()),
        ("origin", filter.origin.as_deref()),
    ];
    let document = client.get_all("/v1/services", &parameters, "services").await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&table(&document))?,
    }
    Ok(Exit::Ok)
}

fn table(document: &Value) -> String {
    let services = items(document, "services");
    let clusters: BTreeSet<&str> = services
        .iter()
        .filter_map(|service| service["clusters"].as_object())
        .flat_map(|of| of.keys())
        .map(String::as_str)
        .collect();
    let as_columns = clusters.len() <= MOST_COLUMNS;
    let mut columns = vec![left("NAMESPACE"), left("GROUP"), left("SERVICE")];
    if as_columns {
        columns.extend(clusters.iter().map(|cluster| right(cluster)));
    } else {
        columns.push(left("CLUSTERS"));
    }
    let mut table = Table::new(columns);
    for service in services {
        let mut row = vec![namespace(service), text(service, "groupName"), text(service, "serviceName")];
        let counted = clusters.iter().map(|cluster| (cluster, counts(&service["clusters"][cluster])));
        if as_columns {
            row.extend(counted.map(|(_, counts)| counts));
        } else {
            let present = counted.filter(|(_, counts)| !counts.is_empty());
            row.push(present.map(|(cluster, counts)| format!("{cluster} {counts}")).collect::<Vec<_>>().join(", "));
        }
        table.row(row);
    }
    format!("{}{} services\n", table.render(), services.len())
}

/// The namespace's id; the empty one is shown as what has to be typed for it.
pub(super) fn namespace(document: &Value) -> String {
    match text(document, "namespaceId") {
        empty if empty.is_empty() => "\"\"".to_owned(),
        id => id,
    }
}

/// `healthy/instances`, and how many are unknown; empty where the cluster has none.
fn counts(cluster: &Value) -> String {
    let count = |name: &str| cluster.get(name).and_then(Value::as_u64).unwrap_or(0);
    match (count("healthy"), count("instances"), count("unknown")) {
        (_, 0, _) => String::new(),
        (healthy, instances, 0) => format!("{healthy}/{instances}"),
        (healthy, instances, unknown) => format!("{healthy}/{instances} {unknown}?"),
    }
}
