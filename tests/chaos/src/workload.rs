//! Client processes of real SDKs, a Java and a Python one for each cluster, and what they register, known to the last instance.
//!
//! Each process holds instances that are never touched, and some that it registers, changes and deregisters all the time, one command after the
//! other. They talk to their Nacos directly: what a fault does to the lines of gateways does not concern them, and what it does to their
//! Nacos they get over by themselves. A command that fails is given again until it is acknowledged.
//!
//! An SDK may lose for good what it registered. Who does not find an instance of its own in the list of its Nacos for some seconds, while that
//! is well, registers it anew; if that does not help, or commands fail all the time, its process is killed and begins anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::home::Home;
use federation_harness::process::{Signal, send};
use federation_harness::{Parts, Sdk, SdkClient, SdkInstance, SdkService, announce};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::{Care, InstanceName};
use crate::plan::REGIONS;
use crate::record::Record;
use crate::report::sec;
use crate::seed::Seed;
use crate::stage::{Stage, cluster};
use crate::truth::LOST_AFTER_MS;
use crate::value::{registered_name, registered_value};

/// Only untouched instances; both; only changed ones, so that it may be empty.
pub(crate) const SERVICES: [&str; 3] = ["steady", "mixed", "changing"];
/// Between two commands of a process: up to twice this.
const PACE_MS: u64 = 700;
/// Until a command that failed is given again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Of a hundred commands to a registered instance, so many deregister it; the others change it.
const DEREGISTRATIONS: usize = 35;
/// Until it is looked whether a registration that was made anew is listed, ms.
const MENDED_WITHIN_MS: u64 = 10_000;
/// A command that fails for so long while its Nacos is well will never succeed, ms: longer than the SDKs' own waits between attempts.
const STUCK_AFTER_MS: u64 = 30_000;

/// One process, by its place.
#[derive(Clone, Copy, Debug)]
struct Place {
    region: usize,
    sdk: Sdk,
}

impl Place {
    fn ip(self, host: usize) -> String {
        let net = if self.sdk == Sdk::Java { 1 } else { 2 };
        format!("10.{}.{net}.{host}", self.region + 1)
    }

    fn instance(self, host: usize) -> SdkInstance {
        SdkInstance::new(self.ip(host), 8080)
    }

    /// The instances that one connection registers in one service at once: by a batch where the SDK is Java, one by one on two connections.
    fn steady(self) -> Vec<Steady> {
        let one = |(connection, service, host): (&'static str, &str, usize)| Steady {
            connection,
            service: SdkService::public(service),
            instances: vec![self.instance(host)],
        };
        let ones = [
            ("steady-a", "steady", 21),
            ("steady-a", "mixed", 22),
            ("steady-b", "steady", 23),
            ("steady-b", "mixed", 24),
        ];
        let mut all: Vec<Steady> = ones.map(one).into();
        if self.sdk == Sdk::Java {
            let instances = (11..16).map(|host| self.instance(host)).collect();
            all.push(Steady { connection: "batch", service: SdkService::public("steady"), instances });
        }
        all
    }

    fn slots(self) -> Vec<Slot> {
        let places = [("changing-a", "mixed", 31), ("changing-a", "changing", 32), ("changing-b", "changing", 33)];
        let slot = |(connection, service, host): (&'static str, &str, usize)| {
            let (service, instance) = (SdkService::public(service), self.instance(host));
            let name = registered_name(cluster(self.region), &service, &instance);
            Slot { connection, service, instance, name }
        };
        places.into_iter().map(slot).collect()
    }
}

/// Instances that are never touched.
struct Steady {
    connection: &'static str,
    service: SdkService,
    instances: Vec<SdkInstance>,
}

impl Steady {
    fn names(&self, place: Place) -> impl Iterator<Item = (InstanceName, &SdkInstance)> {
        self.instances.iter().map(move |it| (registered_name(cluster(place.region), &self.service, it), it))
    }

    async fn register(&self, process: &SdkClient) -> Result<()> {
        let connection = process.connection(self.connection);
        match &self.instances[..] {
            [one] => connection.register(&self.service, one).await?,
            all => connection.batch(&self.service, all).await?,
        };
        Ok(())
    }
}

