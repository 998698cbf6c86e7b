//! Numbers as text, for people.

/// A probability in percent, such as `97.1 %`. No estimate is certain, so none is printed as 0 or
/// 100.
pub(super) fn percent(probability: f64) -> String {
    match 100.0 * probability {
        low if low < 0.05 => "<0.1 %".to_owned(),
        high if high >= 99.95 => ">99.9 %".to_owned(),
        between => format!("{between:.1} %"),
    }
}

/// A fraction set by a user or a model file, in percent, with its own digits: 0.6 gives 60. Rounded
/// to 1e-6, because 100 times a fraction is rarely exact.
pub(super) fn exact_percent(fraction: f64) -> f64 {
    (1e8 * fraction).round() / 1e6
}

/// `3:05`, `1:02:03`: a duration in whole seconds.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
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
    fn percents_never_read_as_certain() {
        assert_eq!(
            [0.0, 0.000_6, 0.971_4, 0.999_4, 1.0].map(percent),
            ["<0.1 %", "0.1 %", "97.1 %", "99.9 %", ">99.9 %"]
        );
        assert_eq!([0.6, 0.123_456_789, 0.8].map(exact_percent), [60.0, 12.345_679, 80.0]);
    }

    #[test]
    fn clocks_carry_into_minutes_and_hours() {
        assert_eq!([0.0, 59.4, 185.0, 3723.0].map(clock), ["0:00", "0:59", "3:05", "1:02:03"]);
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
