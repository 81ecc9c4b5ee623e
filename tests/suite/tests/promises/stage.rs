//! What all promises share: a Kafka, Nacos 3.x as `shanghai` and Nacos 2.x as `frankfurt`, started by the first test, whole again before each.
//!
//! Each test has a [`Scene`]: a federation with gateways of its own, which export one group that nobody else uses. So what another test left
//! behind in a Nacos counts neither as there nor as lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use federation_harness::{
    Gateway, GatewayOptions, Kafka, KafkaOptions, KafkaProxy, Link, Nacos, NacosOptions, Part, Parts, SdkService,
    announce,
};
use federation_tests::SharedStage;
pub(crate) use federation_tests::Side;

use crate::apart;
use crate::scale::PATIENCE;
use crate::seen::{eventually, settled, start_is_over};

/// The servers.
pub(crate) struct Stage {
    parts: Parts,
    pub(crate) kafka: Kafka,
    /// The way to Kafka of a gateway that is to be cut off from it; all others go past it.
    pub(crate) far: KafkaProxy,
    nacos: BTreeMap<Side, Nacos>,
}

/// Runs a test on the stage, which it has for itself.
pub(crate) fn on_stage(test: impl AsyncFnOnce(&mut Stage) -> Result<()>) {
    static STAGE: SharedStage<Stage> = SharedStage::new();
    STAGE.run(Stage::begin, Stage::mend, test, |_| String::new());
}

impl Stage {
    async fn begin() -> Result<Self> {
        let parts = Parts::ensure(&[Part::Kafka, Part::Nacos2, Part::Nacos3]).await?;
        let far = KafkaProxy::start(1).await?;
        let options = KafkaOptions { advertised: Some(far.port(0)), ..KafkaOptions::default() };
        // One after the other: three JVMs that start at once on two cores miss their own deadlines.
        let kafka = Kafka::start(&parts, options).await?;
        let (shanghai, frankfurt) =
            (nacos(&parts, Side::Shanghai, None).await?, nacos(&parts, Side::Frankfurt, None).await?);
        far.connect(0, kafka.port());
        let nacos = BTreeMap::from([(Side::Shanghai, shanghai), (Side::Frankfurt, frankfurt)]);
        Ok(Self { parts, kafka, far, nacos })
    }

    /// Starts again what a test left dead, frozen or cut off.
    async fn mend(&mut self) -> Result<()> {
        self.far.set_link(Link::Open);
        for side in Side::BOTH {
            match self.nacos.get_mut(&side) {
                Some(nacos) if nacos.pid().is_none() => nacos.restart().await?,
                Some(nacos) => nacos.resume()?,
                None => {
                    let nacos = nacos(&self.parts, side, None).await?;
                    self.nacos.insert(side, nacos);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn nacos(&mut self, side: Side) -> &mut Nacos {
        self.nacos.get_mut(&side).expect("it was begun, mended, or just replaced")
    }

    /// Puts a server of the same line at the same address that knows nothing.
    pub(crate) async fn forget_everything(&mut self, side: Side) -> Result<()> {
        let port = self.nacos.remove(&side).map(|former| former.port());
        let fresh = nacos(&self.parts, side, port).await?;
        self.nacos.insert(side, fresh);
        Ok(())
    }
}

async fn nacos(parts: &Parts, side: Side, port: Option<u16>) -> Result<Nacos> {
    Nacos::start(parts, side.line(), NacosOptions { port, ..NacosOptions::default() }).await
}

/// A federation of its own, and the group that its gateways export.
pub(crate) struct Scene {
    federation: String,
    group: String,
    near: String,
}

impl Scene {
    pub(crate) fn new(stage: &Stage) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let near = stage.kafka.past_the_proxy();
        Self { federation: format!("promise-{number}"), group: format!("promised-{number}"), near }
    }

    pub(crate) fn service(&self, name: &str) -> SdkService {
        SdkService { group: self.group.clone(), ..SdkService::public(name) }
    }

    /// The name of a cluster's topic.
    pub(crate) fn topic(&self, cluster: &str, kind: &str) -> String {
        format!("nacos-fed.{}.{cluster}.{kind}", self.federation)
    }

    /// Of a gateway with a registry of its own.
    pub(crate) fn apart(&self, cluster: &str) -> GatewayOptions {
        GatewayOptions::new(&self.federation, cluster, &self.near)
    }

    /// Of a gateway beside the Nacos of its side.
    pub(crate) fn beside(&self, stage: &mut Stage, side: Side) -> GatewayOptions {
        self.apart(side.cluster()).beside(stage.nacos(side).address(), None)
    }

    /// Starts a gateway that exports this scene's group, and waits until it is ready.
    pub(crate) async fn start(&self, options: &GatewayOptions) -> Result<Gateway> {
        let only = format!("export: {{services: [{{group: {}}}], configs: []}}", self.group);
        let mut gateway = apart::prepare(options, &[("export: {configs: [{data_id: \"*\"}]}", &only)]).await?;
        gateway.spawn().await?;
        gateway.until_ready().await?;
        announce(&format!("{}: {}", gateway.cluster(), gateway.base()));
        Ok(gateway)
    }

    /// Starts one gateway beside each Nacos, and waits until both have nothing more to say about their start.
    pub(crate) async fn start_both(&self, stage: &mut Stage) -> Result<(Gateway, Gateway)> {
        let [shanghai, frankfurt] = Side::BOTH.map(|side| self.beside(stage, side));
        let both = tokio::try_join!(self.start(&shanghai), self.start(&frankfurt))?;
        until_settled(&[&both.0, &both.1]).await?;
        Ok(both)
    }
}

/// Waits until none of the gateways holds anything because of its start, and all see all others live.
pub(crate) async fn until_settled(gateways: &[&Gateway]) -> Result<()> {
    for gateway in gateways {
        let begun = async || {
            start_is_over(gateway).await?;
            settled(gateway).await
        };
        eventually(&format!("{} is settled", gateway.cluster()), PATIENCE, begun).await?;
    }
    Ok(())
}

/// The outcome, with the ends of the gateways' logs where it is an error; ends them otherwise.
pub(crate) async fn close(outcome: Result<()>, gateways: &mut [&mut Gateway]) -> Result<()> {
    let outcome = gateways.iter().fold(outcome, |outcome, gateway| apart::with_log(gateway, outcome));
    outcome?;
    for gateway in gateways {
        gateway.stop().await?;
    }
    Ok(())
}
