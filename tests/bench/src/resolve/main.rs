//! `make bench-resolve`: what an answer of the gateway costs next to fixed bytes from the same server, and what one change
//! costs with many watchers.
//!
//! One process: the gateway's servers over a view that is written by hand, on threads of their own, and the load generator
//! on the main thread, over loopback.

mod bare;
mod channel;
mod fixture;
mod grpc_load;
mod http_load;
mod processor;
mod requests;
mod rounds;
mod secured;
mod server;
mod watch;
mod watchers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use federation_bench::machine;

use self::fixture::Maker;
use self::grpc_load::GrpcLoad;
use self::http_load::HttpLoad;
use self::requests::{Distribution, Handler, Plan};
use self::rounds::{FLOOR, Load, Outcome, Rounds, Waiting, compare};
use self::server::Server;
use self::watch::Changes;
use federation_bench::figures::grouped;

/// As `nacos-fed` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests that are encoded before the clock runs; then they repeat.
const ENCODED: usize = 1 << 18;
/// Answers whose mean length the bare handler answers with.
const SAMPLED: usize = 4_000;

/// The gateway's answers next to fixed bytes of the same length from the same server.
#[derive(Parser)]
struct Arguments {
    /// Services in the view, each with 3 to 20 instances over three origins.
    #[arg(long, default_value_t = 100_000)]
    services: usize,
    /// How often each service is asked for; several are measured one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "uniform,zipf")]
    distribution: Vec<Distribution>,
    /// Different callers that take turns: each has a plan of its own.
    #[arg(long, default_value_t = 1)]
    callers: usize,
    /// Pairs of rounds, one of each handler.
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// Length of a round in milliseconds.
    #[arg(long, default_value_t = 1000)]
    round: u64,
    /// HTTP connections, each with one request under way.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// gRPC channels.
    #[arg(long, default_value_t = 4)]
    channels: usize,
    /// Calls under way on each gRPC channel.
    #[arg(long, default_value_t = 16)]
    streams: usize,
    /// Threads of the server; the load generator has one.
    #[arg(long, default_value_t = 1)]
    server_threads: usize,
    /// Watchers of one plan, over as many connections as there are channels, or as are needed.
    #[arg(long, default_value_t = 10_000)]
    watchers: usize,
    /// Changes that the watchers are told.
    #[arg(long, default_value_t = 20)]
    changes: usize,
    /// Leaves the requests out.
    #[arg(long)]
    no_requests: bool,
    /// Leaves the watchers out.
    #[arg(long)]
    no_watchers: bool,
    /// Leaves TLS and tokens out.
    #[arg(long)]
    no_access: bool,
    /// Ends with 1 where a ratio is below the floor.
    #[arg(long)]
    strict: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.services > 0 && arguments.callers > 0, "somebody has to ask for something");
    println!("machine: {}", machine::describe());
    let begun = Instant::now();
    let mut maker = Maker::new(7);
    let services: Vec<_> = (0..arguments.services).map(|_| maker.service()).collect();
    let instances: usize =
        services.iter().flat_map(|service| &service.origins).map(|origin| origin.instances.len()).sum();
    let server = Server::start(services, arguments.server_threads)?;
    println!(
        "\nview: {} services, {} instances over {} origins; {:.1} s and {} MiB to make",
        grouped(as_f64(arguments.services)),
        grouped(as_f64(instances)),
        fixture::CLUSTERS.len(),
        begun.elapsed().as_secs_f64(),
        machine::used_by(std::process::id()).1,
    );
    let (waiting, apart) = match arguments.server_threads == 1 && processor::part()? {
        true => (Waiting::Looks, ", each on a core of its own; while it waits, the load generator looks for answers"),
        false => (Waiting::Sleeps, ""),
    };
    println!(
        "server: {} thread(s); load generator: 1 thread of the same process{apart}; over loopback; one request at a time on a \
         connection or stream",
        arguments.server_threads
    );
    let load = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcomes = Vec::new();
    if !arguments.no_requests {
        for distribution in &arguments.distribution {
            outcomes.extend(load.block_on(requests(&arguments, &server, waiting, *distribution))?);
        }
    }
    let mut with_tokens = 1.0;
    if !arguments.no_access {
        let plan = Plan::new(Distribution::Uniform, arguments.services, arguments.callers, ENCODED);
        let rounds = rounds(&arguments, waiting);
        let every = Plan::all(arguments.services, arguments.callers);
        let plans = [&plan, &every];
        with_tokens = load.block_on(secured::compare_access(&server, plans, arguments.connections, rounds))?;
    }
    if !arguments.no_watchers {
        let connections =
            arguments.channels.max(arguments.watchers.div_ceil(bounded_listener::limits::STREAMS as usize));
        let changes = Changes { watchers: arguments.watchers, connections, count: arguments.changes };
        load.block_on(watch::run(&server, &mut maker, changes))?;
    }
    server.stop()?;
    summary(&outcomes, arguments.strict)?;
    secured::hold(with_tokens, arguments.strict)
}

