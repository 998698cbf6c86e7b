//! Problems of a labelled table: rows and labels that cannot be used, by line.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// Why a row, or one label of it, is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The number of fields differs from the header's, or a field is implausibly long.
    RowShape,
    /// Bytes that are not UTF-8.
    Encoding,
    /// The name of the file or clip is empty, or names no recording.
    MissingName,
    /// A start or end cannot be read, or the end is before the start.
    BadTime,
    /// The file, or the clip in the features file, does not exist.
    MissingFile,
    /// An earlier row names the same clip.
    Duplicate,
    /// A label is empty.
    MissingLabel,
    /// A word means none of the model's labels.
    UnknownLabel,
    /// An age is not a number of years from 0 to 130.
    BadAge,
    /// The speaker is empty.
    MissingSpeaker,
    /// The recording or its features cannot be read or processed.
    Unreadable,
}

impl Reason {
    /// The reason's code in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::RowShape => "row_shape",
            Self::Encoding => "encoding",
            Self::MissingName => "missing_name",
            Self::BadTime => "bad_time",
            Self::MissingFile => "missing_file",
            Self::Duplicate => "duplicate",
            Self::MissingLabel => "missing_label",
            Self::UnknownLabel => "unknown_label",
            Self::BadAge => "bad_age",
            Self::MissingSpeaker => "missing_speaker",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A row or label that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the table on which the row begins, from 1; the header is line 1.
    pub line: u64,
    /// Kind of problem.
    pub reason: Reason,
    /// What was found, what was expected, and the consequence.
    pub message: String,
}

impl Problem {
    pub(super) fn new(line: u64, reason: Reason, message: impl Into<String>) -> Self {
        Self { line, reason, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {}", self.line, self.message)
    }
}

/// Number of problems by reason.
pub(super) fn counts(problems: &[Problem]) -> BTreeMap<&'static str, usize> {
    problems.iter().fold(BTreeMap::new(), |mut counts, problem| {
        *counts.entry(problem.reason.name()).or_default() += 1;
        counts
    })
}

/// Number of problems that an error lists; it counts the others.
const NAMED: usize = 20;

/// The error for a table with problems, which lists the first [`NAMED`].
pub(super) fn table_error(problems: &[Problem]) -> Error {
    let mut lines: Vec<String> = problems.iter().take(NAMED).map(ToString::to_string).collect();
    if problems.len() > NAMED {
        lines.push(format!("and {} more", problems.len() - NAMED));
    }
    lines.push("nothing was evaluated; correct the table, or skip these with --keep-going".into());
    Error::malformed("table", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_lists_twenty_problems_and_counts_the_rest() {
        let problems: Vec<_> = (2..30).map(|line| Problem::new(line, Reason::BadAge, "`x` is not an age")).collect();
        let message = table_error(&problems).in_file("t.csv").to_string();
        assert!(message.starts_with("t.csv: table is malformed: line 2: `x` is not an age\n  line 3: "), "{message}");
        assert!(message.contains("line 21") && !message.contains("line 22") && message.contains("and 8 more"));
        assert_eq!(counts(&problems)["bad_age"], 28);
    }

    #[test]
    fn names_equal_the_codes_in_json() {
        for reason in [Reason::RowShape, Reason::BadTime, Reason::UnknownLabel, Reason::BadAge, Reason::Unreadable] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
