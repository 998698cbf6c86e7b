//! The labelled table: clips, their true labels and their speakers.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::engine::{Manifest, Span};
use crate::error::{Error, Result};

use super::label_aliases::{LabelAliases, check_aliases};
use super::problem::{Problem, Reason, table_error};
use super::records::{Record, Records};
use super::row_filter::{self, RowFilter, column};

/// Valid ages in years.
const AGES: std::ops::RangeInclusive<f64> = 0.0..=130.0;

/// One clip and its true labels. A label is `None` if the table has no column for it, or no valid
/// value in this row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line of the table, from 1.
    pub line: u64,
    /// The clip as named in the table: a file, or a tensor of the features file.
    pub clip: String,
    /// The recording's file; no file where the clip is a tensor.
    pub file: PathBuf,
    /// The segment of the recording; `None` for all of it.
    pub span: Option<Span>,
    /// Index of the model's emotion label.
    pub emotion: Option<usize>,
    /// Index of the model's gender label.
    pub gender: Option<usize>,
    /// Age in years.
    pub age: Option<f64>,
    /// Speaker.
    pub speaker: Option<String>,
    /// All fields, in the order of the columns.
    pub fields: Vec<String>,
}

/// The columns that the evaluation interprets; all others can be used for grouping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    clip: usize,
    /// Index of the emotion column.
    pub emotion: Option<usize>,
    /// Index of the gender column.
    pub gender: Option<usize>,
    /// Index of the age column.
    pub age: Option<usize>,
    /// Index of the speaker column.
    pub speaker: Option<usize>,
}

/// A table: usable rows, and problems.
#[derive(Debug)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Their roles.
    pub roles: Roles,
    /// The selected rows that name a clip for the first time, in the table's order.
    pub rows: Vec<Row>,
    /// Everything that cannot be used, in line order.
    pub problems: Vec<Problem>,
    /// Number of selected rows, usable or not.
    pub selected: usize,
    /// Columns that look like times and are not used.
    pub warnings: Vec<String>,
    /// Whether numbers may have a decimal comma.
    decimal_comma: bool,
}

/// Selection of rows, and label aliases.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Filters: several of one column are combined by "or", those of several columns by "and".
    pub filters: Vec<RowFilter>,
    /// Maximum number of rows, taken from the start after filtering.
    pub limit: Option<usize>,
    /// The user's label aliases, `(word, label)`.
    pub aliases: Vec<(String, String)>,
    /// Whether each row is about its whole recording, whatever times the table states.
    pub whole_files: bool,
}

/// The label aliases of both heads.
pub(super) struct HeadAliases {
    pub(super) emotion: LabelAliases,
    pub(super) gender: LabelAliases,
}

impl HeadAliases {
    pub(super) fn new(manifest: &Manifest, own: &[(String, String)]) -> Result<Self> {
        let heads = &manifest.require_classifier()?.heads;
        let emotion = LabelAliases::new(&heads.emotion.labels, own);
        let gender = LabelAliases::new(&heads.gender.labels, own);
        check_aliases(own, &[&emotion, &gender])?;
        Ok(Self { emotion, gender })
    }
}

impl Table {
    /// Reads a table whose clips are in the column `clip_column`. `locate` maps a row to a unique
    /// identity of its recording or tensor, or returns why that does not exist.
    ///
    /// # Errors
    /// With the file's name: those of [`Records::read`]; [`Error::Malformed`] for a table without
    /// any label column; [`Error::Usage`] for filters that select nothing.
    pub(super) fn read(
        path: &Path,
        clip_column: &str,
        selection: &Selection,
        aliases: &HeadAliases,
        locate: impl Fn(&Record, &str) -> Result<String, String>,
    ) -> Result<Self> {
        let records = Records::read(path, clip_column, selection.whole_files)?;
        Self::from_records(records, selection, aliases, locate).map_err(|error| error.in_file(path))
    }

    fn from_records(
        records: Records,
        selection: &Selection,
        aliases: &HeadAliases,
        locate: impl Fn(&Record, &str) -> Result<String, String>,
    ) -> Result<Self> {
        let roles = Roles::find(&records.columns, records.clip)?;
        if records.rows.is_empty() && !records.problems.is_empty() {
            return Err(table_error(&records.problems));
        }
        let mut rows = row_filter::select(&records, &selection.filters)?;
        rows.truncate(selection.limit.unwrap_or(usize::MAX));
        let selected = rows.len() + records.problems.len();
        let Records { columns, problems, warnings, decimal_comma, .. } = records;
        let mut table = Self { columns, roles, rows: Vec::new(), problems, selected, warnings, decimal_comma };
        let mut seen = HashSet::new();
        for record in rows {
            table.add(record, aliases, &locate, &mut seen);
        }
        table.problems.sort_by_key(|problem| problem.line);
        Ok(table)
    }

