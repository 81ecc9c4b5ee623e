//! What if: the plans of a view as they are beside those that a hypothesis would give, for services and callers.
//!
//! Input: a [`PlanScene`], that is all that plans of a view are made of, and a [`Hypothesis`]: clusters lost, places unhealthy,
//! drains ordered or undone. Output: an [`ServiceOutcome`] per service and caller. A drain's dry run and the check before it is
//! ordered are hypotheses of that one drain. Invariant: what an outcome says of a drain is what plans give once the drain
//! is in force for the same view, to the millionth: the same `plan()` makes both.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drains::IntentTable;
use crate::id::{ClusterId, ServiceKey};
use crate::instance::Health;
use crate::intents::{DrainGuard, DrainTarget};
use crate::percent::Percent;
use crate::routing::{
    Caller, Drain, DrainRuling, DrainVerdict, Endpoint, EndpointAdmission, EndpointCounting, InstanceOffer, Intents,
    LocalityPattern, OriginName, PlaceRules, Plan, Policies, Policy, gather, plan,
};
use crate::service::{ClusterStatus, FederatedService};

/// What is supposed beside what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hypothesis {
    /// Clusters whose endpoints can no longer be used.
    pub lost: Vec<ClusterId>,
    /// Places in which every endpoint is unhealthy.
    pub unhealthy: Vec<LocalityPattern>,
    /// Drains; one for a target that is drained already takes its place. Of several for one target the last counts.
    pub drains: Vec<SupposedDrain>,
}

/// A drain that nobody has ordered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupposedDrain {
    /// What is drained.
    pub target: DrainTarget,
    /// How much of its traffic is taken away; 0 undoes what is in force.
    pub percent: Percent,
    /// What happens where nothing healthy would be left.
    pub guard: DrainGuard,
}

/// Everything beside the service and the caller that plans of a view are made of.
#[derive(Clone, Copy, Debug)]
pub struct PlanScene<'a> {
    /// Sorted by id.
    pub clusters: &'a [ClusterStatus],
    /// Which policy a service has.
    pub policies: &'a Policies,
    /// The drains in force.
    pub intents: &'a IntentTable,
    /// Where instances are.
    pub places: &'a PlaceRules,
}

/// What becomes of one service for one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOutcome {
    /// As it is.
    pub before: LoadShares,
    /// As it would be.
    pub after: LoadShares,
    /// Every drain as it would be judged, in byte order of its target.
    pub drains: Vec<DrainVerdict>,
    /// Drains that are supposed, or in force now, and would not be: void or too many. Only where they mean something: of a
    /// cluster that has an endpoint, and if nothing healthy would be left, a healthy one.
    pub refused: Vec<DrainVerdict>,
}

/// Who gets how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadShares {
    /// Millionths by cluster, of all clusters that have an endpoint which is counted.
    pub by_cluster: BTreeMap<OriginName, u32>,
    /// Millionths by region; `None` = endpoints without one.
    pub by_region: BTreeMap<Option<Arc<str>>, u32>,
    /// Millionths of the traffic that find an endpoint.
    pub served: u32,
    /// Healthy endpoints that are counted, and not taken away wholly by a drain.
    pub healthy: usize,
}

/// How much an outcome matters, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceImpact {
    /// All clusters and regions get what they had.
    Nothing,
    /// Traffic moves.
    Moved,
    /// Nothing healthy is left; something unhealthy or of unknown health takes the traffic.
    NothingHealthy,
    /// A part of the traffic finds no endpoint any more.
    PartlyServed,
    /// There is nothing to send requests to any more.
    LeftWithout,
}

impl ServiceOutcome {
    /// How much it matters. A service that had nothing before is not left without anything.
    #[must_use]
    pub fn impact(&self) -> ServiceImpact {
        let (before, after) = (&self.before, &self.after);
        match () {
            () if before.served > 0 && after.served == 0 => ServiceImpact::LeftWithout,
            () if after.served < before.served => ServiceImpact::PartlyServed,
            () if before.healthy > 0 && after.healthy == 0 => ServiceImpact::NothingHealthy,
            () if before.moved(after) => ServiceImpact::Moved,
            () => ServiceImpact::Nothing,
        }
    }
}

impl LoadShares {
    fn of(plan: &Plan, endpoints: &[impl AsRef<Endpoint>]) -> Self {
        let taken: Vec<&OriginName> =
            plan.drains.iter().filter(|it| takes_all(it)).map(|it| &it.drain.cluster).collect();
        let mut shares = Self::default();
        for planned in &plan.endpoints {
            let endpoint = endpoints[planned.index].as_ref();
            add(&mut shares.by_cluster, &planned.origin, planned.share);
            add(&mut shares.by_region, &endpoint.locality.region, planned.share);
            shares.served += planned.share;
            shares.healthy += usize::from(is_healthy(endpoint) && !taken.contains(&&planned.origin));
        }
        shares
    }

