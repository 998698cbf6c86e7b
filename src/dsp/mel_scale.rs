//! The mel scale of perceived pitch, in two variants.
//!
//! Slaney's (Auditory Toolbox, Interval Research technical report 1998-010; librosa's default,
//! `htk=False`) is linear up to 1 kHz, which is mel 15, and logarithmic above, 27 mels for a factor
//! of 6.4:
//!
//! ```text
//! mel(f) = 3 f / 200                             f < 1000 Hz
//!        = 15 + 27 · ln(f / 1000) / ln 6.4       f ≥ 1000 Hz
//! ```
//!
//! HTK's is smooth:
//!
//! ```text
//! mel(f) = 2595 · log10(1 + f / 700)
//! ```
//!
//! Kaldi writes the factor as 1127 · ln, which differs in the fifth digit; a bank of filters at
//! equal distances in mel does not depend on the factor.

/// Variant of the mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MelScale {
    /// Linear to 1 kHz, logarithmic above.
    Slaney,
    /// Logarithm of 1 + f / 700 Hz; also Kaldi's and SpeechBrain's.
    Htk,
}

/// Frequency at which Slaney's scale changes from linear to logarithmic, Hz.
const JOINT_HZ: f64 = 1000.0;
/// mel(1000 Hz).
const JOINT_MEL: f64 = 15.0;
/// Hz per mel below [`JOINT_HZ`].
const HZ_PER_MEL: f64 = 200.0 / 3.0;

/// ln(f) per mel above [`JOINT_HZ`]: ln 6.4 / 27.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

impl MelScale {
    /// Converts Hz to mel.
    pub fn mel(self, hz: f64) -> f64 {
        match self {
            Self::Slaney if hz < JOINT_HZ => hz / HZ_PER_MEL,
            Self::Slaney => JOINT_MEL + (hz / JOINT_HZ).ln() / log_step(),
            Self::Htk => 2595.0 * (hz / 700.0).ln_1p() / std::f64::consts::LN_10,
        }
    }

    /// Converts mel to Hz.
    pub fn hz(self, mel: f64) -> f64 {
        match self {
            Self::Slaney if mel < JOINT_MEL => mel * HZ_PER_MEL,
            Self::Slaney => JOINT_HZ * ((mel - JOINT_MEL) * log_step()).exp(),
            Self::Htk => 700.0 * (mel * std::f64::consts::LN_10 / 2595.0).exp_m1(),
        }
    }

    /// Returns `n_mels + 2` equidistant points in mel from `f_min_hz` to `f_max_hz`. Band b is
    /// centred at point b + 1.
    pub fn points(self, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> impl Iterator<Item = f64> {
        let (low, high) = (self.mel(f_min_hz), self.mel(f_max_hz));
        let step = (high - low) / (n_mels + 1) as f64;
        (0..n_mels + 2).map(move |i| low + step * i as f64)
    }

    /// Returns the same points in Hz.
    pub fn points_hz(self, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Vec<f64> {
        self.points(n_mels, f_min_hz, f_max_hz).map(|mel| self.hz(mel)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_their_fixed_points_and_invert() {
        approx::assert_relative_eq!(MelScale::Slaney.mel(1000.0), 15.0);
        approx::assert_relative_eq!(MelScale::Slaney.mel(200.0), 3.0);
        approx::assert_relative_eq!(MelScale::Slaney.mel(6400.0), 42.0, max_relative = 1e-12);
        approx::assert_relative_eq!(MelScale::Htk.mel(700.0), 2595.0 * 2.0f64.log10(), max_relative = 1e-12);
        approx::assert_relative_eq!(MelScale::Htk.mel(6300.0), 2595.0, max_relative = 1e-12);
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hz in [0.0, 1.0, 999.999, 1000.0, 1000.001, 8000.0, 22_050.0] {
                approx::assert_relative_eq!(scale.hz(scale.mel(hz)), hz, max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn points_reach_from_end_to_end_at_equal_distances() {
        let points: Vec<f64> = MelScale::Htk.points(23, 20.0, 7600.0).collect();
        assert_eq!(points.len(), 25);
        for pair in points.windows(2) {
            approx::assert_relative_eq!(pair[1] - pair[0], (points[24] - points[0]) / 24.0, max_relative = 1e-9);
        }
        let hz = MelScale::Htk.points_hz(23, 20.0, 7600.0);
        approx::assert_relative_eq!(hz[0], 20.0, max_relative = 1e-12);
        approx::assert_relative_eq!(hz[24], 7600.0, max_relative = 1e-12);
    }
}
