//! Faults on purpose, for tests of a real process: what it says of itself while something in it is broken.
//!
//! Input: the environment variable [`VARIABLE`] of the process, read once at its start. Whoever can set that can end the process, too;
//! nothing that reaches it over the network can cause a fault.

use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use federation_core::time::{Millis, Mono};

/// Names the faults.
pub const VARIABLE: &str = "NACOS_FED_FAULT";

/// All faults of a process; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InjectedFaults {
    /// See [`EngineStuck`].
    pub engine_stuck: Option<EngineStuck>,
}

/// The engine does nothing for a while, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineStuck {
    /// From this time of the process's monotonic clock.
    from: Mono,
    /// For how long.
    length: Millis,
}

/// What cannot be understood as faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE} has to be engine-stuck:LENGTH or engine-stuck:LENGTH@FROM, both in whole seconds like 30s, not {0:?}"
)]
pub struct BadFault(String);

impl InjectedFaults {
    /// What the variable with this value asks for; nothing without one.
    ///
    /// # Errors
    /// A value that is not understood. It is not passed over: a test that breaks nothing would pass.
    pub fn of(value: Option<&str>) -> Result<Self, BadFault> {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(Self::default()) };
        let engine_stuck = value.parse()?;
        tracing::warn!(fault = value, "this process breaks on purpose: {VARIABLE} is set, which is for tests only");
        Ok(Self { engine_stuck: Some(engine_stuck) })
    }
}

impl FromStr for EngineStuck {
    type Err = BadFault;

    /// `engine-stuck:30s@10s`: for 30 s, from 10 s after the start; from the start without `@`.
    fn from_str(text: &str) -> Result<Self, BadFault> {
        let bad = || BadFault(text.to_owned());
        let times = text.strip_prefix("engine-stuck:").ok_or_else(bad)?;
        let (length, from) = times.split_once('@').unwrap_or((times, "0s"));
        let seconds = |text: &str| text.strip_suffix('s').and_then(|it| it.parse::<u32>().ok()).ok_or_else(bad);
        let (length, from) = (seconds(length)?, seconds(from)?);
        Ok(Self { from: Mono(u64::from(from) * 1_000), length: Millis::from_secs(length.into()) })
    }
}

impl EngineStuck {
    /// Blocks its thread once the time has come, whatever else happens in the process meanwhile.
    pub fn strike(&mut self, now: Mono) {
        if self.length == Millis(0) || now < self.from {
            return;
        }
        let length = Duration::from_millis(std::mem::take(&mut self.length).0);
        tracing::warn!(seconds = length.as_secs(), "the engine does nothing, as the fault wants it");
        let (_held, nothing) = mpsc::sync_channel::<()>(0); // Nobody sends: it waits for all of its time.
        let _ = nothing.recv_timeout(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_asked_for_by_a_value_that_is_understood_or_the_process_does_not_start() {
        let stuck = |length, from| Some(EngineStuck { from: Mono(from), length: Millis(length) });
        for (value, want) in [
            (None, None),
            (Some(""), None),
            (Some("engine-stuck:30s"), stuck(30_000, 0)),
            (Some("engine-stuck:30s@5s"), stuck(30_000, 5_000)),
        ] {
            assert_eq!(InjectedFaults::of(value).map(|faults| faults.engine_stuck), Ok(want), "{value:?}");
        }
        for value in ["engine-stuck", "engine-stuck:30", "engine-stuck:s", "engine-stuck:3s@", "engine:3s", "x"] {
            assert_eq!(InjectedFaults::of(Some(value)), Err(BadFault(value.to_owned())));
        }
    }
}
