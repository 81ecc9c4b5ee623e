//! Two records step by step: the subject's, and the one of a real Nacos.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::known::{DifferencePlace, KnownDifference};
use crate::outcome::{BehaviourOutcome, ScriptStep, ServerRecord};

/// One step that was told differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StepDifference {
    pub(crate) step: String,
    pub(crate) reference: String,
    pub(crate) subject: String,
    /// Why it is known to differ.
    pub(crate) known: Option<String>,
}

/// A field of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableCell {
    Same,
    Differs(Vec<StepDifference>),
    NotRun(String),
}

/// A table, and what spoils it although it is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ComparisonTable {
    pub(crate) subject: String,
    pub(crate) line: String,
    /// By client, then by behaviour.
    pub(crate) rows: BTreeMap<String, BTreeMap<String, TableCell>>,
    /// Listed differences that were not seen.
    pub(crate) healed: Vec<String>,
}

impl ComparisonTable {
    /// Compares what both say, of every client and behaviour that either has.
    pub(crate) fn of(
        (subject, line): (&str, &str),
        reference: &ServerRecord,
        told: &ServerRecord,
        known: &[KnownDifference],
    ) -> Self {
        let mut rows: BTreeMap<String, BTreeMap<String, TableCell>> = BTreeMap::new();
        for (client, behaviours) in reference {
            for (behaviour, expected) in behaviours {
                let Some(found) = told.get(client).and_then(|behaviours| behaviours.get(behaviour)) else { continue };
                let mut cell = compared(expected, found);
                explain(&mut cell, DifferencePlace { subject, line, client, behaviour }, known);
                rows.entry(client.clone()).or_default().insert(behaviour.clone(), cell);
            }
        }
        let healed = healed((subject, line), &rows, known);
        Self { subject: subject.into(), line: line.into(), rows, healed }
    }

    /// Whether nothing differs but what is listed, and all that is listed does.
    pub(crate) fn is_as_known(&self) -> bool {
        self.healed.is_empty() && self.unexplained().is_empty()
    }

    /// The behaviours in which something differs that is not listed, by client.
    pub(crate) fn unexplained(&self) -> BTreeMap<&str, Vec<String>> {
        let of = |behaviours: &BTreeMap<String, TableCell>| -> Vec<String> {
            behaviours.iter().filter(|(_, cell)| is_unexplained(cell)).map(|(behaviour, _)| behaviour.clone()).collect()
        };
        let rows = self.rows.iter().map(|(client, behaviours)| (client.as_str(), of(behaviours)));
        rows.filter(|(_, behaviours)| !behaviours.is_empty()).collect()
    }
}

fn is_unexplained(cell: &TableCell) -> bool {
    matches!(cell, TableCell::Differs(steps) if steps.iter().any(|step| step.known.is_none()))
}

fn compared(expected: &BehaviourOutcome, found: &BehaviourOutcome) -> TableCell {
    match (expected, found) {
        (BehaviourOutcome::Ran(expected), BehaviourOutcome::Ran(found)) => {
            let differences = differences(expected, found);
            if differences.is_empty() { TableCell::Same } else { TableCell::Differs(differences) }
        }
        (BehaviourOutcome::NotRun(why), _) | (_, BehaviourOutcome::NotRun(why)) => TableCell::NotRun(why.clone()),
    }
}

fn differences(expected: &[ScriptStep], found: &[ScriptStep]) -> Vec<StepDifference> {
    let nothing = ScriptStep { name: String::new(), told: "nothing: the script had broken off".into() };
    let steps = 0..expected.len().max(found.len());
    let pairs = steps.map(|at| (expected.get(at).unwrap_or(&nothing), found.get(at).unwrap_or(&nothing)));
    let differing = pairs.filter(|(expected, found)| expected != found).map(|(expected, found)| StepDifference {
        step: if expected.name.is_empty() { found.name.clone() } else { expected.name.clone() },
        reference: expected.told.clone(),
        subject: found.told.clone(),
        known: None,
    });
    differing.collect()
}

