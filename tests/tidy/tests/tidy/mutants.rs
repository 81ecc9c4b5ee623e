//! The breaks of `tests/mutants/list`, read as `tests/mutants/run` reads them.

use crate::source::Source;

/// Where the files stand that are broken.
pub(crate) const CORE: &str = "gateway/core/src";

/// A text of the core, and what it is replaced by.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Break {
    pub(crate) name: String,
    /// Below [`CORE`].
    pub(crate) file: String,
    /// The rule that it breaks.
    pub(crate) rule: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Break {
    /// Why it cannot be applied to these sources, or would change nothing.
    pub(crate) fn trouble(&self, sources: &[Source]) -> Option<String> {
        let name = format!("{CORE}/{}", self.file);
        let Some(source) = sources.iter().find(|source| source.name == name) else {
            return Some(format!("there is no {name}"));
        };
        let times = source.text.matches(&self.from).count();
        match times {
            _ if self.from.is_empty() || self.rule.is_empty() => Some("it lacks a text or a rule".into()),
            _ if self.from == self.to => Some("it changes nothing".into()),
            1 => None,
            _ => Some(format!("stands in {name} {times} times: {}", self.from)),
        }
    }
}

pub(crate) fn breaks(list: &str) -> Vec<Break> {
    let mut breaks: Vec<Break> = Vec::new();
    let mut in_to = false;
    for line in list.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            breaks.push(Break { name: name.to_owned(), ..Break::default() });
            in_to = false;
        }
        let Some(last) = breaks.last_mut() else { continue };
        match line.split_once(": ") {
            Some(("file", file)) => file.clone_into(&mut last.file),
            Some(("breaks", rule)) => rule.clone_into(&mut last.rule),
            Some(("from", text)) => (last.from, in_to) = (text.to_owned(), false),
            Some(("to", text)) => (last.to, in_to) = (text.to_owned(), true),
            _ => {
                let text = if in_to { &mut last.to } else { &mut last.from };
                text.extend(line.strip_prefix('|').into_iter().flat_map(|more| ["\n", more]));
            }
        }
    }
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# A comment: of `==`.\n\n== one: two\nfile: a/b.rs\nbreaks: R1\nfrom: a: b\n|    c: d\nto: e\n|f\n\n== three\nfile: c.rs\nbreaks: 5\nfrom: g\nto: h\n";

    #[test]
    fn breaks_are_read_with_the_lines_that_go_on() {
        let text = |name: &str, file: &str, rule: &str, from: &str, to: &str| {
            let [name, file, rule, from, to] = [name, file, rule, from, to].map(str::to_owned);
            Break { name, file, rule, from, to }
        };
        let expected =
            [text("one: two", "a/b.rs", "R1", "a: b\n    c: d", "e\nf"), text("three", "c.rs", "5", "g", "h")];
        assert_eq!(breaks(LIST), expected);
    }

    #[test]
    fn a_break_stands_in_its_file_exactly_once_and_changes_it() {
        let file = |text: &str| [Source { name: format!("{CORE}/c.rs"), text: text.to_owned() }];
        let mut it = breaks(LIST).pop().expect("the list has two");
        assert_eq!(it.trouble(&file("f g h")), None);
        for text in ["f h", "g g"] {
            assert!(it.trouble(&file(text)).is_some(), "{text}");
        }
        assert!(it.trouble(&[]).is_some(), "no such file");
        it.to = it.from.clone();
        assert!(it.trouble(&file("g")).is_some(), "nothing changes");
    }
}
