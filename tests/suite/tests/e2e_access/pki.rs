//! Authorities and what they sign, as files.

use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// For whom a certificate is.
#[derive(Default)]
pub(crate) struct Holder<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) uri: Option<&'a str>,
    /// Names of hosts, or addresses.
    pub(crate) hosts: &'a [&'a str],
    /// Its time has been over for years.
    pub(crate) is_over: bool,
}

/// A certificate and its key in PEM.
pub(crate) struct SignedPair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// The certificate as it goes over the wire.
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn sign(&self, holder: &Holder<'_>) -> Result<SignedPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, holder.common_name);
        for host in holder.hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*host).try_into()?),
            });
        }
        if let Some(uri) = holder.uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        if holder.is_over {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        }
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.0)?;
        Ok(SignedPair { certificate: signed.pem(), key: key.serialize_pem(), der: signed.der().to_vec() })
    }
}

impl SignedPair {
    /// Writes NAME.crt and NAME.key, each put in the place of what was there at once.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> Result<()> {
        for (end, text) in [("crt", &self.certificate), ("key", &self.key)] {
            let beside = folder.join(format!("{name}.{end}.new"));
            std::fs::write(&beside, text)?;
            std::fs::rename(beside, folder.join(format!("{name}.{end}")))?;
        }
        Ok(())
    }
}
