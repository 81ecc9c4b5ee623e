//! The owner of all state of a gateway: `step(now, Input) -> Effects`.
//!
//! What the log says, what Nacos says and what is held live here together, so publishing is an effect and not a task with
//! a second copy. [`local`](crate::local) takes in news of Nacos, [`consume`] news of the log, [`takeover`] takes the own log over, [`reconcile`]
//! compares it with what Nacos says, [`own`] drives it, [`sealing`] knows under which keys contents stand there,
//! [`heard`] tells what others ordered, [`stated`] says what this process states of its cluster, [`verify`] compares what all replicas state, [`links`] how each takes every origin, [`comparing`] the own log with Nacos, [`intents`] knows what operators want, [`tally`] counts, [`view`] makes the values
//! that answers are built from. Nothing here removes on silence.
//!
//! A step costs what its input asks for, never what the registry holds: counts are kept as they change, deadlines exist only where
//! something is due, and what may be long (a takeover, a bulk of sends, many questions) goes on in the next step.

mod belonging;
mod census;
mod changes;
mod clock;
mod comparing;
mod consume;
mod counts;
mod damping;
mod digest;
mod doors;
mod guard;
mod heard;
mod imports;
mod intents;
mod judge;
mod late;
mod limits;
mod links;
mod own;
mod partitions;
mod reconcile;
mod replicas;
mod sealing;
mod snapshot;
mod stated;
mod takeover;
mod tally;
mod verify;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cause::ChangeCause;
use crate::drains::IntentTable;
use crate::drains::prune::Pruner;
use crate::drains::writer::IntentWriter;
use crate::federation::belonging::Belonging;
use crate::federation::census::OwnCensuses;
use crate::federation::changes::NotedChanges;
use crate::federation::clock::ClusterClock;
use crate::federation::comparing::Comparing;
use crate::federation::damping::HealthMemory;
use crate::federation::guard::GuardDesk;
use crate::federation::late::LateDue;
use crate::federation::limits::{Load, PassedOver, SweepCredit};
use crate::federation::reconcile::Reconciling;
use crate::federation::replicas::Replicas;
use crate::federation::sealing::Sealing;
use crate::federation::stated::Described;
use crate::federation::tally::Tally;
use crate::freshness::Freshness;
use crate::guard::{GuardLog, GuardSettings, GuardTable};
use crate::id::{ClusterId, ObservedSubject, ServiceKey};
use crate::input::{Effect, Input, LocalInput, ReplicaIdentity};
use crate::lease::{Fitness, Lease, ReplicaRole, Wish};
use crate::local::mark::DoorMark;
use crate::local::observation::{LocalObservation, NacosConnection};
use crate::local::service::RemovalPatience;
use crate::log::bounds::OriginBounds;
use crate::log::control::Descriptor;
use crate::log::intents::IntentLog;
use crate::log::key::DataKey;
use crate::log::origin::OriginLog;
use crate::log::partition::Fold;
use crate::log::record::PartitionId;
use crate::orders::HeardOrder;
use crate::orders::rules::IntentRules;
use crate::pattern::NameSelection;
use crate::publish::Publisher;
use crate::pulse::{FreshnessSettings, Pulse};
use crate::reason::{FreshnessCode, FreshnessReason};
use crate::route::Route;
use crate::routing::{DampedWord, Damping};
use crate::seed::Seed;
use crate::service::Revision;
use crate::time::{Millis, Mono, Now};

pub use belonging::{Membership, Stranger};
pub use census::CensusPace;
pub use changes::ViewChanges;
pub use counts::Counts;
pub use digest::RecordDigest;
pub use imports::ImportRules;
pub use judge::SetAside;
pub use limits::OriginLimit;
pub use links::{LinkObserver, ObservedLink};
pub use partitions::PartitionMismatch;
pub use snapshot::{FrozenPiece, KeptFact, OriginSnapshot, SnapshotPiece};
pub use takeover::Leadership;
pub use tally::OriginSize;
pub use verify::{Difference, Stated, Verification, VerifiedOrigin, VerifiedReader};

