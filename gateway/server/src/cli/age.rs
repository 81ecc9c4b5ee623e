//! Ages as people say them.

/// `0.4s`, `12s`, `5m 3s`, `2h 5m`, `3d 4h`: two units at most, rounded down.
pub(super) fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn an_age_has_two_units_at_most() {
        let shown = [0, 430, 9_999, 59_999, 63_000, 7_500_000, 273_600_000].map(age);
        assert_eq!(shown, ["0.0s", "0.4s", "9.9s", "59s", "1m 3s", "2h 5m", "3d 4h"]);
    }
}
