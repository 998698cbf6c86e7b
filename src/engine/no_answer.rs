//! Reasons for missing predictions. Their texts for people are in [`texts`](super::texts).

use serde::{Deserialize, Serialize};

/// Reason why a voice, a segment or a chunk has no predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoAnswer {
    /// Less audio than [`Options::min_duration_s`](crate::Options::min_duration_s).
    TooShort,
    /// No chunk is louder than [`Options::silence_dbfs`](crate::Options::silence_dbfs).
    Silence,
    /// There is sound, but no speech ([`Activity`](crate::dsp::Activity)): noise, music, tones, an
    /// animal, a whisper.
    NoSpeech,
    /// Too many samples are clipped:
    /// [`Options::max_clipped_share`](crate::Options::max_clipped_share).
    Clipped,
    /// The signal-to-noise ratio is too low: [`Options::min_snr_db`](crate::Options::min_snr_db).
    TooNoisy,
    /// Emotion and gender, or the one of them whose head is on, are withheld for low confidence:
    /// [`Options::min_confidence`](crate::Options::min_confidence).
    LowConfidence,
    /// Other people speak at the same time ([`Options::speakers`](crate::Options::speakers)).
    Overlap,
    /// The voice is too unlike the training corpus:
    /// [`Options::min_familiarity`](crate::Options::min_familiarity), or, where only the age's head
    /// is on, the distance from which on the model reports no age.
    Unfamiliar,
}

impl NoAnswer {
    /// The reason code of the JSON output, such as `no_speech`.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::Silence => "silence",
            Self::NoSpeech => "no_speech",
            Self::Clipped => "clipped",
            Self::TooNoisy => "too_noisy",
            Self::LowConfidence => "low_confidence",
            Self::Overlap => "overlap",
            Self::Unfamiliar => "unfamiliar",
        }
    }

    /// The reason as a predicate about several chunks, for warnings.
    pub(super) fn of_chunks(self) -> &'static str {
        match self {
            Self::TooShort => "are too short",
            Self::Silence => "are silent",
            Self::NoSpeech => "contain no speech",
            Self::Clipped => "are clipped",
            Self::TooNoisy => "are too noisy",
            Self::LowConfidence => "have low confidence",
            Self::Overlap => "contain several speakers at the same time",
            Self::Unfamiliar => "are unlike the training corpus",
        }
    }
}

/// One prediction that was computed and withheld.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Withheld {
    /// The prediction's head.
    pub head: Head,
    /// Why it was withheld.
    #[serde(flatten)]
    pub reason: WithheldReason,
}

impl Withheld {
    /// A prediction whose confidence is below the requested minimum.
    pub fn low_confidence(head: Head, confidence: f64, asked: f64) -> Self {
        Self { head, reason: WithheldReason::LowConfidence { confidence, asked } }
    }
}

/// A head whose predictions can be withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Head {
    /// Emotion.
    Emotion,
    /// Gender.
    Gender,
    /// Age.
    Age,
}

impl Head {
    /// `emotion`, `gender` or `age`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emotion => "emotion",
            Self::Gender => "gender",
            Self::Age => "age",
        }
    }
}

/// Why a prediction is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WithheldReason {
    /// The best label's probability is below
    /// [`Options::min_confidence`](crate::Options::min_confidence).
    LowConfidence {
        /// The calibrated probability of the best label.
        confidence: f64,
        /// The minimum that was requested.
        asked: f64,
    },
    /// The voice is too unlike the training corpus: the model reports no age for such voices.
    Unfamiliar {
        /// Distance to the training domain.
        distance: f64,
        /// The distance above which the model reports no age.
        limit: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withheld_predictions_have_one_flat_object() {
        let json = serde_json::to_string(&Withheld::low_confidence(Head::Gender, 0.5, 0.6)).unwrap();
        assert_eq!(json, r#"{"head":"gender","reason":"low_confidence","confidence":0.5,"asked":0.6}"#);
        let age = Withheld { head: Head::Age, reason: WithheldReason::Unfamiliar { distance: 3.5, limit: 3.0 } };
        let json = serde_json::to_string(&age).unwrap();
        assert_eq!(json, r#"{"head":"age","reason":"unfamiliar","distance":3.5,"limit":3.0}"#);
    }

    #[test]
    fn codes_are_those_of_the_json() {
        for reason in NoAnswer::ALL {
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json, serde_json::json!({"reason": reason.code()}));
            assert_eq!(serde_json::from_value::<NoAnswer>(json).unwrap(), reason);
        }
    }
}
