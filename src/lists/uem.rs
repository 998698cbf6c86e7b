//! UEM, NIST's un-partitioned evaluation map: the time of each recording that is scored.
//!
//! ```text
//! FILE CHANNEL START END
//! ```
//!
//! Four fields separated by blanks, times in seconds. Comments begin with `;`.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

use super::lines::Lines;

/// A time that is scored.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredTime {
    /// Line of the file, from 1.
    pub line: u64,
    /// Name of the recording, without its ending.
    pub recording: String,
    /// Channel as it stands in the file: a number from 1, or `NA`.
    pub channel: String,
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds, after the start.
    pub end_s: f64,
}

/// Reads the scored times of all recordings of a UEM file, in the file's order.
///
/// # Errors
/// With the file's name: [`Error::Read`], [`Error::Limit`] for a line that is too long, and
/// [`Error::Malformed`] with the line of a time that cannot be read.
pub fn read_scored(path: &Path) -> Result<Vec<ScoredTime>> {
    read(path).map_err(|error| error.in_file(path))
}

fn read(path: &Path) -> Result<Vec<ScoredTime>> {
    let mut lines = Lines::new(File::open(path)?);
    let (mut line, mut scored) = (Vec::new(), Vec::new());
    while lines.next(&mut line)? {
        let malformed = |what: String| Error::malformed("UEM", format!("line {}: {what}", lines.number));
        let text = std::str::from_utf8(&line).map_err(|_| malformed("not UTF-8".into()))?;
        let fields: Vec<&str> = text.split(';').next().unwrap_or_default().split_whitespace().collect();
        let [recording, channel, start, end] = fields[..] else {
            if fields.is_empty() {
                continue;
            }
            return Err(malformed(format!("{} fields, expected four: FILE CHANNEL START END", fields.len())));
        };
        let seconds = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
        let (Some(start_s), Some(end_s)) = (seconds(start), seconds(end)) else {
            return Err(malformed(format!("`{start} {end}`, expected start and end in seconds")));
        };
        if end_s <= start_s {
            return Err(malformed(format!("the end {end} is not after the start {start}")));
        }
        scored.push(ScoredTime {
            line: lines.number,
            recording: recording.into(),
            channel: channel.into(),
            start_s,
            end_s,
        });
    }
    Ok(scored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn times_are_read_and_broken_lines_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.uem");
        fs::write(&path, ";; made by hand\n\ncall NA 0.5 30.25 ; all\r\ncall NA 40 50\n").unwrap();
        let found = read_scored(&path).unwrap();
        assert_eq!(
            found.iter().map(|time| (time.line, time.start_s, time.end_s)).collect::<Vec<_>>(),
            [(3, 0.5, 30.25), (4, 40.0, 50.0)]
        );
        assert_eq!((&*found[0].recording, &*found[0].channel), ("call", "NA"));
        for (text, expected) in [
            ("call NA 1", "line 1: 3 fields"),
            ("call NA 0 1\ncall NA x 2", "line 2: `x 2`"),
            ("call NA 3 2", "the end 2 is not after the start 3"),
            ("call NA 0 inf", "`0 inf`"),
        ] {
            fs::write(&path, text).unwrap();
            let message = read_scored(&path).unwrap_err().to_string();
            assert!(message.contains("all.uem: UEM is malformed") && message.contains(expected), "{message}");
        }
    }
}
