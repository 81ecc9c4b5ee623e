//! `demo`: three regions in one process.

use super::args::{Demo, Global};
use super::exit::{Exit, Failure};
use super::output::Output;

/// Runs the demo, or tells a running one what to do.
pub(super) fn run(_args: &Demo, _global: &Global, _output: &mut Output<'_>) -> Result<Exit, Failure> {
    Err(Failure::Failed(anyhow::anyhow!("this build has no demo")))
}
