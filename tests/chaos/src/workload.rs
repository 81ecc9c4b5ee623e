//! Client processes of real SDKs, a Java and a Python one for each cluster, and what they register, known to the last instance.
//!
//! Each process holds instances that are never touched, and some that it registers, changes and deregisters all the time, one command after the
//! other. They talk to their Nacos directly: what a fault does to the lines of gateways does not concern them, and what it does to their
//! Nacos they get over by themselves. A command that fails is given again until it is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::home::Home;
use federation_harness::{Sdk, SdkClient, SdkInstance, SdkService};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plan::REGIONS;
use crate::record::Record;
use crate::seed::Seed;
use crate::stage::{Stage, cluster};
use crate::truth::{Care, InstanceName};
use crate::value::{registered_name, registered_value};

/// Only untouched instances; both; only changed ones, so that it may be empty.
pub(crate) const SERVICES: [&str; 3] = ["steady", "mixed", "changing"];
/// Between two commands of a process: up to twice this.
const PACE_MS: u64 = 700;
/// Until a command that failed is given again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Of a hundred commands to a registered instance, so many deregister it; the others change it.
const DEREGISTRATIONS: usize = 35;

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
}

/// A running process.
struct Client {
    place: Place,
    process: SdkClient,
}

/// An instance that is changed: one for each connection and service, since a connection holds one instance of a service.
struct Slot {
    connection: &'static str,
    service: SdkService,
    instance: SdkInstance,
    name: InstanceName,
}

/// All processes.
pub(crate) struct Workload {
    clients: Vec<Arc<Client>>,
}

impl Workload {
    /// Starts the processes and registers what is never touched.
    pub(crate) async fn start(stage: &Stage, record: &Record) -> Result<Self> {
        let mut clients = Vec::new();
        for region in 0..REGIONS {
            for sdk in [Sdk::Java, Sdk::Python] {
                let label = format!("{}-{}", cluster(region), sdk.part().name());
                let home = Home::given(&stage.folder.join(label))?;
                let address = stage.nacos_address(region);
                let process = SdkClient::start_in(home, &stage.parts, sdk, &address, None).await?;
                let client = Client { place: Place { region, sdk }, process };
                client.settle(record).await.with_context(|| format!("the {sdk:?} client of {}", cluster(region)))?;
                clients.push(Arc::new(client));
            }
        }
        Ok(Self { clients })
    }

    /// Lets every process change its instances until `stop`; each ends with its last command acknowledged.
    pub(crate) fn change(&self, seed: u64, record: &Arc<Record>, stop: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (number, client) in (1..).zip(&self.clients) {
            let seed = Seed::new(seed).fork(number);
            tasks.spawn(change(Arc::clone(client), seed, Arc::clone(record), stop.clone()));
        }
        tasks
    }
}

impl Client {
    /// Registers what stays: by a batch where the SDK is Java, one by one on two connections.
    async fn settle(&self, record: &Record) -> Result<()> {
        let [steady, mixed] = ["steady", "mixed"].map(SdkService::public);
        if self.place.sdk == Sdk::Java {
            let batch: Vec<SdkInstance> = (11..16).map(|host| self.place.instance(host)).collect();
            let connection = self.process.connection("batch");
            let given = record.now();
            connection.batch(&steady, &batch).await?;
            batch.iter().for_each(|instance| self.note(record, &steady, instance, given));
        }
        for (connection, service, host) in
            [("steady-a", &steady, 21), ("steady-a", &mixed, 22), ("steady-b", &steady, 23), ("steady-b", &mixed, 24)]
        {
            let (given, instance) = (record.now(), self.place.instance(host));
            self.process.connection(connection).register(service, &instance).await?;
            self.note(record, service, &instance, given);
        }
        Ok(())
    }

    fn note(&self, record: &Record, service: &SdkService, instance: &SdkInstance, given: u64) {
        let name = registered_name(cluster(self.place.region), service, instance);
        let mut truth = record.truth();
        truth.given(&name, Care::Untouched, Some(registered_value(instance)), given);
        truth.acknowledged(&name, record.now());
    }

    fn slots(&self) -> Vec<Slot> {
        let places = [("changing-a", "mixed", 31), ("changing-a", "changing", 32), ("changing-b", "changing", 33)];
        let slot = |(connection, service, host): (&'static str, &str, usize)| {
            let (service, instance) = (SdkService::public(service), self.place.instance(host));
            let name = registered_name(cluster(self.place.region), &service, &instance);
            Slot { connection, service, instance, name }
        };
        places.into_iter().map(slot).collect()
    }

    /// Gives a command until it is acknowledged.
    async fn command(&self, slot: &Slot, register: bool, record: &Record) {
        let value = register.then(|| registered_value(&slot.instance));
        record.truth().given(&slot.name, Care::Changed, value, record.now());
        let connection = self.process.connection(slot.connection);
        loop {
            let done = match register {
                true => connection.register(&slot.service, &slot.instance).await,
                false => connection.deregister(&slot.service, &slot.instance).await,
            };
            if done.is_ok() {
                record.truth().acknowledged(&slot.name, record.now());
                return;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

async fn change(client: Arc<Client>, mut seed: Seed, record: Arc<Record>, stop: CancellationToken) {
    let mut slots = client.slots();
    let mut version = 0_u32;
    while !stop.is_cancelled() {
        let place = seed.below(slots.len());
        let slot = &mut slots[place];
        let registered = record.truth().of(&slot.name).is_some();
        let register = !registered || seed.below(100) >= DEREGISTRATIONS;
        if register {
            version += 1;
            slot.instance.metadata.insert("version".into(), version.to_string());
            slot.instance.weight = f64::from(version % 7) + 0.5;
        }
        client.command(slot, register, &record).await;
        let pause = Duration::from_millis(seed.between(PACE_MS / 2, PACE_MS * 2));
        // Cancel-safe both: nothing is under way.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}
