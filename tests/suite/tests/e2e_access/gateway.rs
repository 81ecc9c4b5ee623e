//! A gateway that others reach: its configuration, its process, and the commands that ask it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::port::PortBlock;
use federation_harness::process::{Conversation, Process, Program};
use federation_harness::{CommandTold, announce, gateway};

use crate::provider::{AUDIENCE, KeyServer};
use crate::stage::{KAFKA_USER, Memory, PATIENCE};

/// Whose gateway.
pub(crate) enum Cluster {
    /// Beside the Nacos at this address; logs at level trace.
    Shanghai(String),
    /// With an embedded registry; lets in only who shows a certificate.
    Frankfurt,
    /// As Shanghai, but its passwords are wrong.
    Astray(String),
    /// On loopback, in plain text and without accounts, with an embedded registry: everybody on this machine may do everything.
    Near,
}

/// Roles of the tokens that are made for all tests, as arguments of `token create`; the callers of the table of rights.
const TOKENS: [(&str, &str); 6] = [
    ("viewer", "--role viewer"),
    ("viewer-prod", "--role viewer -n prod --service *"),
    ("config-reader", "--role config-reader -n public -g g --data-id app*"),
    ("operator", "--role operator"),
    ("operator-prod", "--role operator --cluster frankfurt -n prod --service order-*"),
    ("admin", "--role admin"),
];

/// The end of a configuration that lets users of the Nacos log in.
const USERS_OF_NACOS: &str = "  - {role: viewer, to: [\"nacos:nacos\"]}\n  nacos_login: true\n";

/// A gateway.
pub(crate) struct AccessGateway {
    name: &'static str,
    binary: PathBuf,
    address: IpAddr,
    ports: PortBlock,
    registry: Option<PortBlock>,
    /// Where all files of the stage are; its own are in a folder of its name.
    home: PathBuf,
    /// What its configuration takes from the environment.
    pub(crate) secrets: Vec<(String, String)>,
    process: Option<Process>,
}

impl AccessGateway {
    /// Writes its configuration.
    pub(crate) async fn prepare(
        cluster: Cluster,
        (home, address): (&Path, IpAddr),
        keys: &KeyServer,
        kafka: &str,
    ) -> Result<Self> {
        let (name, ports) = (cluster.name(), PortBlock::choose(&[1])?);
        let registry =
            matches!(cluster, Cluster::Frankfurt | Cluster::Near).then(|| PortBlock::choose(&[1000])).transpose()?;
        let gateway = Self {
            name,
            binary: gateway::binary().await?,
            address,
            ports,
            registry,
            home: home.to_owned(),
            secrets: Vec::new(),
            process: None,
        };
        std::fs::create_dir_all(gateway.folder())?;
        let text = gateway.configuration(&cluster, keys, kafka);
        std::fs::write(gateway.folder().join("gateway.yaml"), text)?;
        std::fs::create_dir_all(home.join("logs"))?;
        Ok(gateway)
    }

    fn configuration(&self, cluster: &Cluster, keys: &KeyServer, kafka: &str) -> String {
        let registry = self.registry.as_ref().map_or(0, PortBlock::main);
        let embedded = || format!("embedded: true, listen: {{http: \"127.0.0.1:{registry}\"}}");
        let remote = |at: &str| format!("servers: [\"{at}\"], username: nacos, password: \"${{NACOS_PASSWORD}}\"");
        let (nacos, level, reached) = match cluster {
            Cluster::Shanghai(nacos) | Cluster::Astray(nacos) => {
                (remote(nacos), "trace", self.reached("request", keys) + USERS_OF_NACOS)
            }
            Cluster::Frankfurt => (embedded(), "info", self.reached("require", keys)),
            Cluster::Near => (embedded(), "trace", String::new()),
        };
        let home = self.home.display();
        let (name, address, http, grpc) = (self.name, self.address, self.ports.main(), self.ports.main() + 1);
        let listen = format!("listen:\n  http: \"{address}:{http}\"\n  grpc: \"{address}:{grpc}\"\n");
        format!(
            "federation: access\ncluster: {name}\nlocality: {{region: {name}}}\nnacos: {{{nacos}}}\n\
             kafka:\n  brokers: [\"{kafka}\"]\n  properties: {{security.protocol: SASL_PLAINTEXT, sasl.mechanism: SCRAM-SHA-512, \
             sasl.username: {KAFKA_USER}, sasl.password: \"${{KAFKA_PASSWORD}}\"}}\n  \
             encrypt_configs: {{key_file: {home}/contents.key}}\n\
             export: {{services: [{{}}, {{namespace: prod}}], configs: [{{data_id: \"*\"}}], exclude: {{configs: [{{data_id: \"hidden*\"}}]}}}}\n\
             data_dir: data\nlog: {{level: {level}}}\n{listen}{reached}"
        )
    }

