//! Drains in force, as documents.

use federation_answers::drain::{DrainDocument, EffectDocument, PatternDocument, RefusedDrainDocument};
use federation_core::drains::{DrainInForce, RefusedOrder};
use federation_core::intents::DrainIntent;
use federation_core::pattern::ServicePattern;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::WallMs;

use federation_view::what_if::DrainEffect;

/// A drain, without what it does.
pub(super) fn drain(drain: &DrainInForce, now: WallMs) -> DrainDocument {
    let intent = &drain.intent;
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DrainDocument {
        target: drain.target.to_string(),
        cluster: drain.target.cluster().to_string(),
        services: drain.target.services().map(pattern),
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

/// A record of a drain that has no effect here.
pub(super) fn refused(order: &RefusedOrder) -> RefusedDrainDocument {
    let intent = order.record.intent.as_ref();
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RefusedDrainDocument {
        target: order.target.to_string(),
        taken_in: order.taken_in.to_string(),
        percent: intent.map(|intent| intent.goal().get()),
        who: intent.and_then(|intent| said(&intent.who)),
        counter: intent.map(|intent| intent.counter.get()),
        because: order.record.why.to_string(),
    }
}

/// What a drain does.
pub(super) fn effect(effect: DrainEffect) -> EffectDocument {
    let DrainEffect { in_force, forced, void, excess } = effect;
    EffectDocument { in_force, forced, void, too_many: excess }
}

fn pattern(pattern: &ServicePattern) -> PatternDocument {
    PatternDocument {
        namespace_id: pattern.namespace.as_str().to_owned(),
        group_name: pattern.group.as_str().to_owned(),
        service_name: pattern.service.as_str().to_owned(),
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
