//! `demo`: three regions in one process.

use anyhow::Context;

use super::args::{Demo, DemoAction, DemoCommand, Global};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::table::{Table, left};
use federation_answers::printable::printable;
use federation_demo::control::{self, ControlAction, ControlAnswer, ControlError};
use federation_demo::{DemoError, DemoOptions, DemoProgress, DemoReport};

use crate::app::demo_parts::EmbeddedParts;
use crate::config::LogFormat;
use crate::telemetry;

/// Runs the demo, or tells a running one what to do.
pub(super) fn run(args: &Demo, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match &args.command {
        Some(DemoCommand::Ctl { action, target, control_port }) => {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
            runtime.block_on(tell(*action, target.as_deref(), *control_port, output))
        }
        None => play(args, global, output),
    }
}

fn play(args: &Demo, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if let Some(level) = &global.log_level {
        telemetry::init(global.log_format.unwrap_or(LogFormat::Text), level, None).map_err(Failure::failed)?;
    }
    let progress = match output.format {
        Format::Json => DemoProgress::Aside,
        Format::Table if global.log_level.is_some() => DemoProgress::Lines, // Log lines would run through a board.
        Format::Table => DemoProgress::Screen,
    };
    let settings = args.settings.as_ref().map_or(Ok(String::new()), |path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read the settings {}", path.display()))
    });
    let options = DemoOptions {
        duration: args.duration,
        every: args.every,
        control_port: args.control_port,
        progress,
        settings: settings.map_err(Failure::Failed)?,
        program: std::env::args().next().unwrap_or_else(|| "nacos-fed".to_owned()),
    };
    // Two threads are enough for what three regions of a few instances do.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.map_err(Failure::failed)?.block_on(federation_demo::run(Box::new(EmbeddedParts), options));
    let report = report.map_err(|error| match error {
        DemoError::Told(error) => Failure::Output(error),
        DemoError::Part(error) => Failure::Failed(error),
    })?;
    if output.format == Format::Json {
        output.document(&report)?;
    }
    Ok(judged(&report, args, output.format))
}

/// A demo that somebody just looked at and ended has no finding.
fn judged(report: &DemoReport, args: &Demo, format: Format) -> Exit {
    let asked = args.duration.is_some() || format == Format::Json;
    if asked && !report.complete { Exit::Negative } else { Exit::Ok }
}

async fn tell(action: DemoAction, target: Option<&str>, port: u16, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let target = target.unwrap_or_default(); // There is one where it is needed: the arguments say so.
    let answered = match action {
        DemoAction::List => control::list(port).await,
        DemoAction::Stop => control::order(port, ControlAction::Stop, target).await,
        DemoAction::Start => control::order(port, ControlAction::Start, target).await,
    };
    match answered {
        Ok(answer) => {
            match output.format {
                Format::Json => output.document(&answer)?,
                Format::Table => output.text(&shown(&answer))?,
            }
            Ok(Exit::Ok)
        }
        Err(error) => {
            eprintln!("error: {}", printable(&error.to_string()));
            Ok(match error {
                ControlError::NoDemo(..) => Exit::Unreachable,
                ControlError::NoTarget(_) => Exit::NotFound,
                ControlError::Failed(_) => Exit::Negative,
            })
        }
    }
}

/// What was done, or the list if nothing was.
fn shown(answer: &ControlAnswer) -> String {
    if !answer.text.is_empty() {
        return answer.text.clone();
    }
    let mut table = Table::new([left("TARGET"), left("STATE"), left("WHAT")]);
    for listed in &answer.targets {
        table.row([listed.target.clone(), listed.state.clone(), listed.what.clone()]);
    }
    table.render()
}
