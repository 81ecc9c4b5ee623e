//! What services' callers get now and would get, as a table.

use serde_json::{Map, Value};

use super::clusters::{items, text};
use super::exit::service_name;
use super::table::{Table, left, right};

/// The document as text: a line for each service and caller that anything changes for, and the totals.
pub(super) fn show(document: &Value) -> String {
    let services = items(document, "services");
    let mut parts = Vec::new();
    if !services.is_empty() {
        parts.push(table(services));
    }
    parts.push(totals(document, services.len()));
    parts.join("\n")
}

/// How many services are said to be so.
pub(super) fn count(document: &Value, impact: &str) -> u64 {
    document["counts"][impact].as_u64().unwrap_or(0)
}

fn table(services: &[Value]) -> String {
    let columns =
        [left("SERVICE"), left("CALLER IN"), left("WHAT"), left("NOW"), left("THEN"), right("HEALTHY"), right("THEN")];
    let mut table = Table::new(columns);
    for service in services {
        let concerned = items(service, "callers").iter().filter(|caller| caller["impact"] != "nothing");
        for caller in concerned {
            table.row([
                service_name(service),
                text(caller, "caller"),
                word(&text(caller, "impact")).to_owned(),
                shares(&caller["before"]),
                shares(&caller["after"]),
                text(&caller["before"], "healthy"),
                text(&caller["after"], "healthy"),
            ]);
        }
    }
    table.render()
}

fn totals(document: &Value, shown: usize) -> String {
    let total = document["total"].as_u64().unwrap_or(0);
    let mut text =
        format!("{} of the {} looked at", services(total), services(document["examined"].as_u64().unwrap_or(0)));
    let of = ["leftWithout", "refused", "partlyServed", "nothingHealthy", "moved"];
    let counts: Vec<String> = (of.iter().map(|impact| (word(impact), count(document, impact))))
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    text.push_str(if counts.is_empty() { ": nothing changes" } else { ": " });
    text.push_str(&counts.join(", "));
    if (shown as u64) < total {
        text.push_str(&format!("; the first {shown} are shown, --limit shows more"));
    }
    text
}

fn services(count: u64) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}

/// `frankfurt 70 %, shanghai 30 %`, the largest first, those that get nothing left out.
fn shares(document: &Value) -> String {
    let none = Map::new();
    let mut shares: Vec<(&String, u64)> = (document["clusters"].as_object().unwrap_or(&none).iter())
        .map(|(cluster, share)| (cluster, share.as_u64().unwrap_or(0)))
        .filter(|(_, share)| *share > 0)
        .collect();
    shares.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
    let shown: Vec<String> = shares.iter().map(|(cluster, share)| format!("{cluster} {}", percent(*share))).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Millionths as a percentage, exactly, without zeros that say nothing.
fn percent(millionths: u64) -> String {
    let text = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn word(impact: &str) -> &str {
    match impact {
        "leftWithout" => "left without anything",
        "refused" => "void, nothing healthy would be left",
        "partlyServed" => "partly without anything",
        "nothingHealthy" => "nothing healthy left",
        other => other,
    }
}
