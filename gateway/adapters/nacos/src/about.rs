//! What a call to Nacos is about: troubles are kept by it, and shown until that very thing works again.

use std::fmt;

use nacos_protocol::client::{ConfigName, ServiceName};

use super::names::PUBLIC;

/// The concern of one call. Names are local ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About<'a> {
    /// All of Nacos.
    Everything,
    /// One namespace.
    Namespace(&'a str),
    /// One group of a namespace.
    Group(&'a str, &'a str),
    /// One service.
    Service(&'a ServiceName),
    /// One config item.
    Config(&'a ConfigName),
    /// Config items that 2.x keeps under `public`, apart from the default namespace.
    ItemsApart,
}

impl About<'_> {
    /// What rights are given to: a group of services or config items, or a whole namespace. A refusal is told of this.
    pub(super) fn scope(&self) -> String {
        match self {
            Self::Service(service) => About::Group(&service.namespace, &service.group).to_string(),
            Self::Config(config) => About::Group(default_by_name(&config.namespace), &config.group).to_string(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for About<'_> {
    /// Different for different concerns of one call; empty for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => Ok(()),
            Self::Namespace("") => f.write_str("the nameless namespace"),
            Self::Namespace(namespace) => f.write_str(namespace),
            Self::Group(namespace, group) => write!(f, "{namespace}/{group}"),
            Self::Service(service) => write!(f, "{service}"),
            // `""` and `public` are listed and read as two on 2.x.
            Self::Config(config) => write!(f, "{}/{}/{}", config.namespace, config.group, config.data_id),
            Self::ItemsApart => f.write_str("what is written under \"public\""),
        }
    }
}

fn default_by_name(namespace: &str) -> &str {
    if namespace.is_empty() { PUBLIC } else { namespace }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerns_differ_and_rights_are_of_groups() {
        let services = [ServiceName::new("dev", "G", "a"), ServiceName::new("dev", "G", "b")];
        let [one, other] = [About::Service(&services[0]), About::Service(&services[1])];
        assert_ne!(one.to_string(), other.to_string());
        assert_eq!((one.scope(), other.scope()), ("dev/G".to_owned(), "dev/G".to_owned()));
        let items = [ConfigName::new("", "G", "a"), ConfigName::new("public", "G", "a")];
        let [nameless, public] = [About::Config(&items[0]), About::Config(&items[1])];
        assert_ne!(nameless.to_string(), public.to_string());
        assert_eq!(nameless.scope(), public.scope());
        assert_eq!(About::Namespace("dev").scope(), "dev");
    }
}
