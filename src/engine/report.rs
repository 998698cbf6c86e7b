//! Report: the predictions for one recording, and their JSON.

use serde::Serialize;
use serde::ser::Serializer;

use crate::audio::Span;
use crate::error::Error;
use crate::models::{BaselineDecision, Precision, SpeakerVectors};

use super::familiarity::Familiarity;
use super::no_answer::{NoAnswer, Withheld};
use super::predictions::Predictions;
use super::signal_quality::SignalQuality;
use super::summary::Summary;
use super::timeline::Segment;

/// Version of the JSON that [`Report`] and [`Failure`] serialise to. It grows when a field changes
/// its meaning or is removed; new fields, and new reasons that only a new option causes, leave it
/// unchanged.
pub const SCHEMA: u32 = 1;

/// The predictions for one recording.
///
/// Its JSON is one object. The mean of the channels ([`Voice::channel`] is `None`) has its fields
/// among those of the report; with [`Options::per_channel`](crate::Options::per_channel) the voices
/// are the array `per_channel`, with [`Options::speakers`](crate::Options::speakers) the array
/// `speakers`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Facts about the input.
    pub recording: RecordingInfo,
    /// The voices: one for the mean of the channels, or one for each channel in their order; where
    /// speakers are distinguished, one for each of them, or one for a signal without speakers. Never
    /// empty.
    pub voices: Vec<Voice>,
    /// The model.
    pub model: ModelInfo,
    /// Processing time by stage, over all voices. If all are 0 there is no key in JSON.
    pub timings_ms: Timings,
    /// Problems of the input that limit the accuracy, or the part of it that was processed. With
    /// several voices, a warning about one begins with its channel.
    pub warnings: Vec<String>,
}

/// Facts about an input.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordingInfo {
    /// The recording's name, such as its path; `-` is standard input.
    pub file: String,
    /// Start of the segment that the report is about, seconds; `None` for the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// Its end, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
    /// Duration in seconds.
    pub duration_s: f64,
    /// Sample rate before resampling, Hz.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u16,
    /// Number of coded packets that did not decode and were replaced by silence; a warning
    /// describes them. If 0 there is no key in JSON.
    #[serde(skip_serializing_if = "is_zero")]
    pub damaged_packets: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The predictions for one voice: a channel, or the mean of all channels; or one speaker of these.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Voice {
    /// The channel, counted from 1; `None` for the mean of all channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u16>,
    /// The speaker, counted from 1 in the order of their first turns, over all channels; `None`
    /// unless the options ask for speakers ([`Options::speakers`](crate::Options::speakers)), or for
    /// a signal in which nobody speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<u16>,
    /// Predictions of the active heads.
    #[serde(flatten)]
    pub predictions: Predictions,
    /// Predictions below the minimum confidence
    /// ([`Options::min_confidence`](crate::Options::min_confidence)).
    pub withheld: Vec<Withheld>,
    /// Seconds of speech (syllables and short pauses between them); `None` if the detector is off.
    /// Of a speaker: the length of its turns.
    pub speech_s: Option<f64>,
    /// Signal quality; `None` where features came instead of audio.
    #[serde(rename = "input")]
    pub quality: Option<SignalQuality>,
    /// Reason for missing predictions. `Some` if and only if every head is `None`.
    pub no_answer: Option<NoAnswer>,
    /// Distance to the training domain, if the model states one.
    #[serde(rename = "domain", skip_serializing_if = "Option::is_none")]
    pub familiarity: Option<Familiarity>,
    /// Whether the speaker's baseline was applied, if one was given
    /// ([`Options::baseline`](crate::Options::baseline)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineDecision>,
    /// Sums over the vectors of the chunks that were predicted, if they were asked for
    /// ([`Options::vectors`](crate::Options::vectors)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<SpeakerVectors>,
    /// Number of chunks that were predicted.
    #[serde(rename = "windows")]
    pub chunks: usize,
    /// The timeline, if the options request one ([`Options::timeline`](crate::Options::timeline))
    /// and no observer takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<Segment>>,
    /// The turns of a speaker in order, with gaps between them, each with predictions of its own;
    /// empty for a signal in which nobody speaks. `None` unless the options ask for speakers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<Vec<Segment>>,
    /// Summary of the timeline, if the options request one, or of the turns of a speaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// The model that computed a report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Name.
    pub name: String,
    /// The first 16 digits of the SHA-256 of its tensors.
    pub sha256: String,
    /// Arithmetic of its network.
    pub precision: Precision,
}

