//! How a percentage goes from one value to another in steps.

use crate::percent::Percent;
use crate::time::{Millis, WallMs};

/// Steps follow each other at this interval at least: a shorter ramp takes larger steps.
const SHORTEST_STEP: Millis = Millis(1_000);

/// A percentage on its way. Its pace is kept by whoever writes the steps, on its own monotonic clock: a pause of that
/// process delays the ramp and never makes it jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DrainRamp {
    from: Percent,
    to: Percent,
    started: WallMs,
    over: Millis,
}

impl DrainRamp {
    /// From `from` to `to` within `over`; `None` if there is no way to go or no time to take.
    #[must_use]
    pub fn new(from: Percent, to: Percent, started: WallMs, over: Millis) -> Option<Self> {
        (from != to && over.0 > 0).then_some(Self { from, to, started, over })
    }

    /// Where it began.
    #[must_use]
    pub fn from(&self) -> Percent {
        self.from
    }

    /// Where it ends.
    #[must_use]
    pub fn to(&self) -> Percent {
        self.to
    }

    /// When it began, by the clock of the gateway that took the order; for people.
    #[must_use]
    pub fn started(&self) -> WallMs {
        self.started
    }

    /// How long all of it takes if nobody pauses.
    #[must_use]
    pub fn over(&self) -> Millis {
        self.over
    }

    /// Time between two steps, at least a second.
    #[must_use]
    pub fn interval(&self) -> Millis {
        Millis(self.over.0 / self.distance()).max(SHORTEST_STEP)
    }

    /// The percentage one step after `percent`.
    #[must_use]
    pub fn after(&self, percent: Percent) -> Percent {
        let (at, to) = (percent.get(), self.to.get());
        let size = u8::try_from(self.step_size().min(100)).unwrap_or(100);
        let next = if at < to { at.saturating_add(size).min(to) } else { at.saturating_sub(size).max(to) };
        Percent::new(next).unwrap_or(self.to)
    }

    /// Percent in one step: 1, or what makes the ramp end in time with the shortest steps.
    fn step_size(&self) -> u64 {
        (self.distance() * SHORTEST_STEP.0).div_ceil(self.over.0).max(1)
    }

    fn distance(&self) -> u64 {
        u64::from(self.from.get().abs_diff(self.to.get())).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    fn steps(from: u8, to: u8, over: u64) -> (Vec<u8>, u64) {
        let ramp = DrainRamp::new(percent(from), percent(to), WallMs(0), Millis(over)).unwrap();
        let mut steps = vec![percent(from)];
        while steps.last() != Some(&percent(to)) && steps.len() < 200 {
            steps.push(ramp.after(*steps.last().unwrap()));
        }
        (steps.into_iter().map(Percent::get).collect(), ramp.interval().0)
    }

    #[test]
    fn a_ramp_takes_steps_of_one_percent_or_as_large_as_a_second_each_needs() {
        assert_eq!(steps(0, 3, 600_000), (vec![0, 1, 2, 3], 200_000));
        assert_eq!(steps(30, 28, 60_000), (vec![30, 29, 28], 30_000));
        assert_eq!(steps(0, 100, 4_000), (vec![0, 25, 50, 75, 100], 1_000));
        assert_eq!(steps(0, 10, 3_000), (vec![0, 4, 8, 10], 1_000));
        assert_eq!(steps(100, 0, 1), (vec![100, 0], 1_000));
        assert_eq!(steps(0, 100, u64::MAX).0.len(), 101);
    }

    #[test]
    fn there_is_no_ramp_without_a_way_or_without_time() {
        assert_eq!(DrainRamp::new(percent(3), percent(3), WallMs(0), Millis(1)), None);
        assert_eq!(DrainRamp::new(percent(3), percent(4), WallMs(0), Millis(0)), None);
    }
}
