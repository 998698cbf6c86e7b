//! Analysis windows: the periodic ones of librosa and PyTorch, and the symmetric ones of Kaldi.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The periodic Hann window `[n]`: one period of a raised cosine, whose next sample would be the first again.
///
/// ```text
/// w[i] = ½ − ½ cos(2π i / n)
/// ```
///
/// Periodic (divided by n, not n − 1) is what spectral analysis wants and what librosa (`fftbins=True`) and
/// `torch.hann_window` give by default. `n` = 0 gives an empty window.
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

/// Kaldi's windows. They are symmetric: with φ = 2π i / (n − 1), sample i equals sample n − 1 − i.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowType {
    /// `(½ − ½ cos φ)^0.85`: Hann's, a little wider, still 0 at the ends. Kaldi's default.
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
    /// All of them, with the names that Kaldi's option `window-type` takes.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("povey", Self::Povey),
        ("hamming", Self::Hamming),
        ("hanning", Self::Hanning),
        ("rectangular", Self::Rectangular),
        ("blackman", Self::Blackman),
    ];

    /// The window's `n` samples, `n` at least 2 (there is no φ for one sample: it comes out as NaN).
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

impl fmt::Display for WindowType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMED.iter().find(|(_, window)| window == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for WindowType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, window)| *window).ok_or_else(|| {
            let known = Self::NAMED.map(|(name, _)| name).join(", ");
            Error::Config(format!("option `window_type` is `{name}`, expected one of {known}"))
        })
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
    fn copies_half_a_window_apart_add_up_to_one() {
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

    /// Ends and middle of an odd window, where the cosines are −1, 0 and 1.
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
            let turned: Vec<f32> = w.iter().rev().copied().collect();
            for (a, b) in w.iter().zip(&turned) {
                approx::assert_abs_diff_eq!(a, b, epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn names_turn_back_and_an_unknown_one_is_named() {
        for (name, window) in WindowType::NAMED {
            assert_eq!((name.parse::<WindowType>().unwrap(), window.to_string()), (window, name.to_owned()));
        }
        let message = "sine".parse::<WindowType>().unwrap_err().to_string();
        assert!(message.contains("`sine`") && message.contains("povey"), "{message}");
    }
}
