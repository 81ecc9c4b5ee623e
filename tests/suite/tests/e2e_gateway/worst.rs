//! What took how long, against what it may take.

use std::time::Duration;

use anyhow::{Result, ensure};
use federation_harness::announce;

use crate::scale;

/// Times of one kind of event.
#[derive(Debug)]
pub(crate) struct Times {
    what: String,
    limit: Duration,
    taken: Vec<Duration>,
}

impl Times {
    /// Of `what`, which may take `limit`.
    pub(crate) fn of(what: impl Into<String>, limit: Duration) -> Self {
        Self { what: what.into(), limit, taken: Vec::new() }
    }

    /// How long to wait for one at all.
    pub(crate) fn patience(&self) -> Duration {
        self.limit * scale::slack()
    }

    pub(crate) fn add(&mut self, taken: Duration) {
        self.taken.push(taken);
    }

    /// Prints the worst case, and fails if it or the median is over its limit.
    pub(crate) fn judge(mut self) -> Result<()> {
        self.taken.sort();
        let (Some(worst), Some(median)) = (self.taken.last(), self.taken.get(self.taken.len() / 2)) else {
            anyhow::bail!("{}: nothing was measured", self.what);
        };
        let (what, count, limit) = (&self.what, self.taken.len(), self.limit);
        announce(&format!(
            "{what}: worst of {count} {} ms, median {} ms, limit {} ms",
            worst.as_millis(),
            median.as_millis(),
            limit.as_millis()
        ));
        ensure!(*worst <= self.patience(), "{what}: the worst took {worst:?}, allowed {:?}", self.patience());
        ensure!(*median <= limit, "{what}: the median took {median:?}, allowed {limit:?}");
        Ok(())
    }
}
