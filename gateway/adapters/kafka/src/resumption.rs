//! What became of the places that the engine's snapshot offered, for people.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use federation_ports::facts::{FactSource, NamedFacts};

/// Reasons that are remembered one by one.
const MOST_REASONS: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Resumption {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    offered: usize,
    read_on: usize,
    refused: usize,
    reasons: BTreeMap<String, usize>,
}

impl Resumption {
    /// So many partitions of the snapshot may be read on from their places.
    pub(super) fn of(offered: usize) -> Self {
        Self { told: Mutex::new(Told { offered, ..Told::default() }) }
    }

    pub(super) fn read_on(&self) {
        self.told().read_on += 1;
    }

    pub(super) fn refused(&self, reason: String) {
        let mut told = self.told();
        told.refused += 1;
        if told.reasons.len() < MOST_REASONS || told.reasons.contains_key(&reason) {
            *told.reasons.entry(reason).or_default() += 1;
        }
    }

    /// The critical sections count: a panic cannot leave one half done.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells how much of the log was read on from the snapshot.
#[derive(Debug)]
pub struct ResumptionFacts(pub(super) std::sync::Arc<Resumption>);

impl FactSource for ResumptionFacts {
    fn facts(&self) -> NamedFacts {
        let told = self.0.told();
        let text = match told.offered {
            0 => "no: the snapshot has no places, or there is none".to_owned(),
            offered => {
                let mut text = format!("{} of {offered} partitions", told.read_on);
                for (reason, count) in &told.reasons {
                    text.push_str(&format!("; {count} not: {reason}"));
                }
                text
            }
        };
        vec![("logReadOn", text)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_on_is_told_with_the_reasons_of_what_was_not() {
        let facts = |resumption: &std::sync::Arc<Resumption>| ResumptionFacts(resumption.clone()).facts().remove(0).1;
        assert!(facts(&std::sync::Arc::default()).starts_with("no: "));
        let resumption = std::sync::Arc::new(Resumption::of(4));
        resumption.read_on();
        resumption.refused("too old".into());
        resumption.refused("too old".into());
        assert_eq!(facts(&resumption), "1 of 4 partitions; 2 not: too old");
        for number in 0..100 {
            resumption.refused(number.to_string());
        }
        assert!(facts(&resumption).len() < 100);
    }
}
