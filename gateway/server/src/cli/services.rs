//! `services`: which services there are, and how many instances each cluster has.

use std::collections::BTreeSet;

use federation_answers::discovery::{CountsDocument, ServicesDocument};

use super::args::{Global, ServicesFilter};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left, right};

/// Most clusters that have a column each; more are written in one cell.
const MOST_COLUMNS: usize = 8;

/// Lists all services, whatever the number of pages.
pub(super) async fn run(
    wanted: &ServicesFilter,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let states = (!wanted.state.is_empty()).then(|| wanted.state.join(","));
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", global.group.as_deref()),
        ("origin", wanted.filter.origin.as_deref()),
        ("q", wanted.query.as_deref()),
        ("state", states.as_deref()),
        ("sort", wanted.sort.as_deref()),
    ];
    let answer = client.get_all::<ServicesDocument<'static>>("/v1/services", &parameters, "services").await?;
    output.answer(&answer, table)?;
    Ok(Exit::Ok)
}

fn table(document: &ServicesDocument<'_>) -> String {
    let services = &document.services;
    let clusters: BTreeSet<&str> =
        services.iter().flat_map(|service| service.clusters.keys()).map(|cluster| &**cluster).collect();
    let with_states = services.iter().any(|service| !service.states.is_empty()); // Gateways of before have none.
    let as_columns = clusters.len() <= MOST_COLUMNS;
    let mut columns = vec![left("NAMESPACE"), left("GROUP"), left("SERVICE")];
    if as_columns {
        columns.extend(clusters.iter().map(|cluster| right(cluster)));
    } else {
        columns.push(left("CLUSTERS"));
    }
    if with_states {
        columns.push(left("STATES"));
    }
    let mut table = Table::new(columns);
    for service in services {
        let mut row =
            vec![namespace(&service.namespace_id), service.group_name.to_string(), service.service_name.to_string()];
        let counted =
            clusters.iter().map(|cluster| (cluster, service.clusters.get(*cluster).map(counts).unwrap_or_default()));
        if as_columns {
            row.extend(counted.map(|(_, counts)| counts));
        } else {
            let present = counted.filter(|(_, counts)| !counts.is_empty());
            row.push(present.map(|(cluster, counts)| format!("{cluster} {counts}")).collect::<Vec<_>>().join(", "));
        }
        if with_states {
            row.push(service.states.join(", "));
        }
        table.row(row);
    }
    format!("{}{} services{}\n", table.render(), services.len(), filtered(document.filtered))
}

/// What is said below a list of which only a part may be seen.
pub(super) fn filtered(filtered: bool) -> &'static str {
    if filtered { ", others may not be seen with these roles" } else { "" }
}

/// The namespace's id; the empty one is shown as what has to be typed for it.
pub(super) fn namespace(id: &str) -> String {
    if id.is_empty() { "\"\"".to_owned() } else { id.to_owned() }
}

/// `healthy/instances`, and how many are unknown; empty where the cluster has none.
fn counts(counts: &CountsDocument) -> String {
    match counts {
        CountsDocument { instances: 0, .. } => String::new(),
        CountsDocument { healthy, instances, unknown: 0 } => format!("{healthy}/{instances}"),
        CountsDocument { healthy, instances, unknown } => format!("{healthy}/{instances} {unknown}?"),
    }
}
