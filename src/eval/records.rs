//! The rows of a labelled list, as texts by column.

use std::path::{Path, PathBuf};

use crate::engine::Span;
use crate::error::{Error, Result};
use crate::lists::{self, Fault, List, ListKind, Reading};

use super::problem::{Problem, Reason};

/// One row: one field per column, without surrounding blanks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Line on which the row begins, from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
    /// The recording's file.
    pub(super) file: PathBuf,
    /// The segment of the recording that the row is about.
    pub(super) span: Option<Span>,
}

/// The contents of a list.
#[derive(Debug)]
pub(super) struct Records {
    /// Names of the columns as in the header.
    pub(super) columns: Vec<String>,
    /// Index of the column that names the clip.
    pub(super) clip: usize,
    pub(super) rows: Vec<Record>,
    /// Rows that cannot be used, in the order of their lines.
    pub(super) problems: Vec<Problem>,
    /// Columns that look like times and are not used.
    pub(super) warnings: Vec<String>,
    /// Whether numbers may have a decimal comma.
    pub(super) decimal_comma: bool,
}

impl Records {
    /// Reads a list whose clips are in the column `clip_column`: a table, or any other list of
    /// [`lists`]. The labels of a label track are emotions.
    ///
    /// # Errors
    /// Those of [`lists::read`]. Rows that cannot be used are [`Records::problems`].
    pub(super) fn read(path: &Path, clip_column: &str, whole_files: bool) -> Result<Self> {
        let kind = ListKind::of(path).unwrap_or(ListKind::Table);
        if clip_column != CLIPS && kind != ListKind::Table {
            let what = format!("a list of segments has no column `{clip_column}`; stored features need a CSV table");
            return Err(Error::usage(what).in_file(path));
        }
        let column_hint =
            if clip_column == CLIPS { "; if its clips are in a features file, add --features FILE" } else { "" };
        let time_hint = "; --whole-files ignores the times";
        let reading = Reading { file_column: clip_column, whole_files, column_hint, time_hint };
        let mut read = Self::of(lists::read(path, kind, &reading)?);
        if clip_column != CLIPS && read.rows.iter().any(|row| row.span.is_some()) {
            let what =
                "the table states segments, but a features file has whole clips; --whole-files ignores the times";
            return Err(Error::usage(what).in_file(path));
        }
        if kind == ListKind::LabelTrack {
            read.columns.iter_mut().filter(|column| *column == "label").for_each(|column| "emotion".clone_into(column));
        }
        Ok(read)
    }

    fn of(list: List) -> Self {
        let mut problems: Vec<Problem> = list.problems.into_iter().map(problem).collect();
        let mut rows = Vec::with_capacity(list.entries.len());
        for entry in list.entries {
            if let Some(refused) = entry.refused {
                problems.push(Problem::new(entry.line, Reason::Unreadable, refused));
                continue;
            }
            let fields = entry.row.values().map(|field| field.trim().to_owned()).collect();
            rows.push(Record { line: entry.line, fields, file: entry.file.into_path_buf(), span: entry.span });
        }
        problems.sort_by_key(|problem| problem.line);
        let (columns, clip) = (list.columns.to_vec(), list.file_column);
        Self { columns, clip, rows, problems, warnings: list.warnings, decimal_comma: list.decimal_comma }
    }
}

/// The column of the recordings.
pub(super) const CLIPS: &str = "file";

fn problem(problem: lists::RowProblem) -> Problem {
    let reason = match problem.fault {
        Fault::Shape => Reason::RowShape,
        Fault::Encoding => Reason::Encoding,
        Fault::Name => Reason::MissingName,
        Fault::Time => Reason::BadTime,
    };
    Problem::new(problem.line, reason, problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_list_gives_fields_without_blanks_and_its_problems() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let read = Records::read(&write("t.csv", "file,emotion\n a.wav , ANG\nd\n"), "file", false).unwrap();
        assert_eq!((read.rows[0].line, &read.rows[0].fields[..]), (2, &["a.wav".to_owned(), "ANG".into()][..]));
        assert_eq!(read.rows[0].file, folder.path().join("a.wav"));
        assert_eq!((read.problems[0].line, read.problems[0].reason), (3, Reason::RowShape));
        write("call.wav", "");
        let read = Records::read(&write("call.txt", "0\t1.5\tangry\n"), "file", false).unwrap();
        assert_eq!(read.columns, ["file", "start", "end", "emotion"]);
        assert_eq!(read.rows[0].span, Some(Span { start_s: 0.0, end_s: Some(1.5) }));
        let scp = write("wav.scp", "a touch x |\nb b.wav\n");
        let read = Records::read(&scp, "file", false).unwrap();
        assert_eq!((read.problems[0].reason, read.rows.len()), (Reason::Unreadable, 1));
        let stored = write("f.csv", "clip,start\na,1\n");
        assert!(Records::read(&stored, "clip", false).unwrap_err().to_string().contains("whole clips"));
        assert_eq!(Records::read(&stored, "clip", true).unwrap().rows[0].span, None);
        assert!(Records::read(&scp, "clip", false).unwrap_err().to_string().contains("CSV table"));
    }
}
