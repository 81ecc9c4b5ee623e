//! What a certificate says: of whoever shows it, and for how long it says so.
//!
//! Names are read of certificates that the configured authorities have signed; before that nothing in them is worth anything.

use std::fmt::Write as _;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Bytes that are no certificate of X.509.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no certificate of X.509")]
pub struct InvalidCertificate;

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    subject: String,
    uris: Vec<String>,
    dns_names: Vec<String>,
}

impl PeerCertificate {
    /// Reads the names of a certificate.
    ///
    /// # Errors
    /// It is none.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, InvalidCertificate> {
        let certificate = parse(certificate)?;
        let names = certificate.subject_alternative_name().map_err(|_| InvalidCertificate)?;
        let names = names.as_ref().map_or(&[][..], |names| &names.value.general_names);
        let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                _ => {}
            }
        }
        Ok(Self { subject: subject(certificate.subject()), uris, dns_names })
    }

    /// The subject as RFC 4514 writes it, the most specific part first: `CN=orders,O=Shop`. What separates parts is escaped within
    /// them, so that two subjects never have one text.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// URIs among its alternative names, such as `spiffe://shop/orders`, in their order.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// DNS names among its alternative names, in their order.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }
}

/// When a certificate counts, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Validity {
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Self, InvalidCertificate> {
        let certificate = parse(certificate)?;
        let validity = &certificate.validity;
        Ok(Self { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() })
    }

    /// While both do.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, InvalidCertificate> {
    X509Certificate::from_der(certificate).map(|(_, certificate)| certificate).map_err(|_| InvalidCertificate)
}

fn subject(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in name.iter_rdn() {
        let attributes: Vec<String> = part.iter().map(attribute).collect();
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    parts.join(",")
}

/// Short names of attributes (RFC 4514, section 3, and what is common besides).
const SHORT: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let short = SHORT.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    let value = match (short, attribute.as_str()) {
        (Some(_), Ok(text)) => escaped(text),
        _ => in_hex(attribute.attr_value().data),
    };
    format!("{}={value}", short.unwrap_or(&oid))
}

fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().fold("#".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes what is written");
        text
    })
}

/// Whatever separates, begins or ends something gets a backslash, and control characters are written in hexadecimal.
fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut written = String::with_capacity(text.len());
    for (index, letter) in text.chars().enumerate() {
        let at_an_end = letter == ' ' && (index == 0 || index == last) || letter == '#' && index == 0;
        if letter.is_control() {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                write!(written, "\\{byte:02x}").expect("a text takes what is written");
            }
            continue;
        }
        if at_an_end || matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            written.push('\\');
        }
        written.push(letter);
    }
    written
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        made.der().clone()
    }

    #[test]
    fn the_subject_has_its_most_specific_part_first_and_uris_are_kept_in_order() {
        let made = certificate(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Shop");
            params.distinguished_name.push(DnType::CommonName, "orders");
            let uri = |text: &str| SanType::URI(text.try_into().unwrap());
            params.subject_alt_names =
                vec![uri("spiffe://shop/b"), SanType::DnsName("a.example".try_into().unwrap()), uri("spiffe://shop/a")];
        });
        let read = PeerCertificate::read(&made).unwrap();
        assert_eq!(read.subject(), "CN=orders,O=Shop");
        assert_eq!(read.uris(), ["spiffe://shop/b", "spiffe://shop/a"]);
        assert_eq!(read.dns_names(), ["a.example"]);
    }

    #[test]
    fn no_name_can_pass_for_two_parts_of_a_subject() {
        let forged = certificate(|params| params.distinguished_name.push(DnType::CommonName, "orders,O=Shop\n+#\" "));
        let read = PeerCertificate::read(&forged).unwrap();
        assert_eq!(read.subject(), r#"CN=orders\,O\=Shop\0a\+#\"\ "#);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bytes in [&b""[..], b"\x30\x03\x02\x01\x01", b"-----BEGIN CERTIFICATE-----"] {
            assert_eq!(PeerCertificate::read(&CertificateDer::from(bytes)), Err(InvalidCertificate));
        }
    }
}
