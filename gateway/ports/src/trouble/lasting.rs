//! Findings that are troubles once they last: a look that finds the same thing again and again says so only after a while, and takes it back at
//! the first look that does not find it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Whether a finding can be judged now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKnown {
    /// It is so.
    Yes,
    /// What would show otherwise cannot be seen now. What was told stands, and nothing new is told.
    No,
}

/// Something that a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubleFinding {
    /// What it concerns, in words that stay the same.
    pub about: String,
    /// For people.
    pub text: String,
    /// Whether it can be judged now.
    pub known: FindingKnown,
}

struct Since {
    at: Instant,
    told: bool,
}

/// What was found, and since when. Holds as much as one look finds.
pub struct LastingFindings {
    after: Duration,
    found: BTreeMap<String, Since>,
}

impl LastingFindings {
    /// Findings are told when they have lasted so long.
    #[must_use]
    pub fn new(after: Duration) -> Self {
        Self { after, found: BTreeMap::new() }
    }

    /// Takes in all that a look found, and returns what of it has lasted, as (about, text).
    pub fn due(&mut self, now: Instant, found: Vec<TroubleFinding>) -> Vec<(String, String)> {
        let abouts: BTreeSet<&str> = found.iter().map(|it| &*it.about).collect();
        self.found.retain(|about, _| abouts.contains(&**about));
        let mut due = Vec::new();
        for TroubleFinding { about, text, known } in found {
            let since = self.found.entry(about.clone()).or_insert(Since { at: now, told: false });
            match known {
                // It has its time anew when it can be judged again.
                FindingKnown::No if !since.told => since.at = now,
                FindingKnown::No => {}
                FindingKnown::Yes => since.told |= now.duration_since(since.at) >= self.after,
            }
            if since.told {
                due.push((about, text));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(about: &str, known: FindingKnown) -> TroubleFinding {
        TroubleFinding { about: about.to_owned(), text: String::new(), known }
    }

    fn due(lasting: &mut LastingFindings, now: Instant, found: Vec<TroubleFinding>) -> Vec<String> {
        lasting.due(now, found).into_iter().map(|(about, _)| about).collect()
    }

    #[test]
    fn a_finding_is_told_after_its_time_and_taken_back_at_once() {
        let (mut lasting, start) = (LastingFindings::new(Duration::from_secs(30)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let both = || vec![found("a", FindingKnown::Yes), found("b", FindingKnown::Yes)];
        assert!(due(&mut lasting, at(0), both()).is_empty());
        assert!(due(&mut lasting, at(29), both()).is_empty());
        assert_eq!(due(&mut lasting, at(30), both()), ["a", "b"]);
        assert_eq!(due(&mut lasting, at(31), vec![found("b", FindingKnown::Yes)]), ["b"]);
        assert_eq!(due(&mut lasting, at(32), both()), ["b"], "its time begins anew");
        assert_eq!(due(&mut lasting, at(62), both()), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_judged_is_not_told_and_what_was_told_stands() {
        let (mut lasting, start) = (LastingFindings::new(Duration::from_secs(30)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(due(&mut lasting, at(0), vec![found("a", FindingKnown::No)]).is_empty());
        assert!(due(&mut lasting, at(60), vec![found("a", FindingKnown::No)]).is_empty());
        assert!(due(&mut lasting, at(89), vec![found("a", FindingKnown::Yes)]).is_empty());
        assert_eq!(due(&mut lasting, at(90), vec![found("a", FindingKnown::Yes)]), ["a"]);
        assert_eq!(due(&mut lasting, at(91), vec![found("a", FindingKnown::No)]), ["a"]);
    }
}
