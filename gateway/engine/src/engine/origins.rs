//! Tells the board which clusters' records do not count, or are not all there.

use std::collections::BTreeMap;

use federation_core::federation::{Federation, OriginLimit};
use federation_core::id::ClusterId;

use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// Orders that are named; of others their number is.
const NAMED: usize = 3;

/// Makes the board's troubles of these kinds those of now. The cost grows with the number of clusters.
pub(super) fn tell_origins(board: &TroubleBoard, core: &Federation) {
    let aside: Vec<(String, String)> = core
        .set_aside()
        .map(|(origin, aside)| {
            let reasons: Vec<&str> = aside.reasons().into_iter().map(|reason| reason.as_str()).collect();
            let text = format!("records of {origin} are set aside: {}", reasons.join("; "));
            (origin.to_string(), text)
        })
        .collect();
    replace(board, TroubleKind::OriginSetAside, aside);
    replace(board, TroubleKind::OrdersNotAccepted, not_accepted(core));
    replace(board, TroubleKind::OriginOverLimit, over_limits(core));
    let incomplete: Vec<(String, String)> = core
        .incomplete()
        .map(|origin| {
            let text = format!(
                "{origin} is incomplete here: what was read of its log is not what it states to have written, so instances or config items \
                 of it may be missing"
            );
            (origin.to_string(), text)
        })
        .collect();
    replace(board, TroubleKind::OriginIncomplete, incomplete);
    let diverged = core.diverged().map(|place| {
        let name = format!("{} {}-{}", place.origin, place.topic.as_str(), place.partition);
        let text = format!(
            "{name} was read anew and is still not what {} states of it; what was read before goes on being served: run nacos-fed verify",
            place.origin
        );
        (name, text)
    });
    replace(board, TroubleKind::PartitionDiverged, diverged.collect());
}

/// One for each cluster: who writes what nobody accepts can write a lot of it.
fn not_accepted(core: &Federation) -> Vec<(String, String)> {
    let (intents, guard) = (core.intents(), core.guard());
    let drains = intents.refused().iter().map(|it| (&it.taken_in, format!("a drain of {}", it.target), it.record.why));
    let words = guard.refused().iter().map(|it| (&it.taken_in, format!("a word about {}", it.target), it.record.why));
    let mut of_clusters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (origin, what, why) in drains.chain(words) {
        of_clusters.entry(origin.to_string()).or_default().push(format!("{what}, because {why}"));
    }
    let tell = |(origin, orders): (String, Vec<String>)| {
        let others = orders.len().saturating_sub(NAMED);
        let more = if others > 0 { format!("; and {others} more") } else { String::new() };
        let named = orders.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
        let text = format!("in the log of {origin} stands what is not accepted here, and has no effect: {named}{more}");
        (origin, text)
    };
    of_clusters.into_iter().map(tell).collect()
}

fn over_limits(core: &Federation) -> Vec<(String, String)> {
    let tell = |(origin, limit, records): (ClusterId, OriginLimit, u64)| {
        let (what, setting) = match limit {
            OriginLimit::Items => {
                (format!("{} instances and config items", core.bounds().facts), "import.limits.items")
            }
            OriginLimit::Bytes => {
                (format!("{} bytes of instances and config items", core.bounds().bytes), "import.limits.bytes")
            }
        };
        let text = format!(
            "{origin} has more than {what}: {records} records of it were passed over, so what is new of it is not shown; what is known              stays. {setting} says how much is taken"
        );
        (format!("{origin} {}", limit.as_str()), text)
    };
    core.over_limits().into_iter().map(tell).collect()
}

/// Nearly always there is nothing to tell, and nothing told.
fn replace(board: &TroubleBoard, kind: TroubleKind, told: Vec<(String, String)>) {
    if !told.is_empty() || board.has(kind) {
        board.replace(kind, told);
    }
}
