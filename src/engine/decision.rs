//! Decision: mean probabilities and age to labels and intervals; predictions below the minimum
//! confidence are withheld.

use crate::models::heads::{AgeRecipe, HeadsRecipe};
use crate::models::{ActiveHeads, ClassesRecipe};

use super::mean::MeanOutput;
use super::no_answer::{Head, NoAnswer, Withheld};
use super::options::Options;
use super::predictions::{Age, Classification, Interval, Predictions};
use super::round::rounded;

/// Predictions, and what is missing from them and why.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) predictions: Predictions,
    pub(super) withheld: Vec<Withheld>,
    pub(super) no_answer: Option<NoAnswer>,
}

impl Decision {
    /// No predictions, for a reason.
    pub(super) fn none(heads: ActiveHeads, reason: NoAnswer) -> Self {
        Self { predictions: Predictions::none(heads), withheld: Vec::new(), no_answer: Some(reason) }
    }

    /// Withholds heads below `min_confidence`. If emotion and gender are both withheld the input is
    /// probably out of distribution (a voice unlike those of the training data, or none), so the
    /// age is withheld too.
    pub(super) fn new(mean: &MeanOutput, recipe: &HeadsRecipe, options: &Options) -> Self {
        let mut withheld = Vec::new();
        let mut decide = |head: Head, classes: &ClassesRecipe, probabilities: Option<&Vec<f64>>| {
            let classification = classify(classes, probabilities?);
            // Compared as it is reported, so that a report never says that 0.6 is below 0.6.
            let confidence = classification.probability();
            if confidence < options.min_confidence {
                withheld.push(Withheld::low_confidence(head, confidence, options.min_confidence));
                return None;
            }
            Some(classification)
        };
        let emotion = decide(Head::Emotion, &recipe.emotion, mean.emotion.as_ref());
        let gender = decide(Head::Gender, &recipe.gender, mean.gender.as_ref());
        if emotion.is_none() && gender.is_none() && !withheld.is_empty() {
            return Self { withheld, ..Self::none(options.heads, NoAnswer::LowConfidence) };
        }
        let age = mean.years.map(|years| age(&recipe.age, years));
        let predictions = Predictions { heads: options.heads, emotion, gender, age };
        Self { predictions, withheld, no_answer: None }
    }
}

/// The most probable label, and all of them, rounded to a millionth.
fn classify(recipe: &ClassesRecipe, probabilities: &[f64]) -> Classification {
    let best =
        (0..probabilities.len()).fold(0, |best, k| if probabilities[k] > probabilities[best] { k } else { best });
    let pairs = recipe.labels.iter().cloned().zip(probabilities.iter().map(|&p| rounded(p, 6)));
    Classification { label: recipe.labels[best].clone(), probabilities: pairs.collect() }
}

/// Years and their interval, to a tenth.
fn age(recipe: &AgeRecipe, years: f64) -> Age {
    let interval = recipe.interval.as_ref().map(|interval| {
        let (low, high) = interval.at(years);
        Interval { low_years: rounded(low, 1), high_years: rounded(high, 1), coverage: interval.coverage() }
    });
    Age { years: rounded(years, 1), interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recipe() -> HeadsRecipe {
        HeadsRecipe::parse(json!({"emotion": {"labels": ["a", "d", "f", "h", "n", "s"], "temperature": 1.0},
            "gender": {"labels": ["female", "male"], "temperature": 1.0},
            "age": {"mean_years": 40.0, "scale_years": 10.0, "interval":
                {"coverage": 0.8, "knots_years": [20, 60], "low_years": [18, 38], "high_years": [30, 70]}}}))
        .unwrap()
    }

    fn decide(emotion: f64, gender: f64, min_confidence: f64) -> Decision {
        decide_with(ActiveHeads::ALL, emotion, gender, min_confidence)
    }

    fn decide_with(heads: ActiveHeads, emotion: f64, gender: f64, min_confidence: f64) -> Decision {
        let rest = (1.0 - emotion) / 5.0;
        let mean = MeanOutput {
            emotion: heads.emotion.then(|| vec![rest, emotion, rest, rest, rest, rest]),
            gender: heads.gender.then(|| vec![1.0 - gender, gender]),
            years: heads.age.then_some(30.04),
        };
        Decision::new(&mean, &recipe(), &Options { heads, min_confidence, ..Options::default() })
    }

    #[test]
    fn nothing_is_withheld_unless_asked() {
        let decision = decide(0.2, 0.5, 0.0);
        assert!(decision.withheld.is_empty() && decision.no_answer.is_none());
        let predictions = decision.predictions;
        let labels = (predictions.emotion.unwrap().label, predictions.gender.unwrap().label);
        assert_eq!((labels.0.as_str(), labels.1.as_str()), ("d", "female"));
        let interval = Interval { low_years: 23.0, high_years: 40.0, coverage: 0.8 };
        assert_eq!(predictions.age, Some(Age { years: 30.0, interval: Some(interval) }));
    }

    #[test]
    fn each_head_is_withheld_on_its_own() {
        let decision = decide(0.41, 0.9, 0.6);
        assert!(
            decision.predictions.emotion.is_none()
                && decision.predictions.gender.is_some()
                && decision.predictions.age.is_some()
                && decision.no_answer.is_none()
        );
        let emotion = Withheld::low_confidence(Head::Emotion, 0.41, 0.6);
        assert_eq!(decision.withheld, [emotion]);
        let decision = decide(0.7, 0.59, 0.6);
        assert!(
            decision.predictions.emotion.is_some()
                && decision.predictions.gender.is_none()
                && decision.predictions.age.is_some()
                && decision.no_answer.is_none()
        );
        assert_eq!(decision.withheld[0].head, Head::Gender);
    }

    #[test]
    fn when_both_are_withheld_the_age_goes_too() {
        let decision = decide(0.41, 0.55, 0.6);
        assert!(
            decision.predictions.emotion.is_none()
                && decision.predictions.gender.is_none()
                && decision.predictions.age.is_none()
        );
        assert_eq!((decision.no_answer, decision.withheld.len()), (Some(NoAnswer::LowConfidence), 2));
    }

    /// What is reported as 0.6 is not less than 0.6, and certainty to a millionth passes 1.
    #[test]
    fn the_threshold_itself_passes_as_reported() {
        assert!(decide(0.599_999_7, 0.9, 0.6).predictions.emotion.is_some());
        assert!(decide(0.599_999_3, 0.9, 0.6).predictions.emotion.is_none());
        assert!(decide(0.999_999_6, 0.9, 1.0).predictions.emotion.is_some());
        assert!(decide(0.999_999, 0.9, 1.0).predictions.emotion.is_none());
    }

    #[test]
    fn what_is_off_is_not_missed() {
        let off = |emotion: bool, gender: bool| ActiveHeads { emotion: !emotion, gender: !gender, age: true };
        let decision = decide_with(off(true, false), 0.41, 0.9, 0.6);
        assert!(
            decision.predictions.emotion.is_none()
                && decision.predictions.gender.is_some()
                && decision.predictions.age.is_some()
        );
        assert!(decision.withheld.is_empty() && decision.no_answer.is_none());
        let decision = decide_with(off(true, false), 0.9, 0.55, 0.6);
        assert!(decision.predictions.gender.is_none() && decision.predictions.age.is_none());
        assert_eq!((decision.no_answer, decision.withheld.len()), (Some(NoAnswer::LowConfidence), 1));
        let decision = decide_with(off(true, true), 0.9, 0.9, 0.0);
        assert!(decision.predictions.age.is_some() && decision.no_answer.is_none());
    }
}
