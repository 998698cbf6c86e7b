//! The metrics of a set of clips with their intervals, in the form of the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ages::{AgeCase, AgeSums};
use super::bootstrap::Bootstrap;
use super::classes::{ClassCase, ClassSums};
use super::ratio::ratio;
use super::risk_coverage::{CoveragePoint, Ranking};

/// A metric with its 95 % confidence interval; `null` where undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Value over all clips.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Estimate {
    fn new(value: Option<f64>, interval: Option<(f64, f64)>) -> Self {
        let interval = interval.filter(|_| value.is_some());
        Self {
            value: value.map(rounded),
            low: interval.map(|(low, _)| rounded(low)),
            high: interval.map(|(_, high)| rounded(high)),
        }
    }
}

/// Rounds to a millionth, because further digits would depend on the processor.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Metrics of a classification head. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassMeasures {
    /// Clips with a true label and a prediction.
    pub clips: usize,
    /// See [`ClassSums::accuracy`].
    pub accuracy: Estimate,
    /// See [`ClassSums::uar`].
    pub uar: Estimate,
    /// See [`ClassSums::macro_f1`].
    pub macro_f1: Estimate,
    /// See [`ClassSums::nll`]; nats.
    pub nll: Estimate,
    /// See [`super::Calibration::ece`].
    pub ece: Estimate,
    /// See [`Ranking::aurc`].
    pub aurc: Estimate,
}

/// Metrics of the age, in years.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgeMeasures {
    /// Clips with a true age and a prediction.
    pub clips: usize,
    /// See [`AgeSums::rmse`].
    pub rmse: Estimate,
    /// See [`AgeSums::mae`].
    pub mae: Estimate,
    /// See [`AgeSums::bias`].
    pub bias: Estimate,
    /// See [`AgeSums::correlation`].
    pub correlation: Estimate,
    /// See [`AgeSums::coverage`]; `null` for a model without intervals.
    pub interval_coverage: Estimate,
    /// See [`AgeSums::width`].
    pub interval_width: Estimate,
    /// The nominal coverage that the model states.
    pub interval_claimed: Option<f64>,
}

/// Details of a classification head: confusion matrix, per-label metrics, reliability,
/// risk-coverage curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassDetail {
    /// The model's labels, in its order.
    pub labels: Vec<String>,
    /// Confusion matrix `[true][predicted]`, clips.
    pub confusion: Vec<Vec<u64>>,
    /// Metrics by label.
    pub by_label: Vec<LabelRow>,
    /// Reliability by confidence.
    pub reliability: Vec<ReliabilityRow>,
    /// Risk-coverage curve at coverages of 1 %, 2 % … 100 %.
    pub risk_coverage: Vec<CoverageRow>,
}

/// Metrics of one label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelRow {
    /// The label.
    pub label: String,
    /// Clips with this true label.
    pub clips: u64,
    /// Clips with this predicted label.
    pub given: u64,
    /// Share of the clips with this true label that are predicted as it.
    pub recall: Option<f64>,
    /// Share of the clips predicted as this label that have it.
    pub precision: Option<f64>,
}

/// One bin of confidence, `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityRow {
    /// Lower edge.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
    /// Number of clips.
    pub clips: u64,
    /// Their mean confidence.
    pub confidence: Option<f64>,
    /// Share that is correct.
    pub accuracy: Option<f64>,
}

/// A point of the risk-coverage curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CoverageRow {
    /// Requested coverage.
    pub coverage: f64,
    /// Number of clips.
    pub clips: u64,
    /// Share of them that is correct.
    pub accuracy: f64,
    /// Lowest confidence among them: the `min_confidence` that gives this coverage.
    pub threshold: f64,
}

impl From<(f64, CoveragePoint)> for CoverageRow {
    fn from((coverage, kept): (f64, CoveragePoint)) -> Self {
        let (accuracy, threshold) = (rounded(kept.accuracy), rounded(kept.threshold));
        Self { coverage, clips: kept.clips as u64, accuracy, threshold }
    }
}

/// A case with its bootstrap unit.
pub(super) type InUnit<'a, T> = (usize, &'a T);

