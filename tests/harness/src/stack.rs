//! The local stack (`make stack`): real parts and two gateways as processes that stay, described by `deploy/local`.
//!
//! Every member has a folder `.stack/<name>` with its data, its log and its process id. Up starts what does not run; down ends what does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::parts::workspace;
use crate::process::{Conversation, POLL, Program, Signal, Tie, send};
use crate::{Access, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts, announce, gateway, pid_file};

/// A gateway is ready at the latest when its own deadline for a first read has passed.
const READY_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
const KAFKA_PORT: u16 = 19_092;

/// A process of the stack. Declared in the order of starting; ended in the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Kafka,
    ShanghaiNacos,
    FrankfurtNacos,
    Shanghai,
    Frankfurt,
}

impl Member {
    const ALL: [Self; 5] = [Self::Kafka, Self::ShanghaiNacos, Self::FrankfurtNacos, Self::Shanghai, Self::Frankfurt];

    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ShanghaiNacos => "shanghai-nacos",
            Self::FrankfurtNacos => "frankfurt-nacos",
            Self::Shanghai => "shanghai",
            Self::Frankfurt => "frankfurt",
        }
    }

    /// Where it listens, for people.
    fn listens(self) -> &'static str {
        match self {
            Self::Kafka => "127.0.0.1:19092",
            Self::ShanghaiNacos => "127.0.0.1:18848, gRPC 19848; Nacos 3.1.0, user and password nacos",
            Self::FrankfurtNacos => "127.0.0.1:28848, gRPC 29848; Nacos 2.3.2, user and password nacos",
            Self::Shanghai => "http://127.0.0.1:7070, gRPC 7071",
            Self::Frankfurt => "http://127.0.0.1:7080, gRPC 7081",
        }
    }

    fn folder(self) -> PathBuf {
        workspace().join(".stack").join(self.name())
    }

    fn pid_file(self) -> PathBuf {
        self.folder().join("pid")
    }

    fn pid(self) -> Option<u32> {
        pid_file::running(&self.pid_file())
    }
}

/// Starts what does not run, waits until all is ready, and says what to try.
///
/// # Errors
/// When a member does not become ready; those that run stay.
pub async fn up() -> Result<()> {
    let parts = Parts::ensure(&[Part::Kafka, Part::Nacos2, Part::Nacos3]).await?;
    let binary = gateway::binary().await?;
    for member in Member::ALL {
        std::fs::create_dir_all(member.folder())?;
    }
    tokio::try_join!(
        kafka(&parts),
        nacos(&parts, Member::ShanghaiNacos, Line::V3, 18_848),
        nacos(&parts, Member::FrankfurtNacos, Line::V2, 28_848),
    )?;
    tokio::try_join!(
        serve(&binary, Member::Shanghai, "http://127.0.0.1:7070/readyz"),
        serve(&binary, Member::Frankfurt, "http://127.0.0.1:7080/readyz"),
    )?;
    println!("{}", guide(&binary.display().to_string()));
    Ok(())
}

/// Ends everything that runs; data and logs stay.
///
/// # Errors
/// When a process can neither be asked to end nor be killed.
pub async fn down() -> Result<()> {
    for member in Member::ALL.into_iter().rev() {
        let Some(pid) = member.pid() else { continue };
        announce(&format!("ending {} (process {pid})", member.name()));
        end(member, pid).await?;
        std::fs::remove_file(member.pid_file())?;
    }
    announce("the stack is down; its data and logs stay in .stack");
    Ok(())
}

/// Prints what runs; whether all does.
pub fn status() -> bool {
    for member in Member::ALL {
        let state = member.pid().map_or("down".into(), |pid| format!("process {pid}"));
        println!("{:<16} {state:<16} {}", member.name(), member.listens());
    }
    Member::ALL.iter().all(|member| member.pid().is_some())
}

