//! What is said to a driver and what it says: one JSON object a line (`tests/clients/README.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A service in a Nacos.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SdkService {
    /// Namespace id.
    pub namespace: String,
    /// Group.
    pub group: String,
    /// Name without group.
    pub service: String,
}

impl SdkService {
    /// A service of the default group in namespace `public`.
    pub fn public(service: impl Into<String>) -> Self {
        Self { namespace: "public".into(), group: "DEFAULT_GROUP".into(), service: service.into() }
    }
}

/// A configuration item in a Nacos.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SdkConfig {
    /// Namespace id.
    pub namespace: String,
    /// Group.
    pub group: String,
    /// Data id.
    pub data_id: String,
}

impl SdkConfig {
    /// An item of the default group in namespace `public`.
    pub fn public(data_id: impl Into<String>) -> Self {
        Self { namespace: "public".into(), group: "DEFAULT_GROUP".into(), data_id: data_id.into() }
    }
}

/// An instance as an SDK registers and reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SdkInstance {
    /// Address.
    pub ip: String,
    /// Port.
    pub port: u16,
    /// Weight, 0 to 10,000.
    pub weight: f64,
    /// Healthy.
    pub healthy: bool,
    /// Enabled: a disabled instance reaches no subscriber.
    pub enabled: bool,
    /// Gone with its connection.
    pub ephemeral: bool,
    /// Nacos's cluster name.
    pub cluster: String,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl SdkInstance {
    /// A healthy, enabled, ephemeral instance of weight 1 in Nacos's cluster `DEFAULT`, without metadata.
    pub fn new(ip: impl Into<String>, port: u16) -> Self {
        Self {
            ip: ip.into(),
            port,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster: "DEFAULT".into(),
            metadata: BTreeMap::new(),
        }
    }
}

/// The services of one group, as an SDK lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SdkServiceList {
    /// How many there are.
    pub count: u64,
    /// The first hundred.
    pub names: Vec<String>,
}

/// Something an SDK reported by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SdkEvent {
    /// A subscribed service's instances, all of them.
    Instances {
        /// When the SDK said so, ms since 1970.
        at: f64,
        /// Whose.
        #[serde(flatten)]
        service: SdkService,
        /// All of them.
        instances: Vec<SdkInstance>,
    },
    /// A listened configuration item's content.
    Config {
        /// When the SDK said so, ms since 1970.
        at: f64,
        /// Which.
        #[serde(flatten)]
        config: SdkConfig,
        /// The content; none for a removed item, with SDKs that report that.
        content: Option<String>,
    },
}

/// What a driver is asked to do.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Order<'a> {
    Register {
        #[serde(flatten)]
        service: &'a SdkService,
        instance: &'a SdkInstance,
    },
    Deregister {
        #[serde(flatten)]
        service: &'a SdkService,
        instance: &'a SdkInstance,
    },
    Batch {
        #[serde(flatten)]
        service: &'a SdkService,
        instances: &'a [SdkInstance],
    },
    Subscribe {
        #[serde(flatten)]
        service: &'a SdkService,
    },
    Unsubscribe {
        #[serde(flatten)]
        service: &'a SdkService,
    },
    List {
        #[serde(flatten)]
        service: &'a SdkService,
    },
    SelectOne {
        #[serde(flatten)]
        service: &'a SdkService,
    },
    ServiceList {
        namespace: &'a str,
        group: &'a str,
    },
    PublishConfig {
        #[serde(flatten)]
        config: &'a SdkConfig,
        content: &'a str,
    },
    PublishConfigCas {
        #[serde(flatten)]
        config: &'a SdkConfig,
        content: &'a str,
        md5: &'a str,
    },
    RemoveConfig {
        #[serde(flatten)]
        config: &'a SdkConfig,
    },
    GetConfig {
        #[serde(flatten)]
        config: &'a SdkConfig,
    },
    ListenConfig {
        #[serde(flatten)]
        config: &'a SdkConfig,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Command<'a> {
    pub(super) id: u64,
    pub(super) connection: &'a str,
    #[serde(flatten)]
    pub(super) order: Order<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) at: f64,
    #[serde(default)]
    pub(super) value: Value,
    pub(super) error: Option<String>,
}

/// A line of a driver.
#[derive(Debug)]
pub(super) enum Line {
    Answer(Answer),
    Event(SdkEvent),
}

pub(super) fn decode_line(line: &str) -> serde_json::Result<Line> {
    let document: Value = serde_json::from_str(line)?;
    match document.get("event") {
        Some(_) => serde_json::from_value(document).map(Line::Event),
        None => serde_json::from_value(document).map(Line::Answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_flat_object() {
        let service = SdkService::public("s");
        let order = Order::Register { service: &service, instance: &SdkInstance::new("10.0.0.1", 80) };
        let line = serde_json::to_string(&Command { id: 7, connection: "a", order }).unwrap();
        let want = r#"{"id":7,"connection":"a","op":"register","namespace":"public","group":"DEFAULT_GROUP","service":"s","instance":{"ip":"10.0.0.1","port":80,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"cluster":"DEFAULT","metadata":{}}}"#;
        assert_eq!(line, want);
    }

    #[test]
    fn answers_and_events_are_told_apart() {
        let answer = decode_line(r#"{"id":7,"at":1.5,"error":"no"}"#).unwrap();
        assert!(matches!(answer, Line::Answer(Answer { id: 7, error: Some(_), .. })));
        let event =
            r#"{"event":"config","at":1.5,"namespace":"public","group":"DEFAULT_GROUP","data_id":"d","content":"c"}"#;
        let Line::Event(SdkEvent::Config { config, content, .. }) = decode_line(event).unwrap() else { panic!() };
        assert_eq!((config, content.as_deref()), (SdkConfig::public("d"), Some("c")));
    }
}
