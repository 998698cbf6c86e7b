//! Statistics pooling: mean and standard deviation of each channel over time.

use crate::kernels::reduce::{add_row, add_squares};

/// Divisor of the variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variance {
    /// The number of frames, as in Kaldi.
    Biased,
    /// The number of frames minus one, the default of `torch.std`.
    Unbiased,
}

/// Snyder et al. 2018, section 3: `[frames, channels]` → `[2 × channels]`, all means, then all
/// standard deviations:
///
/// ```text
/// mean[c] = Σ_t x[t, c] / n        std[c] = sqrt(max(floor, Σ_t (x[t, c] − mean[c])² / n or n − 1))
/// ```
///
/// Sums are f64, in the order of the frames. NaN stays NaN.
#[derive(Clone, Copy, Debug)]
pub struct StatisticsPooling {
    variance: Variance,
    floor: f64,
}

/// Channels per block: their sums stay in the L1 cache.
const BLOCK: usize = 512;

impl StatisticsPooling {
    /// `floor`: the minimum of the variance, which keeps the standard deviation of a constant
    /// channel above 0.
    pub fn new(variance: Variance, floor: f64) -> Self {
        Self { variance, floor }
    }

    /// Minimum number of frames.
    pub fn min_frames(&self) -> usize {
        match self.variance {
            Variance::Biased => 1,
            Variance::Unbiased => 2,
        }
    }

    /// `[frames, channels]` → `[2 × channels]`.
    ///
    /// # Panics
    ///
    /// If there are fewer than [`Self::min_frames`] frames, or a slice has another length.
    pub fn run(&self, input: &[f32], frames: usize, output: &mut [f32]) {
        let channels = output.len() / 2;
        assert!(input.len() == frames * channels);
        self.run_rows(input, channels, frames, output);
    }

    /// As [`Self::run`] for `frames` rows that start `stride` values apart.
    ///
    /// # Panics
    ///
    /// If there are fewer than [`Self::min_frames`] frames, `input` is too short for them, or
    /// `output` is of an odd length.
    pub fn run_rows(&self, input: &[f32], stride: usize, frames: usize, output: &mut [f32]) {
        let channels = output.len() / 2;
        assert!(frames >= self.min_frames() && stride >= channels && output.len() == 2 * channels);
        assert!(input.len() >= (frames - 1) * stride + channels);
        let (means, deviations) = output.split_at_mut(channels);
        for start in (0..channels).step_by(BLOCK) {
            let end = channels.min(start + BLOCK);
            let rows = || input.chunks(stride).take(frames).map(|row| &row[start..end]);
            self.block(rows, frames, &mut means[start..end], &mut deviations[start..end]);
        }
    }

    /// Both statistics of up to [`BLOCK`] channels; `rows` iterates over the frames.
    fn block<'x, R: Iterator<Item = &'x [f32]>>(
        &self,
        rows: impl Fn() -> R,
        frames: usize,
        means: &mut [f32],
        deviations: &mut [f32],
    ) {
        let mut mean = [0.0_f64; BLOCK];
        for row in rows() {
            add_row(&mut mean[..row.len()], row);
        }
        for sum in &mut mean {
            *sum /= frames as f64;
        }
        let mut squares = [0.0_f64; BLOCK];
        for row in rows() {
            add_squares(&mut squares[..row.len()], row, &mean[..row.len()]);
        }
        let divisor = (frames + 1 - self.min_frames()) as f64;
        for (out, m) in means.iter_mut().zip(&mean) {
            *out = *m as f32;
        }
        for (out, sum) in deviations.iter_mut().zip(&squares) {
            let variance = sum / divisor;
            let floored = if variance < self.floor { self.floor } else { variance };
            *out = floored.sqrt() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_at_odd_sizes() {
        for (frames, channels) in [(2, 1), (3, 5), (17, 63), (30, 512), (31, 513), (7, 1100)] {
            let x: Vec<f32> = (0..frames * channels).map(|i| (i as f32 * 0.77).sin() * 3.0 + 10.0).collect();
            for (variance, less) in [(Variance::Biased, 0.0), (Variance::Unbiased, 1.0)] {
                let mut y = vec![f32::NAN; 2 * channels];
                StatisticsPooling::new(variance, 1e-5).run(&x, frames, &mut y);
                for c in 0..channels {
                    let column = || (0..frames).map(|t| f64::from(x[t * channels + c]));
                    let mean = column().sum::<f64>() / frames as f64;
                    let square = column().map(|v| (v - mean).powi(2)).sum::<f64>() / (frames as f64 - less);
                    assert!((f64::from(y[c]) - mean).abs() < 1e-6);
                    assert!((f64::from(y[channels + c]) - square.sqrt()).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn rows_of_a_wider_matrix_give_the_same_result() {
        let x: Vec<f32> = (0..9 * 7).map(|i| (i as f32 * 0.77).sin()).collect();
        let narrow: Vec<f32> = x.chunks(7).flat_map(|row| &row[..5]).copied().collect();
        let pooling = StatisticsPooling::new(Variance::Unbiased, 0.0);
        let (mut wide, mut want) = ([f32::NAN; 10], [f32::NAN; 10]);
        pooling.run_rows(&x[..8 * 7 + 5], 7, 9, &mut wide);
        pooling.run(&narrow, 9, &mut want);
        assert_eq!(wide, want);
    }

    #[test]
    fn a_constant_channel_gets_the_floor() {
        let mut y = [0.0; 2];
        StatisticsPooling::new(Variance::Biased, 0.25).run(&[3.0; 4], 4, &mut y);
        assert_eq!(y, [3.0, 0.5]);
        StatisticsPooling::new(Variance::Biased, 0.25).run(&[3.0], 1, &mut y);
        assert_eq!(y, [3.0, 0.5]);
    }

    #[test]
    fn non_finite_values_are_propagated() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut y = [0.0; 4];
            StatisticsPooling::new(Variance::Biased, 0.25).run(&[1.0, 2.0, bad, 4.0], 2, &mut y);
            assert!(!y[0].is_finite() && !y[2].is_finite(), "{y:?}");
            assert!(y[1].is_finite() && y[3].is_finite());
        }
    }

    #[test]
    #[should_panic(expected = "min_frames")]
    fn one_frame_for_an_unbiased_variance_panics() {
        StatisticsPooling::new(Variance::Unbiased, 1e-5).run(&[1.0], 1, &mut [0.0; 2]);
    }
}