    /// Clusters and regions without a share are no difference.
    fn moved(&self, other: &Self) -> bool {
        fn given<K>(shares: &BTreeMap<K, u32>) -> impl Iterator<Item = (&K, &u32)> {
            shares.iter().filter(|(_, share)| **share > 0)
        }
        given(&self.by_cluster).ne(given(&other.by_cluster)) || given(&self.by_region).ne(given(&other.by_region))
    }
}

fn add<K: Clone + Ord>(shares: &mut BTreeMap<K, u32>, of: &K, share: u32) {
    match shares.get_mut(of) {
        Some(sum) => *sum += share,
        None => drop(shares.insert(of.clone(), share)),
    }
}

fn takes_all(verdict: &DrainVerdict) -> bool {
    verdict.ruling.in_force() && verdict.drain.percent.get() == 100
}

fn is_healthy(endpoint: &Endpoint) -> bool {
    endpoint.health == Health::Healthy && endpoint.counting == EndpointCounting::Counted
}

impl PlanScene<'_> {
    /// What becomes of `service` for each of `callers`, in their order. Endpoints are gathered once for each network.
    #[must_use]
    pub fn outcomes(
        &self,
        service: &FederatedService,
        callers: &[Caller],
        hypothesis: &Hypothesis,
    ) -> Vec<ServiceOutcome> {
        let policy = self.policies.effective(&service.key).policy;
        let in_force = self.intents.for_service(&service.key);
        let supposed = hypothesis.intents(&service.key, &in_force);
        let question = Question { policy, in_force: &in_force, supposed: supposed.as_ref(), hypothesis };
        let mut gathered: Vec<(Option<&str>, Sides)> = Vec::new();
        let mut outcomes = Vec::with_capacity(callers.len());
        for caller in callers {
            let network = caller.locality.network.as_deref();
            let known = gathered.iter().position(|(other, _)| *other == network);
            let at = known.unwrap_or_else(|| {
                let offers = gather(service, self.clusters, network, policy.reachability(), self.places);
                let supposed = hypothesis.suppose(&offers);
                gathered.push((network, Sides { offers, supposed }));
                gathered.len() - 1
            });
            outcomes.push(question.outcome(caller, &gathered[at].1));
        }
        outcomes
    }

    /// One caller in the place of each cluster, in the order of their ids.
    #[must_use]
    pub fn callers(&self) -> Vec<Caller> {
        let caller = |cluster: &ClusterStatus| Caller {
            locality: cluster.locality.clone(),
            cluster: Some(cluster.id.as_str().into()),
            ..Caller::default()
        };
        self.clusters.iter().map(caller).collect()
    }
}

/// What callers of one network have to choose from.
struct Sides {
    offers: Vec<InstanceOffer>,
    /// `None` = the same.
    supposed: Option<Vec<Endpoint>>,
}

struct Question<'a> {
    policy: &'a Policy,
    in_force: &'a Intents,
    /// `None` = the same.
    supposed: Option<&'a Intents>,
    hypothesis: &'a Hypothesis,
}

impl Question<'_> {
    fn outcome(&self, caller: &Caller, sides: &Sides) -> ServiceOutcome {
        let plan_before = plan(&sides.offers, caller, self.policy, self.in_force);
        let before = LoadShares::of(&plan_before, &sides.offers);
        let intents = self.supposed.unwrap_or(self.in_force);
        let (after, refused, drains) = match &sides.supposed {
            None if self.supposed.is_none() => (before.clone(), Vec::new(), plan_before.drains),
            None => self.after(caller, &sides.offers, intents, &plan_before),
            Some(endpoints) => self.after(caller, endpoints, intents, &plan_before),
        };
        ServiceOutcome { before, after, drains, refused }
    }

    fn after(
        &self,
        caller: &Caller,
        endpoints: &[impl AsRef<Endpoint>],
        intents: &Intents,
        before: &Plan,
    ) -> (LoadShares, Vec<DrainVerdict>, Vec<DrainVerdict>) {
        let plan = plan(endpoints, caller, self.policy, intents);
        let refused = plan.drains.iter().filter(|verdict| self.is_refused(verdict, &plan, endpoints, before));
        (LoadShares::of(&plan, endpoints), refused.cloned().collect(), plan.drains)
    }

    fn is_refused(
        &self,
        verdict: &DrainVerdict,
        plan: &Plan,
        endpoints: &[impl AsRef<Endpoint>],
        before: &Plan,
    ) -> bool {
        let drain = &verdict.drain;
        let of_cluster = || plan.endpoints.iter().filter(|planned| planned.origin == drain.cluster);
        let matters = match verdict.ruling {
            DrainRuling::Idle | DrainRuling::InForce | DrainRuling::Forced => false,
            // Where nothing was healthy anyway, it is not the drain that takes the last one away.
            DrainRuling::Void => of_cluster().any(|planned| is_healthy(endpoints[planned.index].as_ref())),
            DrainRuling::Excess => of_cluster().next().is_some(),
        };
        let supposed = || self.hypothesis.drains.iter().any(|it| it.target.to_string() == *drain.target);
        let was_in_force = || before.drains.iter().any(|it| it.drain.target == drain.target && it.ruling.in_force());
        matters && (supposed() || was_in_force())
    }
}

