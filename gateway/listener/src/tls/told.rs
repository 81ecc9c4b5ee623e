//! Words for people: dates, what is left of a certificate, an error with its causes.

use std::error::Error;

const DAY_SECONDS: i64 = 86_400;

/// Less than this left is something that a person has to do something about: a renewal that works by itself comes at a third of a
/// certificate's life, which is 30 days of the usual 90 and longer than this for all but those that live for days.
pub(super) const SOON_SECONDS: i64 = 7 * DAY_SECONDS;

/// The date of a time in seconds since 1970, in UTC: `2026-05-01`.
pub(super) fn day(seconds: i64) -> String {
    // Days to a date of the Gregorian calendar, counted in years that begin in March (H. Hinnant, "chrono-compatible low-level date
    // algorithms", civil_from_days).
    let days = seconds.div_euclid(DAY_SECONDS) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next)
}

/// What to say of a certificate that is valid until `until`, if there is anything to be said.
pub(super) fn expiring(until: i64, now: i64) -> Option<String> {
    let left = until.saturating_sub(now);
    if left >= SOON_SECONDS {
        return None;
    }
    Some(match left {
        left if left < 0 => format!("the certificate expired on {}: clients refuse it; renew it", day(until)),
        left if left < DAY_SECONDS => format!("the certificate expires within a day, on {}: renew it", day(until)),
        left => format!("the certificate expires in {} days, on {}: renew it", left / DAY_SECONDS, day(until)),
    })
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_761_599, "2026-12-31"),
            (-1, "1969-12-31"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(day(seconds), date);
        }
    }

    #[test]
    fn a_certificate_is_spoken_of_from_a_week_before_its_end() {
        let week = 7 * DAY_SECONDS;
        for (left, says) in [
            (week, None),
            (week - 1, Some("the certificate expires in 6 days, on 1970-01-08: renew it")),
            (DAY_SECONDS - 1, Some("the certificate expires within a day, on 1970-01-08: renew it")),
            (-1, Some("the certificate expired on 1970-01-08: clients refuse it; renew it")),
        ] {
            assert_eq!(expiring(week, week - left).as_deref(), says);
        }
    }
}
