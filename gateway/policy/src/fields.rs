//! Reads typed values from a tree of places, strictly: unknown fields and values of another type are mistakes with
//! their line, and reading goes on after them. `null` is the same as not given.
//!
//! For documents with tens of thousands of entries, so that nothing is allocated for what is right.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use federation_document::mistakes::Mistakes;
use federation_document::place::SourceSpan;
use federation_document::scalar::{ScalarType, scalar_type};
use federation_document::tree::{MappingEntry, ScalarForm, TreeNode, TreeScalar, TreeValue};

/// Most characters of a value that a mistake repeats.
const LONGEST_SHOWN: usize = 60;

/// Where a value stands in the document; a text is made of it only for mistakes.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The whole document, under a name that may be empty.
    Root(&'a str),
    /// A field of a mapping.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Field(Path::Root(""), name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value that is there, and where.
#[derive(Clone, Copy)]
pub struct PlacedItem<'a> {
    /// The value with its place.
    pub node: &'a TreeNode,
    pub(crate) path: Path<'a>,
}

/// A mapping of known fields.
pub struct PolicySection<'a> {
    entries: &'a [MappingEntry],
    path: Path<'a>,
    span: SourceSpan,
}

impl<'a> PolicySection<'a> {
    /// Checks that `item` is a mapping of no other fields than `known`. What is no mapping is a mistake and counts as an
    /// empty one.
    pub fn open(item: PlacedItem<'a>, known: &[&str], mistakes: &mut Mistakes) -> Self {
        let entries = item.entries(mistakes);
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let path = Path::Field(&item.path, &entry.key).to_string();
            mistakes.add(entry.key_span, &path, "unknown field", &format!("one of {}", known.join(", ")));
        }
        Self { entries, path: item.path, span: item.node.span }
    }

    /// The field's value, unless it is not given.
    pub fn get(&'a self, name: &'a str) -> Option<PlacedItem<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        let item = PlacedItem { node: &entry.value, path: Path::Field(&self.path, name) };
        (!item.is_null()).then_some(item)
    }

    /// The field's value; it is a mistake not to give it.
    pub fn required(&'a self, name: &'a str, expected: &str, mistakes: &mut Mistakes) -> Option<PlacedItem<'a>> {
        let item = self.get(name);
        if item.is_none() {
            self.mistake(name, "a required field is missing", expected, mistakes);
        }
        item
    }

    /// Records what is wrong with a field in its relation to others.
    pub fn mistake(&self, name: &str, problem: &str, expected: &str, mistakes: &mut Mistakes) {
        let entry = self.entries.iter().find(|entry| entry.key == name);
        let span = entry.map_or(self.span, |entry| entry.key_span);
        mistakes.add(span, &Path::Field(&self.path, name).to_string(), problem, expected);
    }
}

impl<'a> PlacedItem<'a> {
    /// The document as a whole.
    pub fn root(node: &'a TreeNode, name: &'a str) -> Self {
        Self { node, path: Path::Root(name) }
    }

    /// Whether `true` or `false` stands here.
    pub(crate) fn is_truth(&self) -> bool {
        matches!(self.scalar(), Some((ScalarType::Truth, _)))
    }

    fn is_null(&self) -> bool {
        matches!(self.node.value, TreeValue::Null)
    }

    /// Records that the value is not what is needed.
    pub fn refuse(&self, problem: &str, expected: &str, mistakes: &mut Mistakes) {
        let width = self.node.span.width.min(LONGEST_SHOWN);
        mistakes.add(SourceSpan { width, ..self.node.span }, &self.path.to_string(), problem, expected);
    }

