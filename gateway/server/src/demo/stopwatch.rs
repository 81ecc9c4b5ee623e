//! How long a change takes until every gateway shows it, measured from outside.

use std::time::Duration;

use tokio::time::Instant;

use super::board;
use super::line::{Line, Tone};
use super::look::Looker;
use super::region::Region;
use super::shop::Change;

/// How often the gateways are asked; the resolution of what is measured.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// After this the change is told as one that has not arrived.
const PATIENCE: Duration = Duration::from_secs(3);

/// A change, and what came of it.
#[derive(Debug)]
pub(super) struct Timed {
    at: Duration,
    change: Change,
    /// After which time which gateway showed it; `None` if not while somebody waited.
    shown: Vec<(Region, Option<Duration>)>,
}

/// Waits until each of the gateways shows a change that was just made, `at` after the start.
pub(super) async fn time(looker: Looker, at: Duration, change: Change, gateways: Vec<Region>) -> Timed {
    let (origin, sign) = (change.region, &change.sign);
    let began = Instant::now();
    let one = |gateway: Region| {
        let looker = &looker;
        async move {
            while began.elapsed() < PATIENCE {
                if looker.shows(gateway, origin, sign).await {
                    return (gateway, Some(began.elapsed()));
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            (gateway, None)
        }
    };
    let shown = futures::future::join_all(gateways.into_iter().map(one)).await;
    Timed { at, change, shown }
}

/// A change whose arrival is not measured.
pub(super) fn line_of(at: Duration, change: &Change) -> Line {
    board::at(at, change.region.name()).column(Tone::Plain, &change.text, 44)
}

impl Timed {
    /// As a note.
    pub(super) fn line(&self) -> Line {
        let line = line_of(self.at, &self.change);
        let late: Vec<&str> =
            self.shown.iter().filter(|(_, after)| after.is_none()).map(|(region, _)| region.name()).collect();
        let last = self.shown.iter().filter_map(|(_, after)| *after).max();
        match last {
            Some(last) if late.is_empty() && self.shown.len() == Region::ALL.len() => {
                line.and(Tone::Quiet, format!("  seen everywhere after {} ms", last.as_millis()))
            }
            Some(last) if late.is_empty() => {
                line.and(Tone::Quiet, format!("  seen by all that run after {} ms", last.as_millis()))
            }
            _ if self.shown.is_empty() => line,
            _ => line.and(Tone::Warn, format!("  not yet seen in {}", late.join(", "))),
        }
    }
}
