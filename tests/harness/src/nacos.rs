//! One standalone Nacos server of either line.
//!
//! Ready means: the readiness endpoint answers 200, the gRPC port accepts, and with access control on the user `nacos` can log in (a 3.x server
//! is given that user here; a 2.x server has it, but knows it only seconds after it says that it is ready).

mod settings;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::announce;
use crate::home::Home;
use crate::parts::{Part, Parts};
use crate::port::{self, PortBlock};
use crate::process::{Conversation, Process, Program, Signal, Tie};

/// SDK gRPC, cluster gRPC, JRaft.
const OFFSETS: [i32; 3] = [1000, 1001, -1000];
/// A start takes 7 s alone; beside other servers on two cores up to 22 s were seen.
const START_PATIENCE: Duration = Duration::from_secs(150);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// Of one HTTP call to a server.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// Which line of Nacos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// 2.3.2.
    V2,
    /// 3.1.0.
    V3,
}

impl Line {
    /// The version of the server.
    pub fn version(self) -> &'static str {
        match self {
            Self::V2 => "2.3.2",
            Self::V3 => "3.1.0",
        }
    }

    /// The part to ask [`Parts::ensure`] for.
    pub fn part(self) -> Part {
        match self {
            Self::V2 => Part::Nacos2,
            Self::V3 => Part::Nacos3,
        }
    }

    fn readiness(self) -> &'static str {
        match self {
            Self::V2 => "/nacos/v1/console/health/readiness",
            Self::V3 => "/nacos/v3/admin/core/state/readiness",
        }
    }

    fn login(self) -> &'static str {
        match self {
            Self::V2 => "/nacos/v1/auth/users/login",
            Self::V3 => "/nacos/v3/auth/user/login",
        }
    }
}

/// Whether a server asks who is calling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody may do everything.
    #[default]
    Open,
    /// Only users may; there is one, [`Credentials::default`] unless another password is chosen, and it may do everything.
    Password,
}

/// A user of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub username: String,
    /// Password, in clear.
    pub password: String,
}

impl Default for Credentials {
    /// `nacos` / `nacos`.
    fn default() -> Self {
        Self { username: "nacos".into(), password: "nacos".into() }
    }
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct NacosOptions {
    /// The HTTP port; gRPC is 1000 above. Chosen when absent.
    pub port: Option<u16>,
    /// Whether it asks who is calling.
    pub access: Access,
    /// The password of its user, `nacos` when absent. Chosen at the first start of a server of line 3.x alone.
    pub password: Option<String>,
    /// How long it gathers changes of a service before it pushes them. Its own default, 500 ms, when absent.
    pub push_delay: Option<Duration>,
    /// Where its data lies; temporary when absent. A directory with data in it is continued.
    pub home: Option<PathBuf>,
    /// Further lines of `application.properties`, after and over the harness's own.
    pub properties: Vec<(String, String)>,
    /// Largest Java heap in MiB.
    pub heap_mib: u32,
    /// How long it lives.
    pub tie: Tie,
}

impl Default for NacosOptions {
    /// Open, pushing at once, on a chosen port and a temporary home.
    fn default() -> Self {
        Self {
            port: None,
            access: Access::Open,
            password: None,
            push_delay: Some(Duration::ZERO),
            home: None,
            properties: Vec::new(),
            heap_mib: 256,
            tie: Tie::ToHarness,
        }
    }
}

/// A server.
#[derive(Debug)]
pub struct Nacos {
    line: Line,
    user: Option<Credentials>,
    part: PathBuf,
    ports: PortBlock,
    heap_mib: u32,
    tie: Tie,
    http: reqwest::Client,
    process: Option<Process>,
    home: Home,
}

impl Nacos {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up; the error quotes its output.
    pub async fn start(parts: &Parts, line: Line, options: NacosOptions) -> Result<Self> {
        let home = Home::choose(options.home.as_deref(), line.part().name())?;
        let ports = match options.port {
            Some(port) => PortBlock::exactly(port, &OFFSETS)?,
            None => PortBlock::choose(&OFFSETS)?,
        };
        settings::write(home.path(), line, ports.main(), &options)?;
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(CALL_PATIENCE).build()?;
        let part = parts.directory(line.part())?.to_path_buf();
        let NacosOptions { access, password, heap_mib, tie, .. } = options;
        let known = Credentials::default();
        let password = password.unwrap_or(known.password);
        let user = (access == Access::Password).then_some(Credentials { password, ..known });
        let mut nacos = Self { line, user, part, ports, heap_mib, tie, http, process: None, home };
        nacos.launch().await?;
        Ok(nacos)
    }

    /// Its line.
    pub fn line(&self) -> Line {
        self.line
    }

    /// `host:port` of its HTTP API; gRPC is 1000 above.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its HTTP port.
    pub fn port(&self) -> u16 {
        self.ports.main()
    }

    /// Its user, if it asks for one.
    pub fn credentials(&self) -> Option<Credentials> {
        self.user.clone()
    }

