//! What is said of a reader that gets nothing, for people.

use std::time::{Duration, Instant};

use super::{NAMED, Reading};

impl Reading<'_> {
    /// What is not heard, for people.
    pub(super) fn told_deaf(&self, now: Instant) -> String {
        let missed: Vec<String> = self.hearing.deaf_slots().filter_map(|index| self.told_missed(index, now)).collect();
        let because = self.fetcher.context().trouble().map_or(String::new(), |trouble| format!(": {trouble}"));
        if missed.is_empty() {
            let quiet = self.hearing.quiet_for(now).as_secs();
            return format!(
                "the reader of the log has had no answer for {quiet} s while kafka answers others{because}"
            );
        }
        let (count, named) = (missed.len(), missed[..missed.len().min(NAMED)].join(", "));
        format!("the reader of the log gets nothing of {count} partitions that have grown ({named}){because}")
    }

    fn told_missed(&self, index: usize, now: Instant) -> Option<String> {
        let slot = self.slots.get(index)?;
        let end = slot.place.behind_for(Duration::ZERO, now).map_or("further".to_owned(), |end| format!("to {end}"));
        Some(format!("{}: read to {}, reaches {end}", slot.name(), slot.place.next().unwrap_or(0)))
    }
}
