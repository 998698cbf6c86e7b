//! What cannot be used of a labelled table, by line: the list that a researcher mends the table by.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// Why a row, or one label of it, is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Another number of fields than the header has, or a field beyond any sense.
    RowShape,
    /// Bytes that are not UTF-8.
    Encoding,
    /// No file or clip is named.
    MissingName,
    /// The file, or the clip in the features file, does not exist.
    MissingFile,
    /// The clip stood in an earlier row.
    Duplicate,
    /// An empty label in a column of labels.
    MissingLabel,
    /// A word that stands for none of the system's labels.
    UnknownLabel,
    /// An age that is no number of years from 0 to 130.
    BadAge,
    /// No speaker in the column of speakers.
    MissingSpeaker,
    /// The recording or its features could not be read or answered.
    Unreadable,
}

impl Reason {
    /// The reason's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::RowShape => "row_shape",
            Self::Encoding => "encoding",
            Self::MissingName => "missing_name",
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

/// One thing that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the table on which the row begins, from 1; the header is line 1.
    pub line: u64,
    /// Its kind.
    pub reason: Reason,
    /// What was found, what was expected, and what it costs.
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

/// How many problems of each reason there are.
pub(super) fn counts(problems: &[Problem]) -> BTreeMap<&'static str, usize> {
    problems.iter().fold(BTreeMap::new(), |mut counts, problem| {
        *counts.entry(problem.reason.name()).or_default() += 1;
        counts
    })
}

/// Problems that an error names before it only counts.
const NAMED: usize = 20;

/// The error that refuses a table with problems.
pub(super) fn refusal(problems: &[Problem]) -> Error {
    let mut lines: Vec<String> = problems.iter().take(NAMED).map(ToString::to_string).collect();
    if problems.len() > NAMED {
        lines.push(format!("and {} more", problems.len() - NAMED));
    }
    lines.push("nothing was measured: mend the table, or leave these out with --keep-going".into());
    Error::Config(lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_twenty_and_counts_the_rest() {
        let problems: Vec<_> = (2..30).map(|line| Problem::new(line, Reason::BadAge, "`x` is no age")).collect();
        let message = refusal(&problems).in_file("t.csv").to_string();
        assert!(message.starts_with("t.csv: line 2: `x` is no age\n  line 3: "), "{message}");
        assert!(message.contains("line 21") && !message.contains("line 22") && message.contains("and 8 more"));
        assert_eq!(counts(&problems)["bad_age"], 28);
    }

    #[test]
    fn names_are_those_of_the_json() {
        for reason in [Reason::RowShape, Reason::UnknownLabel, Reason::BadAge, Reason::Unreadable] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
