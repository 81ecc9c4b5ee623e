//! How much is tried, and how much later than promised a busy machine may be.

use std::time::Duration;

/// What a bound of the documentation is exceeded by at most: two cores carry a Kafka, two Nacos and up to four gateways, unoptimised.
pub(crate) const ALLOWANCE: Duration = Duration::from_secs(1);

/// Longer than anything here takes that has no bound of its own: elections, holds, servers that start beside others.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Changes of leaders of each kind (`NACOS_FED_PROMISE_ROUNDS`).
pub(crate) fn rounds() -> usize {
    let asked = std::env::var("NACOS_FED_PROMISE_ROUNDS").ok();
    asked.map_or(10, |text| text.parse().expect("NACOS_FED_PROMISE_ROUNDS is a number"))
}
