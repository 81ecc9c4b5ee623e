//! `clusters`: the members of the federation and how fresh they are.

use serde_json::Value;

use super::age::age;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::table::{Table, left, right};

/// Shows all clusters.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let document = client.get("/v1/clusters", &[]).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&table(&document))?,
    }
    Ok(Exit::Ok)
}

/// Whether every cluster of the document is live.
pub(super) fn all_live(document: &Value) -> bool {
    items(document, "clusters").iter().all(|cluster| cluster["freshness"] == "live")
}

/// A line for each cluster of the document.
pub(super) fn table(document: &Value) -> String {
    let mut table = Table::new([
        left("CLUSTER"),
        left("LOCALITY"),
        left("FRESHNESS"),
        right("AGE"),
        right("SERVICES"),
        right("INSTANCES"),
        right("CONFIGS"),
    ]);
    for cluster in items(document, "clusters") {
        let local = if cluster["local"] == true { " (local)" } else { "" };
        table.row([
            format!("{}{local}", text(cluster, "cluster")),
            locality(&cluster["locality"]),
            freshness(cluster),
            age_of(cluster),
            text(cluster, "services"),
            text(cluster, "instances"),
            text(cluster, "configs"),
        ]);
    }
    table.render()
}

/// The list of this name; empty where there is none.
pub(super) fn items<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The member as text; empty where there is none.
pub(super) fn text(document: &Value, name: &str) -> String {
    match document.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Freshness and, where there is one, its reason.
pub(super) fn freshness(document: &Value) -> String {
    match (text(document, "freshness"), text(document, "freshnessReason")) {
        (freshness, reason) if reason.is_empty() => freshness,
        (freshness, reason) => format!("{freshness}: {reason}"),
    }
}

/// `ageMs` for people; empty where it is unknown.
pub(super) fn age_of(document: &Value) -> String {
    document.get("ageMs").and_then(Value::as_u64).map(age).unwrap_or_default()
}

/// `region/zone/subZone` down to the last that is known.
pub(super) fn locality(document: &Value) -> String {
    if let Value::String(text) = document {
        return text.clone();
    }
    let parts = ["region", "zone", "subZone"].map(|part| text(document, part));
    parts.join("/").trim_end_matches('/').to_owned()
}
