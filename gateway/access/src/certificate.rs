//! Client certificates, once TLS has verified them: which name they stand for.

use federation_core::pattern::Glob;

/// What a client's certificate says. Whoever makes one vouches for it that an authority which is trusted for clients has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownCertificate<'a> {
    /// Its subject, as RFC 4514 writes it: `CN=ops,O=Example`.
    pub subject: &'a str,
    /// Its subject alternative names that are URIs, SPIFFE ids above all.
    pub uris: &'a [String],
}

/// For whom certificates of some names stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRule {
    /// Which.
    pub of: CertificateNames,
    /// The name; without one, what matched.
    pub name: Option<Box<str>>,
}

/// By what a certificate is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateNames {
    /// One of its URIs.
    Uri(Glob),
    /// Its subject as a whole.
    Subject(Glob),
}

impl CertificateRule {
    /// The name for which the certificate stands, if it is one of these.
    #[must_use]
    pub fn name_of(&self, certificate: ShownCertificate<'_>) -> Option<Box<str>> {
        let matched: &str = match &self.of {
            CertificateNames::Uri(pattern) => certificate.uris.iter().find(|uri| pattern.matches(uri))?,
            CertificateNames::Subject(pattern) => Some(certificate.subject).filter(|it| pattern.matches(it))?,
        };
        Some(self.name.clone().unwrap_or_else(|| matched.into()))
    }
}