impl Hypothesis {
    /// The endpoints as they would be; `None` if they would be the same.
    fn suppose(&self, endpoints: &[impl AsRef<Endpoint>]) -> Option<Vec<Endpoint>> {
        let is_lost = |endpoint: &Endpoint| self.lost.iter().any(|lost| lost.as_str() == endpoint.origin.as_str());
        let falls_ill = |endpoint: &Endpoint| {
            endpoint.health != Health::Unhealthy && self.unhealthy.iter().any(|place| place.matches(&endpoint.locality))
        };
        let mut all = endpoints.iter().map(AsRef::as_ref);
        if !all.any(|endpoint| is_lost(endpoint) || falls_ill(endpoint)) {
            return None;
        }
        let mut supposed: Vec<Endpoint> = endpoints.iter().map(|endpoint| endpoint.as_ref().clone()).collect();
        for endpoint in &mut supposed {
            if is_lost(endpoint) && endpoint.admission == EndpointAdmission::Admitted {
                endpoint.admission =
                    EndpointAdmission::Barred(format!("cluster {} is lost (what if)", endpoint.origin).into());
            }
            if falls_ill(endpoint) {
                endpoint.health = Health::Unhealthy;
            }
        }
        Some(supposed)
    }

    /// The drains of `service` as they would be; `None` if they would be the same.
    fn intents(&self, service: &ServiceKey, in_force: &Intents) -> Option<Intents> {
        let covering = self.drains.iter().filter(|supposed| supposed.target.covers(service));
        let mut by_target: BTreeMap<Arc<str>, Drain> =
            in_force.drains().iter().map(|drain| (Arc::clone(&drain.target), drain.clone())).collect();
        for supposed in covering {
            let target: Arc<str> = supposed.target.to_string().into();
            if supposed.percent == Percent::default() {
                by_target.remove(&target);
                continue;
            }
            let cluster = supposed.target.cluster().into();
            let drain =
                Drain { target: Arc::clone(&target), cluster, percent: supposed.percent, guard: supposed.guard };
            by_target.insert(target, drain);
        }
        let supposed = Intents::new(by_target.into_values().collect()).expect("a map has each target once");
        (supposed != *in_force).then_some(supposed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::Freshness;
    use crate::id::InstanceId;
    use crate::instance::{Instance, Metadata, Weight};
    use crate::intents::{DrainIntent, OrderCounter};
    use crate::locality::Locality;
    use crate::log::intents::LoggedDrain;
    use crate::service::{FactSource, FederatedInstance, OriginInstances, Revision};
    use crate::time::{Mono, WallMs};

    const HEALTHY: Health = Health::Healthy;
    const UNHEALTHY: Health = Health::Unhealthy;

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    /// Cluster `x` lies in region `rx`.
    fn clusters() -> Vec<ClusterStatus> {
        let status = |id: &str| ClusterStatus {
            id: id.parse().unwrap(),
            locality: Locality { region: Some(format!("r{id}").into()), ..Locality::default() },
            advertise: BTreeMap::new(),
            signing_key: None,
            local: id == "a",
            freshness: Freshness::Live,
            effective: Freshness::Live,
            reason: crate::reason::FreshnessCode::Beating.into(),
            freshness_revision: Revision(1),
            age: None,
            as_of: Mono(0),
            last_beat: None,
            services: 1,
            instances: 1,
            configs: 0,
        };
        ["a", "b", "c"].map(status).into()
    }

    fn service(origins: &[(&str, &[Health])]) -> FederatedService {
        let instance = |(port, health): (u16, &Health)| {
            let (weight, metadata) = (Weight::DEFAULT, Metadata::default());
            let instance = Instance { weight, health: *health, enabled: true, ephemeral: true, metadata };
            let id = InstanceId::new("10.0.0.1", port, "DEFAULT");
            FederatedInstance { id, instance: Arc::new(instance), effective: *health, held: None }
        };
        let of = |(origin, healths): &(&str, &[Health])| OriginInstances {
            origin: origin.parse().unwrap(),
            source: FactSource::Log,
            instances: (1..).zip(*healths).map(instance).collect(),
        };
        let origins = origins.iter().map(of).collect();
        FederatedService { key: ServiceKey::new("public", "G", "orders"), revision: Revision(1), origins }
    }

    fn drained(drains: &[(&str, u8)]) -> IntentTable {
        let intent = |value: u8| DrainIntent {
            counter: OrderCounter::FIRST,
            percent: percent(value),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            when: WallMs(1),
            replica: 7,
            ramp: None,
            giver: crate::intents::OrderGiver::default(),
        };
        let logged = |value| LoggedDrain::read(intent(value), WallMs(1), crate::intents::verdict::Signed::Absent);
        let drains: Vec<_> = drains.iter().map(|(target, value)| (target.parse().unwrap(), logged(*value))).collect();
        let taken_in = "a".parse().unwrap();
        IntentTable::new(Revision(1), drains.iter().map(|(target, logged)| (&taken_in, target, logged)))
    }

    fn outcomes(service: &FederatedService, in_force: &IntentTable, hypothesis: &Hypothesis) -> Vec<ServiceOutcome> {
        let (clusters, policies, places) = (clusters(), Policies::default(), PlaceRules::default());
        let scene = PlanScene { clusters: &clusters, policies: &policies, intents: in_force, places: &places };
        scene.outcomes(service, &scene.callers(), hypothesis)
    }

    fn drain(target: &str, value: u8) -> Hypothesis {
        let guard = DrainGuard::default();
        let drain = SupposedDrain { target: target.parse().unwrap(), percent: percent(value), guard };
        Hypothesis { drains: vec![drain], ..Hypothesis::default() }
    }

    fn lost(cluster: &str) -> Hypothesis {
        Hypothesis { lost: vec![cluster.parse().unwrap()], ..Hypothesis::default() }
    }

    fn shares(shares: &LoadShares) -> Vec<(&str, u32)> {
        shares.by_cluster.iter().map(|(cluster, share)| (cluster.as_str(), *share)).collect()
    }

    fn refused(outcome: &ServiceOutcome) -> Vec<(&str, DrainRuling)> {
        outcome.refused.iter().map(|verdict| (&*verdict.drain.target, verdict.ruling)).collect()
    }

    #[test]
    fn a_lost_cluster_gives_its_traffic_to_the_others() {
        let service = service(&[("a", &[HEALTHY; 2]), ("b", &[HEALTHY; 3])]);
        let outcomes = outcomes(&service, &IntentTable::default(), &lost("a"));
        assert_eq!(outcomes.len(), 3, "one for a caller in each cluster");
        let (near, far) = (&outcomes[0], &outcomes[1]);
        assert_eq!(shares(&near.before), [("a", 1_000_000), ("b", 0)]);
        assert_eq!(shares(&near.after), [("b", 1_000_000)]);
        assert_eq!(near.after.by_region, BTreeMap::from([(Some("rb".into()), 1_000_000)]));
        assert_eq!((near.before.healthy, near.after.healthy, near.impact()), (5, 3, ServiceImpact::Moved));
        assert_eq!((far.after.healthy, far.impact()), (3, ServiceImpact::Nothing));
    }

    #[test]
    fn a_service_of_one_cluster_is_left_without_anything_when_that_is_lost() {
        let only = |healths: &[Health]| {
            outcomes(&service(&[("a", healths)]), &IntentTable::default(), &lost("a")).swap_remove(0)
        };
        let outcome = only(&[HEALTHY]);
        assert_eq!((outcome.after.served, outcome.after.healthy, outcome.impact()), (0, 0, ServiceImpact::LeftWithout));
        assert_eq!(only(&[UNHEALTHY]).impact(), ServiceImpact::LeftWithout, "panic served it");
    }

    #[test]
    fn a_place_that_falls_ill_is_left_or_panics() {
        let hypothesis = Hypothesis { unhealthy: vec!["ra".parse().unwrap()], ..Hypothesis::default() };
        let both = service(&[("a", &[HEALTHY]), ("b", &[HEALTHY])]);
        let outcome = outcomes(&both, &IntentTable::default(), &hypothesis).swap_remove(0);
        assert_eq!(
            (shares(&outcome.after), outcome.impact()),
            (vec![("a", 0), ("b", 1_000_000)], ServiceImpact::Moved)
        );
        let alone = service(&[("a", &[HEALTHY])]);
        let outcome = outcomes(&alone, &IntentTable::default(), &hypothesis).swap_remove(0);
        assert_eq!((shares(&outcome.after), outcome.impact()), (vec![("a", 1_000_000)], ServiceImpact::NothingHealthy));
    }

    #[test]
    fn a_supposed_drain_says_to_the_millionth_what_it_gives_in_force() {
        let three = service(&[("a", &[HEALTHY; 7]), ("b", &[HEALTHY, UNHEALTHY, HEALTHY]), ("c", &[HEALTHY])]);
        for (now, target, value) in
            [(&[][..], "a", 30), (&[("b", 17)], "a", 33), (&[("a", 50)], "a", 1), (&[("a", 50)], "a", 0)]
        {
            let told = outcomes(&three, &drained(now), &drain(target, value));
            let mut then: BTreeMap<&str, u8> = now.iter().copied().collect();
            then.insert(target, value);
            let then: Vec<(&str, u8)> = then.into_iter().collect();
            let seen = outcomes(&three, &drained(&then), &Hypothesis::default());
            for (told, seen) in told.iter().zip(&seen) {
                assert_eq!((&told.after, &told.drains), (&seen.before, &seen.drains), "{now:?} {target} {value}");
                assert_eq!((&seen.before, seen.impact()), (&seen.after, ServiceImpact::Nothing));
            }
            assert!(told[0].impact() == ServiceImpact::Moved && told[0].refused.is_empty());
        }
    }

    #[test]
    fn a_drain_of_a_part_of_the_services_leaves_the_others_alone() {
        let both = service(&[("a", &[HEALTHY]), ("b", &[HEALTHY])]);
        let of = |target: &str| outcomes(&both, &IntentTable::default(), &drain(target, 100)).swap_remove(0);
        assert_eq!(shares(&of("a/*/*/order*").after), [("a", 0), ("b", 1_000_000)]);
        assert_eq!(of("a/*/*/order*").after.healthy, 1, "what is drained wholly does not count");
        assert_eq!(of("a/*/*/cart").impact(), ServiceImpact::Nothing);
    }

    #[test]
    fn a_drain_that_would_take_the_last_healthy_endpoint_is_refused() {
        for (name, origins, hypothesis, want) in [
            ("alone", &[("a", &[HEALTHY][..])][..], drain("a", 1), vec![("a", DrainRuling::Void)]),
            ("others ill", &[("a", &[HEALTHY]), ("b", &[UNHEALTHY])], drain("a", 1), vec![("a", DrainRuling::Void)]),
            ("ill anyway", &[("a", &[UNHEALTHY]), ("b", &[UNHEALTHY])], drain("a", 100), vec![]),
            ("not there", &[("b", &[HEALTHY])], drain("a", 100), vec![]),
            ("not there, and others ill", &[("b", &[UNHEALTHY])], drain("a", 100), vec![]),
            ("others healthy", &[("a", &[HEALTHY]), ("b", &[HEALTHY])], drain("a", 100), vec![]),
        ] {
            let outcome = outcomes(&service(origins), &IntentTable::default(), &hypothesis).swap_remove(0);
            assert_eq!(refused(&outcome), want, "{name}");
            assert_eq!(outcome.before.by_cluster == outcome.after.by_cluster, name != "others healthy", "{name}");
        }
    }

    #[test]
    fn a_drain_that_makes_another_one_void_is_told() {
        let both = service(&[("a", &[HEALTHY]), ("b", &[HEALTHY])]);
        let outcome = outcomes(&both, &drained(&[("b", 50)]), &drain("a", 50)).swap_remove(0);
        assert_eq!(refused(&outcome), [("b", DrainRuling::Void)]);
    }

    #[test]
    fn a_forced_drain_may_leave_traffic_unserved() {
        let mut hypothesis = drain("a", 40);
        hypothesis.drains[0].guard = DrainGuard::Force;
        let alone = service(&[("a", &[HEALTHY])]);
        let outcome = outcomes(&alone, &IntentTable::default(), &hypothesis).swap_remove(0);
        assert_eq!((outcome.after.served, outcome.impact()), (600_000, ServiceImpact::PartlyServed));
        hypothesis.drains[0].percent = percent(100);
        let outcome = outcomes(&alone, &IntentTable::default(), &hypothesis).swap_remove(0);
        assert_eq!((outcome.after.healthy, outcome.impact()), (0, ServiceImpact::LeftWithout));
    }
}
