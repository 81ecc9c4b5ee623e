//! `guard list`, `guard release` and `guard keep`: mass losses that are held, and what is to become of them.

use federation_answers::guard::{DecisionBody, HoldDocument, HoldsDocument};

use super::age::age;
use super::args::{Guard, HoldDecision};
use super::client::Client;
use super::drain::user_and_host;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left, right};
use federation_answers::printable::printable;

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
    let answer = client.get::<HoldsDocument>(PATH, &[]).await?;
    output.answer(&answer, |document| match document.holds.as_slice() {
        [] => "nothing is held".to_owned(),
        holds => table(holds),
    })?;
    let undecided = answer.document.holds.iter().any(|hold| hold.state == "held");
    Ok(if undecided { Exit::Negative } else { Exit::Ok })
}

async fn decide(
    action: &str,
    decision: &HoldDecision,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let body = DecisionBody {
        id: decision.id.clone(),
        action: action.to_owned(),
        reason: decision.reason.clone(),
        who: Some(decision.who.clone().unwrap_or_else(user_and_host)),
        dry_run: decision.dry_run,
    };
    let answer = client.post(PATH, &[], &body).await?;
    output.answer(&answer, |hold: &HoldDocument| {
        let (id, kept) = (printable(&hold.id), hold.kept);
        if decision.dry_run {
            return format!("{}\nNothing was decided.", table(std::slice::from_ref(hold)));
        }
        match action {
            "keep" => format!(
                "{id}: {kept} removals are kept back until somebody says otherwise or all came back. Undo: nacos-fed guard release {id}"
            ),
            _ => format!(
                "{id}: {kept} removals go, at all gateways within about 2 s. What registers again is shown again."
            ),
        }
    })?;
    Ok(Exit::Ok)
}

fn table(holds: &[HoldDocument]) -> String {
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
        table.row([
            hold.id.clone(),
            hold.cluster.clone(),
            hold.namespace_id.clone(),
            hold.state.to_string(),
            age(hold.age_ms),
            hold.kept.to_string(),
            format!("{} of {}, {} %", hold.lost, hold.of, hold.percent),
            hold.who.clone(),
            hold.why.clone().unwrap_or_default(),
        ]);
    }
    let what_to_do = holds.iter().map(|hold| format!("{}: {}", printable(&hold.id), printable(&hold.what_to_do)));
    let lines: Vec<String> = std::iter::once(table.render()).chain(what_to_do).collect();
    lines.join("\n")
}
