//! Reads typed values from a tree by the table of fields, and goes on after a mistake.
//!
//! Input: a node and what the table says of it. Output: a value, or `None` with the reason among the mistakes, and
//! beside it what was in force, secrets masked ([`Shown`]). Section readers first get every field and only then use `?`,
//! so that one mistake hides no other.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::mistakes::Mistakes;
use crate::place::Span;
use crate::scalar::{ScalarType, scalar_type};
use crate::secret::{MASK, is_sensitive};
use crate::table::{Field, Kind, Presence, Section};
use crate::tree::{self, Entry, Form, Node, Scalar, Value};

/// A type that can stand in a configuration.
pub trait Read: Sized {
    /// Reads the value at `place`; `None` once a mistake has been recorded.
    fn read(place: &mut Place<'_>) -> Option<Self>;
}

/// A node, the field that it is written for, and where mistakes go.
pub struct Place<'a> {
    /// What was written.
    pub node: &'a Node,
    /// What the table wants there.
    pub kind: &'static Kind,
    /// Path of the field, as mistakes name it.
    pub path: String,
    /// Where the field's name stands, or the item in its list: the place of what is missing inside.
    pub named: Span,
    /// Where mistakes go.
    pub mistakes: &'a mut Mistakes,
    /// What was in force; filled in by reading.
    pub shown: Shown,
}

/// The fields of one mapping that is being read.
pub struct Fields<'a> {
    section: &'static Section,
    entries: &'a [Entry],
    at: Span,
    path: String,
    mistakes: &'a mut Mistakes,
    shown: Vec<(String, Shown)>,
}

/// A configuration as it is in force, for people: defaults filled in, secrets masked, in the order of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shown {
    /// Nothing: an optional field that was left out is not shown at all.
    #[default]
    Nothing,
    /// Anything without parts.
    Scalar(serde_json::Value),
    /// A list.
    List(Vec<Shown>),
    /// Names and values in order.
    Mapping(Vec<(String, Shown)>),
}

impl Shown {
    /// A whole node as it was written.
    pub fn of(node: &Node) -> Self {
        match &node.value {
            Value::Null => Self::Nothing,
            Value::Scalar(scalar) => shown_scalar(scalar, false),
            Value::Sequence(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Mapping(entries) => {
                Self::Mapping(entries.iter().map(|entry| (entry.key.clone(), Self::of(&entry.value))).collect())
            }
        }
    }
}

impl Serialize for Shown {
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

impl<'a> Fields<'a> {
    /// Checks that `place` is a mapping and that the table knows all its names. No value at all is an empty mapping.
    fn open<'p: 'a>(place: &'a mut Place<'p>, section: &'static Section) -> Option<Self> {
        let node: &'a Node = place.node;
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Null => &[],
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
    pub fn get<T: Read>(&mut self, name: &'static str) -> Option<T> {
        let field = self.field(name);
        if let Some(entry) = self.entry(name) {
            return self.read(&entry.value, entry.key_span, field);
        }
        match &field.presence {
            Presence::Default(text) => self.read(&default_node(text, self.at), self.at, field),
            Presence::Required | Presence::Optional(_) => {
                let problem = "a required field is missing";
                self.mistakes.add(self.at, &join(&self.path, name), problem, &field.kind.expected());
                None
            }
        }
    }

    /// The value of a field without default: `Some(None)` where it was left out.
    pub fn maybe<T: Read>(&mut self, name: &'static str) -> Option<Option<T>> {
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

    fn field(&self, name: &str) -> &'static Field {
        self.section.field(name).expect("readers ask only for fields of their own section's table")
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    fn read<T: Read>(&mut self, node: &Node, named: Span, field: &'static Field) -> Option<T> {
        let mut place = Place {
            node,
            kind: &field.kind,
            path: join(&self.path, field.name),
            named,
            mistakes: &mut *self.mistakes,
            shown: Shown::Nothing,
        };
        let value = T::read(&mut place);
        let shown = std::mem::take(&mut place.shown);
        self.shown.push((field.name.to_owned(), shown));
        value
    }
}

impl Place<'_> {
    /// The place of a part of what stands here.
    fn inside<'p>(&'p mut self, node: &'p Node, named: Span, kind: &'static Kind, path: String) -> Place<'p> {
        Place { node, kind, path, named, mistakes: &mut *self.mistakes, shown: Shown::Nothing }
    }

    /// Reads a mapping with known fields.
    pub fn section<T>(&mut self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let Kind::Section(section) = self.kind else { unreachable!("the table has no section at {}", self.path) };
        let mut fields = Fields::open(self, section)?;
        let value = read(&mut fields);
        self.shown = Shown::Mapping(std::mem::take(&mut fields.shown));
        value
    }

