//! One service planned for one caller, with all that answers tell of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use federation_core::drains::DrainInForce;
use federation_core::instance::Health;
use federation_core::pattern::ServicePattern;
use federation_core::routing::{
    Caller, DrainVerdict, InstanceOffer, PanicMode, PlaceRules, Plan, PlannedEndpoint, flatten, gather, plan,
};
use federation_core::service::FederatedService;

use super::caller::PlaceFrom;
use super::encoded::PlanExcerpt;
use super::inputs::{PlanInputs, PlanStamp};
use federation_policy::InForce;

/// A plan and what it was made from.
pub struct PlannedService {
    /// What was planned.
    pub service: Arc<FederatedService>,
    /// For whom.
    pub caller: Caller,
    /// From which versions.
    pub stamp: PlanStamp,
    /// By which policies.
    pub policy: Arc<InForce>,
    /// The rule that names the service; `None`: none does.
    pub rule: Option<ServicePattern>,
    /// What was planned; [`Plan`] refers to it by index.
    pub offers: Vec<InstanceOffer>,
    /// Who gets which share.
    pub plan: Plan,
    /// Weights in hundredths for callers that pick by weight alone, by offer.
    flat: Vec<Option<u64>>,
    /// The orders behind [`Plan::drains`], in the same order.
    orders: Vec<Option<DrainInForce>>,
    fingerprint: u64,
}

impl PlannedService {
    pub(super) fn new(service: Arc<FederatedService>, caller: Caller, inputs: &PlanInputs, rules: &PlaceRules) -> Self {
        let effective = inputs.policy.policies.effective(&service.key);
        let (policy, rule) = (effective.policy, effective.rule.cloned());
        let network = caller.locality.network.as_deref();
        let offers = gather(&service, &inputs.clusters.clusters, network, policy.reachability(), rules);
        let endpoints: Vec<_> = offers.iter().map(|offer| offer.endpoint.clone()).collect();
        let plan = plan(&endpoints, &caller, policy, &inputs.intents.for_service(&service.key));
        let mut flat = vec![None; offers.len()];
        for weight in flatten(&plan) {
            flat[weight.index] = Some(weight.hundredths);
        }
        let order = |verdict: &DrainVerdict| {
            inputs.intents.iter().find(|drain| drain.target.to_string() == *verdict.drain.target).cloned()
        };
        let orders = plan.drains.iter().map(order).collect();
        let (stamp, policy) = (inputs.stamp(&service), Arc::clone(&inputs.policy));
        let fingerprint = 0;
        let planned = Self { service, caller, stamp, policy, rule, offers, plan, flat, orders, fingerprint };
        Self { fingerprint: planned.name(), ..planned }
    }

    /// The offer behind an endpoint of the plan.
    pub fn offer(&self, endpoint: &PlannedEndpoint) -> &InstanceOffer {
        &self.offers[endpoint.index]
    }

