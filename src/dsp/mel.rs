//! The Slaney mel scale and its bank of triangular filters.
//!
//! The scale (Slaney, Auditory Toolbox, Interval Research technical report 1998-010; librosa's default, `htk=False`) is linear
//! up to 1 kHz, which is mel 15, and logarithmic above, 27 mels for a factor of 6.4:
//!
//! ```text
//! mel(f) = 3 f / 200                             f < 1000 Hz
//!        = 15 + 27 · ln(f / 1000) / ln 6.4       f ≥ 1000 Hz
//! ```
//!
//! Band b is a triangle over the frequencies `e[b]`, `e[b + 1]`, `e[b + 2]`, where e are `n_mels + 2` points at equal distances in mel from
//! `f_min_hz` to `f_max_hz`. Its height is `2 / (e[b + 2] − e[b])`, so every triangle has area 1 over Hz (librosa: `norm="slaney"`).

/// Hz of the scale's joint.
const JOINT_HZ: f64 = 1000.0;
/// mel(1000 Hz).
const JOINT_MEL: f64 = 15.0;
/// Hz per mel below the joint.
const HZ_PER_MEL: f64 = 200.0 / 3.0;

/// ln(f) per mel above the joint: ln 6.4 / 27.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

/// Hz to Slaney mel.
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz < JOINT_HZ { hz / HZ_PER_MEL } else { JOINT_MEL + (hz / JOINT_HZ).ln() / log_step() }
}

/// Slaney mel to Hz.
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel < JOINT_MEL { mel * HZ_PER_MEL } else { JOINT_HZ * ((mel - JOINT_MEL) * log_step()).exp() }
}

/// The `n_mels + 2` corner frequencies in Hz: band b rises from `e[b]` to `e[b + 1]` and falls to `e[b + 2]`.
pub fn band_edges_hz(n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Vec<f64> {
    let (low, high) = (hz_to_mel(f_min_hz), hz_to_mel(f_max_hz));
    let step = (high - low) / (n_mels + 1) as f64;
    (0..n_mels + 2).map(|i| mel_to_hz(low + step * i as f64)).collect()
}

/// One triangle: the bins that it covers, and where its weights lie.
#[derive(Clone, Copy, Debug)]
struct Band {
    first_bin: usize,
    first_weight: usize,
    width: usize,
}

/// The matrix `[n_mels, bins]` of triangles, stored without its zeros (98 % of it at 128 bands and 513 bins).
#[derive(Clone, Debug)]
pub struct MelBank {
    bands: Vec<Band>,
    weights: Vec<f32>,
    bins: usize,
}

impl MelBank {
    /// Triangles for the power spectrum of `n_fft` samples at `sample_rate_hz`. A triangle so narrow that it meets no bin
    /// is kept, as librosa does, and gives 0.
    pub fn new(sample_rate_hz: u32, n_fft: usize, n_mels: usize, f_min_hz: f64, f_max_hz: f64) -> Self {
        let bins = n_fft / 2 + 1;
        let hz_per_bin = f64::from(sample_rate_hz) / n_fft as f64;
        let mut bank = Self { bands: Vec::with_capacity(n_mels), weights: Vec::new(), bins };
        for edge in band_edges_hz(n_mels, f_min_hz, f_max_hz).windows(3) {
            bank.push([edge[0], edge[1], edge[2]], hz_per_bin);
        }
        bank
    }

    fn push(&mut self, [low, centre, high]: [f64; 3], hz_per_bin: f64) {
        let first_bin = ((low / hz_per_bin).ceil().max(0.0) as usize).min(self.bins);
        let first_weight = self.weights.len();
        for bin in first_bin..self.bins {
            let hz = bin as f64 * hz_per_bin;
            if hz >= high {
                break;
            }
            let height = ((hz - low) / (centre - low)).min((high - hz) / (high - centre));
            self.weights.push((height.max(0.0) * 2.0 / (high - low)) as f32);
        }
        self.bands.push(Band { first_bin, first_weight, width: self.weights.len() - first_weight });
    }

    /// n_mels.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Band powers of `power` `[bins]` to `out` `[n_mels]`.
    ///
    /// # Panics
    /// If a length is not the planned one.
    pub fn run(&self, power: &[f32], out: &mut [f32]) {
        assert_eq!((power.len(), out.len()), (self.bins, self.bands()), "spectrum and bands have the planned lengths");
        for (sum, band) in out.iter_mut().zip(&self.bands) {
            let weights = &self.weights[band.first_weight..band.first_weight + band.width];
            let bins = &power[band.first_bin..band.first_bin + band.width];
            *sum = weights.iter().zip(bins).map(|(w, p)| w * p).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, noise};
    use super::*;

    #[test]
    fn scale_has_its_fixed_points_and_turns_back() {
        approx::assert_relative_eq!(hz_to_mel(1000.0), 15.0);
        approx::assert_relative_eq!(hz_to_mel(200.0), 3.0);
        approx::assert_relative_eq!(hz_to_mel(6400.0), 42.0, max_relative = 1e-12);
        for hz in [0.0, 1.0, 999.999, 1000.0, 1000.001, 8000.0, 22_050.0] {
            approx::assert_relative_eq!(mel_to_hz(hz_to_mel(hz)), hz, max_relative = 1e-12);
        }
    }

    /// The sparse bank against the dense matrix in f64, for banks that end below Nyquist, start above 0 or have empty bands.
    #[test]
    fn equals_the_dense_matrix() {
        for (rate, n_fft, n_mels, low, high) in
            [(16_000, 1024, 128, 0.0, 8000.0), (16_000, 512, 80, 20.0, 7600.0), (8_000, 256, 200, 0.0, 4000.0)]
        {
            let power: Vec<f32> = noise(n_fft / 2 + 1, 3).iter().map(|x| x * x).collect();
            let bank = MelBank::new(rate, n_fft, n_mels, low, high);
            let mut got = vec![f32::NAN; n_mels];
            bank.run(&power, &mut got);
            let dense = reference::mel_matrix(rate, n_fft, n_mels, low, high);
            for (row, got) in dense.iter().zip(&got) {
                let want: f64 = row.iter().zip(&power).map(|(w, p)| w * f64::from(*p)).sum();
                approx::assert_relative_eq!(f64::from(*got), want, max_relative = 3e-6, epsilon = 1e-12);
            }
            assert!(n_mels < 200 || got.contains(&0.0), "the last bank is meant to have empty bands");
        }
    }

    #[test]
    fn every_triangle_has_area_one_over_hz() {
        // A finely sampled spectrum, so that the sum over bins is the area.
        let bank = MelBank::new(16_000, 1 << 16, 40, 0.0, 8000.0);
        let mut areas = vec![0.0; 40];
        bank.run(&vec![16_000.0 / 65_536.0; (1 << 15) + 1], &mut areas);
        for area in areas {
            approx::assert_relative_eq!(area, 1.0, max_relative = 1e-3);
        }
    }
}
