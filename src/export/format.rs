//! Positions and probabilities as text, the same in the terminal and on a page.

/// A position in a recording with tenths of a second: `0:04.0`, `1:02:03.5`.
pub fn clock(seconds: f64) -> String {
    let tenths = (10.0 * seconds).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenths) = (rest / 10, rest % 10);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenths}")
    } else {
        format!("{minutes}:{seconds:02}.{tenths}")
    }
}

/// A probability in percent, to a tenth. Estimates are never certain, so none is written as 0 or
/// 100: `<0.1 %`, `>99.9 %`.
pub fn percent(probability: f64) -> String {
    match 100.0 * probability {
        low if low < 0.05 => "<0.1 %".to_owned(),
        high if high >= 99.95 => ">99.9 %".to_owned(),
        between => format!("{between:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_carries_and_percent_has_bounds() {
        assert_eq!([0.0, 59.96, 61.0, 3725.25].map(clock), ["0:00.0", "1:00.0", "1:01.0", "1:02:05.3"]);
        assert_eq!([0.0, 0.0006, 0.5, 0.9996].map(percent), ["<0.1 %", "0.1 %", "50.0 %", ">99.9 %"]);
    }
}
