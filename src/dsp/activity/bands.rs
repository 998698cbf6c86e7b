//! The spectrum's rough shape: 16 bands, equally wide on the mel scale.
//!
//! ```text
//! edge[b] = mel⁻¹( mel(100 Hz) + b / 16 · (mel(7.2 kHz) − mel(100 Hz)) )      mel(f) = 2595 log10(1 + f / 700)
//! level[b] = 10 log10 Σ P[k]     over the bins with edge[b] ≤ f < edge[b + 1]
//! ```
//!
//! Sharp edges, because what counts is change from frame to frame. Lower rates have their last edge at 0.45 of the rate.

/// Bands.
pub(super) const N_BANDS: usize = 16;
const LOW_HZ: f64 = 100.0;
const HIGH_HZ: f64 = 7200.0;
/// Added to a band's power: −200 dB of a full scale sample, so that digital silence has a logarithm.
const FLOOR: f32 = 1e-20;

/// The bins of each band.
#[derive(Debug, Clone)]
pub(super) struct Bands {
    edges: [usize; N_BANDS + 1],
}

impl Bands {
    /// Bands over spectra of frames of `length` samples.
    pub(super) fn new(length: usize, sample_rate_hz: u32) -> Self {
        let rate = f64::from(sample_rate_hz);
        let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ.min(0.45 * rate)));
        let edge = |b: usize| {
            let hz = 700.0 * (10_f64.powf((low + (high - low) * b as f64 / N_BANDS as f64) / 2595.0) - 1.0);
            (hz * length as f64 / rate).ceil() as usize
        };
        Self { edges: std::array::from_fn(edge) }
    }

    /// Appends the levels `[N_BANDS]` of one power spectrum, dB.
    pub(super) fn append(&self, power: &[f32], levels: &mut Vec<f32>) {
        for edge in self.edges.windows(2) {
            let inside = power.get(edge[0]..edge[1]).unwrap_or_default();
            levels.push(10.0 * (inside.iter().sum::<f32>() + FLOOR).log10());
        }
    }
}

fn mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_in_its_band_alone() {
        let bands = Bands::new(1024, 16_000);
        for (bin, band) in [(7, 0), (64, 5), (300, 13), (460, 15)] {
            let mut power = vec![0.0; 513];
            power[bin] = 100.0;
            let mut levels = Vec::new();
            bands.append(&power, &mut levels);
            let loud: Vec<usize> = (0..N_BANDS).filter(|&b| levels[b] > -100.0).collect();
            assert_eq!(loud, [band], "bin {bin}");
            approx::assert_abs_diff_eq!(levels[band], 20.0, epsilon = 1e-4);
        }
    }

    #[test]
    fn every_rate_has_bands_that_hold_bins() {
        for (length, rate) in [(256, 4_000), (512, 8_000), (1024, 16_000), (3072, 48_000)] {
            let bands = Bands::new(length, rate);
            assert!(bands.edges.is_sorted_by(|a, b| a < b), "{rate} Hz: {:?}", bands.edges);
            assert!(bands.edges[N_BANDS] <= length / 2);
        }
    }
}
