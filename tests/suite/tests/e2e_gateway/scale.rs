//! How much is tried, and how much time is allowed: small by default, as asked for by the environment otherwise.

use std::str::FromStr;
use std::time::Duration;

/// Rounds of each way and SDK (`NACOS_FED_E2E_ROUNDS`).
pub(crate) fn rounds() -> usize {
    asked("NACOS_FED_E2E_ROUNDS").unwrap_or(5)
}

/// How long Kafka or a Nacos is away (`NACOS_FED_E2E_OUTAGE_S`).
pub(crate) fn outage() -> Duration {
    Duration::from_secs(asked("NACOS_FED_E2E_OUTAGE_S").unwrap_or(15))
}

/// How long the gateways are sampled after everything that a fault could cause (`NACOS_FED_E2E_AFTER_S`).
pub(crate) fn aftermath() -> Duration {
    Duration::from_secs(asked("NACOS_FED_E2E_AFTER_S").unwrap_or(5))
}

/// The worst case may take this many times the limit that the median keeps (`NACOS_FED_E2E_SLACK`): two cores carry five servers.
pub(crate) fn slack() -> u32 {
    asked("NACOS_FED_E2E_SLACK").unwrap_or(2)
}

fn asked<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} cannot be {text:?}")))
}