/// The clock is looked at this often even if nothing happens: ages and beats depend on it.
const LONGEST_SLEEP: Millis = Millis(250);

/// What the owner of the state has to know from the configuration.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FederationSettings {
    /// Who this process is.
    pub identity: ReplicaIdentity,
    /// What the own cluster is.
    pub descriptor: Descriptor,
    /// When removals are believed.
    pub patience: RemovalPatience,
    /// What a mass loss is, and how long it is held.
    #[cfg_attr(feature = "serde", serde(default))]
    pub guard: GuardSettings,
    /// The leader of a cluster restates itself this often.
    pub beat: Millis,
    /// From which age on an origin is demoted.
    pub freshness: FreshnessSettings,
    /// How long what is better has to last before routing goes by it.
    pub damping: Damping,
    /// What other clusters may see.
    pub export: NameSelection,
    /// What is shown of other clusters.
    pub import: ImportRules,
    /// Whose orders count here.
    #[cfg_attr(feature = "serde", serde(default))]
    pub intents: IntentRules,
    /// What one origin may put upon this process.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bounds: OriginBounds,
    /// How often the keys of the own log are stated.
    #[cfg_attr(feature = "serde", serde(default))]
    pub census: CensusPace,
    /// The digest of a record as it is written (rule R15); asked for values only.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub digest: RecordDigest,
    /// What hash maps are seeded with: drawn by the process, given again to repeat what it did.
    pub seed: Seed,
}

/// One origin: what its log says, and how fresh that is.
struct Origin {
    log: OriginLog,
    /// Partitions of each of its data topics, as the brokers say; 0 while that is not known.
    topics: u32,
    intents: IntentLog,
    guard: GuardLog,
    pulse: Pulse,
    replicas: Replicas,
    descriptor: Option<Descriptor>,
    freshness: Freshness,
    /// Why, and how old its facts were at the last look.
    reason: FreshnessReason,
    age: Option<Millis>,
    /// What routing takes it for.
    effective: Freshness,
    /// What its effective freshness follows from; `None` until it was first heard live.
    damped: Option<DampedWord<Freshness>>,
    freshness_revision: Revision,
    counts: Counts,
    tally: Tally,
    aside: SetAside,
    load: Load,
    passed_over: PassedOver,
    sweeps: SweepCredit,
    /// A descriptor of another number of partitions waits, until then.
    refit_at: Option<Mono>,
    refitted: Option<Mono>,
    /// Since when its topics are seen by this process; `None` if it is known from a snapshot only.
    member: Option<Mono>,
}

impl Origin {
    /// An origin of which nothing was read yet; with 0 partitions while its topics are not known.
    fn new(partitions: u32, seed: Seed) -> Self {
        Self {
            log: OriginLog::new(partitions, seed),
            topics: 0,
            intents: IntentLog::default(),
            guard: GuardLog::default(),
            pulse: Pulse::default(),
            replicas: Replicas::default(),
            descriptor: None,
            freshness: Freshness::Stale,
            reason: FreshnessCode::NotJudged.into(),
            age: None,
            effective: Freshness::Stale,
            damped: None,
            freshness_revision: Revision::default(),
            counts: Counts::default(),
            tally: Tally::new(seed),
            aside: SetAside::default(),
            load: Load::default(),
            passed_over: PassedOver::default(),
            sweeps: SweepCredit::default(),
            refit_at: None,
            refitted: None,
            member: None,
        }
    }
}

