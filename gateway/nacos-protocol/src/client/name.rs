//! What calls and events are about: the full name of a service or of a config item.

use std::fmt;

use crate::message::config::{ConfigContext, ConfigListenContext};

/// A service with its namespace and group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Namespace id. `""` and `public` are two namespaces here.
    pub namespace: String,
    /// Group, without the service.
    pub group: String,
    /// Service, without the group.
    pub service: String,
}

impl ServiceName {
    /// Puts the three parts together.
    pub fn new(namespace: impl Into<String>, group: impl Into<String>, service: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), group: group.into(), service: service.into() }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}@@{}", self.namespace, self.group, self.service)
    }
}

/// A config item with its namespace and group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigName {
    /// Namespace id. `""` and `public` are the same namespace on 3.x; on 2.x they are two, of which the HTTP API shows `""`. Events repeat
    /// what was asked for.
    pub namespace: String,
    /// Group.
    pub group: String,
    /// Data id.
    pub data_id: String,
}

impl ConfigName {
    /// Puts the three parts together.
    pub fn new(namespace: impl Into<String>, group: impl Into<String>, data_id: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), group: group.into(), data_id: data_id.into() }
    }

    /// The same item under the other name of the default namespace.
    pub(super) fn alias(&self) -> Option<Self> {
        let namespace = match &*self.namespace {
            "" => "public",
            "public" => "",
            _ => return None,
        };
        Some(Self { namespace: namespace.to_owned(), ..self.clone() })
    }

    pub(super) fn listen_context(&self, md5: &str) -> ConfigListenContext {
        ConfigListenContext {
            group: self.group.clone(),
            md5: md5.to_owned(),
            data_id: self.data_id.clone(),
            tenant: self.namespace.clone(),
        }
    }
}

impl From<ConfigContext> for ConfigName {
    fn from(context: ConfigContext) -> Self {
        Self { namespace: context.tenant, group: context.group, data_id: context.data_id }
    }
}

impl fmt::Display for ConfigName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.namespace, self.group, self.data_id)
    }
}
