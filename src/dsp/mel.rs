//! Triangular mel filter banks: librosa's (Slaney), Kaldi's and SpeechBrain's.
//!
//! ```text
//! out[b] = Σ_k w[b, k] · P[k]
//! w[b, k] = h[b] · max(0, min((x_k − low[b]) / (peak[b] − low[b]), (high[b] − x_k) / (high[b] − peak[b])))
//! ```
//!
//! with bin k at f_k = k · sample_rate_hz / n_fft. p are `n_mels + 2` equidistant points in mel
//! from the lower to the upper edge:
//!
//! | filter bank | scale | x_k, low, peak, high | h |
//! |---|---|---|---|
//! | [`MelBank::slaney`] (librosa: `htk=False, norm="slaney"`) | Slaney's | Hz: f_k, and `p[b]`, `p[b + 1]`, `p[b + 2]` in Hz | 2 / (high − low): area 1 over Hz |
//! | [`MelBank::kaldi`] | HTK's | mel: mel(f_k), and `p[b]`, `p[b + 1]`, `p[b + 2]` | 1 |
//! | [`MelBank::speechbrain`] | HTK's | Hz: f_k, and peak − d, `p[b + 1]` in Hz, peak + d, where d is the distance to `p[b]` in Hz | 1 |
//!
//! So Kaldi's triangles are linear in mel, and SpeechBrain's are symmetric in Hz.

use super::mel_scale::MelScale;
use crate::kernels::lanes::Lanes;
use crate::kernels::lanes::banded_matrix::BandedMatrix;

/// One triangular filter, on the axis of its bank (Hz or mel).
#[derive(Clone, Copy, Debug)]
struct Triangle {
    low: f64,
    peak: f64,
    high: f64,
    height: f64,
}

impl Triangle {
    fn at(&self, x: f64) -> f64 {
        let rising = (x - self.low) / (self.peak - self.low);
        let falling = (self.high - x) / (self.high - self.peak);
        rising.min(falling).max(0.0) * self.height
    }
}

/// Filter bank `[n_mels, bins]`, stored without its zeros (98 % at 128 bands and 513 bins).
#[derive(Clone, Debug)]
pub struct MelBank {
    matrix: BandedMatrix,
    empty_band: Option<usize>,
}

/// Frequencies of the bins of an `n_fft`-point spectrum, Hz.
fn bins_hz(sample_rate_hz: f64, n_fft: usize) -> impl Iterator<Item = f64> {
    (0..=n_fft / 2).map(move |k| k as f64 * sample_rate_hz / n_fft as f64)
}

