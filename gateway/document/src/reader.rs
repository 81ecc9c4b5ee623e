//! Reads typed values from a tree by the table of fields, and goes on after a mistake.
//!
//! Input: a node and what the table says of it. Output: a value, or `None` with the reason among the mistakes, and
//! beside it what was in force, secrets masked ([`ShownValue`]). Section readers first get every field and only then use `?`,
//! so that one mistake hides no other.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::mistakes::Mistakes;
use crate::place::SourceSpan;
use crate::scalar::{ScalarType, scalar_type};
use crate::secret::{MASK, is_sensitive};
use crate::table::{FieldPresence, TableField, TableSection, ValueKind};
use crate::tree::{self, MappingEntry, ScalarForm, TreeNode, TreeScalar, TreeValue};

/// A type that can stand in a configuration.
pub trait ReadValue: Sized {
    /// Reads the value at `place`; `None` once a mistake has been recorded.
    fn read(place: &mut FieldPlace<'_>) -> Option<Self>;
}

/// A node, the field that it is written for, and where mistakes go.
pub struct FieldPlace<'a> {
    /// What was written.
    pub node: &'a TreeNode,
    /// What the table wants there.
    pub kind: &'static ValueKind,
    /// Path of the field, as mistakes name it.
    pub path: String,
    /// Where the field's name stands, or the item in its list: the place of what is missing inside.
    pub named: SourceSpan,
    /// Where mistakes go.
    pub mistakes: &'a mut Mistakes,
    /// What was in force; filled in by reading.
    pub shown: ShownValue,
}

/// The fields of one mapping that is being read.
pub struct MappingFields<'a> {
    section: &'static TableSection,
    entries: &'a [MappingEntry],
    at: SourceSpan,
    path: String,
    mistakes: &'a mut Mistakes,
    shown: Vec<(String, ShownValue)>,
}

/// A configuration as it is in force, for people: defaults filled in, secrets masked, in the order of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ShownValue {
    /// Nothing: an optional field that was left out is not shown at all.
    #[default]
    Nothing,
    /// Anything without parts.
    Scalar(serde_json::Value),
    /// A list.
    List(Vec<ShownValue>),
    /// Names and values in order.
    Mapping(Vec<(String, ShownValue)>),
}

impl ShownValue {
    /// A whole node as it was written.
    pub fn of(node: &TreeNode) -> Self {
        match &node.value {
            TreeValue::Null => Self::Nothing,
            TreeValue::Scalar(scalar) => shown_scalar(scalar, false),
            TreeValue::Sequence(items) => Self::List(items.iter().map(Self::of).collect()),
            TreeValue::Mapping(entries) => {
                Self::Mapping(entries.iter().map(|entry| (entry.key.clone(), Self::of(&entry.value))).collect())
            }
        }
    }
}

impl Serialize for ShownValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Mapping(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'a> MappingFields<'a> {
    /// Checks that `place` is a mapping and that the table knows all its names. No value at all is an empty mapping.
    fn open<'p: 'a>(place: &'a mut FieldPlace<'p>, section: &'static TableSection) -> Option<Self> {
        let node: &'a TreeNode = place.node;
        let entries = match &node.value {
            TreeValue::Mapping(entries) => entries.as_slice(),
            TreeValue::Null => &[],
            _ => {
                place.wrong_type();
                return None;
            }
        };
        let fields = Self {
            section,
            entries,
            at: place.named,
            path: place.path.clone(),
            mistakes: &mut *place.mistakes,
            shown: Vec::new(),
        };
        for entry in entries.iter().filter(|entry| section.field(&entry.key).is_none()) {
            let expected = expected_instead(&entry.key, section);
            fields.mistakes.add(entry.key_span, &join(&fields.path, &entry.key), "unknown field", &expected);
        }
        Some(fields)
    }

    /// The field's value, or its default's. A required field that is missing is a mistake.
    pub fn get<T: ReadValue>(&mut self, name: &'static str) -> Option<T> {
        let field = self.field(name);
        if let Some(entry) = self.entry(name) {
            return self.read(&entry.value, entry.key_span, field);
        }
        match &field.presence {
            FieldPresence::Default(text) => self.read(&default_node(text, self.at), self.at, field),
            FieldPresence::Required | FieldPresence::Optional(_) => {
                let problem = "a required field is missing";
                self.mistakes.add(self.at, &join(&self.path, name), problem, &field.kind.expected());
                None
            }
        }
    }

    /// The value of a field without default: `Some(None)` where it was left out.
    pub fn maybe<T: ReadValue>(&mut self, name: &'static str) -> Option<Option<T>> {
        let field = self.field(name);
        match self.entry(name) {
            Some(entry) => self.read(&entry.value, entry.key_span, field).map(Some),
            None => Some(None),
        }
    }

    /// Whether the field was written.
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// A text that is not empty and has no blanks around it; `expected` says what it is, as in "a metadata key".
    pub fn filled(&mut self, name: &'static str, expected: &str) -> Option<String> {
        let text = self.get::<String>(name)?;
        let problem = match &*text {
            "" => "an empty text",
            text if text.trim() != text => "a text with blanks around it",
            _ => return Some(text),
        };
        self.mistake(name, problem, expected);
        None
    }

    /// Records what is wrong with a field in its relation to others.
    pub fn mistake(&mut self, name: &str, problem: &str, expected: &str) {
        let span = self.entry(name).map_or(self.at, |entry| entry.key_span);
        self.mistakes.add(span, &join(&self.path, name), problem, expected);
    }

    fn field(&self, name: &str) -> &'static TableField {
        self.section.field(name).expect("readers ask only for fields of their own section's table")
    }

    fn entry(&self, name: &str) -> Option<&'a MappingEntry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    fn read<T: ReadValue>(&mut self, node: &TreeNode, named: SourceSpan, field: &'static TableField) -> Option<T> {
        let mut place = FieldPlace {
            node,
            kind: &field.kind,
            path: join(&self.path, field.name),
            named,
            mistakes: &mut *self.mistakes,
            shown: ShownValue::Nothing,
        };
        let value = T::read(&mut place);
        let shown = std::mem::take(&mut place.shown);
        self.shown.push((field.name.to_owned(), shown));
        value
    }
}

