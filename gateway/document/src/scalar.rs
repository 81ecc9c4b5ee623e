//! What unquoted scalars are taken for.

/// What YAML 1.2 takes an unquoted scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarType {
    /// Also infinities and `.nan`.
    Number,
    /// `true` and `false`, and nothing else.
    Truth,
    /// Everything else.
    Text,
}

/// What an unquoted `text` is taken for.
#[must_use]
pub fn scalar_type(text: &str) -> ScalarType {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let hex =
        |prefix: &str, radix| text.strip_prefix(prefix).is_some_and(|rest| u128::from_str_radix(rest, radix).is_ok());
    // Rust's float parser takes words like `infinity` that YAML does not: a number has to begin like one.
    let float =
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && digits.parse::<f64>().is_ok();
    let special = matches!(digits.to_ascii_lowercase().as_str(), ".inf" | ".nan");
    match text {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => ScalarType::Truth,
        _ if float || special || hex("0x", 16) || hex("0o", 8) => ScalarType::Number,
        _ => ScalarType::Text,
    }
}
