//! The gateway's handler and the bare one in turns, and the ratios of each pair of rounds.
//!
//! Input: a load that can ask either of them. Output: rates, times, processor time and ratios, printed. Two ratios are told:
//! of requests in a second, which is what the goal is about, and of requests in a second of the server's processor time,
//! which other programs on the machine disturb less.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::grpc_load::GrpcLoad;
use super::http_load::HttpLoad;
use super::processor::Used;
use super::requests::{Handler, Requests};
use federation_bench::figures::{grouped, median, percentile};

/// Share of the bare handler's requests that is wanted.
pub(crate) const GOAL: f64 = 0.80;
/// Share below which something is wrong.
pub(crate) const FLOOR: f64 = 0.60;
/// A load generator that is busy for more than this share of a processor may be what limits the bare handler.
const LOAD_IS_BUSY: f64 = 0.90;

/// Who asks, and what.
pub(crate) enum Load {
    /// The same connections for both handlers.
    Http { load: HttpLoad, gateway: Arc<Requests>, bare: Arc<Requests> },
    /// Channels of one method each, and the same messages for both.
    Grpc { gateway: GrpcLoad, bare: GrpcLoad, requests: Arc<Requests> },
}

impl Load {
    fn requests(&self, handler: Handler) -> &Arc<Requests> {
        match (self, handler) {
            (Self::Http { gateway, .. }, Handler::Gateway) => gateway,
            (Self::Http { bare, .. }, Handler::Bare) => bare,
            (Self::Grpc { requests, .. }, _) => requests,
        }
    }

    async fn round(&mut self, handler: Handler, lasts: Duration) -> Result<Vec<f64>> {
        match (self, handler) {
            (Self::Http { load, gateway, .. }, Handler::Gateway) => load.round(gateway, lasts).await,
            (Self::Http { load, bare, .. }, Handler::Bare) => load.round(bare, lasts).await,
            (Self::Grpc { gateway, requests, .. }, Handler::Gateway) => gateway.round(requests, lasts).await,
            (Self::Grpc { bare, requests, .. }, Handler::Bare) => bare.round(requests, lasts).await,
        }
    }
}

/// How long rounds last and how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// Pairs that count; one more before them does not.
    pub(crate) pairs: usize,
    /// Length of one round.
    pub(crate) lasts: Duration,
    pub(crate) waiting: Waiting,
}

/// What the load generator does while it waits for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It gives its core away.
    Sleeps,
    /// It looks again and again, so that the server never pays for waking another core: no network card asks for that.
    Looks,
}

/// Keeps the thread from sleeping until `stop`; returns for how long nothing was asked meanwhile.
async fn look(requests: Arc<Requests>, stop: CancellationToken) -> Duration {
    let (mut idle, mut taken, mut last) = (Duration::ZERO, 0, Instant::now());
    while !stop.is_cancelled() {
        tokio::task::yield_now().await;
        let (now, newest) = (Instant::now(), requests.progress().0);
        if newest == taken {
            idle += now - last;
        }
        (taken, last) = (newest, now);
    }
    idle
}

/// All rounds of one handler.
#[derive(Default)]
pub(crate) struct Side {
    rates: Vec<f64>,
    seconds: Vec<f64>,
    processor: Vec<f64>,
    server: Vec<f64>,
    load: Vec<f64>,
}

impl Side {
    fn add(&mut self, seconds: Vec<f64>, took: Duration, used: Used, idle: Duration) {
        let (took, answers) = (took.as_secs_f64(), count(seconds.len()));
        self.rates.push(answers / took);
        self.processor.push(used.server.as_secs_f64() / answers);
        self.server.push(used.server.as_secs_f64() / took);
        self.load.push(used.load.saturating_sub(idle).as_secs_f64() / took);
        self.seconds.extend(seconds);
    }

    /// Requests a second, of each round.
    pub(crate) fn rates(&self) -> &[f64] {
        &self.rates
    }

