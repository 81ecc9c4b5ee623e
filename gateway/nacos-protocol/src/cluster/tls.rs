//! TLS towards a Nacos cluster: who is trusted, and who we are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How to make a TLS connection. The default trusts what the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file of the authorities to trust; absent trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our own certificate chain and its key, for servers that ask for one.
    pub client_identity: Option<ClientIdentity>,
    /// Name to expect in the server's certificate; absent expects the host that was connected to.
    pub server_name: Option<String>,
}

/// Our own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM file, leaf first.
    pub certificate_file: PathBuf,
    /// PEM file: PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}

/// Why TLS cannot be set up; a person must change files or options.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file is missing or holds nothing usable.
    #[error("cannot read {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The system's authorities cannot be read.
    #[error("no trusted authorities on this system: say a ca file")]
    NoSystemRoots,
    /// Certificate and key, or an authority, are unusable.
    #[error("unusable certificate")]
    Certificate(#[from] rustls::Error),
    /// No verifier can be built from the authorities.
    #[error("unusable authorities")]
    Authorities(#[from] rustls::client::VerifierBuilderError),
    /// The server name is no DNS name and no address.
    #[error("{name:?} is not a server name")]
    ServerName {
        /// As it was written.
        name: String,
    },
}

impl TlsOptions {
    /// Builds the configuration; `protocols` are offered by ALPN.
    pub(super) fn configure(&self, protocols: &[&[u8]]) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.client_identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_file(&identity.key_file).map_err(unreadable(&identity.key_file))?;
                builder.with_client_auth_cert(certificates(&identity.certificate_file)?, key)?
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let roots = Arc::new(self.roots()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build()?;
        let Some(name) = &self.server_name else { return Ok(verifier) };
        let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName { name: name.clone() })?;
        Ok(Arc::new(ExpectedName { name, verifier }))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate)?;
                }
            }
            None => {
                let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if added == 0 {
                    return Err(TlsError::NoSystemRoots);
                }
            }
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(unreadable(path))?;
    let certificates = read.collect::<Result<Vec<_>, _>>().map_err(unreadable(path))?;
    if certificates.is_empty() {
        let source = pem::Error::Io(io::Error::new(io::ErrorKind::InvalidData, "no certificate in this file"));
        return Err(unreadable(path)(source));
    }
    Ok(certificates)
}

fn unreadable(path: &Path) -> impl Fn(pem::Error) -> TlsError + '_ {
    |source| TlsError::Pem { path: path.to_owned(), source }
}

/// Checks a certificate against one name, whatever host was connected to.
#[derive(Debug)]
struct ExpectedName {
    name: ServerName<'static>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for ExpectedName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _connected_to: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
