//! `guard list`, `guard release` and `guard keep`: mass losses that are held, and what is to become of them.

use serde_json::{Value, json};

use super::age::age;
use super::args::{Guard, HoldDecision};
use super::client::Client;
use super::clusters::{items, text};
use super::drain::user_and_host;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::table::{Table, left, right};

const PATH: &str = "/v1/guard";

/// Runs one of the three.
pub(super) async fn run(guard: &Guard, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match guard {
        Guard::List => list(client, output).await,
        Guard::Release(decision) => decide("release", decision, client, output).await,
        Guard::Keep(decision) => decide("keep", decision, client, output).await,
    }
}

async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let document = client.get(PATH, &[]).await?;
    let holds = items(&document, "holds");
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table if holds.is_empty() => output.text("nothing is held")?,
        Format::Table => output.text(&table(holds))?,
    }
    Ok(if holds.iter().any(|hold| hold["state"] == "held") { Exit::Negative } else { Exit::Ok })
}

async fn decide(
    action: &str,
    decision: &HoldDecision,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let body = json!({
        "id": decision.id,
        "action": action,
        "reason": decision.reason.clone().unwrap_or_default(),
        "who": decision.who.clone().unwrap_or_else(user_and_host),
        "dryRun": decision.dry_run,
    });
    let hold = client.post(PATH, &[], &body).await?;
    let (id, kept) = (printable(&text(&hold, "id")), text(&hold, "kept"));
    match output.format {
        Format::Json => output.document(&hold)?,
        Format::Table if decision.dry_run => {
            output.text(&format!("{}\nNothing was decided.", table(std::slice::from_ref(&hold))))?;
        }
        Format::Table if action == "keep" => output.text(&format!(
            "{id}: {kept} removals are kept back until somebody says otherwise or all came back. Undo: nacos-fed guard release {id}"
        ))?,
        Format::Table => output.text(&format!(
            "{id}: {kept} removals go, at all gateways within about 2 s. What registers again is shown again."
        ))?,
    }
    Ok(Exit::Ok)
}

fn table(holds: &[Value]) -> String {
    let columns = [
        left("ID"),
        left("CLUSTER"),
        left("NAMESPACE"),
        left("STATE"),
        right("SINCE"),
        right("HELD"),
        right("LOST"),
        left("WHO"),
        left("WHY"),
    ];
    let mut table = Table::new(columns);
    for hold in holds {
        let since = hold["ageMs"].as_u64().map(age).unwrap_or_default();
        let lost = format!("{} of {}, {} %", text(hold, "lost"), text(hold, "of"), text(hold, "percent"));
        let named = ["id", "cluster", "namespaceId", "state"].map(|name| text(hold, name));
        let row = named.into_iter().chain([since, text(hold, "kept"), lost, text(hold, "who"), text(hold, "why")]);
        table.row(row);
    }
    let what_to_do =
        holds.iter().map(|hold| format!("{}: {}", printable(&text(hold, "id")), printable(&text(hold, "whatToDo"))));
    let lines: Vec<String> = std::iter::once(table.render()).chain(what_to_do).collect();
    lines.join("\n")
}