/// The owner of all state of a gateway.
pub struct Federation {
    settings: FederationSettings,
    local: LocalObservation,
    health: HealthMemory,
    origins: BTreeMap<ClusterId, Origin>,
    lease: Lease,
    publisher: Publisher,
    leadership: Leadership,
    reconciling: Reconciling,
    revision: Revision,
    looked_at: Mono,
    changed: NotedChanges,
    intents: Arc<IntentTable>,
    intent_writer: IntentWriter,
    intent_pruner: Pruner,
    heard: Vec<HeardOrder>,
    guard: Arc<GuardTable>,
    guard_desk: GuardDesk,
    log_trouble: Option<Arc<str>>,
    control_header_seq: u64,
    described_in_log: Described,
    belonging: Belonging,
    clock: ClusterClock,
    comparing: Comparing,
    route: Route,
    bounds: OriginBounds,
    late: LateDue,
    censuses: OwnCensuses,
    sealing: Sealing,
    /// Clusters of which nothing counts, by order of an operator of this cluster.
    excluded: BTreeSet<ClusterId>,
    snapshot_revision: u64,
}

impl Federation {
    /// A gateway that knows nothing yet.
    #[must_use]
    pub fn new(settings: FederationSettings) -> Self {
        let local =
            LocalObservation::new(settings.patience, settings.export.clone(), settings.seed).guarded(settings.guard);
        let local = local.behind(DoorMark(settings.identity.nonce));
        let lease = Lease::new(settings.identity.nonce, settings.beat);
        Self {
            origins: BTreeMap::from([(settings.identity.cluster.clone(), Origin::new(0, settings.seed))]),
            health: HealthMemory::new(settings.damping.health, settings.seed),
            publisher: Publisher::new(settings.seed),
            bounds: settings.bounds,
            settings,
            local,
            lease,
            leadership: Leadership::default(),
            reconciling: Reconciling::default(),
            revision: Revision::default(),
            looked_at: Mono(0),
            changed: NotedChanges::default(),
            intents: Arc::default(),
            intent_writer: IntentWriter::default(),
            intent_pruner: Pruner::default(),
            heard: Vec::new(),
            guard: Arc::default(),
            guard_desk: GuardDesk::default(),
            log_trouble: None,
            control_header_seq: 0,
            described_in_log: Described::default(),
            belonging: Belonging::default(),
            clock: ClusterClock::default(),
            comparing: Comparing::default(),
            route: Route::default(),
            late: LateDue::default(),
            censuses: OwnCensuses::default(),
            sealing: Sealing::default(),
            excluded: BTreeSet::new(),
            snapshot_revision: 0,
        }
    }

    /// As [`Federation::new`], with other bounds on what an origin may put upon this process.
    #[must_use]
    pub fn bounded(self, bounds: OriginBounds) -> Self {
        Self { bounds, ..self }
    }

