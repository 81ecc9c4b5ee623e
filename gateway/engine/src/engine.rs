//! The owner of the state: takes news in, steps the core, carries out its effects, and puts what changed into the view.
//!
//! It runs on a thread of its own, so that it and those who answer do not wait for each other: whom it wakes runs at once, however
//! long its own work goes on. It never waits for Kafka or Nacos. Its end is fatal: nobody else may write the view.
//!
//! A *turn* takes in what waits, for a bounded time and a bounded number of inputs, and shows what changed, for a bounded time; then the
//! next begins. So a burst of records costs few changes of the view, and none has to wait for the end of the burst. Before each turn
//! come, in this order: the stop, what people order, what is left to be shown, and only then news. News stay in the order in which they
//! came, control records too: an origin's beat vouches for what was read before it, and overtaking that it would call a backlog young.
//!
//! Each turn, each step and each value that is shown is stamped in the view ([`ViewWriter::turned`]); the [watchdog](federation_view::watchdog) looks at that.

mod commands;
mod effects;
mod holds;
mod keeping;
mod origins;
mod read_back;
mod removals;
mod seals;
mod status;
mod strangers;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::Arc;

use federation_codec::signature::RecordSigner;
use federation_core::cause::ChangeCause;
use federation_core::federation::{Federation, ViewChanges};
use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::input::{Effect, Input, LogInput};
use federation_core::time::{Millis, Mono, Now};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use federation_ports::fault::EngineStuck;
use federation_ports::inbox::{EngineNews, INBOX_CAPACITY, LocalNacos, LogWriter};
use federation_ports::metrics::EngineMetrics;
use federation_ports::trouble::TroubleBoard;
use federation_view::view::{ClusterTable, ViewChange, ViewWriter};

use self::commands::Asked;
pub use self::commands::OrderWaiter;
use self::keeping::Keeping;
use self::read_back::ReadBack;
use self::status::Startup;
pub use self::thread::{EngineEnded, EngineThread};
use crate::recording::StepRecorder;
use crate::snapshot_stream::SnapshotOutlet;
use federation_ports::clock::ProcessClock;
use federation_ports::commands::{CommandQueue, EngineCommand};
use federation_ports::facts::FactSource;
use federation_ports::orders::OrderListener;
use federation_ports::seal_keys::SealKeyring;
use federation_ports::trace;

/// How much news is taken in before the view is changed. A larger batch makes a replay cheaper, a smaller one a change
/// younger.
const BATCH: usize = 256;
/// Ages, freshness and the gateway's own state are told this often.
const TELL_EVERY: Millis = Millis(500);
/// The engine rests so long before it turns only because time has passed. What is due is late by so much at most, which nothing
/// notices; and a state machine that calls itself due at once, for ever, costs a small part of a core and not all of it.
const REST: Millis = Millis(5);

/// How long a turn goes on beginning things.
#[derive(Clone, Copy, Debug)]
pub struct TurnPace {
    /// No further news is taken in after so long.
    take_in: Millis,
    /// No further value is built for the view after so long: the rest is the next turn's, before any news.
    show: Millis,
}

impl Default for TurnPace {
    /// A fiftieth of a second each: a person or a health check sees nothing of it, and it is long against what a turn costs beside
    /// its work (some 10 µs), so that a backlog is worked off as fast as without a bound.
    fn default() -> Self {
        Self { take_in: Millis(20), show: Millis(20) }
    }
}

/// Whether other drains are in force than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orders {
    Same,
    Changed,
}

/// The engine and what it acts through.
pub struct Engine {
    /// The state.
    pub core: Federation,
    /// What it reads time from.
    pub clock: ProcessClock,
    /// How long its turns are.
    pub pace: TurnPace,
    /// Where it writes facts.
    pub log: Box<dyn LogWriter>,
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
    /// Where snapshots go.
    pub snapshots: SnapshotOutlet,
    /// What people want done.
    pub commands: CommandQueue,
    /// A fault that a test asked for.
    pub fault: Option<EngineStuck>,
    /// What signs the own cluster's orders, if anything does.
    pub signer: Option<RecordSigner>,
    /// Who is told what people ordered elsewhere.
    pub orders: Box<dyn OrderListener>,
    /// Where it writes down what it is told, if somebody wants that.
    pub recorder: Option<StepRecorder>,
    /// Who waits for answers to orders; nobody at first.
    pub waiting: OrderWaiter,
    /// For contents that are sealed.
    pub keys: SealKeyring,
}

