//! The labelled table: which clips there are, what is true of them, and who speaks.

use std::collections::HashSet;
use std::path::Path;

use crate::engine::Manifest;
use crate::error::{Error, Result};

use super::condition::{self, Condition, column};
use super::problem::{Problem, Reason, refusal};
use super::records::{Record, Records};
use super::spelling::{Spelling, check_own};

/// Years that an age may have.
const AGES: std::ops::RangeInclusive<f64> = 0.0..=130.0;

/// One clip and what is true of it. A label is nothing where the table has no column for it, or no usable word in this row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line of the table, from 1.
    pub line: u64,
    /// The clip as the table names it: a file, or a tensor of the features file.
    pub clip: String,
    /// Index of the system's emotion label.
    pub emotion: Option<usize>,
    /// Index of the system's gender label.
    pub gender: Option<usize>,
    /// Years.
    pub age: Option<f64>,
    /// Who speaks.
    pub speaker: Option<String>,
    /// All fields, in the order of the columns.
    pub fields: Vec<String>,
}

/// The columns that mean something to the evaluation; all others can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    clip: usize,
    /// Column of the emotions.
    pub emotion: Option<usize>,
    /// Column of the genders.
    pub gender: Option<usize>,
    /// Column of the ages.
    pub age: Option<usize>,
    /// Column of the speakers.
    pub speaker: Option<usize>,
}

/// A table, read: usable rows, and what cannot be used.
#[derive(Debug)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// What they mean.
    pub roles: Roles,
    /// The rows that were asked for and name a clip for the first time, in the table's order.
    pub rows: Vec<Row>,
    /// Everything that cannot be used, in the order of the lines.
    pub problems: Vec<Problem>,
    /// Rows that were asked for, usable or not.
    pub asked: usize,
}

/// What is read of a table.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// See [`Condition`]; several of one column mean any of them, of several columns all of them.
    pub conditions: Vec<Condition>,
    /// The first so many of the rows that meet the conditions.
    pub limit: Option<usize>,
    /// The user's words for labels, `(word, label)`.
    pub own_words: Vec<(String, String)>,
}

/// The words of both heads.
pub(super) struct Words {
    pub(super) emotion: Spelling,
    pub(super) gender: Spelling,
}

impl Words {
    pub(super) fn new(manifest: &Manifest, own: &[(String, String)]) -> Result<Self> {
        let emotion = Spelling::new(&manifest.heads.emotion.labels, own);
        let gender = Spelling::new(&manifest.heads.gender.labels, own);
        check_own(own, &[&emotion, &gender])?;
        Ok(Self { emotion, gender })
    }
}

