//! Many clients that register a few instances each, all at the same time.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use federation_bench::machine;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::{BenchClient, instance};
use crate::figures::{Figure, Figures, number};
use crate::stage::{Server, Stage};

/// Clients that have the same services.
const PER_SERVICE: usize = 100;

/// `clients` register `each` instances at each server in turn.
pub(crate) async fn run(stage: &Stage, clients: usize, each: usize, figures: &mut Figures) -> Result<()> {
    for server in stage.servers() {
        let measured = one(&server, clients, each, figures).await;
        figures.or_none(format!("{} registrations by {clients} clients", clients * each), &server, measured)?;
    }
    Ok(())
}

async fn one(server: &Server, clients: usize, each: usize, figures: &mut Figures) -> Result<()> {
    let (ready, mut tasks) = (Arc::new(Barrier::new(clients + 1)), JoinSet::new());
    for of in 0..clients {
        let mut client = BenchClient::connect(server.grpc).await?;
        let ready = Arc::clone(&ready);
        tasks.spawn(async move {
            ready.wait().await;
            let mut tries = 0;
            for turn in 0..each {
                let service = format!("stormy-{}-{turn}", of / PER_SERVICE);
                let port = u16::try_from(1 + of % PER_SERVICE)?;
                // SDKs register again what failed, too.
                while let Err(error) = client.register(&service, instance("10.6.6.6", port)).await {
                    tries += 1;
                    if tries > 20 * each {
                        return Err(error);
                    }
                }
            }
            anyhow::Ok((client, tries))
        });
    }
    let used = || server.processes.iter().map(|pid| machine::used_by(*pid).0).collect::<Vec<_>>();
    let before = used();
    ready.wait().await;
    let (begun, mut kept, mut failed) = (Instant::now(), Vec::new(), 0);
    while let Some(ended) = tasks.join_next().await {
        let (client, tries) = ended?.context("a registration is refused again and again")?;
        kept.push(client); // What it registered stays until all have.
        failed += tries;
    }
    let took = begun.elapsed().as_secs_f64();
    let of = format!("{} registrations by {clients} clients", clients * each);
    figures.add(Figure::new(of.clone(), server.name, took, "s"));
    let spent: Vec<f64> = used().iter().zip(before).map(|(after, before)| after - before).collect();
    figures.add(Figure::new(format!("{of}, processor time"), server.name, spent.iter().sum(), "s"));
    if let [_, behind, ..] = spent[..] {
        figures.add(Figure::new(format!("{of}, of it the Nacos behind"), server.name, behind, "s"));
    }
    figures.add(Figure::new(format!("{of}, tried again"), server.name, number(failed), "times"));
    Ok(())
}
