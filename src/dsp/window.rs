//! Analysis windows of the STFT: the periodic ones of librosa and PyTorch, and the symmetric ones
//! of Kaldi.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The periodic Hann window `[n]`: one period of a raised cosine.
///
/// ```text
/// w[i] = ½ − ½ cos(2π i / n)
/// ```
///
/// Periodic (divided by n, not n − 1), as in librosa (`fftbins=True`) and `torch.hann_window` by
/// default. `n` = 0 gives an empty window.
pub fn hann_periodic(n: usize) -> Vec<f32> {
    (0..n).map(|i| (0.5 - 0.5 * (2.0 * PI * i as f64 / n as f64).cos()) as f32).collect()
}

/// The periodic Hamming window `[n]` (`torch.hamming_window`, PyTorch's defaults).
///
/// ```text
/// w[i] = 0.54 − 0.46 cos(2π i / n)
/// ```
pub fn hamming_periodic(n: usize) -> Vec<f32> {
    (0..n).map(|i| (0.54 - 0.46 * (2.0 * PI * i as f64 / n as f64).cos()) as f32).collect()
}

/// Kaldi's windows, with φ = 2π i / (n − 1). They are symmetric: sample i equals sample n − 1 − i.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowType {
    /// `(½ − ½ cos φ)^0.85`: slightly wider than Hann's, 0 at the ends. Kaldi's default.
    #[default]
    Povey,
    /// `0.54 − 0.46 cos φ`.
    Hamming,
    /// `½ − ½ cos φ`.
    Hanning,
    /// 1.
    Rectangular,
    /// `c − ½ cos φ + (½ − c) cos 2φ`, where c is `blackman_coeff`.
    Blackman,
}

impl WindowType {
    /// The window `[n]`, with `n` at least 2 (for one sample φ is undefined and the result NaN).
    pub fn samples(self, n: usize, blackman_coeff: f32) -> Vec<f32> {
        let c = f64::from(blackman_coeff);
        let weight = |i: usize| {
            let phi = 2.0 * PI * i as f64 / (n as f64 - 1.0);
            match self {
                Self::Povey => (0.5 - 0.5 * phi.cos()).powf(0.85),
                Self::Hamming => 0.54 - 0.46 * phi.cos(),
                Self::Hanning => 0.5 - 0.5 * phi.cos(),
                Self::Rectangular => 1.0,
                Self::Blackman => c - 0.5 * phi.cos() + (0.5 - c) * (2.0 * phi).cos(),
            }
        };
        (0..n).map(|i| weight(i) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let w = hann_periodic(8);
        let half = std::f64::consts::FRAC_1_SQRT_2 / 2.0;
        let want = [0.0, 0.5 - half, 0.5, 0.5 + half, 1.0, 0.5 + half, 0.5, 0.5 - half];
        for (got, want) in w.iter().zip(want) {
            approx::assert_abs_diff_eq!(f64::from(*got), want, epsilon = 1e-7);
        }
    }

    #[test]
    fn overlap_add_at_half_the_length_is_one() {
        let w = hann_periodic(1024);
        for i in 0..512 {
            approx::assert_abs_diff_eq!(w[i] + w[i + 512], 1.0, epsilon = 1e-6);
        }
    }

    #[test]
    fn empty_and_single() {
        assert!(hann_periodic(0).is_empty());
        assert_eq!(hann_periodic(1), [0.0]);
    }

    #[test]
    fn hamming_is_a_raised_hann() {
        for (hamming, hann) in hamming_periodic(400).into_iter().zip(hann_periodic(400)) {
            approx::assert_abs_diff_eq!(hamming, 0.08 + 0.92 * hann, epsilon = 1e-6);
        }
        assert!(hamming_periodic(0).is_empty());
    }

    /// Ends, quarters and middle of a window of odd length, where the cosines are −1, 0 and 1.
    #[test]
    fn kaldis_windows_have_their_values_and_are_symmetric() {
        let quarter = 0.5f32.powf(0.85);
        for (window, end, quarter_way, middle) in [
            (WindowType::Povey, 0.0, quarter, 1.0),
            (WindowType::Hamming, 0.08, 0.54, 1.0),
            (WindowType::Hanning, 0.0, 0.5, 1.0),
            (WindowType::Rectangular, 1.0, 1.0, 1.0),
            (WindowType::Blackman, 0.0, 0.34, 1.0),
        ] {
            let w = window.samples(401, 0.42);
            for (i, want) in [(0, end), (100, quarter_way), (200, middle), (300, quarter_way), (400, end)] {
                approx::assert_abs_diff_eq!(w[i], want, epsilon = 1e-6);
            }
            let reversed: Vec<f32> = w.iter().rev().copied().collect();
            for (a, b) in w.iter().zip(&reversed) {
                approx::assert_abs_diff_eq!(a, b, epsilon = 1e-6);
            }
        }
    }
}