/// An instance that is changed: one for each connection and service, since a connection holds one instance of a service.
struct Slot {
    connection: &'static str,
    service: SdkService,
    instance: SdkInstance,
    name: InstanceName,
}

/// How a process is started.
#[derive(Clone)]
struct Birth {
    parts: Parts,
    home: PathBuf,
    address: String,
}

impl Birth {
    async fn give(&self, sdk: Sdk) -> Result<SdkClient> {
        SdkClient::start_in(Home::given(&self.home)?, &self.parts, sdk, &self.address, None).await
    }
}

/// All processes.
pub(crate) struct Workload {
    clients: Vec<Client>,
}

impl Workload {
    /// Starts the processes and registers what is never touched.
    pub(crate) async fn start(stage: &Stage, seed: u64, record: &Arc<Record>) -> Result<Self> {
        let mut clients = Vec::new();
        for region in 0..REGIONS {
            for sdk in [Sdk::Java, Sdk::Python] {
                let place = Place { region, sdk };
                let home = stage.folder.join(format!("{}-{}", cluster(region), sdk.part().name()));
                let birth = Birth { parts: stage.parts.clone(), home, address: stage.nacos_address(region) };
                let stream = u64::try_from(clients.len()).unwrap_or_default() + 1;
                let client = Client::start(place, birth, Seed::new(seed).fork(stream), Arc::clone(record)).await;
                clients.push(client.with_context(|| format!("the {sdk:?} client of {}", cluster(region)))?);
            }
        }
        Ok(Self { clients })
    }

    /// Lets every process change its instances until `stop`; each ends with its last command acknowledged, and is returned, so that it lives
    /// on.
    pub(crate) fn change(self, stop: &CancellationToken) -> JoinSet<Client> {
        let mut tasks = JoinSet::new();
        for client in self.clients {
            tasks.spawn(client.change(stop.clone()));
        }
        tasks
    }
}

/// A running process and all that it registers.
pub(crate) struct Client {
    place: Place,
    birth: Birth,
    process: SdkClient,
    steady: Vec<Steady>,
    slots: Vec<Slot>,
    /// Of the newest value.
    version: u32,
    /// When something lost was last registered anew, ms since the run began.
    mended: Option<u64>,
    /// A new process could not register everything yet.
    incomplete: bool,
    seed: Seed,
    record: Arc<Record>,
}

impl Client {
    async fn start(place: Place, birth: Birth, seed: Seed, record: Arc<Record>) -> Result<Self> {
        let process = birth.give(place.sdk).await?;
        let (steady, slots) = (place.steady(), place.slots());
        let client =
            Self { place, birth, process, steady, slots, version: 0, mended: None, incomplete: false, seed, record };
        for group in &client.steady {
            let given = client.record.now();
            group.register(&client.process).await?;
            let mut truth = client.record.truth();
            for (name, instance) in group.names(place) {
                truth.given(&name, Care::Untouched, Some(registered_value(instance)), given);
                truth.acknowledged(&name, client.record.now());
            }
        }
        Ok(client)
    }

