//! The output line of an input, and the record of it that the counts and the CSV need.

use std::collections::BTreeMap;

use persona_engine::engine::{self, Classification, Failure, NoAnswer, Report, SignalQuality};
use persona_engine::lists::Row;
use serde::{Deserialize, Serialize};

/// An output line: a report or failure, then the input's manifest row.
#[derive(Serialize)]
struct OutputLine<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a Row>,
}

/// One JSON object without a line break.
pub(super) fn output_line(result: &impl Serialize, manifest: Option<&Row>) -> String {
    // Strings, numbers and maps with string keys: serialising them cannot fail.
    serde_json::to_string(&OutputLine { result, manifest }).unwrap_or_default()
}

/// The values of an output line that the counts and the CSV need. It is made from the report in
/// memory; lines are read back only from the journal of an interrupted run and for the final CSV.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) file: String,
    /// Start and end of the segment, if the input is one.
    pub(super) start_s: Option<f64>,
    pub(super) end_s: Option<f64>,
    /// Error message, if the input failed.
    pub(super) error: Option<String>,
    /// Reason code of the error.
    pub(super) reason: Option<String>,
    pub(super) no_answer: Option<NoAnswer>,
    pub(super) withheld: Vec<Withheld>,
    pub(super) emotion: Option<Probabilities>,
    pub(super) gender: Option<Probabilities>,
    pub(super) age: Option<Age>,
    pub(super) duration_s: Option<f64>,
    pub(super) sample_rate_hz: Option<u32>,
    pub(super) channels: Option<u16>,
    pub(super) speech_s: Option<f64>,
    pub(super) input: Option<Facts>,
    pub(super) windows: Option<usize>,
    pub(super) warnings: Vec<String>,
    pub(super) model: Option<String>,
    pub(super) model_sha256: Option<String>,
    pub(super) precision: Option<String>,
    /// Manifest row, by column.
    pub(super) manifest: BTreeMap<String, String>,
}

/// A head that was withheld.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Withheld {
    pub(super) head: String,
}

/// The label of a head, and the probability of each label.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Probabilities {
    pub(super) label: String,
    pub(super) probabilities: BTreeMap<String, f64>,
}

impl Probabilities {
    fn of(class: &Classification) -> Self {
        Self { label: class.label.clone(), probabilities: class.probabilities.iter().cloned().collect() }
    }
}

/// An age in years.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Age {
    pub(super) years: f64,
    pub(super) interval: Option<Interval>,
}

impl Age {
    fn of(age: engine::Age) -> Self {
        let interval = age.interval.map(|interval| Interval {
            low_years: interval.low_years,
            high_years: interval.high_years,
            coverage: interval.coverage,
        });
        Self { years: age.years, interval }
    }
}

/// The interval of an age.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Interval {
    pub(super) low_years: f64,
    pub(super) high_years: f64,
    pub(super) coverage: f64,
}

/// Measurements of the input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Facts {
    pub(super) snr_db: Option<f64>,
    pub(super) clipped_share: f64,
    pub(super) bandwidth_hz: Option<f64>,
    pub(super) dc: f64,
}

impl Facts {
    fn of(quality: SignalQuality) -> Self {
        let SignalQuality { snr_db, clipped_share, bandwidth_hz, dc, .. } = quality;
        Self { snr_db, clipped_share, bandwidth_hz, dc }
    }
}

impl Record {
    /// The record of a report: its first voice. Without prediction only if no voice has one.
    pub(super) fn of_report(report: &Report, row: Option<&Row>) -> Self {
        let Report { recording, voices, model, warnings, .. } = report;
        let voice = &voices[0];
        Self {
            file: recording.file.clone(),
            start_s: recording.start_s,
            end_s: recording.end_s,
            no_answer: voice.no_answer.filter(|_| !report.has_predictions()),
            withheld: voice
                .withheld
                .iter()
                .map(|withheld| Withheld { head: withheld.head.name().to_owned() })
                .collect(),
            emotion: voice.predictions.emotion.as_ref().map(Probabilities::of),
            gender: voice.predictions.gender.as_ref().map(Probabilities::of),
            age: voice.predictions.age.map(Age::of),
            duration_s: Some(recording.duration_s),
            sample_rate_hz: Some(recording.sample_rate_hz),
            channels: Some(recording.channels),
            speech_s: voice.speech_s,
            input: voice.quality.map(Facts::of),
            windows: Some(voice.chunks),
            warnings: warnings.clone(),
            model: Some(model.name.clone()),
            model_sha256: Some(model.sha256.clone()),
            precision: Some(model.precision.name().to_owned()),
            manifest: manifest(row),
            ..Self::default()
        }
    }

    /// The record of a failure.
    pub(super) fn of_failure(failure: &Failure, row: Option<&Row>) -> Self {
        Self {
            file: failure.file.clone(),
            start_s: failure.start_s,
            end_s: failure.end_s,
            error: Some(failure.error.clone()),
            reason: Some(failure.reason.to_owned()),
            manifest: manifest(row),
            ..Self::default()
        }
    }
}

fn manifest(row: Option<&Row>) -> BTreeMap<String, String> {
    row.into_iter().flat_map(Row::iter).map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::Error;
    use persona_engine::engine::{Engine, LoadOptions, Model, Options, Recording, Span};
    use std::sync::Arc;

    const ROOT: &str = env!("CARGO_MANIFEST_DIR");

    /// The record in memory and the one read back from the line are the same, so that a resumed run
    /// counts and converts like an uninterrupted one.
    #[test]
    fn a_line_read_back_gives_the_record_it_was_made_from() {
        let columns: Arc<[String]> = ["call", "file"].map(str::to_owned).into();
        let row = Row::new(&columns, ["7", "speech.wav"].into_iter());
        for min_confidence in [0.0, 1.0] {
            let options = Options { min_confidence, ..Options::default() };
            let model =
                Model::open(format!("{ROOT}/tests/golden/tiny-cnn.safetensors"), LoadOptions::default()).unwrap();
            let engine = Engine::new(model, options).unwrap();
            let recording = Recording::file(format!("{ROOT}/tests/audio/speech.wav"));
            let report = engine.infer(recording).unwrap();
            let line = output_line(&report, Some(&row));
            let record = Record::of_report(&report, Some(&row));
            assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record, "{line}");
            assert_eq!(record.withheld.len(), if min_confidence > 0.0 { 2 } else { 0 });
            assert!(line.ends_with(r#","manifest":{"call":"7","file":"speech.wav"}}"#), "{line}");
        }
        let span = Span { start_s: 0.5, end_s: Some(1.25) };
        let failure = Failure::new("b.wav", &Error::TooShort("too short".into())).of_span(Some(span));
        let line = output_line(&failure, None);
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), Record::of_failure(&failure, None), "{line}");
    }
}