impl FieldPlace<'_> {
    /// The place of a part of what stands here.
    fn inside<'p>(
        &'p mut self,
        node: &'p TreeNode,
        named: SourceSpan,
        kind: &'static ValueKind,
        path: String,
    ) -> FieldPlace<'p> {
        FieldPlace { node, kind, path, named, mistakes: &mut *self.mistakes, shown: ShownValue::Nothing }
    }

    /// Reads a mapping with known fields.
    pub fn section<T>(&mut self, read: impl FnOnce(&mut MappingFields<'_>) -> Option<T>) -> Option<T> {
        let ValueKind::Section(section) = self.kind else { unreachable!("the table has no section at {}", self.path) };
        let mut fields = MappingFields::open(self, section)?;
        let value = read(&mut fields);
        self.shown = ShownValue::Mapping(std::mem::take(&mut fields.shown));
        value
    }

    /// The scalar that stands here, of whatever type.
    pub fn scalar(&mut self) -> Option<&TreeScalar> {
        match &self.node.value {
            TreeValue::Scalar(TreeScalar { form: ScalarForm::Unknown, .. }) => None,
            TreeValue::Scalar(scalar) => {
                self.shown = shown_scalar(scalar, self.is_secret());
                Some(scalar)
            }
            _ => {
                self.wrong_type();
                None
            }
        }
    }

    /// The text that stands here. A number or truth value is none, unless it came from the environment.
    pub fn text(&mut self) -> Option<&str> {
        if let TreeValue::Scalar(scalar) = &self.node.value
            && scalar.form == ScalarForm::Plain
            && scalar_type(&scalar.text) != ScalarType::Text
        {
            self.wrong_type();
            return None;
        }
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// The plain scalar that stands here. A quoted text is none.
    pub fn plain(&mut self) -> Option<&str> {
        if let TreeValue::Scalar(TreeScalar { form: ScalarForm::Quoted, .. }) = &self.node.value {
            self.wrong_type();
            return None;
        }
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// Parses the text that stands here; `None` from `parse` is a mistake.
    pub fn parse<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let parsed = parse(self.text()?);
        if parsed.is_none() {
            self.refuse();
        }
        parsed
    }

    /// Records that the scalar here is not what its field needs.
    pub fn refuse(&mut self) {
        let expected = self.kind.expected();
        self.refuse_for(&expected);
    }

    /// As [`FieldPlace::refuse`], with words of the caller for what would be right.
    pub fn refuse_for(&mut self, expected: &str) {
        let problem = match &self.node.value {
            TreeValue::Scalar(scalar) if !self.is_secret() => format!("`{}` does not fit", scalar.text),
            _ => "the value does not fit".to_owned(),
        };
        self.add(&problem, expected);
    }

    /// Records that the value lies outside its field's bounds.
    pub fn out_of_range(&mut self) {
        let problem = match &self.node.value {
            TreeValue::Scalar(scalar) if !self.is_secret() => format!("`{}` is out of range", scalar.text),
            _ => "the value is out of range".to_owned(),
        };
        let expected = self.kind.expected();
        self.add(&problem, &expected);
    }

    /// Records a mistake at this place.
    pub fn add(&mut self, problem: &str, expected: &str) {
        if self.is_secret() {
            self.mistakes.add_hidden(self.node.span, &self.path, problem, expected);
        } else {
            self.mistakes.add(self.node.span, &self.path, problem, expected);
        }
    }

    /// Records that what stands here is of another type than its field.
    pub fn wrong_type(&mut self) {
        if let TreeValue::Scalar(TreeScalar { form: ScalarForm::Unknown, .. }) = &self.node.value {
            return;
        }
        let problem = format!("wrong type: {}", describe(self.node, self.is_secret()));
        let mut expected = self.kind.expected();
        if let TreeValue::Scalar(TreeScalar { text, form: ScalarForm::Plain }) = &self.node.value
            && self.kind.takes_text()
            && !self.is_secret()
        {
            expected = format!("{expected}; in quotes this would be a text: \"{text}\"");
        }
        self.add(&problem, &expected);
    }

    /// Records what is wrong with the entry `name` of the mapping at this place.
    pub fn add_below(&mut self, name: &str, problem: &str, expected: &str) {
        let entry = match &self.node.value {
            TreeValue::Mapping(entries) => entries.iter().find(|entry| entry.key == name),
            _ => None,
        };
        let span = entry.map_or(self.node.span, |entry| entry.key_span);
        self.mistakes.add(span, &join(&self.path, name), problem, expected);
    }

    fn is_secret(&self) -> bool {
        match self.kind {
            ValueKind::Secret => true,
            ValueKind::Property => is_sensitive(&self.path),
            // A URL may carry a password before its host.
            ValueKind::Url => matches!(&self.node.value, TreeValue::Scalar(scalar) if scalar.text.contains('@')),
            _ => false,
        }
    }
}

impl<T: ReadValue> ReadValue for Vec<T> {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let ValueKind::List { of, min_items } = place.kind else {
            unreachable!("the table has no list at {}", place.path)
        };
        let TreeValue::Sequence(items) = &place.node.value else {
            place.wrong_type();
            return None;
        };
        if items.len() < *min_items {
            place.add("the list is too short", &place.kind.expected());
            return None;
        }
        let mut values = Vec::new();
        let mut shown = Vec::new();
        for (index, node) in items.iter().enumerate() {
            let path = format!("{}[{index}]", place.path);
            let mut item = place.inside(node, node.span, of, path);
            values.push(T::read(&mut item));
            shown.push(item.shown);
        }
        place.shown = ShownValue::List(shown);
        values.into_iter().collect()
    }
}

