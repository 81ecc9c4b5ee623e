//! Section `intents`: whose drains and decisions about holds count here, by which keys they are signed, and with which key the own are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use federation_codec::signature::OrderPublicKey;
use federation_core::id::ClusterId;
use federation_core::orders::rules::{AcceptRule, IntentRules, OrderKind};
use federation_core::pattern::{Glob, ServicePattern};
use federation_document::reader::{FieldPlace, MappingFields, ReadValue};

/// Whose orders count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentsConfig {
    /// What is accepted of other clusters; `None` for everything.
    pub accept: Option<Vec<AcceptRule>>,
    /// File with the private key of the own cluster.
    pub key_file: Option<PathBuf>,
    /// Public keys of clusters.
    pub keys: BTreeMap<ClusterId, Vec<OrderPublicKey>>,
    /// Whether orders of all clusters need a signature.
    pub require_signatures: bool,
}

impl IntentsConfig {
    /// The same for who decides.
    #[must_use]
    pub fn rules(&self) -> IntentRules {
        IntentRules {
            accept: self.accept.clone(),
            pinned: self.keys.keys().cloned().collect(),
            all_signed: self.require_signatures,
        }
    }
}

impl ReadValue for IntentsConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let accept = fields.maybe::<Vec<Accepted>>("accept");
            let signing = fields.maybe::<Signing>("signing");
            let keys = fields.get::<Vec<ClusterKeys>>("keys");
            let require_signatures = fields.get("require_signatures");
            let (signing, require_signatures) = (signing?, require_signatures?);
            if require_signatures && signing.is_none() {
                let right = "the own cluster's key in `signing`: its own orders need a signature, too";
                fields.mistake("require_signatures", "signatures are required, and none are made here", right);
                return None;
            }
            Some(Self {
                accept: accept?.map(|rules| rules.into_iter().map(|rule| rule.0).collect()),
                key_file: signing.map(|signing| signing.key_file),
                keys: by_cluster(fields, keys?)?,
                require_signatures,
            })
        })
    }
}

struct Accepted(AcceptRule);

impl ReadValue for Accepted {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let from = fields.get::<Vec<Glob>>("from");
            let orders = fields.get::<Vec<OrderWord>>("orders");
            let clusters = fields.get::<Vec<Glob>>("clusters");
            let services = fields.get::<Vec<ServicePattern>>("services");
            let itself = fields.get("itself");
            Some(Self(AcceptRule {
                from: from?,
                orders: orders?.into_iter().map(|word| word.0).collect(),
                clusters: clusters?,
                services: services?,
                itself: itself?,
            }))
        })
    }
}

/// What a rule is for, in a configuration.
pub(super) const ORDER_WORDS: [&str; 2] = ["drain", "guard"];

struct OrderWord(OrderKind);

impl ReadValue for OrderWord {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let word = place.choice()?;
        Some(Self(if word == ORDER_WORDS[0] { OrderKind::Drain } else { OrderKind::Guard }))
    }
}

struct Signing {
    key_file: PathBuf,
}

impl ReadValue for Signing {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| Some(Self { key_file: fields.get("key_file")? }))
    }
}

struct ClusterKeys {
    cluster: ClusterId,
    public_keys: Vec<PinnedKey>,
}

impl ReadValue for ClusterKeys {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let cluster = fields.get("cluster");
            let public_keys = fields.get("public_keys");
            Some(Self { cluster: cluster?, public_keys: public_keys? })
        })
    }
}

struct PinnedKey(OrderPublicKey);

impl ReadValue for PinnedKey {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let key = place.text()?.parse().ok();
        if key.is_none() {
            place.refuse_for("ed25519: and the base64 of 32 bytes, as nacos-fed signing-key prints it");
        }
        key.map(Self)
    }
}

/// A cluster that is named twice would have the keys of one place only in one reader's mind.
fn by_cluster(
    fields: &mut MappingFields<'_>,
    listed: Vec<ClusterKeys>,
) -> Option<BTreeMap<ClusterId, Vec<OrderPublicKey>>> {
    let mut keys = BTreeMap::new();
    for ClusterKeys { cluster, public_keys } in listed {
        let pinned: Vec<OrderPublicKey> = public_keys.into_iter().map(|key| key.0).collect();
        if keys.insert(cluster.clone(), pinned).is_some() {
            let problem = format!("{cluster} is named twice");
            fields.mistake("keys", &problem, "one entry for each cluster, with all of its keys");
            return None;
        }
    }
    Some(keys)
}
