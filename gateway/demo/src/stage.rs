//! The running parts: a broker, and for each region a registry, and a gateway with the shop's client at its front door.
//!
//! Registries stand apart from their gateways, as a Nacos does: one can fail without the other. The shop's clients know the address of their
//! region's front door and no other: while that gateway is stopped they have no server. Each part is a task that is
//! awaited here; what its end means is the caller's business.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::parts::{DemoBroker, DemoParts};
use super::ports::DemoPorts;
use super::region::DemoRegion;
use super::shop::{Shop, Wanted};
use super::target::Target;
use super::tenant::{Found, Tenant, TenantTerms};

/// How old a silent region's facts are when they count as stale and as lost: sooner than by default, so that one need not
/// wait long to see it.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(5);
/// See [`STALE_AFTER`].
pub(super) const LOST_AFTER: Duration = Duration::from_secs(20);

/// Whether a part runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does.
    Up,
    /// It was told to stop and has not ended yet.
    Stopping,
    /// It was stopped.
    Stopped,
    /// It ended by itself.
    Failed,
}

/// Everything that runs.
pub(super) struct Stage {
    ports: DemoPorts,
    wanted: [watch::Sender<Wanted>; 3],
    found: [watch::Sender<Found>; 3],
    /// The shop closes: its clients take back what they registered, and end.
    closes: CancellationToken,
    /// Each client's is cancelled when it has ended.
    gone: [CancellationToken; 3],
    parts: BTreeMap<Target, Part>,
    tasks: JoinSet<anyhow::Result<()>>,
    targets: HashMap<Id, Target>,
    made_of: Box<dyn DemoParts>,
    /// Further sections of each gateway's configuration.
    settings: String,
    broker: Box<dyn DemoBroker>,
    broker_standing: Standing,
    folder: TempDir, // Dropped last: the parts write into it.
}

struct Part {
    standing: Standing,
    stop: CancellationToken,
}

impl Stage {
    /// Starts the broker with all topics, nothing else yet. `settings` are sections of each gateway's configuration beside the demo's own.
    ///
    /// # Errors
    /// No port, no thread, no temporary folder, or settings that no gateway takes.
    pub(super) fn set(
        made_of: Box<dyn DemoParts>,
        ports: DemoPorts,
        shop: &Shop,
        settings: String,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("nacos-fed-demo-").tempdir().context("no temporary folder")?;
        let stage = Self {
            ports,
            wanted: DemoRegion::ALL.map(|region| watch::Sender::new(shop.wanted(region))),
            found: DemoRegion::ALL.map(|_| watch::Sender::default()),
            closes: CancellationToken::new(),
            gone: DemoRegion::ALL.map(|_| CancellationToken::new()),
            parts: BTreeMap::new(),
            tasks: JoinSet::new(),
            targets: HashMap::new(),
            broker: made_of.broker()?,
            made_of,
            settings,
            broker_standing: Standing::Up,
            folder,
        };
        for region in DemoRegion::ALL {
            stage.broker.create_topics(&stage.configuration(region))?;
        }
        Ok(stage)
    }

    /// `host:port` of the broker.
    pub(super) fn broker(&self) -> &str {
        self.broker.address()
    }

    /// Whether a part runs; instances are not parts, and count as up.
    pub(super) fn standing(&self, target: &Target) -> Standing {
        match target {
            Target::Kafka => self.broker_standing,
            Target::Instance(..) => Standing::Up,
            part => self.parts.get(part).map_or(Standing::Stopped, |part| part.standing),
        }
    }

    /// The parts, in the order in which they are shown.
    pub(super) fn targets() -> impl Iterator<Item = Target> {
        let of_regions =
            DemoRegion::ALL.into_iter().flat_map(|region| [Target::Gateway(region), Target::Registry(region)]);
        std::iter::once(Target::Kafka).chain(of_regions)
    }

    /// What the shop wants registered in a region from now on.
    pub(super) fn want(&self, region: DemoRegion, wanted: Wanted) {
        self.wanted[region.index()].send_replace(wanted);
    }

    /// What the shop in a region was told last by its front door.
    pub(super) fn found(&self, region: DemoRegion) -> Found {
        self.found[region.index()].borrow().clone()
    }

