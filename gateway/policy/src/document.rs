//! Policy documents: the policy of all services, and rules for services by pattern.
//!
//! Input: a YAML text, from a file or from a config item. Output: [`Policies`], or every mistake with its line and what would be right.
//! Invariant: what is accepted is of bounded size, whatever the text is.

use std::collections::HashMap;
use std::sync::Arc;

use federation_core::pattern::{Glob, LONGEST_PATTERN_BYTES, ServicePattern};
use federation_core::routing::{InvalidPolicies, MAX_RULES, Policies, Policy};

use super::block;
use super::fields::{PlacedItem, PolicySection, shortened};
use federation_document::mistakes::Mistakes;
use federation_document::place::SourceSpan;
use federation_document::text_file;
use federation_document::tree;

/// Largest document in bytes. A thousand generous rules need a quarter of it.
pub const LARGEST_DOCUMENT_BYTES: u64 = 1 << 20;

/// Most values of a document: a hundred for each of the rules that it may have.
const MOST_NODES: usize = 100 * MAX_RULES;

/// Most bytes of all patterns with wildcards that are equally specific, together: each is compared with each, for ties, which takes the
/// product of their lengths. Two seconds at worst; a thousand patterns of 60 bytes fit.
const MOST_COMPARED_BYTES: usize = 1 << 16;

/// After so many mistakes the rest of the rules is not read: nobody reads more of them.
const MOST_MISTAKES: usize = 100;

/// The fields of a rule beside those of its policy.
const PATTERN_FIELDS: [&str; 3] = ["namespace", "group", "service"];

/// What would be right where the text itself cannot be used.
pub(super) const EXPECTED_TEXT: &str = "a YAML document in UTF-8 of at most 1 MiB";

/// Reads a document from a file; `-` is standard input.
///
/// # Errors
/// Every mistake that it has; also that it cannot be read.
pub fn load(file: &str) -> Result<Policies, Mistakes> {
    match text_file::read_named(file, LARGEST_DOCUMENT_BYTES) {
        Ok(text) => from_text(file, &text),
        Err(problem) => Err(unusable(file, &problem)),
    }
}

/// Reads a document; `name` is shown in mistakes. An empty one holds the defaults.
///
/// # Errors
/// Every mistake that it has.
pub fn from_text(name: &str, text: &str) -> Result<Policies, Mistakes> {
    if text.len() as u64 > LARGEST_DOCUMENT_BYTES {
        return Err(unusable(name, &format!("too large: {} bytes", text.len())));
    }
    let mut mistakes = Mistakes::new(name, text);
    let Some(tree) = tree::parse_within(text, MOST_NODES, &mut mistakes) else { return Err(mistakes) };
    let policies = read(PlacedItem::root(&tree, ""), &mut mistakes);
    match policies {
        Some(policies) if mistakes.count() == 0 => Ok(policies),
        _ => Err(mistakes),
    }
}

/// The one mistake of a document that is not there, or is none.
pub(super) fn unusable(name: &str, problem: &str) -> Mistakes {
    let mut mistakes = Mistakes::new(name, "");
    mistakes.add(SourceSpan::default(), "", problem, EXPECTED_TEXT);
    mistakes
}

/// One rule, and where it stands.
struct Rule {
    pattern: ServicePattern,
    policy: Arc<Policy>,
    span: SourceSpan,
}

fn read(document: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Policies> {
    let mut known = block::FIELDS.to_vec();
    known.push("services");
    let section = PolicySection::open(document, &known, mistakes);
    let default = Arc::new(block::read_fields(&section, mistakes));
    let Some(list) = section.get("services") else { return Policies::new(default, Vec::new()).ok() };
    let mut rules = Vec::new();
    for item in list.items(MAX_RULES, mistakes) {
        if mistakes.count() >= MOST_MISTAKES {
            return None;
        }
        rules.extend(rule(item, mistakes));
    }
    if compared_bytes(&rules) > MOST_COMPARED_BYTES {
        let expected = format!("at most {MOST_COMPARED_BYTES} bytes of them together");
        list.refuse("the patterns of equally specific rules are too long", &expected, mistakes);
        return None;
    }
    let given = rules.iter().map(|rule| (rule.pattern.clone(), Arc::clone(&rule.policy))).collect();
    match Policies::new(default, given) {
        Ok(policies) => Some(policies),
        Err(error) => {
            refuse(&error, list, &rules, mistakes);
            None
        }
    }
}

/// `None` for a rule with mistakes: what its pattern would be is not known.
fn rule(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Rule> {
    let before = mistakes.count();
    let mut known = PATTERN_FIELDS.to_vec();
    known.extend(block::FIELDS);
    let section = PolicySection::open(item, &known, mistakes);
    let policy = block::read_fields(&section, mistakes);
    let [namespace, group, service] = PATTERN_FIELDS.map(|name| match section.get(name) {
        Some(item) => glob(item, name, mistakes),
        None => Some(Glob::any()),
    });
    let pattern = ServicePattern { namespace: namespace?, group: group?, service: service? };
    (mistakes.count() == before).then(|| Rule { pattern, policy: Arc::new(policy), span: item.node.span })
}

/// Only the namespace may be empty: that is one of Nacos's own.
fn glob(item: PlacedItem<'_>, name: &str, mistakes: &mut Mistakes) -> Option<Glob> {
    let text = item.text(mistakes)?;
    let expected = "a pattern: text in which * stands for any text and ? for one character";
    if text.is_empty() && name != "namespace" {
        item.refuse("an empty pattern would match nothing", expected, mistakes);
        return None;
    }
    let glob = text.parse().ok();
    if glob.is_none() {
        let problem = format!("`{}` is longer than {LONGEST_PATTERN_BYTES} bytes", shortened(text));
        item.refuse(&problem, expected, mistakes);
    }
    glob
}

/// Bytes of the patterns with wildcards that are compared with each other, of the most that are.
fn compared_bytes(rules: &[Rule]) -> usize {
    let mut bytes = HashMap::new();
    for pattern in rules.iter().map(|rule| &rule.pattern) {
        let parts = [&pattern.namespace, &pattern.group, &pattern.service];
        let wild = parts.into_iter().filter(|glob| glob.literal().is_none());
        *bytes.entry(pattern.specificity()).or_insert(0) += wild.map(|glob| glob.as_str().len()).sum::<usize>();
    }
    bytes.into_values().max().unwrap_or(0)
}

/// Puts what is wrong with the rules together to the rules that it is about.
fn refuse(error: &InvalidPolicies, list: PlacedItem<'_>, rules: &[Rule], mistakes: &mut Mistakes) {
    match error {
        InvalidPolicies::Ties(ties) => {
            for tie in ties.iter().take(MOST_MISTAKES) {
                let (first, second) = (&rules[tie.first], &rules[tie.second]);
                let expected = format!("rules of which one is more specific; the other is on line {}", first.span.line);
                let span = SourceSpan { width: 0, ..second.span };
                let [first, second] = [&first.pattern, &second.pattern].map(ToString::to_string);
                let problem = format!(
                    "`{}` and `{}` are equally specific, and a service may match both",
                    shortened(&first),
                    shortened(&second)
                );
                mistakes.add(span, "services", &problem, &expected);
            }
        }
        InvalidPolicies::TooMany { .. } => list.refuse(&error.to_string(), &format!("at most {MAX_RULES}"), mistakes),
    }
}

#[cfg(test)]
mod tests;
