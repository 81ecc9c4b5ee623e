//! How B's gateway feels: `/livez` and `/readyz` each 100 ms, each on a connection of its own as a probe has it, and its memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use federation_bench::machine;
use tokio::time::MissedTickBehavior;

use crate::stage::Stage;

const EVERY: Duration = Duration::from_millis(100);

/// What was felt. Times in milliseconds, sorted.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    pub(crate) livez: Vec<f64>,
    pub(crate) readyz: Vec<f64>,
    /// Answers other than 200, and failed calls.
    pub(crate) not_alive: usize,
    pub(crate) not_ready: usize,
    /// The most memory, in MiB.
    pub(crate) resident_mib: u64,
    pub(crate) resident_mib_of_a: u64,
    /// Share of one core.
    pub(crate) cores: f64,
}

/// Looks for `length`.
pub(crate) async fn run(stage: &Stage, length: Duration) -> Result<Pulse> {
    let (a, b) = (stage.a.pid().context("A runs")?, stage.b.pid().context("B runs")?);
    let mut pulse = Pulse::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (begun, used) = (Instant::now(), machine::used_by(b).0);
    while begun.elapsed() < length {
        ticks.tick().await;
        let (alive, millis) = ask(stage, "/livez").await;
        pulse.livez.push(millis);
        pulse.not_alive += usize::from(!alive);
        let (ready, millis) = ask(stage, "/readyz").await;
        pulse.readyz.push(millis);
        pulse.not_ready += usize::from(!ready);
        pulse.resident_mib = pulse.resident_mib.max(machine::used_by(b).1);
        pulse.resident_mib_of_a = pulse.resident_mib_of_a.max(machine::used_by(a).1);
    }
    pulse.cores = (machine::used_by(b).0 - used) / begun.elapsed().as_secs_f64();
    pulse.livez.sort_by(f64::total_cmp);
    pulse.readyz.sort_by(f64::total_cmp);
    Ok(pulse)
}

async fn ask(stage: &Stage, path: &str) -> (bool, f64) {
    let begun = Instant::now();
    let answer = stage.b.get(path, &[]).await;
    (answer.is_ok_and(|(status, _)| status == 200), begun.elapsed().as_secs_f64() * 1000.0)
}
