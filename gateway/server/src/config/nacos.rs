//! Section `nacos`: the local Nacos, or the embedded registry in its place.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use federation_document::reader::{FieldPlace, MappingFields, ReadValue};
use federation_document::values::HostPort;

use super::listen::ListenSecurity;
use super::secret::SecretSource;
use super::weakness::{SectionWeakness, is_on_this_machine};

/// The registry that this gateway stands beside, and how it is watched.
#[derive(Clone, Debug)]
pub struct NacosConfig {
    /// Which registry.
    pub registry: RegistryChoice,
    /// How often namespaces are listed.
    pub namespace_poll: Duration,
    /// How often names of services are listed where the registry cannot tell of new ones.
    pub service_poll: Duration,
    /// How often everything is read once more.
    pub sweep_interval: Duration,
    /// How long one gRPC request or one connect may take.
    pub request_timeout: Duration,
    /// How long one HTTP request may take.
    pub http_timeout: Duration,
    /// How long a list has to stay the same after a connect before what is missing counts as gone.
    pub removal_hold: Duration,
}

/// A Nacos elsewhere or the registry in this process.
#[derive(Clone, Debug)]
pub enum RegistryChoice {
    /// A Nacos elsewhere.
    Remote(RemoteNacos),
    /// The registry in this process.
    Embedded(EmbeddedRegistryConfig),
}

/// How a Nacos is reached.
#[derive(Clone, Debug)]
pub struct RemoteNacos {
    /// HTTP addresses, at least one.
    pub servers: Vec<HostPort>,
    /// The account; none where Nacos asks for none.
    pub login: Option<LoginConfig>,
    /// TLS of gRPC; `None` for plain text.
    pub tls: Option<Tls>,
    /// Whether the HTTP API speaks TLS.
    pub https: bool,
    /// Path of the HTTP API: empty, or beginning with `/` and not ending with it.
    pub context_path: String,
    /// From the HTTP to the gRPC port; no server's sum exceeds 65535.
    pub grpc_offset: u16,
    /// Whether what is weak is asked for by name.
    pub insecure: bool,
}

impl RemoteNacos {
    /// What others on the line to servers beyond this machine can read or forge, with the field that says so and what would be right.
    pub(super) fn weakness(&self) -> Option<SectionWeakness> {
        if self.servers.iter().all(is_on_this_machine) {
            return None;
        }
        let (field, what, right) = match (&self.tls, self.https, &self.login) {
            (Some(_), true, _) | (None, false, None) => return None,
            (Some(_), false, Some(_)) => {
                ("tls", "TLS for gRPC alone: user and password go over HTTP in plain text", "`https: true` beside it")
            }
            (Some(_), false, None) => {
                ("tls", "TLS for gRPC alone: what HTTP answers can be read and forged", "`https: true` beside it")
            }
            (None, true, _) => {
                ("https", "TLS for HTTP alone: gRPC, with what it logs in by, is plain text", "`tls` beside it")
            }
            (None, false, Some(_)) => {
                ("password", "user and password in plain text", "`tls` and `https: true` beside it")
            }
        };
        Some(SectionWeakness { field, what, right })
    }
}

impl RemoteNacos {
    /// What others on the line can read where users log in by their Nacos passwords.
    pub(super) fn weakness_of_logins(&self) -> Option<&'static str> {
        let open = !self.https && !self.servers.iter().all(is_on_this_machine);
        open.then_some("passwords of users who log in, in plain text")
    }
}

/// An account.
#[derive(Clone, Debug)]
pub struct LoginConfig {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: SecretSource,
}

/// TLS towards Nacos. Files are PEM and have not been looked at.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Authorities to trust; the system's if there is none.
    pub ca: Option<PathBuf>,
    /// The client's certificate and key.
    pub client: Option<ClientCertificate>,
    /// Name that the servers' certificates have to bear; the host of the address if there is none.
    pub server_name: Option<String>,
}

/// A client certificate. Files are PEM and have not been looked at.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The registry in this process.
#[derive(Clone, Debug)]
pub struct EmbeddedRegistryConfig {
    /// Where HTTP listens; port 0 for any free one.
    pub http: SocketAddr,
    /// Where gRPC listens; port 0 for any free one.
    pub grpc: SocketAddr,
    /// Where config items are kept; `None` for `registry` in the gateway's data directory.
    pub data_dir: Option<PathBuf>,
    /// Who may reach its ports.
    pub security: ListenSecurity,
}

impl ReadValue for NacosConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let registry = match fields.get("embedded") {
                Some(true) => embedded(fields).map(RegistryChoice::Embedded),
                Some(false) => remote(fields).map(RegistryChoice::Remote),
                None => None,
            };
            let namespace_poll = fields.get("namespace_poll");
            let service_poll = fields.get("service_poll");
            let sweep_interval = fields.get("sweep_interval");
            let request_timeout = fields.get("request_timeout");
            let http_timeout = fields.get("http_timeout");
            let removal_hold = fields.get("removal_hold");
            Some(Self {
                registry: registry?,
                namespace_poll: namespace_poll?,
                service_poll: service_poll?,
                sweep_interval: sweep_interval?,
                request_timeout: request_timeout?,
                http_timeout: http_timeout?,
                removal_hold: removal_hold?,
            })
        })
    }
}