/// Why a turn begins.
enum Occasion {
    /// Somebody ordered something.
    Order(EngineCommand),
    /// The first of the news that wait.
    News(EngineNews),
    /// Time passed, or something is left to be shown.
    Due,
}

/// What one turn leaves to the next.
struct Course {
    startup: Startup,
    read_back: ReadBack,
    tell_at: Mono,
    keeping: Keeping,
    left: Left,
}

/// What changed and is not shown yet.
#[derive(Default)]
struct Left {
    services: Vec<(ServiceKey, ChangeCause)>,
    configs: Vec<(ConfigKey, ChangeCause)>,
}

impl Left {
    fn add(&mut self, changed: ViewChanges) {
        self.services.extend(changed.services);
        self.configs.extend(changed.configs);
    }

    fn is_empty(&self) -> bool {
        self.services.is_empty() && self.configs.is_empty()
    }
}

impl Engine {
    /// Runs until `stop`, then says so in the log. Ends early only if nobody can send news any more. Blocks its thread for as long as
    /// its work takes: see [`Engine::start`].
    async fn run(mut self, mut inbox: mpsc::Receiver<EngineNews>, stop: CancellationToken) {
        let mut course = Course {
            startup: Startup::default(),
            read_back: ReadBack::new(self.core.identity(), self.metrics.published.clone()),
            tell_at: Mono(0),
            keeping: Keeping::new(self.snapshots.clone(), self.clock.mono()),
            left: Left::default(),
        };
        self.view.turned();
        self.follow_keys();
        while let Some(occasion) = self.await_occasion(&mut inbox, &stop, &course).await {
            self.turn(occasion, &mut inbox, &mut course);
        }
        self.step(Input::Stop, None);
        course.keeping.finish(&self.core, self.clock.mono()).await;
    }

    /// Puts all that was restored into the view, before the engine runs and before anybody asks: else who asks early is told of a part.
    pub fn show_restored(&mut self) {
        let (now, mut left) = (self.clock.now(), Left::default());
        left.add(self.core.take_changed());
        while !left.is_empty() {
            let change = self.build(&mut left);
            self.view.apply(change);
        }
        let mut change = ViewChange::default();
        self.show_intents(&mut change);
        self.tell(now, Input::Look);
        change.clusters = Some(Arc::new(ClusterTable { clusters: self.core.clusters() }));
        self.view.apply(change);
    }

    /// `None`: it is over.
    async fn await_occasion(
        &mut self,
        inbox: &mut mpsc::Receiver<EngineNews>,
        stop: &CancellationToken,
        course: &Course,
    ) -> Option<Occasion> {
        let (now, all_shown) = (self.clock.mono(), course.left.is_empty());
        let deadline = match all_shown {
            true if course.keeping.is_under_way() => now + REST,
            true => self.core.next_deadline(now).min(course.tell_at).max(now + REST),
            false => now,
        };
        // All are cancel-safe: what was not handed over stays queued.
        tokio::select! {
            biased; // What people order goes before a backlog of news, and what is known is shown before more is learnt.
            () = stop.cancelled() => None,
            Some(command) = self.commands.next() => Some(Occasion::Order(command)),
            received = inbox.recv(), if all_shown => received.map(Occasion::News),
            () = tokio::time::sleep_until(self.clock.instant(deadline)) => Some(Occasion::Due),
        }
    }

    fn turn(&mut self, occasion: Occasion, inbox: &mut mpsc::Receiver<EngineNews>, course: &mut Course) {
        self.view.turned();
        if let Some(fault) = &mut self.fault {
            fault.strike(self.clock.mono());
        }
        self.metrics.turns.inc();
        self.metrics.queue_depth.set(i64::try_from(INBOX_CAPACITY - inbox_room(inbox)).unwrap_or(i64::MAX));
        let mut traces = Vec::new();
        match occasion {
            Occasion::Order(command) => self.obey(command),
            Occasion::Due => self.step(Input::Tick, None),
            Occasion::News(first) => self.take_in_what_waits(first, inbox, &mut course.read_back, &mut traces),
        }
        let now = self.clock.now();
        let told = now.mono >= course.tell_at;
        if told {
            course.tell_at = now.mono + TELL_EVERY;
            self.follow_keys();
        }
        if self.show(now, told, course) == Orders::Changed {
            course.keeping.hasten(now.mono);
        }
        drop(traces); // Their spans end when the change can be answered from.
        course.keeping.turn(&self.core, self.clock.mono());
        self.view.turned();
    }

