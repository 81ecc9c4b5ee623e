//! The same calls, with odd inputs, on the embedded registry, on 2.3.2 and on 3.1.0, compared line by line.
//!
//! - `calls/*.calls`: the cases, each a few calls in order, over HTTP and gRPC;
//! - `recorded/<subject>/*.txt`: what each subject answers, with what differs from run to run masked;
//! - `differences.txt`: every call to which the three do not answer alike, who agrees with whom, and the reason.
//!
//! Per subject, one test makes all calls and holds the answers against the recording. With [`RECORD`] set it writes the recording instead. Another test
//! holds the recordings against each other: a difference that is not listed fails it, and so does a listed one that is none any more.

mod ask;
mod differences;
mod masked;
mod script;

use std::path::PathBuf;
use std::time::Duration;

use federation_harness::Line;

use crate::subject::{Kind, Subject};
use ask::Asker;
use script::{Area, Case, Step};

/// The variable that makes the tests record instead of compare: `all`, or areas like `config,grpc`. What they recorded is to be read before it is
/// committed.
const RECORD: &str = "NACOS_FED_RECORD";
/// How long an answer that comes in time is waited for: the servers' caches are behind by as much as half a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer that stood so long while recording is the one.
const SETTLED: Duration = Duration::from_millis(1200);
/// Pause between asking again.
const AGAIN: Duration = Duration::from_millis(50);

/// One of the three, as paths and tables name it.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedded => "embedded",
        Kind::Nacos(Line::V2) => "2.3.2",
        Kind::Nacos(Line::V3) => "3.1.0",
    }
}

fn folder() -> PathBuf {
    federation_harness::parts::workspace().join("tests/suite/tests/contract/comparison")
}

pub(crate) async fn every_call_is_answered_as_it_was_recorded(subject: &mut Subject) {
    let wanted = std::env::var(RECORD).unwrap_or_default();
    let mut wrong = Vec::new();
    for area in script::read(&folder().join("calls")) {
        let recording = wanted == "all" || wanted.split(',').any(|wanted| wanted == area.name);
        if !recording && !wanted.is_empty() {
            continue;
        }
        let mut asker = Asker::of(subject).await; // Anew: servers close a connection that is idle.
        let path = folder().join("recorded").join(name(subject.kind())).join(format!("{}.txt", area.name));
        let recorded = if recording { Vec::new() } else { script::read_recording(&path) };
        let mut text = String::new();
        for (number, case) in area.cases.iter().enumerate() {
            let expected = recorded.iter().find(|(name, _)| *name == case.name).map(|(_, answers)| &**answers);
            let answers = run(&mut asker, &area, number, case, expected).await;
            if !recording && expected != Some(&answers) {
                wrong.push(format!("{}/{}:\n{}", area.name, case.name, script::beside(case, expected, &answers)));
            }
            text.push_str(&script::recorded(case, &answers));
        }
        if recording {
            std::fs::create_dir_all(path.parent().expect("it is in a folder")).unwrap();
            std::fs::write(&path, text).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{} cases are answered otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

async fn run(asker: &mut Asker, area: &Area, number: usize, case: &Case, expected: Option<&[String]>) -> Vec<String> {
    let service = asker.unique(area, number);
    let mut answers = Vec::with_capacity(case.steps.len());
    for (at, step) in case.steps.iter().enumerate() {
        answers.push(match expected {
            Some(expected) => until_as(asker, step, &service, expected.get(at)).await,
            None => settled(asker, step, &service).await,
        });
    }
    answers
}

/// The answer as soon as it is as expected, or as it is at the end: what is read may be behind what was written, each way of reading by its own.
async fn until_as(asker: &mut Asker, step: &Step, service: &str, expected: Option<&String>) -> String {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = asker.ask(step, service).await;
        if !(step.eventually || step.method == "GET") || Some(&answer) == expected || tokio::time::Instant::now() >= end
        {
            return answer;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The answer once it does not change any more.
async fn settled(asker: &mut Asker, step: &Step, service: &str) -> String {
    let mut answer = asker.ask(step, service).await;
    let mut since = tokio::time::Instant::now();
    while step.eventually && since.elapsed() < SETTLED {
        tokio::time::sleep(AGAIN).await;
        let next = asker.ask(step, service).await;
        if next != answer {
            (answer, since) = (next, tokio::time::Instant::now());
        }
    }
    answer
}

#[test]
fn every_difference_between_the_three_is_listed_with_its_reason() {
    let compared = differences::compare(&folder());
    eprintln!("{}", compared.table);
    assert!(compared.wrong.is_empty(), "differences.txt is not true:\n{}", compared.wrong.join("\n"));
    assert!(compared.calls >= 60, "{} calls", compared.calls);
}
