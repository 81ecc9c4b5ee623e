//! What the control topic of a cluster says: its replicas, who leads, and what the cluster is (rules R7, R8, R13); what operators want (rule R24); and what the guard
//! holds (rule R12).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::guard::{GuardEntry, GuardTarget};
use crate::intents::{DrainIntent, DrainTarget};
use crate::locality::Locality;
use crate::log::reading::Reading;
use crate::log::record::Epoch;
use crate::time::Millis;

/// Key of a control topic's record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ControlKey {
    /// `replica/<nonce as 8 hexadecimal digits>`: written by that process alone.
    Replica(u32),
    /// `descriptor`
    Descriptor,
    /// `intent/drain/<target>` (rule R24).
    Drain(DrainTarget),
    /// `guard/<cluster>/<namespace>`: what is said of a hold of that cluster (rule R12).
    Guard(GuardTarget),
    /// A key of a later version, or not a key: ignored.
    Other,
}

const DRAIN: &str = "intent/drain/";
const GUARD: &str = "guard/";

impl ControlKey {
    /// Reads the key of a control topic's record.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else { return Self::Other };
        if text == "descriptor" {
            return Self::Descriptor;
        }
        if let Some(target) = text.strip_prefix(DRAIN) {
            return target.parse().map_or(Self::Other, Self::Drain);
        }
        if let Some(target) = text.strip_prefix(GUARD) {
            return target.parse().map_or(Self::Other, Self::Guard);
        }
        let nonce = text.strip_prefix("replica/").filter(|hex| hex.len() == 8 && !hex.starts_with('+'));
        nonce.and_then(|hex| u32::from_str_radix(hex, 16).ok()).map_or(Self::Other, Self::Replica)
    }

    /// The key's text; `None` for keys that this version does not write.
    #[must_use]
    pub fn encode(&self) -> Option<String> {
        match self {
            Self::Replica(nonce) => Some(format!("replica/{nonce:08x}")),
            Self::Descriptor => Some("descriptor".to_owned()),
            Self::Drain(target) => Some(format!("{DRAIN}{target}")),
            Self::Guard(target) => Some(format!("{GUARD}{target}")),
            Self::Other => None,
        }
    }
}

/// Value of a control topic's record.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ControlValue {
    /// Value of a `replica/…` key.
    Replica(ReplicaRecord),
    /// Value of the key `descriptor`.
    Descriptor(Descriptor),
    /// Value of an `intent/drain/…` key.
    Drain(DrainIntent),
    /// Value of a `guard/…` key.
    Guard(GuardEntry),
    /// Bytes that this version cannot read.
    Unreadable,
}

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaRecord {
    /// Its part.
    pub state: ReplicaState,
    /// The epoch it leads, or last led or knew.
    pub epoch: Epoch,
    /// Grows by one with each record of this process.
    pub beat: u64,
    /// Whether every exported service has answered since its connection to Nacos began.
    pub warm: bool,
    /// Time since its Nacos last said anything; `None` if it never did.
    pub nacos_age: Option<Millis>,
    /// Age of its oldest change that is not in the log yet; zero if there is none.
    pub unpublished_age: Millis,
    /// What it takes its cluster to be.
    pub descriptor: Descriptor,
    /// Name for people.
    pub name: Arc<str>,
    /// Where its HTTP API is reached, for people; may be empty.
    pub advertised: Arc<str>,
    /// What it finds wrong, for people.
    pub complaints: Vec<Arc<str>>,
    /// What it has of every origin that it reads; empty if it does not say.
    pub readings: Vec<Reading>,
}

/// The part that a replica plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ReplicaState {
    /// Reads, serves, and would take over.
    Standby,
    /// Claims to lead.
    Leader,
    /// Ended in order: nobody need wait for its silence.
    Stopped,
    /// Its cluster is described differently: it never leads.
    Stranger,
}

/// What a cluster is (rule R13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Descriptor {
    /// Where it runs.
    pub locality: Locality,
    /// Addresses of its Nacos servers.
    pub nacos_servers: Vec<Arc<str>>,
    /// Partitions of each data topic, at least 1.
    pub partitions: u32,
    /// Generation of the topics, from 1.
    pub generation: u32,
    /// The highest schema of records that it reads.
    pub reads_schema: u16,
    /// Where its instances are reached from other networks: network to `host` or `host:port`.
    pub advertise: BTreeMap<Arc<str>, Arc<str>>,
    /// The public key by which its orders are signed, as text; `None` if they are not. Only told: whoever reads it has to pin it to believe it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub signing_key: Option<Arc<str>>,
}
