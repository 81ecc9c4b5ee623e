//! Drivers of SDKs that nobody here wrote, as separate processes that can be killed.

mod wire;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use self::wire::{Answer, Command, Line, Order, decode_line};
pub use self::wire::{SdkConfig, SdkEvent, SdkInstance, SdkService, SdkServiceList};
use crate::home::Home;
use crate::nacos::Credentials;
use crate::parts::{Part, Parts};
use crate::port::PortBlock;
use crate::process::{Conversation, POLL, Process, Program, Signal};

/// Longer than any SDK's own time-out with its retries, so that it is the SDK that speaks first.
const ANSWER_PATIENCE: Duration = Duration::from_secs(45);
/// Events kept; a test that gets more has a loop somewhere.
const EVENTS_LIMIT: usize = 200_000;

/// How a driver's complaint begins that its SDK cannot do at all what was asked for.
const ABSENT: &str = "not in this SDK";

/// What Java's SDK says that has no connection, in small letters.
const WITHOUT_CONNECTION: &str = "client not connected";

/// Which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sdk {
    /// `com.alibaba.nacos:nacos-client` 3.1.1.
    Java,
    /// `com.alibaba.nacos:nacos-client` 2.4.3.
    Java2,
    /// `com.alibaba.nacos:nacos-client` 1.4.8, over HTTP.
    Java1,
    /// `nacos-sdk-python` 3.2.0. Never reports that a service became empty.
    Python,
    /// `nacos-sdk-python` 2.0.11, over HTTP.
    Python2,
    /// `github.com/nacos-group/nacos-sdk-go/v2` 2.3.2. Never reports that a service became empty.
    Go,
    /// npm's `nacos` 2.6.3, over HTTP.
    Node,
    /// The crate `nacos-sdk` 0.8.3.
    Rust,
}

impl Sdk {
    /// All there are.
    pub const ALL: [Self; 8] =
        [Self::Java, Self::Java2, Self::Java1, Self::Python, Self::Python2, Self::Go, Self::Node, Self::Rust];

    /// The part to ask [`Parts::ensure`] for.
    pub fn part(self) -> Part {
        match self {
            Self::Java => Part::JavaSdk,
            Self::Java2 => Part::JavaSdk2,
            Self::Java1 => Part::JavaSdk1,
            Self::Python => Part::PythonSdk,
            Self::Python2 => Part::PythonSdk2,
            Self::Go => Part::GoSdk,
            Self::Node => Part::NodeSdk,
            Self::Rust => Part::RustSdk,
        }
    }

    /// Whether it asks and beats over HTTP, and is pushed to over UDP at best; all others hold a connection.
    pub fn speaks_http(self) -> bool {
        matches!(self, Self::Java1 | Self::Python2 | Self::Node)
    }

    fn program(self, parts: &Parts, home: &Home) -> Result<Program> {
        let part = parts.directory(self.part())?;
        let (executable, arguments) = match self {
            Self::Java | Self::Java2 | Self::Java1 => ("java".into(), java_arguments(part, home)),
            Self::Python | Self::Python2 => {
                (part.join("venv/bin/python"), vec!["-u".into(), part.join("driver.py").display().to_string()])
            }
            Self::Go | Self::Rust => (part.join("driver"), vec![]),
            Self::Node => ("node".into(), vec![part.join("driver.js").display().to_string()]),
        };
        let log = home.path().join("driver.log");
        let mut program = Program::new(format!("the {self:?} SDK"), executable, log).args(arguments);
        if self == Self::Node {
            // All processes of a machine that use this port share one client, whatever their servers; each is to have its own.
            program = program.env("NODE_CLUSTER_CLIENT_PORT", PortBlock::choose(&[])?.main().to_string());
        }
        // Some keep in the user's home what they know.
        Ok(program.directory(home.path()).env("HOME", home.path().display().to_string()))
    }
}

fn java_arguments(part: &Path, home: &Home) -> Vec<String> {
    let classes = format!("{0}/target/classes:{0}/deps/*", part.display());
    let user = format!("-Duser.home={}", home.path().display());
    let snapshots = format!("-DJM.SNAPSHOT.PATH={}", home.path().display());
    let flags = ["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", &user, &snapshots, "-cp", &classes];
    flags.iter().copied().chain(["federation.clients.Driver"]).map(String::from).collect()
}

/// Why a driver did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdkRefusal {
    /// The SDK has no such function; which is in the text.
    #[error("{0}")]
    Absent(String),
    /// The SDK, or the server through it, refuses; the text is the SDK's.
    #[error("{0}")]
    Refused(String),
}

