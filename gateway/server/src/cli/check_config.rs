//! `check-config`: what a configuration means, or all of its mistakes.

use serde_json::json;

use super::args::CheckConfig;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use crate::config::{self, AcceptedWeakness, ConfigSurroundings};

/// Checks a file, or prints the schema.
pub(super) fn run(args: &CheckConfig, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if args.schema {
        output.document(&config::json_schema::schema())?;
    }
    let Some(file) = &args.file else { return Ok(Exit::Ok) };
    match (config::load(file, &ConfigSurroundings::of_process()), output.format) {
        (Ok(loaded), Format::Json) => {
            let insecure = loaded.config.weaknesses();
            output.document(&json!({"ok": true, "insecure": insecure, "effective": loaded.effective}))?;
        }
        (Ok(loaded), Format::Table) => {
            let yaml = serde_saphyr::to_string(&loaded.effective).map_err(Failure::failed)?;
            let line = |it: &AcceptedWeakness| format!("# {} allows: {}\n", it.field, it.text);
            let insecure: String = loaded.config.weaknesses().iter().map(line).collect();
            output.text(&format!("# {}: ok; this is in force:\n{insecure}{yaml}", file.display()))?;
        }
        (Err(mistakes), Format::Json) => {
            output.document(&json!({"ok": false, "mistakes": mistakes.sorted()}))?;
            return Ok(Exit::WrongInput);
        }
        (Err(mistakes), Format::Table) => return Err(mistakes.into()),
    }
    Ok(Exit::Ok)
}
