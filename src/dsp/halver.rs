//! Half the sample rate by a short filter: the first step down from rates far above the wanted one.
//!
//! ```text
//! y[k] = Σ_i x[i] · h(2k − i)         h: half-band filter (dsp/kaiser.rs), flat up to the frequency that is to be kept
//! ```
//!
//! A filter's length follows the width of its transition. The one that cuts at the wanted rate's edge is long, and at half the rate it has half the weights. So
//! that it can work there, what halving would fold onto what is kept goes first: from 48 kHz, with 0 to 8 kHz to be kept, that is 16 to 24 kHz, a transition of
//! 8 kHz, 12 weights. What lies between is left to the long filter. Pass band and folded frequencies are away from 1 and 0 by under −115 dB.
//!
//! y begins before the signal does, by the filter's length, and ends after it, so that the next filter sees the same as if both were one.

use super::kaiser::half_band;
use crate::kernels::half_band::{halve, reach};

/// Attenuation designed for, dB: as f32 rounds, and well beyond that of the filter that comes after.
const STOPBAND_DB: f64 = 120.0;

/// A plan, and the state of one signal that runs through it.
#[derive(Clone, Debug)]
pub(crate) struct Halver {
    /// At the odd distances 1, 3, 5 … from the centre.
    weights: Vec<f32>,
    /// Zeros that stand in `pending` at the start of a signal.
    zeros: usize,
    /// Outputs before the one that lies at the signal's first sample.
    before: usize,
    /// Inputs not yet done with.
    pending: Vec<f32>,
    halved: Vec<f32>,
}

impl Halver {
    /// To keep 0 to `keep`, in cycles per input sample, of signals of which `before` inputs come ahead of the first sample. `longest` inputs come at a time at most.
    ///
    /// # Panics
    /// If `keep` is 1/4 or more: it would not be kept by any halving.
    pub(crate) fn new(keep: f64, before: usize, longest: usize) -> Self {
        assert!(keep < 0.25, "{keep} cycles per sample are beyond half the rate");
        let weights = half_band(0.5 - 2.0 * keep, STOPBAND_DB);
        let farthest = 2 * weights.len() - 1;
        let outputs_before = usize::midpoint(before, farthest);
        let zeros = 2 * outputs_before + farthest - before;
        let room = reach(weights.len(), 1) + longest;
        let mut halver = Self {
            weights,
            zeros,
            before: outputs_before,
            pending: Vec::with_capacity(room.max(zeros + longest)),
            halved: Vec::with_capacity(room / 2 + 1),
        };
        halver.reset();
        halver
    }

    /// Outputs that come ahead of the signal's first sample.
    pub(crate) fn before(&self) -> usize {
        self.before
    }

    /// Zeros after the last input that bring out all that the filter makes of the signal.
    pub(crate) fn tail(&self) -> usize {
        reach(self.weights.len(), 1)
    }

    /// Takes the next inputs: the outputs that they complete.
    pub(crate) fn run(&mut self, input: &[f32]) -> &[f32] {
        self.pending.extend_from_slice(input);
        let beyond = self.pending.len().checked_sub(reach(self.weights.len(), 1));
        self.halved.resize(beyond.map_or(0, |beyond| 1 + beyond / 2), 0.0);
        halve(&self.pending, &self.weights, &mut self.halved);
        self.pending.drain(..2 * self.halved.len());
        &self.halved
    }

    /// As new.
    pub(crate) fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(self.zeros, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::noise;
    use super::*;

    /// The formula over all inputs; `before` of them come ahead of the first sample.
    fn naive(input: &[f32], before: usize, weights: &[f32], k: isize) -> f64 {
        let at = |i: isize| {
            usize::try_from(i + before as isize).ok().and_then(|i| input.get(i)).map_or(0.0, |x| f64::from(*x))
        };
        let beside = weights.iter().zip((1..).step_by(2)).map(|(w, i)| f64::from(*w) * (at(2 * k + i) + at(2 * k - i)));
        0.5 * at(2 * k) + beside.sum::<f64>()
    }

    #[test]
    fn nothing_of_what_the_filter_makes_is_missing() {
        for (keep, before) in [(1.0 / 6.0, 0), (0.18, 7), (1.0 / 24.0, 30), (0.22, 1)] {
            let input = noise(501, 1);
            let mut halver = Halver::new(keep, before, 600);
            let mut got = halver.run(&input).to_vec();
            got.extend_from_slice(halver.run(&vec![0.0; halver.tail()]));
            let first = -(halver.before() as isize);
            for (k, got) in (first..).zip(&got) {
                let want = naive(&input, before, &halver.weights, k);
                assert!((f64::from(*got) - want).abs() < 1e-6, "output {k}: {got} against {want}");
            }
            for k in [first - 1, first + got.len() as isize] {
                assert_eq!(naive(&input, before, &halver.weights, k), 0.0, "output {k} is missing");
            }
        }
    }

    #[test]
    fn chunks_change_no_bit_and_no_memory() {
        let input = noise(3000, 2);
        let whole = Halver::new(0.17, 3, 3000).run(&input).to_vec();
        for chunk in [1, 2, 7, 64, 1001] {
            let mut halver = Halver::new(0.17, 3, chunk);
            let memory = |halver: &Halver| [halver.pending.capacity(), halver.halved.capacity()];
            let planned = memory(&halver);
            let parts: Vec<f32> = input.chunks(chunk).flat_map(|part| halver.run(part).to_vec()).collect();
            assert_eq!(parts, whole);
            assert_eq!(memory(&halver), planned, "chunks of {chunk}");
        }
    }
}