    /// The endpoint's weight for callers that pick by weight alone; `None` without a share.
    pub fn flat_weight(&self, endpoint: &PlannedEndpoint) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "at most a million hundredths")]
        self.flat[endpoint.index].map(|hundredths| hundredths as f64 / 100.0)
    }

    /// Drains as they were judged, each with its order.
    pub fn drains(&self) -> impl Iterator<Item = (&DrainVerdict, Option<&DrainInForce>)> {
        self.plan.drains.iter().zip(self.orders.iter().map(Option::as_ref))
    }

    /// The same, as far as they move traffic.
    pub fn drains_in_force(&self) -> impl Iterator<Item = (&DrainVerdict, Option<&DrainInForce>)> {
        self.drains().filter(|(verdict, _)| verdict.ruling.in_force())
    }

    /// Whether anything can be used.
    pub fn is_usable(&self) -> bool {
        self.plan.endpoints.iter().any(|endpoint| endpoint.share > 0)
    }

    /// The endpoints of the best priority that has a share; none if nothing can be used.
    pub fn top(&self) -> Range<usize> {
        let endpoints = &self.plan.endpoints;
        let Some(best) = endpoints.iter().find(|endpoint| endpoint.share > 0).map(|endpoint| endpoint.priority) else {
            return 0..0;
        };
        let before = |priority: usize| endpoints.partition_point(|endpoint| endpoint.priority < priority);
        before(best)..before(best + 1)
    }

    /// The endpoints that somebody wants to see, as a range of those in the plan.
    pub fn shown(&self, excerpt: PlanExcerpt) -> Range<usize> {
        excerpt.of(self.plan.endpoints.len(), &self.top())
    }

    /// Millionths that find an endpoint.
    pub fn sum_of_shares(&self) -> u64 {
        self.plan.endpoints.iter().map(|endpoint| u64::from(endpoint.share)).sum()
    }

    /// How the caller was understood, and what is odd about the question; for people.
    pub fn notes(&self, place_from: PlaceFrom, inputs: &PlanInputs) -> Vec<String> {
        let cluster = self.caller.cluster.as_deref().unwrap_or("(none)");
        let place = caller_word(&self.caller);
        let from = match place_from {
            PlaceFrom::Given => "as it was given".to_owned(),
            PlaceFrom::Cluster => format!("where the cluster {cluster} is"),
            PlaceFrom::Gateway => "where the answering gateway is, because no place was given".to_owned(),
            PlaceFrom::UnknownCluster => {
                format!("where the answering gateway is, because no cluster {cluster} is known")
            }
        };
        let mut notes = vec![format!("the caller is {place}: {from}")];
        if let Some(region) = &self.caller.locality.region
            && !self.is_known_region(region, inputs)
        {
            notes.push(format!("no cluster or instance is in region {region}"));
        }
        notes
    }

    fn is_known_region(&self, region: &Arc<str>, inputs: &PlanInputs) -> bool {
        inputs.clusters.clusters.iter().any(|cluster| cluster.locality.region.as_ref() == Some(region))
            || self.offers.iter().any(|offer| offer.endpoint.locality.region.as_ref() == Some(region))
    }

    /// Every instance that is not used, with the reason, by id.
    pub fn unused(&self) -> Vec<UnusedInstance> {
        let left_out = self.plan.left_out.iter().map(|it| (it.index, it.reason.to_string(), it.reason.code()));
        let idle = self.plan.endpoints.iter().filter(|endpoint| endpoint.share == 0);
        let idle = idle.map(|it| {
            let health = word(self.offer(it).endpoint.health);
            (it.index, format!("{health} and without a share"), "without_share")
        });
        let mut unused: Vec<UnusedInstance> = left_out
            .chain(idle)
            .map(|(index, reason, code)| {
                let endpoint = &self.offers[index].endpoint;
                UnusedInstance { id: Arc::clone(&endpoint.id), origin: endpoint.origin.to_string(), reason, code }
            })
            .collect();
        unused.sort_by(|a, b| a.id.cmp(&b.id));
        unused
    }

    /// Why nothing can be used, in a sentence: how many instances for which reason.
    pub fn unusable_sentence(&self, unused: &[UnusedInstance]) -> String {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        unused.iter().for_each(|it| *reasons.entry(&it.reason).or_default() += 1);
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let (key, caller) = (&self.service.key, caller_word(&self.caller));
        format!("no instance of {key} can be used by a caller {caller}; not used: {}", reasons.join(", "))
    }

    /// Names what watchers are told: endpoints, addresses, shares, priorities and drains, not versions and ages. Equal on
    /// every gateway for equal plans.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn name(&self) -> u64 {
        let mut text = Canonical::default();
        for priority in &self.plan.priorities {
            let (counts, load) = (&priority.counts, &priority.load);
            let (panic, counts) =
                (load.panic == PanicMode::Panicking, [counts.total, counts.healthy, counts.degraded, counts.excluded]);
            text.item(&format_args!("{} {} {panic} {counts:?}", load.healthy, load.degraded));
        }
        for endpoint in &self.plan.endpoints {
            let InstanceOffer { endpoint: of, instance, held, .. } = self.offer(endpoint);
            let (host, port) = self.offer(endpoint).reached_at();
            text.item(&of.id);
            text.item(&host);
            text.item(&endpoint.locality);
            let PlannedEndpoint { priority, share, weight, .. } = endpoint;
            let held = held.as_ref().map(|held| held.reason.as_str());
            let weight = weight.thousandths();
            text.item(&format_args!(
                "{port} {priority} {share} {weight} {:?} {} {held:?}",
                of.health, instance.ephemeral
            ));
            instance.metadata.iter().for_each(|(name, value)| {
                text.item(&name);
                text.item(&value);
            });
        }
        for (verdict, order) in self.drains_in_force() {
            text.item(&verdict);
            order.iter().for_each(|order| {
                text.item(&order.intent.who);
                text.item(&order.intent.why);
            });
        }
        text.hash()
    }
}

/// An instance that is not used.
pub struct UnusedInstance {
    /// Its id.
    pub id: Arc<str>,
    /// Its cluster.
    pub origin: String,
    /// Why, for people.
    pub reason: String,
    /// The same for programs.
    pub code: &'static str,
}

/// As answers say it.
pub(super) fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

/// Where a caller is, for people.
pub(super) fn caller_word(caller: &Caller) -> String {
    let place = match caller.locality.to_string() {
        nowhere if nowhere.is_empty() => "without a place".to_owned(),
        place => format!("at {place}"),
    };
    match &caller.locality.network {
        Some(network) => format!("{place} in network {network}"),
        None => place,
    }
}

/// Texts one after the other, each with its length before it: two lists are equal only if their texts are.
#[derive(Default)]
struct Canonical(Vec<u8>);

impl Canonical {
    fn item(&mut self, item: &dyn std::fmt::Display) {
        use std::io::Write as _;
        let at = self.0.len();
        self.0.extend([0; 8]);
        write!(self.0, "{item}").expect("writing to memory cannot fail");
        let length = (self.0.len() - at - 8) as u64;
        self.0[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }

    fn hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&self.0)
    }
}
