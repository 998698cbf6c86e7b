//! Spectral shape: levels of 16 bands of equal width on the mel scale.
//!
//! ```text
//! edge[b] = mel⁻¹( mel(100 Hz) + b / 16 · (mel(7.2 kHz) − mel(100 Hz)) )      mel(f) = 2595 log10(1 + f / 700)
//! level[b] = 10 log10 Σ P[k]     over the bins with edge[b] ≤ f < edge[b + 1]
//! ```
//!
//! The bands have sharp edges, because only their change from frame to frame is used. At lower
//! sample rates the last edge is at 0.45 of the rate.

use crate::kernels::lanes::Lanes;
use crate::kernels::lanes::banded_matrix::BandedMatrix;
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::logarithm::LogScale;

/// Number of bands.
pub(super) const N_BANDS: usize = 16;
const LOW_HZ: f64 = 100.0;
const HIGH_HZ: f64 = 7200.0;
/// Band powers in dB, at least −200 dB of a full-scale sample, so that digital silence has a
/// logarithm.
const LEVEL: LogScale =
    LogScale { floor: 1e-20, factor: 10.0 * std::f32::consts::LOG10_E, less: 0.0, least: f32::NEG_INFINITY };

/// Band levels, planned, with scratch memory.
#[derive(Debug, Clone)]
pub(super) struct Bands {
    sums: BandedMatrix,
    levels: [Lanes; N_BANDS],
}

impl Bands {
    /// Plans the bands of spectra of frames of `length` samples.
    pub(super) fn new(length: usize, sample_rate_hz: u32) -> Self {
        let rate = f64::from(sample_rate_hz);
        let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ.min(0.45 * rate)));
        let edge = |b: usize| {
            let hz = 700.0 * (10_f64.powf((low + (high - low) * b as f64 / N_BANDS as f64) / 2595.0) - 1.0);
            (hz * length as f64 / rate).ceil() as usize
        };
        let (bins, edges): (usize, [usize; N_BANDS + 1]) = (length / 2 + 1, std::array::from_fn(edge));
        let ones = vec![1.0; bins];
        let inside = edges.windows(2).map(|edge| (edge[0], ones.get(edge[0]..edge[1]).unwrap_or_default()));
        Self { sums: BandedMatrix::new(bins, inside), levels: [Lanes::default(); N_BANDS] }
    }

    /// Appends the levels `[count, N_BANDS]` in dB of the first `count` of 16 power spectra.
    pub(super) fn append(&mut self, powers: &[Lanes], count: usize, levels: &mut Vec<f32>) {
        self.sums.run(powers, &mut self.levels);
        LEVEL.run(Lanes::flat(&mut self.levels));
        let first = levels.len();
        levels.resize(first + count * N_BANDS, 0.0);
        scatter(&self.levels, &mut levels[first..]);
    }
}

fn mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectral_line_appears_only_in_its_band() {
        let mut bands = Bands::new(1024, 16_000);
        for (bin, band) in [(7, 0), (64, 5), (300, 13), (460, 15)] {
            let mut powers = vec![Lanes::default(); 513];
            powers[bin].0[1] = 100.0;
            let mut levels = Vec::new();
            bands.append(&powers, 2, &mut levels);
            assert_eq!(levels.len(), 2 * N_BANDS);
            let levels = levels.split_off(N_BANDS);
            let loud: Vec<usize> = (0..N_BANDS).filter(|&b| levels[b] > -100.0).collect();
            assert_eq!(loud, [band], "bin {bin}");
            approx::assert_abs_diff_eq!(levels[band], 20.0, epsilon = 1e-4);
        }
    }

    #[test]
    fn no_band_is_empty_at_any_rate() {
        for (length, rate) in [(256, 4_000), (512, 8_000), (1024, 16_000), (3072, 48_000)] {
            let mut levels = Vec::new();
            Bands::new(length, rate).append(&vec![Lanes::of(1.0); length / 2 + 1], 1, &mut levels);
            assert!(levels.iter().all(|level| *level > -1e-3), "{rate} Hz: {levels:?}");
        }
    }
}
