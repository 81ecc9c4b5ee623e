//! What was measured, beside its goal, for people and for programs.

use anyhow::Result;
use federation_bench::figures::grouped;
use serde_json::{Value, json};

use crate::stage::Server;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One number.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) subject: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) goal: Option<Goal>,
}

impl Figure {
    /// Without a goal.
    pub(crate) fn new(what: impl Into<String>, subject: &str, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), subject: subject.to_owned(), value, unit, goal: None }
    }

    /// Whether it has a goal and misses it. What could not be measured misses it, too.
    pub(crate) fn is_missed(&self) -> bool {
        match self.goal {
            None => false,
            Some(Goal::AtMost(most)) => self.value.is_nan() || self.value > most,
            Some(Goal::AtLeast(least)) => self.value.is_nan() || self.value < least,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.goal, self.is_missed()) {
            (None, _) => "",
            (Some(_), false) => "ok",
            (Some(_), true) => "MISSED",
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::AtMost(most)) => format!("≤ {} {}", short(most), self.unit),
            Some(Goal::AtLeast(least)) => format!("≥ {} {}", short(least), self.unit),
        }
    }

    fn document(&self) -> Value {
        let (at_most, at_least) = match self.goal {
            None => (None, None),
            Some(Goal::AtMost(most)) => (Some(most), None),
            Some(Goal::AtLeast(least)) => (None, Some(least)),
        };
        let verdict = Some(self.verdict()).filter(|verdict| !verdict.is_empty());
        json!({
            "figure": self.what, "of": self.subject, "value": self.value, "unit": self.unit,
            "atMost": at_most, "atLeast": at_least, "verdict": verdict,
        })
    }
}

/// All of them, in the order in which they were taken. Those for people are printed as they come.
pub(crate) struct Figures {
    all: Vec<Figure>,
    is_printed: bool,
}

impl Figures {
    pub(crate) fn new(is_printed: bool) -> Self {
        if is_printed {
            println!("| figure | of | value | goal | |\n|---|---|---|---|---|");
        }
        Self { all: Vec::new(), is_printed }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        if self.is_printed {
            let value = format!("{} {}", short(figure.value), figure.unit);
            println!("| {} | {} | {value} | {} | {} |", figure.what, figure.subject, figure.goal(), figure.verdict());
        }
        self.all.push(figure);
    }

    /// Goes on where a peer does not bear what it is measured by, which is a finding: a figure without a value, and the reason for people.
    ///
    /// # Errors
    /// Our own server failed.
    pub(crate) fn or_none(&mut self, what: impl Into<String>, of: &Server, measured: Result<()>) -> Result<()> {
        match measured {
            Err(error) if of.is_peer => {
                eprintln!("{}: {error:#}", of.name);
                self.add(Figure::new(what, of.name, f64::NAN, ""));
                Ok(())
            }
            measured => measured,
        }
    }

    /// How many have missed their goals.
    pub(crate) fn missed(&self) -> usize {
        self.all.iter().filter(|figure| figure.is_missed()).count()
    }

    /// As one document.
    pub(crate) fn document(&self, machine: &str) -> Value {
        json!({"machine": machine, "figures": self.all.iter().map(Figure::document).collect::<Vec<_>>()})
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => grouped(value),
        value if value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A count among measures.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^52")]
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_none_misses_its_goal() {
        for (value, goal, missed) in [
            (1.0, None, false),
            (1.0, Some(Goal::AtMost(1.0)), false),
            (1.1, Some(Goal::AtMost(1.0)), true),
            (1.0, Some(Goal::AtLeast(1.0)), false),
            (0.9, Some(Goal::AtLeast(1.0)), true),
            (f64::NAN, Some(Goal::AtMost(1.0)), true),
            (f64::NAN, Some(Goal::AtLeast(1.0)), true),
        ] {
            assert_eq!(Figure { goal, ..Figure::new("", "", value, "") }.is_missed(), missed, "{value} {goal:?}");
        }
    }

    #[test]
    fn numbers_have_three_digits_or_so() {
        assert_eq!([1234.6, 12.34, 1.234, 30.0].map(short), ["1,235", "12.3", "1.23", "30"]);
    }
}
