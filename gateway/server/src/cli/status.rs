//! `status`: is the gateway ready and without trouble, is every cluster live.

use serde_json::Value;

use super::client::Client;
use super::clusters;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;

/// Shows the gateway's own state and all clusters.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut status = client.get("/v1/status", &[]).await?;
    let clusters = client.get("/v1/clusters", &[]).await?;
    let ready = client.is_ready().await?;
    let untroubled = status["troubles"].as_array().is_none_or(Vec::is_empty);
    let exit = if ready && untroubled && clusters::all_live(&clusters) { Exit::Ok } else { Exit::Negative };
    match output.format {
        Format::Json => {
            if let Value::Object(members) = &mut status {
                members.entry("ready").or_insert(ready.into());
                members.entry("clusters").or_insert_with(|| clusters["clusters"].clone());
            }
            output.document(&status)?;
        }
        Format::Table => {
            output.text(&format!("{}\n{}", facts(&status, ready), clusters::table(&clusters)))?;
        }
    }
    Ok(exit)
}

/// Readiness and its reasons (the texts of troubles are among them) first, then whatever else the gateway tells, one fact a line.
fn facts(status: &Value, ready: bool) -> String {
    let mut lines = vec![("ready".to_owned(), if ready { "yes" } else { "no" }.to_owned())];
    for (name, value) in status.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "ready" | "clusters" | "troubles") {
            flatten(name, value, &mut lines);
        }
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// A line for each scalar; lists of texts have a line for each item, maps are led by their name except `facts`.
fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (member, value) in members {
                let path = if name == "facts" { member.clone() } else { format!("{name}.{member}") };
                flatten(&path, value, lines);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(name, item, lines)),
        Value::String(text) => lines.push((printable(name), printable(text))),
        Value::Bool(flag) => lines.push((printable(name), if *flag { "yes" } else { "no" }.to_owned())),
        Value::Number(number) => lines.push((printable(name), number.to_string())),
    }
}
