//! What a test runs against: one server at a time, kept from test to test, replaced when a test wants another kind.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use federation_harness::home::Home;
use federation_harness::port::{PortBlock, until_free};
use federation_harness::process::{Conversation, Process, Program, Signal};
use federation_harness::{Access, Credentials, Line, Nacos, NacosOptions, Parts};
use nacos_protocol::client::ServiceName;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::peer::Peer;

/// A registry that the client has to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Nacos(Line),
}

pub(crate) struct Subject {
    kind: Kind,
    access: Access,
    server: Server,
}

enum Server {
    Nacos(Box<Nacos>),
    Embedded(Embedded),
}

/// The running server, for this test alone until dropped: tests kill and freeze it. A test that failed may have left it so.
pub(crate) async fn subject(kind: Kind, access: Access) -> MappedMutexGuard<'static, Subject> {
    static CURRENT: Mutex<Option<Subject>> = Mutex::const_new(None);
    let mut current = CURRENT.lock().await;
    let usable = match &mut *current {
        Some(subject) if (subject.kind, subject.access) == (kind, access) => subject.mend().await,
        _ => false,
    };
    if !usable {
        *current = None; // Ends the one before: two cores do not carry several.
        *current = Some(Subject::start(kind, access).await);
    }
    MutexGuard::map(current, |subject| subject.as_mut().expect("it was put there above"))
}

impl Subject {
    async fn start(kind: Kind, access: Access) -> Self {
        let server = match kind {
            Kind::Embedded => Server::Embedded(Embedded::start(access).await),
            Kind::Nacos(line) => {
                let parts = Parts::ensure(&[line.part()]).await.unwrap();
                let options = NacosOptions { access, ..NacosOptions::default() };
                Server::Nacos(Box::new(Nacos::start(&parts, line, options).await.unwrap()))
            }
        };
        Self { kind, access, server }
    }

    /// Whether the server runs, thawed if it was frozen.
    async fn mend(&mut self) -> bool {
        match &mut self.server {
            Server::Nacos(nacos) => nacos.resume().is_ok(),
            Server::Embedded(embedded) => {
                embedded.process.as_mut().is_some_and(|it| it.signal(Signal::Continue).is_ok())
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn port(&self) -> u16 {
        match &self.server {
            Server::Nacos(nacos) => nacos.port(),
            Server::Embedded(embedded) => embedded.ports.main(),
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub(crate) fn user(&self) -> Option<Credentials> {
        (self.access == Access::Password).then(Credentials::default)
    }

    /// A name that no other test uses.
    pub(crate) fn unique(&self, stem: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A connected client of this server.
    pub(crate) async fn peer(&self) -> Peer {
        let mut peer = Peer::of(&self.address(), self.user());
        peer.connected(1).await;
        peer
    }

    pub(crate) async fn create_namespace(&self, id: &str) {
        match &self.server {
            Server::Nacos(nacos) => nacos.create_namespace(id).await.unwrap(),
            Server::Embedded(embedded) => {
                let query = [("namespaceId", id), ("namespaceName", id)];
                embedded.post("admin/core/namespace", &query).await;
            }
        }
    }

    /// Declares a service for ephemeral instances, with the share of healthy ones up to which its health is hidden.
    pub(crate) async fn declare_protected(&self, name: &ServiceName, threshold: &str) {
        let query = [
            ("namespaceId", &*name.namespace),
            ("groupName", &name.group),
            ("serviceName", &name.service),
            ("protectThreshold", threshold),
            ("ephemeral", "true"),
        ];
        match &self.server {
            Server::Nacos(nacos) => {
                let path = match nacos.line() {
                    Line::V2 => "/nacos/v2/ns/service",
                    Line::V3 => "/nacos/v3/admin/ns/service",
                };
                let (status, body) = nacos.call(reqwest::Method::POST, path, &query).await.unwrap();
                assert_eq!(status, 200, "{body}");
            }
            Server::Embedded(embedded) => embedded.post("admin/ns/service", &query).await,
        }
    }

    pub(crate) async fn kill(&mut self) {
        match &mut self.server {
            Server::Nacos(nacos) => nacos.kill().await.unwrap(),
            Server::Embedded(embedded) => embedded.kill().await,
        }
    }

    /// Starts it again, after [`kill`](Self::kill), on the same ports and data.
    pub(crate) async fn start_again(&mut self) {
        match &mut self.server {
            Server::Nacos(nacos) => nacos.restart().await.unwrap(),
            Server::Embedded(embedded) => embedded.launch().await,
        }
    }

    pub(crate) fn freeze(&mut self) {
        match &mut self.server {
            Server::Nacos(nacos) => nacos.pause().unwrap(),
            Server::Embedded(embedded) => embedded.process.as_mut().unwrap().signal(Signal::Stop).unwrap(),
        }
    }

    pub(crate) fn thaw(&mut self) {
        match &mut self.server {
            Server::Nacos(nacos) => nacos.resume().unwrap(),
            Server::Embedded(embedded) => embedded.process.as_mut().unwrap().signal(Signal::Continue).unwrap(),
        }
    }
}

/// The embedded registry as a process of its own.
struct Embedded {
    access: Access,
    ports: PortBlock,
    home: Home,
    process: Option<Process>,
}

impl Embedded {
    async fn start(access: Access) -> Self {
        let (ports, home) = (PortBlock::choose(&[1000]).unwrap(), Home::temporary("embedded").unwrap());
        let mut embedded = Self { access, ports, home, process: None };
        embedded.launch().await;
        embedded
    }

    async fn launch(&mut self) {
        until_free(self.ports.main(), &[1000]).await.unwrap();
        let http = format!("127.0.0.1:{}", self.ports.main());
        let configs = self.home.path().join("configs").display().to_string();
        let log = self.home.path().join("out.log");
        let mut program =
            Program::new("the embedded registry", env!("CARGO_BIN_EXE_embedded-registry"), log).args([&http, &configs]);
        if self.access == Access::Password {
            let Credentials { username, password } = Credentials::default();
            program = program.args([username, password]);
        }
        let mut process = program.spawn(Conversation::None).await.unwrap();
        let grpc = (std::net::Ipv4Addr::LOCALHOST, self.ports.main() + 1000);
        let accepts = async |_: &Process| {
            tokio::net::TcpStream::connect(&http).await.is_ok() && tokio::net::TcpStream::connect(grpc).await.is_ok()
        };
        process.until_ready(Duration::from_secs(10), accepts).await.unwrap();
        self.process = Some(process);
    }

    async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::Kill).unwrap();
        process.ended().await.unwrap();
    }

    /// `path` is below `/nacos/v3`.
    async fn post(&self, path: &str, query: &[(&str, &str)]) {
        let base = format!("http://127.0.0.1:{}/nacos/v3", self.ports.main());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut token = String::new();
        if self.access == Access::Password {
            let Credentials { username, password } = Credentials::default();
            let user = [("username", username), ("password", password)];
            let answer = http.post(format!("{base}/auth/user/login")).query(&user).send().await.unwrap();
            let login: serde_json::Value = answer.json().await.unwrap();
            token = login["accessToken"].as_str().unwrap().to_owned();
        }
        let request = http.post(format!("{base}/{path}")).query(query).query(&[("accessToken", token)]);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}