    /// Up to a batch of news, as long as the turn's pace allows another.
    fn take_in_what_waits(
        &mut self,
        first: EngineNews,
        inbox: &mut mpsc::Receiver<EngineNews>,
        read_back: &mut ReadBack,
        traces: &mut Vec<tracing::Span>,
    ) {
        let until = self.clock.mono() + self.pace.take_in;
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(news) = next.take() else { return };
            read_back.note(&news.input);
            traces.extend(self.take_in(news));
            if self.clock.mono() >= until {
                return;
            }
            next = inbox.try_recv().ok(); // Closed: the next turn is told.
        }
    }

    fn take_in(&mut self, news: EngineNews) -> Option<tracing::Span> {
        let span = trace::span_of(&news.input, news.traceparent.as_deref());
        let traceparent = span.as_ref().and_then(trace::traceparent);
        let input = match (news.input, news.asked) {
            (Input::Log(LogInput::EndOffset { partition, end }), Some(asked)) => {
                Input::Log(LogInput::EndAnswer { partition, end, asked: self.clock.mono_at(asked) })
            }
            (input, _) => input,
        };
        self.step(input, traceparent.as_deref());
        span
    }

    /// Tells the state machine, and writes down what was told if that is wanted.
    fn tell(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let Some(recorder) = &mut self.recorder else { return self.core.step(now, input) };
        let effects = self.core.step(now, input.clone());
        recorder.note(now, input, &effects);
        effects
    }

    fn step(&mut self, input: Input, traceparent: Option<&str>) {
        self.metrics.steps.inc();
        let now = self.clock.now();
        let role = self.core.role();
        for effect in self.tell(now, input) {
            self.act(effect, traceparent);
        }
        for order in self.core.take_heard() {
            self.orders.heard(order);
        }
        if std::mem::discriminant(&role) != std::mem::discriminant(&self.core.role()) {
            let (role, epoch) = (status::role_name(&self.core), self.core.lease().epoch());
            tracing::info!(role, term = epoch.term, "role changed");
        }
        self.view.turned();
    }

    fn obey(&mut self, command: EngineCommand) {
        let Some(Asked { order, done }) = self.waiting.take(command) else { return };
        self.step(Input::Order(order), None);
        if let Some(done) = done {
            let _ = done.send(()); // Whoever ordered it may have gone: it counts.
        }
    }

    /// Puts what changed into the view, as much of it as the pace allows; `tell` adds what changes with time alone.
    fn show(&mut self, now: Now, tell: bool, course: &mut Course) -> Orders {
        let changed = self.core.take_changed();
        let (intents_changed, guard_changed) = (changed.intents, changed.guard);
        course.left.add(changed);
        if course.left.is_empty() && !intents_changed && !guard_changed && !tell {
            return Orders::Same;
        }
        let mut change = self.build(&mut course.left);
        let orders = if intents_changed { self.show_intents(&mut change) } else { Orders::Same };
        if guard_changed {
            change.holds = Some(self.core.guard());
        }
        self.tell(now, Input::Look);
        change.clusters = Some(Arc::new(ClusterTable { clusters: self.core.clusters() }));
        if tell {
            change.gateway = Some(Arc::new(self.status(now, &mut course.startup)));
            change.verification = Some(Arc::new(self.core.verification(now.mono)));
            change.comparison = self.core.take_comparison().map(Arc::new);
        }
        self.view.apply(change);
        self.view.turned();
        orders
    }

    /// The values of what is left, at least one.
    fn build(&mut self, left: &mut Left) -> ViewChange {
        let until = self.clock.mono() + self.pace.show;
        let mut change = ViewChange::default();
        while !left.is_empty() {
            if let Some((key, cause)) = left.services.pop() {
                let service = self.core.service(&key).map(Arc::new);
                change.services.push((key, service));
                change.causes.services.push(cause);
            } else if let Some((key, cause)) = left.configs.pop() {
                let config = self.core.config(&key).map(Arc::new);
                change.configs.push((key, config));
                change.causes.configs.push(cause);
            }
            self.view.turned();
            if self.clock.mono() >= until {
                break;
            }
        }
        let shown = u64::try_from(change.services.len() + change.configs.len()).unwrap_or(u64::MAX);
        self.metrics.view_changes.inc_by(shown);
        change
    }

    fn show_intents(&self, change: &mut ViewChange) -> Orders {
        let intents = self.core.intents();
        let same = intents.has_same_orders(&self.view.intents());
        change.intents = Some(intents);
        if same { Orders::Same } else { Orders::Changed }
    }
}

fn inbox_room(inbox: &mpsc::Receiver<EngineNews>) -> usize {
    inbox.capacity()
}