    /// The names and values of a mapping, all of them.
    pub(crate) fn entries(&self, mistakes: &mut Mistakes) -> &'a [MappingEntry] {
        match &self.node.value {
            TreeValue::Mapping(entries) => entries,
            TreeValue::Null => &[],
            _ => {
                self.wrong_type("a mapping", mistakes);
                &[]
            }
        }
    }

    /// The names and values of a mapping whose names are free, without those that are not given.
    pub fn pairs(&'a self, mistakes: &mut Mistakes) -> impl Iterator<Item = (&'a str, PlacedItem<'a>)> + use<'a> {
        let pair = |entry: &'a MappingEntry| {
            let item = PlacedItem { node: &entry.value, path: Path::Field(&self.path, &entry.key) };
            (!item.is_null()).then_some((entry.key.as_str(), item))
        };
        self.entries(mistakes).iter().filter_map(pair)
    }

    /// The items of a list of at most `most`.
    pub fn items(&'a self, most: usize, mistakes: &mut Mistakes) -> impl Iterator<Item = PlacedItem<'a>> + use<'a> {
        let nodes: &[TreeNode] = match &self.node.value {
            TreeValue::Sequence(nodes) if nodes.len() <= most => nodes,
            TreeValue::Sequence(nodes) => {
                self.refuse(&format!("a list of {}", nodes.len()), &format!("at most {most}"), mistakes);
                &[]
            }
            _ => {
                self.wrong_type("a list", mistakes);
                &[]
            }
        };
        nodes.iter().enumerate().map(|(index, node)| PlacedItem { node, path: Path::Item(&self.path, index) })
    }

    /// A text. What looks like a number or a truth value is none, unless it is quoted.
    pub(crate) fn text(&self, mistakes: &mut Mistakes) -> Option<&'a str> {
        match self.scalar() {
            Some((ScalarType::Text, text)) => Some(text),
            _ => {
                self.wrong_type("a text", mistakes);
                None
            }
        }
    }

    /// A text that is not empty and has no blanks around it: compared with another's, they would make it another name.
    pub fn name(&self, mistakes: &mut Mistakes) -> Option<Arc<str>> {
        let text = self.trimmed(mistakes)?;
        if text.is_empty() {
            self.refuse("an empty text", "a name; leave out what is not known", mistakes);
            return None;
        }
        Some(text.into())
    }

    /// A text without blanks around it.
    pub fn trimmed(&self, mistakes: &mut Mistakes) -> Option<&'a str> {
        let text = self.text(mistakes)?;
        if text.trim() != text {
            self.refuse(&format!("`{}` has blanks around it", shortened(text)), "a name without them", mistakes);
            return None;
        }
        Some(text)
    }

    /// A part of a locality: a slash in it would make two parts of one.
    pub fn part(&self, mistakes: &mut Mistakes) -> Option<Arc<str>> {
        let text = self.trimmed(mistakes)?;
        if text.is_empty() || text.contains('/') {
            let problem = format!("`{}` does not fit", shortened(text));
            self.refuse(&problem, "a name without /; leave out what is not known", mistakes);
            return None;
        }
        Some(text.into())
    }

    /// One of some words, and what it stands for.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], mistakes: &mut Mistakes) -> Option<T> {
        let text = self.text(mistakes)?;
        let meaning = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if meaning.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(
                &format!("`{}` is not known", shortened(text)),
                &format!("one of {}", words.join(", ")),
                mistakes,
            );
        }
        meaning
    }

    /// `true` or `false`.
    pub fn flag(&self, mistakes: &mut Mistakes) -> Option<bool> {
        match self.scalar() {
            Some((ScalarType::Truth, text)) => Some(text.eq_ignore_ascii_case("true")),
            _ => {
                self.wrong_type("true or false", mistakes);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&self, bounds: RangeInclusive<u64>, mistakes: &mut Mistakes) -> Option<u64> {
        let expected = || format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let Some((ScalarType::Number, text)) = self.scalar() else {
            self.wrong_type(&expected(), mistakes);
            return None;
        };
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.wrong_type(&expected(), mistakes);
            return None;
        }
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            self.refuse(&format!("`{text}` is out of range"), &expected(), mistakes);
        }
        number
    }

    /// A number, whole or not, finite or not.
    pub fn number(&self, mistakes: &mut Mistakes) -> Option<f64> {
        if let Some((ScalarType::Number, text)) = self.scalar() {
            let special = match text.trim_start_matches(['-', '+']).to_ascii_lowercase().as_str() {
                ".inf" if text.starts_with('-') => Some(f64::NEG_INFINITY),
                ".inf" => Some(f64::INFINITY),
                ".nan" => Some(f64::NAN),
                _ => None,
            };
            if let Some(number) = special.or_else(|| text.parse().ok()) {
                return Some(number);
            }
        }
        self.wrong_type("a decimal number", mistakes);
        None
    }

    fn scalar(&self) -> Option<(ScalarType, &'a str)> {
        let TreeValue::Scalar(TreeScalar { text, form }) = &self.node.value else { return None };
        let kind = if *form == ScalarForm::Plain { scalar_type(text) } else { ScalarType::Text };
        Some((kind, text))
    }

    fn wrong_type(&self, expected: &str, mistakes: &mut Mistakes) {
        let problem = match (&self.node.value, self.scalar()) {
            (_, Some((ScalarType::Number, text))) => format!("wrong type: the number `{text}`"),
            (_, Some((ScalarType::Truth, text))) => format!("wrong type: the truth value `{text}`"),
            (_, Some((ScalarType::Text, text))) => format!("wrong type: the text `{}`", shortened(text)),
            (TreeValue::Sequence(_), None) => "wrong type: a list".to_owned(),
            (TreeValue::Mapping(_), None) => "wrong type: a mapping".to_owned(),
            (TreeValue::Null | TreeValue::Scalar(_), None) => "no value".to_owned(),
        };
        self.refuse(&problem, expected, mistakes);
    }
}

/// The beginning of a text that may be long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
