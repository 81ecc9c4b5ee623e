//! What a script may look at: the state of one gateway, in a few lines that say what matters and nothing that always changes.

use std::collections::BTreeSet;

use federation_core::lease::ReplicaRole;
use federation_core::log::record::TopicKind;
use federation_core::routing::{Caller, PlaceRules, Policy, Reachability, gather, plan};
use federation_core::service::{FactSource, FederatedInstance, HoldReason, OriginInstances};
use federation_core::time::Mono;

use super::player::Player;
use super::script::Step;
use super::words;
use crate::world::cluster;

impl Player {
    pub(super) fn show(&mut self, step: &mut Step<'_>) -> Vec<String> {
        match step.word() {
            "view" => self.show_view(step),
            "leads" => step.rest().into_iter().map(|at| self.leads(at)).collect(),
            "holds" => step.rest().into_iter().map(|at| self.holds(at)).collect(),
            "sending" => step.rest().into_iter().map(|at| self.sending(at)).collect(),
            "freshness" => self.show_freshness(step),
            "fold" => self.show_fold(step),
            "aside" => step.rest().into_iter().map(|at| self.aside(at)).collect(),
            "equal" => self.show_equal(step),
            "log" => self.show_log(step),
            "drains" => self.show_drains(step),
            "read" => self.show_read(step),
            "plan" => self.show_plan(step),
            what => step.wrong(&format!("{what} cannot be shown")),
        }
    }

    /// `show read CLUSTER GATEWAY...`: how much of its log was read since the gateway started, and why not less.
    fn show_read(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let of = cluster(step.word());
        let mut told = Vec::new();
        for at in step.rest() {
            let gateway = &self.world.gateways[&cluster(at)];
            let (_, counts) = gateway.core.counts().find(|(id, _)| **id == of).unwrap();
            told.push(format!("{at}: {} records of {of}, {} partitions read on", counts.read, counts.read_on));
            let refused: BTreeSet<String> = gateway.refused.iter().map(ToString::to_string).collect();
            told.extend(refused.into_iter().map(|why| format!("{at}: not read on: {why}")));
        }
        told
    }

    /// `show view SERVICE GATEWAY...`
    fn show_view(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let key = step.service();
        let mut told = Vec::new();
        for at in step.rest() {
            let found = self.world.gateways[&cluster(at)].core.service(&key);
            let origins = found.map(|service| service.origins).unwrap_or_default();
            if origins.is_empty() {
                told.push(format!("{at}: nobody"));
            }
            told.extend(origins.iter().map(|origin| format!("{at}: {}", self.origin(origin))));
        }
        told
    }

    fn origin(&self, origin: &OriginInstances) -> String {
        let instances: Vec<String> = origin.instances.iter().map(|found| self.instance(found)).collect();
        let source = if origin.source == FactSource::Snapshot { " (by a snapshot)" } else { "" };
        format!("{}{source} has {}", origin.origin, instances.join("; "))
    }

    fn instance(&self, found: &FederatedInstance) -> String {
        let mut text = format!("{} {}", words::instance_id(&found.id), words::instance(&found.instance));
        if found.effective != found.instance.health {
            text += &format!(", taken as {:?}", found.effective);
        }
        if let Some(held) = &found.held {
            let (since, why) = (Mono(self.world.now).since(held.since), reason(held.reason));
            text += &format!(", held for {} s: {why}", since.0 / 1_000);
        }
        text
    }

    fn leads(&self, at: &str) -> String {
        let lease = self.world.gateways[&cluster(at)].core.lease();
        let epoch = self.names.epoch(lease.epoch());
        let role = match lease.role() {
            ReplicaRole::Standby => "waits behind",
            ReplicaRole::Asking(_) => "asks whether anybody is heard above",
            ReplicaRole::Claiming { .. } => "claims",
            ReplicaRole::Leading => "leads in",
            ReplicaRole::HandedOver { .. } => "has handed over",
            ReplicaRole::Stopped => "has stopped in",
        };
        let writes = if lease.may_write(Mono(self.world.now)) { "may write" } else { "may not write" };
        format!("{at}: {role} {epoch}, {writes}")
    }

