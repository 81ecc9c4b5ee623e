//! One gateway of this workspace: `nacos-fed serve` as a process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::announce;
use crate::home::Home;
use crate::nacos::Credentials;
use crate::parts::workspace;
use crate::port::{self, PortBlock};
use crate::process::{Conversation, Process, Program, Signal};

/// gRPC is one above HTTP.
const OFFSETS: [i32; 1] = [1];
/// A gateway's own deadline for a first read, after which it is ready and says that it is behind, is shorter.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const CALL_PATIENCE: Duration = Duration::from_secs(10);
/// Some commands ask again for a while before they end.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// How to start a gateway.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The federation: a part of every topic's name, so tests that share a Kafka name different ones.
    pub federation: String,
    /// The cluster.
    pub cluster: String,
    /// Its region.
    pub region: String,
    /// `host:port` of its Nacos, of several servers with commas between; the embedded registry on a chosen port when absent.
    pub nacos: Option<String>,
    /// The user at its Nacos.
    pub user: Option<Credentials>,
    /// `host:port` of Kafka; of several brokers with commas between.
    pub kafka: String,
    /// Further YAML, appended to the file: whole top-level sections other than the above.
    pub further: String,
    /// What is put under `kafka:`, each a `field: value`.
    pub kafka_further: Vec<String>,
    /// What is put under `nacos:`, one `field: value` a line.
    pub nacos_further: Vec<String>,
    /// Environment variables, by name.
    pub variables: Vec<(String, String)>,
    /// Where its data lies; temporary when absent.
    pub home: Option<PathBuf>,
}

impl GatewayOptions {
    /// A gateway with an embedded registry; region = cluster, everything exported, configs too.
    pub fn new(federation: &str, cluster: &str, kafka: &str) -> Self {
        Self {
            federation: federation.into(),
            cluster: cluster.into(),
            region: cluster.into(),
            nacos: None,
            user: None,
            kafka: kafka.into(),
            further: String::new(),
            kafka_further: Vec::new(),
            nacos_further: Vec::new(),
            variables: Vec::new(),
            home: None,
        }
    }

    /// The same beside a Nacos.
    #[must_use]
    pub fn beside(mut self, address: String, user: Option<Credentials>) -> Self {
        (self.nacos, self.user) = (Some(address), user);
        self
    }

    fn yaml(&self, ports: &PortBlock, registry: Option<&PortBlock>) -> String {
        let Self { federation, cluster, region, kafka, further, .. } = self;
        let mut nacos = match (&self.nacos, registry) {
            (Some(address), _) => vec![format!("servers: [\"{}\"]", address.replace(',', "\", \""))],
            (None, Some(ports)) => {
                vec!["embedded: true".into(), format!("listen: {{http: \"127.0.0.1:{}\"}}", ports.main())]
            }
            (None, None) => vec!["embedded: true".into()],
        };
        if let Some(Credentials { username, password }) = &self.user {
            nacos.extend([format!("username: \"{username}\""), format!("password: \"{password}\"")]);
        }
        nacos.extend(self.nacos_further.iter().cloned());
        let (http, grpc, nacos) = (ports.main(), ports.main() + 1, nacos.join("\n  "));
        let brokers = format!("brokers: [\"{}\"]", kafka.replace(',', "\", \""));
        let kafka = [&[brokers], &*self.kafka_further].concat().join(", ");
        format!(
            "federation: {federation}\ncluster: {cluster}\nlocality: {{region: {region}}}\nnacos:\n  {nacos}\n\
             kafka: {{{kafka}}}\nexport: {{configs: [{{data_id: \"*\"}}]}}\n\
             listen: {{http: \"127.0.0.1:{http}\", grpc: \"127.0.0.1:{grpc}\"}}\ndata_dir: data\n{further}\n"
        )
    }
}

/// What a command ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTold {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed: standard output, then standard error.
    pub text: String,
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    cluster: String,
    binary: PathBuf,
    ports: PortBlock,
    registry: Option<PortBlock>,
    variables: Vec<(String, String)>,
    http: reqwest::Client,
    process: Option<Process>,
    home: Home,
}

impl Gateway {
    /// Starts a gateway and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the error quotes its log.
    pub async fn start(options: &GatewayOptions) -> Result<Self> {
        let mut gateway = Self::prepare(options).await?;
        gateway.spawn().await?;
        gateway.until_ready().await?;
        Ok(gateway)
    }

