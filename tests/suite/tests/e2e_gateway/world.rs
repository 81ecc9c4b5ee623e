//! What all tests share: Kafka, Nacos 3.x as `shanghai` and Nacos 2.x as `frankfurt`, both with a password and pushing as late as they do by
//! default, a gateway beside each, and drivers of SDKs. Started by the first test, whole again before each, ended with the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use federation_harness::{
    Access, Gateway, GatewayOptions, Kafka, KafkaOptions, Nacos, NacosOptions, Part, Parts, Sdk, SdkClient, announce,
};
use federation_tests::SharedStage;
pub(crate) use federation_tests::Side;

use crate::seen::{eventually, settled, start_is_over};

/// The federation of the shared gateways.
pub(crate) const FEDERATION: &str = "e2e";
/// All that may take long after a fault: elections, holds, clients that come back.
const MEND_PATIENCE: Duration = Duration::from_secs(60);

/// A Nacos and the gateway beside it.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) nacos: Nacos,
    pub(crate) gateway: Gateway,
}

/// Everything.
pub(crate) struct World {
    pub(crate) parts: Parts,
    pub(crate) kafka: Kafka,
    regions: BTreeMap<Side, Region>,
    drivers: BTreeMap<(Side, Sdk), SdkClient>,
}

/// Runs a test in the world, which it has for itself.
pub(crate) fn in_the_world(test: impl AsyncFnOnce(&mut World) -> Result<()>) {
    static WORLD: SharedStage<World> = SharedStage::new();
    WORLD.run(World::begin, World::mend, test, World::whereabouts);
}

impl World {
    async fn begin() -> Result<Self> {
        let mut wanted = vec![Part::Kafka, Part::Nacos2, Part::Nacos3];
        wanted.extend(sdks().map(Sdk::part));
        let parts = Parts::ensure(&wanted).await?;
        let (kafka, shanghai, frankfurt) = tokio::try_join!(
            Kafka::start(&parts, KafkaOptions::default()),
            nacos(&parts, Side::Shanghai),
            nacos(&parts, Side::Frankfurt),
        )?;
        let (shanghai, frankfurt) =
            tokio::try_join!(region(&kafka, Side::Shanghai, shanghai), region(&kafka, Side::Frankfurt, frankfurt))?;
        let regions = BTreeMap::from([(Side::Shanghai, shanghai), (Side::Frankfurt, frankfurt)]);
        let mut world = Self { parts, kafka, regions, drivers: BTreeMap::new() };
        for side in Side::BOTH {
            for sdk in sdks() {
                let driver = world.new_driver(side, sdk).await?;
                world.drivers.insert((side, sdk), driver);
            }
        }
        for side in Side::BOTH {
            let probe = async || start_is_over(world.gateway(side)).await;
            eventually("the gateways' start is over", MEND_PATIENCE, probe).await?;
        }
        world.until_settled(MEND_PATIENCE).await?;
        Ok(world)
    }

    /// Starts again what a failed test left dead or frozen.
    async fn mend(&mut self) -> Result<()> {
        if self.kafka.pid().is_none() {
            self.kafka.restart().await?;
        }
        self.kafka.resume()?;
        for Region { nacos, gateway } in self.regions.values_mut() {
            if nacos.pid().is_none() {
                nacos.restart().await?;
            }
            nacos.resume()?;
            if gateway.pid().is_none() {
                gateway.restart().await?;
            }
            gateway.resume()?;
        }
        self.until_settled(MEND_PATIENCE).await
    }

    /// Waits until both gateways are ready without reserve, see each other live, and have nothing left to say or to hold.
    pub(crate) async fn until_settled(&self, within: Duration) -> Result<()> {
        for side in Side::BOTH {
            eventually(&format!("{} is settled", side.cluster()), within, async || settled(self.gateway(side)).await)
                .await?;
        }
        Ok(())
    }

    pub(crate) fn region(&mut self, side: Side) -> &mut Region {
        self.regions.get_mut(&side).expect("both were begun")
    }

    /// Shanghai and Frankfurt, for what is done to both at a time.
    pub(crate) fn both(&mut self) -> (&mut Region, &mut Region) {
        let mut regions = self.regions.values_mut();
        regions.next().zip(regions.next()).expect("both were begun")
    }

    pub(crate) fn gateway(&self, side: Side) -> &Gateway {
        &self.regions[&side].gateway
    }

    pub(crate) fn nacos(&self, side: Side) -> &Nacos {
        &self.regions[&side].nacos
    }

    /// The driver that all tests share: its instances stay until they are deregistered.
    pub(crate) fn driver(&self, side: Side, sdk: Sdk) -> &SdkClient {
        &self.drivers[&(side, sdk)]
    }

    /// A process of its own.
    pub(crate) async fn new_driver(&self, side: Side, sdk: Sdk) -> Result<SdkClient> {
        let nacos = self.nacos(side);
        SdkClient::start(&self.parts, sdk, &nacos.address(), nacos.credentials().as_ref()).await
    }

    fn whereabouts(&self) -> String {
        let log = |side: Side| format!("log of {}: {}", side.cluster(), self.gateway(side).log().display());
        Side::BOTH.map(log).join("\n")
    }
}

/// Who takes part: Go only if asked for (`NACOS_FED_TEST_GO`), for it needs a newer Go than Debian has.
pub(crate) fn sdks() -> impl Iterator<Item = Sdk> {
    let go = std::env::var_os("NACOS_FED_TEST_GO").map(|_| Sdk::Go);
    [Sdk::Java, Sdk::Python].into_iter().chain(go)
}

/// A name that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn nacos(parts: &Parts, side: Side) -> Result<Nacos> {
    let options = NacosOptions { access: Access::Password, push_delay: None, ..NacosOptions::default() };
    Nacos::start(parts, side.line(), options).await
}

async fn region(kafka: &Kafka, side: Side, nacos: Nacos) -> Result<Region> {
    // Tests register and deregister most of what there is; that mass losses are held has tests of its own.
    let further = "guard: {mass_percent: 100}".to_owned();
    let options = GatewayOptions { further, ..GatewayOptions::new(FEDERATION, side.cluster(), &kafka.bootstrap()) };
    let gateway = Gateway::start(&options.beside(nacos.address(), nacos.credentials())).await?;
    announce(&format!("{}: Nacos {}, gateway {}", side.cluster(), nacos.address(), gateway.base()));
    Ok(Region { nacos, gateway })
}
