//! A YAML document as a tree whose every node knows where it stands.
//!
//! Input: text. Output: one [`TreeNode`], and mistakes for what YAML allows and a configuration does not need: duplicate
//! keys, tags, merge keys, several documents. Invariant: the tree is finite and small, whatever the text is: aliases are
//! copied within [`MOST_NODES`], nesting within [`DEEPEST`].

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use crate::mistakes::Mistakes;
pub use crate::place::SourceSpan;

/// Most nodes of one configuration, copies made for anchors and aliases included. A generous configuration has some
/// hundreds; ten aliases of ten aliases of … have billions.
pub const MOST_NODES: usize = 20_000;

/// Deepest nesting; the configuration itself nests 5 deep.
pub const DEEPEST: usize = 32;

/// One value of the document and its place.
#[derive(Clone, Debug)]
pub struct TreeNode {
    /// Where the value stands.
    pub span: SourceSpan,
    /// What stands there.
    pub value: TreeValue,
}

/// What a node holds. Scalars keep their text: what type they are is asked by the field that they are written for.
#[derive(Clone, Debug)]
pub enum TreeValue {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, a number or a truth value.
    Scalar(TreeScalar),
    /// A list.
    Sequence(Vec<TreeNode>),
    /// Names and values in the order of the file; names are unique.
    Mapping(Vec<MappingEntry>),
}

/// A scalar's text and how it was written.
#[derive(Clone, Debug)]
pub struct TreeScalar {
    /// The text after YAML's unescaping, and after expansion.
    pub text: String,
    /// Decides whether `12` is a number or a text.
    pub form: ScalarForm,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarForm {
    /// Without quotes: what looks like a number is one.
    Plain,
    /// With quotes or as a block: always a text.
    Quoted,
    /// Came from the environment, where everything is text: fits whatever type is needed.
    Expanded,
    /// Names a variable that is not set, which has been reported: whatever type is needed, nothing more is to be said.
    Unknown,
}

/// One name of a mapping and its value.
#[derive(Clone, Debug)]
pub struct MappingEntry {
    /// The name.
    pub key: String,
    /// Where the name stands.
    pub key_span: SourceSpan,
    /// The value.
    pub value: TreeNode,
}

/// Reads one document. `None` if the text is no YAML or more than a configuration may be; the reason is in `mistakes`.
/// An empty document is [`TreeValue::Null`].
pub fn parse(text: &str, mistakes: &mut Mistakes) -> Option<TreeNode> {
    parse_within(text, MOST_NODES, mistakes)
}

/// As [`parse`], for documents of at most `most_nodes`, copies made for anchors and aliases included.
pub fn parse_within(text: &str, most_nodes: usize, mistakes: &mut Mistakes) -> Option<TreeNode> {
    let events = Parser::new_from_str(text);
    let mut builder = Builder { events, anchors: HashMap::new(), nodes: 0, most_nodes, mistakes };
    builder.document().ok()
}

/// The reading cannot go on; the reason has been recorded.
struct Stopped;

struct Builder<'text, 'm> {
    events: Parser<'text, StrInput<'text>>,
    anchors: HashMap<usize, TreeNode>,
    nodes: usize,
    most_nodes: usize,
    mistakes: &'m mut Mistakes,
}

impl<'text> Builder<'text, '_> {
    fn document(&mut self) -> Result<TreeNode, Stopped> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return self.stop(span, "a second document", "one document: remove everything from this --- on");
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or(TreeNode { span: SourceSpan { line: 1, column: 1, width: 1 }, value: TreeValue::Null }))
    }

    /// The next event that is not a comment, and its place.
    fn next(&mut self) -> Result<(Event<'text>, SourceSpan), Stopped> {
        loop {
            match self.events.next_event() {
                None => return Ok((Event::StreamEnd, SourceSpan::default())),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => return Ok((event, span_of(&span))),
                Some(Err(error)) => {
                    let mark = error.marker();
                    let span = SourceSpan { line: mark.line(), column: mark.col() + 1, width: 1 };
                    return self.stop(span, &format!("not YAML: {}", error.info()), "valid YAML");
                }
            }
        }
    }

    fn node(&mut self, event: Event<'text>, span: SourceSpan, depth: usize) -> Result<TreeNode, Stopped> {
        if depth > DEEPEST {
            return self.stop(span, "nested too deeply", &format!("at most {DEEPEST} levels"));
        }
        self.count(1, span)?;
        let (anchor, value) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                (anchor, scalar(text, style))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                (anchor, self.sequence(depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                (anchor, self.mapping(depth)?)
            }
            _ => return self.stop(span, "a value is missing here", "a value"),
        };
        let node = TreeNode { span, value };
        if anchor > 0 {
            self.count(size(&node), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// A copy of the anchored value, at the place of the alias. The anchored value itself is not finished while its
    /// own parts are read, so that no value can contain itself.
    fn alias(&mut self, id: usize, span: SourceSpan) -> Result<TreeNode, Stopped> {
        let Some(anchored) = self.anchors.get(&id) else {
            return self.stop(span, "an alias of a value that contains it", "the value itself");
        };
        let node = TreeNode { span, value: anchored.value.clone() };
        self.count(size(&node), span)?;
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<TreeValue, Stopped> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(TreeValue::Sequence(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<TreeValue, Stopped> {
        let mut entries: Vec<MappingEntry> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, key_span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(TreeValue::Mapping(entries));
            }
            let key = self.node(event, key_span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let TreeValue::Scalar(TreeScalar { text: key, .. }) = key.value else {
                self.mistakes.add(key_span, "", "a name that is no text", "a text before the colon");
                continue;
            };
            if key == "<<" {
                self.mistakes.add(key_span, "", "merge keys are not supported", "the fields themselves");
            } else if let Some(first) = seen.insert(key.clone(), key_span.line) {
                self.mistakes.add(
                    key_span,
                    &key,
                    "written twice",
                    &format!("one of the two; the first is on line {first}"),
                );
            } else {
                entries.push(MappingEntry { key, key_span, value });
            }
        }
    }

    fn refuse_tag(&mut self, tagged: bool, span: SourceSpan) {
        if tagged {
            self.mistakes.add(span, "", "YAML tags are not supported", "the value without the tag that starts with !");
        }
    }

    fn count(&mut self, nodes: usize, span: SourceSpan) -> Result<(), Stopped> {
        self.nodes += nodes;
        if self.nodes > self.most_nodes {
            let expected = format!("at most {} values, copies made for anchors and aliases included", self.most_nodes);
            return self.stop(span, "too many values", &expected);
        }
        Ok(())
    }

    fn stop<T>(&mut self, span: SourceSpan, problem: &str, expected: &str) -> Result<T, Stopped> {
        self.mistakes.add(span, "", problem, expected);
        Err(Stopped)
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> TreeValue {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
        return TreeValue::Null;
    }
    TreeValue::Scalar(TreeScalar {
        text: text.into_owned(),
        form: if plain { ScalarForm::Plain } else { ScalarForm::Quoted },
    })
}

fn size(node: &TreeNode) -> usize {
    match &node.value {
        TreeValue::Null | TreeValue::Scalar(_) => 1,
        TreeValue::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        TreeValue::Mapping(entries) => 1 + entries.iter().map(|entry| 1 + size(&entry.value)).sum::<usize>(),
    }
}

fn span_of(span: &granit_parser::Span) -> SourceSpan {
    let width = if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    SourceSpan { line: span.start.line(), column: span.start.col() + 1, width: width.max(1) }
}
