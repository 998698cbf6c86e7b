//! The answer for one input, and its JSON.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::models::ActiveHeads;

use super::input::InputFacts;
use super::summary::Summary;
use super::timeline::Segment;

/// Version of the JSON that [`Report`] and [`Failure`] serialise to. It grows when a field changes its meaning or goes away; new fields, and new
/// reasons that only a new option brings about, leave it as it is.
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
    /// Emotion, gender and age, or those of them that were asked for.
    #[serde(flatten)]
    pub answers: Predictions,
    /// What was withheld because the system is less sure of it than asked ([`Options::min_confidence`](super::Options::min_confidence)).
    pub withheld: Vec<Withheld>,
    /// Seconds of the recording that hold speech (syllables and short pauses between them); nothing if the detector is off.
    pub speech_s: Option<f64>,
    /// What was measured on the input; nothing where features came instead of audio.
    pub input: Option<InputFacts>,
    /// Why there is no answer at all: exactly then all answers are nothing.
    pub no_answer: Option<NoAnswer>,
    /// Windows that were answered.
    pub windows: usize,
    /// How the recording changes, if that was asked for ([`Options::timeline`](super::Options::timeline)) and nobody else takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<Segment>>,
    /// What the timeline adds up to, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Name of the system that answered.
    pub model: String,
    /// The first 16 digits of the SHA-256 of the system's tensors.
    pub model_sha256: String,
    /// With which numbers its network was computed: `f32` or `int8`.
    pub precision: &'static str,
    /// Where the time went. Times that were not taken (all 0) have no key in JSON.
    #[serde(skip_serializing_if = "Timings::is_empty")]
    pub timings_ms: Timings,
    /// What the reader should know before believing the answer.
    pub warnings: Vec<String>,
}

/// The answers for one recording, each of its channels answered apart.
#[derive(Debug, Clone, Serialize)]
pub struct ChannelsReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The input as the caller named it; `-` is standard input.
    pub file: String,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// Sample rate of the recording, before resampling.
    pub sample_rate_hz: u32,
    /// Channels of the recording.
    pub channels: u16,
    /// Their answers, in order.
    pub per_channel: Vec<ChannelReport>,
    /// Name of the system that answered.
    pub model: String,
    /// The first 16 digits of the SHA-256 of the system's tensors.
    pub model_sha256: String,
    /// With which numbers its network was computed: `f32` or `int8`.
    pub precision: &'static str,
    /// Where the time went, over all channels.
    #[serde(skip_serializing_if = "Timings::is_empty")]
    pub timings_ms: Timings,
    /// What the reader should know before believing the answers; what concerns one channel names it.
    pub warnings: Vec<String>,
}

/// The answer for one channel. Its fields mean what they mean in a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct ChannelReport {
    /// Its number, counted from 1.
    pub channel: u16,
    /// Emotion, gender and age, or those of them that were asked for.
    #[serde(flatten)]
    pub answers: Predictions,
    /// What was withheld.
    pub withheld: Vec<Withheld>,
    /// Seconds of speech.
    pub speech_s: Option<f64>,
    /// What was measured on this channel.
    pub input: Option<InputFacts>,
    /// Why there is no answer.
    pub no_answer: Option<NoAnswer>,
    /// Windows that were answered.
    pub windows: usize,
    /// How the channel changes, if that was asked for and nobody else takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<Segment>>,
    /// What the timeline adds up to, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// What is said of a voice. In JSON a head that is off has no key, and one without an answer is `null`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// The heads that were asked ([`Options::heads`](super::Options::heads)); the others were not computed.
    pub heads: ActiveHeads,
    /// Emotion, or nothing when `no_answer` or `withheld` says why.
    pub emotion: Option<Classification>,
    /// Gender, likewise.
    pub gender: Option<Classification>,
    /// Age, or nothing when `no_answer` says why. An age has no probability, so it is never withheld by one of its own.
    pub age: Option<Age>,
}

impl Serialize for Predictions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        if self.heads.emotion {
            map.serialize_entry("emotion", &self.emotion)?;
        }
        if self.heads.gender {
            map.serialize_entry("gender", &self.gender)?;
        }
        if self.heads.age {
            map.serialize_entry("age", &self.age)?;
        }
        map.end()
    }
}

/// A label with the probabilities of all labels.
///
/// They are calibrated: each window's are the softmax of its logits over the head's temperature, and the recording's are the mean of its windows',
/// weighted by their new samples. Temperatures are fitted on single clips of up to 3 s, so for a recording of several windows the mean is the
/// share of the recording that a label is expected to hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable label.
    pub label: String,
    /// Every label with its probability, in the system's order. They sum to 1.
    #[serde(serialize_with = "as_map")]
    pub probabilities: Vec<(String, f64)>,
}

