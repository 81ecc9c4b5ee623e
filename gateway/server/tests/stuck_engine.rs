//! A gateway as a process whose engine does nothing for a while: what it says of itself meanwhile, and how it ends.
//!
//! There is no Kafka: that its engine is stuck has to be told beside that.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use federation_gateway::app::STOP_WITHIN;
use reqwest::StatusCode;
use serde_json::Value;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Process {
    child: Child,
    api: String,
    folder: tempfile::TempDir,
}

/// A port whose companion a thousand above is free, too, from these on.
fn free_port(first: u16) -> u16 {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (first..first + 900).find(|port| bind(*port) && bind(port + 1000)).unwrap()
}

impl Process {
    /// Starts a gateway with an embedded registry; `first_port` keeps tests apart that run side by side.
    fn start(fault: &str, first_port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, registry) = (free_port(first_port), free_port(first_port + 2_000));
        let configuration = format!(
            "federation: f\ncluster: here\nnacos: {{embedded: true, listen: {{http: \"127.0.0.1:{registry}\"}}}}\n\
             kafka: {{brokers: [\"127.0.0.1:1\"]}}\nlisten: {{http: \"127.0.0.1:{http}\", grpc: \"127.0.0.1:{}\"}}\n\
             data_dir: data\n",
            http + 1000,
        );
        std::fs::write(folder.path().join("gateway.yaml"), configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nacos-fed"));
        command.args(["serve", "--config", "gateway.yaml"]).current_dir(folder.path());
        command.env("NACOS_FED_FAULT", fault).stdout(Stdio::null()).stderr(log);
        Self { child: command.spawn().unwrap(), api: format!("http://127.0.0.1:{http}"), folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Status and body; nothing while it does not answer.
    async fn get(&self, path: &str) -> Option<(StatusCode, Value)> {
        let answer = reqwest::get(format!("{}{path}", self.api)).await.ok()?;
        let status = answer.status();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.get("/v1/status").await.map(|(_, status)| status).unwrap_or_default();
            if is_so(&status) {
                return status;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(began.elapsed() < PATIENCE && ended.is_none(), "{what}: {ended:?} {status}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await; // Nobody tells when another process's state changes.
        }
    }

    /// What `nacos-fed status` ends with and prints.
    async fn told_by_command(&self) -> (Option<i32>, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_nacos-fed"));
        let output = command.args(["status", "--server", &self.api]).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}

fn is_stuck(status: &Value) -> bool {
    status["troubles"].as_array().into_iter().flatten().any(|trouble| trouble["kind"] == "engine_stuck")
}

#[tokio::test]
async fn a_stuck_engine_is_said_everywhere_and_healed_when_it_turns_again() {
    let mut process = Process::start("engine-stuck:12s@2s", 21_000);
    let status = process.until("it is stuck", is_stuck).await;
    assert_eq!(status["ready"], false, "{status}");
    let told = "this gateway's engine has not turned for";
    assert!(status["reasons"].as_array().unwrap().iter().any(|it| it.as_str().unwrap().contains(told)), "{status}");
    let here = &status["clusters"][0];
    assert_eq!(here["freshness"], "isolated", "{status}");
    assert!(here["freshnessReason"].as_str().unwrap().starts_with(told), "{status}");
    let (code, problem) = process.get("/readyz").await.unwrap();
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    assert_eq!(process.get("/livez").await.unwrap().0, StatusCode::OK, "it may come back");
    let (code, text) = process.told_by_command().await;
    assert!(code == Some(1) && text.contains(told), "{code:?}: {text}");

    // The label goes with the engine's next change, the trouble with the watchdog's next look.
    let is_well = |status: &Value| !is_stuck(status) && status["clusters"][0]["freshness"] == "live";
    process.until("it turns again", is_well).await;
    let log = process.log();
    assert!(log.contains("NACOS_FED_FAULT is set") && log.contains("trouble ended"), "{log}");
    let status = process.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
}

#[tokio::test]
async fn a_process_whose_engine_is_stuck_ends_in_time_when_it_is_told_to_and_says_what_did_not() {
    let mut process = Process::start("engine-stuck:3600s", 25_000);
    process.until("it answers", |status| status["cluster"] == "here").await;
    let began = Instant::now();
    let status = process.terminate().await;
    let (took, log) = (began.elapsed(), process.log());
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the gateway did not stop in time") && log.contains("the engine"), "{log}");
    assert!(took < STOP_WITHIN + Duration::from_secs(3), "{took:?}\n{log}");
}

#[tokio::test]
async fn a_fault_that_is_not_understood_keeps_the_process_from_starting() {
    let mut process = Process::start("engine-stuck", 29_000);
    let status = tokio::task::spawn_blocking(move || (process.child.wait().unwrap(), process.log())).await;
    let (status, log) = status.unwrap();
    assert!(status.code() == Some(1) && log.contains("NACOS_FED_FAULT"), "{status}: {log}");
}
