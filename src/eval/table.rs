//! The labelled table: clips, their true labels and their speakers.

use std::collections::HashSet;
use std::path::Path;

use crate::engine::Manifest;
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
    /// Reads a table whose clips are in the column `clip_column`. `locate` maps a clip's name to a
    /// unique identity, or returns why the clip does not exist.
    ///
    /// # Errors
    /// With the file's name: those of [`Records::read`]; [`Error::Malformed`] for a table without
    /// the clip column or any label column; [`Error::Usage`] for filters that select nothing.
    pub(super) fn read(
        path: &Path,
        clip_column: &str,
        selection: &Selection,
        aliases: &HeadAliases,
        locate: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self> {
        let records = Records::read(path)?;
        Self::from_records(records, clip_column, selection, aliases, locate).map_err(|error| error.in_file(path))
    }

    fn from_records(
        records: Records,
        clip_column: &str,
        selection: &Selection,
        aliases: &HeadAliases,
        locate: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self> {
        let roles = Roles::find(&records.columns, clip_column)?;
        if records.rows.is_empty() && !records.problems.is_empty() {
            return Err(table_error(&records.problems));
        }
        let mut rows = row_filter::select(&records, &selection.filters)?;
        rows.truncate(selection.limit.unwrap_or(usize::MAX));
        let selected = rows.len() + records.problems.len();
        let mut table =
            Self { columns: records.columns, roles, rows: Vec::new(), problems: records.problems, selected };
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
        locate: &impl Fn(&str) -> Result<String, String>,
        seen: &mut HashSet<String>,
    ) {
        let (line, clip) = (record.line, record.fields[self.roles.clip].clone());
        let problem = |reason, message: String| Problem::new(line, reason, message);
        let found = if clip.is_empty() {
            Err(problem(Reason::MissingName, format!("the column `{}` is empty", self.columns[self.roles.clip])))
        } else {
            locate(&clip).map_err(|why| problem(Reason::MissingFile, format!("`{clip}`: {why}")))
        };
        let identity = match found {
            Ok(identity) => identity,
            Err(problem) => return self.problems.push(problem),
        };
        if !seen.insert(identity) {
            let message = format!("`{clip}` is already in an earlier row; it counts once");
            return self.problems.push(problem(Reason::Duplicate, message));
        }
        let mut reader = Reader { columns: &self.columns, line, clip: &clip, problems: &mut self.problems };
        let row = reader.row(record.fields, self.roles, aliases);
        self.rows.extend(row);
    }
}

/// Reads the labels of one row and records their problems.
struct Reader<'a> {
    columns: &'a [String],
    line: u64,
    clip: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// `None` if no part of the row can be used.
    fn row(&mut self, fields: Vec<String>, roles: Roles, aliases: &HeadAliases) -> Option<Row> {
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
        let age = text.parse().ok().filter(|age| AGES.contains(age));
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
    fn find(columns: &[String], clip_column: &str) -> Result<Self> {
        let find = |names: &[&str]| names.iter().find_map(|name| column(columns, name));
        let has = columns.join(", ");
        let Some(clip) = column(columns, clip_column) else {
            let hint = match clip_column {
                "file" => "; if its clips are in a features file, add --features FILE",
                _ => "",
            };
            return Err(Error::malformed("table", format!("no column `{clip_column}`; it has {has}{hint}")));
        };
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
        let locate = |clip: &str| {
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
            no_file.contains("no column `file`") && no_file.contains("clip, emotion") && no_file.contains("--features")
        );
        assert!(message("no-label", "file,race\na,x\n").contains("no label column"));
        assert!(message("no-rows", "file,age\n").contains("no rows"));
        assert!(message("empty", "").contains("empty"));
    }
}