fn remote(fields: &mut MappingFields<'_>) -> Option<RemoteNacos> {
    refuse_fields(fields, &["listen", "data_dir"], "only with `embedded: true`");
    if !fields.has("servers") {
        fields.mistake("servers", "a required field is missing", "a list of host:port, or `embedded: true`");
    }
    let servers = fields.maybe::<Vec<HostPort>>("servers").flatten();
    let login = login(fields);
    let tls = fields.maybe::<WantedTls>("tls");
    let https = fields.get("https");
    let context_path = fields.get("context_path");
    let grpc_offset = fields.get::<u16>("grpc_offset");
    let insecure = fields.get::<bool>("insecure");
    let (servers, grpc_offset) = (servers?, grpc_offset?);
    if servers.iter().any(|server| server.port.checked_add(grpc_offset).is_none()) {
        fields.mistake("servers", "a gRPC port above 65535", "HTTP port plus grpc_offset at most 65535");
    }
    let remote = RemoteNacos {
        servers,
        login: login?,
        tls: tls?.and_then(|wanted| wanted.0),
        https: https?,
        context_path: context_path?,
        grpc_offset,
        insecure: insecure?,
    };
    SectionWeakness::refuse(fields, remote.weakness(), remote.insecure)?;
    Some(remote)
}

fn login(fields: &mut MappingFields<'_>) -> Option<Option<LoginConfig>> {
    let username = fields.maybe("username");
    let password = SecretSource::read(fields, "password", "password_file");
    match (username?, password?) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => Some(Some(LoginConfig { username, password })),
        (Some(_), None) => {
            fields.mistake("password", "a required field is missing", "the password of `username`");
            None
        }
        (None, Some(_)) => {
            fields.mistake("username", "a required field is missing", "the account that `password` belongs to");
            None
        }
    }
}

fn embedded(fields: &mut MappingFields<'_>) -> Option<EmbeddedRegistryConfig> {
    let remote_only = ["servers", "username", "password", "password_file", "tls", "https", "context_path", "insecure"];
    refuse_fields(fields, &remote_only, "nothing here: the registry is in this process with `embedded: true`");
    let grpc_offset = fields.get::<u16>("grpc_offset");
    let listen = fields.get::<RegistryListen>("listen");
    let data_dir = fields.maybe("data_dir");
    let (listen, grpc_offset) = (listen?, grpc_offset?);
    let security = listen.security;
    let grpc = listen.grpc.or_else(|| offset(listen.http, grpc_offset));
    if grpc.is_none() {
        fields.mistake("listen", "a gRPC port above 65535", "HTTP port plus grpc_offset at most 65535");
    }
    Some(EmbeddedRegistryConfig { http: listen.http, grpc: grpc?, data_dir: data_dir?, security })
}

/// The gRPC address that belongs to an HTTP address; any free port to any free port.
fn offset(http: SocketAddr, grpc_offset: u16) -> Option<SocketAddr> {
    let port = if http.port() == 0 { 0 } else { http.port().checked_add(grpc_offset)? };
    Some(SocketAddr::new(http.ip(), port))
}

fn refuse_fields(fields: &mut MappingFields<'_>, names: &[&'static str], expected: &str) {
    for name in names {
        if fields.has(name) {
            fields.mistake(name, "a field that has no meaning here", expected);
        }
    }
}

struct RegistryListen {
    http: SocketAddr,
    grpc: Option<SocketAddr>,
    security: ListenSecurity,
}

impl ReadValue for RegistryListen {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let http = fields.get("http");
            let grpc = fields.maybe("grpc");
            let security = ListenSecurity::read_plain(fields, &[("http", http), ("grpc", grpc.flatten())]);
            Some(Self { http: http?, grpc: grpc?, security: security? })
        })
    }
}

/// None where `enabled: false`.
struct WantedTls(Option<Tls>);

impl ReadValue for WantedTls {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let enabled = fields.get::<bool>("enabled");
            let ca = fields.maybe("ca");
            let client = client_certificate(fields);
            let server_name = fields.maybe("server_name");
            let tls = Tls { ca: ca?, client: client?, server_name: server_name? };
            Some(Self(enabled?.then_some(tls)))
        })
    }
}

fn client_certificate(fields: &mut MappingFields<'_>) -> Option<Option<ClientCertificate>> {
    let cert = fields.maybe("cert");
    let key = fields.maybe("key");
    match (cert?, key?) {
        (None, None) => Some(None),
        (Some(cert), Some(key)) => Some(Some(ClientCertificate { cert, key })),
        (Some(_), None) => {
            fields.mistake("key", "a required field is missing", "the private key of `cert`");
            None
        }
        (None, Some(_)) => {
            fields.mistake("cert", "a required field is missing", "the certificate of `key`");
            None
        }
    }
}
