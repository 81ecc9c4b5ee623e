//! The servers: Kafka, a Nacos 3.1.0 and a 2.3.2 with a gateway beside each, another Nacos 3.1.0 alone, and an `rnacos` if there is one.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use federation_harness::port::PortBlock;
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts};
use reqwest::Client;

use crate::rnacos::Rnacos;

/// gRPC is that far above HTTP, in every client.
const GRPC_OFFSET: u16 = 1000;
/// Of each Nacos, in MiB: 10,000 connections are to fit.
const HEAP_MIB: u32 = 1536;

/// A server that clients of Nacos connect to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// As it is called in tables.
    pub(crate) name: &'static str,
    /// Its gRPC port.
    pub(crate) grpc: SocketAddr,
    /// Processes that do its work; the first one holds its connections.
    pub(crate) processes: Vec<u32>,
    /// It is none of ours.
    pub(crate) is_peer: bool,
}

/// See the module.
pub(crate) struct Stage {
    /// The front door of region A, before A's Nacos.
    pub(crate) door_a: Server,
    /// That of region B.
    pub(crate) door_b: Server,
    /// A Nacos without a gateway.
    pub(crate) nacos: Server,
    /// An rnacos, if there is one.
    pub(crate) rnacos: Option<Server>,
    metrics: String,
    _servers: Servers,
}

/// They end with this.
struct Servers {
    _kafka: Kafka,
    _nacos: [Nacos; 3],
    _gateways: [Gateway; 2],
    _rnacos: Option<Rnacos>,
}

impl Stage {
    /// Starts all of them.
    pub(crate) async fn start() -> Result<Self> {
        let rnacos = Rnacos::start().await;
        let parts = Parts::ensure(&[Part::Kafka, Part::Nacos2, Part::Nacos3]).await?;
        // As people run it: changes are gathered for half a second before they are pushed.
        let options = || NacosOptions { push_delay: None, heap_mib: HEAP_MIB, ..NacosOptions::default() };
        let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
        let of_a = Nacos::start(&parts, Line::V3, options()).await?;
        let of_b = Nacos::start(&parts, Line::V2, NacosOptions::default()).await?;
        let alone = Nacos::start(&parts, Line::V3, options()).await?;
        let (gateway_a, door_a) = beside("a", &of_a, &kafka).await?;
        let (gateway_b, door_b) = beside("b", &of_b, &kafka).await?;
        let pid = |of: Option<u32>| of.context("a server ended");
        let server = |name, port: u16, processes| {
            let grpc = format!("127.0.0.1:{}", port + GRPC_OFFSET).parse()?;
            anyhow::Ok(Server { name, grpc, processes, is_peer: false })
        };
        let metrics = format!("{}/metrics", gateway_a.base());
        Ok(Self {
            door_a: server("front door", door_a, vec![pid(gateway_a.pid())?, pid(of_a.pid())?])?,
            door_b: server("front door of B", door_b, vec![pid(gateway_b.pid())?, pid(of_b.pid())?])?,
            nacos: Server { is_peer: true, ..server("Nacos 3.1.0", alone.port(), vec![pid(alone.pid())?])? },
            rnacos: rnacos.as_ref().map(Rnacos::server),
            metrics,
            _servers: Servers {
                _kafka: kafka,
                _nacos: [of_a, of_b, alone],
                _gateways: [gateway_a, gateway_b],
                _rnacos: rnacos,
            },
        })
    }

    /// The front door of A and its peers.
    pub(crate) fn servers(&self) -> Vec<Server> {
        [Some(self.door_a.clone()), Some(self.nacos.clone()), self.rnacos.clone()].into_iter().flatten().collect()
    }

    /// Lists that the front door of A has made for clients so far.
    pub(crate) async fn encodings(&self) -> Result<f64> {
        let text = Client::builder().no_proxy().build()?.get(&self.metrics).send().await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix("federation_front_door_list_encodings_total "));
        Ok(line.context("the gateway does not count the lists that it makes")?.trim().parse()?)
    }
}

/// A gateway with a front door; returns the door's HTTP port.
async fn beside(cluster: &str, nacos: &Nacos, kafka: &Kafka) -> Result<(Gateway, u16)> {
    let door = PortBlock::choose(&[i32::from(GRPC_OFFSET)])?;
    // Clients of the bench leave in crowds; that mass losses are held is another matter.
    let further = format!("guard: {{mass_percent: 100}}\nfront_door: {{listen: \"127.0.0.1:{}\"}}", door.main());
    let options = GatewayOptions { further, ..GatewayOptions::new("bench", cluster, &kafka.bootstrap()) };
    let gateway = Gateway::start(&options.beside(nacos.address(), None)).await?;
    Ok((gateway, door.main()))
}
