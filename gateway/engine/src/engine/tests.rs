//! The engine with a real core between a log and a Nacos that only write down what they are asked. Work is counted, not timed.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use federation_core::drains::TakenOrder;
use federation_core::federation::{FederationSettings, ImportRules};
use federation_core::id::InstanceId;
use federation_core::input::{Effect, LocalInput, LogInput, ReplicaIdentity};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::DrainOrder;
use federation_core::local::service::RemovalPatience;
use federation_core::log::control::Descriptor;
use federation_core::log::record::{ControlRecord, PartitionId, TopicKind};
use federation_core::pattern::NameSelection;
use federation_core::pulse::FreshnessSettings;
use federation_core::routing::{Damping, DrainGuard, Percent};
use federation_core::seed::Seed;

use super::*;
use crate::snapshot_stream::SnapshotStream;
use federation_codec::record::EncodedRecord;
use federation_ports::trouble::TroubleBoard;
use federation_view::view::{self, ViewReader};

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const NEVER: Millis = Millis(u64::MAX);

/// What the adapters were asked, in order.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct FakeLog(Asked);

impl LogWriter for FakeLog {
    fn send(&mut self, record: EncodedRecord) {
        self.0.note(format!("send {}", String::from_utf8_lossy(&record.key)));
    }

    fn purge(&mut self) {}

    fn ask_end(&mut self, _: PartitionId) {}

    fn read_anew(&mut self, _: PartitionId) {}
}

/// Blocks the engine when it is asked to watch the service `blocked`, until it is let go; panics at `broken`.
struct FakeNacos {
    asked: Asked,
    blocked: SyncSender<()>,
    let_go: Receiver<()>,
}

impl LocalNacos for FakeNacos {
    fn watch_service(&mut self, key: ServiceKey) {
        self.asked.note(format!("watch {}", key.service()));
        match key.service() {
            "blocked" => {
                let _ = self.blocked.send(());
                let _ = self.let_go.recv();
            }
            "broken" => panic!("broken on purpose"),
            _ => {}
        }
    }

    fn unwatch_service(&mut self, _: ServiceKey) {}
    fn read_service(&mut self, _: ServiceKey) {}
    fn query_service(&mut self, _: ServiceKey) {}
    fn read_config(&mut self, _: ConfigKey) {}
}

/// An engine that does not run yet, and what it is surrounded by.
struct Stage {
    engine: Engine,
    view: ViewReader,
    inbox: mpsc::Sender<EngineNews>,
    news: mpsc::Receiver<EngineNews>,
    commands: federation_ports::commands::EngineCommands,
    asked: Asked,
    metrics: EngineMetrics,
    blocked: Receiver<()>,
    let_go: SyncSender<()>,
    _snapshots: mpsc::Receiver<SnapshotStream>,
}

fn core() -> Federation {
    let cluster = "a".parse().unwrap();
    Federation::new(FederationSettings {
        identity: ReplicaIdentity { cluster, nonce: 7, name: "r".into(), advertised: "".into() },
        descriptor: Descriptor { partitions: 2, generation: 1, reads_schema: 2, ..Descriptor::default() },
        patience: RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(600) },
        beat: Millis::from_secs(1),
        freshness: FreshnessSettings { stale_after: Millis::from_secs(10), lost_after: Millis::from_secs(60) },
        damping: Damping::default(),
        guard: federation_core::guard::GuardSettings::default(),
        export: NameSelection::everything(),
        import: ImportRules::everything(),
        intents: federation_core::orders::rules::IntentRules::default(),
        bounds: federation_core::log::bounds::OriginBounds::default(),
        census: federation_core::federation::CensusPace::default(),
        digest: federation_core::federation::RecordDigest::new(federation_codec::record::digest_of),
        seed: Seed(1),
    })
}

impl Stage {
    fn set(pace: TurnPace) -> Self {
        let (asked, metrics, clock) = (Asked::default(), EngineMetrics::default(), ProcessClock::start());
        let (writer, view) = view::new(Arc::new(move || clock.mono()));
        let (inbox, news) = mpsc::channel(INBOX_CAPACITY);
        let (commands, queue) = federation_ports::commands::commands();
        let (streams, _snapshots) = mpsc::channel(1);
        let snapshots = SnapshotOutlet { streams, mark: Arc::default() };
        let ((told_blocked, blocked), (let_go, waits)) = (sync_channel(1), sync_channel(1));
        let engine = Engine {
            core: core(),
            clock,
            pace,
            log: Box::new(FakeLog(asked.clone())),
            nacos: Box::new(FakeNacos { asked: asked.clone(), blocked: told_blocked, let_go: waits }),
            view: writer,
            metrics: metrics.clone(),
            troubles: TroubleBoard::default(),
            facts: Vec::new(),
            snapshots,
            commands: queue,
            fault: None,
            signer: None,
            orders: Box::new(()),
            recorder: None,
            waiting: OrderWaiter::default(),
            keys: Default::default(),
        };
        Self { engine, view, inbox, news, commands, asked, metrics, blocked, let_go, _snapshots }
    }