impl From<String> for SdkRefusal {
    fn from(told: String) -> Self {
        match told.find(ABSENT) {
            Some(at) => Self::Absent(told[at..].trim_end_matches(['"', '\'', ')']).into()),
            None => Self::Refused(told),
        }
    }
}

/// What all tasks of one driver know.
#[derive(Debug, Default)]
struct Shared {
    /// Critical section: adding or taking one entry.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    /// Critical section: appending, or a test's look at all of them.
    events: Mutex<Vec<SdkEvent>>,
}

/// A process with an SDK in it. Dropping it kills the process, like a crash of the program that uses the SDK.
#[derive(Debug)]
pub struct SdkClient {
    sdk: Sdk,
    process: Process,
    input: tokio::sync::Mutex<ChildStdin>,
    next_id: AtomicU64,
    shared: Arc<Shared>,
    heard: watch::Receiver<usize>,
    reconnects_within: Duration,
    _reader: JoinSet<()>,
    _home: Home,
}

impl SdkClient {
    /// Starts a driver for the Nacos at `server` (`host:port`, HTTP). The SDK connects with the first command.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn start(parts: &Parts, sdk: Sdk, server: &str, user: Option<&Credentials>) -> Result<Self> {
        Self::start_in(Home::temporary(sdk.part().name())?, parts, sdk, server, user).await
    }

    /// A Java SDK's driver that speaks TLS to that server, whose certificate the authority in this PEM file has to have signed.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn start_over_tls(parts: &Parts, server: &str, authority: &std::path::Path) -> Result<Self> {
        let sdk = Sdk::Java;
        let home = Home::temporary(sdk.part().name())?;
        let tls = "nacos.remote.client.rpc.tls";
        let authority = authority.display();
        let options = format!("-D{tls}.enable=true -D{tls}.trustCollectionChainPath={authority}");
        let program = sdk.program(parts, &home)?.env("JAVA_TOOL_OPTIONS", options).args([server]);
        Self::spawn(home, sdk, program).await
    }

    /// The same with its log and caches in `home`.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn start_in(
        home: Home,
        parts: &Parts,
        sdk: Sdk,
        server: &str,
        user: Option<&Credentials>,
    ) -> Result<Self> {
        let mut program = sdk.program(parts, &home)?.args([server]);
        if let Some(Credentials { username, password }) = user {
            program = program.args([username, password]);
        }
        Self::spawn(home, sdk, program).await
    }

    async fn spawn(home: Home, sdk: Sdk, program: Program) -> Result<Self> {
        let mut process = program.spawn(Conversation::Pipes).await?;
        let (input, output) = process.pipes().context("a new process has its pipes")?;
        let shared = Arc::new(Shared::default());
        let (hearing, heard) = watch::channel(0);
        let mut reader = JoinSet::new();
        let lines = BufReader::new(ChildStdout::from_std(output)?).lines();
        reader.spawn(read(lines, Arc::clone(&shared), hearing));
        let input = tokio::sync::Mutex::new(ChildStdin::from_std(input)?);
        let next_id = AtomicU64::new(1);
        let reconnects_within = Duration::ZERO;
        Ok(Self { sdk, process, input, next_id, shared, heard, reconnects_within, _reader: reader, _home: home })
    }

    /// Which SDK it is.
    pub fn sdk(&self) -> Sdk {
        self.sdk
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The same process's SDK client of another name: a connection of its own, made with its first command. [`SdkClient`]'s own methods
    /// use the connection named `""`.
    pub fn connection<'a>(&'a self, name: &'a str) -> SdkConnection<'a> {
        SdkConnection { client: self, name }
    }

    /// Registers an instance, or changes one that this connection registered. A connection holds *one* instance of a service: another one
    /// takes its place, unless [`batch`](Self::batch) registers all.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn register(&self, service: &SdkService, instance: &SdkInstance) -> Result<f64> {
        self.connection("").register(service, instance).await
    }

    /// Removes an instance that this connection registered.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn deregister(&self, service: &SdkService, instance: &SdkInstance) -> Result<f64> {
        self.connection("").deregister(service, instance).await
    }

    /// Registers these instances of a service and no others.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn batch(&self, service: &SdkService, instances: &[SdkInstance]) -> Result<f64> {
        self.connection("").batch(service, instances).await
    }

    /// Subscribes a service; its lists arrive as [`SdkEvent::Instances`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn subscribe(&self, service: &SdkService) -> Result<f64> {
        self.connection("").subscribe(service).await
    }

    /// Asks for the instances of a service.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn list(&self, service: &SdkService) -> Result<Vec<SdkInstance>> {
        let answer = self.order("", Order::List { service }).await?;
        serde_json::from_value(answer.value).context("a driver's list is not readable")
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn unsubscribe(&self, service: &SdkService) -> Result<f64> {
        Ok(self.order("", Order::Unsubscribe { service }).await?.at)
    }

    /// One healthy instance of a service, as the SDK chooses; `None` when it says that there is none without calling that an error.
    ///
    /// # Errors
    /// What the SDK says, or [`SdkRefusal::Absent`].
    pub async fn select_one(&self, service: &SdkService) -> Result<Option<SdkInstance>> {
        let answer = self.order("", Order::SelectOne { service }).await?;
        serde_json::from_value(answer.value).context("a driver's instance is not readable")
    }

    /// The services of a group.
    ///
    /// # Errors
    /// What the SDK says, or [`SdkRefusal::Absent`].
    pub async fn service_list(&self, namespace: &str, group: &str) -> Result<SdkServiceList> {
        let answer = self.order("", Order::ServiceList { namespace, group }).await?;
        serde_json::from_value(answer.value).context("a driver's list of services is not readable")
    }

    /// Publishes a configuration item if the server's copy has this checksum.
    ///
    /// # Errors
    /// What the SDK says, or [`SdkRefusal::Absent`].
    pub async fn publish_config_cas(&self, config: &SdkConfig, content: &str, md5: &str) -> Result<f64> {
        Ok(self.order("", Order::PublishConfigCas { config, content, md5 }).await?.at)
    }

    /// Publishes a configuration item.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn publish_config(&self, config: &SdkConfig, content: &str) -> Result<f64> {
        Ok(self.order("", Order::PublishConfig { config, content }).await?.at)
    }

    /// Removes a configuration item.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn remove_config(&self, config: &SdkConfig) -> Result<f64> {
        Ok(self.order("", Order::RemoveConfig { config }).await?.at)
    }

    /// Reads a configuration item; `None` when there is none.
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn get_config(&self, config: &SdkConfig) -> Result<Option<String>> {
        match self.order("", Order::GetConfig { config }).await?.value {
            Value::Null => Ok(None),
            Value::String(content) => Ok(Some(content)),
            other => bail!("a driver's content is not text: {other}"),
        }
    }

    /// Listens to a configuration item; its contents arrive as [`SdkEvent::Config`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn listen_config(&self, config: &SdkConfig) -> Result<f64> {
        Ok(self.order("", Order::ListenConfig { config }).await?.at)
    }

    /// Everything the SDK has reported so far, oldest first.
    pub fn events(&self) -> Vec<SdkEvent> {
        self.shared.events.lock().expect("no holder panics").clone()
    }

    /// Waits until `found` makes something of all events so far; it is asked at once and after each further event.
    ///
    /// # Errors
    /// When `patience` is over or the process has ended; the error quotes the last event.
    pub async fn until<T>(&self, patience: Duration, mut found: impl FnMut(&[SdkEvent]) -> Option<T>) -> Result<T> {
        let mut heard = self.heard.clone();
        let search = async {
            loop {
                heard.mark_unchanged();
                if let Some(result) = found(&self.shared.events.lock().expect("no holder panics")) {
                    return Ok(result);
                }
                if heard.changed().await.is_err() {
                    return Err(self.process.failure("has ended"));
                }
            }
        };
        let outcome = tokio::time::timeout(patience, search).await;
        outcome.unwrap_or_else(|_| {
            let last = self.events().last().map_or("nothing at all".into(), |event| format!("{event:?}"));
            Err(anyhow!("the {:?} SDK did not report it within {} ms; last: {last}", self.sdk, patience.as_millis()))
        })
    }

    /// Waits until the newest list of `service` is as `wanted` says, and returns it.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub async fn until_instances(
        &self,
        service: &SdkService,
        patience: Duration,
        wanted: impl Fn(&[SdkInstance]) -> bool,
    ) -> Result<Vec<SdkInstance>> {
        self.until(patience, |events| {
            let newest = events.iter().rev().find_map(|event| match event {
                SdkEvent::Instances { service: of, instances, .. } if of == service => Some(instances),
                _ => None,
            })?;
            wanted(newest).then(|| newest.clone())
        })
        .await
    }

    /// Freezes the process.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn pause(&mut self) -> Result<()> {
        self.process.signal(Signal::Stop)
    }

    /// Thaws the process.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::Continue)
    }

    /// Whether the process has ended by itself, as one does whose SDK fails badly.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.status()?.is_some())
    }

    /// `kill -9`, and waits for the end: the server sees its connections closed.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(mut self) -> Result<()> {
        self.process.signal(Signal::Kill)?;
        self.process.ended().await?;
        Ok(())
    }

    /// The same, and what the SDK refuses by itself because it has no connection is asked of it again, for so long at most. Some connect again after
    /// a server has refused them something.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.reconnects_within = patience;
        self
    }

    async fn order(&self, connection: &str, order: Order<'_>) -> Result<Answer> {
        let deadline = tokio::time::Instant::now() + self.reconnects_within;
        loop {
            match self.order_once(connection, order.clone()).await {
                Err(error) if is_without_connection(&error) && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(POLL).await;
                }
                answered => return answered,
            }
        }
    }

    async fn order_once(&self, connection: &str, order: Order<'_>) -> Result<Answer> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let what = format!("{order:?}");
        let mut line = serde_json::to_vec(&Command { id, connection, order })?;
        line.push(b'\n');
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().expect("no holder panics").insert(id, sender);
        let written = self.input.lock().await.write_all(&line).await;
        written.map_err(|error| self.process.failure(&format!("takes no command: {error}")))?;
        let answer = tokio::time::timeout(ANSWER_PATIENCE, receiver).await;
        let answer = answer.with_context(|| format!("no answer to {what} within {} s", ANSWER_PATIENCE.as_secs()))?;
        let answer = answer.map_err(|_| self.process.failure(&format!("ended before it answered {what}")))?;
        match answer.error {
            Some(error) => {
                let what = format!("the {:?} SDK refuses {what:.500}", self.sdk);
                Err(anyhow!(SdkRefusal::from(error)).context(what))
            }
            None => Ok(answer),
        }
    }
}

