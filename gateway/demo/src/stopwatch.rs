//! How long a change takes until the gateways show it, measured from outside.

use std::time::Duration;

use tokio::time::Instant;

use super::board;
use super::line::{Line, Tone};
use super::look::Looker;
use super::region::DemoRegion;
use super::shop::Change;

/// How often the gateways are asked; the resolution of what is measured.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// After this the change is told as one that has not arrived.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which gateways can show a change as things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// All.
    Everybody,
    /// Those that run: others are stopped.
    Those(Vec<DemoRegion>),
    /// That of its own region: the log is down.
    Home,
    /// None, because a part of its own region is stopped.
    Nobody {
        /// Which part.
        without: &'static str,
    },
}

/// A change, and what came of it.
#[derive(Debug)]
pub(super) struct Timed {
    at: Duration,
    change: Change,
    audience: Audience,
    /// After which time which gateway showed it; `None` if not while somebody waited.
    shown: Vec<(DemoRegion, Option<Duration>)>,
}

/// Waits until the audience shows a change that was just made, `at` after the start.
pub(super) async fn time(looker: Looker, at: Duration, change: Change, audience: Audience) -> Timed {
    let (origin, sign) = (change.region, &change.sign);
    let gateways = match &audience {
        Audience::Everybody => DemoRegion::ALL.to_vec(),
        Audience::Those(gateways) => gateways.clone(),
        Audience::Home => vec![origin],
        Audience::Nobody { .. } => Vec::new(),
    };
    let began = Instant::now();
    let one = |gateway: DemoRegion| {
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
    Timed { at, change, audience, shown }
}

/// A change whose arrival is not measured.
pub(super) fn line_of(at: Duration, change: &Change) -> Line {
    board::at(at, change.region.name()).column(Tone::Plain, &change.text, 44)
}

impl Timed {
    /// As a note.
    pub(super) fn line(&self) -> Line {
        let line = line_of(self.at, &self.change);
        let not_shown = self.shown.iter().filter(|(_, after)| after.is_none());
        let late: Vec<&str> = not_shown.map(|(region, _)| region.name()).collect();
        if !late.is_empty() {
            return line.and(Tone::Warn, format!("  not yet seen in {}", late.join(", ")));
        }
        let last = self.shown.iter().filter_map(|(_, after)| *after).max().unwrap_or_default().as_millis();
        let seen = match &self.audience {
            Audience::Everybody => format!("  seen everywhere after {last} ms"),
            Audience::Those(_) => format!("  seen by those that run after {last} ms"),
            Audience::Home => format!("  seen at home after {last} ms, waits for kafka"),
            Audience::Nobody { without } => format!("  waits for its {without}"),
        };
        line.and(Tone::Quiet, seen)
    }
}
