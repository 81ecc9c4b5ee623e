//! One Kafka broker (KRaft, no other nodes) with a log cleaner quick enough for tests.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::announce;
use crate::home::Home;
use crate::parts::{Part, Parts};
use crate::port::{self, PortBlock};
use crate::process::{Conversation, Process, Program, Signal, Tie};

/// The controller's port is one above the broker's.
const OFFSETS: [i32; 1] = [1];
/// A start takes 2 to 4 s alone; beside other servers on two cores much longer.
const START_PATIENCE: Duration = Duration::from_secs(90);
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
    /// Where the log lies; temporary when absent. A directory with a log in it is continued.
    pub data_dir: Option<PathBuf>,
    /// Further broker properties, after and over the harness's own.
    pub properties: Vec<(String, String)>,
    /// How long it lives.
    pub tie: Tie,
}

/// A broker.
#[derive(Debug)]
pub struct Kafka {
    deps: PathBuf,
    ports: PortBlock,
    process: Option<Process>,
    tie: Tie,
    home: Home,
}

impl Kafka {
    /// Starts a broker and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up; the error quotes its log.
    pub async fn start(parts: &Parts, options: KafkaOptions) -> Result<Self> {
        let home = Home::choose(options.data_dir.as_deref(), "kafka")?;
        let ports = match options.port {
            Some(port) => PortBlock::exactly(port, &OFFSETS)?,
            None => PortBlock::choose(&OFFSETS)?,
        };
        let deps = parts.directory(Part::Kafka)?.join("deps");
        let mut kafka = Self { deps, ports, process: None, tie: options.tie, home };
        kafka.configure(&options.properties)?;
        kafka.launch().await?;
        Ok(kafka)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.main())
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

    fn configure(&self, further: &[(String, String)]) -> Result<()> {
        let text = properties(self.ports.main(), &self.data().to_string_lossy(), further);
        std::fs::write(self.home.path().join("server.properties"), text)?;
        std::fs::write(self.home.path().join("log4j2.xml"), LOG_CONFIGURATION)?;
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
        format!("kafka on port {}", self.ports.main())
    }

    async fn launch(&mut self) -> Result<()> {
        let start = Instant::now();
        if !self.data().join("meta.properties").exists() {
            let id = URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_be_bytes().map(|byte| byte >> 1));
            let format = ["kafka.tools.StorageTool", "format", "-t", &id, "-c", "server.properties", "--standalone"];
            self.java(&[], &format).run().await?;
        }
        let program = self.java(&["-Xms320m", "-Xmx320m"], &["kafka.Kafka", "server.properties"]).tie(self.tie.clone());
        port::until_free(self.ports.main(), &OFFSETS).await?;
        let mut process = program.spawn(Conversation::None).await?;
        let serves = async |process: &Process| process.output().contains("Kafka Server started");
        process.until_ready(START_PATIENCE, serves).await?;
        self.process = Some(process);
        announce(&format!("{} is up after {:.1} s", self.name(), start.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// The broker's configuration.
fn properties(port: u16, data: &str, further: &[(String, String)]) -> String {
    let controller = port + 1;
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.backoff.ms=500\n\
         log.cleaner.dedupe.buffer.size=16777216\n"
    );
    for internal in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{internal}.num.partitions=1\n{internal}.replication.factor=1");
    }
    text.push_str("transaction.state.log.min.isr=1\nshare.coordinator.state.topic.min.isr=1\n");
    for (key, value) in further {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}