    /// TLS, which is a part of `listen`, and accounts.
    fn reached(&self, client_auth: &str, keys: &KeyServer) -> String {
        let (home, keys) = (self.home.display(), keys.address);
        format!(
            "  tls: {{certificate: {home}/server.crt, key: {home}/server.key, client_ca: {home}/ca.crt, \
             client_auth: {client_auth}}}\n\
             access:\n  tokens_file: {home}/tokens.yaml\n  audit_file: audit.jsonl\n  jwt:\n  \
             - {{name: corp, issuer: \"https://id.example\", audience: {AUDIENCE}, algorithms: [EdDSA], \
             jwks_url: \"http://{keys}/keys\", refresh: 10s}}\n  \
             - {{name: build, issuer: \"https://build.example\", audience: {AUDIENCE}, algorithms: [ES256], \
             jwks_file: {home}/build.jwks}}\n  \
             certificates:\n  - {{subject: \"*CN=ops*\", name: ops}}\n  - {{uri: \"spiffe://prod/ns/*/sa/deploy\"}}\n  \
             bindings:\n  - {{role: operator, to: [\"certificate:ops\"]}}\n  \
             - {{role: viewer, to: [\"certificate:spiffe://prod/*\"]}}\n  \
             - {{role: admin, to: [\"jwt-group:corp/sre\"]}}\n  - {{role: viewer, to: [\"jwt:build/robot\"]}}\n"
        )
    }

    /// Makes the tokens that all tests use, with the command that people use.
    pub(crate) async fn make_tokens(&self, memory: &Memory) -> Result<()> {
        for (name, roles) in TOKENS {
            self.make_token(memory, name, &roles.split(' ').collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Makes a token and writes it to NAME.token.
    pub(crate) async fn make_token(&self, memory: &Memory, name: &str, roles: &[&str]) -> Result<()> {
        let file = self.home.join("tokens.yaml");
        let file = file.to_str().context("the path of the test is not text")?;
        let told = self.run(&[&["token", "create", name, "--file", file], roles].concat()).await?;
        ensure!(told.code == Some(0), "no token {name}: {}", told.text);
        let token = told.text.trim();
        memory.hide(&format!("the token {name}"), token);
        std::fs::write(self.home.join(format!("{name}.token")), token)?;
        Ok(())
    }

    /// Takes a token back.
    pub(crate) async fn revoke(&self, name: &str) -> Result<()> {
        let file = self.home.join("tokens.yaml");
        let file = file.to_str().context("the path of the test is not text")?;
        let told = self.run(&["token", "revoke", name, "--file", file]).await?;
        ensure!(told.code == Some(0), "{name} was not revoked: {}", told.text);
        Ok(())
    }

    /// Starts it.
    pub(crate) async fn spawn(&mut self) -> Result<()> {
        let log = self.log();
        let program = Program::new(format!("the gateway of {}", self.name), &self.binary, &log)
            .args(["serve", "--config", "gateway.yaml"])
            .directory(self.folder());
        let program = self.secrets.iter().fold(program, |program, (name, value)| program.env(name, value));
        self.process = Some(program.spawn(Conversation::None).await?);
        Ok(())
    }

    /// Starts it, and waits until it has read the log.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let (began, base, client) = (Instant::now(), self.http(), client(&self.home, Some("ops"))?);
        self.spawn().await?;
        let is_ready = async |_: &Process| {
            let answer = client.get(format!("{base}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        let process = self.process.as_mut().context("it was started")?;
        process.until_ready(PATIENCE, is_ready).await?;
        announce(&format!("the gateway of {} is ready after {:.1} s", self.name, began.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the gateway does not run")?;
        process.end(Duration::from_secs(20)).await?;
        let status = process.ended().await?;
        ensure!(status.success(), "{}", process.failure(&format!("ended with {status} when asked to stop")));
        Ok(())
    }

    /// Runs `nacos-fed` in the folder of the stage.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<CommandTold> {
        self.run_in(arguments, &[]).await
    }

    /// The same with what the gateway's configuration takes from the environment.
    pub(crate) async fn run_with_secrets(&self, arguments: &[&str]) -> Result<CommandTold> {
        self.run_in(arguments, &self.secrets).await
    }

    async fn run_in(&self, arguments: &[&str], environment: &[(String, String)]) -> Result<CommandTold> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.args(arguments).current_dir(&self.home).kill_on_drop(true);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output.await.with_context(|| format!("nacos-fed {arguments:?} does not end"))??;
        let text = [output.stdout, output.stderr].concat();
        Ok(CommandTold { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() })
    }

    pub(crate) fn http(&self) -> String {
        let scheme = if self.address.is_loopback() { "http" } else { "https" };
        format!("{scheme}://{}:{}", self.address, self.ports.main())
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.main()
    }

    /// Whether nobody is let in without one.
    pub(crate) fn wants_certificates(&self) -> bool {
        self.name == "frankfurt"
    }

    pub(crate) fn grpc(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.main() + 1)
    }

    /// `host:port` of its embedded registry, if it has one.
    pub(crate) fn registry(&self) -> Option<String> {
        self.registry.as_ref().map(|ports| format!("127.0.0.1:{}", ports.main()))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Where its own files are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.join(self.name)
    }

    /// Its log, beside its files and not among them.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("logs").join(format!("{}.log", self.name))
    }
}

impl Cluster {
    fn name(&self) -> &'static str {
        match self {
            Self::Shanghai(_) => "shanghai",
            Self::Frankfurt => "frankfurt",
            Self::Astray(_) => "astray",
            Self::Near => "near",
        }
    }
}

/// A client that trusts the authority, and shows a certificate.
pub(crate) fn client(home: &Path, certificate: Option<&str>) -> Result<reqwest::Client> {
    let read = |name: String| std::fs::read(home.join(name));
    let builder = reqwest::Client::builder().no_proxy().tls_info(true);
    let mut builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&read("ca.crt".to_owned())?)?);
    if let Some(name) = certificate {
        let both = [read(format!("{name}.crt"))?, read(format!("{name}.key"))?].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&both)?);
    }
    Ok(builder.build()?)
}
