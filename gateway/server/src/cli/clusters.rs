//! `clusters`: the members of the federation and how fresh they are.

use std::borrow::Cow;

use federation_answers::discovery::{ClusterDocument, ClustersDocument, LocalityDocument};

use super::age::age;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left, right};
use federation_answers::printable::printable;

/// Shows all clusters.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let answer = client.get::<ClustersDocument<'static>>("/v1/clusters", &[]).await?;
    output.answer(&answer, |document| {
        let keys = document.clusters.iter().filter_map(|it| Some((&it.cluster, it.signing_key.as_ref()?)));
        keys.fold(table(&document.clusters), |told, (cluster, key)| {
            format!("{told}\n{} says that it signs its orders by {}", printable(cluster), printable(key))
        })
    })?;
    Ok(Exit::Ok)
}

/// Whether every cluster is live.
pub(super) fn all_live(clusters: &[ClusterDocument<'_>]) -> bool {
    clusters.iter().all(|cluster| cluster.freshness == "live")
}

/// A line for each cluster.
pub(super) fn table(clusters: &[ClusterDocument<'_>]) -> String {
    let mut table = Table::new([
        left("CLUSTER"),
        left("LOCALITY"),
        left("FRESHNESS"),
        right("AGE"),
        right("SERVICES"),
        right("INSTANCES"),
        right("CONFIGS"),
    ]);
    for it in clusters {
        let local = if it.local { " (local)" } else { "" };
        table.row([
            format!("{}{local}", it.cluster),
            locality(&it.locality),
            freshness(&it.freshness, &it.freshness_reason),
            age_of(it.age_ms),
            it.services.to_string(),
            it.instances.to_string(),
            it.configs.to_string(),
        ]);
    }
    table.render()
}

/// Freshness and, where there is one, its reason.
pub(super) fn freshness(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") }
}

/// An age for people; empty where it is unknown.
pub(super) fn age_of(age_ms: Option<u64>) -> String {
    age_ms.map(age).unwrap_or_default()
}

/// `region/zone/subZone` down to the last that is known.
pub(super) fn locality(locality: &LocalityDocument<'_>) -> String {
    place([&locality.region, &locality.zone, &locality.sub_zone])
}

/// The same of three parts.
pub(super) fn place(parts: [&Option<Cow<'_, str>>; 3]) -> String {
    let parts = parts.map(|part| part.as_deref().unwrap_or_default());
    parts.join("/").trim_end_matches('/').to_owned()
}
