//! Timelines as CSV, one row per segment, with flat columns.
//!
//! ```text
//! file,channel,start_s,end_s,speech_share,emotion,emotion_anger,…,gender,gender_female,gender_male,
//! age_years,age_low_years,age_high_years,no_answer
//! ```
//!
//! `channel` is empty for the mean of all channels, a missing prediction is empty, and a disabled
//! head has no columns. With speaker diarization a row is a turn, with the column `speaker` after
//! `channel` and `overlap_s` after `end_s`.

use std::io::{self, Write};

use crate::engine::{Age, Classification, Engine, NoAnswer, Observer, Report, Segment};
use crate::error::{Error, Result};

use super::line_writer::LineWriter;
use super::turns::turns;

/// CSV writer of segments: the rows of one recording after the other, each as soon as it is
/// predicted.
pub struct CsvRows<'a> {
    out: LineWriter<'a>,
    file: String,
    emotions: Option<Vec<String>>,
    genders: Option<Vec<String>>,
    age: bool,
    /// Whether rows are turns of speakers.
    speakers: bool,
}

impl<'a> CsvRows<'a> {
    /// Writes the header, with columns for the heads that this engine runs.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new(out: &'a mut dyn Write, engine: &Engine) -> Result<Self> {
        let active = engine.options().heads;
        let heads = &engine.model().require_classifier()?.heads;
        let mut rows = Self {
            out: LineWriter::new(out),
            file: String::new(),
            emotions: active.emotion.then(|| heads.emotion.labels.clone()),
            genders: active.gender.then(|| heads.gender.labels.clone()),
            age: active.age,
            speakers: engine.options().speakers.is_some(),
        };
        let header = rows.header();
        rows.row(&header)?;
        Ok(rows)
    }

    /// Sets the recording of the following segments.
    pub fn file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// Takes the error of the writer, if there was one: the engine's error is then not the
    /// recording's.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.out.failure()
    }

    /// Writes the turns of all speakers of a report, or one row without speaker for a signal in which
    /// nobody speaks.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn turns(&mut self, report: &Report) -> Result<()> {
        for voice in report.voices.iter().filter(|voice| voice.speaker.is_none()) {
            self.segment_row(voice.channel, None, &voice.to_segment(report.recording.duration_s))?;
        }
        turns(report)
            .into_iter()
            .try_for_each(|turn| self.segment_row(turn.voice.channel, turn.voice.speaker, turn.turn))
    }

    fn header(&self) -> Vec<String> {
        let names: &[&str] = if self.speakers {
            &["file", "channel", "speaker", "start_s", "end_s", "overlap_s", "speech_share"]
        } else {
            &["file", "channel", "start_s", "end_s", "speech_share"]
        };
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for (head, labels) in [("emotion", &self.emotions), ("gender", &self.genders)] {
            if let Some(labels) = labels {
                names.push(head.to_owned());
                names.extend(labels.iter().map(|label| format!("{head}_{label}")));
            }
        }
        if self.age {
            names.extend(["age_years", "age_low_years", "age_high_years"].map(String::from));
        }
        names.push("no_answer".to_owned());
        names
    }

    fn row(&mut self, fields: &[String]) -> Result<()> {
        let bug = |what: String| Error::Internal(format!("cannot encode a CSV row: {what}"));
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        writer.write_record(fields).map_err(|error| bug(error.to_string()))?;
        let mut line = writer.into_inner().map_err(|error| bug(error.to_string()))?;
        line.pop(); // `LineWriter` ends the line
        self.out.line(&line)
    }
}

impl CsvRows<'_> {
    fn segment_row(&mut self, channel: Option<u16>, speaker: Option<u16>, segment: &Segment) -> Result<()> {
        let count = |value: Option<u16>| value.map_or_else(String::new, |value| value.to_string());
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let (start, end) = (segment.start_s.to_string(), segment.end_s.to_string());
        let mut fields = vec![self.file.clone(), count(channel)];
        fields.extend(self.speakers.then(|| count(speaker)));
        fields.extend([start, end]);
        fields.extend(self.speakers.then(|| number(segment.overlap_s)));
        fields.push(number(segment.speech_share));
        let answers = &segment.predictions;
        for (labels, choice) in [(&self.emotions, &answers.emotion), (&self.genders, &answers.gender)] {
            if let Some(labels) = labels {
                push_classification(&mut fields, labels.len(), choice.as_ref());
            }
        }
        if self.age {
            push_age(&mut fields, answers.age.as_ref());
        }
        fields.push(segment.no_answer.map_or("", NoAnswer::code).to_owned());
        self.row(&fields)
    }
}

impl Observer for CsvRows<'_> {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        self.segment_row((channel > 0).then_some(channel), None, segment)
    }
}

/// Appends the label and the probability of every label.
fn push_classification(fields: &mut Vec<String>, labels: usize, classification: Option<&Classification>) {
    let Some(classification) = classification else {
        fields.extend(vec![String::new(); labels + 1]);
        return;
    };
    fields.push(classification.label.clone());
    fields.extend(classification.probabilities.iter().map(|(_, p)| p.to_string()));
}

/// Appends the age in years and the bounds of its interval.
fn push_age(fields: &mut Vec<String>, age: Option<&Age>) {
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let interval = age.and_then(|age| age.interval);
    fields.push(text(age.map(|age| age.years)));
    fields.push(text(interval.map(|interval| interval.low_years)));
    fields.push(text(interval.map(|interval| interval.high_years)));
}
