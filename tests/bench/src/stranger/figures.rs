//! What came out, beside the floor, and whether it is what was promised.

use federation_bench::machine;
use federation_core::log::bounds::OriginBounds;

use crate::changes::Changes;
use crate::pulse::Pulse;
use crate::writer::Written;

/// What B's watchers may wait longer than a plain consumer, at P99.
const LATER_MS: f64 = 250.0;
/// The slowest answer of `/livez`.
const LIVEZ_MS: f64 = 100.0;
/// Memory of a gateway that keeps nothing.
const BARE_MIB: u64 = 150;
/// What a kept fact costs beside the bytes of its values: two maps, its entry, its key.
const FACT_BYTES: u64 = 1_000;
/// While a snapshot is written or a log is read anew, what is kept may be there twice.
const COPIES: u64 = 2;

/// One stretch of measuring.
pub(crate) struct Phase {
    pub(crate) changes: Changes,
    pub(crate) pulse: Pulse,
}

/// Both stretches.
pub(crate) struct Goals {
    pub(crate) floor: Phase,
    pub(crate) flood: Phase,
    pub(crate) written: Written,
    pub(crate) allowance_mib: u64,
}

/// What B's gateway may hold after so much was written: all of it, or the bound on one origin, whichever is less.
pub(crate) fn allowance_mib(written: Written) -> u64 {
    let bounds = OriginBounds::default();
    let (facts, bytes) = (written.records.min(bounds.facts), written.bytes.min(bounds.bytes));
    BARE_MIB + COPIES * ((facts * FACT_BYTES + bytes) >> 20)
}

/// Of sorted figures.
fn at(figures: &[f64], percent: usize) -> f64 {
    figures.get((figures.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

impl Goals {
    pub(crate) fn print(&self) {
        let Written { records, bytes, refused } = self.written;
        println!(
            "\nthe stranger wrote {records} records, {} MiB; {refused} were refused; load {}",
            bytes >> 20,
            machine::load()
        );
        println!("\n{:<52} {:>6} {:>8} {:>8} {:>8}", "milliseconds", "n", "P50", "P99", "most");
        for (name, phase) in [("floor", &self.floor), ("flood", &self.flood)] {
            let Phase { changes, pulse } = phase;
            row(&format!("{name}: a plain consumer of A's topic"), &changes.plain);
            row(&format!("{name}: WatchService at B's gateway"), &changes.shown);
            row(&format!("{name}: difference, change by change"), &changes.difference);
            row(&format!("{name}: /livez of B"), &pulse.livez);
            row(&format!("{name}: /readyz of B"), &pulse.readyz);
        }
        let slowest = self.flood.changes.slowest.iter().map(|(second, millis)| format!("{millis:.0} at {second:.1} s"));
        println!("\nlargest differences under the flood: {}", slowest.collect::<Vec<_>>().join(", "));
        println!(
            "\nmemory of B: {} MiB before, {} MiB at most under the flood (A: {}); it may have {} MiB",
            self.floor.pulse.resident_mib,
            self.flood.pulse.resident_mib,
            self.flood.pulse.resident_mib_of_a,
            self.allowance_mib
        );
        println!("cores of B: {:.2} before, {:.2} under the flood", self.floor.pulse.cores, self.flood.pulse.cores);
        println!(
            "answers of B under the flood other than 200: {} of /livez, {} of /readyz; changes never shown: {}",
            self.flood.pulse.not_alive, self.flood.pulse.not_ready, self.flood.changes.unseen
        );
    }

    /// What was promised and is not so.
    pub(crate) fn missed(&self) -> Vec<String> {
        let Phase { changes, pulse } = &self.flood;
        let later = at(&changes.shown, 99) - at(&changes.plain, 99);
        let slowest = at(&pulse.livez, 100);
        let found = [
            (changes.unseen > 0, format!("{} changes were never shown", changes.unseen)),
            (
                later.is_nan() || later > LATER_MS,
                format!("P99 at B is {later:.0} ms above that of a plain consumer, at most {LATER_MS:.0}"),
            ),
            (
                slowest.is_nan() || slowest >= LIVEZ_MS,
                format!("/livez took {slowest:.0} ms, less than {LIVEZ_MS:.0} is promised"),
            ),
            (pulse.not_alive > 0, format!("/livez failed {} times", pulse.not_alive)),
            (
                pulse.resident_mib > self.allowance_mib,
                format!("{} MiB, at most {}", pulse.resident_mib, self.allowance_mib),
            ),
        ];
        found.into_iter().filter_map(|(missed, text)| missed.then_some(text)).collect()
    }
}

fn row(name: &str, figures: &[f64]) {
    println!(
        "{name:<52} {:>6} {:>8.1} {:>8.1} {:>8.1}",
        figures.len(),
        at(figures, 50),
        at(figures, 99),
        at(figures, 100)
    );
}
