//! The demo as a person starts it: the binary, without a PATH, from its first line to its exit code.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod metrics;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

const REGIONS: [&str; 3] = ["shanghai", "frankfurt", "virginia"];

/// Two demos that begin at the same moment would look for free ports at the same moment.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Demo {
    child: Child,
    told: BufReader<ChildStderr>,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

struct Ended {
    code: Option<i32>,
    told: String,
    report: Value,
}

impl Demo {
    fn start(duration: &str) -> Self {
        Self::recorded(duration, None)
    }

    /// As [`Demo::start`]; all inputs of its gateways are recorded in `folder`.
    fn recorded(duration: &str, folder_of_inputs: Option<&Path>) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["demo", "--for", duration, "--every", "100ms", "--format", "json", "--control-port", "0"];
        let mut command = nacos_fed(folder.path());
        command.envs(folder_of_inputs.map(|inputs| ("NACOS_FED_RECORD", inputs)));
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        Self { child, told, folder, _turn: turn }
    }

    /// Reads what is told up to a line that contains `text`, and returns that.
    fn tells(&mut self, text: &str) -> String {
        let mut before = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.told.read_line(&mut line).unwrap(), 0, "`{text}` was not told, but:\n{before}");
            if line.contains(text) {
                return line;
            }
            before.push_str(&line);
        }
    }

    /// Ends it before its time, as Ctrl-C does.
    fn interrupt(self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status().unwrap().success());
        self.end();
    }

    fn end(mut self) -> Ended {
        let told: Vec<String> = self.told.lines().map(Result::unwrap).collect();
        let mut report = String::new();
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut report).unwrap();
        let code = self.child.wait().unwrap().code();
        let left: Vec<_> = self.folder.path().read_dir().unwrap().collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        Ended { code, told: told.join("\n"), report: serde_json::from_str(&report).unwrap() }
    }
}

fn nacos_fed(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacos-fed"));
    command.env_clear().env("PATH", "").env("TMPDIR", folder);
    command
}

fn ctl(demo: &Demo, port: &str, arguments: &[&str]) -> Output {
    nacos_fed(demo.folder.path()).args(["demo", "ctl", "--control-port", port]).args(arguments).output().unwrap()
}

#[test]
fn every_region_sees_all_instances_of_every_other_one_and_what_was_recorded_happens_again() {
    let inputs = tempfile::tempdir().unwrap();
    let ended = Demo::recorded("20s", Some(inputs.path())).end();
    assert_eq!(ended.code, Some(0), "{}\n{:#}", ended.told, ended.report);
    assert_eq!(ended.report["complete"], true);
    for gateway in REGIONS {
        for region in REGIONS {
            let cell = &ended.report["matrix"][gateway][region];
            let held = ended.report["registered"][region].as_u64().unwrap();
            assert!(held >= 3, "{region} holds {held}");
            assert_eq!(cell["instances"], held, "{region} seen from {gateway}");
            assert_eq!(cell["freshness"], "live", "{region} seen from {gateway}");
        }
    }
    assert!(ended.told.contains("seen everywhere after"), "{}", ended.told);
    for (caller, service, origin) in
        [("shanghai", "payment", "frankfurt"), ("virginia", "payment", "frankfurt"), ("frankfurt", "cart", "frankfurt")]
    {
        let found = ended.report["shop"][caller][service].as_object().unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [origin], "whom the shop in {caller} calls for {service}");
        assert!(found[origin].as_u64().unwrap() >= 1, "{found:?}");
    }
    let recordings: Vec<_> = inputs.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(recordings.len(), REGIONS.len(), "{recordings:?}");
    for recording in recordings {
        let replayed = nacos_fed(inputs.path()).args(["replay", "--format", "json"]).arg(&recording).output().unwrap();
        let told: Value = serde_json::from_slice(&replayed.stdout).unwrap();
        assert_eq!((replayed.status.code(), &told["differsAt"]), (Some(0), &Value::Null), "{told} {recording:?}");
        assert!(told["withEffects"].as_u64().unwrap() > 10, "{told}");
    }
}

#[test]
fn a_region_that_was_stopped_makes_the_outcome_negative_and_keeps_its_instances() {
    // A gateway's orderly stop waits 4.5 s for clients that have nowhere else to go.
    let mut demo = Demo::start("20s");
    let told = demo.tells("door  ");
    let door = told.split_whitespace().nth(1).unwrap().to_owned();
    let command = demo.tells("stop frankfurt");
    let port = command.split_whitespace().skip_while(|word| *word != "--control-port").nth(1).unwrap().to_owned();
    demo.tells("the shop opens");
    let listed = metrics::get(&door, "/nacos/v1/ns/instance/list?serviceName=payment");
    assert!(listed.contains(r#""nacos-fed.origin":"frankfurt""#), "what an SDK in shanghai is told: {listed}");

    let unknown = ctl(&demo, &port, &["stop", "atlantis"]);
    assert_eq!(unknown.status.code(), Some(4), "{unknown:?}");
    let stopped = ctl(&demo, &port, &["stop", "frankfurt"]);
    assert!(stopped.status.success(), "{stopped:?}");
    let listed = ctl(&demo, &port, &["list", "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let frankfurt = listed["targets"].as_array().unwrap().iter().find(|one| one["target"] == "frankfurt").unwrap();
    assert_eq!(frankfurt["state"], "stopped");

    let ended = demo.end();
    assert_eq!(ended.code, Some(1), "{}\n{:#}", ended.told, ended.report);
    assert_eq!(ended.report["stopped"], serde_json::json!(["frankfurt"]));
    assert_eq!(ended.report["matrix"]["frankfurt"], Value::Null);
    assert_eq!(ended.report["registered"]["frankfurt"], 0, "its shop knew no other server than the door that is gone");
    for gateway in ["shanghai", "virginia"] {
        let cell = &ended.report["matrix"][gateway]["frankfurt"];
        assert!(cell["instances"].as_u64().unwrap() >= 3, "{cell}");
        assert!(ended.report["shop"][gateway]["payment"]["frankfurt"].as_u64().unwrap() >= 1, "{:#}", ended.report);
    }
}

#[test]
fn settings_that_no_gateway_takes_end_a_demo_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.yaml");
    std::fs::write(&settings, "access: {anonymous: {roles: [{role: king}]}}\n").unwrap();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let arguments = ["demo", "--for", "1s", "--format", "json", "--control-port", "0", "--settings"];
    let ended = nacos_fed(folder.path()).args(arguments).arg(&settings).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("access.anonymous.roles[0].role") && told.contains("king"), "{told}");
}