impl Table {
    /// Reads a table whose clips are in the column `clip_column`. `locate` turns a clip's name into what tells it from others, or says why
    /// there is no such clip.
    ///
    /// # Errors
    /// Naming the file: what [`Records::read`] refuses; [`Error::Config`] for a table without the clips' column or any label's, and for
    /// conditions that select nothing.
    pub(super) fn read(
        path: &Path,
        clip_column: &str,
        selection: &Selection,
        words: &Words,
        locate: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self> {
        let records = Records::read(path)?;
        Self::from_records(records, clip_column, selection, words, locate).map_err(|error| error.in_file(path))
    }

    fn from_records(
        records: Records,
        clip_column: &str,
        selection: &Selection,
        words: &Words,
        locate: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self> {
        let roles = Roles::find(&records.columns, clip_column)?;
        if records.rows.is_empty() && !records.problems.is_empty() {
            return Err(refusal(&records.problems));
        }
        let mut selected = condition::select(&records, &selection.conditions)?;
        selected.truncate(selection.limit.unwrap_or(usize::MAX));
        let asked = selected.len() + records.problems.len();
        let mut table = Self { columns: records.columns, roles, rows: Vec::new(), problems: records.problems, asked };
        let mut seen = HashSet::new();
        for record in selected {
            table.add(record, words, &locate, &mut seen);
        }
        table.problems.sort_by_key(|problem| problem.line);
        Ok(table)
    }

    fn add(
        &mut self,
        record: Record,
        words: &Words,
        locate: &impl Fn(&str) -> Result<String, String>,
        seen: &mut HashSet<String>,
    ) {
        let (line, clip) = (record.line, record.fields[self.roles.clip].clone());
        let refused = |reason, message: String| Problem::new(line, reason, message);
        let found = if clip.is_empty() {
            Err(refused(Reason::MissingName, format!("the column `{}` is empty", self.columns[self.roles.clip])))
        } else {
            locate(&clip).map_err(|why| refused(Reason::MissingFile, format!("`{clip}`: {why}")))
        };
        let identity = match found {
            Ok(identity) => identity,
            Err(problem) => return self.problems.push(problem),
        };
        if !seen.insert(identity) {
            let message = format!("`{clip}` stands in an earlier row; it counts once");
            return self.problems.push(refused(Reason::Duplicate, message));
        }
        let mut reader = Reader { columns: &self.columns, line, clip: &clip, problems: &mut self.problems };
        let row = reader.row(record.fields, self.roles, words);
        self.rows.extend(row);
    }
}

/// Reads the labels of one row and notes what is wrong with them.
struct Reader<'a> {
    columns: &'a [String],
    line: u64,
    clip: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Nothing if the row cannot be used at all.
    fn row(&mut self, fields: Vec<String>, roles: Roles, words: &Words) -> Option<Row> {
        let speaker = roles.speaker.map(|at| fields[at].clone());
        if let (Some(at), Some("")) = (roles.speaker, speaker.as_deref()) {
            self.tell(
                Reason::MissingSpeaker,
                &format!("the column `{}` is empty; the row is left out", self.columns[at]),
            );
            return None;
        }
        let emotion = roles.emotion.and_then(|at| self.class(at, &fields[at], &words.emotion));
        let gender = roles.gender.and_then(|at| self.class(at, &fields[at], &words.gender));
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

    fn class(&mut self, at: usize, word: &str, spelling: &Spelling) -> Option<usize> {
        let index = spelling.index(word);
        if word.is_empty() {
            self.tell(Reason::MissingLabel, &format!("the column `{}` is empty", self.columns[at]));
        } else if index.is_none() {
            let known = spelling.labels().join(", ");
            let message =
                format!("`{}` is `{word}`, which is none of {known} (--label WORD=LABEL maps it)", self.columns[at]);
            self.tell(Reason::UnknownLabel, &message);
        }
        index.filter(|_| !word.is_empty())
    }

    fn age(&mut self, at: usize, text: &str) -> Option<f64> {
        if text.is_empty() {
            self.tell(Reason::MissingLabel, &format!("the column `{}` is empty", self.columns[at]));
            return None;
        }
        let age = text.parse().ok().filter(|age| AGES.contains(age));
        if age.is_none() {
            self.tell(Reason::BadAge, &format!("`{}` is `{text}`, no number of years from 0 to 130", self.columns[at]));
        }
        age
    }

    fn tell(&mut self, reason: Reason, what: &str) {
        self.problems.push(Problem::new(self.line, reason, format!("`{}`: {what}", self.clip)));
    }
}

impl Roles {
    fn find(columns: &[String], clip_column: &str) -> Result<Self> {
        let find = |names: &[&str]| names.iter().find_map(|name| column(columns, name));
        let has = columns.join(", ");
        let Some(clip) = column(columns, clip_column) else {
            let hint = match clip_column {
                "file" => "; for a table of a features file, name that file with --features",
                _ => "",
            };
            return Err(Error::Config(format!("no column `{clip_column}`; the table has {has}{hint}")));
        };
        let (emotion, gender, age) = (find(&["emotion"]), find(&["gender", "sex"]), find(&["age"]));
        if emotion.is_none() && gender.is_none() && age.is_none() {
            let what = format!("no column of labels: `emotion`, `gender` (or `sex`) or `age`; the table has {has}");
            return Err(Error::Config(what));
        }
        Ok(Self { clip, emotion, gender, age, speaker: find(&["speaker", "actor"]) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::eval) fn words() -> Words {
        let of = |labels: &[&str]| Spelling::new(&labels.iter().map(ToString::to_string).collect::<Vec<_>>(), &[]);
        Words {
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
        let table = Table::read(&path, "file", selection, &words(), locate);
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
    fn each_problem_is_named_with_its_line_and_the_rest_of_the_row_kept() {
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
        let told: Vec<_> = table.problems.iter().map(|p| (p.line, p.reason)).collect();
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
        assert_eq!(told, expected);
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
        assert_eq!(table.asked, 11);
        let bored = &table.problems[3].message;
        assert!(bored.contains("`b.wav`") && bored.contains("`bored`") && bored.contains("--label"), "{bored}");
    }

    #[test]
    fn conditions_come_before_problems_and_the_limit_after_conditions() {
        let text = "file,age,fold\na,x,1\nb,2,0\nc,3,0\nd,4,0\n";
        let conditions = vec![Condition::parse("fold=0").unwrap()];
        let selection = Selection { conditions, limit: Some(2), ..Selection::default() };
        let table = read("limit", text, &selection).unwrap();
        assert_eq!(table.rows.iter().map(|r| r.clip.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((table.problems.len(), table.asked), (0, 2));
    }

    #[test]
    fn tables_that_cannot_be_measured_say_what_they_lack() {
        let message = |name: &str, text: &str| read(name, text, &Selection::default()).unwrap_err().to_string();
        let no_file = message("no-file", "clip,emotion\na,ANG\n");
        assert!(
            no_file.contains("no column `file`") && no_file.contains("clip, emotion") && no_file.contains("--features")
        );
        assert!(message("no-label", "file,race\na,x\n").contains("no column of labels"));
        assert!(message("no-rows", "file,age\n").contains("no rows"));
        assert!(message("empty", "").contains("empty"));
    }
}
