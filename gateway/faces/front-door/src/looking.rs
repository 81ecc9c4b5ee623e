//! Looks again and again at what nobody tells of, while there is somebody for whom.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Calls `look` each `every` while `is_wanted`, and until `stop`. Where nobody wants it, it waits for `begun`; a look that is late is not made up for.
pub(crate) async fn look_while_wanted(
    every: Duration,
    begun: &Notify,
    is_wanted: impl Fn() -> bool,
    look: impl Fn(),
    stop: CancellationToken,
) {
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Both arms are cancel-safe: a notice is kept, a tick is not lost.
        let next = async {
            if !is_wanted() {
                begun.notified().await;
            }
            looks.tick().await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => look(),
        }
    }
}
