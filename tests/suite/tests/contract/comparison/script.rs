//! The files: cases, and recordings of their answers.
//!
//! A case begins with `== name`. Each further line is a call: a method and a path, or `GRPC`, a message and its JSON; `GRPC!` is without a right token.
//! `eventually` before it: the answer comes in time, ask again. Lines that are indented by two belong to the call above: headers, `| ` a body, `!anonymous`
//! no token, `!raw` the names of fields as they are. `$s` is a service name of the case's own, `$x9` nine letters, `$w9` nine characters of three bytes.

use std::fmt::Write as _;
use std::path::Path;

/// One file of cases.
pub(super) struct Area {
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
}

/// Calls in order, about one service or item of their own.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One call.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// As it is written.
    pub(super) line: String,
    /// Its answer comes in time.
    pub(super) eventually: bool,
    /// HTTP method, `GRPC` or `GRPC!`.
    pub(super) method: String,
    /// Path with query, or message and JSON.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) anonymous: bool,
    pub(super) raw: bool,
}

/// All files of a folder, by name.
pub(super) fn read(folder: &Path) -> Vec<Area> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let area = |path: &std::path::PathBuf| Area {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        cases: cases(&std::fs::read_to_string(path).unwrap()),
    };
    paths.iter().map(area).collect()
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            assert!(cases.iter().all(|case| case.name != name), "two cases are named {name:?}");
            cases.push(Case { name: name.to_owned(), steps: Vec::new() });
            continue;
        }
        let steps = &mut cases.last_mut().expect("a case has a name").steps;
        match line.strip_prefix("  ") {
            Some(more) => extend(steps.last_mut().expect("it belongs to a call"), more),
            None => steps.push(step(line)),
        }
    }
    cases
}

fn step(line: &str) -> Step {
    let call = line.strip_prefix("eventually ").unwrap_or(line);
    let (method, target) = call.split_once(' ').expect("a method and a target");
    let (method, target) = (method.to_owned(), target.to_owned());
    Step { line: line.to_owned(), eventually: call.len() < line.len(), method, target, ..Step::default() }
}

fn extend(step: &mut Step, more: &str) {
    match more {
        "!anonymous" => step.anonymous = true,
        "!raw" => step.raw = true,
        _ => match (more.strip_prefix("| "), more.split_once(": ")) {
            (Some(body), _) => step.body = Some(body.to_owned()),
            (None, Some((name, value))) => step.headers.push((name.to_owned(), value.to_owned())),
            (None, None) => panic!("{more:?} is no header"),
        },
    }
}

/// A case with its answers, as it is kept.
pub(super) fn recorded(case: &Case, answers: &[String]) -> String {
    let mut text = format!("== {}\n", case.name);
    for (step, answer) in case.steps.iter().zip(answers) {
        writeln!(text, "{}\n  {}", step.line, answer.replace('\n', "\n  ")).expect("writing to memory cannot fail");
    }
    text + "\n"
}

/// What was kept: for each case its name and the answers to its calls.
pub(super) fn read_recording(path: &Path) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut cases: Vec<(String, Vec<String>)> = Vec::new();
    let mut follows = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push((name.to_owned(), Vec::new()));
            continue;
        }
        let answers = &mut cases.last_mut().expect("a recording begins with a case").1;
        match line.strip_prefix("  ") {
            Some(more) if follows => {
                let answer = answers.last_mut().expect("it follows another line");
                answer.push('\n');
                answer.push_str(more);
            }
            Some(first) => answers.push(first.to_owned()),
            None => {}
        }
        follows = line.starts_with("  ");
    }
    cases
}

/// For people: each call with what was expected and what came.
pub(super) fn beside(case: &Case, expected: Option<&[String]>, answers: &[String]) -> String {
    let mut text = String::new();
    for (at, (step, answer)) in case.steps.iter().zip(answers).enumerate() {
        let expected = expected.and_then(|expected| expected.get(at));
        if expected != Some(answer) {
            let expected = expected.map_or("nothing", |expected| expected);
            writeln!(text, "    {}\n      recorded {expected}\n      answered {answer}", step.line).expect("as above");
        }
    }
    text
}
