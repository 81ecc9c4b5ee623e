//! Where a server listens: `host:port` of its HTTP API, from which the gRPC port follows.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Port that Nacos takes by default.
const DEFAULT_PORT: u16 = 8848;

/// A server by name or address. Names are resolved anew at each connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    host: String,
    port: u16,
}

/// Text that is no server address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a server address: expected host, host:port, ip:port or [ipv6]:port")]
pub struct InvalidServerAddress {
    text: String,
}

impl ServerAddress {
    /// Host name or IP address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port of the HTTP API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` for a URL, with brackets where they are needed.
    pub fn authority(&self, port: u16) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{port}"),
            Err(_) => format!("{}:{port}", self.host),
        }
    }
}

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    /// Accepts `host`, `host:port`, `ipv4:port`, `[ipv6]:port` and a bare IPv6 address; the port is 8848 where none is said.
    fn from_str(text: &str) -> Result<Self, InvalidServerAddress> {
        let invalid = || InvalidServerAddress { text: text.to_owned() };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port: DEFAULT_PORT });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(invalid)?;
                let address = host.parse::<Ipv6Addr>().map_err(|_| invalid())?;
                (
                    address.to_string(),
                    if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(invalid)?) },
                )
            }
            None => {
                let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                (host.to_ascii_lowercase(), port)
            }
        };
        let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| invalid()))?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let valid = !host.is_empty() && host.chars().all(legal) && port != 0;
        valid.then_some(Self { host, port }).ok_or_else(invalid)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.authority(self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        for (text, want) in [
            ("127.0.0.1:8848", Some(("127.0.0.1", 8848))),
            ("nacos-0.nacos", Some(("nacos-0.nacos", 8848))),
            ("nacos:80", Some(("nacos", 80))),
            ("[::1]:9000", Some(("::1", 9000))),
            ("[fe80::1]", Some(("fe80::1", 8848))),
            ("::1", Some(("::1", 8848))),
            ("", None),
            (":8848", None),
            ("a b:1", None),
            ("host:0", None),
            ("host:70000", None),
            ("[::1", None),
            ("[::1]8848", None),
            ("http://host:8848", None),
        ] {
            let read = text.parse::<ServerAddress>().ok();
            assert_eq!(read.as_ref().map(|address| (address.host(), address.port())), want, "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_gets_its_brackets_back() {
        let address: ServerAddress = "::1".parse().unwrap();
        assert_eq!((address.to_string(), address.authority(9848)), ("[::1]:8848".into(), "[::1]:9848".into()));
        let spelt = |text: &str| text.parse::<ServerAddress>().unwrap();
        assert_eq!(spelt("[2001:0DB8::0:1]:8848"), spelt("2001:db8::1"), "one server, however it is spelt");
        assert_eq!(spelt("Nacos-0:8848"), spelt("nacos-0"));
    }
}
