//! Arguments of the demo.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use federation_demo::ports::CONTROL_PORT;

use super::duration;

/// What its help ends with.
pub(super) const EXAMPLES: &str = "Examples:
  nacos-fed demo
  nacos-fed demo --for 20s --format json
  nacos-fed demo ctl stop frankfurt        (from another terminal)
  nacos-fed demo ctl list

With --for or --format json the exit code is 1 unless at the end nothing is stopped and every region sees
exactly the instances of every other one, live.";

/// Arguments of `demo`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Demo {
    /// End by itself after this time, with the matrix of what every region sees: 500ms, 20s, 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) duration: Option<Duration>,
    /// How often an instance comes, goes or changes; at least 50ms
    #[arg(long, value_name = "DURATION", value_parser = pace, default_value = "3s")]
    pub(in crate::cli) every: Duration,
    /// Port on loopback where orders of `demo ctl` are taken; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = CONTROL_PORT)]
    pub(in crate::cli) control_port: u16,
    /// File with sections that each gateway's configuration has beside those of the demo, such as `access`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) settings: Option<PathBuf>,
    #[command(subcommand)]
    pub(in crate::cli) command: Option<DemoCommand>,
}

/// What else than running it the demo can do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DemoCommand {
    /// Tell a running demo to stop or start something
    Ctl {
        /// What to do
        #[arg(value_enum)]
        action: DemoAction,
        /// A region (its gateway), a region's registry, `kafka`, or an instance, as `list` names them
        #[arg(value_name = "TARGET", required_if_eq_any([("action", "stop"), ("action", "start")]))]
        target: Option<String>,
        /// Port on loopback where the demo takes orders
        #[arg(long, value_name = "PORT", default_value_t = CONTROL_PORT)]
        control_port: u16,
    },
}

/// What to do to a part of a running demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DemoAction {
    /// Take the target down
    Stop,
    /// Bring the target back
    Start,
    /// Name all targets and their state
    List,
}

/// Faster than this nobody could read along.
fn pace(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(50);
    duration(text).and_then(|pace| if pace < least { Err("at least 50ms is needed".to_owned()) } else { Ok(pace) })
}
