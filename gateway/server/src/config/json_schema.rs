//! The JSON Schema of configurations, derived from the table of fields, for editors.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::ROOT;
use super::{Mistakes, Shown};
use federation_document::table::{Field, Kind, Presence, Section};
use federation_document::tree;

/// JSON Schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = section(&ROOT);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of nacos-fed".into();
    schema
}

fn section(section: &Section) -> Value {
    let properties: BTreeMap<&str, Value> = section.fields.iter().map(|it| (it.name, field(it))).collect();
    let is_required = |it: &&Field| matches!(it.presence, Presence::Required);
    let required: Vec<&str> = section.fields.iter().filter(is_required).map(|it| it.name).collect();
    json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn field(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    schema["description"] = match &field.presence {
        Presence::Optional(without) => format!("{} Left out: {without}.", field.about).into(),
        Presence::Required | Presence::Default(_) => field.about.into(),
    };
    if let Presence::Default(yaml) = &field.presence
        && !matches!(field.kind, Kind::Section(_))
    {
        schema["default"] = default(yaml);
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    let plain = match kind {
        Kind::Text | Kind::Secret | Kind::LogFilter => return json!({"type": "string"}),
        Kind::Path => return json!({"type": "string", "minLength": 1}),
        Kind::Glob => return json!({"type": "string", "minLength": 1, "maxLength": 1024}),
        Kind::GlobOrEmpty => return json!({"type": "string", "maxLength": 1024}),
        Kind::Section(it) => return section(it),
        Kind::List { of, min_items } => {
            return json!({"type": "array", "items": self::kind(of), "minItems": min_items});
        }
        Kind::Map { of, .. } => return json!({"type": "object", "additionalProperties": self::kind(of)}),
        Kind::Property => return json!({"type": ["string", "number", "boolean"]}),
        Kind::Reserved => return json!({"type": "array", "maxItems": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Ratio => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Id => pattern("^[a-z0-9-]{1,63}$"),
        Kind::Duration { .. } => pattern("^[0-9]+(ms|s|m|h|d)$"),
        Kind::Bytes { .. } => pattern("^[0-9]+(B|KiB|MiB|GiB)$"),
        Kind::HostPort => pattern(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"),
        Kind::AdvertisedAddress => pattern(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"),
        Kind::SocketAddress => pattern(r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$"),
        Kind::Url => pattern("^https?://"),
        Kind::TopicPrefix => pattern("^[A-Za-z0-9._-]{0,100}$"),
        Kind::ContextPath => pattern("^(/[^?#]*[^/?#])?$"),
    };
    json!({"anyOf": [plain, {"type": "string", "pattern": r"\$\{"}]})
}

/// A text of this form; from the environment it may have any form, which is checked when it is expanded.
fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn default(yaml: &str) -> Value {
    let node =
        tree::parse(yaml, &mut Mistakes::default()).expect("every default of the table is YAML, which a test checks");
    serde_json::to_value(Shown::of(&node)).expect("what is shown has only text for names")
}
