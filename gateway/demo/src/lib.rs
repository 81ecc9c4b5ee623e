//! The demo: three regions in one process, without any other software.
//!
//! A broker in memory, and for each region a registry in the place of its Nacos, with a shop's instances that come and go by
//! a script, and a gateway. What is shown is what the gateways and registries answer over their HTTP APIs.
//!
//! - [`region`], [`ports`], [`target`]: what there is, where it listens, how it is named;
//! - [`shop`] is the script, [`tenant`] registers what it wants at the front doors, and looks up what it calls; [`stage`] holds the running parts, made of what [`parts`] are given;
//! - [`look`] asks from outside, [`report`] judges the matrix, [`stopwatch`] times changes;
//! - [`director`] is the loop, [`orders`] what it does for people; [`control`] and [`keys`] bring their orders;
//! - [`board`], [`line`], [`console`]: what people read.
//!
//! Everything listens on loopback, files are in a temporary folder that goes with the process.
//!
//! **How long it lives.** The broker keeps the last 5 MiB of each partition, forgets older records without a word, and compacts
//! nothing: who reads the log from its beginning after that, knows only what was written since. At a beat a second and a
//! change every 3 s a control partition is full after about six hours, a data partition after about three days. Running
//! gateways do not notice, nor does one that is started again: it reads on from its snapshot. Nothing that the demo itself
//! writes is old by then: each replica restates its key, descriptor included, with every beat, and the script touches every
//! instance and config item within about 30 changes. What a person has registered, or has stopped the script from touching, is
//! written once; after that time a gateway without a snapshot would not find it, and there is none.

mod board;
mod console;
pub mod control;
mod director;
mod keys;
mod line;
mod look;
mod orders;
pub mod parts;
pub mod ports;
pub mod region;
mod report;
mod shop;
mod signals;
mod stage;
mod stopwatch;
mod target;
mod tenant;

use std::time::Duration;

use anyhow::Context;
use bounded_listener::{Listener, ListenerGate, ListenerLimits};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::console::Console;
use self::director::{Director, Inputs};
use self::keys::Keys;
use self::line::{Line, Tone};
use self::look::{Look, Looker};
use self::parts::DemoParts;
use self::ports::DemoPorts;
use self::region::DemoRegion;
use self::shop::Shop;
use self::signals::Signals;
use self::stage::Stage;
use self::target::Target;

pub use self::console::DemoProgress;
pub use self::report::{Cell, DemoReport};
pub use self::stage::configuration;

/// How often everybody is asked what they see.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while the demo begins, when people wait.
const FIRST_LOOKS_EVERY: Duration = Duration::from_millis(200);
/// The script is the same each time.
const SEED: u64 = 2026;
/// Orders that may wait; each waits for its answer, so there are as many as terminals.
const ORDERS: usize = 16;

/// What a demo is to do.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// When it ends by itself; `None` for when it is told to.
    pub duration: Option<Duration>,
    /// How often an instance comes, goes or changes.
    pub every: Duration,
    /// Port on loopback where it takes orders; a free one if this one is taken, or 0.
    pub control_port: u16,
    /// Where it tells what happens.
    pub progress: DemoProgress,
    /// How the program was called, for the commands to try.
    pub program: String,
    /// Sections in YAML that each gateway has beside those of the demo; may be empty.
    pub settings: String,
}

/// Why a demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Whoever reads what it tells is gone.
    #[error("what happens cannot be told")]
    Told(#[from] std::io::Error),
    /// A part could not be started, or did not obey.
    #[error(transparent)]
    Part(anyhow::Error),
}

