//! Many clients at one server: what an idle one costs, and how soon all of them are told of a change.

use std::time::{Duration, Instant};

use anyhow::Result;
use federation_bench::figures::percentile;
use federation_bench::machine;

use crate::client::{BenchClient, instance};
use crate::crowd::{Crowd, SETTLE, millis_after};
use crate::figures::{Figure, Figures, Goal, number};
use crate::stage::{Server, Stage};

/// Memory of one idle connection.
const GOAL_KIB: f64 = 30.0;
/// Until the last subscriber is told.
const GOAL_MS: f64 = 1000.0;
/// Changes that are timed.
const CHANGES: u16 = 7;
/// Between two changes: what a server has to do after one is done.
const PAUSE: Duration = Duration::from_millis(1500);
const SERVICE: &str = "crowded";

/// Gathers clients at each server in turn, `connections` of them, of which `subscribers` are told of changes.
pub(crate) async fn run(stage: &Stage, connections: usize, subscribers: usize, figures: &mut Figures) -> Result<()> {
    for server in stage.servers() {
        let measured = idle(&server, connections, !server.is_peer, figures).await;
        figures.or_none(format!("{connections} idle connections"), &server, measured)?;
        let encodings = (!server.is_peer).then_some(stage);
        let measured = told(&server, subscribers, encodings, figures).await;
        figures.or_none(format!("a change for {subscribers} subscribers"), &server, measured)?;
    }
    Ok(())
}

async fn idle(server: &Server, connections: usize, has_goal: bool, figures: &mut Figures) -> Result<()> {
    let pid = server.processes[0];
    // A few come and go first: what a server makes once is not counted.
    Crowd::gather(server.grpc, 50).await?.dissolve().await?;
    let (before, begun) = (machine::resident_kib(pid), Instant::now());
    let crowd = Crowd::gather(server.grpc, connections).await?;
    let took = begun.elapsed();
    tokio::time::sleep(SETTLE).await;
    let each = number(machine::resident_kib(pid).saturating_sub(before)) / number(crowd.size());
    let goal = has_goal.then_some(Goal::AtMost(GOAL_KIB));
    let figure = format!("memory of an idle connection, {connections} of them");
    figures.add(Figure { goal, ..Figure::new(figure, server.name, each, "KiB") });
    figures.add(Figure::new(format!("to connect {connections} clients"), server.name, took.as_secs_f64(), "s"));
    crowd.dissolve().await
}

async fn told(server: &Server, subscribers: usize, counted_by: Option<&Stage>, figures: &mut Figures) -> Result<()> {
    let mut crowd = Crowd::gather(server.grpc, subscribers).await?;
    let mut registrant = BenchClient::connect(server.grpc).await?;
    let mut instances = vec![instance("10.7.7.7", 1)];
    registrant.register_all(SERVICE, instances.clone()).await?;
    tokio::time::sleep(PAUSE).await;
    crowd.subscribe(SERVICE).await?;
    let (mut slowest, mut middle, mut processor, mut encoded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for port in 2..2 + CHANGES {
        tokio::time::sleep(PAUSE).await;
        instances.push(instance("10.7.7.7", port));
        let encodings = lists_made(counted_by).await?;
        let (used, begun) = (machine::used_by(server.processes[0]).0, Instant::now());
        let (registered, at) =
            tokio::join!(registrant.register_all(SERVICE, instances.clone()), crowd.all_are_told(port));
        registered?;
        let mut millis = millis_after(begun, &at?);
        slowest.push(percentile(&mut millis, 100));
        middle.push(percentile(&mut millis, 50));
        processor.push((machine::used_by(server.processes[0]).0 - used) * 1000.0);
        encoded.push(lists_made(counted_by).await? - encodings);
    }
    let of = format!("a change for {subscribers} subscribers");
    let goal = counted_by.map(|_| Goal::AtMost(GOAL_MS));
    let worst = percentile(&mut slowest, 100);
    figures.add(Figure { goal, ..Figure::new(format!("{of}, the slowest"), server.name, worst, "ms") });
    figures.add(Figure::new(format!("{of}, the median one"), server.name, percentile(&mut middle, 50), "ms"));
    let median = percentile(&mut processor, 50);
    figures.add(Figure::new(format!("{of}, processor time"), server.name, median, "ms"));
    if counted_by.is_some() {
        let goal = Some(Goal::AtMost(1.0));
        let made = percentile(&mut encoded, 50);
        figures.add(Figure { goal, ..Figure::new(format!("{of}, encoded"), server.name, made, "times") });
    }
    drop(registrant);
    crowd.dissolve().await
}

async fn lists_made(counted_by: Option<&Stage>) -> Result<f64> {
    match counted_by {
        Some(stage) => stage.encodings().await,
        None => Ok(0.0),
    }
}
