//! Values of the core that are written as a section with fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::locality::Locality;
use federation_core::namespaces::Namespaces;
use federation_core::pattern::{ConfigPattern, ServicePattern};

use crate::reader::{FieldPlace, MappingFields, ReadValue};
use crate::table::{TableSection, ValueKind, default};

impl ReadValue for Locality {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let region = place_name(fields, "region");
            let zone = place_name(fields, "zone");
            let sub_zone = place_name(fields, "sub_zone");
            let network = place_name(fields, "network");
            let (region, zone, sub_zone) = (region?, zone?, sub_zone?);
            if zone.is_some() && region.is_none() {
                fields.mistake("region", "a required field is missing", "the region of `zone`");
            }
            if sub_zone.is_some() && zone.is_none() {
                fields.mistake("zone", "a required field is missing", "the zone of `sub_zone`");
            }
            Some(Self { region, zone, sub_zone, network: network? })
        })
    }
}

/// A name of a place, unless it is left out: compared with those of others, so that blanks around it or a slash in it would make it another's.
fn place_name(fields: &mut MappingFields<'_>, name: &'static str) -> Option<Option<Arc<str>>> {
    let Some(text) = fields.maybe::<String>(name)? else { return Some(None) };
    let problem = match &*text {
        "" => "an empty text",
        text if text.trim() != text => "a text with blanks around it",
        text if text.contains('/') => "a text with a slash",
        _ => return Some(Some(text.into())),
    };
    fields.mistake(name, problem, "a name without / and without blanks around it; leave out what is not known");
    None
}

/// What a [`ServicePattern`] is read from.
pub static SERVICE_NAMES: TableSection = TableSection {
    about: "Names services; all three patterns have to match.",
    fields: &[
        default("namespace", ValueKind::GlobOrEmpty, r#""*""#, "Of the namespace's id."),
        default("group", ValueKind::Glob, r#""*""#, "Of the group."),
        default("service", ValueKind::Glob, r#""*""#, "Of the service's name."),
    ],
};

/// What a [`ConfigPattern`] is read from.
pub static CONFIG_NAMES: TableSection = TableSection {
    about: "Names config items; all three patterns have to match.",
    fields: &[
        default("namespace", ValueKind::GlobOrEmpty, r#""*""#, "Of the namespace's id."),
        default("group", ValueKind::Glob, r#""*""#, "Of the group."),
        default("data_id", ValueKind::Glob, r#""*""#, "Of the data id."),
    ],
};

impl ReadValue for ServicePattern {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let namespace = fields.get("namespace");
            let group = fields.get("group");
            let service = fields.get("service");
            Some(Self { namespace: namespace?, group: group?, service: service? })
        })
    }
}

impl ReadValue for ConfigPattern {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let namespace = fields.get("namespace");
            let group = fields.get("group");
            let data_id = fields.get("data_id");
            Some(Self { namespace: namespace?, group: group?, data_id: data_id? })
        })
    }
}

impl ReadValue for Namespaces {
    /// Two local namespaces of one name would mix their services, where the same name may mean two things.
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let names = BTreeMap::<String, String>::read(place)?;
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let mistakes_before = place.mistakes.count();
        for (local, federated) in &names {
            if let Some(other) = taken.insert(federated, local) {
                let problem = format!("`{federated}` is also the name of {other}");
                place.add_below(local, &problem, "a name of its own for each local namespace");
            }
        }
        if place.mistakes.count() > mistakes_before {
            return None;
        }
        Some(names.into_iter().collect())
    }
}
