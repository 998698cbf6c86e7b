//! Rounding of reported numbers.

/// Rounds to a number of decimal digits, half away from zero.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}