/// Whether the SDK asked nobody, because it has lost its server for a moment.
fn is_without_connection(error: &anyhow::Error) -> bool {
    let told = error.downcast_ref::<SdkRefusal>();
    matches!(told, Some(SdkRefusal::Refused(told)) if told.to_lowercase().contains(WITHOUT_CONNECTION))
}

/// One named connection of an [`SdkClient`]. Commands answer when they were done, in ms since 1970.
#[derive(Clone, Copy, Debug)]
pub struct SdkConnection<'a> {
    client: &'a SdkClient,
    name: &'a str,
}

impl SdkConnection<'_> {
    /// As [`SdkClient::register`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn register(&self, service: &SdkService, instance: &SdkInstance) -> Result<f64> {
        Ok(self.client.order(self.name, Order::Register { service, instance }).await?.at)
    }

    /// As [`SdkClient::deregister`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn deregister(&self, service: &SdkService, instance: &SdkInstance) -> Result<f64> {
        Ok(self.client.order(self.name, Order::Deregister { service, instance }).await?.at)
    }

    /// As [`SdkClient::batch`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn batch(&self, service: &SdkService, instances: &[SdkInstance]) -> Result<f64> {
        Ok(self.client.order(self.name, Order::Batch { service, instances }).await?.at)
    }

    /// As [`SdkClient::subscribe`].
    ///
    /// # Errors
    /// What the SDK says.
    pub async fn subscribe(&self, service: &SdkService) -> Result<f64> {
        Ok(self.client.order(self.name, Order::Subscribe { service }).await?.at)
    }
}

/// Ends with the driver's output; dropping `hearing` and the waiting senders tells everybody.
async fn read(mut lines: Lines<BufReader<ChildStdout>>, shared: Arc<Shared>, hearing: watch::Sender<usize>) {
    while let Ok(Some(line)) = lines.next_line().await {
        match decode_line(&line) {
            Ok(Line::Answer(answer)) => {
                let waiting = shared.waiting.lock().expect("no holder panics").remove(&answer.id);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(answer); // The test may have given up.
                }
            }
            Ok(Line::Event(event)) => {
                let mut events = shared.events.lock().expect("no holder panics");
                assert!(events.len() < EVENTS_LIMIT, "more than {EVENTS_LIMIT} events of one driver");
                events.push(event);
                hearing.send_replace(events.len());
            }
            Err(error) => panic!("a driver's line is not readable ({error}): {line}"),
        }
    }
    shared.waiting.lock().expect("no holder panics").clear();
}