    fn add(
        &mut self,
        record: Record,
        aliases: &HeadAliases,
        locate: &impl Fn(&Record, &str) -> Result<String, String>,
        seen: &mut HashSet<Identity>,
    ) {
        let (line, clip) = (record.line, record.fields[self.roles.clip].clone());
        let problem = |reason, message: String| Problem::new(line, reason, message);
        let located = locate(&record, &clip).map_err(|why| problem(Reason::MissingFile, format!("`{clip}`: {why}")));
        let identity = match located {
            Ok(identity) => (identity, record.span.map(|span| (span.start_s.to_bits(), span.end_s.map(f64::to_bits)))),
            Err(problem) => return self.problems.push(problem),
        };
        if !seen.insert(identity) {
            let what = if record.span.is_some() { "this segment of " } else { "" };
            let message = format!("{what}`{clip}` is already in an earlier row; it counts once");
            return self.problems.push(problem(Reason::Duplicate, message));
        }
        let (columns, decimal_comma) = (&self.columns, self.decimal_comma);
        let mut reader = Reader { columns, decimal_comma, line, clip: &clip, problems: &mut self.problems };
        let row = reader.row(record, self.roles, aliases);
        self.rows.extend(row);
    }
}

/// What tells a clip from the others: its recording or tensor, and its segment in bits.
type Identity = (String, Option<(u64, Option<u64>)>);

/// Reads the labels of one row and records their problems.
struct Reader<'a> {
    columns: &'a [String],
    decimal_comma: bool,
    line: u64,
    clip: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// `None` if no part of the row can be used.
    fn row(&mut self, record: Record, roles: Roles, aliases: &HeadAliases) -> Option<Row> {
        let Record { fields, file, span, .. } = record;
        let speaker = roles.speaker.map(|at| fields[at].clone());
        if let (Some(at), Some("")) = (roles.speaker, speaker.as_deref()) {
            self.report(
                Reason::MissingSpeaker,
                &format!("the column `{}` is empty; the row is skipped", self.columns[at]),
            );
            return None;
        }
        let emotion = roles.emotion.and_then(|at| self.class(at, &fields[at], &aliases.emotion));
        let gender = roles.gender.and_then(|at| self.class(at, &fields[at], &aliases.gender));
        let age = roles.age.and_then(|at| self.age(at, &fields[at]));
        let unlabelled = emotion.is_none() && gender.is_none() && age.is_none();
        (!unlabelled).then(|| Row {
            line: self.line,
            clip: self.clip.to_owned(),
            file,
            span,
            emotion,
            gender,
            age,
            speaker,
            fields,
        })
    }

    fn class(&mut self, at: usize, word: &str, aliases: &LabelAliases) -> Option<usize> {
        let index = aliases.index(word);
        if word.is_empty() {
            self.report(Reason::MissingLabel, &format!("the column `{}` is empty", self.columns[at]));
        } else if index.is_none() {
            let known = aliases.labels().join(", ");
            let message = format!(
                "`{}` is `{word}`, expected one of {known} (--label WORD=LABEL adds an alias)",
                self.columns[at]
            );
            self.report(Reason::UnknownLabel, &message);
        }
        index.filter(|_| !word.is_empty())
    }

    fn age(&mut self, at: usize, text: &str) -> Option<f64> {
        if text.is_empty() {
            self.report(Reason::MissingLabel, &format!("the column `{}` is empty", self.columns[at]));
            return None;
        }
        let number = if self.decimal_comma { text.replace(',', ".") } else { text.to_owned() };
        let age = number.parse().ok().filter(|age| AGES.contains(age));
        if age.is_none() {
            self.report(Reason::BadAge, &format!("`{}` is `{text}`, expected years from 0 to 130", self.columns[at]));
        }
        age
    }

    fn report(&mut self, reason: Reason, what: &str) {
        self.problems.push(Problem::new(self.line, reason, format!("`{}`: {what}", self.clip)));
    }
}

