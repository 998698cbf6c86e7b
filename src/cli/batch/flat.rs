//! The results as CSV, for data frames and Parquet: one value per cell, one type per column, empty
//! where a value is missing.
//!
//! | columns | type |
//! |---|---|
//! | `file`, the manifest's own, `error`, `error_reason`, `no_answer`, `withheld`, `warnings`, `model`, `model_sha256`, `precision` | text |
//! | `emotion`, `gender` | text, one of the labels |
//! | `emotion_LABEL`, `gender_LABEL` | probability, 0 to 1 |
//! | `age_years`, `age_low_years`, `age_high_years`, `age_coverage` | real |
//! | `start_s`, `end_s` (of runs over segments alone), `duration_s`, `speech_s`, `snr_db`, `clipped_share`, `bandwidth_hz`, `dc` | real |
//! | `sample_rate_hz`, `channels`, `windows` | integer |
//!
//! A disabled head has no columns. A manifest column with the name of one of these is written as
//! `manifest_NAME`.

use std::io::{self, BufRead, Write};

use persona_engine::engine::{ActiveHeads, ClassifierManifest};
use serde_json::Number;

use super::record::{Age, Facts, Interval, Probabilities, Record};

/// Separates the items of a list in one cell.
const SEPARATOR: &str = "; ";

/// The columns of the table.
pub(super) struct Flat {
    columns: Vec<Column>,
}

/// A column: its name and how to extract its cells.
struct Column {
    name: String,
    cell: Box<Cell>,
}

/// Extracts a column's value from a record.
type Cell = dyn Fn(&Record) -> Option<String>;

impl Flat {
    /// The columns for a model with these heads enabled: the file, the manifest's `own` columns,
    /// then the results, with the times of the segments if the inputs are `segments`.
    pub(super) fn new(model: &ClassifierManifest, heads: ActiveHeads, own: &[String], segments: bool) -> Self {
        let mut results = result_columns(model, heads);
        if segments {
            let times =
                [column("start_s", |record| real(record.start_s)), column("end_s", |record| real(record.end_s))];
            results.splice(0..0, times);
        }
        let mut columns = vec![column("file", |record| Some(record.file.clone()))];
        for own in own.iter().filter(|name| *name != "file") {
            let mut name = own.clone();
            while columns.iter().chain(&results).any(|column| column.name == name) {
                name.insert_str(0, "manifest_");
            }
            let own = own.clone();
            columns.push(column(name, move |record| record.manifest.get(&own).cloned()));
        }
        columns.extend(results);
        Self { columns }
    }

    /// Writes the header.
    pub(super) fn write_header(&self, to: &mut dyn Write) -> io::Result<()> {
        write_row(to, self.columns.iter().map(|column| column.name.clone()))
    }

    /// Writes the row of one input.
    pub(super) fn write_record(&self, record: &Record, to: &mut dyn Write) -> io::Result<()> {
        write_row(to, self.columns.iter().map(|column| (column.cell)(record).unwrap_or_default()))
    }

    /// Writes the whole table from JSON lines.
    pub(super) fn convert(&self, from: &mut dyn BufRead, to: &mut dyn Write) -> io::Result<()> {
        self.write_header(to)?;
        for line in from.lines() {
            self.write_record(&serde_json::from_str(&line?)?, to)?;
        }
        Ok(())
    }
}

/// The columns of the results.
fn result_columns(model: &ClassifierManifest, heads: ActiveHeads) -> Vec<Column> {
    let mut columns = vec![
        column("error", |record| record.error.clone()),
        column("error_reason", |record| record.reason.clone()),
        column("no_answer", |record| record.no_answer.map(|reason| reason.code().to_owned())),
        column("withheld", |record| {
            let heads: Vec<&str> = record.withheld.iter().map(|withheld| &*withheld.head).collect();
            Some(heads.join(SEPARATOR))
        }),
    ];
    if heads.emotion {
        columns.extend(class_columns("emotion", &model.heads.emotion.labels, |record| record.emotion.as_ref()));
    }
    if heads.gender {
        columns.extend(class_columns("gender", &model.heads.gender.labels, |record| record.gender.as_ref()));
    }
    if heads.age {
        columns.extend(age_columns());
    }
    columns.extend([
        column("duration_s", |record| real(record.duration_s)),
        column("sample_rate_hz", |record| integer(record.sample_rate_hz)),
        column("channels", |record| integer(record.channels)),
        column("speech_s", |record| real(record.speech_s)),
    ]);
    let fact = |name, value: fn(&Facts) -> Option<f64>| {
        column(name, move |record| real(record.input.as_ref().and_then(value)))
    };
    columns.extend([
        fact("snr_db", |facts| facts.snr_db),
        fact("clipped_share", |facts| Some(facts.clipped_share)),
        fact("bandwidth_hz", |facts| facts.bandwidth_hz),
        fact("dc", |facts| Some(facts.dc)),
    ]);
    columns.extend([
        column("windows", |record| integer(record.windows)),
        column("warnings", |record| Some(record.warnings.join(SEPARATOR))),
        column("model", |record| record.model.clone()),
        column("model_sha256", |record| record.model_sha256.clone()),
        column("precision", |record| record.precision.clone()),
    ]);
    columns
}

