//! The table: what, now, goal, held or not.

use federation_bench::machine;

/// What is promised of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Printed for comparison only.
    None,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    now: f64,
    unit: &'static str,
    goal: Goal,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Row {
    fn holds(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.now <= most,
            Goal::AtLeast(least) => self.now >= least,
            Goal::None => true,
        }
    }

    fn print(&self) {
        let goal = match self.goal {
            Goal::AtMost(most) => format!("at most {most}"),
            Goal::AtLeast(least) => format!("at least {least}"),
            Goal::None => String::new(),
        };
        let held = match self.goal {
            Goal::None => "",
            _ if self.holds() => "held",
            _ => "NOT HELD",
        };
        println!("{:<66} {:>12.2} {:<9} {goal:<16} {held}", self.what, self.now, self.unit);
    }
}

impl Table {
    /// Adds a figure, and prints it at once: a long run shows what it has.
    pub(crate) fn add(&mut self, what: impl Into<String>, now: f64, unit: &'static str, goal: Goal) {
        let row = Row { what: what.into(), now, unit, goal };
        row.print();
        self.0.push(row);
    }

    pub(crate) fn print(&self) {
        println!("\n{:<66} {:>12} {:<9} {:<16} load {}", "", "now", "", "goal", machine::load());
        self.0.iter().for_each(Row::print);
    }

    /// What does not hold.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.0.iter().filter(|row| !row.holds());
        missed.map(|row| format!("{} ({:.2} {})", row.what, row.now, row.unit)).collect()
    }
}

/// Of sorted figures.
pub(crate) fn at(figures: &[f64], percent: usize) -> f64 {
    figures.get((figures.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
