//! Identities: clusters, services, instances and config items, as every gateway of a federation names them.
//!
//! Keys are cheap to clone (one shared allocation each) and ordered by their fields' bytes, so that every list that is
//! sorted by them is the same on every gateway.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::host::Host;

/// A member of the federation: one Nacos deployment and the gateways beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(Arc<str>);

/// The federation that clusters join; a part of every topic name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FederationId(Arc<str>);

/// A text that cannot be an id, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an id: 1 to 63 characters of a-z, 0-9 and - are needed, because it becomes a part of topic names and labels"
)]
pub struct InvalidId {
    /// The text as it was given.
    pub text: String,
}

fn parse_id(text: &str) -> Result<Arc<str>, InvalidId> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let valid = (1..=63).contains(&text.len()) && text.bytes().all(legal);
    valid.then(|| text.into()).ok_or_else(|| InvalidId { text: text.into() })
}

macro_rules! text_id {
    ($id:ident) => {
        impl $id {
            /// The id as text, 1 to 63 bytes of `[a-z0-9-]`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $id {
            type Err = InvalidId;
            /// Accepts 1 to 63 bytes of `[a-z0-9-]`: the id becomes a part of a topic name and a metric label.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_id(text).map(Self)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(ClusterId);
text_id!(FederationId);

/// Name of a service: namespace, group and service, always all three. Over gRPC Nacos keeps the namespaces `""` and
/// `public` apart, and so does this key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey(Name);

impl ServiceKey {
    /// A key of the three parts as Nacos has them; any text is legal, the empty one too.
    #[must_use]
    pub fn new(namespace: &str, group: &str, service: &str) -> Self {
        Self(Name::new(namespace, group, service))
    }

    /// The namespace's id.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.parts().0
    }

    /// The group's name, `DEFAULT_GROUP` where the registrant named none.
    #[must_use]
    pub fn group(&self) -> &str {
        self.0.parts().1
    }

    /// The service's name without its group.
    #[must_use]
    pub fn service(&self) -> &str {
        self.0.parts().2
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@@{}", self.namespace(), self.group(), self.service())
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey({self})")
    }
}

/// Which instance of a service: Nacos tells instances apart by address and Nacos cluster, so that the same address in
/// two Nacos clusters of one service is two instances. The address counts as it was registered, spelling by spelling, as in Nacos: it is
/// a part of the log's keys. Whoever compares or prints addresses takes [`InstanceId::host`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InstanceId {
    /// IPv4, IPv6 or a host name, as it was registered.
    pub ip: Arc<str>,
    /// 0 to 65535.
    pub port: u16,
    /// Nacos's `clusterName`, `DEFAULT` where the registrant named none.
    pub nacos_cluster: Arc<str>,
}

impl InstanceId {
    /// An id of the three parts as Nacos has them.
    #[must_use]
    pub fn new(ip: &str, port: u16, nacos_cluster: &str) -> Self {
        Self { ip: ip.into(), port, nacos_cluster: nacos_cluster.into() }
    }

    /// The registered address as a host: equal for every spelling of one address.
    #[must_use]
    pub fn host(&self) -> Host {
        Host::parse(&self.ip)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.host().with_port(self.port), self.nacos_cluster)
    }
}

/// Name of a config item: namespace, group and data id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigKey(Name);

impl ConfigKey {
    /// A key of the three parts as Nacos has them.
    #[must_use]
    pub fn new(namespace: &str, group: &str, data_id: &str) -> Self {
        Self(Name::new(namespace, group, data_id))
    }

    /// The namespace's id.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.parts().0
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        self.0.parts().1
    }

    /// The item's data id.
    #[must_use]
    pub fn data_id(&self) -> &str {
        self.0.parts().2
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace(), self.group(), self.data_id())
    }
}

impl fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigKey({self})")
    }
}

/// What a Nacos is asked about, and tells of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObservedSubject {
    /// A service.
    Service(ServiceKey),
    /// A config item.
    Config(ConfigKey),
}

impl ObservedSubject {
    /// The namespace that it is in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Service(key) => key.namespace(),
            Self::Config(key) => key.namespace(),
        }
    }
}

impl fmt::Display for ObservedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => key.fmt(f),
            Self::Config(key) => key.fmt(f),
        }
    }
}

/// Namespace, group and a name of its own, one after the other in one piece of memory: a lookup in a large map reads each of
/// them, and each piece that is far away costs as much as all else.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    text: Arc<str>,
    group_at: u32,
    own_at: u32,
}

impl Name {
    fn new(namespace: &str, group: &str, own: &str) -> Self {
        let at = |length: usize| u32::try_from(length).expect("names are shorter than 4 GiB");
        let (group_at, own_at) = (at(namespace.len()), at(namespace.len() + group.len()));
        Self { text: [namespace, group, own].concat().into(), group_at, own_at }
    }

    fn parts(&self) -> (&str, &str, &str) {
        let (namespace, rest) = self.text.split_at(self.group_at as usize);
        let (group, own) = rest.split_at((self.own_at - self.group_at) as usize);
        (namespace, group, own)
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_63_lowercase_letters_digits_and_dashes() {
        let longest = "a".repeat(63);
        for legal in ["a", "shanghai", "cn-east-1", longest.as_str()] {
            assert_eq!(legal.parse::<ClusterId>().map(|id| id.to_string()), Ok(legal.to_owned()));
        }
        let too_long = "a".repeat(64);
        for illegal in ["", "Shanghai", "a_b", "a.b", "ä", too_long.as_str()] {
            assert!(illegal.parse::<ClusterId>().is_err(), "{illegal:?}");
        }
    }

    #[test]
    fn an_instance_id_prints_an_ipv6_address_in_brackets_however_it_was_registered() {
        for (ip, want) in [
            ("10.0.0.1", "10.0.0.1:80@DEFAULT"),
            ("2001:db8::1", "[2001:db8::1]:80@DEFAULT"),
            ("[2001:DB8::1]", "[2001:db8::1]:80@DEFAULT"),
        ] {
            assert_eq!(InstanceId::new(ip, 80, "DEFAULT").to_string(), want);
        }
        let spelt = |ip| InstanceId::new(ip, 80, "DEFAULT");
        assert_ne!(spelt("2001:db8::1"), spelt("[2001:db8::1]"), "keys of the log stay as they were registered");
        assert_eq!(spelt("2001:db8::1").host(), spelt("[2001:db8::1]").host());
    }

    #[test]
    fn keys_sort_by_namespace_then_group_then_name() {
        let mut keys = [ServiceKey::new("b", "a", "a"), ServiceKey::new("a", "b", "a"), ServiceKey::new("a", "a", "b")];
        keys.sort();
        let shown: Vec<String> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a/a@@b", "a/b@@a", "b/a@@a"]);
    }

    #[test]
    fn the_same_letters_in_other_parts_are_another_key() {
        let keys = [("ab", "c", ""), ("a", "bc", ""), ("a", "b", "c"), ("", "", "abc"), ("ä", "", "bc")]
            .map(|(namespace, group, service)| ServiceKey::new(namespace, group, service));
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        let mut hashed = crate::seed::Seed(1).set();
        hashed.extend(keys.iter());
        assert_eq!((different.len(), hashed.len()), (keys.len(), keys.len()));
        assert_eq!((keys[4].namespace(), keys[4].group(), keys[4].service()), ("ä", "", "bc"));
        assert!(keys[1] < keys[0] && ServiceKey::new("a", "", "z") < keys[2], "parts are compared, not the whole text");
    }
}
