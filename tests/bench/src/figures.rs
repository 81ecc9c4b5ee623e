//! Medians, percentiles and how numbers are printed.

/// The value that `percent` of the values do not exceed; NaN of none.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

/// Whole, with commas between thousands.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values = vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!((median(&mut values), percentile(&mut values, 99), percentile(&mut values, 0)), (2.0, 4.0, 1.0));
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([7.4, 999.0, 1000.0, 1_234_567.0].map(grouped), ["7", "999", "1,000", "1,234,567"]);
    }
}
