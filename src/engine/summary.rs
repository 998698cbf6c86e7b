//! Summary of a timeline: share of speech by label.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::models::ActiveHeads;
use crate::models::heads::HeadsRecipe;

use super::no_answer::NoAnswer;
use super::predictions::Classification;
use super::round::rounded;
use super::timeline::Segment;

/// Summary of a timeline.
///
/// A label's share is the share of the speech in which it was the most probable one, counted over
/// the segments that have a prediction. (The recording's own probabilities are means, in which
/// every label has a part of every segment.) The shares of a head sum to 1, or are all 0 where it
/// has no prediction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Seconds of speech, as in the report, so that overlapping chunks are not counted twice.
    /// `None` if the detector is off.
    pub speech_s: Option<f64>,
    /// Length of the segments that have predictions, seconds.
    pub answered_s: f64,
    /// Length of the others by reason, seconds.
    pub unanswered_s: Vec<(NoAnswer, f64)>,
    /// Share of speech by emotion; `None`, and no key in JSON, if the head is off.
    pub emotion_shares: Option<Vec<(String, f64)>>,
    /// Share of speech by gender, likewise.
    pub gender_shares: Option<Vec<(String, f64)>>,
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("speech_s", &self.speech_s)?;
        map.serialize_entry("answered_s", &self.answered_s)?;
        let unanswered_s: BTreeMap<_, _> = self.unanswered_s.iter().map(|(why, s)| (why.code(), s)).collect();
        map.serialize_entry("unanswered_s", &unanswered_s)?;
        let shares = [("emotion_shares", &self.emotion_shares), ("gender_shares", &self.gender_shares)];
        for (key, shares) in shares.into_iter().filter_map(|(key, shares)| Some((key, shares.as_ref()?))) {
            map.serialize_entry(key, &Pairs(shares))?;
        }
        map.end()
    }
}

/// Labels with their values, in order.
struct Pairs<'a>(&'a [(String, f64)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(label, value)| (label, value)))
    }
}

/// Running sums of segment lengths, seconds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    answered: f64,
    unanswered: BTreeMap<NoAnswer, f64>,
    emotion: BTreeMap<String, f64>,
    gender: BTreeMap<String, f64>,
}

impl Tally {
    pub(super) fn add(&mut self, segment: &Segment) {
        match segment.no_answer {
            None => self.answered += segment.length_s(),
            Some(reason) => *self.unanswered.entry(reason).or_default() += segment.length_s(),
        }
        let count = |prediction: &Option<Classification>, seconds: &mut BTreeMap<String, f64>| {
            if let Some(prediction) = prediction {
                *seconds.entry(prediction.label.clone()).or_default() += segment.speech_s();
            }
        };
        count(&segment.predictions.emotion, &mut self.emotion);
        count(&segment.predictions.gender, &mut self.gender);
    }

    /// The summary, with the report's seconds of speech.
    pub(super) fn summary(&self, speech_s: Option<f64>, heads: &HeadsRecipe, active: ActiveHeads) -> Summary {
        Summary {
            speech_s,
            answered_s: rounded(self.answered, 3),
            unanswered_s: self.unanswered.iter().map(|(reason, s)| (*reason, rounded(*s, 3))).collect(),
            emotion_shares: active.emotion.then(|| shares(&heads.emotion.labels, &self.emotion)),
            gender_shares: active.gender.then(|| shares(&heads.gender.labels, &self.gender)),
        }
    }
}

/// Every label in the model's order with its share of the whole.
fn shares(labels: &[String], seconds: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let whole: f64 = seconds.values().sum();
    let share = |label: &String| match seconds.get(label) {
        Some(part) if whole > 0.0 => rounded(part / whole, 6),
        _ => 0.0,
    };
    labels.iter().map(|label| (label.clone(), share(label))).collect()
}