impl Roles {
    fn find(columns: &[String], clip: usize) -> Result<Self> {
        let find = |names: &[&str]| names.iter().find_map(|name| column(columns, name));
        let has = columns.join(", ");
        let (emotion, gender, age) = (find(&["emotion"]), find(&["gender", "sex"]), find(&["age"]));
        if emotion.is_none() && gender.is_none() && age.is_none() {
            let what = format!("no label column `emotion`, `gender` (or `sex`) or `age`; it has {has}");
            return Err(Error::malformed("table", what));
        }
        Ok(Self { clip, emotion, gender, age, speaker: find(&["speaker", "actor"]) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::eval) fn aliases() -> HeadAliases {
        let of = |labels: &[&str]| LabelAliases::new(&labels.iter().map(ToString::to_string).collect::<Vec<_>>(), &[]);
        HeadAliases {
            emotion: of(&["anger", "disgust", "fear", "happiness", "neutral", "sadness"]),
            gender: of(&["female", "male"]),
        }
    }

    fn read(name: &str, text: &str, selection: &Selection) -> Result<Table> {
        let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let locate = |record: &Record, _: &str| {
            let clip = record.file.file_name().unwrap().to_str().unwrap();
            if clip.starts_with("gone") { Err("no such file".into()) } else { Ok(clip.to_lowercase()) }
        };
        let table = Table::read(&path, "file", selection, &aliases(), locate);
        std::fs::remove_file(&path).unwrap();
        table
    }

    #[test]
    fn labels_are_read_by_their_columns() {
        let text = "Sex,File,EMOTION,age,actor,race\nF,a.wav,HAP,31.5,7,x\nmale,b.wav,sad,60,8,y\n";
        let table = read("labels", text, &Selection::default()).unwrap();
        assert_eq!(table.problems, []);
        let row = &table.rows[0];
        assert_eq!((row.line, row.clip.as_str(), row.emotion, row.gender), (2, "a.wav", Some(3), Some(0)));
        assert_eq!((row.age, row.speaker.as_deref(), row.fields[5].as_str()), (Some(31.5), Some("7"), "x"));
        assert_eq!((table.rows[1].emotion, table.rows[1].gender), (Some(5), Some(1)));
    }

    #[test]
    fn problems_are_named_with_their_lines_and_the_rest_of_the_row_is_kept() {
        use Reason::*;
        let text = "file,emotion,sex,age,speaker\n\
            a.wav,ANG,F,30,1\n\
            gone.wav,ANG,F,30,1\n\
            ,ANG,F,30,1\n\
            A.WAV,ANG,F,30,1\n\
            b.wav,bored,F,30,1\n\
            c.wav,ANG,,NaN,1\n\
            d.wav,ANG,F,inf,1\n\
            e.wav,ANG,F,-3,1\n\
            f.wav,ANG,F,30,\n\
            g.wav,ANG,F,30\n\
            h.wav,x,y,z,1\n";
        let table = read("problems", text, &Selection::default()).unwrap();
        let found: Vec<_> = table.problems.iter().map(|p| (p.line, p.reason)).collect();
        let expected = [
            (3, MissingFile),
            (4, MissingName),
            (5, Duplicate),
            (6, UnknownLabel),
            (7, MissingLabel),
            (7, BadAge),
            (8, BadAge),
            (9, BadAge),
            (10, MissingSpeaker),
            (11, RowShape),
            (12, UnknownLabel),
            (12, UnknownLabel),
            (12, BadAge),
        ];
        assert_eq!(found, expected);
        let kept: Vec<_> = table.rows.iter().map(|r| (r.line, r.emotion, r.gender, r.age)).collect();
        let (ang, f) = (Some(0), Some(0));
        let expected = [
            (2, ang, f, Some(30.0)),
            (6, None, f, Some(30.0)),
            (7, ang, None, None),
            (8, ang, f, None),
            (9, ang, f, None),
        ];
        assert_eq!(kept, expected);
        assert_eq!(table.selected, 11);
        let bored = &table.problems[3].message;
        assert!(bored.contains("`b.wav`") && bored.contains("`bored`") && bored.contains("--label"), "{bored}");
    }

    #[test]
    fn segments_of_one_file_are_clips_of_their_own() {
        let text = "file;start;end;age\na.wav;0;1,5;31,5\na.wav;1,5;2;30\na.wav;0;1,5;30\na.wav;2;1;30\n";
        let table = read("segments", text, &Selection::default()).unwrap();
        let rows: Vec<_> = table.rows.iter().map(|row| (row.line, row.span.unwrap().start_s, row.age)).collect();
        assert_eq!(rows, [(2, 0.0, Some(31.5)), (3, 1.5, Some(30.0))]);
        let problems: Vec<_> = table.problems.iter().map(|problem| (problem.line, problem.reason)).collect();
        assert_eq!(problems, [(4, Reason::Duplicate), (5, Reason::BadTime)]);
        let whole = read("whole", text, &Selection { whole_files: true, ..Selection::default() }).unwrap();
        assert_eq!((whole.rows.len(), whole.rows[0].span), (1, None));
    }

    #[test]
    fn filters_apply_before_problems_and_the_limit_after_filters() {
        let text = "file,age,fold\na,x,1\nb,2,0\nc,3,0\nd,4,0\n";
        let filters = vec![RowFilter::parse("fold=0").unwrap()];
        let selection = Selection { filters, limit: Some(2), ..Selection::default() };
        let table = read("limit", text, &selection).unwrap();
        assert_eq!(table.rows.iter().map(|r| r.clip.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((table.problems.len(), table.selected), (0, 2));
    }

    #[test]
    fn tables_without_needed_columns_name_them() {
        let message = |name: &str, text: &str| read(name, text, &Selection::default()).unwrap_err().to_string();
        let no_file = message("no-file", "clip,emotion\na,ANG\n");
        assert!(
            no_file.contains("no column `file`")
                && no_file.contains("`clip`, `emotion`")
                && no_file.contains("--features")
        );
        assert!(message("no-label", "file,race\na,x\n").contains("no label column"));
        assert!(message("no-rows", "file,age\n").contains("no rows"));
        assert!(message("empty", "").contains("empty"));
    }
}
