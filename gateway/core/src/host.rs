//! Hosts: where something listens, in one canonical form.
//!
//! An IPv6 address has many legal spellings (`2001:db8::1`, `2001:0DB8:0:0:0:0:0:1`, `[2001:db8::1]`), and Nacos keeps the one that the registrant
//! chose. Comparing spellings takes one address for two; joining one with a port by text makes `[[2001:db8::1]]:80` of it. So text becomes a [`Host`]
//! once, hosts are compared as hosts, and brackets are put where a port follows, and nowhere else.
//!
//! Input: any text, because Nacos takes any. Output: a host; what is no IP address is a name. Invariants: parsing what a host prints gives that host;
//! two spellings of one IP address are one host, as are two spellings of one name in different case.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// An IP address or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    /// Canonical, without brackets and blanks around.
    text: Arc<str>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    V4,
    V6,
    Name,
}

/// A host with a port as text; see [`Host::with_port`].
#[derive(Clone, Copy, Debug)]
pub struct WithPort<'a> {
    host: &'a Host,
    port: u16,
}

impl Host {
    /// Takes any text: an IPv6 address with or without brackets, with or without a zone (`fe80::1%eth0`), an IPv4 address, or else a name, of which
    /// the case of ASCII letters does not count. Shares `text` where it is canonical already, as nearly all are.
    #[must_use]
    pub fn parse(text: &Arc<str>) -> Self {
        let (canonical, form) = canonical(text);
        let text = if *canonical == **text { Arc::clone(text) } else { canonical.into() };
        Self { text, form }
    }

    /// The host as text without brackets: what a client resolves or connects to.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether it is nothing but blanks: Nacos takes that, and nobody can call it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a port behind it takes brackets around it.
    #[must_use]
    pub fn takes_brackets(&self) -> bool {
        self.form == Form::V6
    }

    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn with_port(&self, port: u16) -> WithPort<'_> {
        WithPort { host: self, port }
    }
}

impl From<&str> for Host {
    fn from(text: &str) -> Self {
        let (text, form) = canonical(text);
        Self { text: text.into(), form }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for WithPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.form {
            Form::V6 => write!(f, "[{}]:{}", self.host.text, self.port),
            Form::V4 | Form::Name => write!(f, "{}:{}", self.host.text, self.port),
        }
    }
}

fn canonical(text: &str) -> (Cow<'_, str>, Form) {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Some(v6) = v6(bare) {
        return (v6, Form::V6);
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return (text.into(), Form::V4); // Only one spelling is read: none with leading zeros, which others read as octal.
    }
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    (if upper { text.to_ascii_lowercase().into() } else { text.into() }, Form::Name)
}

fn v6(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(':') {
        return None; // By far the most: not worth a parser.
    }
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let mut canonical = address.parse::<Ipv6Addr>().ok()?.to_string();
    if let Some(zone) = zone {
        canonical.push('%');
        canonical.push_str(zone);
    }
    Some(if canonical == text { text.into() } else { canonical.into() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one_host_and_gets_brackets_only_before_a_port() {
        for (spellings, text, with_port) in [
            (
                &["2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "[2001:db8::1]", "[2001:DB8:0::0:1]", " 2001:db8::1 "][..],
                "2001:db8::1",
                "[2001:db8::1]:80",
            ),
            (&["::1", "[::1]", "0:0:0:0:0:0:0:1"], "::1", "[::1]:80"),
            (&["fe80::1%eth0", "[FE80::0:1%eth0]"], "fe80::1%eth0", "[fe80::1%eth0]:80"),
            (&["::ffff:10.0.0.1", "::FFFF:a00:1"], "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80"),
            (&["10.0.0.1", " 10.0.0.1"], "10.0.0.1", "10.0.0.1:80"),
            (&["edge.example", "EDGE.example"], "edge.example", "edge.example:80"),
            (&["010.0.0.1"], "010.0.0.1", "010.0.0.1:80"),
            (&["", "  "], "", ":80"),
            (&["[10.0.0.1]"], "[10.0.0.1]", "[10.0.0.1]:80"),
        ] {
            for spelling in spellings {
                let host = Host::from(*spelling);
                assert_eq!((&*host.to_string(), &*host.with_port(80).to_string()), (text, with_port), "{spelling:?}");
                assert_eq!(host, Host::parse(&(*spelling).into()), "{spelling:?}");
            }
        }
        assert_ne!(Host::from("2001:db8::1"), Host::from("2001:db8::2"));
    }

    #[test]
    fn a_canonical_text_is_shared_and_not_copied() {
        for text in ["10.0.0.1", "edge.example", "2001:db8::1"] {
            let text: Arc<str> = text.into();
            assert!(Arc::ptr_eq(Host::parse(&text).text(), &text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv6_address_is_one_host_however_its_groups_are_written(groups: [u16; 8], upper: bool, bracketed: bool) {
            let address = Ipv6Addr::from(groups);
            let mut written = groups.map(|group| format!("{group:04x}")).join(":");
            if upper {
                written = written.to_uppercase();
            }
            if bracketed {
                written = format!("[{written}]");
            }
            let host = Host::from(&*written);
            prop_assert_eq!(&host, &Host::from(&*address.to_string()));
            prop_assert_eq!(host.with_port(8080).to_string(), core::net::SocketAddr::from((address, 8080)).to_string());
        }

        #[test]
        fn what_a_host_prints_is_that_host(text in "\\PC{0,40}") {
            let host = Host::from(&*text);
            prop_assert_eq!(Host::from(&*host.to_string()), host);
        }
    }
}
