//! A model's prediction for one clip: the numbers that `infer` prints.

use crate::engine::{Classification, Interval, NoAnswer, Report};

/// Prediction of a classification head.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPrediction {
    /// Index of the predicted label.
    pub label: usize,
    /// Probability of every label, in the model's order.
    pub probabilities: Vec<f64>,
}

/// The predictions for one clip. A head is `None` if there is no prediction, or if it was withheld.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Emotion.
    pub emotion: Option<ClassPrediction>,
    /// Gender.
    pub gender: Option<ClassPrediction>,
    /// Age in years.
    pub years: Option<f64>,
    /// Age interval, for models that have one.
    pub interval: Option<Interval>,
    /// Reason for a missing prediction.
    pub no_answer: Option<NoAnswer>,
}

impl Prediction {
    /// Extracts the numbers of a report's first voice.
    pub fn from_report(report: &Report) -> Self {
        let voice = &report.voices[0];
        Self {
            emotion: voice.predictions.emotion.as_ref().map(class_prediction),
            gender: voice.predictions.gender.as_ref().map(class_prediction),
            years: voice.predictions.age.map(|age| age.years),
            interval: voice.predictions.age.and_then(|age| age.interval),
            no_answer: voice.no_answer,
        }
    }
}

fn class_prediction(choice: &Classification) -> ClassPrediction {
    let label = choice.probabilities.iter().position(|(label, _)| *label == choice.label).unwrap_or_default();
    ClassPrediction { label, probabilities: choice.probabilities.iter().map(|(_, p)| *p).collect() }
}
