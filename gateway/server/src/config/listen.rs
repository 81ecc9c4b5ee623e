//! Section `listen`, and what all sections that name addresses to listen on say of TLS.
//!
//! The rule: an address that is not loopback is listened on with TLS, or because `insecure: true` beside it says so.

use std::net::SocketAddr;
use std::path::PathBuf;

use bounded_listener::{ClientCertificates, HostPattern, ServedHosts, TlsFiles};
use federation_document::reader::{FieldPlace, MappingFields, ReadValue};

/// Where this gateway answers.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// The HTTP API; port 0 for any free one.
    pub http: SocketAddr,
    /// All gRPC services; port 0 for any free one.
    pub grpc: SocketAddr,
    /// By which names it is asked for, at all ports.
    pub hosts: ServedHosts,
    /// What both speak.
    pub security: ListenSecurity,
}

/// An item of `hosts`.
struct ListedHost(HostPattern);

impl ReadValue for ListedHost {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.parse(|text| text.parse().ok()).map(Self)
    }
}

/// What the ports of a section speak, and who may reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenSecurity {
    /// TLS. Files are PEM and have not been looked at.
    Tls(TlsFiles),
    /// Plain text, on this machine only.
    Loopback,
    /// Plain text on these addresses, which others may reach, as was asked for by name.
    Open(Vec<SocketAddr>),
}

impl ListenSecurity {
    /// The files, where TLS is spoken.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsFiles> {
        match self {
            Self::Tls(files) => Some(files),
            Self::Loopback | Self::Open(_) => None,
        }
    }

    /// What is weak about it, for people.
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        let Self::Open(addresses) = self else { return None };
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(" and ");
        Some(format!(
            "plain text on {addresses}: whoever reaches it can ask and act, and who is on the line can read and forge"
        ))
    }

    /// Of a section that has `tls` and `insecure`, for the addresses that it names: each with the field that people change.
    pub(super) fn read(fields: &mut MappingFields<'_>, addresses: &[(&str, Option<SocketAddr>)]) -> Option<Self> {
        let tls = fields.maybe::<WantedTls>("tls");
        let insecure = fields.get::<bool>("insecure");
        let (tls, insecure) = (tls?, insecure?);
        match tls {
            Some(_) if insecure => {
                fields.mistake("insecure", "TLS, and leave to do without it", "one of `tls` and `insecure: true`");
                None
            }
            Some(WantedTls(files)) => Some(Self::Tls(files)),
            None => Self::without_tls(fields, addresses, insecure, "`tls` beside it, "),
        }
    }

    /// Of a section that has `insecure` alone.
    pub(super) fn read_plain(fields: &mut MappingFields<'_>, addresses: &[(&str, Option<SocketAddr>)]) -> Option<Self> {
        let insecure = fields.get::<bool>("insecure")?;
        Self::without_tls(fields, addresses, insecure, "")
    }

    fn without_tls(
        fields: &mut MappingFields<'_>,
        addresses: &[(&str, Option<SocketAddr>)],
        insecure: bool,
        tls: &str,
    ) -> Option<Self> {
        let open: Vec<(&str, SocketAddr)> =
            addresses.iter().filter_map(|(field, address)| Some((*field, (*address)?))).filter(is_open).collect();
        if open.is_empty() {
            return Some(Self::Loopback);
        }
        if insecure {
            return Some(Self::Open(open.into_iter().map(|(_, address)| address).collect()));
        }
        for (field, address) in open {
            let problem = format!("plain text on {address}, which others may reach");
            let port = address.port();
            let expected =
                format!("{tls}127.0.0.1:{port}, or `insecure: true` where whoever reaches it may ask and act");
            fields.mistake(field, &problem, &expected);
        }
        None
    }
}

fn is_open((_, address): &(&str, SocketAddr)) -> bool {
    !address.ip().to_canonical().is_loopback()
}

impl ReadValue for ListenConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let http = fields.get::<SocketAddr>("http");
            let grpc = fields.get::<SocketAddr>("grpc");
            let hosts = fields.get::<Vec<ListedHost>>("hosts");
            let security = ListenSecurity::read(fields, &[("http", http), ("grpc", grpc)]);
            let (http, grpc) = (http?, grpc?);
            if http == grpc && http.port() != 0 {
                fields.mistake("grpc", "the same address as http", "a port of its own");
            }
            let hosts = hosts?.into_iter().map(|ListedHost(pattern)| pattern).collect();
            Some(Self { http, grpc, hosts, security: security? })
        })
    }
}

/// Of a section `tls`.
struct WantedTls(TlsFiles);

impl ReadValue for WantedTls {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let certificate = fields.get::<PathBuf>("certificate");
            let key = fields.get::<PathBuf>("key");
            let clients = clients(fields);
            Some(Self(TlsFiles { certificate: certificate?, key: key?, clients: clients? }))
        })
    }
}

/// Who names authorities wants to have certificates of theirs.
fn clients(fields: &mut MappingFields<'_>) -> Option<ClientCertificates> {
    let ca = fields.maybe::<PathBuf>("client_ca");
    let rule = fields.maybe::<AuthRule>("client_auth");
    match (ca?, rule?) {
        (None, None | Some(AuthRule::None)) => Some(ClientCertificates::NotAsked),
        (Some(ca), None | Some(AuthRule::Require)) => Some(ClientCertificates::Required { ca }),
        (Some(ca), Some(AuthRule::Request)) => Some(ClientCertificates::Requested { ca }),
        (Some(_), Some(AuthRule::None)) => {
            fields.mistake("client_auth", "authorities whose certificates nobody asks for", "`request` or `require`");
            None
        }
        (None, Some(AuthRule::Request | AuthRule::Require)) => {
            fields.mistake("client_ca", "a required field is missing", "the authorities that `client_auth` goes by");
            None
        }
    }
}

#[derive(Clone, Copy)]
enum AuthRule {
    None,
    Request,
    Require,
}

impl ReadValue for AuthRule {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.choice().map(|word| match word {
            "request" => Self::Request,
            "require" => Self::Require,
            _ => Self::None,
        })
    }
}