impl<T: ReadValue> ReadValue for BTreeMap<String, T> {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let ValueKind::Map { of, .. } = place.kind else { unreachable!("the table has no map at {}", place.path) };
        let entries = match &place.node.value {
            TreeValue::Mapping(entries) => entries.as_slice(),
            TreeValue::Null => &[],
            _ => {
                place.wrong_type();
                return None;
            }
        };
        let mut values = Vec::new();
        let mut shown = Vec::new();
        for MappingEntry { key, key_span, value: node } in entries {
            let path = join(&place.path, key);
            let mut item = place.inside(node, *key_span, of, path);
            values.push(T::read(&mut item).map(|value| (key.clone(), value)));
            shown.push((key.clone(), item.shown));
        }
        place.shown = ShownValue::Mapping(shown);
        values.into_iter().collect()
    }
}

/// The default as a node that stands where the field is missing.
fn default_node(text: &str, at: SourceSpan) -> TreeNode {
    let node =
        tree::parse(text, &mut Mistakes::default()).expect("every default of the table is YAML, which a test checks");
    TreeNode { span: at, value: node.value }
}

/// `path.name`; names that are no plain words are put into quotes.
pub fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let dot = if path.is_empty() { "" } else { "." };
    if plain { format!("{path}{dot}{name}") } else { format!("{path}{dot}{name:?}") }
}

/// The most similar name of the table, or all names.
fn expected_instead(name: &str, section: &TableSection) -> String {
    let similar =
        |field: &&TableField| strsim::damerau_levenshtein(name, field.name) * 3 <= name.len().max(field.name.len());
    let nearest = |field: &&TableField| strsim::damerau_levenshtein(name, field.name);
    match section.fields.iter().filter(similar).min_by_key(nearest) {
        Some(field) => format!("did you mean `{}`?", field.name),
        None => format!("one of {}", section.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")),
    }
}

fn describe(node: &TreeNode, secret: bool) -> String {
    match &node.value {
        TreeValue::Null => "no value".into(),
        TreeValue::Sequence(_) => "a list".into(),
        TreeValue::Mapping(_) => "a mapping".into(),
        TreeValue::Scalar(scalar) => {
            let kind = match (scalar.form, scalar_type(&scalar.text)) {
                (ScalarForm::Plain, ScalarType::Number) => "the number",
                (ScalarForm::Plain, ScalarType::Truth) => "the truth value",
                _ => "the text",
            };
            if secret { kind.replace("the", "a") } else { format!("{kind} `{}`", scalar.text) }
        }
    }
}

fn shown_scalar(scalar: &TreeScalar, secret: bool) -> ShownValue {
    if secret {
        return ShownValue::Scalar(MASK.into());
    }
    let typed = match (scalar.form, scalar_type(&scalar.text)) {
        (ScalarForm::Plain, ScalarType::Number | ScalarType::Truth) => serde_json::from_str(&scalar.text).ok(),
        _ => None,
    };
    ShownValue::Scalar(typed.unwrap_or_else(|| scalar.text.as_str().into()))
}
