//! The document of a drain.

use federation_core::drains::DrainInForce;
use federation_core::intents::DrainIntent;
use federation_core::pattern::ServicePattern;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::WallMs;
use serde::Serialize;
use utoipa::ToSchema;

use federation_view::what_if::Effect;

/// All drains.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Drains)]
pub(super) struct DrainsDocument {
    pub(super) drains: Vec<DrainDocument>,
}

/// One drain, the last order for its target.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainInForce)]
pub(super) struct DrainDocument {
    /// Names it: the cluster, or cluster/namespace/group/service of patterns.
    target: String,
    /// Whose instances lose traffic.
    cluster: String,
    /// Which services; null: all.
    services: Option<PatternDocument>,
    /// How much of the traffic is taken away now, 0 to 100; 0: it was undone, or a ramp begins.
    percent: u8,
    /// The percentage at the end of a ramp; without one, the same.
    goal_percent: u8,
    /// Milliseconds until then, if nobody pauses; null without a ramp.
    ends_in_ms: Option<u64>,
    /// Whether it is in force also where nothing healthy is left.
    force: bool,
    /// Who ordered it; null if that was not said.
    who: Option<String>,
    /// Why; null if that was not said.
    why: Option<String>,
    /// When it was ordered, unix milliseconds, by the clock of the gateway that took it.
    when_ms: u64,
    /// Since then, by the clock of the answering gateway.
    age_ms: u64,
    /// The cluster in whose log the order stands.
    taken_in: String,
    /// Orders for this target are counted; the highest counts.
    counter: u64,
    /// What it does, for callers in the place of the answering gateway's cluster. Not in the answer to an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<EffectDocument>,
}

/// Patterns of names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServicePattern)]
struct PatternDocument {
    namespace_id: String,
    group_name: String,
    service_name: String,
}

/// How many services that have instances in its cluster a drain counts for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainEffect)]
struct EffectDocument {
    /// Traffic moves.
    in_force: usize,
    /// Traffic moves although nothing healthy is left.
    forced: usize,
    /// Nothing moves, because nothing healthy would be left.
    void: usize,
    /// Nothing moves, because four targets are drained already.
    too_many: usize,
}

impl DrainDocument {
    pub(super) fn of(drain: &DrainInForce, now: WallMs) -> Self {
        let intent = &drain.intent;
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            target: drain.target.to_string(),
            cluster: drain.target.cluster().to_string(),
            services: drain.target.services().map(PatternDocument::of),
            percent: intent.percent.get(),
            goal_percent: intent.goal().get(),
            ends_in_ms: ends_in(intent, drain.since, now),
            force: intent.guard == DrainGuard::Force,
            who: said(&intent.who),
            why: said(&intent.why),
            when_ms: intent.when.0,
            age_ms: now.0.saturating_sub(intent.when.0),
            taken_in: drain.taken_in.to_string(),
            counter: intent.counter.get(),
            effect: None,
        }
    }

    pub(super) fn with_effect(self, effect: Effect) -> Self {
        let Effect { in_force, forced, void, excess } = effect;
        Self { effect: Some(EffectDocument { in_force, forced, void, too_many: excess }), ..self }
    }
}

impl PatternDocument {
    fn of(pattern: &ServicePattern) -> Self {
        Self {
            namespace_id: pattern.namespace.as_str().to_owned(),
            group_name: pattern.group.as_str().to_owned(),
            service_name: pattern.service.as_str().to_owned(),
        }
    }
}

/// Steps are left after the last one, which was at `since`.
fn ends_in(intent: &DrainIntent, since: WallMs, now: WallMs) -> Option<u64> {
    let ramp = intent.ramp.filter(|_| intent.is_ramping())?;
    let following = |percent: &Percent| (*percent != intent.goal()).then(|| ramp.after(*percent));
    let steps = std::iter::successors(Some(intent.percent), following).count() - 1;
    let all = ramp.interval().0.saturating_mul(u64::try_from(steps).unwrap_or(u64::MAX));
    Some(all.saturating_sub(now.0.saturating_sub(since.0)))
}
