//! `${NAME}` and `${NAME:-default}` in the values of a configuration.
//!
//! Input: a tree as written and the environment's variables. Output: the tree with values in their place, and a mistake
//! for every name that is not set. Names of fields are never expanded, nor is what came out of a variable.

use std::collections::BTreeMap;

use crate::mistakes::Mistakes;
use crate::place::SourceSpan;
use crate::tree::{ScalarForm, TreeNode, TreeScalar, TreeValue};

/// Expands every scalar of `node`, in place. `$${` writes `${`.
pub fn expand(node: &mut TreeNode, path: &str, variables: &BTreeMap<String, String>, mistakes: &mut Mistakes) {
    match &mut node.value {
        TreeValue::Null => {}
        TreeValue::Scalar(scalar) => expand_scalar(scalar, &Place { span: node.span, path }, variables, mistakes),
        TreeValue::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &format!("{path}[{index}]"), variables, mistakes);
            }
        }
        TreeValue::Mapping(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                expand(&mut entry.value, &format!("{path}{dot}{}", entry.key), variables, mistakes);
            }
        }
    }
}

struct Place<'a> {
    span: SourceSpan,
    path: &'a str,
}

fn expand_scalar(
    scalar: &mut TreeScalar,
    place: &Place<'_>,
    variables: &BTreeMap<String, String>,
    mistakes: &mut Mistakes,
) {
    if !scalar.text.contains("${") {
        return;
    }
    let mistakes_before = mistakes.count();
    let mut expanded = String::with_capacity(scalar.text.len());
    let mut rest = scalar.text.as_str();
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        rest = &rest[start + 2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        expanded.push_str(before);
        let Some(end) = rest.find('}') else {
            mistakes.add(
                place.span,
                place.path,
                "`${` without `}`",
                "`${NAME}`, or `$${` for the characters themselves",
            );
            scalar.form = ScalarForm::Unknown;
            return;
        };
        match variable(&rest[..end], variables) {
            Ok(value) => expanded.push_str(value),
            Err(Unexpandable { problem, expected }) => mistakes.add(place.span, place.path, &problem, &expected),
        }
        rest = &rest[end + 1..];
    }
    expanded.push_str(rest);
    let form = if mistakes.count() == mistakes_before { ScalarForm::Expanded } else { ScalarForm::Unknown };
    *scalar = TreeScalar { text: expanded, form };
}

struct Unexpandable {
    problem: String,
    expected: String,
}

/// The value for what stands between the braces. As in a shell, the default also stands in for an empty value.
fn variable<'a>(inside: &'a str, variables: &'a BTreeMap<String, String>) -> Result<&'a str, Unexpandable> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(legal) || name.as_bytes()[0].is_ascii_digit() {
        return Err(Unexpandable {
            problem: format!("`${{{name}}}` names no variable"),
            expected: "`${NAME}` or `${NAME:-default}`, NAME of letters, digits and _".to_owned(),
        });
    }
    match (variables.get(name).map(String::as_str), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default),
        (None, None) => Err(Unexpandable {
            problem: format!("the environment variable {name} is not set"),
            expected: format!("{name} in the environment, or `${{{name}:-default}}`"),
        }),
    }
}