    async fn change(mut self, stop: CancellationToken) -> Self {
        while !stop.is_cancelled() {
            self.mend().await;
            let place = self.seed.below(self.slots.len());
            let registered = self.record.truth().told_of(&self.slots[place].name).is_some();
            let register = !registered || self.seed.below(100) >= DEREGISTRATIONS;
            self.command(place, register).await;
            let pause = Duration::from_millis(self.seed.between(PACE_MS / 2, PACE_MS * 2));
            // Cancel-safe both: nothing is under way.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        self
    }

    /// Gives a command until it is acknowledged.
    async fn command(&mut self, place: usize, register: bool) {
        if register {
            self.version += 1;
            let instance = &mut self.slots[place].instance;
            instance.metadata.insert("version".into(), self.version.to_string());
            instance.weight = f64::from(self.version % 7) + 0.5;
        }
        let given = self.record.now();
        let slot = &self.slots[place];
        let value = register.then(|| registered_value(&slot.instance));
        self.record.truth().given(&slot.name, Care::Changed, value, given);
        let mut failing_since = given;
        while let Err(error) = self.attempt(place, register).await {
            let now = self.record.now();
            let is_well = self.record.truth().is_witness(cluster(self.place.region), failing_since, now);
            let has_ended = self.process.has_ended().unwrap_or(true);
            if has_ended || is_well && now > failing_since + STUCK_AFTER_MS {
                self.begin_anew(&first_line(&error)).await;
                failing_since = self.record.now();
            } else if !is_well {
                failing_since = now;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        self.record.truth().acknowledged(&self.slots[place].name, self.record.now());
    }

    async fn attempt(&self, place: usize, register: bool) -> Result<f64> {
        let slot = &self.slots[place];
        let connection = self.process.connection(slot.connection);
        match register {
            true => connection.register(&slot.service, &slot.instance).await,
            false => connection.deregister(&slot.service, &slot.instance).await,
        }
    }

    /// Registers anew what its Nacos does not list though it should; in a new process if that was tried before.
    async fn mend(&mut self) {
        if self.incomplete {
            self.incomplete = self.register_all().await.is_err();
        }
        let now = self.record.now();
        if self.mended.is_some_and(|at| now < at + MENDED_WITHIN_MS) {
            return;
        }
        let (steady, slots, longest) = self.lost(now);
        if longest < LOST_AFTER_MS {
            return;
        }
        if longest >= LOST_AFTER_MS + MENDED_WITHIN_MS {
            self.begin_anew("what it registered anew is not listed").await;
            return;
        }
        let (count, seconds) = (steady.len() + slots.len(), sec(longest));
        self.tell(&format!("registers anew {count} that its Nacos has not listed for {seconds:.1} s"));
        for group in steady {
            if let Err(error) = self.steady[group].register(&self.process).await {
                announce(&format!("not registered anew: {}", first_line(&error)));
            }
        }
        for slot in slots {
            self.command(slot, true).await;
        }
        self.mended = Some(self.record.now());
    }

    /// Numbers of the groups and slots of which something has not been listed for long, and for how long at most, ms.
    fn lost(&self, now: u64) -> (Vec<usize>, Vec<usize>, u64) {
        let truth = self.record.truth();
        let unlisted = |name: &InstanceName| truth.unlisted_for(name, now).unwrap_or_default();
        let of_group =
            |group: &Steady| group.names(self.place).map(|(name, _)| unlisted(&name)).max().unwrap_or_default();
        let groups: Vec<u64> = self.steady.iter().map(of_group).collect();
        let slots: Vec<u64> = self.slots.iter().map(|slot| unlisted(&slot.name)).collect();
        let longest = groups.iter().chain(&slots).copied().max().unwrap_or_default();
        let lost = |all: &[u64]| (0..all.len()).filter(|index| all[*index] >= LOST_AFTER_MS).collect();
        (lost(&groups), lost(&slots), longest)
    }

    /// Kills the process and starts another, which registers all that is registered, at once or as soon as it can.
    async fn begin_anew(&mut self, reason: &str) {
        self.tell(&format!("begins anew: {reason}"));
        self.incomplete = true;
        match self.replace_process().await {
            Ok(()) => self.incomplete = self.register_all().await.is_err(),
            Err(error) => announce(&format!("not begun anew: {}", first_line(&error))),
        }
        self.mended = Some(self.record.now());
    }

    async fn replace_process(&mut self) -> Result<()> {
        // The old one first: two processes with the same instances would hide what either loses. It cannot be killed if it has ended.
        let _ = send(self.process.pid(), Signal::Kill);
        self.process = self.birth.give(self.place.sdk).await?;
        Ok(())
    }

    async fn register_all(&self) -> Result<()> {
        for group in &self.steady {
            group.register(&self.process).await?;
        }
        for place in 0..self.slots.len() {
            // With the value that it had: its client goes on as if nothing had been.
            if self.record.truth().told_of(&self.slots[place].name).is_some() {
                self.attempt(place, true).await?;
            }
        }
        Ok(())
    }

    fn tell(&self, what: &str) {
        let told = format!("the {:?} client of {} {what}", self.place.sdk, cluster(self.place.region));
        announce(&format!("   {told}"));
        self.record.mended(told);
    }
}

/// What an SDK says goes on for pages.
fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