    /// The scalar that stands here, of whatever type.
    pub fn scalar(&mut self) -> Option<&Scalar> {
        match &self.node.value {
            Value::Scalar(Scalar { form: Form::Unknown, .. }) => None,
            Value::Scalar(scalar) => {
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
        if let Value::Scalar(scalar) = &self.node.value
            && scalar.form == Form::Plain
            && scalar_type(&scalar.text) != ScalarType::Text
        {
            self.wrong_type();
            return None;
        }
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// The plain scalar that stands here. A quoted text is none.
    pub fn plain(&mut self) -> Option<&str> {
        if let Value::Scalar(Scalar { form: Form::Quoted, .. }) = &self.node.value {
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

    /// As [`Place::refuse`], with words of the caller for what would be right.
    pub fn refuse_for(&mut self, expected: &str) {
        let problem = match &self.node.value {
            Value::Scalar(scalar) if !self.is_secret() => format!("`{}` does not fit", scalar.text),
            _ => "the value does not fit".to_owned(),
        };
        self.add(&problem, expected);
    }

    /// Records that the value lies outside its field's bounds.
    pub fn out_of_range(&mut self) {
        let problem = match &self.node.value {
            Value::Scalar(scalar) if !self.is_secret() => format!("`{}` is out of range", scalar.text),
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
        if let Value::Scalar(Scalar { form: Form::Unknown, .. }) = &self.node.value {
            return;
        }
        let problem = format!("wrong type: {}", describe(self.node, self.is_secret()));
        let mut expected = self.kind.expected();
        if let Value::Scalar(Scalar { text, form: Form::Plain }) = &self.node.value
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
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == name),
            _ => None,
        };
        let span = entry.map_or(self.node.span, |entry| entry.key_span);
        self.mistakes.add(span, &join(&self.path, name), problem, expected);
    }

    fn is_secret(&self) -> bool {
        match self.kind {
            Kind::Secret => true,
            Kind::Property => is_sensitive(&self.path),
            // A URL may carry a password before its host.
            Kind::Url => matches!(&self.node.value, Value::Scalar(scalar) if scalar.text.contains('@')),
            _ => false,
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        let Kind::List { of, min_items } = place.kind else { unreachable!("the table has no list at {}", place.path) };
        let Value::Sequence(items) = &place.node.value else {
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
        place.shown = Shown::List(shown);
        values.into_iter().collect()
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        let Kind::Map { of, .. } = place.kind else { unreachable!("the table has no map at {}", place.path) };
        let entries = match &place.node.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                place.wrong_type();
                return None;
            }
        };
        let mut values = Vec::new();
        let mut shown = Vec::new();
        for Entry { key, key_span, value: node } in entries {
            let path = join(&place.path, key);
            let mut item = place.inside(node, *key_span, of, path);
            values.push(T::read(&mut item).map(|value| (key.clone(), value)));
            shown.push((key.clone(), item.shown));
        }
        place.shown = Shown::Mapping(shown);
        values.into_iter().collect()
    }
}

/// The default as a node that stands where the field is missing.
fn default_node(text: &str, at: Span) -> Node {
    let node =
        tree::parse(text, &mut Mistakes::default()).expect("every default of the table is YAML, which a test checks");
    Node { span: at, value: node.value }
}

/// `path.name`; names that are no plain words are put into quotes.
pub fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let dot = if path.is_empty() { "" } else { "." };
    if plain { format!("{path}{dot}{name}") } else { format!("{path}{dot}{name:?}") }
}

/// The most similar name of the table, or all names.
fn expected_instead(name: &str, section: &Section) -> String {
    let similar =
        |field: &&Field| strsim::damerau_levenshtein(name, field.name) * 3 <= name.len().max(field.name.len());
    let nearest = |field: &&Field| strsim::damerau_levenshtein(name, field.name);
    match section.fields.iter().filter(similar).min_by_key(nearest) {
        Some(field) => format!("did you mean `{}`?", field.name),
        None => format!("one of {}", section.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")),
    }
}

fn describe(node: &Node, secret: bool) -> String {
    match &node.value {
        Value::Null => "no value".into(),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
        Value::Scalar(scalar) => {
            let kind = match (scalar.form, scalar_type(&scalar.text)) {
                (Form::Plain, ScalarType::Number) => "the number",
                (Form::Plain, ScalarType::Truth) => "the truth value",
                _ => "the text",
            };
            if secret { kind.replace("the", "a") } else { format!("{kind} `{}`", scalar.text) }
        }
    }
}

fn shown_scalar(scalar: &Scalar, secret: bool) -> Shown {
    if secret {
        return Shown::Scalar(MASK.into());
    }
    let typed = match (scalar.form, scalar_type(&scalar.text)) {
        (Form::Plain, ScalarType::Number | ScalarType::Truth) => serde_json::from_str(&scalar.text).ok(),
        _ => None,
    };
    Shown::Scalar(typed.unwrap_or_else(|| scalar.text.as_str().into()))
}
