//! The lines as a table with one value a cell, ready for a data frame or for Parquet: each column has one type, and what is missing is empty.
//!
//! | columns | type |
//! |---|---|
//! | `file`, the manifest's own, `error`, `error_reason`, `no_answer`, `withheld`, `warnings`, `model`, `model_sha256`, `precision` | text |
//! | `emotion`, `gender` | text, one of the labels |
//! | `emotion_LABEL`, `gender_LABEL` | probability, 0 to 1 |
//! | `age_years`, `age_low_years`, `age_high_years`, `age_coverage` | real |
//! | `duration_s`, `speech_s`, `snr_db`, `clipped_share`, `bandwidth_hz`, `dc` | real |
//! | `sample_rate_hz`, `channels`, `windows` | whole number |
//!
//! A head that is off has no columns. A column of the manifest that has the name of one of these is `manifest_NAME`.

use std::io::{self, BufRead, Write};

use persona_engine::engine::{ActiveHeads, ClassifierManifest};
use serde_json::Value;

/// Writes lines as rows.
#[derive(Debug)]
pub(super) struct Flat {
    columns: Vec<Column>,
}

/// A column and where its values come from.
#[derive(Debug)]
struct Column {
    name: String,
    from: From,
}

#[derive(Debug)]
enum From {
    /// The value at this place of the object.
    Place(Vec<String>),
    /// The list of texts at this key, joined.
    List(&'static str),
    /// The heads of the list `withheld`, joined.
    Withheld,
}

/// What stands between the parts of a list in one cell.
const BETWEEN: &str = "; ";

impl Flat {
    /// The columns that a system with these heads on fills, behind the file the own ones.
    pub(super) fn new(classifier: &ClassifierManifest, heads: ActiveHeads, own: &[String]) -> Self {
        let behind = behind(classifier, heads);
        let mut columns = vec![place("file", &["file"])];
        for own in own.iter().filter(|name| *name != "file") {
            let mut name = own.clone();
            while columns.iter().chain(&behind).any(|column| column.name == name) {
                name.insert_str(0, "manifest_");
            }
            columns.push(Column { name, from: From::Place(vec!["manifest".into(), own.clone()]) });
        }
        columns.extend(behind);
        Self { columns }
    }

    /// The header.
    pub(super) fn write_header(&self, to: &mut dyn Write) -> io::Result<()> {
        write_row(to, self.columns.iter().map(|column| column.name.clone()))
    }

    /// The row of one line.
    pub(super) fn write_line(&self, line: &str, to: &mut dyn Write) -> io::Result<()> {
        let object: Value = serde_json::from_str(line)?;
        write_row(to, self.columns.iter().map(|column| column.from.cell(&object)))
    }

    /// All lines as a table.
    pub(super) fn render(&self, from: &mut dyn BufRead, to: &mut dyn Write) -> io::Result<()> {
        self.write_header(to)?;
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            self.write_line(&line, to)?;
            line.clear();
        }
        Ok(())
    }
}

/// The columns behind the file and the own ones.
fn behind(classifier: &ClassifierManifest, heads: ActiveHeads) -> Vec<Column> {
    let mut columns = vec![
        place("error", &["error"]),
        place("error_reason", &["reason"]),
        place("no_answer", &["no_answer", "reason"]),
        Column { name: "withheld".into(), from: From::Withheld },
    ];
    for (on, head, labels) in [
        (heads.emotion, "emotion", &classifier.heads.emotion.labels),
        (heads.gender, "gender", &classifier.heads.gender.labels),
    ] {
        if on {
            columns.push(place(head, &[head, "label"]));
            columns.extend(labels.iter().map(|l| place(&format!("{head}_{l}"), &[head, "probabilities", l])));
        }
    }
    if heads.age {
        columns.push(place("age_years", &["age", "years"]));
        let interval = ["low_years", "high_years", "coverage"];
        columns.extend(interval.map(|key| place(&format!("age_{key}"), &["age", "interval", key])));
    }
    columns.extend(["duration_s", "sample_rate_hz", "channels", "speech_s"].map(|key| place(key, &[key])));
    columns.extend(["snr_db", "clipped_share", "bandwidth_hz", "dc"].map(|key| place(key, &["input", key])));
    columns.push(place("windows", &["windows"]));
    columns.push(Column { name: "warnings".into(), from: From::List("warnings") });
    columns.extend(["model", "model_sha256", "precision"].map(|key| place(key, &[key])));
    columns
}