    /// Takes in one input and says what to do. Never fails: what is wrong with an input is counted or shown.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.changed.because(ChangeCause::of_input(&input));
        match input {
            Input::Local(input) => self.step_local(now, input, &mut effects),
            Input::Log(input) => self.step_log(now, input, &mut effects),
            Input::Order(order) => self.obey(now, order, &mut effects),
            Input::Seal(input) => self.step_sealing(now, input),
            Input::Look => {
                self.look(now);
                return effects;
            }
            Input::Tick => {}
            Input::Stop => {
                self.state_last_checkpoints(now, &mut effects);
                let mut wishes = Vec::new();
                self.lease.stop(&mut wishes);
                self.fulfil(now, wishes, &mut effects);
                return effects;
            }
        }
        self.advance(now, &mut effects);
        self.number_changes();
        effects
    }

    /// When to step with [`Input::Tick`] at the latest if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self, now: Mono) -> Mono {
        let sleep = now + LONGEST_SLEEP;
        let lease = Some(self.lease.next_deadline(now));
        // Without permission nothing can be sent, whatever is due.
        let publish = if self.lease.may_write(now) { self.publisher.next_deadline() } else { None };
        let comparing = (!self.reconciling.is_empty() || self.has_to_compare()).then_some(now);
        let (hold, late) = (self.next_hold_end(), self.late.next());
        let deadlines = [self.local.next_deadline(), publish, comparing, lease, hold, late];
        deadlines.into_iter().flatten().fold(sleep, Mono::min).max(now)
    }

    /// What changed since this was last called.
    pub fn take_changed(&mut self) -> ViewChanges {
        self.changed.take()
    }

    /// Whether this process leads its cluster, and its epoch's term.
    #[must_use]
    pub fn role(&self) -> ReplicaRole {
        self.lease.role()
    }

    /// The own cluster's id.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.settings.identity.cluster
    }

    /// What is known of the local Nacos.
    #[must_use]
    pub fn local(&self) -> &LocalObservation {
        &self.local
    }

    /// What is under way to the log.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Who leads, and why this process may or may not write.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Why the log cannot be reached, if it cannot.
    #[must_use]
    pub fn log_trouble(&self) -> Option<&str> {
        self.log_trouble.as_deref()
    }

    /// Who this process is.
    #[must_use]
    pub fn identity(&self) -> &ReplicaIdentity {
        &self.settings.identity
    }

    /// Clusters of which something is set aside because it is out of bounds.
    pub fn set_aside(&self) -> impl Iterator<Item = (&ClusterId, &SetAside)> {
        self.origins.iter().map(|(id, origin)| (id, origin.set_aside())).filter(|(_, aside)| !aside.is_empty())
    }

    /// Clusters of which what was read is proven not to be everything.
    pub fn incomplete(&self) -> impl Iterator<Item = &ClusterId> {
        self.origins.iter().filter(|(_, origin)| origin.log.is_incomplete()).map(|(id, _)| id)
    }

    /// Partitions that were read anew and are still not what their origin states (rule R18), in the order of their places.
    pub fn diverged(&self) -> impl Iterator<Item = PartitionId> {
        let of_origin = |(id, origin): (&ClusterId, &Origin)| {
            let place = |(topic, partition)| PartitionId { origin: id.clone(), topic, partition };
            origin.log.diverged().map(place).collect::<Vec<_>>()
        };
        self.origins.iter().flat_map(of_origin)
    }

    /// Clusters of which nothing counts, by order of an operator of this cluster.
    #[must_use]
    pub fn excluded(&self) -> &BTreeSet<ClusterId> {
        &self.excluded
    }

    /// As [`Federation::new`], with what was excluded before.
    #[must_use]
    pub fn excluding(mut self, excluded: BTreeSet<ClusterId>) -> Self {
        self.exclude(excluded);
        self
    }

    fn exclude(&mut self, excluded: BTreeSet<ClusterId>) {
        let differs: Vec<ClusterId> = self.excluded.symmetric_difference(&excluded).cloned().collect();
        self.excluded = excluded;
        for id in differs {
            let Some(origin) = self.origins.get(&id) else { continue };
            let keys = origin.log.folds().flat_map(Fold::keys);
            let late = origin.log.all().flat_map(|(_, _, partition)| partition.late().keys().cloned());
            keys.chain(late).for_each(|key| self.changed.note(&key));
        }
        self.choose_guard();
        self.choose_intents();
    }

    /// Whether anything of the cluster is shown.
    fn is_shown(&self, id: &ClusterId) -> bool {
        self.settings.import.has_cluster(id) && !self.excluded.contains(id)
    }

    /// Records consumed of each origin.
    pub fn counts(&self) -> impl Iterator<Item = (&ClusterId, Counts)> {
        self.origins.iter().map(|(id, origin)| (id, origin.counts))
    }

    fn step_local(&mut self, now: Now, mut input: LocalInput, effects: &mut Vec<Effect>) {
        self.local.take_marks(&mut input);
        self.compare_answer(now, &input);
        let unknown = self.first_answer(&input);
        let subject = subject_of(&input);
        let own = self.origins.get(&self.settings.identity.cluster);
        let is_logged = |key: &ServiceKey| own.is_some_and(|own| own.log.may_have(key));
        let keys = self.local.step(now.mono, input, &is_logged, effects);
        self.speak_of_doors(now);
        if let Some(subject) = unknown {
            self.compare_first_answer(now, &subject, effects);
        }
        match subject {
            Some(ObservedSubject::Service(service)) => {
                self.recount_service(&self.settings.identity.cluster.clone(), &service)
            }
            Some(ObservedSubject::Config(config)) => {
                self.recount_config(&self.settings.identity.cluster.clone(), &config)
            }
            None => {}
        }
        for key in keys {
            self.drop_if_unlogged(now, &key);
            self.note_own_change(now, &key);
            self.consider(now, key);
        }
    }

    /// What the input may tell of for the first time in this process.
    fn first_answer(&self, input: &LocalInput) -> Option<ObservedSubject> {
        match input {
            LocalInput::Listed { service, .. } if self.local.service(service).is_none() => {
                Some(ObservedSubject::Service(service.clone()))
            }
            LocalInput::Config { key, .. } if self.local.config(key).is_none() => {
                Some(ObservedSubject::Config(key.clone()))
            }
            _ => None,
        }
    }

    fn note_own_change(&mut self, now: Now, key: &DataKey) {
        self.changed.note(key);
        let own = self.cluster().clone();
        self.hear_health(now, &own, key);
        self.recount(&own, key);
    }

    /// What time and the last input make possible: questions that are due, leadership, records to write.
    fn advance(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.end_holds(now);
        self.end_late(now);
        self.refit_due(now);
        self.reconcile_slice(now, effects);
        self.drive_comparison(now, effects);
        self.local.tick(now.mono, effects);
        self.settle_belonging(now, effects);
        self.let_go(now);
        let mut wishes = Vec::new();
        self.lease.tick(now.mono, self.fitness(now), &mut wishes);
        self.fulfil(now, wishes, effects);
        self.describe(now, effects);
        self.reseal(now);
        self.publish(now, effects);
        self.drive_intents(now, effects);
        self.drive_guard(now, effects);
    }

    fn fitness(&self, now: Now) -> Fitness {
        Fitness { warm: self.local.is_warm() && self.own_log_is_read(), nacos_age: self.local.age(now.mono) }
    }

    fn own_log_is_read(&self) -> bool {
        self.origins.get(self.cluster()).is_some_and(|origin| origin.log.is_read())
    }

    fn fulfil(&mut self, now: Now, wishes: Vec<Wish>, effects: &mut Vec<Effect>) {
        for wish in wishes {
            match wish {
                Wish::WriteOwn => effects.push(self.own_record(now)),
                Wish::AskEnd => effects.push(Effect::AskEnd(self.own_control())),
                Wish::Forget(nonce) => effects.push(self.forget_record(now, nonce)),
                Wish::Began => self.leadership_began(now, effects),
                Wish::Ended => self.leadership_ended(effects),
            }
        }
    }

    /// Whether the log of every member, the own cluster among them, was read to its end: its facts, and its intents.
    #[must_use]
    pub fn log_is_read(&self) -> bool {
        let mut members = self.origins.values().filter(|origin| origin.member.is_some());
        self.own_log_is_read() && members.all(|origin| origin.log.is_read() && origin.intents.is_read())
    }

    /// Whether own Nacos has been heard and is connected.
    #[must_use]
    pub fn nacos_connected(&self) -> bool {
        matches!(self.local.connection(), NacosConnection::Up(_))
    }

    /// What changed gets a revision of its own.
    fn number_changes(&mut self) {
        if !self.changed.is_empty() {
            self.revision.0 += 1;
        }
    }

    fn next_revision(&mut self) -> Revision {
        self.revision.0 += 1;
        self.revision
    }
}

/// Which service or config item of the local Nacos an answer is about.
fn subject_of(input: &LocalInput) -> Option<ObservedSubject> {
    match input {
        LocalInput::Listed { service, .. }
        | LocalInput::Read { service, .. }
        | LocalInput::Acknowledged { service, .. } => Some(ObservedSubject::Service(service.clone())),
        LocalInput::Config { key, .. } => Some(ObservedSubject::Config(key.clone())),
        _ => None,
    }
}