    pub(crate) fn print(&mut self, name: &str) {
        let micros = |seconds: f64| grouped(seconds * 1e6);
        println!(
            "  {name:<36} {:>10} {:>9} {:>9} {:>12} {:>9.2} {:>9.2}",
            grouped(median(&mut self.rates)),
            micros(percentile(&mut self.seconds, 50)),
            micros(percentile(&mut self.seconds, 99)),
            format!("{:.2}", median(&mut self.processor) * 1e6),
            median(&mut self.server),
            median(&mut self.load),
        );
    }
}

/// Ratio of the gateway's handler to the bare one: the median of the pairs.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) ratio: f64,
    pub(crate) processor_ratio: f64,
}

/// One round of these requests, as long as `asking` takes; its figures are added to the side for which it counts.
pub(crate) async fn one_round(
    requests: &Arc<Requests>,
    rounds: Rounds,
    side: Option<&mut Side>,
    asking: impl Future<Output = Result<Vec<f64>>>,
) -> Result<()> {
    let (before, begun) = (Used::so_far()?, Instant::now());
    let (stop, mut looking) = (CancellationToken::new(), JoinSet::new());
    if rounds.waiting == Waiting::Looks {
        looking.spawn(look(Arc::clone(requests), stop.clone()));
    }
    let seconds = asking.await?;
    let (took, used) = (begun.elapsed(), Used::so_far()?.since(before));
    stop.cancel();
    let idle = looking.join_all().await.into_iter().sum();
    if let Some(side) = side {
        side.add(seconds, took, used, idle);
    }
    Ok(())
}

/// The line above all sides.
pub(crate) fn print_heads() {
    println!(
        "  {:<36} {:>10} {:>9} {:>9} {:>12} {:>9} {:>9}",
        "", "requests/s", "P50 µs", "P99 µs", "server CPU µs", "server", "load gen."
    );
}

/// Compares, and prints what was seen.
pub(crate) async fn compare(name: &str, load: &mut Load, rounds: Rounds) -> Result<Outcome> {
    let mut sides = [Side::default(), Side::default()];
    for pair in 0..=rounds.pairs {
        // Who comes first changes, so that a drift of the machine counts for neither.
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let handler = [Handler::Gateway, Handler::Bare][side];
            let requests = Arc::clone(load.requests(handler));
            let counts = (pair > 0).then_some(&mut sides[side]);
            one_round(&requests, rounds, counts, load.round(handler, rounds.lasts)).await?;
        }
    }
    let [gateway, bare] = &mut sides;
    let mut ratios = of_pairs(&gateway.rates, &bare.rates);
    let mut processor = of_pairs(&bare.processor, &gateway.processor);
    print_heads();
    gateway.print(name);
    bare.print("fixed bytes, the same server");
    let outcome =
        Outcome { name: name.to_owned(), ratio: median(&mut ratios), processor_ratio: median(&mut processor) };
    outcome.print(&mut ratios);
    if median(&mut bare.load) > LOAD_IS_BUSY {
        println!("  the load generator is busy throughout: the bare handler may be faster than that");
    }
    Ok(outcome)
}

impl Outcome {
    fn print(&self, ratios: &mut [f64]) {
        let (least, most) = (percentile(ratios, 0), percentile(ratios, 100));
        println!(
            "  ratio, median of {} pairs: {:.1} % (from {:.1} to {:.1}); by processor time {:.1} %; goal {:.0} %: {}",
            ratios.len(),
            self.ratio * 100.0,
            least * 100.0,
            most * 100.0,
            self.processor_ratio * 100.0,
            GOAL * 100.0,
            self.verdict()
        );
    }

    /// In a word.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.ratio {
            ratio if ratio >= GOAL => "met",
            ratio if ratio >= FLOOR => "not met, above the floor",
            _ => "BELOW THE FLOOR",
        }
    }
}

/// Each of one side as a share of its neighbour in time.
pub(crate) fn of_pairs(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(above, below)| above / below).collect()
}

#[allow(clippy::cast_precision_loss, reason = "fewer than 2^52")]
fn count(answers: usize) -> f64 {
    answers as f64
}