    fn holds(&self, at: &str) -> String {
        let held = self.world.gateways[&cluster(at)].core.removals_held();
        let counts: Vec<String> = held.iter().map(|(why, count)| format!("{count} {}", reason(*why))).collect();
        format!("{at}: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })
    }

    fn sending(&self, at: &str) -> String {
        let publisher = self.world.gateways[&cluster(at)].core.publisher();
        let age = publisher.unpublished_age(Mono(self.world.now)).0 / 1_000;
        let (under_way, due, refused) = (publisher.in_flight(), publisher.waiting(), publisher.refused());
        format!("{at}: {under_way} under way, {due} due, {refused} refused, oldest change {age} s")
    }

    fn aside(&self, at: &str) -> String {
        let aside = self.world.gateways[&cluster(at)].core.set_aside();
        let told = aside.map(|(id, aside)| format!("{} records of {id}: {:?}", aside.records(), aside.reasons()));
        let told: Vec<String> = told.collect();
        format!("{at}: {}", if told.is_empty() { "nothing".to_owned() } else { told.join("; ") })
    }

    /// `show freshness GATEWAY...`
    fn show_freshness(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let mut told = Vec::new();
        for at in step.rest() {
            for status in self.world.clusters(at) {
                let age = status.age.map_or("unknown".to_owned(), |age| format!("{} s", age.0 / 1_000));
                let (fresh, taken) = (status.freshness.as_str(), status.effective.as_str());
                let taken = if fresh == taken { String::new() } else { format!(" (taken as {taken})") };
                told.push(format!("{at}: {} is {fresh}{taken}, age {age}: {}", status.id, status.reason));
            }
        }
        told
    }

    /// `show fold CLUSTER GATEWAY...`: partitions that have a key.
    fn show_fold(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let of = cluster(step.word());
        let mut told = Vec::new();
        for at in step.rest() {
            let core = &self.world.gateways[&cluster(at)].core;
            for (place, count, digest) in core.digests().filter(|(place, count, _)| place.origin == of && *count > 0) {
                let digest = words::digest(digest);
                told.push(format!("{at}: {}: {count} keys, digest {digest}", words::partition(&place)));
            }
            let incomplete = if core.incomplete().any(|id| *id == of) { ", known to be incomplete" } else { "" };
            told.push(format!("{at}: {of} has {} instances{incomplete}", core.size(&of).instances));
        }
        told
    }

    /// `show equal GATEWAY...`: whether all have folded the same of everything.
    fn show_equal(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let names = step.rest();
        let digests = |at: &str| self.world.gateways[&cluster(at)].core.digests().collect::<Vec<_>>();
        let first = digests(names[0]);
        let differs = |at: &&str| digests(at) != first;
        let different: Vec<&str> = names.iter().copied().filter(|at| differs(at)).collect();
        vec![if different.is_empty() { "equal".to_owned() } else { format!("different: {}", different.join(", ")) }]
    }

    /// `show log CLUSTER PARTITION last=N`
    fn show_log(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let place = step.place();
        let last: usize = step.number("last", usize::MAX);
        let lines: Vec<String> = if place.topic == TopicKind::Control {
            let records = self.world.log.control[&place.origin].iter();
            let told = |it: &federation_core::log::record::ControlRecord| {
                format!("@{} {}", it.offset, self.names.control(&it.key, it.value.as_ref()))
            };
            records.map(told).collect()
        } else {
            let records = self.world.log.data.get(&place).into_iter().flatten();
            records.map(|it| format!("@{} {}", it.offset, self.names.record(&it.key, &it.body, it.header))).collect()
        };
        lines[lines.len().saturating_sub(last)..].to_vec()
    }

    /// `show drains GATEWAY...`
    fn show_drains(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let mut told = Vec::new();
        for at in step.rest() {
            let table = self.world.gateways[&cluster(at)].core.intents();
            let before = told.len();
            for drain in table.iter() {
                let (what, taken_in) = (self.names.drain(&drain.intent), &drain.taken_in);
                told.push(format!("{at}: {} {what}, in the log of {taken_in}", drain.target));
            }
            if told.len() == before {
                told.push(format!("{at}: none"));
            }
        }
        told
    }

    /// `show plan SERVICE GATEWAY...`: what becomes of each drain, and the shares of a caller that is nowhere.
    fn show_plan(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let key = step.service();
        let mut told = Vec::new();
        for at in step.rest() {
            let clusters = self.world.clusters(at);
            let core = &self.world.gateways[&cluster(at)].core;
            let Some(found) = core.service(&key) else { continue };
            let offers = gather(&found, &clusters, None, &Reachability::default(), &PlaceRules::default());
            let intents = core.intents().for_service(&key);
            let plan = plan(&offers, &Caller::default(), &Policy::default(), &intents);
            for verdict in &plan.drains {
                told.push(format!("{at}: {} is {}", verdict.drain.target, verdict.ruling.as_str()));
            }
            for endpoint in plan.endpoints.iter().filter(|endpoint| endpoint.share > 0) {
                let share = endpoint.share / 10_000;
                told.push(format!("{at}: {share} % to {} of {}", endpoint.id, endpoint.origin));
            }
        }
        told
    }
}

fn reason(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::AfterConnect => "after a connect",
        HoldReason::Asked => "asked",
        HoldReason::MayNotRead => "may not read",
        HoldReason::MassLoss => "a mass loss",
        HoldReason::ThroughGateway => "through a gateway",
    }
}
