//! Addresses as clusters and instances advertise them to other networks: `host` or `host:port`, IPv6 in brackets.

use core::net::Ipv6Addr;
use std::fmt;
use std::str::FromStr;

use crate::host::Host;

/// Longest host name in bytes, as in DNS.
const LONGEST_HOST_BYTES: usize = 253;

/// An address to be used from another network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdvertisedAddress {
    /// A name or an IP address.
    pub host: Host,
    /// 1 to 65535; `None` = the port of the instance.
    pub port: Option<u16>,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: host or host:port is needed, an IPv6 address in brackets")]
pub struct InvalidAddress {
    /// The text as it was given.
    pub text: String,
}

impl FromStr for AdvertisedAddress {
    type Err = InvalidAddress;
    /// `192.0.2.1`, `edge.example:8443`, `[2001:db8::1]:8443`. The port is 1 to 65535.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        parse(text).ok_or_else(|| InvalidAddress { text: text.into() })
    }
}

fn parse(text: &str) -> Option<AdvertisedAddress> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        let port = if rest.is_empty() { None } else { Some(port(rest.strip_prefix(':')?)?) };
        return Some(AdvertisedAddress { host: host.into(), port });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, digits)) => (host, Some(port(digits)?)),
        None => (text, None),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let valid = (1..=LONGEST_HOST_BYTES).contains(&host.len()) && host.bytes().all(legal);
    valid.then(|| AdvertisedAddress { host: host.into(), port })
}

fn port(digits: &str) -> Option<u16> {
    let numeric = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| numeric && *port > 0)
}

impl fmt::Display for AdvertisedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => self.host.with_port(port).fmt(f),
            None if self.host.takes_brackets() => write!(f, "[{}]", self.host),
            None => self.host.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("edge.example:8443", "edge.example", Some(8443)),
            ("my_ingress", "my_ingress", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:80", "2001:db8::1", Some(80)),
        ] {
            let address: AdvertisedAddress = text.parse().unwrap();
            assert_eq!((&**address.host.text(), address.port), (host, port));
            assert_eq!(address.to_string(), text);
        }
        let spelt: AdvertisedAddress = "[2001:0DB8::0:1]:80".parse().unwrap();
        assert_eq!(spelt, "[2001:db8::1]:80".parse().unwrap());
        assert_eq!(spelt.to_string(), "[2001:db8::1]:80");
        let long = "a".repeat(254);
        for refused in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:b",
            "a b",
            "http://a",
            "2001:db8::1",
            "[::1",
            "[::1]80",
            "[a]:80",
            "[[::1]]:80",
            "[ ::1]:80",
            "[]",
            "ä",
            long.as_str(),
        ] {
            assert!(refused.parse::<AdvertisedAddress>().is_err(), "{refused:?}");
        }
    }
}
