//! `replay`: whether a recording of a gateway's inputs has the effects again that it had.

use federation_engine::recording::{self, ReplayOutcome};
use serde::Serialize;

use super::args::Replay;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    steps: u64,
    with_effects: u64,
    differs_at: Option<u64>,
}

/// Replays the file.
pub(super) fn run(args: &Replay, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let ReplayOutcome { steps, with_effects, differs_at } = recording::replay(&args.recording)?;
    match (output.format, differs_at) {
        (Format::Json, _) => output.document(&Document { steps, with_effects, differs_at })?,
        (Format::Table, None) => {
            output.text(&format!("{steps} steps, {with_effects} with effects: all as recorded"))?
        }
        (Format::Table, Some(line)) => {
            output.text(&format!("{steps} steps; the one in line {line} has other effects than were recorded"))?;
        }
    }
    Ok(if differs_at.is_none() { Exit::Ok } else { Exit::Negative })
}
