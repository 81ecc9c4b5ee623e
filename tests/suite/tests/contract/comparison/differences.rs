//! The three recordings against each other, and against the list of what may differ.
//!
//! A line of the list is `area/case #call | who agrees | reason`. Who agrees is `embedded = 2.3.2`, `embedded = 3.1.0`, `2.3.2 = 3.1.0` or `nobody`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::script;

const SUBJECTS: [&str; 3] = ["embedded", "2.3.2", "3.1.0"];

/// The outcome.
pub(super) struct Compared {
    /// How many calls were compared.
    pub(super) calls: usize,
    /// Every call to which not all answer alike.
    pub(super) table: String,
    /// What is not as the list says.
    pub(super) wrong: Vec<String>,
}

pub(super) fn compare(folder: &Path) -> Compared {
    let listed = listed(&std::fs::read_to_string(folder.join("differences.txt")).unwrap_or_default());
    let mut found: BTreeMap<String, &'static str> = BTreeMap::new();
    let (mut calls, mut wrong) = (0, Vec::new());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for area in script::read(&folder.join("calls")) {
        let recorded = SUBJECTS.map(|subject| {
            script::read_recording(&folder.join("recorded").join(subject).join(format!("{}.txt", area.name)))
        });
        for case in &area.cases {
            let answers = recorded.each_ref().map(|cases| cases.iter().find(|(name, _)| *name == case.name));
            let [Some((_, ours)), Some((_, of_2)), Some((_, of_3))] = answers else {
                wrong.push(format!("{}/{} is not recorded", area.name, case.name));
                continue;
            };
            for at in 0..case.steps.len() {
                let agreement = agreement(ours.get(at), of_2.get(at), of_3.get(at));
                calls += 1;
                *counts.entry(agreement.unwrap_or("all")).or_default() += 1;
                found.extend(agreement.map(|who| (format!("{}/{} #{}", area.name, case.name, at + 1), who)));
            }
        }
    }
    for (call, who) in &found {
        match listed.get(call) {
            Some((listed, reason)) if listed == who && !reason.is_empty() => {}
            Some((_, reason)) => {
                wrong.push(format!("{call} | {who} | {reason} (listed otherwise, or without a reason)"))
            }
            None => wrong.push(format!("{call} | {who} | ")),
        }
    }
    let gone = listed.keys().filter(|call| !found.contains_key(*call));
    wrong.extend(gone.map(|call| format!("{call} (listed, but all answer alike, or there is no such call)")));
    Compared { calls, table: table(&found, &listed, &counts, calls), wrong }
}

/// Who agrees, unless all do.
fn agreement<T: PartialEq>(ours: T, of_2: T, of_3: T) -> Option<&'static str> {
    match (ours == of_2, ours == of_3, of_2 == of_3) {
        (true, true, _) => None,
        (true, false, _) => Some("embedded = 2.3.2"),
        (false, true, _) => Some("embedded = 3.1.0"),
        (false, false, true) => Some("2.3.2 = 3.1.0"),
        (false, false, false) => Some("nobody"),
    }
}

/// By call: who agrees, and why the others do not.
fn listed(text: &str) -> BTreeMap<String, (String, String)> {
    let line = |line: &str| {
        let [call, who, reason] = line.splitn(3, '|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line:?} is not `call | who agrees | reason`")
        };
        (call.to_owned(), (who.to_owned(), reason.to_owned()))
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(line).collect()
}

fn table(
    found: &BTreeMap<String, &'static str>,
    listed: &BTreeMap<String, (String, String)>,
    counts: &BTreeMap<&str, usize>,
    calls: usize,
) -> String {
    let mut table = format!("{calls} calls on the embedded registry, 2.3.2 and 3.1.0\n");
    for (call, who) in found {
        let reason = listed.get(call).map_or("?", |(_, reason)| reason);
        writeln!(table, "{call:<70} {who:<17} {reason}").expect("writing to memory cannot fail");
    }
    let counts: Vec<String> = counts.iter().map(|(who, count)| format!("{who}: {count}")).collect();
    table + "answered alike by " + &counts.join(", ")
}
