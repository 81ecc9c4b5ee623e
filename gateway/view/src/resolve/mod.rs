//! Plans for callers: the one place where the view, the policies and the gateway's own place become a [`federation_core::routing::Plan`].
//!
//! Input: a service and a caller. Output: the plan, fresh ([`Resolver::planned`]) or as bytes that were encoded once and are
//! kept ([`Resolver::kept`]). Invariant: a plan that was kept is given out only while the versions of all that it was made
//! from are those in force.

mod cache;
mod caller;
mod encoded;
mod inputs;
mod planned;
mod room;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use federation_core::id::ServiceKey;
use federation_core::routing::PlaceRules;
use federation_core::service::FederatedService;
use tokio::sync::watch;

pub use self::cache::PlanEncoding;
use self::cache::{Budget, Classes, Kept};
pub use self::caller::OwnPlace;
#[cfg(test)]
pub use self::caller::PlaceFrom;
pub use self::caller::{AskingCaller, CallerAsk, PlaceAsk};
pub use self::encoded::{EncodedPlan, NothingUsable, PlanDepth, PlanExcerpt, PlanPieces};
pub use self::inputs::{OriginState, PlanInputs, PlanStamp, origin_states};
pub use self::planned::{PlannedService, UnusedInstance};
pub use self::room::kept_bytes;
use crate::view::ViewReader;
use crate::view::derived::DerivedValue;
use federation_policy::InForce;
use federation_ports::metrics::ResolveMetrics;

/// More than any test keeps.
#[cfg(test)]
pub const KEPT_BYTES: usize = 256 << 20;

/// Plans services for callers.
pub struct Resolver {
    view: ViewReader,
    classes: DerivedValue<Classes>,
    policies: watch::Receiver<Arc<InForce>>,
    rules: PlaceRules,
    own: OwnPlace,
    budget: Budget,
    metrics: ResolveMetrics,
}

impl Resolver {
    /// Plans what `view` shows, by the policies that `policies` has at the time; keeps up to `kept_bytes` of plans: what
    /// does not fit is planned each time it is asked for.
    #[must_use]
    pub fn new(
        view: ViewReader,
        policies: watch::Receiver<Arc<InForce>>,
        rules: PlaceRules,
        own: OwnPlace,
        kept_bytes: usize,
        metrics: ResolveMetrics,
    ) -> Self {
        let budget = Budget::new(kept_bytes, metrics.kept_bytes.clone());
        let classes = DerivedValue::new(view.clone());
        Self { view, classes, policies, rules, own, budget, metrics }
    }

    /// What plans are made from now.
    pub fn inputs(&self) -> PlanInputs {
        let policy = Arc::clone(&self.policies.borrow());
        PlanInputs { policy, intents: self.view.intents(), clusters: self.view.clusters() }
    }

    /// Where instances are, and how they are reached.
    pub fn rules(&self) -> &PlaceRules {
        &self.rules
    }

    /// Changes with the policies in force.
    pub fn watch_policies(&self) -> watch::Receiver<Arc<InForce>> {
        self.policies.clone()
    }

    /// Who asks, with everything filled in that was not said.
    pub fn understand<'a>(&'a self, said: &'a CallerAsk<'a>, inputs: &'a PlanInputs) -> AskingCaller<'a> {
        AskingCaller::new(said, &self.own, &inputs.clusters)
    }

    /// The service planned for the caller; `None` if no cluster has an instance.
    pub fn planned(&self, key: &ServiceKey, asking: &AskingCaller<'_>, inputs: &PlanInputs) -> Option<PlannedService> {
        Some(self.plan(self.view.service(key)?, asking, inputs))
    }

    /// The same as bytes for `face`, made by `encode` unless they are kept.
    pub fn kept(
        &self,
        key: &ServiceKey,
        asking: &AskingCaller<'_>,
        inputs: &PlanInputs,
        face: PlanEncoding,
        encode: impl FnOnce(&PlannedService) -> EncodedPlan,
    ) -> Option<FoundPlan> {
        let (service, classes) = self.classes.of(key)?;
        let valid = classes.find(asking).filter(|kept| kept.stamp == inputs.stamp(&service));
        if let Some(kept) = &valid
            && kept.face(face).is_some()
        {
            self.metrics.hits.inc();
            return Some(FoundPlan { service, kept: Arc::clone(kept), face });
        }
        self.metrics.misses.inc();
        let planned = self.plan(Arc::clone(&service), asking, inputs);
        let encoded = encode(&planned);
        let kept = match valid {
            Some(kept) => {
                self.budget.add(&kept, face, encoded);
                kept
            }
            None => self.budget.keep(&classes, planned.caller, planned.stamp, (face, encoded)),
        };
        Some(FoundPlan { service, kept, face })
    }

    /// The service, as it is given, planned for the caller: of a part of what the view shows, for example the instances of one cluster.
    pub fn plan(
        &self,
        service: Arc<FederatedService>,
        asking: &AskingCaller<'_>,
        inputs: &PlanInputs,
    ) -> PlannedService {
        self.metrics.plans.inc();
        PlannedService::new(service, asking.to_caller(), inputs, &self.rules)
    }
}

/// A plan as bytes, and the service that was planned.
pub struct FoundPlan {
    /// What was planned.
    pub service: Arc<FederatedService>,
    kept: Arc<Kept>,
    face: PlanEncoding,
}

impl FoundPlan {
    /// The plan, as the face that asked writes it.
    #[must_use]
    pub fn encoded(&self) -> &EncodedPlan {
        self.kept.face(self.face).expect("it was there, or added, when this was found")
    }
}
