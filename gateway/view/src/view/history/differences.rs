//! What of a change of the view is remembered.
//!
//! Nothing is until the gateway is ready: what a start reads is what there was, not what happened. From then on each value that is replaced is compared
//! with the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::cause::{ChangeCause, ChangeThrough};
use federation_core::drains::{DrainInForce, IntentTable};
use federation_core::federation::{LinkObserver, Verification};
use federation_core::guard::{GuardInForce, GuardTable, GuardTarget};
use federation_core::id::ClusterId;
use federation_core::intents::DrainTarget;
use federation_core::service::{ClusterStatus, FederatedConfig, FederatedService};

use super::services::{Differences, of_config, of_service};
use super::{ChangeKind, ChangeRecord, ChangeSubject};
use crate::view::{ClusterTable, GatewayStatus};

/// The writer's side: what was shown last, as far as the view itself does not keep it, and what differs since.
#[derive(Default)]
pub(in crate::view) struct HistoryDesk {
    is_open: bool,
    clusters: Option<Arc<ClusterTable>>,
    leaders: BTreeMap<ClusterId, (u32, Arc<str>)>,
    found: Differences,
}

impl HistoryDesk {
    pub(in crate::view) fn service(
        &mut self,
        old: Option<&FederatedService>,
        new: Option<&FederatedService>,
        cause: ChangeCause,
    ) {
        if self.is_open {
            of_service(old, new, cause, &mut self.found);
        }
    }

    pub(in crate::view) fn config(
        &mut self,
        old: Option<&FederatedConfig>,
        new: Option<&FederatedConfig>,
        cause: ChangeCause,
    ) {
        if self.is_open {
            of_config(old, new, cause, &mut self.found);
        }
    }

    /// What was found since this was last called, and how many more there are.
    pub(in crate::view) fn take(&mut self) -> (Vec<ChangeRecord>, u64) {
        let found = std::mem::take(&mut self.found);
        (found.records, found.uncounted)
    }

    pub(in crate::view) fn clusters(&mut self, new: &Arc<ClusterTable>) {
        let old = self.clusters.replace(Arc::clone(new)).filter(|_| self.is_open);
        let Some(old) = old else { return };
        for now in &new.clusters {
            match old.get(&now.id) {
                None => self.found.records.push(cluster("added", now).to(now.freshness.as_str())),
                Some(before) if before.freshness != now.freshness => {
                    let record = cluster("changed", now).from(before.freshness.as_str());
                    self.found.records.push(record.to(format!("{}: {}", now.freshness.as_str(), now.reason)));
                }
                Some(_) => {}
            }
        }
        let gone = old.clusters.iter().filter(|before| new.get(&before.id).is_none());
        self.found.records.extend(gone.map(|before| cluster("removed", before).from(before.freshness.as_str())));
    }

    pub(in crate::view) fn drains(&mut self, old: &IntentTable, new: &IntentTable) {
        if !self.is_open {
            return;
        }
        for now in new.iter() {
            let before = old.get(&now.target).map_or(0, percent);
            if percent(now) != before {
                let what = if percent(now) == 0 { "undone" } else { "ordered" };
                let record = drain(what, &now.target).from(format!("{before} %")).to(format!("{} %", percent(now)));
                self.found.records.push(ChangeRecord { who: Some(Arc::clone(&now.intent.who)), ..record });
            }
        }
        let gone = old.iter().filter(|before| percent(before) > 0 && new.get(&before.target).is_none());
        self.found.records.extend(gone.map(|it| drain("removed", &it.target).from(format!("{} %", percent(it)))));
    }

    pub(in crate::view) fn holds(&mut self, old: &GuardTable, new: &GuardTable) {
        if !self.is_open {
            return;
        }
        for (target, now) in new.iter() {
            let before = old.get(target);
            if before.map(|before| (before.entry.word, before.entry.since)) != Some((now.entry.word, now.entry.since)) {
                self.found.records.push(hold(target, before, now));
            }
        }
    }

    pub(in crate::view) fn leaders(&mut self, new: &Verification) {
        for observer in new.observers.iter().filter(|it| it.leads && it.alive) {
            let now = (observer.nonce, Arc::clone(&observer.name));
            let before = self.leaders.insert(observer.cluster.clone(), now);
            let is_new = before.as_ref().is_none_or(|(nonce, _)| *nonce != observer.nonce);
            if self.is_open && is_new {
                self.found.records.push(leader(observer, before.map(|(_, name)| name)));
            }
        }
    }

    pub(in crate::view) fn gateway(&mut self, old: &GatewayStatus, new: &GatewayStatus) {
        if old.ready != new.ready {
            let record = ChangeRecord::new(
                ChangeKind::Gateway,
                if new.ready { "ready" } else { "unready" },
                ChangeSubject::Gateway,
            );
            let reasons: Vec<String> = new.reasons.iter().map(ToString::to_string).collect();
            self.found.records.push(record.to(reasons.join("; ")));
        }
        self.is_open |= new.ready;
    }
}

fn cluster(what: &'static str, of: &ClusterStatus) -> ChangeRecord {
    let record = ChangeRecord::new(ChangeKind::Freshness, what, ChangeSubject::Cluster(of.id.clone()));
    record.of(&of.id).through(ChangeThrough::Beat)
}

fn percent(drain: &DrainInForce) -> u8 {
    drain.intent.percent.get()
}

fn drain(what: &'static str, target: &DrainTarget) -> ChangeRecord {
    let record = ChangeRecord::new(ChangeKind::Drain, what, ChangeSubject::Drain(target.clone()));
    record.of(target.cluster()).through(ChangeThrough::Operator)
}

fn hold(target: &GuardTarget, before: Option<&GuardInForce>, now: &GuardInForce) -> ChangeRecord {
    let record = ChangeRecord::new(ChangeKind::Hold, now.entry.word.as_str(), ChangeSubject::Hold(target.clone()));
    let record = record.of(target.cluster()).through(ChangeThrough::Guard);
    let after = format!("{} of {} instances lost, {} kept", now.entry.lost, now.entry.of, now.entry.kept);
    let record = ChangeRecord { who: Some(Arc::clone(&now.entry.who)), ..record }.to(after);
    match before {
        Some(before) => record.from(before.entry.word.as_str()),
        None => record,
    }
}

fn leader(observer: &LinkObserver, before: Option<Arc<str>>) -> ChangeRecord {
    let subject = ChangeSubject::Cluster(observer.cluster.clone());
    let record = ChangeRecord::new(ChangeKind::Leader, "changed", subject).of(&observer.cluster);
    let record = record.through(ChangeThrough::Log).to(&*observer.name);
    match before {
        Some(before) => record.from(&*before),
        None => record,
    }
}