impl Classification {
    /// The probability of [`Classification::label`].
    pub fn probability(&self) -> f64 {
        self.probabilities.iter().map(|(_, p)| *p).fold(0.0, f64::max)
    }
}

/// An age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Age {
    /// Years, to a tenth.
    pub years: f64,
    /// Where the true age is to be expected, if the system's file says how far off it may be.
    pub interval: Option<Interval>,
}

/// Where an age is to be expected.
///
/// The promise is marginal: over speakers like those of the training corpus, a share `coverage` of the true ages lies within. It is no promise for
/// one speaker, one age band or other recordings. It was fitted on single clips of up to 3 s and is looked up at the recording's combined age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The low end in years, to a tenth.
    pub low_years: f64,
    /// The high end in years, to a tenth.
    pub high_years: f64,
    /// The share of speakers whose age lies within, such as 0.8.
    pub coverage: f64,
}

/// One answer that is kept back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Withheld {
    /// Which answer.
    pub head: Head,
    /// Why.
    pub reason: WithheldReason,
    /// The calibrated probability of its best label.
    pub confidence: f64,
    /// What was asked for.
    pub asked: f64,
}

/// An answer that can be withheld: one that tells classes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Emotion.
    Emotion,
    /// Gender.
    Gender,
}

/// Why an answer is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithheldReason {
    /// The best label's probability is below [`Options::min_confidence`](super::Options::min_confidence).
    LowConfidence,
}

/// Why a recording is not answered: better no answer than one about nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NoAnswer {
    /// Less audio than [`Options::min_duration_s`](super::Options::min_duration_s).
    TooShort,
    /// No window is louder than [`Options::silence_dbfs`](super::Options::silence_dbfs).
    Silence,
    /// There is sound, but no speech in it, see [`Activity`](crate::dsp::Activity): noise, music, tones, an animal, a whisper.
    NoSpeech,
    /// Too much of it is clipped: [`Options::max_clipped_share`](super::Options::max_clipped_share).
    Clipped,
    /// There is speech, but noise drowns it: [`Options::min_snr_db`](super::Options::min_snr_db).
    TooNoisy,
    /// Emotion and gender, or the one of them that was asked for, are withheld for low confidence, see [`Report::withheld`].
    LowConfidence,
}

impl NoAnswer {
    /// What windows do or are that were left unanswered for this reason.
    pub(super) fn of_windows(self) -> &'static str {
        match self {
            Self::TooShort => "are too short",
            Self::Silence => "are silent",
            Self::NoSpeech => "hold no speech",
            Self::Clipped => "are clipped",
            Self::TooNoisy => "are too noisy",
            Self::LowConfidence => "are not sure enough",
        }
    }

    /// The reason as JSON has it.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::Silence => "silence",
            Self::NoSpeech => "no_speech",
            Self::Clipped => "clipped",
            Self::TooNoisy => "too_noisy",
            Self::LowConfidence => "low_confidence",
        }
    }
}

/// Milliseconds by stage. With several threads `features` and `network` are summed over them, and `total` is shorter than the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Bytes to samples, and the mean of the channels.
    pub decode: f64,
    /// To the front-end's sample rate.
    pub resample: f64,
    /// Samples to features.
    pub features: f64,
    /// Whether it is speech.
    pub activity: f64,
    /// Features to answers.
    pub network: f64,
    /// Wall time from the first byte to the answer. Loading the system is not in it.
    pub total: f64,
}

impl Timings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
    /// The kind of it in one word, see [`Error::reason`].
    pub reason: &'static str,
}

impl Failure {
    /// What is said of an input that ended with this error.
    pub fn new(file: impl Into<String>, error: &Error) -> Self {
        Self { schema: SCHEMA, file: file.into(), error: error.to_string(), reason: error.reason() }
    }
}

fn as_map<S: Serializer>(pairs: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(pairs.len()))?;
    for (label, probability) in pairs {
        map.serialize_entry(label, probability)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_off_has_no_key_and_one_without_an_answer_is_null() {
        let json = |heads| serde_json::to_string(&Predictions { heads, ..Predictions::default() }).unwrap();
        assert_eq!(json(ActiveHeads::ALL), r#"{"emotion":null,"gender":null,"age":null}"#);
        assert_eq!(json(ActiveHeads { emotion: false, ..ActiveHeads::ALL }), r#"{"gender":null,"age":null}"#);
        assert_eq!(json(ActiveHeads { gender: false, age: false, ..ActiveHeads::ALL }), r#"{"emotion":null}"#);
    }
}
