//! Mel-frequency cepstral coefficients: the orthonormal DCT-II of each frame of the log-mel
//! spectrogram.
//!
//! ```text
//! mfcc[t, k] = DCT(logmel[t, ·])[k]        k = 0 .. n_mfcc − 1
//! ```
//!
//! Equal to `librosa.feature.mfcc(S=logmel)` with [`super::logmel`]'s spectrogram, which is
//! relative to the clip's loudest band. Edges and bad samples as there; digital silence (0 dB
//! throughout) gives 0 throughout.

use super::dct::Dct;
use super::invalid_option::{InvalidOption, within};
use super::logmel::{LogMel, LogMelOptions};

/// Options of the MFCC. `Default` is 40 coefficients of the default log-mel spectrogram.
#[derive(Clone, Debug, PartialEq)]
pub struct MfccOptions {
    /// Number of coefficients, from number 0 on (librosa's `n_mfcc`), at most `logmel.n_mels`.
    /// Default 40.
    pub n_mfcc: usize,
    /// The log-mel spectrogram.
    pub logmel: LogMelOptions,
}

impl Default for MfccOptions {
    fn default() -> Self {
        Self { n_mfcc: 40, logmel: LogMelOptions::default() }
    }
}

/// MFCC, planned, with its scratch memory.
#[derive(Clone, Debug)]
pub struct Mfcc {
    logmel: LogMel,
    dct: Dct,
    coefficients: usize,
    spectrogram: Vec<f32>,
}

impl Mfcc {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: MfccOptions) -> Result<Self, InvalidOption> {
        let MfccOptions { n_mfcc, logmel } = options;
        let logmel = LogMel::new(logmel).map_err(|invalid| invalid.inside("logmel"))?;
        within("n_mfcc", n_mfcc, 1..=logmel.bands())?;
        Ok(Self { dct: Dct::new(logmel.bands(), n_mfcc), logmel, coefficients: n_mfcc, spectrogram: Vec::new() })
    }

    /// Number of frames of `n_samples`: 1 + floor(n_samples / hop_length).
    pub fn frames(&self, n_samples: usize) -> usize {
        self.logmel.frames(n_samples)
    }

    /// Number of coefficients: n_mfcc.
    pub fn coefficients(&self) -> usize {
        self.coefficients
    }

    /// Replaces `out` by the features of `samples` `[n]`: `[frames, n_mfcc]`. Allocates nothing
    /// once the buffers have grown to the clip's length.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.logmel.run(samples, &mut self.spectrogram);
        out.resize(self.frames(samples.len()) * self.coefficients, 0.0);
        let rows = self.spectrogram.chunks_exact(self.logmel.bands());
        for (coefficients, row) in out.chunks_exact_mut(self.coefficients).zip(rows) {
            self.dct.run(row, coefficients);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, noise};
    use super::*;

    fn run(samples: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Mfcc::new(MfccOptions::default()).unwrap().run(samples, &mut out);
        out
    }

    /// A frame of values down to −80 dB has a first coefficient of up to 80 · √128 = 905, so 0.001
    /// is f32 rounding of log-mel and DCT.
    fn assert_equal(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            approx::assert_abs_diff_eq!(f64::from(*g), *w, epsilon = 1e-3);
        }
    }

    #[test]
    fn equals_the_reference() {
        for n in [0, 1, 255, 256, 5000] {
            let samples = noise(n, 20);
            assert_equal(&run(&samples), &reference::mfcc(&samples, &MfccOptions::default()));
        }
    }

    #[test]
    fn equals_numpy() {
        let want: Vec<f64> = reference::golden("mfcc").into_iter().map(f64::from).collect();
        assert_equal(&run(&reference::golden("samples")), &want);
    }

    #[test]
    fn silence_is_zero_and_bad_samples_are_nan() {
        assert!(run(&[0.0; 2000]).iter().all(|c| *c == 0.0));
        assert!(run(&[f32::NAN; 2000]).iter().all(|c| c.is_nan()));
    }

    #[test]
    fn a_reused_plan_equals_a_new_one() {
        let mut plan = Mfcc::new(MfccOptions::default()).unwrap();
        let mut out = Vec::new();
        for n in [48_000, 0, 700, 9000] {
            out.fill(f32::NAN);
            plan.spectrogram.fill(f32::NAN);
            plan.run(&noise(n, 21), &mut out);
            assert_eq!(out, run(&noise(n, 21)));
            assert_eq!(out.len(), plan.frames(n) * plan.coefficients());
        }
    }

    #[test]
    fn invalid_options_are_named() {
        for n_mfcc in [0, 129] {
            let message = Mfcc::new(MfccOptions { n_mfcc, ..Default::default() }).unwrap_err().to_string();
            assert!(message.contains(&format!("`n_mfcc` is {n_mfcc}")), "{message}");
        }
        let logmel = LogMelOptions { hop_length: 0, ..Default::default() };
        assert!(Mfcc::new(MfccOptions { logmel, ..Default::default() }).is_err());
    }
}
