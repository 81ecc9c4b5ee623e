//! A client that starts and registers, until a subscriber is told: through the front doors of two regions, and at one server.
//!
//! Each sample is a client of its own, connected before the clock runs: through a front door its first registration makes its connection to the
//! local Nacos, and that counts.

use std::time::{Duration, Instant};

use anyhow::Result;
use federation_bench::figures::percentile;

use crate::client::{BenchClient, instance};
use crate::figures::{Figure, Figures, Goal};
use crate::stage::{Server, Stage};

/// Clients that register the same service before the next one is used: lists stay short.
const PER_SERVICE: usize = 25;
/// Through the front doors of two regions, at P99.
const GOAL_MS: f64 = 100.0;

/// Times `samples` registrations for each pair of servers.
pub(crate) async fn run(stage: &Stage, samples: usize, figures: &mut Figures) -> Result<()> {
    let through = sample(&stage.door_a, &stage.door_b, samples).await?;
    let mut rows = vec![("front door of A to front door of B", through, Some(Goal::AtMost(GOAL_MS)))];
    rows.push(("front door of A alone", sample(&stage.door_a, &stage.door_a, samples).await?, None));
    for peer in [Some(&stage.nacos), stage.rnacos.as_ref()].into_iter().flatten() {
        rows.push((peer.name, sample(peer, peer, samples).await?, None));
    }
    for (subject, mut millis, goal) in rows {
        let figure = |percent| format!("registration to push, P{percent}");
        figures.add(Figure::new(figure(50), subject, percentile(&mut millis, 50), "ms"));
        figures.add(Figure { goal, ..Figure::new(figure(99), subject, percentile(&mut millis, 99), "ms") });
    }
    Ok(())
}

async fn sample(registered_at: &Server, told_at: &Server, samples: usize) -> Result<Vec<f64>> {
    let mut millis = Vec::new();
    for round in 0..samples.div_ceil(PER_SERVICE) {
        let service = format!("timed-{}-{round}", told_at.grpc.port());
        let mut subscriber = BenchClient::connect(told_at.grpc).await?;
        subscriber.subscribe(&service).await?;
        let mut registered = Vec::new();
        for number in 0..PER_SERVICE.min(samples - round * PER_SERVICE) {
            let mut registrant = BenchClient::connect(registered_at.grpc).await?;
            // At another point of the server's own rhythm each time.
            tokio::time::sleep(Duration::from_millis(rand::random_range(50..250))).await;
            let port = 2 + u16::try_from(number)?;
            let begun = Instant::now();
            let (done, seen) =
                tokio::join!(registrant.register(&service, instance("10.9.9.9", port)), subscriber.sees(port));
            done?;
            millis.push((seen? - begun).as_secs_f64() * 1000.0);
            registered.push(registrant);
        }
    }
    Ok(millis)
}