    /// Starts a part that does not run.
    ///
    /// # Errors
    /// Its port was taken meanwhile, mostly.
    pub(super) async fn start(&mut self, target: &Target) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let task = match target {
            Target::Kafka => {
                self.broker.come_up()?;
                self.broker_standing = Standing::Up;
                return Ok(());
            }
            Target::Instance(..) => return Ok(()),
            Target::Gateway(region) => {
                let gateway = self.made_of.gateway(self.configuration(*region), stop.clone()).await?;
                let tenant = self.tenant(*region)?;
                let (closes, gone) = (self.closes.clone(), CancellationToken::new());
                self.gone[region.index()] = gone.clone();
                self.tasks.spawn(async move {
                    // The shop's client ends after the gateway: it is the gateway that fails, not the shop.
                    let gateway_ended = CancellationToken::new();
                    let serve = async {
                        let served = gateway.await;
                        gateway_ended.cancel();
                        served
                    };
                    let live = async {
                        let _gone = gone.drop_guard();
                        tenant.run(closes, gateway_ended.clone()).await;
                    };
                    tokio::join!(serve, live).0
                })
            }
            Target::Registry(region) => {
                let address = self.ports.of(*region).registry;
                let folder = self.folder.path().join(format!("{region}-registry"));
                self.tasks.spawn(self.made_of.registry(address, folder, stop.clone()).await?)
            }
        };
        self.targets.insert(task.id(), target.clone());
        self.parts.insert(target.clone(), Part { standing: Standing::Up, stop });
        Ok(())
    }

    /// Tells a part to stop. [`Stage::ended`] says when it has, but for the broker, which is down at once.
    ///
    /// # Errors
    /// The broker does not obey.
    pub(super) fn stop(&mut self, target: &Target) -> anyhow::Result<()> {
        if *target == Target::Kafka {
            self.broker.go_down()?;
            self.broker_standing = Standing::Stopped;
        }
        if let Some(part) = self.parts.get_mut(target)
            && part.standing == Standing::Up
        {
            part.standing = Standing::Stopping;
            part.stop.cancel();
        }
        Ok(())
    }

    /// The next part that ends, and how. Never ready while none runs. Cancel-safe.
    pub(super) async fn ended(&mut self) -> (Target, anyhow::Result<()>) {
        let Some(ended) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(panicked) => (panicked.id(), Err(panicked.into())),
        };
        let target = self.targets.remove(&id).expect("every task was noted when it was spawned");
        let part = self.parts.get_mut(&target).expect("every task is that of a part");
        part.standing = if part.standing == Standing::Stopping { Standing::Stopped } else { Standing::Failed };
        (target, outcome)
    }

    /// Stops everything in order: the shop, gateways, registries, the broker; the folder is removed.
    pub(super) async fn strike(mut self) {
        self.closes.cancel();
        for region in
            DemoRegion::ALL.into_iter().filter(|region| self.standing(&Target::Gateway(*region)) == Standing::Up)
        {
            self.gone[region.index()].cancelled().await;
        }
        for kind in [Target::Gateway as fn(DemoRegion) -> Target, Target::Registry] {
            for region in DemoRegion::ALL {
                // Only the broker can disobey.
                let _ = self.stop(&kind(region));
            }
            while DemoRegion::ALL.iter().any(|region| self.standing(&kind(*region)) == Standing::Stopping) {
                if let (target, Err(error)) = self.ended().await {
                    tracing::warn!(%target, %error, "a part ended badly");
                }
            }
        }
    }

    fn tenant(&self, region: DemoRegion) -> anyhow::Result<Tenant> {
        let (wanted, found) = (&self.wanted[region.index()], &self.found[region.index()]);
        let door = self.ports.of(region).door;
        Tenant::new(TenantTerms { region, door, wanted: wanted.subscribe(), found: found.clone() })
    }

    fn configuration(&self, region: DemoRegion) -> String {
        configuration(region, &self.ports, self.broker.address(), self.folder.path()) + &self.settings
    }
}

/// The configuration of a region's gateway, as one would write it for a Nacos at the registry's address.
#[must_use]
pub fn configuration(region: DemoRegion, ports: &DemoPorts, broker: &str, folder: &Path) -> String {
    let (locality, zone) = region.locality();
    let ports = ports.of(region);
    let data_dir = serde_json::Value::from(folder.join(region.name()).to_string_lossy()).to_string();
    let data_dir = data_dir.replace("${", "$${"); // Nothing in it is a variable.
    format!(
        r#"federation: demo
cluster: {region}
replica: {{name: {region}-0}}
locality: {{region: {locality}, zone: {zone}}}
nacos: {{servers: ["{registry}"], service_poll: 1s, removal_hold: 2s}}
kafka: {{brokers: ["{broker}"], topics: {{partitions: 2}}}}
export: {{configs: [{{group: SHOP}}]}}
listen: {{http: "{http}", grpc: "{grpc}"}}
front_door: {{listen: "{door}"}}
freshness: {{stale_after: {stale}s, lost_after: {lost}s}}
data_dir: {data_dir}
"#,
        registry = ports.registry,
        http = ports.http,
        grpc = ports.grpc,
        door = ports.door,
        stale = STALE_AFTER.as_secs(),
        lost = LOST_AFTER.as_secs(),
    )
}
