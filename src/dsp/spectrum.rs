//! Power spectrum of one frame.
//!
//! ```text
//! P[k] = | Σ_i x[i] · exp(−2πj · k · i / n_fft) |²        k = 0 .. n_fft / 2
//! ```
//!
//! Bin k is at k · sample_rate_hz / n_fft Hz. No scaling by length or window (librosa's and numpy's
//! convention).

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Maximum FFT length that options may state, samples: 4 s at 16 kHz. Bounds the memory.
pub(super) const MAX_N_FFT: usize = 1 << 16;

/// FFT plan for frames of one length, with its scratch memory.
#[derive(Clone)]
pub struct PowerSpectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl PowerSpectrum {
    /// Plans the transform of frames of `n_fft` samples (any length of at least 1; powers of two
    /// are fastest).
    pub fn new(n_fft: usize) -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n_fft);
        Self { spectrum: fft.make_output_vec(), scratch: fft.make_scratch_vec(), fft }
    }

    /// Number of bins: n_fft / 2 + 1.
    pub fn bins(&self) -> usize {
        self.spectrum.len()
    }

    /// Writes the power spectrum of `frame` `[n_fft]` to `power` `[bins]`. `frame` is overwritten.
    ///
    /// # Panics
    /// If a length differs from the planned one.
    pub fn run(&mut self, frame: &mut [f32], power: &mut [f32]) {
        assert_eq!(
            (frame.len(), power.len()),
            (self.fft.len(), self.bins()),
            "frame and spectrum have the planned lengths"
        );
        let done = self.fft.process_with_scratch(frame, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok(), "lengths were checked above");
        for (p, z) in power.iter_mut().zip(&self.spectrum) {
            *p = z.norm_sqr();
        }
    }
}

impl fmt::Debug for PowerSpectrum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerSpectrum").field("n_fft", &self.fft.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, noise};
    use super::*;

    #[test]
    fn equals_the_dft_matrix() {
        for n_fft in [2, 4, 6, 30, 64, 400, 512, 1024] {
            let frame = noise(n_fft, 7);
            let exact = reference::dft_power(&frame.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
            let energy: f64 = exact.iter().sum();
            let mut plan = PowerSpectrum::new(n_fft);
            let mut power = vec![f32::NAN; plan.bins()];
            plan.run(&mut frame.clone(), &mut power);
            assert_eq!(power.len(), exact.len());
            for (got, want) in power.iter().zip(&exact) {
                // Rounding of the transform: a few 2⁻²⁴ of the frame's amplitude, in each bin.
                let tolerance = 1e-6 * (want * energy).sqrt() + 1e-12 * energy;
                assert!((f64::from(*got) - want).abs() < tolerance, "n_fft {n_fft}: {got} against {want}");
            }
        }
    }

    #[test]
    fn a_cosine_on_a_bin_appears_only_in_that_bin() {
        let mut frame: Vec<f32> = (0..64).map(|i| (2.0 * std::f32::consts::PI * 5.0 * i as f32 / 64.0).cos()).collect();
        let mut plan = PowerSpectrum::new(64);
        let mut power = vec![0.0; 33];
        plan.run(&mut frame, &mut power);
        approx::assert_relative_eq!(power[5], 32.0 * 32.0, max_relative = 1e-5);
        assert!(power.iter().enumerate().all(|(k, p)| k == 5 || *p < 1e-6));
    }

    #[test]
    #[should_panic(expected = "planned lengths")]
    fn a_wrong_length_panics() {
        PowerSpectrum::new(64).run(&mut [0.0; 63], &mut [0.0; 33]);
    }
}
