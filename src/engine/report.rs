//! The answer for one input, and its JSON.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// Version of the JSON that [`Report`] and [`Failure`] serialise to. It grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The answer for one recording.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The input as the caller named it; `-` is standard input.
    pub file: String,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// Sample rate of the recording, before resampling.
    pub sample_rate_hz: u32,
    /// Channels of the recording; the mean of them is what was answered.
    pub channels: u16,
    /// Emotion, or nothing when `no_answer` says why.
    pub emotion: Option<Choice>,
    /// Gender, likewise.
    pub gender: Option<Choice>,
    /// Age, likewise.
    pub age: Option<Age>,
    /// Why there is no answer.
    pub no_answer: Option<NoAnswer>,
    /// Windows that were answered.
    pub windows: usize,
    /// Name of the system that answered.
    pub model: String,
    /// The first 16 digits of the SHA-256 of the system's tensors.
    pub model_sha256: String,
    /// Where the time went.
    pub timings_ms: Timings,
    /// What the reader should know before believing the answer.
    pub warnings: Vec<String>,
}

/// A label with the probabilities of all labels.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// The most probable label.
    pub label: String,
    /// Every label with its probability, in the system's order. They sum to 1.
    #[serde(serialize_with = "as_map")]
    pub probabilities: Vec<(String, f64)>,
}

impl Choice {
    /// The probability of [`Choice::label`].
    pub fn probability(&self) -> f64 {
        self.probabilities.iter().map(|(_, p)| *p).fold(0.0, f64::max)
    }
}

/// An age.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Age {
    /// Years, to a tenth.
    pub years: f64,
}

/// Why a recording is not answered: better no answer than one about nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NoAnswer {
    /// Less audio than [`Options::min_duration_s`](super::Options::min_duration_s).
    TooShort,
    /// No window is louder than [`Options::silence_dbfs`](super::Options::silence_dbfs).
    Silence,
}

impl NoAnswer {
    /// The reason in words, for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::TooShort => "the recording is too short to tell anything from it",
            Self::Silence => "the recording is silent",
        }
    }
}

/// Milliseconds by stage. With several threads `features` and `network` are summed over them, and `total` is shorter than the sum.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Timings {
    /// Bytes to samples, and the mean of the channels.
    pub decode: f64,
    /// To the front-end's sample rate.
    pub resample: f64,
    /// Samples to features.
    pub features: f64,
    /// Features to answers.
    pub network: f64,
    /// Wall time from the first byte to the answer. Loading the system is not in it.
    pub total: f64,
}

/// An input that could not be answered, for programs that read one object an input.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The input as the caller named it.
    pub file: String,
    /// What was wrong, where, and what to do.
    pub error: String,
}

fn as_map<S: Serializer>(pairs: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(pairs.len()))?;
    for (label, probability) in pairs {
        map.serialize_entry(label, probability)?;
    }
    map.end()
}