/// Milliseconds by stage. With several threads `features` and `network` are summed over them, and
/// `total` is shorter than the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// Bytes to samples, and mixing the channels.
    pub decode: f64,
    /// Resampling to the front-end's rate.
    pub resample: f64,
    /// Samples to features.
    pub features: f64,
    /// Speech detection.
    pub activity: f64,
    /// Speaker segmentation; no key in JSON if speakers are not asked for.
    #[serde(skip_serializing_if = "is_no_time")]
    pub segmentation: f64,
    /// Features to predictions.
    pub network: f64,
    /// Wall time from the first byte to the report. Loading the model is not included.
    pub total: f64,
}

impl Report {
    /// Whether a voice has predictions.
    pub fn has_predictions(&self) -> bool {
        self.voices.iter().any(|voice| voice.no_answer.is_none())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_no_time(value: &f64) -> bool {
    *value == 0.0
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let speakers = self.voices.iter().any(|voice| voice.turns.is_some());
        let speakers = speakers.then(|| self.voices.iter().filter(|voice| voice.speaker.is_some()).collect());
        let rest: Vec<&Voice> = self.voices.iter().filter(|voice| voice.speaker.is_none()).collect();
        let (mean, per_channel) = match &rest[..] {
            [] => (None, None),
            [voice] if voice.channel.is_none() => (Some(*voice), None),
            _ => (None, Some(rest)),
        };
        Json {
            schema: SCHEMA,
            recording: &self.recording,
            mean,
            per_channel,
            speakers,
            model: &self.model.name,
            model_sha256: &self.model.sha256,
            precision: self.model.precision.name(),
            timings_ms: (self.timings_ms != Timings::default()).then_some(self.timings_ms),
            warnings: &self.warnings,
        }
        .serialize(to)
    }
}

/// The JSON object of a report, in the order of its keys.
#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    #[serde(flatten)]
    recording: &'a RecordingInfo,
    #[serde(flatten)]
    mean: Option<&'a Voice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_channel: Option<Vec<&'a Voice>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speakers: Option<Vec<&'a Voice>>,
    model: &'a str,
    model_sha256: &'a str,
    precision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings_ms: Option<Timings>,
    warnings: &'a [String],
}

impl Voice {
    /// The whole recording of `duration_s` seconds as one segment.
    pub fn to_segment(&self, duration_s: f64) -> Segment {
        Segment {
            start_s: 0.0,
            end_s: duration_s,
            overlap_s: None,
            speech_share: self.speech_s.map(|speech_s| (1e3 * (speech_s / duration_s).min(1.0)).round() / 1e3),
            predictions: self.predictions.clone(),
            withheld: Vec::new(),
            no_answer: self.no_answer,
            familiarity: self.familiarity,
        }
    }
}

/// An input that could not be processed, as one JSON object.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The input as the caller named it.
    pub file: String,
    /// Start of the segment that was requested, seconds; `None` for the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// Its end, seconds; `None` also for the end of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
    /// What is wrong, where, and what to do.
    pub error: String,
    /// The reason code, see [`Error::reason`].
    pub reason: &'static str,
}

impl Failure {
    /// The failure of an input that ended with this error.
    pub fn new(file: impl Into<String>, error: &Error) -> Self {
        let (file, error, reason) = (file.into(), error.to_string(), error.reason());
        Self { schema: SCHEMA, file, start_s: None, end_s: None, error, reason }
    }

    /// The failure of a segment of the input.
    #[must_use]
    pub fn of_span(self, span: Option<Span>) -> Self {
        Self { start_s: span.map(|span| span.start_s), end_s: span.and_then(|span| span.end_s), ..self }
    }
}
