//! A list of recordings: columns, entries in the list's order, and rows that cannot be used.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::audio::Span;
use crate::error::{Error, Result};

use super::row::Row;

/// Maximum number of rows of a list.
pub const MAX_ENTRIES: usize = 10_000_000;

/// A list of recordings, or of segments of them.
#[derive(Debug)]
pub struct List {
    /// Names of the columns, in the list's order. None is empty, none appears twice.
    pub columns: Arc<[String]>,
    /// Index of the column that names the recording.
    pub file_column: usize,
    /// The rows that can be used, in the list's order.
    pub entries: Vec<Entry>,
    /// The others, in the order of their lines.
    pub problems: Vec<RowProblem>,
    /// What the reader of the results should know, such as a column that looks like a time and is
    /// not used as one.
    pub warnings: Vec<String>,
    /// Whether numbers may have a decimal comma, because semicolons separate the columns.
    pub decimal_comma: bool,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Line on which the row begins, from 1.
    pub line: u64,
    /// The recording's file, as it is opened.
    pub file: Box<Path>,
    /// The segment that the row is about; `None` for the whole recording.
    pub span: Option<Span>,
    /// All fields as they stand in the list.
    pub row: Row,
    /// Why the file must not be opened, if it must not.
    pub refused: Option<&'static str>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// Line on which the row begins, from 1.
    pub line: u64,
    /// Kind of problem.
    pub fault: Fault,
    /// What was found and what was expected.
    pub message: String,
}

/// Kinds of problems of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The number of fields differs from the header's, or a field is implausibly long.
    Shape,
    /// Bytes that are not UTF-8.
    Encoding,
    /// The name of the recording is empty, or names no recording.
    Name,
    /// A time that cannot be read, or an end before its start.
    Time,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {}", self.line, self.message)
    }
}

impl List {
    /// An empty list with these columns.
    pub(super) fn new(columns: &[&str], file_column: usize) -> Self {
        Self::of(columns.iter().map(|name| (*name).to_owned()).collect(), file_column)
    }

    /// An empty list with these columns.
    pub(super) fn of(columns: Arc<[String]>, file_column: usize) -> Self {
        let (entries, problems, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { columns, file_column, entries, problems, warnings, decimal_comma: false }
    }

    /// Adds an entry or a problem.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than [`MAX_ENTRIES`] rows.
    pub(super) fn add(&mut self, row: Result<Entry, RowProblem>) -> Result<()> {
        if self.entries.len() + self.problems.len() == MAX_ENTRIES {
            let limit = MAX_ENTRIES as u64;
            return Err(Error::Limit { what: "number of rows", actual: limit + 1, limit });
        }
        match row {
            Ok(entry) => self.entries.push(entry),
            Err(problem) => self.problems.push(problem),
        }
        Ok(())
    }

    /// The list, if all its rows can be used.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the first problem.
    pub fn complete(self) -> Result<Self> {
        match self.problems.first() {
            None => Ok(self),
            Some(first) => {
                let more = match self.problems.len() {
                    1 => String::new(),
                    count => format!(" (and {} more rows)", count - 1),
                };
                Err(Error::malformed("list", format!("{first}{more}")))
            }
        }
    }
}

impl RowProblem {
    pub(super) fn new(line: u64, fault: Fault, message: impl Into<String>) -> Self {
        Self { line, fault, message: message.into() }
    }
}
