//! Half-band decimator: halves the sample rate with a short filter, as the first stage of
//! resampling from high rates.
//!
//! ```text
//! y[k] = Σ_i x[i] · h(2k − i)         h: half-band filter (dsp/kaiser.rs), flat up to the frequency to preserve
//! ```
//!
//! The length of a filter is inversely proportional to the width of its transition band. The filter
//! that cuts at the output's Nyquist frequency is long, and at half the rate it has half the
//! weights. The decimator before it only has to remove the frequencies that would alias into the
//! band to preserve: from 48 kHz with 0 to 8 kHz preserved these are 16 to 24 kHz, which leaves a
//! transition band of 8 kHz and needs 12 weights. The long filter removes the frequencies in
//! between. Ripple in the preserved band and residue of the aliases are below −115 dB.
//!
//! y begins before the signal and ends after it, each by the filter's length, so that the two
//! filters in series equal their convolution.

use super::kaiser::half_band;
use crate::kernels::half_band::{halve, reach};

/// Designed attenuation, dB: near f32 precision, and well above that of the next filter.
const STOPBAND_DB: f64 = 120.0;

/// Half-band decimator, planned, with the state of one signal.
#[derive(Clone, Debug)]
pub(crate) struct HalfBandDecimator {
    /// h(1), h(3), h(5) …
    weights: Vec<f32>,
    /// Zeros in `pending` at the start of a signal.
    zeros: usize,
    /// Outputs before the one at the signal's first sample.
    before: usize,
    /// Inputs that later outputs still need.
    pending: Vec<f32>,
    halved: Vec<f32>,
}

impl HalfBandDecimator {
    /// Plans to preserve the frequencies 0 to `keep`, in cycles per input sample, of signals whose
    /// first sample follows `before` inputs. At most `longest` inputs are processed at a time.
    ///
    /// # Panics
    /// If `keep` is 1/4 or more, half the output's sample rate.
    pub(crate) fn new(keep: f64, before: usize, longest: usize) -> Self {
        assert!(keep < 0.25, "{keep} cycles per sample exceed half the output rate");
        let weights = half_band(0.5 - 2.0 * keep, STOPBAND_DB);
        let farthest = 2 * weights.len() - 1;
        let outputs_before = usize::midpoint(before, farthest);
        let zeros = 2 * outputs_before + farthest - before;
        let capacity = reach(weights.len(), 1) + longest;
        let mut decimator = Self {
            weights,
            zeros,
            before: outputs_before,
            pending: Vec::with_capacity(capacity.max(zeros + longest)),
            halved: Vec::with_capacity(capacity / 2 + 1),
        };
        decimator.reset();
        decimator
    }

    /// Outputs before the signal's first sample.
    pub(crate) fn before(&self) -> usize {
        self.before
    }

    /// Zeros needed after the last input to flush the filter.
    pub(crate) fn tail(&self) -> usize {
        reach(self.weights.len(), 1)
    }

    /// Processes the next inputs and returns the outputs that they complete.
    pub(crate) fn run(&mut self, input: &[f32]) -> &[f32] {
        self.pending.extend_from_slice(input);
        let beyond = self.pending.len().checked_sub(reach(self.weights.len(), 1));
        self.halved.resize(beyond.map_or(0, |beyond| 1 + beyond / 2), 0.0);
        halve(&self.pending, &self.weights, &mut self.halved);
        self.pending.drain(..2 * self.halved.len());
        &self.halved
    }

    /// Resets to the start of a signal.
    pub(crate) fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(self.zeros, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::noise;
    use super::*;

    /// The formula over all inputs, of which `before` precede the first sample.
    fn naive(input: &[f32], before: usize, weights: &[f32], k: isize) -> f64 {
        let at = |i: isize| {
            usize::try_from(i + before as isize).ok().and_then(|i| input.get(i)).map_or(0.0, |x| f64::from(*x))
        };
        let beside = weights.iter().zip((1..).step_by(2)).map(|(w, i)| f64::from(*w) * (at(2 * k + i) + at(2 * k - i)));
        0.5 * at(2 * k) + beside.sum::<f64>()
    }

    #[test]
    fn all_outputs_that_differ_from_zero_are_complete() {
        for (keep, before) in [(1.0 / 6.0, 0), (0.18, 7), (1.0 / 24.0, 30), (0.22, 1)] {
            let input = noise(501, 1);
            let mut decimator = HalfBandDecimator::new(keep, before, 600);
            let mut got = decimator.run(&input).to_vec();
            got.extend_from_slice(decimator.run(&vec![0.0; decimator.tail()]));
            let first = -(decimator.before() as isize);
            for (k, got) in (first..).zip(&got) {
                let want = naive(&input, before, &decimator.weights, k);
                assert!((f64::from(*got) - want).abs() < 1e-6, "output {k}: {got} against {want}");
            }
            for k in [first - 1, first + got.len() as isize] {
                assert_eq!(naive(&input, before, &decimator.weights, k), 0.0, "output {k} is missing");
            }
        }
    }

    #[test]
    fn the_chunk_length_changes_neither_bits_nor_capacity() {
        let input = noise(3000, 2);
        let whole = HalfBandDecimator::new(0.17, 3, 3000).run(&input).to_vec();
        for chunk in [1, 2, 7, 64, 1001] {
            let mut decimator = HalfBandDecimator::new(0.17, 3, chunk);
            let memory = |decimator: &HalfBandDecimator| [decimator.pending.capacity(), decimator.halved.capacity()];
            let planned = memory(&decimator);
            let parts: Vec<f32> = input.chunks(chunk).flat_map(|part| decimator.run(part).to_vec()).collect();
            assert_eq!(parts, whole);
            assert_eq!(memory(&decimator), planned, "chunks of {chunk}");
        }
    }
}
