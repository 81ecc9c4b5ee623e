//! Kafka, Nacos 3.x as `shanghai` and Nacos 2.x as `frankfurt`, and a gateway with a front door beside each. Started by the first test, ended
//! with the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use federation_harness::port::PortBlock;
use federation_harness::{
    ClientFramework, FrameworkProcess, Gateway, GatewayOptions, Kafka, KafkaOptions, Nacos, NacosOptions, Part, Parts,
    Sdk, SdkClient, announce,
};
use federation_tests::{SharedStage, Side};

/// gRPC is that far above HTTP, in every client.
const GRPC_OFFSET: i32 = 1000;

/// Everything.
pub(crate) struct Doors {
    parts: Parts,
    kafka: Kafka,
    regions: BTreeMap<Side, Region>,
}

/// A Nacos, the gateway beside it, and where that one's front door is.
struct Region {
    nacos: Nacos,
    gateway: Gateway,
    door: PortBlock,
}

/// Runs a test before the doors, which it has for itself.
pub(crate) fn before_the_doors(test: impl AsyncFnOnce(&mut Doors) -> Result<()>) {
    static DOORS: SharedStage<Doors> = SharedStage::new();
    DOORS.run(Doors::begin, async |_| Ok(()), test, Doors::whereabouts);
}

impl Doors {
    async fn begin() -> Result<Self> {
        let mut wanted = vec![Part::Kafka, Part::Nacos2, Part::Nacos3];
        wanted.extend(sdks().into_iter().map(Sdk::part));
        wanted.extend(
            [ClientFramework::Spring, ClientFramework::Spring2023, ClientFramework::DubboConsumer]
                .map(ClientFramework::part),
        );
        let parts = Parts::ensure(&wanted).await?;
        let (kafka, shanghai, frankfurt) = tokio::try_join!(
            Kafka::start(&parts, KafkaOptions::default()),
            Nacos::start(&parts, Side::Shanghai.line(), NacosOptions::default()),
            Nacos::start(&parts, Side::Frankfurt.line(), NacosOptions::default()),
        )?;
        let (shanghai, frankfurt) = tokio::try_join!(
            Region::begin(&kafka, Side::Shanghai, shanghai),
            Region::begin(&kafka, Side::Frankfurt, frankfurt)
        )?;
        let regions = BTreeMap::from([(Side::Shanghai, shanghai), (Side::Frankfurt, frankfurt)]);
        Ok(Self { parts, kafka, regions })
    }

    /// A process with an SDK whose server is the front door of that side.
    pub(crate) async fn client(&self, side: Side, sdk: Sdk) -> Result<SdkClient> {
        let address = format!("127.0.0.1:{}", self.regions[&side].door.main());
        SdkClient::start(&self.parts, sdk, &address, None).await
    }

    /// An application whose Nacos is the front door of that side.
    pub(crate) async fn application(
        &self,
        side: Side,
        framework: ClientFramework,
        name: &str,
    ) -> Result<FrameworkProcess> {
        let address = format!("127.0.0.1:{}", self.regions[&side].door.main());
        FrameworkProcess::start(&self.parts, framework, name, &address).await
    }

    /// The Nacos of that side itself.
    pub(crate) fn nacos(&self, side: Side) -> &Nacos {
        &self.regions[&side].nacos
    }

    /// The same, to be stopped and started.
    pub(crate) fn nacos_mut(&mut self, side: Side) -> &mut Nacos {
        &mut self.regions.get_mut(&side).expect("both sides are there").nacos
    }

    /// The gateway of that side.
    pub(crate) fn gateway(&self, side: Side) -> &Gateway {
        &self.regions[&side].gateway
    }

    /// Kafka, to be stopped and started.
    pub(crate) fn kafka_mut(&mut self) -> &mut Kafka {
        &mut self.kafka
    }

    /// A process with the Java SDK whose server is there.
    pub(crate) async fn client_of(&self, address: &str) -> Result<SdkClient> {
        SdkClient::start(&self.parts, Sdk::Java, address, None).await
    }

    /// What starts processes.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Where Kafka is.
    pub(crate) fn kafka(&self) -> String {
        self.kafka.bootstrap()
    }

    /// A process whose server is the Nacos of that side itself.
    pub(crate) async fn client_past_the_door(&self, side: Side) -> Result<SdkClient> {
        SdkClient::start(&self.parts, Sdk::Java, &self.regions[&side].nacos.address(), None).await
    }

    fn whereabouts(&self) -> String {
        let log = |side: Side| format!("log of {}: {}", side.cluster(), self.regions[&side].gateway.log().display());
        Side::BOTH.map(log).join("\n")
    }
}

impl Region {
    async fn begin(kafka: &Kafka, side: Side, nacos: Nacos) -> Result<Self> {
        let door = PortBlock::choose(&[GRPC_OFFSET])?;
        let listen = format!("front_door: {{listen: \"127.0.0.1:{}\"}}", door.main());
        // Tests deregister all there is; that mass losses are held has tests of its own.
        let further = format!("guard: {{mass_percent: 100}}\n{listen}");
        let options = GatewayOptions { further, ..GatewayOptions::new("doors", side.cluster(), &kafka.bootstrap()) };
        let gateway = Gateway::start(&options.beside(nacos.address(), None)).await?;
        announce(&format!("{}: Nacos {}, front door {}", side.cluster(), nacos.address(), door.main()));
        Ok(Self { nacos, gateway, door })
    }
}

/// One of each language. The one of Node speaks HTTP, all others gRPC.
pub(crate) fn sdks() -> [Sdk; 5] {
    [Sdk::Java, Sdk::Python, Sdk::Go, Sdk::Rust, Sdk::Node]
}

/// A name that no other test uses.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