fn rounds(arguments: &Arguments, waiting: Waiting) -> Rounds {
    Rounds { pairs: arguments.pairs, lasts: Duration::from_millis(arguments.round), waiting }
}

/// Both faces, with requests of one distribution.
async fn requests(
    arguments: &Arguments,
    server: &Server,
    waiting: Waiting,
    distribution: Distribution,
) -> Result<Vec<Outcome>> {
    let plan = Plan::new(distribution, arguments.services, arguments.callers, ENCODED);
    let (gateway, bare) = (Arc::new(plan.http(Handler::Gateway)), Arc::new(plan.http(Handler::Bare)));
    let messages = Arc::new(plan.grpc());
    let mut http = HttpLoad::connect(server.http, arguments.connections).await?;
    let grpc =
        |handler: Handler| GrpcLoad::connect(server.grpc, handler.grpc_path(), arguments.channels, arguments.streams);
    http.ask_all(&Arc::new(Plan::all(arguments.services, arguments.callers).http(Handler::Gateway))).await?;
    // The server ends connections that are silent while the other face is asked, here and below.
    let mut first = grpc(Handler::Gateway).await?;
    warm_up_grpc(arguments, &mut first).await?;
    let of_messages = first.mean_length(messages.first(SAMPLED)).await?;
    drop(first);
    let lengths = (http.mean_length(gateway.first(SAMPLED)).await?, of_messages);
    server.bare.answer_with(lengths.0, lengths.1);
    let rounds = rounds(arguments, waiting);
    println!("\nrequests: {}, {} caller(s), load {}", distribution.describe(), arguments.callers, machine::load());

    println!("\n HTTP/1.1, {} connections, answers of {} bytes", arguments.connections, grouped(as_f64(lengths.0)));
    let mut load = Load::Http { load: http, gateway, bare };
    let name = |call: &str| format!("{call}, {distribution:?}");
    let before = server.lookups();
    let over_http = compare(&name("GET /v1/resolve"), &mut load, rounds).await?;
    server.lookups().since(before).print();

    let (gateway, bare) = (grpc(Handler::Gateway).await?, grpc(Handler::Bare).await?);
    println!(
        "\n gRPC, {} channels of {} streams, messages of {} bytes",
        arguments.channels,
        arguments.streams,
        grouped(as_f64(lengths.1))
    );
    let mut load = Load::Grpc { gateway, bare, requests: messages };
    let before = server.lookups();
    let over_grpc = compare(&name("Resolve"), &mut load, rounds).await?;
    server.lookups().since(before).print();
    Ok(vec![over_http, over_grpc])
}

/// Asks for every service once: a gateway that has run for a while is compared, not one that starts.
async fn warm_up_grpc(arguments: &Arguments, grpc: &mut GrpcLoad) -> Result<()> {
    let messages = Arc::new(Plan::all(arguments.services, arguments.callers).grpc());
    while messages.progress().0 < messages.progress().1 {
        grpc.round(&messages, http_load::PIECE).await?;
    }
    Ok(())
}

fn summary(outcomes: &[Outcome], strict: bool) -> Result<()> {
    if !outcomes.is_empty() {
        println!("\nshare of the bare handler's requests per second; goal {:.0} %", rounds::GOAL * 100.0);
    }
    for outcome in outcomes {
        println!("  {:<36} {:>5.1} %  {}", outcome.name, outcome.ratio * 100.0, outcome.verdict());
    }
    let above = outcomes.iter().all(|outcome| outcome.ratio >= FLOOR);
    ensure!(above || !strict, "a ratio is below the floor of {:.0} %", FLOOR * 100.0);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts of things in memory")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
