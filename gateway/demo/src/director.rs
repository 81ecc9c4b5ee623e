//! The one who runs the show: takes turns of the script, orders and keys, looks at what is seen, and tells all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::board;
use super::console::Console;
use super::control::{Order, Reply, What};
use super::keys::Key;
use super::line::{Line, Tone};
use super::look::{Look, Looker};
use super::ports::DemoPorts;
use super::region::DemoRegion;
use super::report::DemoReport;
use super::shop::{Change, InstanceState, Shop};
use super::signals::Signals;
use super::stage::{Stage, Standing};
use super::stopwatch::{self, Audience, Timed};
use super::target::Target;
use super::{DemoError, DemoOptions};

/// The script begins when everybody sees everybody, or after this.
const OPENS_AT_LATEST: Duration = Duration::from_secs(15);
/// How often a line sums up, where there is no board.
const SUM_UP_EVERY: Duration = Duration::from_secs(10);
/// Before the end the script rests for a quarter of the time, within these bounds, so that the last change can arrive.
const REST: std::ops::Range<Duration> = Duration::from_millis(500)..Duration::from_secs(5);
/// How long after its time a demo waits for the last change to arrive.
const GRACE: Duration = Duration::from_secs(5);
/// How soon it looks again meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Changes whose arrival is timed at once; with more, the script is faster than anybody reads.
const MOST_TIMED: usize = 8;

/// What comes from outside.
pub(super) struct Inputs {
    /// What is seen, whenever somebody looked.
    pub(super) looks: watch::Receiver<Look>,
    /// Orders from other terminals.
    pub(super) orders: mpsc::Receiver<Order>,
    /// Keys; none where there is no keyboard.
    pub(super) keys: Option<mpsc::Receiver<Key>>,
    /// Wishes of the system that this should end.
    pub(super) signals: Signals,
}

/// Everything that is needed to run the show.
pub(super) struct Director {
    pub(super) options: DemoOptions,
    pub(super) console: Console,
    pub(super) stage: Stage,
    pub(super) shop: Shop,
    pub(super) looker: Looker,
    pub(super) ports: DemoPorts,
    pub(super) state: State,
}

/// What has happened so far.
pub(super) struct State {
    started: Instant,
    phase: Phase,
    paused: bool,
    look: Look,
    freshness: BTreeMap<(DemoRegion, DemoRegion), String>,
    /// Who waits for the end of a part.
    pub(super) waiting: Vec<(Target, oneshot::Sender<Reply>)>,
    timing: JoinSet<Timed>,
    summed_up: Instant,
    changes: u64,
}

/// How far the show is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Gateways read their registries and the log for the first time.
    Opening,
    /// Instances come and go.
    Playing,
    /// The script has ended; the last changes arrive.
    Resting,
}

enum Event {
    Turn,
    Looked,
    Ordered(Order),
    Pressed(Key),
    PartEnded(Target, anyhow::Result<()>),
    Arrived(Timed),
    Rest,
    End,
}

impl Director {
    /// Nothing has happened yet but that the stage was set, at `started`.
    pub(super) fn new(
        options: DemoOptions,
        console: Console,
        stage: Stage,
        shop: Shop,
        looker: Looker,
        ports: DemoPorts,
        started: Instant,
    ) -> Self {
        let state = State {
            started,
            phase: Phase::Opening,
            paused: false,
            look: Look::default(),
            freshness: BTreeMap::new(),
            waiting: Vec::new(),
            timing: JoinSet::new(),
            summed_up: started,
            changes: 0,
        };
        Self { options, console, stage, shop, looker, ports, state }
    }

    /// Runs until its time is over or somebody ends it, and judges what is seen then.
    pub(super) async fn run(&mut self, inputs: &mut Inputs) -> Result<DemoReport, DemoError> {
        let mut script = interval(self.options.every);
        script.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clock = interval(Duration::from_secs(1));
        loop {
            let event = self.next_event(inputs, &mut script, &mut clock).await;
            let played = self.plays();
            if !self.take(event).await? {
                break;
            }
            if self.plays() && !played {
                script.reset(); // A full interval first: one wants to see how it is before something changes.
            }
            self.redraw()?;
        }
        self.judge().await
    }

