//! Kafka brokers (KRaft, broker and controller in one) with a log cleaner quick enough for tests: one, or several that are one cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::task::JoinSet;

use crate::announce;
use crate::home::Home;
use crate::parts::{Part, Parts};
use crate::port::{self, PortBlock};
use crate::process::{Conversation, Process, Program, Signal, Tie};

/// The controller's port is one above the broker's, that for other brokers two.
const OFFSETS: [i32; 2] = [1, 2];
/// A start takes 2 to 4 s alone; beside other servers on two cores, or until other brokers are there too, much longer.
const START_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const LOG_CONFIGURATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"#;

/// How to start a broker.
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// Where clients connect; chosen when absent.
    pub port: Option<u16>,
    /// Where clients are told to connect, if that is another port: that of a proxy.
    pub advertised: Option<u16>,
    /// Where the log lies; temporary when absent. A directory with a log in it is continued.
    pub data_dir: Option<PathBuf>,
    /// Further listeners, each with an advertised address of its own: one for each proxy that is to be cut alone.
    pub doors: Vec<KafkaDoor>,
    /// Further broker properties, after and over the harness's own.
    pub properties: Vec<(String, String)>,
    /// Users with their SCRAM-SHA-512 passwords, there from the first start on.
    pub users: Vec<(String, String)>,
    /// How long it lives.
    pub tie: Tie,
}

/// A further listener of a broker. Whoever comes through it is told the doors of the same number of all brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaDoor {
    /// Where the broker listens on loopback; reserved by the caller.
    pub listens: u16,
    /// Where clients are told to connect.
    pub advertised: u16,
}

/// A broker.
#[derive(Debug)]
pub struct Kafka {
    deps: PathBuf,
    ports: PortBlock,
    process: Option<Process>,
    /// Arguments of the format.
    format: Vec<String>,
    tie: Tie,
    home: Home,
}

/// What the brokers of one cluster have in common.
struct Cluster {
    id: String,
    /// Port and directory id of each node's controller.
    nodes: Vec<(u16, String)>,
}

impl Kafka {
    /// Starts a broker and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up; the error quotes its log.
    pub async fn start(parts: &Parts, options: KafkaOptions) -> Result<Self> {
        let mut started = Self::start_cluster(parts, vec![options]).await?;
        started.pop().context("one broker was started")
    }

