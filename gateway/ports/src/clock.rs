//! The clocks of one process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use federation_core::time::{Mono, Now, WallMs};

/// This process's clocks. One per process: cluster ages are told by it.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock {
    started: Instant,
}

impl ProcessClock {
    /// A clock whose monotonic time is zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Monotonic time since the start.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The monotonic time of a moment in this process; zero if that was before the start.
    #[must_use]
    pub fn mono_at(&self, moment: Instant) -> Mono {
        let since = moment.saturating_duration_since(self.started);
        Mono(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Both clocks. A wall clock before 1970 counts as 1970.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Now { mono: self.mono(), wall: WallMs(u64::try_from(wall).unwrap_or(u64::MAX)) }
    }

    /// The runtime's name for a moment of the monotonic clock.
    #[must_use]
    pub fn instant(&self, mono: Mono) -> tokio::time::Instant {
        (self.started + std::time::Duration::from_millis(mono.0)).into()
    }
}
