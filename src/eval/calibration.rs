//! Expected calibration error (ECE) and the reliability table.
//!
//! Guo et al. 2017, "On calibration of modern neural networks", eq. 3: the clips are sorted into
//! [`BINS`] bins of equal width by the confidence of the predicted label, bin `i` being `(i / BINS,
//! (i + 1) / BINS]`, and
//!
//! ```text
//! ECE = Σᵢ clipsᵢ / clips · |accuracyᵢ − mean confidenceᵢ|
//! ```

use super::ratio::ratio;

/// Number of bins.
pub const BINS: usize = 15;

/// Sums of one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    clips: f64,
    correct: f64,
    confidence: f64,
}

/// Sums of all bins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    bins: [Bin; BINS],
}

/// A row of the reliability table: the clips of one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reliability {
    /// Lower edge of the bin, excluded.
    pub low: f64,
    /// Upper edge, included.
    pub high: f64,
    /// Number of clips.
    pub clips: f64,
    /// Their mean confidence; `None` of no clips.
    pub confidence: Option<f64>,
    /// Share that is correct; `None` of no clips.
    pub accuracy: Option<f64>,
}

impl Calibration {
    pub(super) fn add(&mut self, confidence: f64, correct: bool) {
        let bin = &mut self.bins[bin_of(confidence)];
        bin.clips += 1.0;
        bin.confidence += confidence;
        bin.correct += f64::from(u8::from(correct));
    }

    pub(super) fn add_times(&mut self, other: &Self, times: f64) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.clips += times * more.clips;
            bin.confidence += times * more.confidence;
            bin.correct += times * more.correct;
        }
    }

    /// Expected calibration error; `None` of no clips.
    pub fn ece(&self) -> Option<f64> {
        let gap = self.bins.iter().map(|bin| (bin.correct - bin.confidence).abs()).sum();
        ratio(gap, self.bins.iter().map(|bin| bin.clips).sum())
    }

    /// One row per bin, in ascending order of confidence.
    pub fn reliability(&self) -> impl Iterator<Item = Reliability> + '_ {
        self.bins.iter().enumerate().map(|(i, bin)| Reliability {
            low: i as f64 / BINS as f64,
            high: (i + 1) as f64 / BINS as f64,
            clips: bin.clips,
            confidence: ratio(bin.confidence, bin.clips),
            accuracy: ratio(bin.correct, bin.clips),
        })
    }
}

/// Index of the bin of a confidence in [0, 1]; 0 is in the first.
fn bin_of(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bin_below() {
        assert_eq!([0.0, 1e-9, 0.2, 0.200_000_1, 0.999, 1.0].map(bin_of), [0, 0, 2, 3, 14, 14]);
    }

    #[test]
    fn ece_equals_the_definition() {
        let mut calibration = Calibration::default();
        // one bin of three clips, two correct, confidence 0.75; one of one clip, wrong, 0.95
        for (confidence, correct) in [(0.74, true), (0.75, true), (0.76, false), (0.95, false)] {
            calibration.add(confidence, correct);
        }
        let expected = 3.0 / 4.0 * (0.75_f64 - 2.0 / 3.0).abs() + 1.0 / 4.0 * 0.95;
        approx::assert_abs_diff_eq!(calibration.ece().unwrap(), expected, epsilon = 1e-15);
        let rows: Vec<_> = calibration.reliability().filter(|row| row.clips > 0.0).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].clips, rows[0].accuracy), (3.0, Some(2.0 / 3.0)));
        assert!(rows[0].low < 0.74 && rows[0].high >= 0.76);
    }

    #[test]
    fn confidence_one_half_at_accuracy_one_half_is_calibrated() {
        let mut calibration = Calibration::default();
        (0..10).for_each(|i| calibration.add(0.5, i % 2 == 0));
        assert_eq!(calibration.ece(), Some(0.0));
        assert_eq!(Calibration::default().ece(), None);
    }
}
