//! The table of fields as it stands in `docs/configuration.md`, and the tests that hold the two together.

use std::fmt::Write as _;

use super::fields::ROOT;
use federation_document::mistakes::Mistakes;
use federation_document::table::{FieldPresence, TableField, TableSection, ValueKind};
use federation_document::tree;

const BEGIN: &str = "<!-- fields: made from the program's own table, see gateway/server/src/config/reference.rs -->\n";
const END: &str = "<!-- end of fields -->\n";

/// Sections whose fields have been written, with the path under which they are found.
type Written = Vec<(*const TableSection, String)>;

fn reference() -> String {
    let mut written = Vec::new();
    let mut text = String::new();
    section("", &ROOT, &mut written, &mut text);
    text
}

/// A table of the section's own fields, then the sections within it.
fn section(path: &str, section: &'static TableSection, written: &mut Written, text: &mut String) {
    written.push((std::ptr::from_ref(section), path.to_owned()));
    if !path.is_empty() {
        writeln!(text, "### `{path}`\n\n{}\n", section.about).expect("writing to a string cannot fail");
    }
    text.push_str("| Field | Holds | Left out | Meaning |\n|---|---|---|---|\n");
    let mut inner = Vec::new();
    for field in section.fields {
        let path = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let (holds, within) = holds(&field.kind, &path, written);
        inner.extend(within);
        writeln!(text, "| `{}` | {holds} | {} | {} |", field.name, left_out(field), field.about)
            .expect("writing to a string cannot fail");
    }
    text.push('\n');
    for (path, within) in inner {
        if !written.iter().any(|(known, _)| *known == std::ptr::from_ref(within)) {
            self::section(&path, within, written, text);
        }
    }
}

/// What the field holds, in words, and the section that it leads to.
fn holds(kind: &'static ValueKind, path: &str, written: &Written) -> (String, Option<(String, &'static TableSection)>) {
    let (what, path, section) = match kind {
        ValueKind::Section(section) => ("fields of", path.to_owned(), *section),
        ValueKind::List { of: ValueKind::Section(section), .. } => {
            ("a list, each with the fields of", format!("{path}[]"), *section)
        }
        ValueKind::List { of, .. } | ValueKind::Map { of, .. } => {
            return (format!("{}; each {}", kind.expected(), brief(of)), None);
        }
        ValueKind::Secret => return ("a text, never shown".to_owned(), None),
        other => return (brief(other), None),
    };
    let known = written.iter().find(|(known, _)| *known == std::ptr::from_ref(section));
    let at = known.map_or(path.as_str(), |(_, path)| path);
    (format!("{what} `{at}`"), Some((path.clone(), section)))
}

/// Without the examples, which the page gives once.
fn brief(kind: &ValueKind) -> String {
    let expected = kind.expected();
    expected.split_once(", like").map_or(expected.clone(), |(brief, _)| brief.to_owned())
}

fn left_out(field: &TableField) -> String {
    match &field.presence {
        FieldPresence::Required => "**required**".to_owned(),
        FieldPresence::Optional(without) => (*without).to_owned(),
        FieldPresence::Default("{}") if matches!(field.kind, ValueKind::Section(_)) => {
            "its fields' defaults".to_owned()
        }
        FieldPresence::Default(yaml) => format!("`{yaml}`"),
    }
}

/// Runs `check` on every field of every section.
fn for_each_field(check: &mut dyn FnMut(&'static TableField)) {
    fn walk(
        section: &'static TableSection,
        seen: &mut Vec<*const TableSection>,
        check: &mut dyn FnMut(&'static TableField),
    ) {
        if seen.contains(&std::ptr::from_ref(section)) {
            return;
        }
        seen.push(section);
        for field in section.fields {
            check(field);
            match &field.kind {
                ValueKind::Section(inner) | ValueKind::List { of: ValueKind::Section(inner), .. } => {
                    walk(inner, seen, check)
                }
                _ => {}
            }
        }
    }
    walk(&ROOT, &mut Vec::new(), check);
}

#[test]
fn the_documentation_has_the_table_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).expect("the page exists");
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
    let (table, after) = rest.split_once(END).expect("the mark after the table");
    let wanted = format!("\n{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("the page can be written");
    } else {
        assert!(table == wanted, "docs/configuration.md is out of date: run this test once with UPDATE_DOCS=1");
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let variables = [("NACOS_PASSWORD", "x"), ("KAFKA_PASSWORD", "x")].map(|(name, value)| (name.into(), value.into()));
    let surroundings = super::ConfigSurroundings { variables: variables.into(), host: "box".into() };
    let whole = |yaml: &str| yaml.contains("federation:") && yaml.contains("cluster:");
    for (page, least) in [("README.md", 1), ("docs/configuration.md", 2)] {
        let text = std::fs::read_to_string(format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR")));
        let text = text.expect("the page exists");
        let blocks = text.split("```yaml\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0));
        let examples: Vec<&str> = blocks.filter(|yaml| whole(yaml)).collect();
        assert!(examples.len() >= least, "{page} has {} examples", examples.len());
        for yaml in examples {
            if let Err(mistakes) = super::from_text(page, yaml, &surroundings) {
                panic!("{mistakes}\n{yaml}");
            }
        }
    }
}

#[test]
fn every_default_is_yaml_and_every_bound_fits() {
    for_each_field(&mut |field| {
        if let FieldPresence::Default(yaml) = field.presence {
            let mut mistakes = Mistakes::default();
            assert!(tree::parse(yaml, &mut mistakes).is_some() && mistakes.count() == 0, "{}: {yaml}", field.name);
        }
        if let ValueKind::Count { min, max } = field.kind {
            // Read as 16 bits, but for what may be more.
            let fits = u16::try_from(max).is_ok() || field.name == "items";
            assert!(min <= max && fits, "{}", field.name);
        }
    });
}

#[test]
fn every_field_says_what_it_means_in_sentences() {
    for_each_field(&mut |field| {
        assert!(field.about.ends_with('.'), "{}: {}", field.name, field.about);
        assert!(!field.about.contains('|') && !field.about.contains('\n'), "{} breaks the table", field.name);
    });
}
