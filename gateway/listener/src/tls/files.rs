//! From files to what a listener can use, or what is wrong with them.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::told::day;
use super::{ClientCertificates, TlsFiles};
use crate::certificate::{InvalidCertificate, Validity};

/// Largest of the files in bytes; all authorities that browsers know are a quarter of it.
const LARGEST: u64 = 1 << 20;

/// What a connection may speak, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why files cannot be used; a person has to change them.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// It is not there, not a file, or may not be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Its text is broken.
    #[error("{} is not PEM", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// There is none in it.
    #[error("there is no certificate in {}", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is none in it, or only an encrypted one.
    #[error("there is no private key in {}, or none that is not encrypted", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// What is in it cannot be read as one.
    #[error("a certificate in {} cannot be used", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: InvalidCertificate,
    },
    /// The key does not fit, or is of a kind that is not supported.
    #[error("the key in {} cannot be used with the certificate in {}", key.display(), certificate.display())]
    Pair {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// One of the authorities cannot be used as one.
    #[error("an authority in {} cannot be used", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// No clients can be judged by these authorities.
    #[error("the authorities in {} cannot be used", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
    /// It was one.
    #[error("the certificate in {} expired on {}", path.display(), day(*until))]
    Expired {
        /// Which file.
        path: PathBuf,
        /// Seconds since 1970.
        until: i64,
    },
    /// It will be one.
    #[error("the certificate in {} is not valid before {}", path.display(), day(*from))]
    NotYetValid {
        /// Which file.
        path: PathBuf,
        /// Seconds since 1970.
        from: i64,
    },
}

/// What the files hold. Not to be printed: the key is in it.
#[derive(PartialEq, Eq)]
pub(super) struct TlsContents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    ca: Option<Vec<u8>>,
    /// Whether others than its owner and group may read the key.
    key_is_open: bool,
}

/// What a listener can use.
#[derive(Debug)]
pub(super) struct UsableTls {
    pub(super) config: Arc<ServerConfig>,
    /// Of the certificate and of those that come with it.
    pub(super) validity: Validity,
}

impl TlsContents {
    /// Reads the files. Links are followed each time: whoever swaps one has changed the files behind it.
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsProblem> {
        let (certificate, _) = read(&files.certificate)?;
        let (key, mode) = read(&files.key)?;
        let ca = files.clients.ca().map(|ca| read(ca).map(|(bytes, _)| bytes)).transpose()?;
        Ok(Self { certificate, key, ca, key_is_open: mode & 0o007 != 0 })
    }

    /// Says so in the log where others may read the key.
    pub(super) fn warn_of_open_key(&self, path: &Path) {
        if self.key_is_open {
            let path = path.display();
            tracing::warn!(%path, "everybody on this machine may read a private key: let its owner alone do so (chmod 600)");
        }
    }

    /// What follows from them, valid or not.
    pub(super) fn use_as(&self, files: &TlsFiles) -> Result<UsableTls, TlsProblem> {
        let chain = certificates(&files.certificate, &self.certificate)?;
        let validity = validity(&chain, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsProblem::NoKey { path: files.key.clone() },
            source => TlsProblem::Pem { path: files.key.clone(), source },
        })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unfit =
            |source| TlsProblem::Pair { certificate: files.certificate.clone(), key: files.key.clone(), source };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
        let builder = match (&files.clients, &self.ca) {
            (ClientCertificates::Requested { ca: path }, Some(ca)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(path, ca)?, provider);
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().map_err(of(path))?)
            }
            (ClientCertificates::Required { ca: path }, Some(ca)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(path, ca)?, provider);
                builder.with_client_cert_verifier(verifier.build().map_err(of(path))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(UsableTls { config: Arc::new(config), validity })
    }
}

impl UsableTls {
    /// Whether clients can believe it at this time, in seconds since 1970.
    pub(super) fn valid_at(self, now: i64, files: &TlsFiles) -> Result<Self, TlsProblem> {
        let (path, Validity { from, until }) = (files.certificate.clone(), self.validity);
        match now {
            now if now > until => Err(TlsProblem::Expired { path, until }),
            now if now < from => Err(TlsProblem::NotYetValid { path, from }),
            _ => Ok(self),
        }
    }
}

/// A file's bytes and its permissions.
fn read(path: &Path) -> Result<(Vec<u8>, u32), TlsProblem> {
    let unreadable = |source| TlsProblem::Unreadable { path: path.to_owned(), source };
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    // A pipe would be waited for when it is opened.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(wrong("it is no file")));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(wrong("it has more than 1 MiB")));
    }
    Ok((bytes, mode))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let read = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|source| TlsProblem::Pem { path: path.to_owned(), source })?;
    if read.is_empty() {
        return Err(TlsProblem::NoCertificate { path: path.to_owned() });
    }
    Ok(read)
}

/// Of all of a chain: clients need each of them.
fn validity(chain: &[CertificateDer<'_>], path: &Path) -> Result<Validity, TlsProblem> {
    let wrong = |source| TlsProblem::Certificate { path: path.to_owned(), source };
    let always = Validity { from: i64::MIN, until: i64::MAX };
    chain.iter().try_fold(always, |all, one| Ok(all.and(Validity::read(one).map_err(wrong)?)))
}

fn authorities(path: &Path, bytes: &[u8]) -> Result<Arc<RootCertStore>, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, bytes)? {
        roots.add(certificate).map_err(|source| TlsProblem::Authority { path: path.to_owned(), source })?;
    }
    Ok(Arc::new(roots))
}

fn of(path: &Path) -> impl Fn(VerifierBuilderError) -> TlsProblem + '_ {
    |source| TlsProblem::Authorities { path: path.to_owned(), source }
}
