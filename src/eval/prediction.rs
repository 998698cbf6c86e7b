//! What the system said of one clip, as numbers to be measured: those that `infer` prints.

use crate::engine::{Classification, Interval, NoAnswer, Report};

/// The answer of a head with classes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassAnswer {
    /// Index of the label given.
    pub label: usize,
    /// Of every label, in the system's order.
    pub probabilities: Vec<f64>,
}

/// The answers for one clip. A head is nothing where the system gave no answer, or withheld this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Emotion.
    pub emotion: Option<ClassAnswer>,
    /// Gender.
    pub gender: Option<ClassAnswer>,
    /// Age in years.
    pub years: Option<f64>,
    /// Where the age may lie, of systems that say so.
    pub interval: Option<Interval>,
    /// Why there is no answer.
    pub no_answer: Option<NoAnswer>,
}

impl Prediction {
    /// The numbers of a report.
    pub fn from_report(report: &Report) -> Self {
        Self {
            emotion: report.answers.emotion.as_ref().map(class_answer),
            gender: report.answers.gender.as_ref().map(class_answer),
            years: report.answers.age.map(|age| age.years),
            interval: report.answers.age.and_then(|age| age.interval),
            no_answer: report.no_answer,
        }
    }
}

fn class_answer(choice: &Classification) -> ClassAnswer {
    let label = choice.probabilities.iter().position(|(label, _)| *label == choice.label).unwrap_or_default();
    ClassAnswer { label, probabilities: choice.probabilities.iter().map(|(_, p)| *p).collect() }
}
