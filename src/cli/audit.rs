//! The audit log: one JSON line for each processed input, never the audio.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use persona_engine::engine::{Engine, Report};
use persona_engine::{Error, Result};
use serde::Serialize;

/// A log that lines are appended to. Several processes may share one.
#[derive(Debug)]
pub(super) struct Audit {
    path: String,
    file: File,
}

/// One processed input.
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

/// Outcome of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Answered,
    NoAnswer,
    Failed,
}

impl Outcome {
    fn of(result: &Result<Report>) -> Self {
        match result {
            Ok(report) if report.has_predictions() => Self::Answered,
            Ok(_) => Self::NoAnswer,
            Err(_) => Self::Failed,
        }
    }
}

impl Audit {
    /// Opens a log, or creates one.
    ///
    /// # Errors
    /// [`Error::Write`] names a file that cannot be written.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Ok(Self { path: name, file }),
            Err(error) => Err(Error::write(name, error)),
        }
    }

    /// Appends a line in one piece and waits until it is on the disk. Called before the result is
    /// written, so that no result is without its line.
    ///
    /// # Errors
    /// [`Error::Write`] names the log.
    pub(super) fn append(&mut self, line: &str) -> Result<()> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::write(&*self.path, error))
    }
}

/// The line for one input, stamped with the current time.
pub(super) fn entry(engine: &Engine, file: &str, sha256: Option<&str>, result: &Result<Report>) -> String {
    let manifest = engine.model().manifest();
    let entry = Entry {
        schema: 1,
        time: rfc_3339(SystemTime::now()),
        file,
        input_sha256: sha256,
        model: &manifest.name,
        model_sha256: &manifest.sha256,
        heads: engine.options().heads.names().collect(),
        outcome: Outcome::of(result),
        program: concat!("persona-engine ", env!("CARGO_PKG_VERSION")),
    };
    // Strings and numbers alone: serialising them cannot fail.
    serde_json::to_string(&entry).map(|line| line + "\n").unwrap_or_default()
}

/// `2026-11-23T12:56:07.250Z` (RFC 3339, UTC). A clock set before 1970 gives 1970.
fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.max(UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_have_milliseconds_and_never_panic() {
        assert_eq!(rfc_3339(UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc_3339(UNIX_EPOCH + Duration::from_millis(951_827_696_007)), "2000-02-29T12:34:56.007Z");
    }
}
