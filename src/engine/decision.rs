//! Decision: mean probabilities and age to labels and intervals; predictions below the minimum
//! confidence or familiarity are withheld.

use crate::models::heads::{AgeRecipe, HeadsRecipe};
use crate::models::{ActiveHeads, ClassesRecipe, DomainRecipe, Manifest};

use super::familiarity::Familiarity;
use super::mean::MeanOutput;
use super::no_answer::{Head, NoAnswer, Withheld, WithheldReason};
use super::options::Options;
use super::predictions::{Age, Classification, Interval, Predictions};
use super::round::rounded;

/// Predictions, and what is missing from them and why.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) predictions: Predictions,
    pub(super) withheld: Vec<Withheld>,
    pub(super) no_answer: Option<NoAnswer>,
    /// `None` for a model without a domain, and where nothing was computed.
    pub(super) familiarity: Option<Familiarity>,
}

/// The parts of a manifest that decisions depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecisionRules<'a> {
    pub(super) heads: &'a HeadsRecipe,
    pub(super) domain: Option<&'a DomainRecipe>,
}

impl<'a> DecisionRules<'a> {
    /// Those of a model with these heads.
    pub(super) fn new(heads: &'a HeadsRecipe, manifest: &'a Manifest) -> Self {
        Self { heads, domain: manifest.domain.as_ref() }
    }
}

impl Decision {
    /// No predictions, for a reason.
    pub(super) fn none(heads: ActiveHeads, reason: NoAnswer) -> Self {
        let (predictions, withheld) = (Predictions::none(heads), Vec::new());
        Self { predictions, withheld, no_answer: Some(reason), familiarity: None }
    }

    /// Withholds everything below `min_familiarity`, heads below `min_confidence`, and the age where
    /// the model does not report it. If emotion and gender are both withheld the input is
    /// probably out of distribution (a voice unlike those of the training data, or none), so the
    /// age is withheld too.
    pub(super) fn new(mean: &MeanOutput, rules: DecisionRules<'_>, options: &Options) -> Self {
        let DecisionRules { heads: recipe, domain } = rules;
        let familiarity = domain.zip(mean.distance).map(|(domain, distance)| Familiarity::new(domain, distance));
        if familiarity.is_some_and(|familiarity| familiarity.familiarity < options.min_familiarity) {
            return Self { familiarity, ..Self::none(options.heads, NoAnswer::Unfamiliar) };
        }
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
            return Self { withheld, familiarity, ..Self::none(options.heads, NoAnswer::LowConfidence) };
        }
        let too_far = age_withheld(domain, mean).filter(|_| mean.years.is_some());
        let age = mean.years.filter(|_| too_far.is_none()).map(|years| {
            let curve = domain.and_then(|domain| domain.interval.as_ref());
            let factor = curve.zip(mean.distance).map_or(1.0, |(curve, distance)| curve.at(distance));
            age(&recipe.age, years, factor)
        });
        withheld.extend(too_far);
        let nothing_left = emotion.is_none() && gender.is_none() && age.is_none() && too_far.is_some();
        let no_answer = nothing_left.then_some(NoAnswer::Unfamiliar);
        let predictions = Predictions { heads: options.heads, emotion, gender, age };
        Self { predictions, withheld, no_answer, familiarity }
    }
}

/// The withheld age of a voice beyond the distance from which on the model reports none.
fn age_withheld(domain: Option<&DomainRecipe>, mean: &MeanOutput) -> Option<Withheld> {
    let (distance, limit) = mean.distance.zip(domain?.age_withheld_above)?;
    let reason = WithheldReason::Unfamiliar { distance: rounded(distance, 3), limit };
    (distance > limit).then_some(Withheld { head: Head::Age, reason })
}

/// The most probable label, and all of them, rounded to a millionth.
fn classify(recipe: &ClassesRecipe, probabilities: &[f64]) -> Classification {
    let best =
        (0..probabilities.len()).fold(0, |best, k| if probabilities[k] > probabilities[best] { k } else { best });
    let pairs = recipe.labels.iter().cloned().zip(probabilities.iter().map(|&p| rounded(p, 6)));
    Classification { label: recipe.labels[best].clone(), probabilities: pairs.collect() }
}

/// Years and their interval, widened by a factor, to a tenth.
fn age(recipe: &AgeRecipe, years: f64, factor: f64) -> Age {
    let interval = recipe.interval.as_ref().map(|interval| {
        let (low, high) = interval.widened(years, factor);
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
            distance: None,
        };
        let rules = DecisionRules { heads: &recipe(), domain: None };
        Decision::new(&mean, rules, &Options { heads, min_confidence, ..Options::default() })
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

    /// A decision at a distance, by a model that reports ages up to 4.
    fn decide_at(distance: f64, heads: ActiveHeads, min_familiarity: f64) -> Decision {
        let domain = DomainRecipe::parse_for_tests(json!({"familiar_below": 2.0, "age_withheld_above": 4.0,
            "interval": {"distance": [2.0, 4.0], "factor": [1.0, 2.0]}}));
        let mean = MeanOutput {
            emotion: heads.emotion.then(|| vec![0.5, 0.1, 0.1, 0.1, 0.1, 0.1]),
            gender: heads.gender.then(|| vec![0.2, 0.8]),
            years: heads.age.then_some(40.0),
            distance: Some(distance),
        };
        let rules = DecisionRules { heads: &recipe(), domain: Some(&domain) };
        Decision::new(&mean, rules, &Options { heads, min_familiarity, ..Options::default() })
    }

    #[test]
    fn a_distance_widens_the_interval_and_then_withholds_the_age() {
        let interval = |distance| decide_at(distance, ActiveHeads::ALL, 0.0).predictions.age.unwrap().interval.unwrap();
        let ends = |distance| (interval(distance).low_years, interval(distance).high_years);
        // at 40 years the interval is 28 to 50
        assert_eq!((ends(1.0), ends(3.0), ends(4.0)), ((28.0, 50.0), (22.0, 55.0), (16.0, 60.0)));
        let far = decide_at(5.0, ActiveHeads::ALL, 0.0);
        assert!(far.predictions.age.is_none() && far.predictions.emotion.is_some() && far.no_answer.is_none());
        let reason = WithheldReason::Unfamiliar { distance: 5.0, limit: 4.0 };
        assert_eq!(far.withheld, [Withheld { head: Head::Age, reason }]);
        let only_age = decide_at(5.0, ActiveHeads { emotion: false, gender: false, age: true }, 0.0);
        assert_eq!(only_age.no_answer, Some(NoAnswer::Unfamiliar));
        let no_age = decide_at(5.0, ActiveHeads { age: false, ..ActiveHeads::ALL }, 0.0);
        assert!(no_age.withheld.is_empty() && no_age.no_answer.is_none());
    }

    #[test]
    fn below_the_familiarity_asked_for_there_is_no_prediction() {
        let familiarity = |distance, least| decide_at(distance, ActiveHeads::ALL, least).familiarity.unwrap();
        assert_eq!(familiarity(4.0, 0.5), Familiarity { distance: 4.0, familiarity: 0.5, familiar: false });
        assert!(familiarity(2.0, 1.0).familiar);
        for (distance, least, reason) in
            [(4.0, 0.5, None), (4.0, 0.501, Some(NoAnswer::Unfamiliar)), (1.0, 1.0, None), (9.0, 0.0, None)]
        {
            assert_eq!(decide_at(distance, ActiveHeads::ALL, least).no_answer, reason, "{distance} {least}");
        }
    }
}
