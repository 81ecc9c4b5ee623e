//! What clients are set before: a real Nacos, the embedded registry, gateways, or whatever listens at an address.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use federation_harness::home::Home;
use federation_harness::port::{PortBlock, until_free};
use federation_harness::process::{Conversation, Process, Program, Signal};
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts};

/// gRPC is that far above HTTP, in every client.
const GRPC_OFFSET: i32 = 1000;
const START_PATIENCE: Duration = Duration::from_secs(20);
/// The embedded registry's binary, built beside this one.
const EMBEDDED: &str = "embedded-registry";

/// What is compared with a real Nacos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SubjectKind {
    /// Another real Nacos of the same line: what even the same server tells differently.
    Nacos,
    /// The embedded registry, which is of no line.
    Embedded,
    /// The front door of a gateway beside a real Nacos of the line.
    Gateway,
    /// Whatever listens on this port of this machine.
    Port(u16),
}

impl SubjectKind {
    /// Its name in the list of known differences.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nacos => "nacos",
            Self::Embedded => "embedded",
            Self::Gateway => "gateway",
            Self::Port(_) => "port",
        }
    }

    /// What it is made of besides clients.
    pub(crate) fn parts(self, line: Line) -> Vec<Part> {
        match self {
            Self::Nacos => vec![line.part()],
            Self::Gateway => vec![Part::Kafka, line.part()],
            Self::Embedded | Self::Port(_) => vec![],
        }
    }
}

impl FromStr for SubjectKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "nacos" => Ok(Self::Nacos),
            "embedded" => Ok(Self::Embedded),
            "gateway" => Ok(Self::Gateway),
            port => port.parse().map(Self::Port).map_err(|_| "nacos, embedded, gateway or a port of 127.0.0.1".into()),
        }
    }
}

/// A running server. It ends when dropped, unless it is somebody else's.
pub(crate) enum RunningServer {
    Nacos(Box<Nacos>),
    Embedded(EmbeddedProcess),
    Gateway(Box<GatewayStage>),
    Port(u16),
}

/// A gateway with a front door, and what it needs.
pub(crate) struct GatewayStage {
    gateway: Gateway,
    door: PortBlock,
    _nacos: Nacos,
    _kafka: Kafka,
}

/// The embedded registry as a process.
pub(crate) struct EmbeddedProcess {
    ports: PortBlock,
    home: Home,
    process: Option<Process>,
}

impl RunningServer {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(parts: &Parts, kind: SubjectKind, line: Line) -> Result<Self> {
        match kind {
            SubjectKind::Nacos => {
                let nacos = Nacos::start(parts, line, NacosOptions::default()).await?;
                Ok(Self::Nacos(Box::new(nacos)))
            }
            SubjectKind::Embedded => Ok(Self::Embedded(EmbeddedProcess::start().await?)),
            SubjectKind::Gateway => Ok(Self::Gateway(Box::new(GatewayStage::start(parts, line).await?))),
            SubjectKind::Port(port) => Ok(Self::Port(port)),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Nacos(nacos) => nacos.port(),
            Self::Embedded(embedded) => embedded.ports.main(),
            Self::Gateway(stage) => stage.door.main(),
            Self::Port(port) => *port,
        }
    }

    /// `host:port` for clients.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Why it cannot be restarted here, if so.
    pub(crate) fn is_somebody_else_s(&self) -> Option<&'static str> {
        matches!(self, Self::Port(_)).then_some("the server is not ours to restart")
    }

    /// `kill -9`, and a start on the same ports and data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        match self {
            Self::Nacos(nacos) => {
                nacos.kill().await?;
                nacos.restart().await
            }
            Self::Embedded(embedded) => embedded.restart().await,
            Self::Gateway(stage) => stage.restart().await,
            Self::Port(_) => bail!("the server is not ours to restart"),
        }
    }
}

impl EmbeddedProcess {
    async fn start() -> Result<Self> {
        let mut embedded =
            Self { ports: PortBlock::choose(&[GRPC_OFFSET])?, home: Home::temporary(EMBEDDED)?, process: None };
        embedded.launch().await?;
        Ok(embedded)
    }

    async fn launch(&mut self) -> Result<()> {
        until_free(self.ports.main(), &[GRPC_OFFSET]).await?;
        let http = format!("127.0.0.1:{}", self.ports.main());
        let configs = self.home.path().join("configs").display().to_string();
        let program = Program::new("the embedded registry", beside(EMBEDDED)?, self.home.path().join("out.log"));
        let mut process = program.args([&http, &configs]).spawn(Conversation::None).await?;
        let main = self.ports.main();
        process.until_ready(START_PATIENCE, async |_| accepts(main).await).await?;
        self.process = Some(process);
        Ok(())
    }

    async fn restart(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Kill)?;
            process.ended().await?;
        }
        self.launch().await
    }
}

impl GatewayStage {
    async fn start(parts: &Parts, line: Line) -> Result<Self> {
        let kafka = Kafka::start(parts, KafkaOptions::default()).await?;
        let nacos = Nacos::start(parts, line, NacosOptions::default()).await?;
        let door = PortBlock::choose(&[GRPC_OFFSET])?;
        let mut options = GatewayOptions::new("interop", "shanghai", &kafka.bootstrap()).beside(nacos.address(), None);
        // The script takes away what it registered, most of it within a minute: such a mass loss is held, and what is missing right after a start
        // is waited for. Both are as they should be, have tests of their own, and are not what SDKs are compared for.
        let further =
            ["guard: {mass_percent: 100}".to_owned(), format!("front_door: {{listen: \"127.0.0.1:{}\"}}", door.main())];
        options.further = further.join("\n");
        options.nacos_further = vec!["removal_hold: 1s".into()];
        let gateway = Gateway::start(&options).await?;
        if !accepts(door.main()).await {
            bail!("the gateway is ready and its front door does not listen; its log: {}", gateway.log().display());
        }
        Ok(Self { gateway, door, _nacos: nacos, _kafka: kafka })
    }

    async fn restart(&mut self) -> Result<()> {
        self.gateway.kill().await?;
        self.gateway.restart().await
    }
}

async fn accepts(port: u16) -> bool {
    let grpc = port.saturating_add_signed(GRPC_OFFSET as i16);
    let http = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    http.is_ok() && tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, grpc)).await.is_ok()
}

/// A binary of this workspace that was built beside this one.
fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a binary lies in a folder")?.join(name);
    if !path.is_file() {
        bail!("{} is missing; build it: cargo build --bin {name}", path.display());
    }
    Ok(path)
}
