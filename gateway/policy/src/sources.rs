//! Where policies come from, as the configuration says.

use std::path::PathBuf;

use federation_document::reader::{FieldPlace, ReadValue};

/// Where policies come from. The config item counts before the file, the file before the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySources {
    /// A document on disk.
    pub file: Option<PathBuf>,
    /// A document in the local Nacos, where it is looked for; it need not exist.
    pub item: Option<PolicyItem>,
}

/// A config item of the local Nacos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyItem {
    /// Its namespace's local id.
    pub namespace: String,
    /// Its group, not empty.
    pub group: String,
    /// Its data id, not empty.
    pub data_id: String,
}

impl ReadValue for PolicySources {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let file = fields.maybe("file");
            let item = fields.get::<WantedItem>("config");
            Some(Self { file: file?, item: item?.0 })
        })
    }
}

/// None where `enabled: false`.
struct WantedItem(Option<PolicyItem>);

impl ReadValue for WantedItem {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let enabled = fields.get::<bool>("enabled");
            let namespace = fields.get("namespace");
            let group = fields.filled("group", "the name of a group");
            let data_id = fields.filled("data_id", "a data id");
            let item = PolicyItem { namespace: namespace?, group: group?, data_id: data_id? };
            Some(Self(enabled?.then_some(item)))
        })
    }
}
