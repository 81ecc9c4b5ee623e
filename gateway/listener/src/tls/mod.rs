//! TLS of a listener: whose certificate it shows, whom it lets in, and how both change while it runs.
//!
//! Input: PEM files. Output: [`ListenerTls`], which a listener asks for the configuration of each new connection, and a
//! [`CertificateKeeper`], which reads the files again each second and puts what is good of them in force. Open connections keep what they
//! began with.
//!
//! Invariant: what is in force could be used as a whole when it was read, a key that fits its certificate and authorities that can be
//! read; nothing that is wrong ever takes its place.

mod files;
mod keeper;
mod told;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

pub use files::TlsProblem;
pub use keeper::{CertificateKeeper, CertificateObserver, CertificateState};

/// Where a listener's certificate is, and whom it lets in. Files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to an authority that clients know.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// Whether clients show a certificate.
    pub clients: ClientCertificates,
}

/// Whether clients show a certificate. One that no authority of the file has signed is refused in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    NotAsked,
    /// They are asked, and may have none.
    Requested {
        /// File of the authorities.
        ca: PathBuf,
    },
    /// Who has none is refused.
    Required {
        /// File of the authorities.
        ca: PathBuf,
    },
}

impl ClientCertificates {
    fn ca(&self) -> Option<&PathBuf> {
        match self {
            Self::NotAsked => None,
            Self::Requested { ca } | Self::Required { ca } => Some(ca),
        }
    }
}

/// The certificate in force, and whom it lets in. Cheap to clone; all clones change together.
#[derive(Clone, Debug)]
pub struct ListenerTls(Arc<ArcSwap<ServerConfig>>);

impl ListenerTls {
    fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }

    /// For connections from now on.
    fn put(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    pub(crate) fn in_force(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}
