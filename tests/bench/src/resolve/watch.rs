//! One change told to many watchers: encodings, processor time and delays, next to fixed bytes from the same server.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_core::service::{FederatedService, Revision};
use prost::Message;

use super::fixture::Maker;
use super::processor::Used;
use super::requests::{self, Handler};
use super::server::Server;
use super::watchers::Watchers;
use federation_bench::figures::{grouped, median, percentile};

/// How many, over how many connections, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes {
    pub(crate) watchers: usize,
    pub(crate) connections: usize,
    pub(crate) count: usize,
}

/// What the changes cost one kind of watchers; each figure is of one change.
#[derive(Default)]
struct Cost {
    median: Vec<f64>,
    slowest: Vec<f64>,
    server: Vec<f64>,
}

impl Cost {
    fn add(&mut self, begun: Instant, seen: &[Instant], used: Used) {
        let mut delays: Vec<f64> =
            seen.iter().map(|seen| seen.saturating_duration_since(begun).as_secs_f64()).collect();
        self.median.push(median(&mut delays));
        self.slowest.push(percentile(&mut delays, 100));
        self.server.push(used.server.as_secs_f64());
    }

    fn print(&mut self, name: &str) {
        let millis = |values: &mut Vec<f64>| format!("{:.2}", median(values) * 1e3);
        println!(
            "  {name:<36} {:>12} {:>12} {:>14}",
            millis(&mut self.median),
            millis(&mut self.slowest),
            millis(&mut self.server)
        );
    }
}

/// Opens both kinds of watchers, changes in turns, and prints what was seen.
pub(crate) async fn run(server: &Server, maker: &mut Maker, changes: Changes) -> Result<()> {
    let Changes { watchers, connections, count } = changes;
    let mut service = maker.service_of(12);
    server.put(service.clone()).await?;
    let request = requests::watch(&service.key).encode_to_vec();
    let open = |handler: Handler| Watchers::open(server.grpc, handler.watch_path(), &request, watchers, connections);
    let mut gateway = open(Handler::Gateway).await?;
    server.tell(gateway.length).await?;
    let mut bare = open(Handler::Bare).await?;
    let (mut costs, mut encodings) = ([Cost::default(), Cost::default()], 0);
    for _ in 0..count {
        alter(&mut service);
        let (before, encoded) = (Used::so_far()?, server.encodings());
        let (begun, heard) = tokio::join!(server.put(service.clone()), gateway.hear());
        let (begun, (watchers, seen)) = (begun?, heard?);
        settle().await;
        costs[0].add(begun, &seen, Used::so_far()?.since(before));
        (gateway, encodings) = (watchers, encodings.max(server.encodings() - encoded));

        let before = Used::so_far()?;
        let (begun, heard) = tokio::join!(server.tell(gateway.length), bare.hear());
        let (begun, (watchers, seen)) = (begun?, heard?);
        settle().await;
        costs[1].add(begun, &seen, Used::so_far()?.since(before));
        bare = watchers;
    }
    let number = |count: usize| grouped(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    println!(
        "\n{} watchers of one service and caller over {connections} connections, one change, messages of {} bytes; \
         milliseconds, median of {count} changes",
        number(watchers),
        number(gateway.length)
    );
    println!("  {:<36} {:>12} {:>12} {:>14}", "", "median", "slowest", "server CPU ms");
    let [gateway, bare] = &mut costs;
    gateway.print("WatchResolve");
    bare.print("fixed bytes, the same server");
    println!("  encodings for one change: {encodings}");
    ensure!(encodings == 1, "a change has to be encoded once for all");
    Ok(())
}

/// The first instance weighs more or less than before: the plan changes for every caller.
fn alter(service: &mut FederatedService) {
    service.revision = Revision(service.revision.0 + 1);
    let first = &mut service.origins[0].instances[0];
    let mut instance = (*first.instance).clone();
    instance.weight = f64::from(u32::try_from(service.revision.0 % 7).unwrap_or(0) + 2)
        .try_into()
        .expect("small numbers are weights");
    first.instance = instance.into();
}

/// Until what follows the last message is done: acknowledgements, tasks that go back to sleep.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
