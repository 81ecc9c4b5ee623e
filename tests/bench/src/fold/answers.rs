//! How long answers take while the gateway writes a snapshot, beside all others of the same stretch. That it writes is seen by its files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use federation_harness::Gateway;

use crate::shape;

/// A question each so often.
const PACE: Duration = Duration::from_millis(4);
/// An answer within so long of a change of a file is one beside a snapshot: its making goes before its writing.
const BESIDE: Duration = Duration::from_millis(250);

/// What was felt, in milliseconds, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) beside: Vec<f64>,
    pub(crate) otherwise: Vec<f64>,
}

/// Asks for services of `instances` for `length`.
pub(crate) async fn run(gateway: &Gateway, instances: u64, length: Duration) -> Result<Answers> {
    let folder = gateway.log().parent().context("a gateway has a home")?.join("data");
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let (mut asked, mut writing) = (Vec::new(), Vec::new());
    let (begun, mut ticks, mut last) = (Instant::now(), tokio::time::interval(PACE), files(&folder));
    while begun.elapsed() < length {
        ticks.tick().await;
        let at = Instant::now();
        let service = rand::random_range(0..instances / shape::INSTANCES);
        let query = [("serviceName", shape::service_name(service))];
        let answer = http.get(format!("{}/v1/service", gateway.base())).query(&query).send().await?;
        answer.error_for_status()?.bytes().await?;
        asked.push((at, at.elapsed().as_secs_f64() * 1000.0));
        let found = files(&folder);
        if found != last {
            writing.push(Instant::now());
            last = found;
        }
    }
    let mut answers = Answers::default();
    for (at, millis) in asked {
        let near = |written: &Instant| written.duration_since(at).max(at.duration_since(*written)) < BESIDE;
        let figures = if writing.iter().any(near) { &mut answers.beside } else { &mut answers.otherwise };
        figures.push(millis);
    }
    answers.beside.sort_by(f64::total_cmp);
    answers.otherwise.sort_by(f64::total_cmp);
    Ok(answers)
}

/// Names, lengths and times of the files of a folder, sorted; those of a folder that cannot be read are none.
fn files(folder: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| {
        let facts = entry.metadata().ok()?;
        Some((entry.path(), facts.len(), facts.modified().ok()))
    };
    let mut found: Vec<_> = entries.filter_map(of).collect();
    found.sort();
    found
}
