//! Traces: scripts of what happens to a few gateways, and beneath each step what they did, as text files in `tests/traces`.
//!
//! A line that begins without blanks is a step; an indented one below it says what followed; `#` begins a remark. A script is played
//! step by step and its text written anew: the two have to be the same. What a step can say stands in `tests/traces/README.md`.
//!
//! Whoever changes what the core does plays with `NACOS_FED_GOLDEN=write`, reads the difference, and judges it by the rules: a trace says
//! what happens, not what should.

mod player;
mod script;
mod shows;
mod words;

use std::path::{Path, PathBuf};

use federation_core::seed::Seed;

use player::Player;

/// Set to `write`, the files are written instead of compared.
const WRITE: &str = "NACOS_FED_GOLDEN";
/// Lines of a difference that are printed.
const TOLD_LINES: usize = 40;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces")
}

/// All traces by name, in the order of their names.
fn traces() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let mut traces: Vec<_> = files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    traces.sort();
    traces
}

/// The script with what follows its steps now.
fn played(name: &str, text: &str, hashed_with: Seed) -> String {
    let mut player = Player::new(hashed_with);
    let mut written = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with(' ') {
            continue; // What followed when it was written.
        }
        written.push_str(line);
        written.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for told in player.carry_out(&format!("{name}.txt:{number}"), line) {
            written.push_str(&format!("    {told}\n"));
        }
    }
    written
}

/// The lines from the first one that differs to the last one that does, of both texts, below the step that they follow.
fn difference(before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = before.len().min(after.len()) - same;
    let pairs = before.iter().rev().zip(after.iter().rev());
    let same_end = pairs.take(rest).take_while(|(one, other)| one == other).count();
    let step = before[..same].iter().rposition(|line| !line.starts_with(' ')).unwrap_or(0);
    let context = before[step..same].iter().map(|line| format!("  {line}"));
    let gone = before[same..before.len() - same_end].iter().map(|line| format!("- {line}"));
    let come = after[same..after.len() - same_end].iter().map(|line| format!("+ {line}"));
    let half = |lines: &mut dyn Iterator<Item = String>| lines.take(TOLD_LINES / 2).collect::<Vec<_>>();
    let (mut context, mut gone, mut come) = (context, gone, come);
    [half(&mut context), half(&mut gone), half(&mut come)].concat().join("\n")
}

#[test]
fn each_trace_says_what_follows_its_steps() {
    let writes = std::env::var(WRITE).is_ok_and(|word| word == "write");
    let mut differences = Vec::new();
    for (name, path) in traces() {
        let text = std::fs::read_to_string(&path).unwrap();
        let now = played(&name, &text, Seed(1));
        if writes && now != text {
            std::fs::write(&path, &now).unwrap();
        } else if now != text {
            differences.push(format!("{name}.txt\n{}", difference(&text, &now)));
        }
    }
    let told = differences.join("\n\n");
    assert!(differences.is_empty(), "{told}\n\nIf that is right: {WRITE}=write, and read the difference in the files.");
}

#[test]
fn no_trace_depends_on_the_order_in_hash_maps() {
    for (name, path) in traces() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(difference(&played(&name, &text, Seed(1)), &played(&name, &text, Seed(2))), "", "{name}");
    }
}

#[test]
fn every_group_of_situations_that_broke_earlier_rules_has_a_trace() {
    let names: Vec<String> = traces().into_iter().map(|(name, _)| name).collect();
    for group in 1..=10 {
        assert!(names.iter().any(|name| name.starts_with(&format!("{group:02}-"))), "group {group}: {names:?}");
    }
}

#[test]
fn a_difference_is_told_below_the_step_that_it_follows() {
    let before = "a\nb\n    one\n    two\nc\n";
    let after = "a\nb\n    one\n    three\n    four\nc\n";
    let want = "  b\n      one\n-     two\n+     three\n+     four";
    assert_eq!(difference(before, after), want);
    assert_eq!(difference(before, before), "");
}