    /// Starts brokers that are one cluster, one for each of the options, and waits until they serve. Replication is as wide as there are
    /// brokers, up to three.
    ///
    /// # Errors
    /// When they do not come up; the error quotes a log.
    pub async fn start_cluster(parts: &Parts, options: Vec<KafkaOptions>) -> Result<Vec<Self>> {
        let deps = parts.directory(Part::Kafka)?.join("deps");
        let mut brokers = Vec::new();
        for options in &options {
            let home = Home::choose(options.data_dir.as_deref(), "kafka")?;
            let ports = match options.port {
                Some(port) => PortBlock::exactly(port, &OFFSETS)?,
                None => PortBlock::choose(&OFFSETS)?,
            };
            let (deps, tie) = (deps.clone(), options.tie.clone());
            brokers.push(Self { deps, ports, process: None, format: Vec::new(), tie, home });
        }
        let nodes = brokers.iter().map(|broker| (broker.ports.main() + 1, unique())).collect();
        let cluster = Cluster { id: unique(), nodes };
        for (index, (broker, options)) in brokers.iter_mut().zip(&options).enumerate() {
            broker.configure(index, &cluster, options)?;
        }
        // At the same time: none of them serves before most are there.
        let mut starting = JoinSet::new();
        for (index, mut broker) in brokers.into_iter().enumerate() {
            starting.spawn(async move { broker.launch().await.map(|()| (index, broker)) });
        }
        let mut started = BTreeMap::new();
        while let Some(launched) = starting.join_next().await {
            let (index, broker) = launched??;
            started.insert(index, broker);
        }
        Ok(started.into_values().collect())
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// `host:port` of the listener for other brokers, which is told to clients as it is, whatever `advertised` says: the way past a proxy.
    pub fn past_the_proxy(&self) -> String {
        format!("127.0.0.1:{}", self.port() + 2)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.ports.main()
    }

    /// The broker's process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Where its output goes.
    pub fn log(&self) -> PathBuf {
        self.home.path().join("broker.log")
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

    /// Starts it again on the same port and data, ending it in order first if it runs.
    ///
    /// # Errors
    /// When it does not come up; the error quotes its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Freezes it: its connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.process.as_mut().context("kafka does not run")?.signal(Signal::Stop)
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.process.as_mut().context("kafka does not run")?.signal(Signal::Continue)
    }

    fn configure(&mut self, index: usize, cluster: &Cluster, options: &KafkaOptions) -> Result<()> {
        let data = self.data();
        let text = properties(index, self.port(), &data.to_string_lossy(), cluster, options);
        std::fs::write(self.home.path().join("server.properties"), text)?;
        std::fs::write(self.home.path().join("log4j2.xml"), LOG_CONFIGURATION)?;
        let words = ["kafka.tools.StorageTool", "format", "-t", &cluster.id, "-c", "server.properties"];
        self.format = words.map(str::to_owned).into();
        self.format.extend(cluster.membership());
        for (name, password) in &options.users {
            let user = format!("SCRAM-SHA-512=[name={name},password={password}]");
            self.format.extend(["--add-scram".to_owned(), user]);
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn java(&self, heap: &[&str], arguments: &[&str]) -> Program {
        let classes = format!("{}/*", self.deps.display());
        let logging = "-Dlog4j2.configurationFile=log4j2.xml";
        let flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging, "-cp", &classes];
        let all = heap.iter().chain(&flags).chain(arguments).copied();
        Program::new(self.name(), "java", self.log()).args(all).directory(self.home.path())
    }

    fn name(&self) -> String {
        format!("kafka on port {}", self.port())
    }

    async fn launch(&mut self) -> Result<()> {
        let start = Instant::now();
        if !self.data().join("meta.properties").exists() {
            let format: Vec<&str> = self.format.iter().map(String::as_str).collect();
            self.java(&[], &format).run().await?;
        }
        let program = self.java(&["-Xms320m", "-Xmx320m"], &["kafka.Kafka", "server.properties"]).tie(self.tie.clone());
        port::until_free(self.port(), &OFFSETS).await?;
        let mut process = program.spawn(Conversation::None).await?;
        let serves = async |process: &Process| process.output().contains("Kafka Server started");
        process.until_ready(START_PATIENCE, serves).await?;
        self.process = Some(process);
        announce(&format!("{} is up after {:.1} s", self.name(), start.elapsed().as_secs_f64()));
        Ok(())
    }
}

impl Cluster {
    /// How the format is told who belongs to it.
    fn membership(&self) -> Vec<String> {
        if self.nodes.len() == 1 {
            return vec!["--standalone".to_owned()];
        }
        let voter =
            |(index, (port, directory)): (usize, &(u16, String))| format!("{}@127.0.0.1:{port}:{directory}", index + 1);
        let voters: Vec<String> = self.nodes.iter().enumerate().map(voter).collect();
        vec!["-I".to_owned(), voters.join(",")]
    }
}

/// What doors add to three properties, each with a comma before it.
#[derive(Default)]
struct Doors {
    listeners: String,
    advertised: String,
    protocols: String,
}

impl Doors {
    fn of(doors: &[KafkaDoor]) -> Self {
        let mut text = Self::default();
        for (number, door) in doors.iter().enumerate() {
            let _ = write!(text.listeners, ",DOOR{number}://127.0.0.1:{}", door.listens);
            let _ = write!(text.advertised, ",DOOR{number}://127.0.0.1:{}", door.advertised);
            let _ = write!(text.protocols, ",DOOR{number}:PLAINTEXT");
        }
        text
    }
}

/// 16 random bytes as Kafka writes them, without a `-` at the front, which a command line would take for an option.
fn unique() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_be_bytes().map(|byte| byte >> 1))
}

/// The configuration of broker number `index`.
fn properties(index: usize, port: u16, data: &str, cluster: &Cluster, options: &KafkaOptions) -> String {
    let advertised = options.advertised.unwrap_or(port);
    let (node, controller, internal) = (index + 1, port + 1, port + 2);
    let doors = Doors::of(&options.doors);
    let quorum: Vec<String> = cluster.nodes.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
    let (quorum, copies) = (quorum.join(","), cluster.nodes.len().min(3));
    let in_sync = copies.div_ceil(2);
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.bootstrap.servers={quorum}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},INTERNAL://127.0.0.1:{internal}{}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},INTERNAL://127.0.0.1:{internal}{}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT{}\n\
         inter.broker.listener.name=INTERNAL\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         num.partitions=1\n\
         default.replication.factor={copies}\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.backoff.ms=500\n\
         log.cleaner.dedupe.buffer.size=16777216\n",
        doors.listeners, doors.advertised, doors.protocols
    );
    for internal in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{internal}.num.partitions=1\n{internal}.replication.factor={copies}");
    }
    let _ = writeln!(text, "transaction.state.log.min.isr={in_sync}\nshare.coordinator.state.topic.min.isr={in_sync}");
    for (key, value) in &options.properties {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}
