//! Tables for people, and one document for programs.

use std::fmt::Write as _;

use crate::compare::{ComparisonTable, TableCell};
use crate::script::{BEHAVIOURS, RESTART};

const CLIENT_WIDTH: usize = 14;

/// The table and, below, each difference and each reason.
pub(crate) fn text(table: &ComparisonTable) -> String {
    let mut out = format!("\n{} compared with Nacos {}\n\n{:CLIENT_WIDTH$}", table.subject, table.line, "");
    let columns: Vec<&str> = BEHAVIOURS.into_iter().chain([RESTART]).filter(|name| is_anywhere(table, name)).collect();
    for column in &columns {
        let _ = write!(out, " {column:>width$}", width = width(column));
    }
    out.push('\n');
    for (client, row) in &table.rows {
        let _ = write!(out, "{client:CLIENT_WIDTH$}");
        for column in &columns {
            let _ = write!(out, " {:>width$}", word(row.get(*column)), width = width(column));
        }
        out.push('\n');
    }
    out.push('\n');
    for (client, row) in &table.rows {
        for column in &columns {
            details(&mut out, client, column, row.get(*column));
        }
    }
    for listed in &table.healed {
        let _ = writeln!(out, "listed as a difference and no longer one: {listed}");
    }
    out
}

fn is_anywhere(table: &ComparisonTable, column: &str) -> bool {
    table.rows.values().any(|row| row.contains_key(column))
}

fn width(column: &str) -> usize {
    column.len().max("DIFFERS".len())
}

fn word(cell: Option<&TableCell>) -> &'static str {
    match cell {
        None => "",
        Some(TableCell::Same) => "same",
        Some(TableCell::NotRun(_)) => "not run",
        Some(TableCell::Differs(steps)) if steps.iter().all(|step| step.known.is_some()) => "known",
        Some(TableCell::Differs(_)) => "DIFFERS",
    }
}

fn details(out: &mut String, client: &str, behaviour: &str, cell: Option<&TableCell>) {
    match cell {
        None | Some(TableCell::Same) => {}
        Some(TableCell::NotRun(why)) => {
            let _ = writeln!(out, "{client}, {behaviour}: not run: {why}");
        }
        Some(TableCell::Differs(steps)) => {
            for step in steps {
                let known = step.known.as_ref().map_or_else(|| "DIFFERS".into(), |why| format!("known: {why}"));
                let _ = writeln!(out, "{client}, {behaviour}, {}: {known}", step.step);
                let _ = writeln!(out, "    Nacos:   {}\n    subject: {}", step.reference, step.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::compare::StepDifference;

    #[test]
    fn the_table_has_a_word_for_each_field_and_the_reasons_below() {
        let difference = |known: Option<&str>| StepDifference {
            step: "a blank".into(),
            reference: "refused".into(),
            subject: "done".into(),
            known: known.map(String::from),
        };
        let row = BTreeMap::from([
            ("register".to_owned(), TableCell::Same),
            ("names".to_owned(), TableCell::Differs(vec![difference(Some("so be it")), difference(None)])),
            ("config".to_owned(), TableCell::Differs(vec![difference(Some("so be it"))])),
            ("CAS".to_owned(), TableCell::NotRun("no function".into())),
        ]);
        let rows = BTreeMap::from([("go 2.3.2".to_owned(), row)]);
        let table =
            ComparisonTable { subject: "embedded".into(), line: "2.3.2".into(), rows, healed: vec!["x".into()] };
        let want = "\nembedded compared with Nacos 2.3.2\n\n               register   names  config     CAS\n\
            go 2.3.2           same DIFFERS   known not run\n\n\
            go 2.3.2, names, a blank: known: so be it\n    Nacos:   refused\n    subject: done\n\
            go 2.3.2, names, a blank: DIFFERS\n    Nacos:   refused\n    subject: done\n\
            go 2.3.2, config, a blank: known: so be it\n    Nacos:   refused\n    subject: done\n\
            go 2.3.2, CAS: not run: no function\nlisted as a difference and no longer one: x\n";
        assert_eq!(text(&table), want);
    }
}