    async fn next_event(&mut self, inputs: &mut Inputs, script: &mut Interval, clock: &mut Interval) -> Option<Event> {
        let end = self.options.duration.map(|duration| self.state.started + duration);
        let rest = end.map(|end| end - rest(self.options.duration.unwrap_or_default()));
        let plays = self.plays();
        let rests = self.state.phase == Phase::Resting;
        // All arms are cancel-safe.
        tokio::select! {
            _ = script.tick(), if plays => Some(Event::Turn),
            _ = clock.tick() => None,
            Ok(()) = inputs.looks.changed() => {
                self.state.look = inputs.looks.borrow_and_update().clone();
                Some(Event::Looked)
            }
            Some(order) = inputs.orders.recv() => Some(Event::Ordered(order)),
            Some(key) = pressed(&mut inputs.keys) => Some(Event::Pressed(key)),
            (target, outcome) = self.stage.ended() => Some(Event::PartEnded(target, outcome)),
            Some(Ok(timed)) = self.state.timing.join_next() => Some(Event::Arrived(timed)),
            () = until(rest), if !rests => Some(Event::Rest),
            () = until(end) => Some(Event::End),
            () = inputs.signals.next() => Some(Event::End),
        }
    }

    fn plays(&self) -> bool {
        self.state.phase == Phase::Playing && !self.state.paused
    }

    /// Does what an event asks for. Returns whether the show goes on.
    async fn take(&mut self, event: Option<Event>) -> Result<bool, DemoError> {
        match event {
            None => {}
            Some(Event::Turn) => {
                if let Some(change) = self.shop.next() {
                    self.change(change)?;
                }
            }
            Some(Event::Looked) => self.looked()?,
            Some(Event::Ordered(Order { what, reply })) => self.obey(what, Some(reply)).await?,
            Some(Event::Pressed(key)) => return self.press(key).await,
            Some(Event::PartEnded(target, outcome)) => self.part_ended(&target, outcome)?,
            Some(Event::Arrived(timed)) => self.say(vec![timed.line()])?,
            Some(Event::Rest) => {
                self.state.phase = Phase::Resting;
                self.note(Tone::Quiet, "the shop rests, so that the last changes can arrive")?;
            }
            Some(Event::End) => return Ok(false),
        }
        Ok(true)
    }

    /// A change of the shop: registered, told, and its arrival timed.
    pub(super) fn change(&mut self, change: Change) -> Result<(), DemoError> {
        self.state.changes += 1;
        self.stage.want(change.region, self.shop.wanted(change.region));
        let at = self.state.started.elapsed();
        if self.state.timing.len() < MOST_TIMED {
            let audience = self.audience(change.region);
            self.state.timing.spawn(stopwatch::time(self.looker.clone(), at, change, audience));
            return Ok(());
        }
        self.say(vec![stopwatch::line_of(at, &change)])
    }

    /// Who can show a change of a region as things stand.
    fn audience(&self, region: DemoRegion) -> Audience {
        let up = |target: Target| self.stage.standing(&target) == Standing::Up;
        if !up(Target::Registry(region)) {
            return Audience::Nobody { without: "registry" };
        }
        if !up(Target::Gateway(region)) {
            return Audience::Nobody { without: "gateway" };
        }
        if !up(Target::Kafka) {
            return Audience::Home;
        }
        let running: Vec<DemoRegion> =
            DemoRegion::ALL.into_iter().filter(|region| up(Target::Gateway(*region))).collect();
        if running.len() == DemoRegion::ALL.len() { Audience::Everybody } else { Audience::Those(running) }
    }

    fn looked(&mut self) -> Result<(), DemoError> {
        let report = self.report();
        let elapsed = self.state.started.elapsed();
        if self.state.phase == Phase::Opening && (report.complete || elapsed > OPENS_AT_LATEST) {
            self.state.phase = Phase::Playing;
            let text = if report.complete {
                "every region sees every other one"
            } else {
                "not every region sees every other one yet"
            };
            self.note(Tone::Good, format!("{text}; the shop opens: a change every {:?}", self.options.every))?;
        } else if self.state.phase != Phase::Opening {
            self.tell_freshness(&report)?;
        }
        for (gateway, region, freshness) in freshness_of(&report) {
            self.state.freshness.insert((gateway, region), freshness);
        }
        if !self.console.has_board() && self.state.summed_up.elapsed() >= SUM_UP_EVERY {
            self.state.summed_up = Instant::now();
            self.say(vec![board::at(elapsed, "").append(board::summary(&report))])?;
        }
        Ok(())
    }

    /// Tells of every region that looks otherwise from another one than at the last look.
    fn tell_freshness(&mut self, report: &DemoReport) -> Result<(), DemoError> {
        for (gateway, region, freshness) in freshness_of(report) {
            let former = self.state.freshness.get(&(gateway, region));
            if former.is_some_and(|former| *former != freshness) {
                let cell = report.cell(gateway, region).expect("its freshness was read from it");
                let (tone, keeps) = match freshness.as_str() {
                    "live" => (Tone::Good, String::new()),
                    _ => (Tone::Warn, format!(", keeps {}", cell.instances)),
                };
                let text = format!("sees {region}: {freshness}{keeps} ({})", cell.freshness_reason);
                self.say(vec![board::at(self.state.started.elapsed(), gateway.name()).and(tone, text)])?;
            }
        }
        Ok(())
    }

