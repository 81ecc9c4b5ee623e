//! One registration in region A, seen by a subscriber directly at A's Nacos and by a watcher of B's gateway: the same event for both. The
//! difference is what the federation adds, and what it cannot be below is a bare produce (`acks=all`) to consume: printed beside it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use federation_proto::federation::v1::watch_service_response::Event;
use federation_proto::federation::v1::{WatchServiceRequest, WatchServiceResponse};
use tonic::Streaming;

use crate::registrant::{Peer, instance, service};
use crate::stage::Stage;
use federation_bench::{machine, plain};

/// Instances that one service gathers before the next one is used: lists stay short.
const PER_SERVICE: usize = 25;
const PATIENCE: Duration = Duration::from_secs(20);
const FLOOR_SAMPLES: u64 = 200;

/// Times `samples` registrations and prints what was seen.
pub(crate) async fn run(mut stage: Stage, push_delay: Option<Duration>, samples: usize) -> Result<()> {
    stage.gateway_a.spawn().await?;
    stage.gateway_a.until_ready().await?;
    let registrant = Peer::connect(&stage.nacos_a).await?;
    let mut subscriber = Peer::connect(&stage.nacos_a).await?;
    let mut watcher = DiscoveryClient::connect(stage.gateway_b.grpc()).await?;
    let (mut direct, mut federated, mut difference) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..samples.div_ceil(PER_SERVICE) {
        let name = format!("timed-{round}");
        let mut registered = vec![instance("10.9.9.9".to_owned(), 1)];
        registrant.register(&name, registered.clone()).await?;
        subscriber.client.subscribe(&service(&name));
        subscriber.sees(1).await?;
        let request = WatchServiceRequest { service_name: name.clone(), ..WatchServiceRequest::default() };
        let mut watch = watcher.watch_service(request).await?.into_inner();
        watch_sees(&mut watch, 1).await?;
        for number in 0..PER_SERVICE.min(samples - round * PER_SERVICE) {
            // At another point of Nacos's own rhythm each time.
            tokio::time::sleep(Duration::from_millis(rand::random_range(50..250))).await;
            let port = 2 + u16::try_from(number)?;
            registered.push(instance("10.9.9.9".to_owned(), port));
            let begun = Instant::now();
            registrant.register(&name, registered.clone()).await?;
            let both = async { tokio::try_join!(subscriber.sees(port), watch_sees(&mut watch, port)) };
            let (at_nacos, at_gateway) = tokio::time::timeout(PATIENCE, both).await.context("never seen")??;
            let millis = |seen: Instant| seen.duration_since(begun).as_secs_f64() * 1000.0;
            direct.push(millis(at_nacos));
            federated.push(millis(at_gateway));
            difference.push(millis(at_gateway) - millis(at_nacos));
        }
    }
    let mut floor = plain::floor(&plain::log_options(&stage.kafka.bootstrap(), "bench")?, FLOOR_SAMPLES).await?;
    let delay =
        push_delay.map_or_else(|| "its default (500 ms)".to_owned(), |delay| format!("{} ms", delay.as_millis()));
    println!("\nregister in A, push delay {delay}, {samples} samples, load {}; milliseconds", machine::load());
    println!("{:<44} {:>8} {:>8} {:>8}", "", "P50", "P90", "P99");
    print_row("subscriber directly at A's Nacos", &mut direct);
    print_row("WatchService at B's gateway", &mut federated);
    print_row("difference, sample by sample", &mut difference);
    print_row("bare produce (acks=all) to consume", &mut floor);
    Ok(())
}

async fn watch_sees(watch: &mut Streaming<WatchServiceResponse>, port: u16) -> Result<Instant> {
    while let Some(response) = watch.message().await? {
        if let Some(Event::Service(service)) = response.event
            && service.instances.iter().any(|instance| instance.port == u32::from(port))
        {
            return Ok(Instant::now());
        }
    }
    bail!("the watch ended")
}

fn print_row(name: &str, samples: &mut [f64]) {
    samples.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    println!("{name:<44} {:>8.1} {:>8.1} {:>8.1}", at(50), at(90), at(99));
}
