//! The predictions as CSV, one row per clip.

use std::io::Write;

use crate::engine::Manifest;
use crate::error::{Error, Result};

use super::evaluation::EvaluatedClip;
use super::prediction::ClassPrediction;

/// Writes a header and one row per clip, in the order of the table: line, clip, speaker, true and
/// predicted value of each head with all probabilities, the age interval, and the reason for a
/// missing prediction; where clips are segments, also start and end. Unknown values are empty.
///
/// # Errors
/// [`Error::Write`] if `out` fails.
pub fn write(out: impl Write, clips: &[EvaluatedClip], manifest: &Manifest) -> Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let heads = &manifest.require_classifier()?.heads;
    let (emotions, genders) = (&heads.emotion.labels, &heads.gender.labels);
    let segments = clips.iter().any(|clip| clip.row.span.is_some());
    csv.write_record(header(emotions, genders, segments)).map_err(not_written)?;
    for clip in clips {
        csv.write_record(row(clip, emotions, genders, segments)).map_err(not_written)?;
    }
    csv.flush().map_err(|error| not_written(error.into()))
}

fn header(emotions: &[String], genders: &[String], segments: bool) -> Vec<String> {
    let mut header: Vec<String> = ["line", "clip", "speaker"].map(String::from).to_vec();
    for (head, labels) in [("emotion", emotions), ("gender", genders)] {
        header.extend([format!("true_{head}"), head.to_owned()]);
        header.extend(labels.iter().map(|label| format!("p_{label}")));
    }
    header.extend(["true_age", "age", "age_low", "age_high", "no_answer"].map(String::from));
    header.extend(["start_s", "end_s"].iter().filter(|_| segments).map(ToString::to_string));
    header
}

fn row(clip: &EvaluatedClip, emotions: &[String], genders: &[String], segments: bool) -> Vec<String> {
    let (row, prediction) = (&clip.row, &clip.prediction);
    let mut fields = vec![row.line.to_string(), row.clip.clone(), row.speaker.clone().unwrap_or_default()];
    fields.extend(class_fields(row.emotion, prediction.emotion.as_ref(), emotions));
    fields.extend(class_fields(row.gender, prediction.gender.as_ref(), genders));
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let (low, high) = (prediction.interval.map(|i| i.low_years), prediction.interval.map(|i| i.high_years));
    fields.extend([row.age, prediction.years, low, high].map(number));
    fields.push(prediction.no_answer.map(|reason| reason.explain().to_owned()).unwrap_or_default());
    let times = [row.span.map(|span| span.start_s), row.span.and_then(|span| span.end_s)];
    fields.extend(times.into_iter().filter(|_| segments).map(number));
    fields
}

fn class_fields(truth: Option<usize>, prediction: Option<&ClassPrediction>, labels: &[String]) -> Vec<String> {
    let name = |index: Option<usize>| index.and_then(|index| labels.get(index)).cloned().unwrap_or_default();
    let mut fields = vec![name(truth), name(prediction.map(|prediction| prediction.label))];
    let probability =
        |k: usize| prediction.and_then(|prediction| prediction.probabilities.get(k)).map(ToString::to_string);
    fields.extend((0..labels.len()).map(|k| probability(k).unwrap_or_default()));
    fields
}

fn not_written(error: csv::Error) -> Error {
    Error::write("the predictions", error.into())
}
