//! Classification metrics (accuracy, recall, F1, negative log-likelihood), computed from sums over
//! clips.
//!
//! Every metric is a function of a few sums, and sums over clips add up to sums over speakers, so
//! that the bootstrap can resample speakers without reading the clips again.

use super::calibration::Calibration;
use super::prediction::ClassPrediction;
use super::ratio::{mean, ratio};

/// Probabilities are rounded to a millionth; one that is rounded to 0 counts as half of that, so
/// that the likelihood stays finite.
pub const PROBABILITY_FLOOR: f64 = 5e-7;

/// True label and prediction of one clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassCase {
    /// Index of the true label.
    pub truth: usize,
    /// Index of the predicted label.
    pub predicted: usize,
    /// Probability of the predicted label.
    pub confidence: f64,
    /// `−ln p(truth)`, natural logarithm, `p` at least [`PROBABILITY_FLOOR`].
    pub nll: f64,
}

impl ClassCase {
    /// `None` for a prediction without these labels.
    pub fn new(truth: usize, prediction: &ClassPrediction) -> Option<Self> {
        let confidence = *prediction.probabilities.get(prediction.label)?;
        let nll = -prediction.probabilities.get(truth)?.max(PROBABILITY_FLOOR).ln();
        Some(Self { truth, predicted: prediction.label, confidence, nll })
    }

    /// Whether the predicted label is the true one.
    pub fn correct(&self) -> bool {
        self.truth == self.predicted
    }
}

/// Sums over clips.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassSums {
    classes: usize,
    /// `[truth, predicted]`, clips.
    confusion: Vec<f64>,
    nll: f64,
    calibration: Calibration,
}

impl ClassSums {
    /// Sums over no clips, for this number of labels.
    pub fn new(classes: usize) -> Self {
        Self { classes, confusion: vec![0.0; classes * classes], nll: 0.0, calibration: Calibration::default() }
    }

