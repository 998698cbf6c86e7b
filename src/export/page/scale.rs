//! How a recording is broken into lines, as music is, and where the ticks of its seconds go.

/// Lines at most; a page of them can be overlooked and printed.
const MAX_LINES: f64 = 8.0;
/// Up to this length a recording is one line, seconds.
const ONE_LINE_S: f64 = 90.0;
/// Lengths that people count in, seconds.
const NICE_S: [f64; 17] =
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];

/// The length of a line in seconds, for a recording of `duration_s`.
pub(super) fn line_s(duration_s: f64) -> f64 {
    if duration_s <= ONE_LINE_S {
        return duration_s.max(0.1);
    }
    let enough = |line: &f64| (duration_s / line).ceil() <= MAX_LINES;
    let longest = NICE_S.iter().copied().fold(0.0, f64::max);
    let whole_hours = (duration_s / MAX_LINES / longest).ceil() * longest;
    NICE_S.iter().copied().find(enough).unwrap_or(whole_hours)
}

/// From tick to tick, seconds: at most twelve in a line.
pub(super) fn tick_s(line_s: f64) -> f64 {
    NICE_S.iter().copied().find(|tick| line_s / tick <= 12.0).unwrap_or(line_s / 6.0)
}

/// `0:05`, `1:02:03`, `0:00.5`: seconds as people say them, with a tenth where there is one.
pub(super) fn clock(seconds: f64) -> String {
    let tenths = (10.0 * seconds).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenth) = (rest / 10, rest % 10);
    let tenth = if tenth > 0 { format!(".{tenth}") } else { String::new() };
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}{tenth}")
    } else {
        format!("{minutes}:{seconds:02}{tenth}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_few_and_of_a_nice_length() {
        assert_eq!(
            [0.0, 4.2, 90.0, 91.0, 600.0, 7200.0, 86_400.0].map(line_s),
            [0.1, 4.2, 90.0, 15.0, 120.0, 1200.0, 14_400.0]
        );
        for duration in [0.01, 3.0, 100.0, 5_000.0, 1e5, 1e6, 1e7] {
            let line = line_s(duration);
            assert!(duration / line <= MAX_LINES, "{duration} in lines of {line}");
            assert!(line / tick_s(line) <= 12.0 + 1e-9, "{line} by {}", tick_s(line));
        }
    }

    #[test]
    fn clocks() {
        assert_eq!([0.0, 59.96, 61.5, 3723.0].map(clock), ["0:00", "1:00", "1:01.5", "1:02:03"]);
    }
}