async fn kafka(parts: &Parts) -> Result<()> {
    let member = Member::Kafka;
    if already_runs(member) {
        return Ok(());
    }
    let tie = Tie::Detached(member.pid_file());
    let options = KafkaOptions { port: Some(KAFKA_PORT), data_dir: Some(member.folder()), tie, ..Default::default() };
    Kafka::start(parts, options).await?;
    Ok(())
}

async fn nacos(parts: &Parts, member: Member, line: Line, port: u16) -> Result<()> {
    if already_runs(member) {
        return Ok(());
    }
    let push_delay = match std::env::var("NACOS_FED_PUSH_DELAY_MS") {
        Ok(text) => Some(Duration::from_millis(text.parse().context("NACOS_FED_PUSH_DELAY_MS is not a number")?)),
        Err(_) => None,
    };
    let options = NacosOptions {
        port: Some(port),
        access: Access::Password,
        push_delay,
        home: Some(member.folder()),
        heap_mib: 512,
        tie: Tie::Detached(member.pid_file()),
        ..NacosOptions::default()
    };
    Nacos::start(parts, line, options).await?;
    Ok(())
}

async fn serve(binary: &std::path::Path, member: Member, readiness: &str) -> Result<()> {
    if already_runs(member) {
        return Ok(());
    }
    let start = Instant::now();
    let config = format!("deploy/local/{}.yaml", member.name());
    let mut process =
        Program::new(format!("the gateway {}", member.name()), binary, member.folder().join("gateway.log"))
            .args(["serve", "--config", &config])
            .directory(workspace())
            .tie(Tie::Detached(member.pid_file()))
            .spawn(Conversation::None)
            .await?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    process.until_ready(READY_PATIENCE, async |_| gateway::is_ok(&http, readiness).await).await?;
    announce(&format!("the gateway {} is ready after {:.1} s", member.name(), start.elapsed().as_secs_f64()));
    Ok(())
}

fn already_runs(member: Member) -> bool {
    let pid = member.pid();
    if let Some(pid) = pid {
        announce(&format!("{} runs already (process {pid})", member.name()));
    }
    pid.is_some()
}

async fn end(member: Member, pid: u32) -> Result<()> {
    for signal in [Signal::Continue, Signal::Terminate, Signal::Kill] {
        if member.pid().is_some() {
            send(pid, signal)?;
        }
        let patience = if signal == Signal::Continue { Duration::ZERO } else { STOP_PATIENCE };
        let deadline = Instant::now() + patience;
        while member.pid().is_some() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
    }
    if member.pid().is_some() {
        bail!("{} (process {pid}) cannot be ended", member.name());
    }
    Ok(())
}

fn guide(binary: &str) -> String {
    let mut text = String::from("\nThe stack is up:\n");
    for member in Member::ALL {
        text.push_str(&format!("  {:<16} {}\n", member.name(), member.listens()));
    }
    text.push_str(&format!(
        "\nRegister an instance in shanghai, and see it in frankfurt:\n\
         \x20 curl -X POST 'http://127.0.0.1:18848/nacos/v1/ns/instance?serviceName=orders&ip=127.0.0.1&port=18848&ephemeral=false&username=nacos&password=nacos'\n\
         \x20 curl 'http://127.0.0.1:7080/v1/service?serviceName=orders'\n\
         \x20 {binary} service orders --server http://127.0.0.1:7080\n\
         \nPublish a config item in frankfurt, and see it in shanghai:\n\
         \x20 curl -X POST 'http://127.0.0.1:28848/nacos/v1/cs/configs?dataId=app.yaml&group=DEFAULT_GROUP&username=nacos&password=nacos' --data-urlencode 'content=colour: blue'\n\
         \x20 {binary} config app.yaml\n\
         \nFollow a service, look at the clusters, end it all:\n\
         \x20 curl -N 'http://127.0.0.1:7070/v1/watch?serviceName=orders'\n\
         \x20 {binary} clusters\n\
         \x20 make stack-down\n\
         \nLogs: .stack/*/*.log"
    ));
    text
}