/// Metrics of classes; `None` of no clips. The numbering of the units does not depend on the order
/// of the clips.
pub(super) fn measure_classes(
    cases: &[InUnit<'_, ClassCase>],
    classes: usize,
    bootstrap: Bootstrap,
) -> Option<ClassMeasures> {
    let unit = numbered(cases);
    let mut units = vec![ClassSums::new(classes); unit.len()];
    for (global, case) in cases {
        units[unit[global]].add(case);
    }
    let ranking = Ranking::new(cases.iter().map(|(global, case)| (unit[global], *case)));
    let measure = |times: &[u32]| {
        let mut sums = ClassSums::new(classes);
        units.iter().zip(times).filter(|(_, n)| **n > 0).for_each(|(unit, &n)| sums.add_times(unit, f64::from(n)));
        let aurc = ranking.aurc(|unit| times[unit]);
        [sums.accuracy(), sums.uar(), sums.macro_f1(), sums.nll(), sums.calibration().ece(), aurc]
    };
    let values = measure(&vec![1; units.len()]);
    let intervals = bootstrap.intervals(units.len(), measure);
    let [accuracy, uar, macro_f1, nll, ece, aurc] = estimates(values, intervals);
    (!cases.is_empty()).then_some(ClassMeasures { clips: cases.len(), accuracy, uar, macro_f1, nll, ece, aurc })
}

/// Metrics of ages; `None` of no clips.
pub(super) fn measure_ages(cases: &[InUnit<'_, AgeCase>], bootstrap: Bootstrap) -> Option<AgeMeasures> {
    let unit = numbered(cases);
    let mut units = vec![AgeSums::default(); unit.len()];
    for (global, case) in cases {
        units[unit[global]].add(case);
    }
    let whole = |times: &[u32]| {
        let mut sums = AgeSums::default();
        units.iter().zip(times).filter(|(_, n)| **n > 0).for_each(|(unit, &n)| sums.add_times(unit, f64::from(n)));
        sums
    };
    let measure = |times: &[u32]| {
        let sums = whole(times);
        [sums.rmse(), sums.mae(), sums.bias(), sums.correlation(), sums.coverage(), sums.width()]
    };
    let once = vec![1; units.len()];
    let intervals = bootstrap.intervals(units.len(), measure);
    let [rmse, mae, bias, correlation, interval_coverage, interval_width] = estimates(measure(&once), intervals);
    let interval_claimed = whole(&once).claimed_coverage().map(rounded);
    let clips = cases.len();
    (clips > 0).then_some(AgeMeasures {
        clips,
        rmse,
        mae,
        bias,
        correlation,
        interval_coverage,
        interval_width,
        interval_claimed,
    })
}

/// Consecutive numbers, from 0, of the units that occur, in their order.
fn numbered<T>(cases: &[InUnit<'_, T>]) -> BTreeMap<usize, usize> {
    let mut unit: BTreeMap<usize, usize> = cases.iter().map(|(global, _)| (*global, 0)).collect();
    unit.values_mut().enumerate().for_each(|(number, place)| *place = number);
    unit
}

fn estimates<const M: usize>(values: [Option<f64>; M], intervals: [Option<(f64, f64)>; M]) -> [Estimate; M] {
    std::array::from_fn(|k| Estimate::new(values[k], intervals[k]))
}

/// The details of a classification head.
pub(super) fn detail(cases: &[InUnit<'_, ClassCase>], labels: &[String]) -> ClassDetail {
    let sums = ClassSums::of(labels.len(), cases.iter().map(|(_, case)| *case));
    let ranking = Ranking::new(cases.iter().copied());
    let all = 0..labels.len();
    let count = |truth, predicted| sums.count(truth, predicted) as u64;
    let row = |(k, label): (usize, &String)| LabelRow {
        label: label.clone(),
        clips: all.clone().map(|j| count(k, j)).sum(),
        given: all.clone().map(|j| count(j, k)).sum(),
        recall: sums.recall(k).map(rounded),
        precision: sums.precision(k).map(rounded),
    };
    let reliability = sums.calibration().reliability().map(|row| ReliabilityRow {
        low: rounded(row.low),
        high: rounded(row.high),
        clips: row.clips as u64,
        confidence: row.confidence.map(rounded),
        accuracy: row.accuracy.map(rounded),
    });
    let curve = (1..=100).filter_map(|percent| {
        let coverage = f64::from(percent) / 100.0;
        Some(CoverageRow::from((coverage, ranking.at_coverage(coverage)?)))
    });
    ClassDetail {
        labels: labels.to_vec(),
        confusion: all.clone().map(|truth| all.clone().map(|predicted| count(truth, predicted)).collect()).collect(),
        by_label: labels.iter().enumerate().map(row).collect(),
        reliability: reliability.collect(),
        risk_coverage: curve.collect(),
    }
}

/// Constant baselines on the same clips: always the most frequent label, always the mean age.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baselines {
    /// Always the most frequent emotion.
    pub emotion: Option<Majority>,
    /// Always the most frequent gender.
    pub gender: Option<Majority>,
    /// Always the mean age.
    pub age: Option<MeanAge>,
}

/// Always the most frequent label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Majority {
    /// The label; the model's first of several equally frequent ones.
    pub label: String,
    /// Its share of the clips.
    pub accuracy: f64,
    /// One over the number of labels that occur.
    pub uar: f64,
}

/// Always the mean age.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeanAge {
    /// Mean age of the clips.
    pub years: f64,
    /// Standard deviation of the ages.
    pub rmse: f64,
    /// Mean absolute deviation of the ages.
    pub mae: f64,
}

pub(super) fn majority(cases: &[InUnit<'_, ClassCase>], labels: &[String]) -> Option<Majority> {
    let mut counts = vec![0_u32; labels.len()];
    for (_, case) in cases {
        counts[case.truth] += 1;
    }
    let most = *counts.iter().max()?;
    let label = labels[counts.iter().position(|&count| count == most)?].clone();
    let accuracy = ratio(f64::from(most), cases.len() as f64)?;
    let occurring = counts.iter().filter(|count| **count > 0).count();
    Some(Majority { label, accuracy: rounded(accuracy), uar: rounded(1.0 / occurring as f64) })
}

pub(super) fn mean_age(cases: &[InUnit<'_, AgeCase>]) -> Option<MeanAge> {
    let years = ratio(cases.iter().map(|(_, case)| case.truth).sum(), cases.len() as f64)?;
    let constant = |case: &AgeCase| AgeCase { years, ..*case };
    let constants: Vec<AgeCase> = cases.iter().map(|(_, case)| constant(case)).collect();
    let sums = AgeSums::of(&constants);
    Some(MeanAge { years: rounded(years), rmse: rounded(sums.rmse()?), mae: rounded(sums.mae()?) })
}

#[cfg(test)]
mod tests {
    use super::super::classes::tests::case;
    use super::*;
    use crate::engine::Interval;

    const DRAWS: Bootstrap = Bootstrap { draws: 200, seed: 3 };

    fn class_cases() -> Vec<ClassCase> {
        (0..90)
            .map(|i| case(i % 3, &[0.4, f64::from((i * 7 % 50) as u8) / 100.0, f64::from((i * 3 % 41) as u8) / 100.0]))
            .collect()
    }

    /// Golden: scikit-learn and numpy, and intervals from resampled clips
    /// (tools/golden/metrics.py).
    #[test]
    fn metrics_and_intervals_equal_other_implementations() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap();
        let bootstrap = Bootstrap { draws: golden.draws, seed: golden.seed };
        let cases: Vec<_> = golden.clips.iter().map(|clip| case(clip.truth, &clip.probabilities)).collect();
        let cases: Vec<_> = golden.clips.iter().map(|clip| clip.speaker).zip(&cases).collect();
        let measured = serde_json::to_value(measure_classes(&cases, 6, bootstrap).unwrap()).unwrap();
        assert_golden(&measured, &golden.classes);
        let cases: Vec<_> = golden.clips.iter().map(GoldenClip::age_case).collect();
        let cases: Vec<_> = golden.clips.iter().map(|clip| clip.speaker).zip(&cases).collect();
        let measured = serde_json::to_value(measure_ages(&cases, bootstrap).unwrap()).unwrap();
        assert_golden(&measured, &golden.ages);
    }

    fn assert_golden(measured: &serde_json::Value, golden: &BTreeMap<String, [f64; 3]>) {
        assert_eq!(golden.len(), 6);
        for (name, expected) in golden {
            for (key, expected) in ["value", "low", "high"].iter().zip(expected) {
                let is = measured[name][key].as_f64().unwrap();
                // half of the last reported digit, and the rounding of sums
                assert!((is - expected).abs() <= 5.1e-7, "{name} {key}: {is}, expected {expected}");
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        draws: usize,
        seed: u64,
        clips: Vec<GoldenClip>,
        classes: BTreeMap<String, [f64; 3]>,
        ages: BTreeMap<String, [f64; 3]>,
    }

    #[derive(serde::Deserialize)]
    struct GoldenClip {
        speaker: usize,
        truth: usize,
        probabilities: Vec<f64>,
        age: f64,
        years: f64,
        low: f64,
        high: f64,
    }

    impl GoldenClip {
        fn age_case(&self) -> AgeCase {
            let interval = Some(Interval { low_years: self.low, high_years: self.high, coverage: 0.8 });
            AgeCase { truth: self.age, years: self.years, interval }
        }
    }

    #[test]
    fn the_order_of_the_clips_has_no_effect() {
        let cases = class_cases();
        let forth: Vec<_> = cases.iter().enumerate().map(|(i, case)| (i % 9, case)).collect();
        let back: Vec<_> = forth.iter().rev().copied().collect();
        assert_eq!(measure_classes(&forth, 3, DRAWS), measure_classes(&back, 3, DRAWS));
        let labels = ["a", "b", "c"].map(String::from);
        assert_eq!(detail(&forth, &labels), detail(&back, &labels));
    }

    #[test]
    fn intervals_contain_their_value_and_depend_on_the_seed() {
        let cases = class_cases();
        let cases: Vec<_> = cases.iter().enumerate().map(|(i, case)| (i % 9, case)).collect();
        let measured = measure_classes(&cases, 3, DRAWS).unwrap();
        for estimate in [measured.accuracy, measured.uar, measured.nll, measured.aurc] {
            let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(Option::unwrap);
            assert!(low < high && low <= value && value <= high, "{estimate:?}");
        }
        let other = measure_classes(&cases, 3, Bootstrap { seed: 4, ..DRAWS }).unwrap();
        assert_eq!(other.accuracy.value, measured.accuracy.value);
        assert_ne!(other.nll, measured.nll);
    }

    #[test]
    fn one_speaker_has_no_interval_and_no_clips_have_no_metrics() {
        let cases = class_cases();
        let cases: Vec<_> = cases.iter().map(|case| (5, case)).collect();
        let measured = measure_classes(&cases, 3, DRAWS).unwrap();
        assert!(measured.accuracy.value.is_some() && measured.accuracy.low.is_none());
        assert_eq!(measure_classes(&[], 3, DRAWS), None);
        assert_eq!(measure_ages(&[], DRAWS), None);
        assert_eq!((majority(&[], &["a".into()]), mean_age(&[])), (None, None));
    }

    #[test]
    fn baselines_equal_the_best_constants() {
        let cases = [case(1, &[1.0, 0.0]), case(1, &[1.0, 0.0]), case(0, &[1.0, 0.0])];
        let cases: Vec<_> = cases.iter().map(|case| (0, case)).collect();
        let most = majority(&cases, &["a".into(), "b".into()]).unwrap();
        assert_eq!((most.label.as_str(), most.accuracy, most.uar), ("b", 0.666_667, 0.5));
        let ages = [20.0, 40.0].map(|truth| AgeCase { truth, years: 99.0, interval: None });
        let mean = mean_age(&[(0, &ages[0]), (1, &ages[1])]).unwrap();
        assert_eq!((mean.years, mean.rmse, mean.mae), (30.0, 10.0, 10.0));
    }
}
