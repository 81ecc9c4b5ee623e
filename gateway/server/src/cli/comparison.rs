//! What services' callers get now and would get, as a table.

use federation_answers::comparison::{ComparedService, ComparisonDocument, CountsDocument, SharesDocument};

use super::table::{Table, left, right};

/// The document as text: a line for each service and caller that anything changes for, and the totals.
pub(super) fn show(document: &ComparisonDocument) -> String {
    let mut parts = Vec::new();
    if !document.services.is_empty() {
        parts.push(table(&document.services));
    }
    parts.push(totals(document));
    parts.join("\n")
}

fn table(services: &[ComparedService]) -> String {
    let columns =
        [left("SERVICE"), left("CALLER IN"), left("WHAT"), left("NOW"), left("THEN"), right("HEALTHY"), right("THEN")];
    let mut table = Table::new(columns);
    for service in services {
        let ComparedService { namespace_id, group_name, service_name, .. } = service;
        for caller in service.callers.iter().filter(|caller| caller.impact != "nothing") {
            table.row([
                format!("{namespace_id}/{group_name}@@{service_name}"),
                caller.caller.clone(),
                word(&caller.impact).to_owned(),
                shares(&caller.before),
                shares(&caller.after),
                caller.before.healthy.to_string(),
                caller.after.healthy.to_string(),
            ]);
        }
    }
    table.render()
}

fn totals(document: &ComparisonDocument) -> String {
    let (total, shown) = (document.total, document.services.len());
    let mut text = format!("{} of the {} looked at", services(total), services(document.examined));
    let CountsDocument { left_without, refused, partly_served, nothing_healthy, moved } = document.counts;
    let counts = [
        ("leftWithout", left_without),
        ("refused", refused),
        ("partlyServed", partly_served),
        ("nothingHealthy", nothing_healthy),
        ("moved", moved),
    ];
    let counted = counts.iter().filter(|(_, count)| *count > 0);
    let counted: Vec<String> = counted.map(|(impact, count)| format!("{count} {}", word(impact))).collect();
    text.push_str(if counted.is_empty() { ": nothing changes" } else { ": " });
    text.push_str(&counted.join(", "));
    if shown < total {
        text.push_str(&format!("; the first {shown} are shown, --limit shows more"));
    }
    text
}

fn services(count: usize) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}

/// `frankfurt 70 %, shanghai 30 %`, the largest first, those that get nothing left out.
fn shares(document: &SharesDocument) -> String {
    let mut shares: Vec<(&String, u32)> = document.clusters.iter().map(|(cluster, share)| (cluster, *share)).collect();
    shares.retain(|(_, share)| *share > 0);
    shares.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
    let shown: Vec<String> = shares.iter().map(|(cluster, share)| format!("{cluster} {}", percent(*share))).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Millionths as a percentage, exactly, without zeros that say nothing.
fn percent(millionths: u32) -> String {
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
