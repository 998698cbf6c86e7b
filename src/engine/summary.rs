//! A timeline in a few numbers: how long each label held.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::models::ActiveHeads;
use crate::models::heads::HeadsRecipe;

use super::report::{Classification, NoAnswer};
use super::timeline::Segment;
use super::verdict::rounded;

/// What a timeline adds up to.
///
/// A label's share is the share of the speech in which it was the most probable one, counted over the segments whose answer was given. (The
/// recording's own probabilities are means, in which every label has a part of every segment.) The shares of a head sum to 1, or are all 0 where
/// it gave no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Seconds of speech; nothing if the detector is off. As in the report, and so nothing is counted twice.
    pub speech_s: Option<f64>,
    /// Length of the segments that were answered, seconds.
    pub answered_s: f64,
    /// Length of the others by their reason, seconds.
    pub unanswered_s: Vec<(NoAnswer, f64)>,
    /// Share of speech by emotion; nothing, and no key in JSON, if the head is off.
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

/// Adds up seconds of segments as they come.
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
        let count = |choice: &Option<Classification>, seconds: &mut BTreeMap<String, f64>| {
            if let Some(choice) = choice {
                *seconds.entry(choice.label.clone()).or_default() += segment.speech_s();
            }
        };
        count(&segment.answers.emotion, &mut self.emotion);
        count(&segment.answers.gender, &mut self.gender);
    }

    /// The summary, with the seconds of speech that the report tells.
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

/// Every label in the system's order with its share of the whole.
fn shares(labels: &[String], seconds: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let whole: f64 = seconds.values().sum();
    let share = |label: &String| match seconds.get(label) {
        Some(part) if whole > 0.0 => rounded(part / whole, 6),
        _ => 0.0,
    };
    labels.iter().map(|label| (label.clone(), share(label))).collect()
}