/// Runs a demo on this thread, which has to be the one that holds standard output, and on those of the runtime.
///
/// # Errors
/// See [`DemoError`]; that regions do not see each other is no error.
pub async fn run(made_of: Box<dyn DemoParts>, options: DemoOptions) -> Result<DemoReport, DemoError> {
    let signals = Signals::listen()?;
    let console = Console::open(options.progress)?;
    let (keys_thread, keys) = match console.has_keys() {
        true => Keys::read().map(|(thread, keys)| (Some(thread), Some(keys)))?,
        false => (None, None),
    };
    let started = Instant::now();
    let (mut director, control) = open(made_of, options, console, started).await?;

    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let (looked, looks) = watch::channel(Look::default());
    let (ordered, orders) = mpsc::channel(ORDERS);
    let mut helpers = JoinSet::new();
    helpers.spawn(look_again(director.looker.clone(), looked, stop.clone()));
    helpers.spawn(control::serve(control, ordered, stop.clone()));
    let mut inputs = Inputs { looks, orders, keys, signals };
    let report = director.run(&mut inputs).await;
    let Inputs { looks, orders, keys, mut signals } = inputs;
    drop((looks, orders, keys)); // Whoever waits to be heard learns that nobody listens any more.
    stop.cancel();
    while helpers.join_next().await.is_some() {}
    drop(keys_thread);
    end(director, &mut signals).await?;
    report
}

/// Sets the stage and says how.
async fn open(
    made_of: Box<dyn DemoParts>,
    options: DemoOptions,
    mut console: Console,
    started: Instant,
) -> Result<(Director, Listener), DemoError> {
    console
        .say(&[Line::of(Tone::Strong, "Three regions in this process; everything is in memory and on loopback.")])?;
    let ports = DemoPorts::choose(options.control_port).context("no ports").map_err(DemoError::Part)?;
    let moved: Vec<Line> = ports.moved.iter().map(|moved| Line::of(Tone::Warn, format!("  {moved}"))).collect();
    console.say(&moved)?;
    let control = Listener::bind(&ListenerGate::default(), "demo", ListenerLimits::small(), ports.control);
    let control = control.context("no orders can be taken").map_err(DemoError::Part)?;
    let looker = Looker::new(ports.clone()).context("nothing can be asked").map_err(DemoError::Part)?;
    let shop = Shop::open(SEED);
    let mut stage = Stage::set(made_of, ports.clone(), &shop, options.settings.clone()).map_err(DemoError::Part)?;
    console.say(&[Line::plain(format!(
        "  a broker in the place of Kafka, {}, with the topics of all regions",
        stage.broker()
    ))])?;
    for region in DemoRegion::ALL {
        stage.start(&Target::Registry(region)).await.map_err(DemoError::Part)?;
    }
    console.say(&[Line::plain("  three registries in the place of Nacos")])?;
    let count = shop.instances().len();
    for region in DemoRegion::ALL {
        stage.start(&Target::Gateway(region)).await.map_err(DemoError::Part)?;
    }
    console.say(&[
        Line::plain("  three gateways, which read their registries and each other's log"),
        Line::plain(format!(
            "  a shop in each region, which registers {count} instances through the gateways' front doors"
        )),
    ])?;
    let mut director = Director::new(options, console, stage, shop, looker, ports, started);
    director.tell_commands()?;
    Ok((director, control))
}

/// Stops everything in order, or at once if somebody insists.
async fn end(mut director: Director, signals: &mut Signals) -> Result<(), DemoError> {
    director.note(Tone::Quiet, "stopping: the shop, gateways, registries, the broker")?;
    director.console.close();
    tokio::select! {
        () = director.stage.strike() => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// Asks everybody again and again.
async fn look_again(looker: Looker, looked: watch::Sender<Look>, stop: CancellationToken) {
    let begun = Instant::now();
    let mut ticks = interval(FIRST_LOOKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let looking = async {
        loop {
            ticks.tick().await;
            looked.send_replace(looker.look().await);
            if begun.elapsed() > Duration::from_secs(5) && ticks.period() != LOOK_EVERY {
                ticks = interval(LOOK_EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = stop.cancelled() => {}
    }
}