    /// Sums over these clips.
    pub fn of<'a>(classes: usize, cases: impl IntoIterator<Item = &'a ClassCase>) -> Self {
        let mut sums = Self::new(classes);
        cases.into_iter().for_each(|case| sums.add(case));
        sums
    }

    /// Adds one clip.
    pub fn add(&mut self, case: &ClassCase) {
        self.confusion[case.truth * self.classes + case.predicted] += 1.0;
        self.nll += case.nll;
        self.calibration.add(case.confidence, case.correct());
    }

    /// Adds other sums, multiplied by `times`.
    pub fn add_times(&mut self, other: &Self, times: f64) {
        self.confusion.iter_mut().zip(&other.confusion).for_each(|(sum, x)| *sum += times * x);
        self.nll += times * other.nll;
        self.calibration.add_times(&other.calibration, times);
    }

    /// Number of clips.
    pub fn clips(&self) -> f64 {
        self.confusion.iter().sum()
    }

    /// Number of clips with this true and this predicted label.
    pub fn count(&self, truth: usize, predicted: usize) -> f64 {
        self.confusion[truth * self.classes + predicted]
    }

    /// Calibration of the predicted label's confidence.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    fn truths(&self, class: usize) -> f64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    fn predictions(&self, class: usize) -> f64 {
        (0..self.classes).map(|truth| self.count(truth, class)).sum()
    }

    /// `correct / clips`. `None` of no clips, here and below.
    pub fn accuracy(&self) -> Option<f64> {
        ratio((0..self.classes).map(|class| self.count(class, class)).sum(), self.clips())
    }

    /// Share of a label's clips that are predicted as it; `None` for a label that does not occur.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.truths(class))
    }

    /// Share of the clips predicted as a label that have it; `None` for a label that is not
    /// predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.predictions(class))
    }

    /// Unweighted average recall (balanced accuracy): mean recall of the labels that occur.
    pub fn uar(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.recall(class)))
    }

    /// Macro F1: the mean, over the labels that occur or are predicted, of
    ///
    /// ```text
    /// F1 = 2 · correct / (occurring + predicted)
    /// ```
    pub fn macro_f1(&self) -> Option<f64> {
        mean(
            (0..self.classes).filter_map(|class| {
                ratio(2.0 * self.count(class, class), self.truths(class) + self.predictions(class))
            }),
        )
    }

    /// Mean negative log-likelihood (NLL) of the true label, in nats.
    pub fn nll(&self) -> Option<f64> {
        ratio(self.nll, self.clips())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::eval) fn case(truth: usize, probabilities: &[f64]) -> ClassCase {
        let label =
            (0..probabilities.len()).fold(0, |best, k| if probabilities[k] > probabilities[best] { k } else { best });
        ClassCase::new(truth, &ClassPrediction { label, probabilities: probabilities.to_vec() }).unwrap()
    }

    #[test]
    fn perfect_predictions_are_perfect() {
        let cases: Vec<_> = (0..3).map(|k| case(k, &[0, 1, 2].map(|j| f64::from(u8::from(j == k))))).collect();
        let sums = ClassSums::of(3, &cases);
        assert_eq!([sums.accuracy(), sums.uar(), sums.macro_f1()], [Some(1.0); 3]);
        assert_eq!((sums.nll(), sums.calibration().ece()), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn a_constant_prediction_has_chance_recall() {
        let cases: Vec<_> = [0, 0, 0, 1, 2, 2].iter().map(|&truth| case(truth, &[0.6, 0.3, 0.1])).collect();
        let sums = ClassSums::of(3, &cases);
        assert_eq!((sums.accuracy(), sums.uar()), (Some(0.5), Some(1.0 / 3.0)));
        approx::assert_abs_diff_eq!(sums.macro_f1().unwrap(), 2.0 / 3.0 / 3.0, epsilon = 1e-15);
        assert_eq!((sums.recall(1), sums.precision(1)), (Some(0.0), None));
    }

    #[test]
    fn one_class_and_no_clips_are_handled() {
        let one = ClassSums::of(3, &[case(1, &[0.1, 0.9, 0.0]), case(1, &[0.5, 0.4, 0.1])]);
        assert_eq!((one.accuracy(), one.uar(), one.recall(0)), (Some(0.5), Some(0.5), None));
        let none = ClassSums::new(3);
        assert_eq!([none.accuracy(), none.uar(), none.macro_f1(), none.nll(), none.calibration().ece()], [None; 5]);
    }

    #[test]
    fn a_probability_of_zero_is_finite() {
        assert_eq!(case(1, &[1.0, 0.0]).nll, -PROBABILITY_FLOOR.ln());
        assert!(ClassCase::new(2, &ClassPrediction { label: 0, probabilities: vec![1.0, 0.0] }).is_none());
    }

    #[test]
    fn sums_of_parts_are_the_sums_of_the_whole() {
        let cases: Vec<_> = (0..40).map(|i| case(i % 3, &[0.5, f64::from(i as u8) / 41.0, 0.2])).collect();
        let whole = ClassSums::of(3, &cases);
        let mut parts = ClassSums::of(3, &cases[..7]);
        parts.add_times(&ClassSums::of(3, &cases[7..]), 1.0);
        assert_eq!((whole.accuracy(), whole.macro_f1()), (parts.accuracy(), parts.macro_f1()));
        approx::assert_abs_diff_eq!(whole.nll().unwrap(), parts.nll().unwrap(), epsilon = 1e-14);
        let mut twice = ClassSums::new(3);
        twice.add_times(&whole, 2.0);
        assert_eq!((twice.clips(), twice.uar()), (80.0, whole.uar()));
        approx::assert_abs_diff_eq!(
            twice.calibration().ece().unwrap(),
            whole.calibration().ece().unwrap(),
            epsilon = 1e-14
        );
    }
}
