//! Which topics a change of the view concerns: what people would see, and not ages alone.
//!
//! Clusters, links and the gateway's own state are written twice a second whether or not anything happened, because of their ages. Whoever is
//! told of that would ask for everything twice a second.

use federation_core::federation::Verification;
use federation_core::log::reading::ReadingVerdict;
use federation_core::service::ClusterStatus;

use super::signals::SignalTopic;
use super::{GatewayStatus, Shared, ViewChange};
use crate::view::ClusterTable;

/// Facts of the gateway that are no numbers or ages: what it is, and whether its parts are connected.
const LASTING_FACTS: [&str; 4] = ["role", "epoch", "nacosConnected", "ownLogTakenOver"];

/// The topics of a change that is about to be put in place.
pub(super) fn topics(change: &ViewChange, shared: &Shared) -> Vec<SignalTopic> {
    let clusters = change.clusters.as_ref().is_some_and(|new| !same_clusters(&shared.clusters.table(), new));
    let links = change.verification.as_ref().is_some_and(|new| !same_links(&shared.verification.borrow(), new));
    let gateway = change.gateway.as_ref().is_some_and(|new| !same_gateway(&shared.gateway.borrow(), new));
    let all = [
        (SignalTopic::Clusters, clusters),
        (SignalTopic::Links, links),
        (SignalTopic::Drains, change.intents.is_some()),
        (SignalTopic::Holds, change.holds.is_some()),
        (SignalTopic::Gateway, gateway),
        (SignalTopic::Services, !change.services.is_empty()),
        (SignalTopic::Configs, !change.configs.is_empty()),
    ];
    all.into_iter().filter_map(|(topic, concerned)| concerned.then_some(topic)).collect()
}

fn same_clusters(old: &ClusterTable, new: &ClusterTable) -> bool {
    let same = |old: &ClusterStatus, new: &ClusterStatus| {
        let sizes = |of: &ClusterStatus| (of.services, of.instances, of.configs);
        (&old.id, old.freshness_revision, sizes(old)) == (&new.id, new.freshness_revision, sizes(new))
            && old.locality == new.locality
            && old.advertise == new.advertise
    };
    old.clusters.len() == new.clusters.len() && old.clusters.iter().zip(&new.clusters).all(|(old, new)| same(old, new))
}

fn same_links(old: &Verification, new: &Verification) -> bool {
    // By how many records somebody is behind changes with every record.
    let kind = |verdict: ReadingVerdict| std::mem::discriminant(&verdict);
    old.observers.len() == new.observers.len()
        && old.observers.iter().zip(&new.observers).all(|(old, new)| {
            let who = |it: &federation_core::federation::LinkObserver| (it.nonce, it.leads, it.alive, it.links.len());
            who(old) == who(new)
                && old.cluster == new.cluster
                && old.links.iter().zip(&new.links).all(|(old, new)| {
                    old.origin == new.origin
                        && kind(old.verdict) == kind(new.verdict)
                        && old.word.map(|word| word.freshness) == new.word.map(|word| word.freshness)
                })
        })
}

fn same_gateway(old: &GatewayStatus, new: &GatewayStatus) -> bool {
    fn lasting(of: &GatewayStatus) -> impl Iterator<Item = &(&'static str, String)> {
        of.facts.iter().filter(|(name, _)| LASTING_FACTS.contains(name))
    }
    old.ready == new.ready
        && old.reasons == new.reasons
        && old.membership == new.membership
        && lasting(old).eq(lasting(new))
}
