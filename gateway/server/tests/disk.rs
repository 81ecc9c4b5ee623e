//! The program itself on disks that are full, missing, of another cluster or in use: what it answers, says and ends with.
//!
//! A full disk is a limit on the size of files (`RLIMIT_FSIZE`), which needs no rights and can be taken away while the process runs.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod ports;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use ports::free_port;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nacos-fed");
/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one gateway is started with; no Kafka, for none is needed to keep files.
struct Setup {
    folder: TempDir,
    http: SocketAddr,
    registry: SocketAddr,
}

impl Setup {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), http: free_port(), registry: free_port() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn configuration(&self, cluster: &str, data_dir: &Path) -> PathBuf {
        let (http, registry) = (self.http, self.registry);
        let (grpc, above) = (http.port() + 1000, registry.port() + 1000);
        let text = format!(
            "federation: f\ncluster: {cluster}\nlocality: {{region: r}}\nnacos: {{embedded: true, listen: {{http: \"{registry}\", \
             grpc: \"127.0.0.1:{above}\"}}}}\nkafka: {{brokers: [\"127.0.0.1:1\"]}}\n\
             listen: {{http: \"{http}\", grpc: \"127.0.0.1:{grpc}\"}}\ndata_dir: {}\n",
            Value::from(data_dir.to_str().unwrap()),
        );
        let path = self.folder.path().join(format!("{cluster}.yaml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, cluster: &str) -> Command {
        self.command_on(cluster, &self.data())
    }

    fn command_on(&self, cluster: &str, data_dir: &Path) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(self.configuration(cluster, data_dir));
        command
    }

    /// The same, on a disk that takes not a byte.
    fn full(&self, cluster: &str) -> Command {
        let plain = self.command(cluster);
        let mut command = Command::new("prlimit");
        command.args(["--fsize=0:unlimited", "--"]).arg(plain.get_program()).args(plain.get_args());
        command
    }

    async fn start(&self, mut command: Command) -> Running<'_> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (said, into) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            said.lines().map_while(Result::ok).for_each(|line| into.lock().unwrap().push_str(&(line + "\n")));
        });
        let mut running = Running { setup: self, child, log };
        let url = format!("http://{}/livez", self.http);
        let answers = async |_: &Running<'_>| client().get(&url).send().await.is_ok();
        running.until("it answers", answers).await;
        running
    }
}

/// Exit code and standard error of a program that ends by itself.
fn ended(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = child.stderr.take().unwrap();
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut text = String::new();
        drop(said.read_to_string(&mut text));
        tell.send(text)
    });
    let text = told.recv_timeout(PATIENCE);
    child.kill().unwrap(); // Of one that has ended, nothing is left to kill.
    let status = child.wait().unwrap();
    (status.code(), text.expect("it ends by itself"))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A gateway that runs; killed when it is dropped.
struct Running<'a> {
    setup: &'a Setup,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running<'_> {
    async fn until(&mut self, what: &str, holds: impl AsyncFn(&Running<'_>) -> bool) {
        let began = Instant::now();
        while !holds(self).await {
            let ended = self.child.try_wait().unwrap();
            let log = || self.log.lock().unwrap().clone();
            assert!(ended.is_none(), "{what}: it ended with {ended:?}: {}", log());
            assert!(began.elapsed() < PATIENCE, "{what}: not in time: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until exactly these files or folders stand on the board.
    async fn until_troubled(&mut self, files: &[&str]) {
        let data = self.setup.data();
        let wanted: Vec<String> = files.iter().map(|name| data.join(name).display().to_string()).collect();
        let what = format!("{wanted:?} and no others are in trouble");
        self.until(&what, async |it| it.storage().await.into_keys().eq(wanted.iter().cloned())).await;
    }

    /// Gives the disk room, or takes all of it.
    fn limit(&self, bytes: &str) {
        let arguments = [format!("--pid={}", self.child.id()), format!("--fsize={bytes}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    }

    async fn call(&self, method: &str, path: &str) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}/nacos/{path}", self.setup.registry);
        let answer = client().request(method, url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        client().get(format!("http://{}{path}", self.setup.http)).send().await.unwrap().json().await.unwrap()
    }

    /// What stands on the board about files.
    async fn storage(&self) -> BTreeMap<String, String> {
        let status = self.get("/v1/status").await;
        let of_storage = status["troubles"].as_array().unwrap().iter().filter(|it| it["kind"] == "storage");
        let text = |trouble: &Value, field: &str| trouble[field].as_str().unwrap().to_owned();
        of_storage.map(|trouble| (text(trouble, "about"), text(trouble, "text"))).collect()
    }

    /// Exit code and output of `nacos-fed status`.
    fn status(&self) -> (Option<i32>, String) {
        let arguments = ["status", "--server", &self.setup.http.to_string()];
        let Output { status, stdout, .. } = Command::new(PROGRAM).args(arguments).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    }
}

/// Every file below a folder with its mode and content.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777;
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), (mode, fs::read(&path).unwrap()))),
        }
    }
    found
}

