//! Predictions for one voice: emotion, gender, age, and their JSON.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::models::ActiveHeads;

/// Emotion, gender and age of one voice. In JSON a head that is off has no key, and one without a
/// prediction is `null`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Predictions {
    /// The heads that ran ([`Options::heads`](crate::Options::heads)).
    pub heads: ActiveHeads,
    /// Emotion; `None` where `no_answer` or `withheld` gives the reason.
    pub emotion: Option<Classification>,
    /// Gender, likewise.
    pub gender: Option<Classification>,
    /// Age; `None` where `no_answer` gives the reason. An age has no probability, so it is never
    /// withheld on its own.
    pub age: Option<Age>,
}

impl Predictions {
    /// No predictions of these heads.
    pub(super) fn none(heads: ActiveHeads) -> Self {
        Self { heads, ..Self::default() }
    }
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
/// The probabilities are calibrated: for one chunk they are the softmax of the logits divided by
/// the head's temperature; for a recording they are the mean over its chunks, weighted by new
/// samples. Temperatures are fitted on single clips of up to 3 s, so for a recording of several
/// chunks the mean is the share of the recording that a label is expected to have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// The most probable label.
    pub label: String,
    /// Every label with its probability, in the model's order. They sum to 1.
    #[serde(serialize_with = "as_map")]
    pub probabilities: Vec<(String, f64)>,
}

impl Classification {
    /// The probability of [`Classification::label`].
    pub fn probability(&self) -> f64 {
        self.probabilities.iter().map(|(_, p)| *p).fold(0.0, f64::max)
    }
}

fn as_map<S: Serializer>(pairs: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(label, probability)| (label, probability)))
}

/// A predicted age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Age {
    /// Years, to a tenth.
    pub years: f64,
    /// Prediction interval, if the model file contains one.
    pub interval: Option<Interval>,
}

/// Prediction interval of an age.
///
/// The coverage is marginal: over speakers like those of the training corpus, a share `coverage` of
/// the true ages lies in the interval. It does not hold for one speaker, one age band or other
/// recording conditions. It was fitted on single clips of up to 3 s and is looked up at the
/// recording's mean age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// The lower end in years, to a tenth.
    pub low_years: f64,
    /// The upper end in years, to a tenth.
    pub high_years: f64,
    /// The share of speakers whose age lies in the interval, such as 0.8.
    pub coverage: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_off_has_no_key_and_one_without_a_prediction_is_null() {
        let json = |heads| serde_json::to_string(&Predictions::none(heads)).unwrap();
        assert_eq!(json(ActiveHeads::ALL), r#"{"emotion":null,"gender":null,"age":null}"#);
        assert_eq!(json(ActiveHeads { emotion: false, ..ActiveHeads::ALL }), r#"{"gender":null,"age":null}"#);
        assert_eq!(json(ActiveHeads { gender: false, age: false, ..ActiveHeads::ALL }), r#"{"emotion":null}"#);
    }
}
