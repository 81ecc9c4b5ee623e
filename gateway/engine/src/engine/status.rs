//! What the gateway says of itself: whether its answers can be relied on, and the facts behind that.

use std::collections::BTreeMap;

use federation_core::federation::{Federation, PartitionMismatch};
use federation_core::lease::ReplicaRole;
use federation_core::reason::GatewayReason;
use federation_core::service::HoldReason;
use federation_core::time::{Millis, Mono, Now};

use super::{Engine, holds, origins, removals, strangers};
use federation_ports::facts::NamedFacts;
use federation_ports::metrics::DeltaResult;
use federation_view::view::GatewayStatus;

/// After this long the gateway answers even if its Nacos or the log has not been read, and says so.
const START_DEADLINE: Millis = Millis::from_secs(20);

/// What was achieved since the start; never taken back.
#[derive(Debug, Default)]
pub(super) struct Startup {
    nacos_read: bool,
    log_read: bool,
    since: Option<Mono>,
}

impl Startup {
    fn observe(&mut self, now: Mono, core: &Federation) {
        self.since.get_or_insert(now);
        self.nacos_read |= core.local().is_warm();
        self.log_read |= core.log_is_read();
    }

    fn is_ready(&self, now: Mono) -> bool {
        let waited = self.since.map_or(Millis(0), |since| now.since(since));
        (self.nacos_read && self.log_read) || waited >= START_DEADLINE
    }
}

impl Engine {
    pub(super) fn status(&mut self, now: Now, startup: &mut Startup) -> GatewayStatus {
        startup.observe(now.mono, &self.core);
        removals::tell_unconfirmed(&self.troubles, self.core.local());
        holds::tell_holds(&self.troubles, &self.metrics, &self.core);
        origins::tell_origins(&self.troubles, &self.core);
        let membership = self.core.membership(now.mono);
        strangers::tell_strangers(&self.troubles, self.core.cluster(), &membership);
        let held = self.core.removals_held();
        self.measure(held);
        let mut facts = self.core_facts(now.mono, held.values().sum());
        facts.extend(self.tell_seals());
        facts.extend(self.facts.iter().flat_map(|source| source.facts()));
        let (ready, reasons) = (startup.is_ready(now.mono), self.reasons(startup));
        GatewayStatus { ready, reasons, facts, membership, clock_behind: self.core.clock_behind(now) }
    }

    /// What is limited, worst first.
    fn reasons(&self, startup: &Startup) -> Vec<GatewayReason> {
        let mut reasons = Vec::new();
        if !startup.nacos_read {
            reasons.push(GatewayReason::NacosUnread);
        } else if !self.core.nacos_connected() {
            reasons.push(GatewayReason::NacosDisconnected);
        }
        if let Some(trouble) = self.core.log_trouble() {
            reasons.push(GatewayReason::LogUnreachable(trouble.into()));
        }
        if !startup.log_read {
            reasons.push(GatewayReason::LogUnread);
        }
        let mismatch = |found: PartitionMismatch| {
            let PartitionMismatch { cluster, topics, stated } = found;
            GatewayReason::PartitionMismatch { cluster, topics, stated }
        };
        reasons.extend(self.core.partition_mismatches().into_iter().map(mismatch));
        let refused = self.core.publisher().refused();
        if refused > 0 {
            reasons.push(GatewayReason::ChangesRefused(refused as u64));
        }
        reasons.extend(self.facts.iter().flat_map(|source| source.limits()));
        reasons
    }

    fn core_facts(&self, now: Mono, held: usize) -> NamedFacts {
        let core = &self.core;
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let epoch = core.lease().epoch();
        vec![
            ("role", role_name(core).to_owned()),
            ("epoch", format!("{}-{:08x}", epoch.term, epoch.nonce)),
            ("maySend", yes_no(core.lease().may_write(now))),
            ("ownLogTakenOver", yes_no(core.has_taken_over())),
            ("recordsRead", told_read(core)),
            ("recordsSent", core.publisher().sent_total().to_string()),
            ("recordsInFlight", core.publisher().in_flight().to_string()),
            ("changesWaiting", core.publisher().waiting().to_string()),
            ("changesRefused", core.publisher().refused().to_string()),
            ("unpublishedAgeMs", core.unpublished_age(now).0.to_string()),
            ("nacosConnected", yes_no(core.nacos_connected())),
            ("nacosAgeMs", core.local().age(now).map_or_else(|| "unknown".to_owned(), |age| age.0.to_string())),
            ("servicesWatched", core.local().watched().to_string()),
            ("partitionMismatches", core.partition_mismatches().len().to_string()),
            ("excludedClusters", core.excluded().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            ("removalsHeld", held.to_string()),
            ("massLossesHeld", core.local().guard().holds().len().to_string()),
            ("recordsKeptBack", core.kept_back().to_string()),
            ("servicesWithUnconfirmedRemovals", core.local().unconfirmed().len().to_string()),
        ]
    }

    fn measure(&self, held: &BTreeMap<HoldReason, usize>) {
        self.metrics.leader.set(i64::from(self.core.role() == ReplicaRole::Leading));
        for reason in HoldReason::ALL {
            let count = held.get(&reason).copied().unwrap_or(0);
            self.metrics.removals_held(reason).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let overruled: u64 = self.core.counts().map(|(_, counts)| counts.overwritten).sum();
        self.metrics.overruled.inc_by(overruled.saturating_sub(self.metrics.overruled.get()));
        for (origin, counts) in self.core.counts() {
            let results = [
                (DeltaResult::Changed, counts.changed),
                (DeltaResult::Unchanged, counts.unchanged),
                (DeltaResult::Held, counts.held),
                (DeltaResult::OutOfOrder, counts.late),
                (DeltaResult::Undecodable, counts.undecodable),
            ];
            for (result, total) in results {
                let counter = self.metrics.deltas_applied(origin, result);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            for (counter, total) in [
                (self.metrics.checkpoint_mismatches(origin), counts.mismatched),
                (self.metrics.partitions_replaced(origin), counts.replaced),
                (self.metrics.records_read(origin), counts.read),
                (self.metrics.partitions_read_on(origin), counts.read_on),
                (self.metrics.orders_not_accepted(origin), counts.not_accepted),
            ] {
                counter.inc_by(total.saturating_sub(counter.get()));
            }
        }
    }
}

/// Records of data topics that were read since the start, of each origin.
fn told_read(core: &Federation) -> String {
    let read = core.counts().map(|(origin, counts)| format!("{origin} {}", counts.read));
    read.collect::<Vec<_>>().join(", ")
}

pub(super) fn role_name(core: &Federation) -> &'static str {
    match core.role() {
        ReplicaRole::Standby if core.is_stranger() => "stranger",
        ReplicaRole::Standby => "standby",
        ReplicaRole::Asking { .. } => "asking whether the leader is silent",
        ReplicaRole::Claiming { .. } => "claiming",
        ReplicaRole::Leading => "leader",
        ReplicaRole::HandedOver { .. } => "handed over, without nacos",
        ReplicaRole::Stopped => "stopped",
    }
}