    async fn press(&mut self, key: Key) -> Result<bool, DemoError> {
        match key {
            Key::Quit => return Ok(false),
            Key::Resized => self.console.resized()?,
            Key::Help => self.tell_commands()?,
            Key::Pause => {
                self.state.paused = !self.state.paused;
                self.note(Tone::Quiet, if self.state.paused { "paused: nothing comes or goes" } else { "goes on" })?;
            }
            Key::Toggle(target) => {
                let what = if self.stage.standing(&target) == Standing::Up { What::Stop } else { What::Start };
                self.obey(what(target), None).await?;
            }
            Key::StopInstance => {
                let running = |state| state == InstanceState::Running;
                let found = self.shop.instances().iter().find(|one| running(one.state));
                if let Some(target) = found.map(|one| Target::Instance(one.region, one.name.clone())) {
                    self.obey(What::Stop(target), None).await?;
                }
            }
            Key::StartInstances => {
                for target in self.stopped_instances() {
                    self.obey(What::Start(target), None).await?;
                }
            }
        }
        Ok(true)
    }

    /// Looks once more, and again for a while if not everything has arrived, and tells the result.
    async fn judge(&mut self) -> Result<DemoReport, DemoError> {
        let deadline = Instant::now() + if self.options.duration.is_some() { GRACE } else { Duration::ZERO };
        loop {
            self.state.look = self.looker.look().await;
            let report = self.report();
            if report.complete || !report.stopped.is_empty() || Instant::now() >= deadline {
                self.console.draw(Vec::new())?;
                let mut lines = vec![Line::default()];
                lines.extend(board::matrix(&report));
                lines.extend(board::callers(&report));
                lines.extend([Line::default(), board::summary(&report)]);
                self.say(lines)?;
                return Ok(report);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn redraw(&mut self) -> Result<(), DemoError> {
        if !self.console.has_board() {
            return Ok(());
        }
        let report = self.report();
        let mut lines = vec![Line::default()];
        lines.extend(board::matrix(&report));
        lines.extend(board::callers(&report));
        lines.push(Line::default());
        let kafka = match self.stage.standing(&Target::Kafka) {
            Standing::Up => Line::of(Tone::Quiet, "kafka up"),
            _ => Line::of(Tone::Bad, "kafka down"),
        };
        let elapsed = board::clock(self.state.started.elapsed());
        let paused = if self.state.paused { ", paused" } else { "" };
        lines.push(board::summary(&report));
        lines.push(kafka.and(Tone::Quiet, format!("  {} changes in {elapsed}{paused}", self.state.changes)));
        lines.extend(board::keys());
        Ok(self.console.draw(lines)?)
    }

    fn report(&self) -> DemoReport {
        DemoReport::of(&self.state.look, DemoRegion::ALL.map(|region| self.stage.found(region)), self.stopped())
    }

    /// Tells where everything listens and what to try.
    pub(super) fn tell_commands(&mut self) -> Result<(), DemoError> {
        let mut lines = vec![Line::default()];
        lines.extend(board::addresses(&self.ports));
        lines.push(Line::default());
        lines.extend(board::invitation(&self.ports));
        lines.extend([Line::default(), Line::of(Tone::Strong, "Try from another terminal:")]);
        lines.extend(board::commands(&self.ports, &self.options.program));
        lines.push(Line::default());
        self.say(lines)
    }

    /// Tells something about the whole.
    pub(super) fn note(&mut self, tone: Tone, text: impl AsRef<str>) -> Result<(), DemoError> {
        self.say(vec![board::at(self.state.started.elapsed(), "").and(tone, text)])
    }

    fn say(&mut self, lines: Vec<Line>) -> Result<(), DemoError> {
        Ok(self.console.say(&lines)?)
    }
}

/// How long the script rests before the end of a show of this length.
fn rest(duration: Duration) -> Duration {
    (duration / 4).clamp(REST.start, REST.end)
}

/// What each gateway that answers says of the freshness of each other region.
fn freshness_of(report: &DemoReport) -> Vec<(DemoRegion, DemoRegion, String)> {
    let pairs = DemoRegion::ALL.into_iter().flat_map(|gateway| DemoRegion::ALL.map(|region| (gateway, region)));
    let others = pairs.filter(|(gateway, region)| gateway != region);
    others
        .filter_map(|(gateway, region)| Some((gateway, region, report.cell(gateway, region)?.freshness.clone())))
        .collect()
}

/// Never ready where there is nothing to wait for.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Never ready where there is no keyboard.
async fn pressed(keys: &mut Option<mpsc::Receiver<Key>>) -> Option<Key> {
    match keys {
        Some(keys) => keys.recv().await,
        None => std::future::pending().await,
    }
}