fn explain(cell: &mut TableCell, place: DifferencePlace<'_>, known: &[KnownDifference]) {
    let TableCell::Differs(steps) = cell else { return };
    for step in steps {
        let listed = known.iter().find(|known| known.is_of(place) && known.step == step.step);
        step.known = listed.map(|known| known.why.clone());
    }
}

/// Listed differences of this subject and line that no client showed, though one that they name ran the behaviour, and that show each time.
fn healed(
    (subject, line): (&str, &str),
    rows: &BTreeMap<String, BTreeMap<String, TableCell>>,
    known: &[KnownDifference],
) -> Vec<String> {
    let mut healed = Vec::new();
    for listed in known.iter().filter(|listed| !listed.is_at_times()) {
        let (mut ran, mut seen) = (false, false);
        for (client, behaviours) in rows {
            for (behaviour, cell) in behaviours {
                if !listed.is_of(DifferencePlace { subject, line, client, behaviour }) {
                    continue;
                }
                ran |= !matches!(cell, TableCell::NotRun(_));
                seen |= matches!(cell, TableCell::Differs(steps) if steps.iter().any(|step| step.step == listed.step));
            }
        }
        if ran && !seen {
            healed.push(format!("{} | {} | {}", listed.client, listed.behaviour, listed.step));
        }
    }
    healed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::parse_list;

    fn record(client: &str, outcome: BehaviourOutcome) -> ServerRecord {
        BTreeMap::from([(client.into(), BTreeMap::from([("names".into(), outcome)]))])
    }

    fn ran(told: &[(&str, &str)]) -> BehaviourOutcome {
        BehaviourOutcome::Ran(
            told.iter().map(|&(name, told)| ScriptStep { name: name.into(), told: told.into() }).collect(),
        )
    }

    fn table(reference: BehaviourOutcome, subject: BehaviourOutcome, known: &str) -> ComparisonTable {
        let known = parse_list(known).unwrap();
        ComparisonTable::of(("embedded", "2.3.2"), &record("go", reference), &record("go", subject), &known)
    }

    #[test]
    fn a_difference_fails_unless_it_is_listed_and_a_listed_one_that_is_gone_fails_too() {
        let (one, other) = (ran(&[("blank", "done"), ("star", "a")]), ran(&[("blank", "refused"), ("star", "a")]));
        let listed = "embedded | * | go | names | blank | it is so";
        for (name, subject, known, want) in [
            ("same", one.clone(), "", true),
            ("differs", other.clone(), "", false),
            ("differs as listed", other.clone(), listed, true),
            ("another step is listed", other, "embedded | * | go | names | star | it is so", false),
            ("listed and gone", one.clone(), listed, false),
            ("shows at times", one.clone(), "embedded | * | go | names | blank | at times: it is so", true),
            ("of another subject", one.clone(), "gateway | * | go | names | blank | it is so", true),
        ] {
            assert_eq!(table(one.clone(), subject, known).is_as_known(), want, "{name}");
        }
    }

    #[test]
    fn what_did_not_run_is_told_as_such_and_judged_by_nobody() {
        let absent = BehaviourOutcome::NotRun("not in this SDK: x".into());
        let table = table(absent.clone(), absent, "embedded | * | go | names | blank | it is so");
        assert_eq!(table.rows["go"]["names"], TableCell::NotRun("not in this SDK: x".into()));
        assert!(table.is_as_known());
    }

    #[test]
    fn a_script_that_breaks_off_differs_from_there_on() {
        let table = table(ran(&[("a", "1"), ("b", "2")]), ran(&[("a", "1")]), "");
        assert_eq!(table.unexplained(), BTreeMap::from([("go", vec!["names".to_owned()])]));
        let TableCell::Differs(steps) = &table.rows["go"]["names"] else { panic!("{table:?}") };
        assert_eq!((steps.len(), steps[0].step.as_str()), (1, "b"));
    }
}