fn place(name: &str, keys: &[&str]) -> Column {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Column { name: name.to_owned(), from: From::Place(keys) }
}

impl From {
    fn cell(&self, object: &Value) -> String {
        match self {
            Self::Place(keys) => {
                keys.iter().try_fold(object, |value, key| value.get(key)).map(text).unwrap_or_default()
            }
            Self::List(key) => joined(object.get(key), Some),
            Self::Withheld => joined(object.get("withheld"), |value| value.get("head")),
        }
    }
}

fn joined<'v>(list: Option<&'v Value>, part: impl Fn(&'v Value) -> Option<&'v Value>) -> String {
    let parts = list.and_then(Value::as_array).into_iter().flatten().filter_map(part).map(text);
    parts.collect::<Vec<_>>().join(BETWEEN)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn write_row(to: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().from_writer(to);
    writer.write_record(cells.map(String::into_bytes)).map_err(io::Error::from)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::{LoadOptions, Model};

    fn classifier() -> ClassifierManifest {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-cnn.safetensors");
        Model::open(path, LoadOptions::default()).unwrap().require_classifier().unwrap().clone()
    }

    fn rows(flat: &Flat, lines: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let mut table = Vec::new();
        flat.render(&mut lines.as_bytes(), &mut table).unwrap();
        let mut reader = csv::Reader::from_reader(&table[..]);
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        (header, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
    }

    #[test]
    fn a_line_is_a_row_and_what_is_missing_is_empty() {
        let own = ["call", "file", "emotion", "note"].map(str::to_owned);
        let flat = Flat::new(&classifier(), ActiveHeads { gender: false, ..ActiveHeads::ALL }, &own);
        let lines = concat!(
            r#"{"file":"a,1.wav","emotion":{"label":"anger","probabilities":{"anger":0.75}},"age":{"years":31.5,"interval":null},"#,
            r#""withheld":[{"head":"gender"}],"no_answer":null,"warnings":["x","y"],"manifest":{"call":"007","note":"a\nb \"c\""}}"#,
            "\n",
            r#"{"file":"b","error":"b: no","reason":"not_found"}"#,
            "\n"
        );
        let (header, rows) = rows(&flat, lines);
        assert_eq!(header[..7], ["file", "call", "manifest_emotion", "note", "error", "error_reason", "no_answer"]);
        assert!(!header.iter().any(|name| name.starts_with("gender")), "{header:?}");
        let cell = |row: usize, name: &str| rows[row][header.iter().position(|h| h == name).unwrap()].as_str();
        for (name, expected) in [
            ("file", "a,1.wav"),
            ("call", "007"),
            ("note", "a\nb \"c\""),
            ("emotion", "anger"),
            ("emotion_anger", "0.75"),
            ("age_years", "31.5"),
            ("age_low_years", ""),
            ("withheld", "gender"),
            ("warnings", "x; y"),
            ("error", ""),
        ] {
            assert_eq!(cell(0, name), expected, "{name}");
        }
        assert_eq!((cell(1, "error"), cell(1, "error_reason"), cell(1, "emotion")), ("b: no", "not_found", ""));
    }

    #[test]
    fn every_row_has_the_header_s_columns_and_names_are_distinct() {
        let flat = Flat::new(&classifier(), ActiveHeads::ALL, &[]);
        let (header, rows) = rows(&flat, "{}\n{\"file\":\"x\"}\n");
        assert!(rows.iter().all(|row| row.len() == header.len()));
        let distinct: std::collections::BTreeSet<_> = header.iter().collect();
        assert_eq!(distinct.len(), header.len());
    }
}