    /// The server's process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Where its output goes. Its own logs are in `logs` beside.
    pub fn log(&self) -> PathBuf {
        self.home.path().join("out.log")
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
    /// When a signal cannot be sent.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.end(STOP_PATIENCE).await
    }

    /// Starts it again on the same ports and data, ending it in order first if it runs. Ephemeral instances are gone until their clients
    /// come back.
    ///
    /// # Errors
    /// When it does not come up; the error quotes its output.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Freezes it: its connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.process.as_mut().context("the server does not run")?.signal(Signal::Stop)
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.process.as_mut().context("the server does not run")?.signal(Signal::Continue)
    }

    /// A token for its HTTP API, or `None` if it does not ask who is calling.
    ///
    /// # Errors
    /// When the login is refused or not answered.
    pub async fn token(&self) -> Result<Option<String>> {
        let Some(user) = self.credentials() else { return Ok(None) };
        let form = [("username", &user.username), ("password", &user.password)];
        let answer = self.http.post(self.url(self.line.login())).form(&form).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let body: Value = serde_json::from_str(&text).with_context(|| format!("login answers {status}: {text}"))?;
        let token = body["accessToken"].as_str().with_context(|| format!("login answers {status}: {text}"))?;
        Ok(Some(token.into()))
    }

    /// Calls its HTTP API as its user: status and body, whatever they are. `path` begins with `/nacos`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(&self, method: reqwest::Method, path: &str, query: &[(&str, &str)]) -> Result<(u16, String)> {
        let mut request = self.http.request(method, self.url(path)).query(query);
        if let Some(token) = self.token().await? {
            request = request.query(&[("accessToken", &token)]);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Makes a namespace, which must not exist.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_namespace(&self, id: &str) -> Result<()> {
        let (path, key) = match self.line {
            Line::V2 => ("/nacos/v1/console/namespaces", "customNamespaceId"),
            Line::V3 => ("/nacos/v3/admin/core/namespace", "namespaceId"),
        };
        let query = [(key, id), ("namespaceName", id), ("namespaceDesc", "made by a test")];
        let (status, body) = self.call(reqwest::Method::POST, path, &query).await?;
        if status != 200 || body.contains("false") {
            bail!("namespace {id} was not made: {status} {body}");
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    fn name(&self) -> String {
        format!("nacos {} on port {}", self.line.version(), self.port())
    }

    fn program(&self) -> Program {
        let deps = self.part.join("deps");
        // Two jars hold the same hessian classes. With the other one first everything starts and answers, and every push is lost.
        let libraries = format!("{}:{}/*", deps.join("hessian-4.0.63.jar").display(), deps.display());
        let (classes, main) = match self.line {
            Line::V2 => (libraries, "com.alibaba.nacos.Nacos"),
            Line::V3 => {
                let own = self.part.join("target/classes");
                (format!("{}:{libraries}", own.display()), "federation.parts.NacosServer")
            }
        };
        let home = self.home.path().display();
        let arguments = [
            "-Xms64m".into(),
            format!("-Xmx{}m", self.heap_mib),
            "-XX:+UseSerialGC".into(),
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:MaxDirectMemorySize=128m".into(),
            "-Dnacos.standalone=true".into(),
            format!("-Dnacos.home={home}"),
            format!("-Dnacos.logs.path={home}/logs"),
            "-cp".into(),
            classes,
            main.into(),
            format!("--spring.config.additional-location=file:{home}/conf/"),
        ];
        Program::new(self.name(), "java", self.log()).args(arguments).directory(self.home.path()).tie(self.tie.clone())
    }

    async fn launch(&mut self) -> Result<()> {
        let start = Instant::now();
        match self.launch_once().await {
            // On a busy machine its database may give itself up in the first seconds: `Login timeout exceeded`.
            Err(error) if start.elapsed() < START_PATIENCE => {
                announce(&format!("{} is started once more: {:.200}", self.name(), error.to_string()));
                self.launch_once().await
            }
            outcome => outcome,
        }
    }

    async fn launch_once(&mut self) -> Result<()> {
        let start = Instant::now();
        port::until_free(self.port(), &OFFSETS).await?;
        let mut process = self.program().spawn(Conversation::None).await?;
        process.until_ready(START_PATIENCE, async |_| self.is_ready().await).await?;
        self.process = Some(process);
        announce(&format!("{} is up after {:.1} s", self.name(), start.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(self.url(self.line.readiness())).send().await;
        if !answer.is_ok_and(|answer| answer.status().is_success()) {
            return false;
        }
        if tokio::net::TcpStream::connect(("127.0.0.1", self.port() + 1000)).await.is_err() {
            return false;
        }
        if self.token().await.is_ok() {
            return true;
        }
        if let (Line::V3, Some(user)) = (self.line, &self.user) {
            // Refused with 409 once the user exists; the login tells whether it took.
            let admin = self.http.post(self.url("/nacos/v3/auth/user/admin"));
            let _ = admin.form(&[("password", &user.password)]).send().await;
        }
        false
    }
}
