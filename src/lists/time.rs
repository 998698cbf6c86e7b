//! Points in time and durations as tools write them, in seconds.

/// Words for a missing time, in lower case. pandas writes `NaT`, Kaldi's and NIST's lists `<NA>`.
const MISSING: &[&str] = &["", "nat", "nan", "na", "<na>", "none", "null"];

/// What is accepted, for error messages.
pub(super) const EXPECTED: &str = "expected seconds, such as 1.5, or a time such as 0 days 00:00:01.5";

/// Reads a time in `unit` seconds (1 for seconds, 0.001 for milliseconds):
///
/// - a number, such as `1.5` (or `1,5` with `decimal_comma`);
/// - a number with its unit: `1.5 s`, `1500 ms`;
/// - pandas' timedelta: `0 days 00:00:01.500000`, `1 days`, and without days `00:00:01.5`;
/// - an ISO 8601 duration: `P0DT0H0M1.5S`.
///
/// A missing time (empty, `NaT`, `nan`) is `Ok(None)`; anything else is an error.
pub(super) fn seconds(text: &str, unit: f64, decimal_comma: bool) -> Result<Option<f64>, ()> {
    let mut text = text.trim().to_ascii_lowercase();
    if MISSING.contains(&text.as_str()) {
        return Ok(None);
    }
    if decimal_comma {
        text = text.replace(',', ".");
    }
    let with_unit = |ending: &str, unit: f64| Some(number(text.strip_suffix(ending)?.trim_end())? * unit);
    number(&text)
        .map(|value| value * unit)
        .or_else(|| with_unit("ms", 1e-3))
        .or_else(|| with_unit("s", 1.0))
        .or_else(|| timedelta(&text))
        .or_else(|| iso_duration(&text))
        .map(Some)
        .ok_or(())
}

/// A finite number. (`inf` and `nan` are numbers for Rust, and no times.)
fn number(text: &str) -> Option<f64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    text.parse().ok().filter(|value: &f64| begins && value.is_finite())
}

/// `[DAYS days ][+]HH:MM:SS[.fff]`, or days alone.
fn timedelta(text: &str) -> Option<f64> {
    let (days, clock) = match text.split_once("day") {
        None => (0.0, text),
        Some((days, rest)) => {
            let rest = rest.strip_prefix('s').unwrap_or(rest).trim_start_matches([',', ' ']);
            (f64::from(days.trim().parse::<i32>().ok()?), rest.strip_prefix('+').unwrap_or(rest))
        }
    };
    if clock.is_empty() && text.contains("day") {
        return Some(days * 86_400.0);
    }
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let unsigned = |text: &str| number(text).filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
    let whole = |text: &str| text.parse::<u32>().ok().map(f64::from);
    let (minutes, seconds) = (whole(minutes).filter(|m| *m < 60.0)?, unsigned(seconds).filter(|s| *s < 60.0)?);
    Some(days * 86_400.0 + whole(hours)? * 3600.0 + minutes * 60.0 + seconds)
}

/// `P[nD]T[nH][nM][n.nS]`, in lower case.
fn iso_duration(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix('p')?;
    let mut total = None;
    let mut is_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('t') {
            (is_time, rest) = (true, after);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let unit = match (&rest[end..=end], is_time) {
            ("d", false) => 86_400.0,
            ("h", true) => 3600.0,
            ("m", true) => 60.0,
            ("s", true) => 1.0,
            _ => return None,
        };
        *total.get_or_insert(0.0) += number(&rest[..end])? * unit;
        rest = &rest[end + 1..];
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, expected) in [
            ("1.5", 1.5),
            (" 12 ", 12.0),
            ("1e-3", 0.001),
            (".5", 0.5),
            ("1.5 s", 1.5),
            ("1500ms", 1.5),
            ("0 days 00:00:01.500000", 1.5),
            ("0 days 00:00:01.5", 1.5),
            ("1 days 02:03:04.25", 93_784.25),
            ("1 day, 0:00:01", 86_401.0),
            ("2 days", 172_800.0),
            ("0 days", 0.0),
            ("-1 days +23:59:59.5", -0.5),
            ("00:01:01.25", 61.25),
            ("100:00:00", 360_000.0),
            ("P0DT0H0M1.5S", 1.5),
            ("P1DT1H", 90_000.0),
        ] {
            assert_eq!(seconds(text, 1.0, false), Ok(Some(expected)), "{text}");
        }
        assert_eq!(seconds("1500", 1e-3, false), Ok(Some(1.5)));
        assert_eq!(seconds("1,5", 1.0, true), Ok(Some(1.5)));
    }

    #[test]
    fn missing_times_are_none_and_others_are_refused() {
        for text in ["", " ", "NaT", "nan", "<NA>", "None"] {
            assert_eq!(seconds(text, 1.0, false), Ok(None), "{text}");
        }
        for text in [
            "inf",
            "infinity",
            "1,5",
            "1:30",
            "2024-01-01 10:00:00",
            "soon",
            "00:61:00",
            "00:00:60",
            "p",
            "pt",
            "1 day x",
        ] {
            assert_eq!(seconds(text, 1.0, false), Err(()), "{text}");
        }
    }
}
