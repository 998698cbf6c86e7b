//! The answers, one row a clip, as CSV for other tools.

use std::io::Write;

use crate::engine::Manifest;
use crate::error::{Error, Result};

use super::evaluation::Answered;
use super::prediction::ClassAnswer;

/// Writes a header and one row a clip, in the order of the table: line, clip, speaker, the truth and the answer of each head with all
/// probabilities, the interval of the age, and the reason where there is no answer. What is not known is empty.
///
/// # Errors
/// [`Error::Read`] where it cannot be written.
pub fn write(out: impl Write, answers: &[Answered], manifest: &Manifest) -> Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let (emotions, genders) = (&manifest.heads.emotion.labels, &manifest.heads.gender.labels);
    csv.write_record(header(emotions, genders)).map_err(not_written)?;
    for answer in answers {
        csv.write_record(row(answer, emotions, genders)).map_err(not_written)?;
    }
    Ok(csv.flush()?)
}

fn header(emotions: &[String], genders: &[String]) -> Vec<String> {
    let mut header: Vec<String> = ["line", "clip", "speaker"].map(String::from).to_vec();
    for (head, labels) in [("emotion", emotions), ("gender", genders)] {
        header.extend([format!("true_{head}"), head.to_owned()]);
        header.extend(labels.iter().map(|label| format!("p_{label}")));
    }
    header.extend(["true_age", "age", "age_low", "age_high", "no_answer"].map(String::from));
    header
}

fn row(answer: &Answered, emotions: &[String], genders: &[String]) -> Vec<String> {
    let (row, said) = (&answer.row, &answer.prediction);
    let mut fields = vec![row.line.to_string(), row.clip.clone(), row.speaker.clone().unwrap_or_default()];
    fields.extend(class_fields(row.emotion, said.emotion.as_ref(), emotions));
    fields.extend(class_fields(row.gender, said.gender.as_ref(), genders));
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let (low, high) = (said.interval.map(|i| i.low_years), said.interval.map(|i| i.high_years));
    fields.extend([row.age, said.years, low, high].map(number));
    fields.push(said.no_answer.map(|reason| reason.explain().to_owned()).unwrap_or_default());
    fields
}

fn class_fields(truth: Option<usize>, answer: Option<&ClassAnswer>, labels: &[String]) -> Vec<String> {
    let name = |index: Option<usize>| index.and_then(|index| labels.get(index)).cloned().unwrap_or_default();
    let mut fields = vec![name(truth), name(answer.map(|answer| answer.label))];
    let probability = |k: usize| answer.and_then(|answer| answer.probabilities.get(k)).map(ToString::to_string);
    fields.extend((0..labels.len()).map(|k| probability(k).unwrap_or_default()));
    fields
}

fn not_written(error: csv::Error) -> Error {
    Error::Read(error.into())
}
