//! The program itself over TLS: who is answered, what the commands take, certificates that change, and what is open to all.
//!
//! There is no Kafka: none of this needs one.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use reqwest::{Certificate, Identity};
use serde_json::Value;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PROGRAM: &str = env!("CARGO_BIN_EXE_nacos-fed");
/// What the gateway's certificate names; nobody is found there.
const HOST: &str = "gateway.test";

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes NAME.crt and NAME.key.
    fn write(&self, folder: &Path, name: &str, host: &str) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Ports that are free, each with that a thousand above it.
fn free_port(first: u16) -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (first..first + 900).find(|port| free(*port) && free(port + 1000)).unwrap()
}

/// A gateway as a process.
struct Process {
    child: Child,
    folder: tempfile::TempDir,
    http: u16,
    door: u16,
}

impl Process {
    /// Starts it; `listen` and `door` are what the sections say besides addresses, on `host`. `first_port` keeps tests apart.
    fn start(folder: tempfile::TempDir, host: &str, listen: &str, door: &str, first_port: u16) -> Self {
        let [http, registry, front] = [0, 2_000, 4_000].map(|more| free_port(first_port + more));
        let configuration = format!(
            "federation: f\ncluster: here\nnacos: {{embedded: true, listen: {{http: \"127.0.0.1:{registry}\"}}}}\n\
             kafka: {{brokers: [\"127.0.0.1:1\"]}}\ndata_dir: data\naccess: {{anonymous: {{roles: [{{role: admin}}]}}}}\n\
             listen: {{http: \"{host}:{http}\", grpc: \"{host}:{}\", hosts: [\"{HOST}\"], {listen}}}\n\
             front_door: {{listen: \"{host}:{front}\", {door}}}\n",
            http + 1000,
        );
        std::fs::write(folder.path().join("gateway.yaml"), configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config", "gateway.yaml"]).current_dir(folder.path());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, folder, http, door: front }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exit code of `nacos-fed ARGUMENTS`, and all that it prints.
    async fn command(&self, server: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(arguments).args(["--server", server]).current_dir(self.folder.path());
        let output = command.output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// The status as a client with a certificate has it.
    async fn status(&self) -> Value {
        let trust = ["--format", "json", "--ca", "ca.crt", "--cert", "client.crt", "--key", "client.key"];
        let server = format!("https://127.0.0.1:{}", self.http);
        let (_, said) = self.command(&server, &[&["status", "--tls-server-name", HOST], &trust[..]].concat()).await;
        serde_json::from_str(&said).unwrap_or_default()
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return status;
            }
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.path("log")).unwrap();
            assert!(began.elapsed() < PATIENCE && ended.is_none(), "{what}: {ended:?} {status}\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await; // Nobody tells when another process's state changes.
        }
    }

    /// A client that trusts the authority and shows a certificate.
    fn client(&self) -> reqwest::Client {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let identity = [read("client.crt"), read("client.key")].concat();
        let builder = reqwest::Client::builder().no_proxy().resolve(HOST, at).pool_max_idle_per_host(0);
        let builder = builder.tls_certs_only(Certificate::from_pem_bundle(&read("ca.crt")).unwrap());
        builder.identity(Identity::from_pem(&identity).unwrap()).build().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kinds(status: &Value) -> Vec<&str> {
    let troubles = status["troubles"].as_array().map(Vec::as_slice).unwrap_or_default();
    troubles.iter().filter_map(|trouble| trouble["kind"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_clients_are_answered_over_tls_by_their_certificates_while_ours_change() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    std::fs::write(folder.path().join("ca.crt"), authority.0.pem()).unwrap();
    std::fs::write(folder.path().join("stranger-ca.crt"), stranger.0.pem()).unwrap();
    authority.write(folder.path(), "server", HOST);
    authority.write(folder.path(), "client", "client.test");
    stranger.write(folder.path(), "stranger", "client.test");
    let tls = "tls: {certificate: server.crt, key: server.key";
    let listen = format!("{tls}, client_ca: ca.crt}}");
    let mut gateway = Process::start(folder, "0.0.0.0", &listen, &format!("{tls}}}"), 21_000);
    let status = gateway.until("it answers", |status| status["cluster"] == "here").await;
    assert!(!kinds(&status).contains(&"insecure"), "{status}");

    let server = format!("https://127.0.0.1:{}", gateway.http);
    let name = ["status", "--tls-server-name", HOST];
    for (what, arguments) in [
        ("plain text", vec!["status"]),
        ("the system's authorities", name.to_vec()),
        ("no certificate", [&name[..], &["--ca", "ca.crt"]].concat()),
        ("another authority", [&name[..], &["--ca", "stranger-ca.crt"]].concat()),
        ("another name", vec!["status", "--ca", "ca.crt", "--cert", "client.crt", "--key", "client.key"]),
        (
            "a stranger's certificate",
            [&name[..], &["--ca", "ca.crt", "--cert", "stranger.crt", "--key", "stranger.key"]].concat(),
        ),
    ] {
        let server = if what == "plain text" { server.replace("https", "http") } else { server.clone() };
        let (exit, said) = gateway.command(&server, &arguments).await;
        assert_eq!(exit, Some(3), "{what}: {said}");
    }
    let (exit, said) = gateway.command(&server, &["status", "--ca", "ca.crt", "--cert", "client.crt"]).await;
    assert!(exit == Some(2) && said.contains("--cert and --key belong together"), "{said}");

    let client = gateway.client();
    let metrics = client.get(format!("https://{HOST}:{}/metrics", gateway.http)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for listener in ["http", "grpc", "front_door_http", "front_door_grpc"] {
        let beginning = format!("federation_tls_certificate_expiry_seconds{{listener=\"{listener}\"}} ");
        assert!(metrics.contains(&beginning), "{listener}");
    }
    assert!(metrics.contains("federation_turned_away_total{listener=\"http\",reason=\"plain_text\"} 1"));
    let door = format!("https://{HOST}:{}/nacos/v1/ns/operator/metrics", gateway.door);
    assert!(client.get(door).send().await.is_ok(), "the front door speaks TLS");

    let key = std::fs::read(gateway.path("server.key")).unwrap();
    std::fs::copy(gateway.path("client.key"), gateway.path("server.key")).unwrap();
    hang_up(&gateway);
    let refused = |status: &Value| kinds(status).iter().filter(|kind| **kind == "certificate_refused").count();
    gateway.until("a key that does not fit is told", |status| refused(status) == 2).await;
    std::fs::write(gateway.path("server.key"), key).unwrap();
    gateway.until("it is well again", |status| status["cluster"] == "here" && refused(status) == 0).await;
}

/// Asks the process to read its files again.
fn hang_up(gateway: &Process) {
    let sent = Command::new("sh").args(["-c", &format!("kill -HUP {}", gateway.child.id())]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_to_all_is_refused_and_where_it_is_asked_for_each_start_and_the_status_say_so() {
    let start =
        |more: &str, first_port| Process::start(tempfile::tempdir().unwrap(), "0.0.0.0", more, more, first_port);
    let mut refused = start("", 27_000);
    let ended = refused.child.wait().unwrap();
    let said = std::fs::read_to_string(refused.path("log")).unwrap();
    assert_eq!(ended.code(), Some(2), "{said}");
    for field in ["listen.http", "listen.grpc", "front_door.listen"] {
        assert!(said.contains(&format!("{field}: plain text on 0.0.0.0:")), "{said}");
    }
    let gateway = start("insecure: true", 27_000);
    let server = format!("http://127.0.0.1:{}", gateway.http);
    let began = Instant::now();
    let status = loop {
        let (_, said) = gateway.command(&server, &["status", "--format", "json"]).await;
        match serde_json::from_str::<Value>(&said) {
            Ok(status) => break status,
            Err(_) => assert!(began.elapsed() < PATIENCE, "{said}"),
        }
    };
    assert_eq!(kinds(&status).iter().filter(|kind| **kind == "insecure").count(), 2, "{status}");
    let said = std::fs::read_to_string(gateway.path("log")).unwrap();
    assert!(said.contains("listen.insecure") && said.contains("front_door.insecure"), "{said}");
}
