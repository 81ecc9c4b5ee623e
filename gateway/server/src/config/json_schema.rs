//! The JSON Schema of configurations, derived from the table of fields, for editors.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::ROOT;
use super::{Mistakes, ShownValue};
use federation_document::table::{FieldPresence, TableField, TableSection, ValueKind};
use federation_document::tree;

/// JSON Schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = section(&ROOT);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of nacos-fed".into();
    schema
}

fn section(section: &TableSection) -> Value {
    let properties: BTreeMap<&str, Value> = section.fields.iter().map(|it| (it.name, field(it))).collect();
    let is_required = |it: &&TableField| matches!(it.presence, FieldPresence::Required);
    let required: Vec<&str> = section.fields.iter().filter(is_required).map(|it| it.name).collect();
    json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn field(field: &TableField) -> Value {
    let mut schema = kind(&field.kind);
    schema["description"] = match &field.presence {
        FieldPresence::Optional(without) => format!("{} Left out: {without}.", field.about).into(),
        FieldPresence::Required | FieldPresence::Default(_) => field.about.into(),
    };
    if let FieldPresence::Default(yaml) = &field.presence
        && !matches!(field.kind, ValueKind::Section(_))
    {
        schema["default"] = default(yaml);
    }
    schema
}

fn kind(kind: &ValueKind) -> Value {
    let plain = match kind {
        ValueKind::Text | ValueKind::Secret | ValueKind::LogFilter => return json!({"type": "string"}),
        ValueKind::Path => return json!({"type": "string", "minLength": 1}),
        ValueKind::Glob => return json!({"type": "string", "minLength": 1, "maxLength": 1024}),
        ValueKind::GlobOrEmpty => return json!({"type": "string", "maxLength": 1024}),
        ValueKind::Section(it) => return section(it),
        ValueKind::List { of, min_items } => {
            return json!({"type": "array", "items": self::kind(of), "minItems": min_items});
        }
        ValueKind::Map { of, .. } => return json!({"type": "object", "additionalProperties": self::kind(of)}),
        ValueKind::Property => return json!({"type": ["string", "number", "boolean"]}),
        ValueKind::Reserved => return json!({"type": "array", "maxItems": 0}),
        ValueKind::Flag => json!({"type": "boolean"}),
        ValueKind::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        ValueKind::Ratio => json!({"type": "number", "minimum": 0, "maximum": 1}),
        ValueKind::Choice(words) => json!({"enum": words}),
        ValueKind::Id => pattern("^[a-z0-9-]{1,63}$"),
        ValueKind::Duration { .. } => pattern("^[0-9]+(ms|s|m|h|d)$"),
        ValueKind::Bytes { .. } => pattern("^[0-9]+(B|KiB|MiB|GiB)$"),
        ValueKind::HostPort => pattern(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"),
        ValueKind::AdvertisedAddress => pattern(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"),
        ValueKind::HostName => pattern(r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$"),
        ValueKind::SocketAddress => pattern(r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$"),
        ValueKind::Url => pattern("^https?://"),
        ValueKind::TopicPrefix => pattern("^[A-Za-z0-9._-]{0,100}$"),
        ValueKind::ContextPath => pattern("^(/[^?#]*[^/?#])?$"),
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
    serde_json::to_value(ShownValue::of(&node)).expect("what is shown has only text for names")
}
