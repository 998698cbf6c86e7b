//! The audit log: one line of JSON for each input that was heard, and never the audio.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use persona_engine::engine::{Engine, Report};
use persona_engine::{Error, Result};
use serde::Serialize;

use super::hear::Heard;

/// A log that lines are appended to. Several runs may share one.
#[derive(Debug)]
pub(super) struct Audit {
    file: File,
}

/// One input that was heard.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    schema: u32,
    time: String,
    file: &'a str,
    input_sha256: Option<&'a str>,
    model: &'a str,
    model_sha256: &'a str,
    heads: Vec<&'static str>,
    outcome: Outcome,
    program: &'static str,
}

/// What came of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Answered,
    NoAnswer,
    Failed,
}

impl Outcome {
    fn of(answer: &Result<Report>) -> Self {
        match answer {
            Ok(report) if report.has_predictions() => Self::Answered,
            Ok(_) => Self::NoAnswer,
            Err(_) => Self::Failed,
        }
    }
}

impl Audit {
    /// Opens a log, or begins one.
    ///
    /// # Errors
    /// [`Error::Config`] that names a file that cannot be written.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let refused = |error| Error::Config(format!("{}: the audit log cannot be written: {error}", path.display()));
        Ok(Self { file: file.map_err(refused)? })
    }

    /// Appends lines in one piece, and returns when they are on the disk. They come before the answers that they are about, so that no answer is
    /// without its line.
    pub(super) fn append(&mut self, lines: &str) -> io::Result<()> {
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()
    }
}

/// The line for one input, now.
pub(super) fn entry(engine: &Engine, file: &str, heard: &Heard) -> String {
    let manifest = engine.model().manifest();
    let entry = Entry {
        schema: 1,
        time: utc(SystemTime::now()),
        file,
        input_sha256: heard.sha256.as_deref(),
        model: &manifest.name,
        model_sha256: &manifest.sha256,
        heads: engine.options().heads.names().collect(),
        outcome: Outcome::of(&heard.answer),
        program: concat!("persona-engine ", env!("CARGO_PKG_VERSION")),
    };
    // Texts and numbers alone: nothing in it can fail.
    serde_json::to_string(&entry).map(|line| line + "\n").unwrap_or_default()
}

/// `2026-11-23T12:56:07.250Z` (RFC 3339, UTC, without leap seconds). A clock before 1970 reads as 1970.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar.
///
/// Counted from the 1st of March of a year that 400 divides, so that a leap day is the last of its year (Hinnant 2013, "chrono-compatible
/// low-level date algorithms", `civil_from_days`): 146,097 days are 400 years, and the months from March on begin at day `(153 m + 2) / 5`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_by_the_calendar() {
        let length = |year: u64, month: u64| match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut days = 0;
        for year in 1970..2405 {
            for month in 1..=12 {
                for day in 1..=length(year, month) {
                    assert_eq!(civil(days), (year, month, day));
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn times_as_rfc_3339_has_them() {
        let at = |seconds, millis: u32| utc(UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_827_696, 7), "2000-02-29T12:34:56.007Z");
    }
}