const ITEM: &str = "v1/cs/configs?group=g&dataId=app.yaml";

fn publication(content: &str) -> String {
    format!("{ITEM}&content={content}")
}

fn done() -> (u16, String) {
    (200, "true".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_directory_of_another_cluster_is_refused_before_anything_in_it_is_read_or_changed() {
    let setup = Setup::new();
    let first = setup.start(setup.command("a")).await;
    assert_eq!(first.call("POST", &publication("1")).await, done());
    drop(first);
    let before = files(&setup.data());
    assert!(before.values().all(|(mode, _)| *mode == 0o600), "{before:?}");
    let (code, said) = ended(setup.command("b"));
    assert_eq!(code, Some(2), "{said}");
    for words in ["cluster a of federation f", "cluster b of federation f", "Name a folder of its own as data_dir"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(files(&setup.data()), before);
    let again = setup.start(setup.command("a")).await;
    assert_eq!(again.call("GET", ITEM).await, (200, "1".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_share_a_data_directory() {
    let setup = Setup::new();
    let first = setup.start(setup.command("a")).await;
    let others = Setup::new(); // Its ports are free: it is not these that it is refused for.
    let (code, said) = ended(others.command_on("a", &setup.data()));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("is used by another gateway, process {}", first.child.id())), "{said}");
    drop(first); // Killed: nothing is left that has to be cleared away.
    setup.start(setup.command("a")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_publications_and_is_told_until_there_is_room() {
    let setup = Setup::new();
    let mut gateway = setup.start(setup.command("a")).await;
    gateway.until_troubled(&[]).await;
    assert_eq!(gateway.call("POST", &publication("1")).await, done());
    let before = files(&setup.data().join("registry"));
    gateway.limit("0");
    let (code, said) = gateway.call("POST", &publication("2")).await;
    assert!(code == 500 && said.contains("cannot be kept") && said.contains("make room"), "{code} {said}");
    assert_eq!(gateway.call("GET", ITEM).await, (200, "1".to_owned()));
    assert_eq!(files(&setup.data().join("registry")), before, "nothing is left of the attempt");
    gateway.until_troubled(&["registry"]).await;
    let (code, shown) = gateway.status();
    assert!(code == Some(1) && shown.contains("changes are refused"), "{code:?} {shown}");
    let readiness = gateway.get("/readyz").await.to_string();
    assert!(readiness.contains("make room"), "{readiness}");
    gateway.until_troubled(&["registry", "snapshot"]).await; // The next snapshot is due within half a minute.
    gateway.limit("unlimited");
    gateway.until_troubled(&[]).await;
    assert!(!gateway.status().1.contains("make room"));
    assert_eq!(gateway.call("POST", &publication("3")).await, done());
    drop(gateway); // Killed a moment after the answer.
    let again = setup.start(setup.command("a")).await;
    assert_eq!(again.call("GET", ITEM).await, (200, "3".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_starts_on_a_full_disk_answers_says_so_and_is_well_once_there_is_room() {
    let setup = Setup::new();
    let mut gateway = setup.start(setup.full("a")).await;
    gateway.until_troubled(&["registry", "snapshot"]).await;
    assert_eq!(gateway.call("POST", &publication("1")).await.0, 500);
    let register = "v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80";
    assert_eq!(gateway.call("POST", register).await, (200, "ok".to_owned()));
    let service = "/v1/service?groupName=DEFAULT_GROUP&serviceName=orders";
    gateway.until("it is shown", async |it| it.get(service).await["instances"][0]["ip"] == "10.0.0.1").await;
    gateway.limit("unlimited");
    gateway.until_troubled(&[]).await;
    assert_eq!(gateway.call("POST", &publication("1")).await, done());
    assert!(setup.data().join("identity").exists());
    drop(gateway);
    assert_eq!(ended(setup.command("b")).0, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_gateway_goes_on_without_a_data_directory_and_takes_one_that_comes() {
    let setup = Setup::new();
    fs::write(setup.data(), "a file where the folder should be").unwrap();
    let mut gateway = setup.start(setup.command("a")).await;
    gateway.until_troubled(&["registry", "snapshot"]).await;
    let (code, said) = gateway.call("POST", &publication("1")).await;
    assert!(code == 500 && said.contains("a file is where a folder should be"), "{code} {said}");
    let register = "v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80";
    assert_eq!(gateway.call("POST", register).await, (200, "ok".to_owned()));
    fs::remove_file(setup.data()).unwrap();
    gateway.until_troubled(&[]).await;
    assert_eq!(gateway.call("POST", &publication("1")).await, done());
}
