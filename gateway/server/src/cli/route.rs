//! `route`: what a scenario file gives, and why.

use super::args::Route;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::table::{Table, left, right};
use crate::scenario::{self, answer::ScenarioAnswer};
use federation_answers::printable::printable;

/// Plans the file.
pub(super) fn run(args: &Route, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let scenario = scenario::load(&args.scenario)?;
    let answer = ScenarioAnswer::new(&scenario, &scenario.plan());
    match output.format {
        Format::Json => output.document(&answer)?,
        Format::Table => output.text(&text(&answer))?,
    }
    Ok(Exit::Ok)
}

fn text(answer: &ScenarioAnswer) -> String {
    let trace: Vec<String> = answer.trace.iter().map(|line| printable(line)).collect();
    let mut parts = vec![priorities(answer), endpoints(answer)];
    if !answer.left_out.is_empty() {
        parts.push(left_out(answer));
    }
    parts.push(trace.join("\n"));
    parts.join("\n")
}

fn priorities(answer: &ScenarioAnswer) -> String {
    let counts = ["PRIORITY", "TOTAL", "HEALTHY", "DEGRADED", "EXCLUDED", "LOAD", "DEGRADED LOAD"];
    let mut table = Table::new(counts.map(right).into_iter().chain([left("PANIC")]));
    for it in &answer.priorities {
        let counts = [it.total, it.healthy, it.degraded, it.excluded].map(|count| count.to_string());
        let loads = [it.load, it.degraded_load].map(|load| format!("{load} %"));
        let panic = if it.panic { "yes" } else { "no" };
        table.row([it.priority.to_string()].into_iter().chain(counts).chain(loads).chain([panic.to_owned()]));
    }
    table.render()
}

fn endpoints(answer: &ScenarioAnswer) -> String {
    let columns =
        [left("ENDPOINT"), left("ORIGIN"), right("PRIORITY"), left("LOCALITY"), right("WEIGHT"), right("SHARE")];
    let mut table = Table::new(columns);
    for it in &answer.endpoints {
        let (id, origin, locality) = (it.id.clone(), it.origin.clone(), it.locality.clone());
        table.row([id, origin, it.priority.to_string(), locality, it.weight.to_string(), percent(it.share)]);
    }
    table.render()
}

fn left_out(answer: &ScenarioAnswer) -> String {
    let mut table = Table::new([left("LEFT OUT"), left("REASON")]);
    answer.left_out.iter().for_each(|it| table.row([it.id.clone(), it.reason.clone()]));
    table.render()
}

/// Millionths as a percentage, exactly.
fn percent(millionths: u64) -> String {
    format!("{}.{:04} %", millionths / 10_000, millionths % 10_000)
}
