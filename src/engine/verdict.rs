//! From a recording's probabilities and age to what is said of it: labels, an interval, and what is better left unsaid.

use crate::models::heads::{AgeRecipe, HeadsRecipe};
use crate::models::{ActiveHeads, ClassesRecipe};

use super::answer::Means;
use super::options::Options;
use super::report::{Age, Classification, Head, Interval, NoAnswer, Predictions, Withheld, WithheldReason};

/// The part of a report that answers.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answers: Predictions,
    pub(super) withheld: Vec<Withheld>,
    pub(super) no_answer: Option<NoAnswer>,
}

impl Verdict {
    /// Nothing is said, for a reason.
    pub(super) fn none(heads: ActiveHeads, reason: NoAnswer) -> Self {
        let answers = Predictions { heads, ..Predictions::default() };
        Self { answers, withheld: Vec::new(), no_answer: Some(reason) }
    }

    /// Says what is at least as sure as asked. A network that is sure of no label, neither emotion nor gender, hears a voice unlike those that it
    /// was trained on, or none: its age is no better, though nothing in the age shows that. So then it says nothing.
    pub(super) fn new(means: &Means, recipe: &HeadsRecipe, options: &Options) -> Self {
        let mut withheld = Vec::new();
        let mut surely = |head: Head, choice: Classification| match withholding(head, &choice, options.min_confidence) {
            None => Some(choice),
            Some(why) => {
                withheld.push(why);
                None
            }
        };
        let emotion = means.emotion.as_ref().and_then(|p| surely(Head::Emotion, choice(&recipe.emotion, p)));
        let gender = means.gender.as_ref().and_then(|p| surely(Head::Gender, choice(&recipe.gender, p)));
        if emotion.is_none() && gender.is_none() && !withheld.is_empty() {
            return Self { withheld, ..Self::none(options.heads, NoAnswer::LowConfidence) };
        }
        let age = means.years.map(|years| age(&recipe.age, years));
        let answers = Predictions { heads: options.heads, emotion, gender, age };
        Self { answers, withheld, no_answer: None }
    }
}

/// Why a choice is withheld, if it is. The confidence is compared as it is reported, so that nobody reads that 0.6 is less than 0.6.
fn withholding(head: Head, choice: &Classification, asked: f64) -> Option<Withheld> {
    let confidence = choice.probability();
    (confidence < asked).then_some(Withheld { head, reason: WithheldReason::LowConfidence, confidence, asked })
}

/// The most probable label, and all of them, rounded to a millionth.
fn choice(recipe: &ClassesRecipe, probabilities: &[f64]) -> Classification {
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

pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
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

    fn verdict(emotion: f64, gender: f64, min_confidence: f64) -> Verdict {
        verdict_of(ActiveHeads::ALL, emotion, gender, min_confidence)
    }

    fn verdict_of(heads: ActiveHeads, emotion: f64, gender: f64, min_confidence: f64) -> Verdict {
        let rest = (1.0 - emotion) / 5.0;
        let means = Means {
            emotion: heads.emotion.then(|| vec![rest, emotion, rest, rest, rest, rest]),
            gender: heads.gender.then(|| vec![1.0 - gender, gender]),
            years: heads.age.then_some(30.04),
        };
        Verdict::new(&means, &recipe(), &Options { heads, min_confidence, ..Options::default() })
    }

    #[test]
    fn nothing_is_withheld_unless_asked() {
        let said = verdict(0.2, 0.5, 0.0);
        assert!(said.withheld.is_empty() && said.no_answer.is_none());
        let said = said.answers;
        assert_eq!((said.emotion.unwrap().label.as_str(), said.gender.unwrap().label.as_str()), ("d", "female"));
        let interval = Interval { low_years: 23.0, high_years: 40.0, coverage: 0.8 };
        assert_eq!(said.age, Some(Age { years: 30.0, interval: Some(interval) }));
    }

    #[test]
    fn each_head_is_withheld_on_its_own() {
        let said = verdict(0.41, 0.9, 0.6);
        assert!(
            said.answers.emotion.is_none()
                && said.answers.gender.is_some()
                && said.answers.age.is_some()
                && said.no_answer.is_none()
        );
        let emotion =
            Withheld { head: Head::Emotion, reason: WithheldReason::LowConfidence, confidence: 0.41, asked: 0.6 };
        assert_eq!(said.withheld, [emotion]);
        let said = verdict(0.7, 0.59, 0.6);
        assert!(
            said.answers.emotion.is_some()
                && said.answers.gender.is_none()
                && said.answers.age.is_some()
                && said.no_answer.is_none()
        );
        assert_eq!(said.withheld[0].head, Head::Gender);
    }

    #[test]
    fn when_both_are_withheld_the_age_goes_too() {
        let said = verdict(0.41, 0.55, 0.6);
        assert!(said.answers.emotion.is_none() && said.answers.gender.is_none() && said.answers.age.is_none());
        assert_eq!((said.no_answer, said.withheld.len()), (Some(NoAnswer::LowConfidence), 2));
    }

    /// What is reported as 0.6 is not less than 0.6, and certainty to a millionth passes 1.
    #[test]
    fn the_threshold_itself_passes_as_reported() {
        assert!(verdict(0.599_999_7, 0.9, 0.6).answers.emotion.is_some());
        assert!(verdict(0.599_999_3, 0.9, 0.6).answers.emotion.is_none());
        assert!(verdict(0.999_999_6, 0.9, 1.0).answers.emotion.is_some());
        assert!(verdict(0.999_999, 0.9, 1.0).answers.emotion.is_none());
    }

    #[test]
    fn what_is_off_is_not_missed() {
        let off = |emotion: bool, gender: bool| ActiveHeads { emotion: !emotion, gender: !gender, age: true };
        let said = verdict_of(off(true, false), 0.41, 0.9, 0.6);
        assert!(said.answers.emotion.is_none() && said.answers.gender.is_some() && said.answers.age.is_some());
        assert!(said.withheld.is_empty() && said.no_answer.is_none());
        let said = verdict_of(off(true, false), 0.9, 0.55, 0.6);
        assert!(said.answers.gender.is_none() && said.answers.age.is_none());
        assert_eq!((said.no_answer, said.withheld.len()), (Some(NoAnswer::LowConfidence), 1));
        let said = verdict_of(off(true, true), 0.9, 0.9, 0.0);
        assert!(said.answers.age.is_some() && said.no_answer.is_none());
    }
}