    /// As after a start: Nacos is connected, the own control topic was read to its end, so that orders are taken.
    fn begun(pace: TurnPace) -> Self {
        let mut stage = Self::set(pace);
        let control = PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Control, partition: 0 };
        let members = LogInput::Members(vec![(control.origin.clone(), 2)]);
        let at_end = LogInput::AtEnd { partition: control, next_offset: 0 };
        for input in [Input::Local(LocalInput::Connected), Input::Log(members), Input::Log(at_end)] {
            stage.step_and_read_back(input);
        }
        stage
    }

    /// What it writes into its control topic comes back at once.
    fn step_and_read_back(&mut self, input: Input) {
        let core = &mut self.engine.core;
        let mut written = core.step(self.engine.clock.now(), input);
        for offset in 0.. {
            let read_back = written.drain(..).find_map(|effect| match effect {
                Effect::Control { key, value, header } => {
                    Some(ControlRecord { offset, key, value, header: Some(header), signed: Default::default() })
                }
                _ => None,
            });
            let Some(record) = read_back else { return };
            let control = LogInput::Control { origin: "a".parse().unwrap(), records: vec![record] };
            written = core.step(self.engine.clock.now(), Input::Log(control));
        }
    }

    fn tell(&self, input: LocalInput) {
        self.inbox.try_send(Input::Local(input).into()).unwrap();
    }

    /// Runs until everything that was told is taken in and shown.
    async fn run_out(self) -> (ViewReader, EngineMetrics, Asked) {
        drop(self.inbox);
        self.engine.run(self.news, CancellationToken::new()).await;
        (self.view, self.metrics, self.asked)
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("public", "g", name)
}

fn discovered(name: &str) -> LocalInput {
    LocalInput::Discovered(key(name))
}

/// The service has one instance, at this port.
fn listed(name: &str, port: u16) -> LocalInput {
    let instance = Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: Metadata::default(),
    };
    let instances = vec![(InstanceId::new("10.0.0.1", port, "DEFAULT"), instance)];
    LocalInput::Listed { service: key(name), instances, protected: false }
}

fn order() -> DrainOrder {
    DrainOrder {
        target: "frankfurt".parse().unwrap(),
        percent: Percent::new(30).unwrap(),
        over: Millis(0),
        guard: DrainGuard::default(),
        who: "ann".into(),
        why: "".into(),
        giver: Default::default(),
    }
}

#[tokio::test]
async fn a_burst_is_shown_in_few_changes_and_after_each_step_where_steps_take_long() {
    for (take_in, turns) in [(NEVER, 3), (Millis(0), 600)] {
        let stage = Stage::begun(TurnPace { take_in, show: NEVER });
        stage.tell(discovered("orders"));
        (1..600).for_each(|port| stage.tell(listed("orders", port)));
        let (view, metrics, _) = stage.run_out().await;
        assert_eq!(metrics.turns.get(), turns, "{take_in:?}");
        assert!(view.service(&key("orders")).is_some());
    }
}

#[tokio::test]
async fn what_does_not_fit_into_a_turn_is_shown_in_the_next_ones_before_any_news() {
    let stage = Stage::begun(TurnPace { take_in: NEVER, show: Millis(0) });
    for number in 0..100 {
        stage.tell(discovered(&format!("s{number}")));
        stage.tell(listed(&format!("s{number}"), 80));
    }
    let news = 200_u64;
    let before = stage.metrics.steps.get();
    (news..300).for_each(|number| stage.tell(discovered(&format!("later{number}"))));
    let (view, metrics, _) = stage.run_out().await;
    assert_eq!(view.service_names().len(), 100);
    // Two batches, and between them one turn for each value but the first, which goes with its batch.
    assert_eq!((metrics.turns.get(), metrics.steps.get() - before), (2 + 99, 300 + 99));
}

#[tokio::test]
async fn an_order_goes_before_all_the_news_that_wait() {
    let mut stage = Stage::begun(TurnPace { take_in: Millis(0), show: NEVER });
    (0..INBOX_CAPACITY).for_each(|number| stage.tell(discovered(&format!("s{number}"))));
    let commands = stage.commands.clone();
    let mut ordered = Box::pin(commands.order_drain(order()));
    assert!(futures::poll!(&mut ordered).is_pending());
    stage.inbox = mpsc::channel(1).0; // Nobody tells more.
    let (_, _, asked) = stage.run_out().await;
    let TakenOrder { target, .. } = ordered.await.unwrap();
    assert_eq!(target, order().target);
    let asked = asked.all();
    let sent = asked.iter().position(|what| what.contains("drain")).unwrap();
    let watched = asked.iter().position(|what| what.contains("watch")).unwrap();
    assert!(sent < watched, "{asked:?}");
}

#[tokio::test]
async fn an_order_whose_caller_has_gone_is_not_taken() {
    let mut stage = Stage::begun(TurnPace::default());
    let mut gone = Box::pin(stage.commands.order_drain(order()));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    let command = stage.engine.commands.next().await.unwrap();
    stage.engine.obey(command);
    assert!(!stage.asked.all().iter().any(|what| what.contains("drain")), "nothing was written");
}

/// The test's runtime has this one thread: if the engine needed it, nobody could be told.
#[tokio::test]
async fn who_watches_is_told_of_a_change_while_the_engine_works_at_the_next_one() {
    let stage = Stage::begun(TurnPace { take_in: Millis(0), show: NEVER });
    let mut watch = stage.view.watch_service(&key("orders"));
    stage.tell(discovered("orders"));
    stage.tell(listed("orders", 80));
    stage.tell(discovered("blocked"));
    let stop = CancellationToken::new();
    let mut running = stage.engine.start(stage.news, stop.clone()).unwrap();
    stage.blocked.recv_timeout(PATIENCE).unwrap();
    tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap();
    assert_eq!(stage.view.service(&key("orders")).unwrap().origins[0].instances.len(), 1);
    stop.cancel();
    stage.let_go.send(()).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, running.ended()).await.unwrap(), EngineEnded::Returned);
}

#[tokio::test]
async fn the_end_of_the_engine_is_told_also_when_it_breaks() {
    let stage = Stage::begun(TurnPace::default());
    stage.tell(discovered("broken"));
    let mut running = stage.engine.start(stage.news, CancellationToken::new()).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, running.ended()).await.unwrap(), EngineEnded::Panicked);
}
