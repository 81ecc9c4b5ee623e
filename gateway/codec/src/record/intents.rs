//! Intents as bytes (rule R24). A value that no gateway writes is refused whole: it is unreadable.

use federation_core::intents::{DrainIntent, DrainRamp, OrderCounter, OrderGiver};
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::{Millis, WallMs};
use federation_proto::federation::log::v1 as proto;

use crate::interner::TextInterner;

pub(super) fn drain_to_proto(intent: &DrainIntent) -> proto::DrainIntent {
    proto::DrainIntent {
        counter: intent.counter.get(),
        percent: intent.percent.get().into(),
        force: intent.guard == DrainGuard::Force,
        who: intent.who.to_string(),
        why: intent.why.to_string(),
        when_ms: intent.when.0,
        replica: intent.replica,
        ramp: intent.ramp.as_ref().map(ramp_to_proto),
        giver: giver_to_proto(&intent.giver),
    }
}

pub(super) fn drain_from_proto(record: &proto::DrainIntent, interner: &mut TextInterner) -> Option<DrainIntent> {
    let ramp = match &record.ramp {
        Some(ramp) => Some(ramp_from_proto(ramp)?),
        None => None,
    };
    Some(DrainIntent {
        counter: OrderCounter::new(record.counter)?,
        percent: percent(record.percent)?,
        guard: if record.force { DrainGuard::Force } else { DrainGuard::VoidIfNothingIsLeft },
        who: interner.text(&record.who),
        why: interner.text(&record.why),
        when: WallMs(record.when_ms),
        replica: record.replica,
        ramp,
        giver: giver_from_proto(record.giver.as_ref(), interner),
    })
}

/// An empty one is not written, so that what nobody knows costs nothing.
pub(super) fn giver_to_proto(giver: &OrderGiver) -> Option<proto::Giver> {
    let OrderGiver { identity, from, means } = giver;
    let giver = proto::Giver { identity: identity.to_string(), from: from.to_string(), means: means.to_string() };
    (giver != proto::Giver::default()).then_some(giver)
}

pub(super) fn giver_from_proto(giver: Option<&proto::Giver>, interner: &mut TextInterner) -> OrderGiver {
    let mut text = |text: &str| interner.text(text);
    giver.map_or_else(OrderGiver::default, |giver| OrderGiver {
        identity: text(&giver.identity),
        from: giver.from.as_str().into(), // With a port: another one each time.
        means: text(&giver.means),
    })
}

fn ramp_to_proto(ramp: &DrainRamp) -> proto::DrainRamp {
    proto::DrainRamp {
        from: ramp.from().get().into(),
        to: ramp.to().get().into(),
        started_ms: ramp.started().0,
        over_ms: ramp.over().0,
    }
}

fn ramp_from_proto(ramp: &proto::DrainRamp) -> Option<DrainRamp> {
    DrainRamp::new(percent(ramp.from)?, percent(ramp.to)?, WallMs(ramp.started_ms), Millis(ramp.over_ms))
}

fn percent(percent: u32) -> Option<Percent> {
    Percent::new(u8::try_from(percent).ok()?)
}
