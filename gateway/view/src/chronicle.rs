//! Writes down in the history what the engine knows nothing of: the policy, documents of it that were refused, and which clusters are excluded.
//!
//! Input: what the policy's keeper and the exclusions tell. Output: changes in the view's history, and signals of them. Like the rest of the
//! history it begins with what there is at the start, which is not told.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::cause::ChangeThrough;
use federation_core::id::ClusterId;
use federation_policy::exclusions::{Exclusion, Exclusions};
use federation_policy::{InForce, PolicyReader, PolicyStanding};
use tokio_util::sync::CancellationToken;

use crate::view::ViewReader;
use crate::view::history::{ChangeKind, ChangeRecord, ChangeSubject};

/// Watches what there is beside the engine.
pub struct OutsideChronicle {
    view: ViewReader,
    policy: PolicyReader,
    exclusions: Exclusions,
}

/// What was so when it was last looked at.
struct Known {
    in_force: Arc<InForce>,
    standings: Arc<[PolicyStanding]>,
    excluded: Arc<BTreeMap<ClusterId, Exclusion>>,
}

impl OutsideChronicle {
    /// Writes into the history of `view`.
    #[must_use]
    pub fn new(view: ViewReader, policy: PolicyReader, exclusions: Exclusions) -> Self {
        Self { view, policy, exclusions }
    }

    /// Writes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut policy, mut standings) = (self.policy.watch(), self.policy.watch_standings());
        let mut excluded = self.exclusions.watch();
        let mut known = self.look();
        loop {
            tokio::select! { // All are cancel-safe: they only wait.
                () = stop.cancelled() => return,
                Ok(()) = policy.changed() => {}
                Ok(()) = standings.changed() => {}
                Ok(()) = excluded.changed() => {}
                else => return stop.cancelled().await, // Nothing can change any more.
            }
            let now = self.look();
            self.view.remember(differences(&known, &now));
            known = now;
        }
    }

    fn look(&self) -> Known {
        Known { in_force: self.policy.in_force(), standings: self.policy.standings(), excluded: self.exclusions.all() }
    }
}

fn differences(before: &Known, now: &Known) -> Vec<ChangeRecord> {
    let mut found = Vec::new();
    if before.in_force.version != now.in_force.version {
        let record = ChangeRecord::new(ChangeKind::Policy, "changed", ChangeSubject::Gateway);
        found.push(record.through(ChangeThrough::Operator).from(told(&before.in_force)).to(told(&now.in_force)));
    }
    for standing in &*now.standings {
        let Some(refusal) = &standing.refusal else { continue };
        let refused_before = before.standings.iter().any(|it| it.refusal.as_ref() == Some(refusal));
        if !refused_before {
            let record = ChangeRecord::new(ChangeKind::Policy, "refused", ChangeSubject::Gateway);
            let text = format!("{}: {} mistakes", refusal.source, refusal.mistakes.len());
            found.push(record.through(ChangeThrough::Operator).to(text));
        }
    }
    let excluded = |what: &'static str, cluster: &ClusterId| {
        let record = ChangeRecord::new(ChangeKind::Excluded, what, ChangeSubject::Cluster(cluster.clone()));
        record.of(cluster).through(ChangeThrough::Operator)
    };
    for (cluster, order) in now.excluded.iter().filter(|(cluster, _)| !before.excluded.contains_key(*cluster)) {
        let record = excluded("added", cluster).to(&order.reason);
        found.push(ChangeRecord { who: Some(order.who.as_str().into()), ..record });
    }
    let back = before.excluded.keys().filter(|cluster| !now.excluded.contains_key(*cluster));
    found.extend(back.map(|cluster| excluded("removed", cluster)));
    found
}

/// `file policy.yaml, md5 …`.
fn told(in_force: &InForce) -> String {
    match &in_force.md5 {
        Some(md5) => format!("{}, md5 {md5}", in_force.source),
        None => in_force.source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use federation_core::time::Mono;

    use super::*;
    use crate::view::signals::SignalTopic;
    use crate::view::{self, GatewayStatus, ViewChange};

    #[tokio::test]
    async fn an_exclusion_is_remembered_with_who_ordered_it_and_what_was_before_the_start_is_not() {
        let (mut writer, reader) = view::new(Arc::new(|| Mono(0)));
        let gateway = Some(Arc::new(GatewayStatus { ready: true, ..GatewayStatus::default() }));
        writer.apply(ViewChange { gateway, ..ViewChange::default() });
        let exclusions = Exclusions::none("/proc/nowhere/at/all".to_owned().into());
        let order = |who: &str| Exclusion { who: who.to_owned(), reason: "garbage".to_owned(), since_ms: 5 };
        let zanzibar: ClusterId = "zanzibar".parse().unwrap();
        exclusions.change(&"before".parse().unwrap(), Some(order("ann")), |_| async {}).await;
        let chronicle = OutsideChronicle::new(reader.clone(), PolicyReader::of_defaults(), exclusions.clone());
        let (stop, known) = (CancellationToken::new(), reader.newest_signal());
        let mut running = std::pin::pin!(chronicle.run(stop.clone()));
        assert!(futures::poll!(&mut running).is_pending());
        exclusions.change(&zanzibar, Some(order("bob")), |_| async {}).await;
        assert!(futures::poll!(&mut running).is_pending());
        assert_eq!(reader.signals_since(known).topics, [SignalTopic::Changes]);
        let remembered = reader.changes(Some(&ChangeSubject::Cluster(zanzibar)), u64::MAX).changes;
        assert_eq!(remembered.len(), 1);
        assert_eq!((remembered[0].kind, remembered[0].who.as_deref()), (ChangeKind::Excluded, Some("bob")));
        stop.cancel();
        running.await;
    }
}
