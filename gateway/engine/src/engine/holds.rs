//! Tells what the guard holds: as a trouble of each own namespace, by metrics, and by a line when a hold begins.

use federation_core::federation::Federation;
use federation_core::guard::{GuardTarget, GuardWord};
use federation_ports::metrics::{EngineMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// Makes the board's troubles of this kind the own holds of now, and the metrics those of the federation.
pub(super) fn tell_holds(board: &TroubleBoard, metrics: &EngineMetrics, core: &Federation) {
    let guard = core.local().guard();
    metrics.guard_trips.inc_by(guard.trips().saturating_sub(metrics.guard_trips.get()));
    let table = core.guard();
    for status in core.clusters() {
        let holds = table.standing().filter(|(target, _)| *target.cluster() == status.id).count();
        metrics.guard_holds(&status.id).set(i64::try_from(holds).unwrap_or(i64::MAX));
    }
    if guard.holds().len() == 0 && !board.has(TroubleKind::MassLossHeld) {
        return; // Nearly always: nothing is built.
    }
    let told = guard.holds().map(|(namespace, hold)| {
        let target = GuardTarget::new(core.cluster().clone(), namespace.clone());
        let said = table.get(&target).map(|found| found.entry.word);
        let text = format!(
            "{} of {} instances of namespace {namespace:?} went ({} %), and {} proven removals are {}: nothing of it is removed anywhere. If they \
             are gone for good: nacos-fed guard release {target}; if nacos is wrong: repair it, what registers again is held no more",
            hold.loss.lost,
            hold.loss.of,
            hold.loss.percent(),
            hold.kept,
            if said == Some(GuardWord::Keep) { "kept back by order" } else { "held" },
        );
        (target.to_string(), text)
    });
    board.replace(TroubleKind::MassLossHeld, told);
}
