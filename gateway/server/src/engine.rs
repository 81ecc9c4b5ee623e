//! The one task that owns the state: takes news in, steps the core, carries out its effects, and puts what changed into the view.
//!
//! It never waits for Kafka or Nacos. News is taken in batches, so that a burst of records costs one change of the view.
//! Its end is fatal: nobody else may write the view.

mod commands;
mod effects;
mod read_back;
mod removals;
mod status;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use federation_core::federation::input::Input;
use federation_core::federation::{Federation, Now, OriginSnapshot};
use federation_core::time::{Millis, Mono, WallMs};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::EngineMetrics;
use crate::ports::{INBOX_CAPACITY, LocalNacos, Log, News};
use crate::telemetry;
use crate::trouble::TroubleBoard;
use crate::view::{ClusterTable, ViewChange, ViewWriter};

use self::commands::Command;
pub use self::commands::{CommandError, CommandQueue, EngineCommands, commands};
use self::read_back::ReadBack;
use self::status::Startup;
pub use self::status::{FactSource, Facts};

/// How much news is taken in before the view is changed. A larger batch makes a replay cheaper, a smaller one a change
/// younger.
const BATCH: usize = 256;
/// Ages, freshness and the gateway's own state are told this often.
const TELL_EVERY: Millis = Millis(500);
/// A snapshot is kept this often, and at an orderly stop.
const KEEP_EVERY: Millis = Millis::from_secs(30);

/// A new drain is kept this soon: a restart without the log must know of it. A ramp's steps wait for the next snapshot.
const KEEP_ORDERS_WITHIN: Millis = Millis::from_secs(2);

/// Whether other drains are in force than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orders {
    Same,
    Changed,
}

/// This process's clocks. One per process: cluster ages are told by it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic time is zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Monotonic time since the start.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Both clocks. A wall clock before 1970 counts as 1970.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Now { mono: self.mono(), wall: WallMs(u64::try_from(wall).unwrap_or(u64::MAX)) }
    }

    fn instant(&self, mono: Mono) -> tokio::time::Instant {
        (self.started + std::time::Duration::from_millis(mono.0)).into()
    }
}

/// The engine and what it acts through.
pub struct Engine {
    /// The state.
    pub core: Federation,
    /// What it reads time from.
    pub clock: Clock,
    /// Where it writes facts.
    pub log: Box<dyn Log>,
    /// What it asks about the local registry.
    pub nacos: Box<dyn LocalNacos>,
    /// Where answers come from.
    pub view: ViewWriter,
    /// What it counts.
    pub metrics: EngineMetrics,
    /// Where it says what is wrong and lasts.
    pub troubles: TroubleBoard,
    /// Further facts for the gateway's status, told by the adapters.
    pub facts: Vec<Box<dyn FactSource>>,
    /// Where snapshots go; a full queue skips one.
    pub snapshots: mpsc::Sender<Vec<OriginSnapshot>>,
    /// What people want done.
    pub commands: CommandQueue,
}

impl Engine {
    /// Runs until `stop`, then says so in the log. Ends early only if nobody can send news any more.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<News>, stop: CancellationToken) {
        let mut startup = Startup::default();
        let mut read_back = ReadBack::new(self.core.identity(), self.metrics.published.clone());
        let mut tell_at = Mono(0);
        let mut keep_at = self.clock.mono() + KEEP_EVERY;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let deadline = self.core.next_deadline(self.clock.mono()).min(tell_at);
            // `recv_many` is cancel-safe: news that was not handed over stays queued.
            tokio::select! {
                () = stop.cancelled() => break,
                received = inbox.recv_many(&mut batch, BATCH) => if received == 0 { break },
                Some(command) = self.commands.next() => self.obey(command),
                () = tokio::time::sleep_until(self.clock.instant(deadline)) => batch.push(Input::Tick.into()),
            }
            self.metrics.queue_depth.set(i64::try_from(INBOX_CAPACITY - inbox_room(&inbox)).unwrap_or(i64::MAX));
            let mut traces = Vec::new();
            for news in batch.drain(..) {
                read_back.note(&news.input);
                traces.extend(self.take_in(news));
            }
            let now = self.clock.now();
            let told = now.mono >= tell_at;
            if told {
                tell_at = now.mono + TELL_EVERY;
            }
            if self.show(now, told, &mut startup) == Orders::Changed {
                keep_at = keep_at.min(now.mono + KEEP_ORDERS_WITHIN);
            }
            drop(traces); // Their spans end when the change can be answered from.
            if now.mono >= keep_at {
                keep_at = now.mono + KEEP_EVERY;
                self.keep();
            }
        }
        self.step(Input::Stop, None);
        self.keep();
    }

    fn keep(&self) {
        if self.snapshots.try_send(self.core.snapshot()).is_err() {
            tracing::debug!("the last snapshot is still being written, this one is skipped");
        }
    }

    fn take_in(&mut self, news: News) -> Option<tracing::Span> {
        let span = telemetry::span_of(&news.input, news.traceparent.as_deref());
        let traceparent = span.as_ref().and_then(telemetry::traceparent);
        self.step(news.input, traceparent.as_deref());
        span
    }

    fn step(&mut self, input: Input, traceparent: Option<&str>) {
        self.metrics.steps.inc();
        let now = self.clock.now();
        let role = self.core.role();
        for effect in self.core.step(now, input) {
            self.act(now, effect, traceparent);
        }
        if std::mem::discriminant(&role) != std::mem::discriminant(&self.core.role()) {
            let (role, epoch) = (status::role_name(self.core.role()), self.core.lease().epoch());
            tracing::info!(role, term = epoch.term, "role changed");
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        if let Some(effect) = command.run(now, &mut self.core) {
            self.act(now, effect, None);
        }
    }

    /// Puts what changed into the view; `tell` adds what changes with time alone.
    fn show(&mut self, now: Now, tell: bool, startup: &mut Startup) -> Orders {
        let changed = self.core.take_changed();
        if changed.is_empty() && !tell {
            return Orders::Same;
        }
        self.metrics.view_changes.inc_by(u64::try_from(changed.services.len() + changed.configs.len()).unwrap_or(0));
        let mut change = ViewChange::default();
        for key in changed.services {
            let service = self.core.service(&key).map(Arc::new);
            change.services.push((key, service));
        }
        for key in changed.configs {
            let config = self.core.config(&key).map(Arc::new);
            change.configs.push((key, config));
        }
        let orders = if changed.intents { self.show_intents(&mut change) } else { Orders::Same };
        change.clusters = Some(Arc::new(ClusterTable { clusters: self.core.clusters(now) }));
        if tell {
            change.gateway = Some(Arc::new(self.status(now, startup)));
        }
        self.view.apply(change);
        orders
    }

    fn show_intents(&self, change: &mut ViewChange) -> Orders {
        let intents = self.core.intents();
        let same = intents.has_same_orders(&self.view.intents());
        change.intents = Some(intents);
        if same { Orders::Same } else { Orders::Changed }
    }
}

fn inbox_room(inbox: &mpsc::Receiver<News>) -> usize {
    inbox.capacity()
}