/// The label of a head, and the probability of each label.
fn class_columns(head: &str, labels: &[String], class: fn(&Record) -> Option<&Probabilities>) -> Vec<Column> {
    let mut columns = vec![column(head, move |record| class(record).map(|class| class.label.clone()))];
    for label in labels {
        let key = label.clone();
        let probability =
            move |record: &Record| real(class(record).and_then(|class| class.probabilities.get(&key).copied()));
        columns.push(column(format!("{head}_{label}"), probability));
    }
    columns
}

fn age_columns() -> [Column; 4] {
    let interval = |name, value: fn(&Interval) -> f64| {
        let interval = |age: &Age| age.interval.clone();
        column(name, move |record| real(record.age.as_ref().and_then(interval).as_ref().map(value)))
    };
    [
        column("age_years", |record| real(record.age.as_ref().map(|age| age.years))),
        interval("age_low_years", |interval| interval.low_years),
        interval("age_high_years", |interval| interval.high_years),
        interval("age_coverage", |interval| interval.coverage),
    ]
}

fn column(name: impl Into<String>, cell: impl Fn(&Record) -> Option<String> + 'static) -> Column {
    Column { name: name.into(), cell: Box::new(cell) }
}

/// A number as JSON has it, such as `1.0`.
fn real(value: Option<f64>) -> Option<String> {
    value.and_then(Number::from_f64).map(|number| number.to_string())
}

fn integer(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn write_row(to: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().from_writer(to);
    writer.write_record(cells.map(String::into_bytes)).map_err(io::Error::from)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::engine::{LoadOptions, Model};

    fn manifest() -> ClassifierManifest {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-cnn.safetensors");
        Model::open(path, LoadOptions::default()).unwrap().require_classifier().unwrap().clone()
    }

    fn rows(flat: &Flat, lines: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let mut table = Vec::new();
        flat.convert(&mut lines.as_bytes(), &mut table).unwrap();
        let mut reader = csv::Reader::from_reader(&table[..]);
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        (header, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
    }

    #[test]
    fn a_line_becomes_a_row_with_empty_cells_for_missing_values() {
        let own = ["call", "file", "emotion", "note"].map(str::to_owned);
        let flat = Flat::new(&manifest(), ActiveHeads { gender: false, ..ActiveHeads::ALL }, &own, true);
        let lines = concat!(
            r#"{"file":"a,1.wav","start_s":0.5,"end_s":2.0,"emotion":{"label":"anger","probabilities":{"anger":0.75}},"age":{"years":31.0,"interval":null},"#,
            r#""withheld":[{"head":"gender"}],"no_answer":null,"warnings":["x","y"],"manifest":{"call":"007","note":"a\nb \"c\""}}"#,
            "\n",
            r#"{"file":"b","error":"b: no","reason":"not_found"}"#,
            "\n"
        );
        let (header, rows) = rows(&flat, lines);
        let expected =
            ["file", "call", "manifest_emotion", "note", "start_s", "end_s", "error", "error_reason", "no_answer"];
        assert_eq!(header[..9], expected);
        assert!(!header.iter().any(|name| name.starts_with("gender")), "{header:?}");
        let cell = |row: usize, name: &str| rows[row][header.iter().position(|h| h == name).unwrap()].as_str();
        for (name, expected) in [
            ("file", "a,1.wav"),
            ("call", "007"),
            ("start_s", "0.5"),
            ("end_s", "2.0"),
            ("note", "a\nb \"c\""),
            ("emotion", "anger"),
            ("emotion_anger", "0.75"),
            ("age_years", "31.0"),
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
    fn all_rows_have_all_columns_and_names_are_distinct() {
        let flat = Flat::new(&manifest(), ActiveHeads::ALL, &[], false);
        let (header, rows) = rows(&flat, "{}\n{\"file\":\"x\"}\n");
        assert!(rows.iter().all(|row| row.len() == header.len()));
        let distinct: std::collections::BTreeSet<_> = header.iter().collect();
        assert_eq!(distinct.len(), header.len());
    }
}
