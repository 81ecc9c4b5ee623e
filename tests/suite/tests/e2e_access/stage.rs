//! What all tests of this target share: two gateways over TLS, a Kafka and a Nacos that want passwords, authorities, identity providers, and a
//! memory of all that was said, and of all that is secret.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::home::Home;
use federation_harness::process::POLL;
use federation_harness::{Access, Browser, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts, announce};
use federation_tests::TestNetwork;
use nacos_protocol::client::{ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use reqwest::Method;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gateway::{AccessGateway, Cluster};
use crate::pki::{Authority, Holder, SignedPair};
use crate::provider::{KeyServer, SigningKey, key_set};

/// Far longer than anything here takes beside a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What has to be fetched before a network of its own is entered, which leads nowhere.
pub(crate) const PARTS: [Part; 3] = [Part::Kafka, Part::Nacos3, Part::Chromium];
/// User of the gateways in Kafka.
pub(crate) const KAFKA_USER: &str = "gateway";

/// See the module.
pub(crate) struct Stage {
    pub(crate) network: TestNetwork,
    pub(crate) home: Home,
    pub(crate) authority: Authority,
    pub(crate) corp: SigningKey,
    pub(crate) build: SigningKey,
    pub(crate) keys: Option<KeyServer>,
    pub(crate) browser: Browser,
    pub(crate) kafka: Kafka,
    pub(crate) nacos: Nacos,
    /// With a real Nacos; says everything that it can say to its log.
    pub(crate) shanghai: AccessGateway,
    /// With an embedded registry; who has no certificate is not let in.
    pub(crate) frankfurt: AccessGateway,
    pub(crate) memory: Memory,
    pub(crate) registrations: Registrations,
}

/// What was said by refusals, reports and metrics, and what nobody may have said.
#[derive(Default)]
pub(crate) struct Memory {
    said: Mutex<String>,                   // Locked for adding or reading a text.
    secrets: Mutex<Vec<(String, String)>>, // The same.
    whole: Mutex<BTreeSet<String>>,        // The same.
}

impl Memory {
    /// Keeps what somebody was told who may not be told a secret.
    pub(crate) fn said(&self, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_str(text);
        said.push('\n');
    }

    pub(crate) fn all_said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on `value` is a secret, and the signature of a token in it; `what` is told of it in its place.
    pub(crate) fn hide(&self, what: &str, value: &str) {
        if self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(value.to_owned()) {
            let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            secrets.push((what.to_owned(), value.to_owned()));
            let signature = value.rsplit_once('.').map(|(_, signature)| signature);
            secrets.extend(
                signature.filter(|it| it.len() > 20).map(|it| (format!("{what}, its signature"), it.to_owned())),
            );
        }
    }

    /// Hides each line of a private key.
    pub(crate) fn hide_key(&self, what: &str, pem: &str) {
        pem.lines().filter(|line| line.len() > 30 && !line.starts_with('-')).for_each(|line| self.hide(what, line));
    }

    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A text that is nowhere else.
pub(crate) fn marker(what: &str) -> String {
    format!("{what}{:032x}", rand::random::<u128>())
}

impl Stage {
    /// Starts everything.
    pub(crate) async fn begin(network: TestNetwork) -> Result<Self> {
        let (home, memory, parts) = (Home::temporary("access")?, Memory::default(), Parts::ensure(&PARTS).await?);
        let [nacos_password, kafka_password] = ["nacos-password-", "kafka-password-"].map(marker);
        memory.hide("the password of Nacos", &nacos_password);
        memory.hide("the password of Kafka", &kafka_password);
        let (kafka, nacos) =
            tokio::try_join!(start_kafka(&parts, &kafka_password), start_nacos(&parts, &nacos_password))?;
        put_configs(&nacos, &memory).await?;
        let authority = Authority::new("the authority of the test")?;
        let (corp, build) = (SigningKey::edwards("corp-1")?, SigningKey::ecdsa("build-1")?);
        write_files(home.path(), &authority, &memory, network.address(), &build)?;
        let keys = KeyServer::start(&[&corp]).await?;
        let (places, brokers) = ((home.path(), network.address()), kafka.bootstrap());
        let prepare = |cluster| AccessGateway::prepare(cluster, places, &keys, &brokers);
        let mut shanghai = prepare(Cluster::Shanghai(nacos.address())).await?;
        let mut frankfurt = prepare(Cluster::Frankfurt).await?;
        shanghai.secrets =
            vec![("NACOS_PASSWORD".to_owned(), nacos_password), ("KAFKA_PASSWORD".to_owned(), kafka_password)];
        frankfurt.secrets.clone_from(&shanghai.secrets);
        shanghai.make_tokens(&memory).await?;
        tokio::try_join!(shanghai.start(), frankfurt.start())?;
        let registry = frankfurt.registry().context("it has an embedded registry")?;
        let registrations = Registrations::make(&registry).await?;
        let (keys, browser) = (Some(keys), Browser::of(&parts)?);
        let stage = Self {
            network,
            home,
            authority,
            corp,
            build,
            keys,
            browser,
            kafka,
            nacos,
            shanghai,
            frankfurt,
            memory,
            registrations,
        };
        stage.until_all_is_seen().await?;
        Ok(stage)
    }

    /// Both gateways have what both registries have.
    async fn until_all_is_seen(&self) -> Result<()> {
        let admin = self.token("admin");
        for gateway in [&self.shanghai, &self.frankfurt] {
            eventually("all is seen", async || {
                let told = self.ask(gateway, &admin, "GET", "/v1/services", "").await?;
                ensure!(told.document()["total"] == 3, "{}", told.text);
                let told = self.ask(gateway, &admin, "GET", "/v1/configs", "").await?;
                ensure!(told.document()["total"] == 2, "{}", told.text);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Where to look after a failure.
    pub(crate) fn whereabouts(&self) -> String {
        format!("logs and files are in {}", self.home.path().display())
    }

    /// Path of a file of the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

async fn start_kafka(parts: &Parts, password: &str) -> Result<Kafka> {
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let properties = [
        ("listener.security.protocol.map", "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("listener.name.plaintext.scram-sha-512.sasl.jaas.config", login),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let users = vec![(KAFKA_USER.to_owned(), password.to_owned())];
    Kafka::start(parts, KafkaOptions { properties, users, ..KafkaOptions::default() }).await
}

async fn start_nacos(parts: &Parts, password: &str) -> Result<Nacos> {
    let password = Some(password.to_owned());
    Nacos::start(parts, Line::V3, NacosOptions { access: Access::Password, password, ..NacosOptions::default() }).await
}

/// Three config items: of all who read `app*`, of admins, and one that is not exported.
async fn put_configs(nacos: &Nacos, memory: &Memory) -> Result<()> {
    let [secret, hidden] = ["content-secret-", "content-hidden-"].map(marker);
    memory.hide("a content that only admins read", &secret);
    memory.hide("a content that is not exported", &hidden);
    for (data_id, content) in [("app.yaml", "open: true"), ("secrets.yaml", &secret), ("hidden.yaml", &hidden)] {
        let query = [("dataId", data_id), ("groupName", "g"), ("content", content)];
        let (status, body) = nacos.call(Method::POST, "/nacos/v3/admin/cs/config", &query).await?;
        ensure!(status == 200, "{data_id} was not put: {status} {body}");
    }
    Ok(())
}

/// Certificates of both sides, the keys of a provider that has a file, and the key by which contents are sealed.
fn write_files(home: &Path, authority: &Authority, memory: &Memory, address: IpAddr, build: &SigningKey) -> Result<()> {
    let stranger = Authority::new("a stranger's authority")?;
    std::fs::write(home.join("ca.crt"), authority.pem())?;
    std::fs::write(home.join("stranger-ca.crt"), stranger.pem())?;
    std::fs::write(home.join("build.jwks"), key_set(&[build]))?;
    let of_contents = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    memory.hide("the key of contents", &of_contents);
    std::fs::write(home.join("contents.key"), of_contents)?;
    let address = address.to_string();
    let server = Holder { common_name: "gateway", hosts: &[&address, "127.0.0.1", "localhost"], ..Holder::default() };
    let of = |common_name| Holder { common_name, ..Holder::default() };
    let deployer = Holder { uri: Some("spiffe://prod/ns/a/sa/deploy"), ..of("whatever") };
    let write = |name: &str, pair: SignedPair| {
        memory.hide_key(&format!("the private key of {name}"), &pair.key);
        pair.write(home, name)
    };
    write("server", authority.sign(&server)?)?;
    write("ops", authority.sign(&of("ops"))?)?;
    write("deployer", authority.sign(&deployer)?)?;
    write("unnamed", authority.sign(&of("unnamed"))?)?;
    write("expired", authority.sign(&Holder { is_over: true, ..of("ops") })?)?;
    write("stranger", stranger.sign(&of("ops"))?)
}

/// Services of the embedded registry, for as long as this lives.
pub(crate) struct Registrations {
    client: NacosClient,
    _tasks: JoinSet<()>,
}

impl Registrations {
    async fn make(registry: &str) -> Result<Self> {
        let cluster = NacosCluster::new(ClusterOptions::new(vec![registry.parse()?]))?;
        let (client, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(CancellationToken::new()));
        tasks.spawn(async move { while events.recv().await.is_some() {} });
        for (namespace, service) in [("prod", "order-a"), ("prod", "pay"), ("public", "orders")] {
            let instance = NacosInstance { ip: "10.9.9.9".to_owned(), port: 80, ..NacosInstance::default() };
            let name = ServiceName::new(namespace, "DEFAULT_GROUP", service);
            eventually("registered", async || Ok(client.register(&name, vec![instance.clone()]).await?)).await?;
        }
        Ok(Self { client, _tasks: tasks })
    }

    /// One of the services has another instance.
    pub(crate) async fn change(&self) -> Result<()> {
        let instances = ["10.9.9.9", "10.9.9.10"].map(|ip| NacosInstance {
            ip: ip.to_owned(),
            port: 80,
            ..NacosInstance::default()
        });
        let name = ServiceName::new("prod", "DEFAULT_GROUP", "order-a");
        Ok(self.client.register(&name, instances.into()).await?)
    }
}

/// Asks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        match is_so().await {
            Ok(()) => {
                announce(&format!("{what} after {:.1} s", began.elapsed().as_secs_f64()));
                return Ok(());
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error.context(format!("not {what}"))),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