    /// Chooses its ports and writes its configuration, without starting it.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub async fn prepare(options: &GatewayOptions) -> Result<Self> {
        let home = Home::choose(options.home.as_deref(), &format!("gateway-{}", options.cluster))?;
        let ports = PortBlock::choose(&OFFSETS)?;
        let registry = options.nacos.is_none().then(|| PortBlock::choose(&[1000])).transpose()?;
        std::fs::write(home.path().join("gateway.yaml"), options.yaml(&ports, registry.as_ref()))?;
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(CALL_PATIENCE).build()?;
        let (cluster, binary) = (options.cluster.clone(), binary().await?);
        let variables = options.variables.clone();
        Ok(Self { cluster, binary, ports, registry, variables, http, process: None, home })
    }

    /// Starts it without waiting for anything.
    ///
    /// # Errors
    /// When it runs already, or cannot be started.
    pub async fn spawn(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the gateway of {} runs already", self.cluster);
        }
        port::until_free(self.ports.main(), &OFFSETS).await?;
        let program = Program::new(format!("the gateway of {}", self.cluster), &self.binary, self.log())
            .args(["serve", "--config", "gateway.yaml"])
            .directory(self.home.path());
        let program = self.variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        self.process = Some(program.spawn(Conversation::None).await?);
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it ends or takes too long; the error quotes its log.
    pub async fn until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let (http, url) = (self.http.clone(), self.url("/readyz"));
        let process = self.process.as_mut().context("the gateway does not run")?;
        process.until_ready(START_PATIENCE, async |_| is_ok(&http, &url).await).await?;
        announce(&format!("the gateway of {} is ready after {:.1} s", self.cluster, start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Its cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The base of its HTTP API.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.main())
    }

    /// The base of its gRPC API.
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.main() + 1)
    }

    /// `host:port` of its embedded registry, if it has one; gRPC is 1000 above.
    pub fn registry(&self) -> Option<String> {
        self.registry.as_ref().map(|ports| format!("127.0.0.1:{}", ports.main()))
    }

    /// Its process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Where its log goes.
    pub fn log(&self) -> PathBuf {
        self.home.path().join("gateway.log")
    }

    /// Asks its HTTP API: status and JSON document (null where the answer is none).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Value)> {
        let answer = self.http.get(self.url(path)).query(query).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }

    /// Runs `nacos-fed` with these arguments, asking this gateway.
    ///
    /// # Errors
    /// When it cannot be started or takes a minute.
    pub async fn command(&self, arguments: &[&str]) -> Result<CommandTold> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.args(arguments).args(["--server", &self.base()]).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_PATIENCE, command.output());
        let output = output.await.with_context(|| format!("nacos-fed {arguments:?} does not end"))??;
        let text = [&output.stdout[..], &output.stderr].concat();
        Ok(CommandTold { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// The instances of a service as `/v1/service` shows them; none when it does not exist.
    ///
    /// # Errors
    /// When there is no answer, or it is neither 200 nor 404.
    pub async fn instances(&self, namespace: &str, group: &str, service: &str) -> Result<Vec<Value>> {
        let query = [("namespaceId", namespace), ("groupName", group), ("serviceName", service)];
        match self.get("/v1/service", &query).await? {
            (200, document) => Ok(document["instances"].as_array().cloned().unwrap_or_default()),
            (404, _) => Ok(Vec::new()),
            (status, document) => bail!("{} answers {status} for {service}: {document}", self.cluster),
        }
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(Signal::Kill)?;
        process.ended().await?;
        Ok(())
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When it does not end with 0; the error quotes its log.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.end(STOP_PATIENCE).await?;
        match process.ended().await? {
            status if status.success() => Ok(()),
            status => Err(process.failure(&format!("ended with {status} when asked to stop"))),
        }
    }

    /// Starts it again on the same ports and data, ending it in order first if it runs, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the error quotes its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.spawn().await?;
        self.until_ready().await
    }

    /// Freezes it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.process.as_mut().context("the gateway does not run")?.signal(Signal::Stop)
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.process.as_mut().context("the gateway does not run")?.signal(Signal::Continue)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }
}

/// Whether a GET is answered 200.
pub(crate) async fn is_ok(http: &reqwest::Client, url: &str) -> bool {
    http.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

/// The binary `nacos-fed`: the one that `NACOS_FED_BIN` names, else built now from this workspace.
///
/// # Errors
/// When it does not compile.
pub async fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("NACOS_FED_BIN") {
        return Ok(given.into());
    }
    static BUILT: tokio::sync::OnceCell<PathBuf> = tokio::sync::OnceCell::const_new();
    BUILT.get_or_try_init(build).await.cloned()
}

async fn build() -> Result<PathBuf> {
    announce("building nacos-fed");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["build", "--bin", "nacos-fed", "--message-format=json-render-diagnostics"];
    let build =
        tokio::process::Command::new(cargo).args(arguments).current_dir(workspace()).kill_on_drop(true).output();
    let output = build.await.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("nacos-fed does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executables = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = executables.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    built.context("cargo names no executable")
}