impl MelBank {
    /// librosa's filter bank for the `n_fft`-point power spectrum at `sample_rate_hz`. A triangle
    /// so narrow that it contains no bin outputs 0, as in librosa.
    pub fn slaney(sample_rate_hz: u32, n_fft: usize, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Self {
        let axis: Vec<f64> = bins_hz(f64::from(sample_rate_hz), n_fft).collect();
        let points = MelScale::Slaney.points_hz(n_mels, f_min_hz, f_max_hz);
        let triangles = points.windows(3).map(|p| {
            let (low, high) = (p[0], p[2]);
            Triangle { low, peak: p[1], high, height: 2.0 / (high - low) }
        });
        Self::from_triangles(&axis, triangles)
    }

    /// Kaldi's filter bank. Kaldi refuses a filter that contains no bin; see
    /// [`MelBank::empty_band`].
    pub fn kaldi(sample_rate_hz: f64, n_fft: usize, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Self {
        let axis: Vec<f64> = bins_hz(sample_rate_hz, n_fft).map(|hz| MelScale::Htk.mel(hz)).collect();
        let points: Vec<f64> = MelScale::Htk.points(n_mels, f_min_hz, f_max_hz).collect();
        let triangles = points.windows(3).map(|p| Triangle { low: p[0], peak: p[1], high: p[2], height: 1.0 });
        Self::from_triangles(&axis, triangles)
    }

    /// SpeechBrain's filter bank (`Filterbank`, `filter_shape="triangular"`). A triangle that
    /// contains no bin outputs 0.
    pub fn speechbrain(sample_rate_hz: u32, n_fft: usize, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Self {
        let axis: Vec<f64> = bins_hz(f64::from(sample_rate_hz), n_fft).collect();
        let points = MelScale::Htk.points_hz(n_mels, f_min_hz, f_max_hz);
        let triangles = points.windows(3).map(|p| {
            let (peak, half_width) = (p[1], p[1] - p[0]);
            Triangle { low: peak - half_width, peak, high: peak + half_width, height: 1.0 }
        });
        Self::from_triangles(&axis, triangles)
    }

    /// Samples the triangles at the bins, whose positions `axis` increase.
    fn from_triangles(axis: &[f64], triangles: impl Iterator<Item = Triangle>) -> Self {
        let rows: Vec<(usize, Vec<f32>)> = triangles
            .map(|triangle| {
                let first_bin = axis.partition_point(|x| *x <= triangle.low);
                let covered = axis.iter().skip(first_bin).take_while(|x| **x < triangle.high);
                (first_bin, covered.map(|x| triangle.at(*x) as f32).collect())
            })
            .collect();
        let empty_band = rows.iter().position(|(_, weights)| weights.is_empty());
        let rows = rows.iter().map(|(first_bin, weights)| (*first_bin, &weights[..]));
        Self { matrix: BandedMatrix::new(axis.len(), rows), empty_band }
    }

    /// Number of bands: n_mels.
    pub fn bands(&self) -> usize {
        self.matrix.rows()
    }

    /// Index of the first band whose triangle contains no bin.
    pub fn empty_band(&self) -> Option<usize> {
        self.empty_band
    }

    /// Writes the band powers of 16 spectra `powers` `[bins]` to `out` `[n_mels]`.
    ///
    /// # Panics
    /// If a length differs from the planned one.
    pub fn run(&self, powers: &[Lanes], out: &mut [Lanes]) {
        self.matrix.run(powers, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, noise};
    use super::*;

    fn assert_equals_dense(bank: &MelBank, dense: &[Vec<f64>]) {
        let power: Vec<f32> = noise(dense[0].len(), 3).iter().map(|x| x * x).collect();
        let mut got = vec![Lanes::of(f32::NAN); dense.len()];
        bank.run(&power.iter().map(|p| Lanes::of(*p)).collect::<Vec<_>>(), &mut got);
        for (row, got) in dense.iter().zip(&got) {
            let want: f64 = row.iter().zip(&power).map(|(w, p)| w * f64::from(*p)).sum();
            approx::assert_relative_eq!(f64::from(got.0[7]), want, max_relative = 3e-6, epsilon = 1e-12);
        }
    }

    /// For banks that end below Nyquist, start above 0 or have empty bands.
    #[test]
    fn equal_the_dense_matrices() {
        for (rate, n_fft, n_mels, low, high) in
            [(16_000, 1024, 128, 0.0, 8000.0), (16_000, 512, 80, 20.0, 7600.0), (8_000, 256, 200, 0.0, 4000.0)]
        {
            let (slaney, speechbrain, kaldi) = (
                MelBank::slaney(rate, n_fft, n_mels, low, high),
                MelBank::speechbrain(rate, n_fft, n_mels, low, high),
                MelBank::kaldi(f64::from(rate), n_fft, n_mels, low, high),
            );
            assert_equals_dense(&slaney, &reference::mel_matrix(rate, n_fft, n_mels, low, high));
            assert_equals_dense(&speechbrain, &reference::speechbrain_matrix(rate, n_fft, n_mels, low, high));
            assert_equals_dense(&kaldi, &reference::kaldi_matrix(f64::from(rate), n_fft, n_mels, low, high));
            for bank in [slaney, speechbrain, kaldi] {
                assert_eq!(bank.empty_band().is_some(), n_mels == 200, "only the last banks have empty bands");
            }
        }
    }

    #[test]
    fn every_triangle_has_area_one_over_hz() {
        // The spectrum is sampled finely, so that the sum over bins is the area.
        let bank = MelBank::slaney(16_000, 1 << 16, 40, 0.0, 8000.0);
        let mut areas = vec![Lanes::default(); 40];
        bank.run(&vec![Lanes::of(16_000.0 / 65_536.0); (1 << 15) + 1], &mut areas);
        for area in areas {
            approx::assert_relative_eq!(area.0[0], 1.0, max_relative = 1e-3);
        }
    }
}
