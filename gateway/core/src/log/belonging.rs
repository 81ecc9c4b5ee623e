//! Whether two descriptors can be of one cluster (rule R13).
//!
//! A cluster is one Nacos in one place. Who is configured with the id of a cluster, and stands beside another Nacos or elsewhere, would
//! publish what it sees as that cluster's facts and remove what it does not see. What follows from a contradiction is decided elsewhere;
//! here is only what one is.
//!
//! Nacos says nothing of itself by which its clusters could be told apart: only the servers that a configuration names. So two replicas
//! that name no server in common contradict each other, also if their servers are nodes of one Nacos; and the same address names one
//! server, also if it is a loopback address on two hosts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::log::control::Descriptor;
use crate::time::Millis;

/// What two descriptors of one cluster contradict each other in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contradiction {
    /// Another region, zone, sub-zone or network.
    Locality,
    /// No Nacos server in common.
    NacosServers,
}

impl Contradiction {
    /// For people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Locality => "locality",
            Self::NacosServers => "nacosServers",
        }
    }
}

impl Descriptor {
    /// What the two contradict each other in; nothing if they can be of one cluster. A descriptor without partitions describes nothing, a
    /// list without servers names none: neither contradicts anything.
    #[must_use]
    pub fn contradictions(&self, other: &Self) -> Vec<Contradiction> {
        if self.partitions == 0 || other.partitions == 0 {
            return Vec::new();
        }
        let moved = (self.locality != other.locality).then_some(Contradiction::Locality);
        let (ours, theirs) = (self.servers(), other.servers());
        let apart = !ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs);
        moved.into_iter().chain(apart.then_some(Contradiction::NacosServers)).collect()
    }

    /// Its Nacos servers, each in one spelling.
    fn servers(&self) -> BTreeSet<String> {
        self.nacos_servers.iter().map(|server| one_spelling(server)).collect()
    }
}

fn one_spelling(server: &str) -> String {
    let server = server.trim().to_ascii_lowercase();
    let loopback = ["localhost:", "[::1]:"].into_iter().find_map(|host| server.strip_prefix(host));
    loopback.map_or_else(|| server.clone(), |port| format!("127.0.0.1:{port}"))
}

/// An adopted descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// What is in force now.
    pub descriptor: Descriptor,
    /// What was before.
    pub was: Option<Descriptor>,
}

/// Why a descriptor was not adopted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptRefused {
    /// The process is about to end.
    #[error("this gateway is stopping")]
    Stopping,
    /// What is in force is not known.
    #[error("the control topic has not been read to its end yet")]
    NotRead,
    /// The log cannot be reached.
    #[error("the log cannot be reached: {reason}")]
    Unreachable {
        /// For people.
        reason: Arc<str>,
    },
    /// It was written and not read back: it may still come into force.
    #[error("what was written did not come back within {} s", within.0 / 1000)]
    NotReadBack {
        /// How long that was waited for.
        within: Millis,
    },
    /// Another adoption is under way.
    #[error("another adoption is under way")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locality::Locality;

    fn descriptor(region: &str, servers: &[&str]) -> Descriptor {
        Descriptor {
            locality: Locality { region: Some(region.into()), ..Locality::default() },
            nacos_servers: servers.iter().map(|server| (*server).into()).collect(),
            partitions: 8,
            ..Descriptor::default()
        }
    }

    #[test]
    fn two_descriptors_are_of_one_cluster_if_they_name_one_place_and_a_server_in_common() {
        use Contradiction::{Locality, NacosServers};
        let here = descriptor("eu", &["n1:8848", "n2:8848"]);
        for (what, other, want) in [
            ("the same", here.clone(), vec![]),
            ("lists that share a server", descriptor("eu", &["n2:8848", "n3:8848"]), vec![]),
            ("another spelling", descriptor("eu", &[" N1:8848"]), vec![]),
            ("another nacos", descriptor("eu", &["m1:8848"]), vec![NacosServers]),
            ("another port", descriptor("eu", &["n1:8849"]), vec![NacosServers]),
            ("another place", descriptor("cn", &["n1:8848"]), vec![Locality]),
            ("both", descriptor("cn", &["m1:8848"]), vec![Locality, NacosServers]),
            ("no servers", descriptor("eu", &[]), vec![]),
            ("nothing at all", Descriptor::default(), vec![]),
            ("more partitions, other addresses", Descriptor { partitions: 16, ..here.clone() }, vec![]),
        ] {
            assert_eq!(here.contradictions(&other), want, "{what}");
            assert_eq!(other.contradictions(&here), want, "{what}, seen from there");
        }
    }

    #[test]
    fn a_loopback_address_has_one_spelling_and_says_nothing_of_the_host() {
        let at = |server: &str| descriptor("eu", &[server]);
        for other in ["localhost:8848", "[::1]:8848", "LOCALHOST:8848"] {
            assert_eq!(at("127.0.0.1:8848").contradictions(&at(other)), [], "{other}");
        }
        assert_eq!(at("127.0.0.1:8848").contradictions(&at("localhost:8858")), [Contradiction::NacosServers]);
        assert_eq!(at("127.0.0.1:8848").contradictions(&at("n1:8848")), [Contradiction::NacosServers]);
        assert_eq!(at("embedded").contradictions(&at("embedded")), []);
    }
}
