//! `policy`: what a document means or all of its mistakes, and what is in force.

use serde_json::json;

use super::args::PolicyCheck;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use crate::policy::document;
use crate::policy::shown::ShownDocument;

/// Checks a document.
pub(super) fn check(args: &PolicyCheck, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match (document::load(&args.file), output.format) {
        (Ok(policies), Format::Json) => {
            output.document(&json!({"ok": true, "policy": ShownDocument::from(&policies)}))?;
        }
        (Ok(policies), Format::Table) => {
            let yaml = serde_saphyr::to_string(&ShownDocument::from(&policies)).map_err(Failure::failed)?;
            output.text(&format!("# {}: ok; this is what it means:\n{yaml}", args.file))?;
        }
        (Err(mistakes), Format::Json) => {
            output.document(&json!({"ok": false, "mistakes": mistakes.sorted()}))?;
            return Ok(Exit::WrongInput);
        }
        (Err(mistakes), Format::Table) => return Err(mistakes.into()),
    }
    Ok(Exit::Ok)
}
