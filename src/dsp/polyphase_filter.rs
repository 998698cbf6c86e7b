//! Polyphase filter of the resampler: the low-pass, sampled at every phase that an output can have
//! between two inputs.
//!
//! Conversion by L / M (`up` / `down`, coprime) places output k at input position k · M / L = n + r
//! / L. Its value is
//!
//! ```text
//! y[k] = Σ_j x[n − H + 1 + j] · h(r / L + H − 1 − j)        j = 0 .. 2H − 1
//! ```
//!
//! with H inputs on either side. There are L phases r / L. If L rows of 2H weights are few enough,
//! all are stored (*exact*; `dsp/polyphase_blocks.rs` arranges them as a matrix). Otherwise (44,101
//! Hz to 16,000 Hz would need 16,000 rows) Q + 1 phases are stored, and the output is interpolated
//! linearly between the two neighbours (*interpolated*).
//!
//! # Error of the interpolation
//!
//! Let the phases be `δ` apart in periods of the lower rate, `δ ≤ 1 / 512`. In the frequency
//! domain, linear interpolation of samples `δ` apart multiplies the prototype's spectrum by
//! `sinc²(f δ)` and adds images of it around the multiples i / δ, each weighted by `sinc²(f δ +
//! i)`. The spectrum ends at f = 0.5, so the loss in the pass band is below `(π · 0.5 · δ)² / 3` =
//! 3.1e-6 (0.00003 dB), and the image at i is below `(0.5 δ / i)²` ≈ 9.5e-7 / i², that is −120 dB
//! for the first. All images together (two signs, Σ 1 / i² = π² / 6) stay below 3.2e-6, −110 dB,
//! even if they fell on one frequency.

use super::kaiser::KaiserSinc;
use crate::kernels::dot::dots;

/// Phases stored per period of the lower rate in an interpolated table: 1 / δ of the error
/// analysis.
const INTERPOLATED_PHASES: f64 = 512.0;

/// Maximum number of weights of an exact table (2 MiB). All ratios among 8, 11.025, 16, 22.05, 24,
/// 32, 44.1, 48, 96 and 192 kHz fit.
const EXACT_WEIGHTS: u64 = 1 << 19;

/// Polyphase filter of one conversion ratio.
#[derive(Clone, Debug)]
pub(crate) struct PolyphaseFilter {
    /// H: inputs on either side of an output, a multiple of 8, so that rows fill whole SIMD
    /// vectors.
    half: usize,
    /// L: number of phases of the outputs.
    up: u64,
    /// Stored phases between two inputs: L (exact) or Q (interpolated, with row Q in addition).
    stored: u64,
    /// `[rows, 2 · half]`.
    rows: Vec<f32>,
}

impl PolyphaseFilter {
    /// Plans the conversion by `up` / `down`, exact if the table is small enough.
    pub(crate) fn new(up: u64, down: u64) -> Self {
        let exact = Self::row_length(up, down) as u64 * up <= EXACT_WEIGHTS;
        if exact { Self::exact(up, down) } else { Self::interpolated(up, down) }
    }

    fn exact(up: u64, down: u64) -> Self {
        Self::with_rows(up, down, up, up)
    }

    fn interpolated(up: u64, down: u64) -> Self {
        let lower_rate = (up as f64 / down as f64).min(1.0);
        let stored = (INTERPOLATED_PHASES * lower_rate).ceil() as u64;
        Self::with_rows(up, down, stored, stored + 1)
    }

    /// `n_rows` rows at phases 0, 1 / `stored`, 2 / `stored` …
    fn with_rows(up: u64, down: u64, stored: u64, n_rows: u64) -> Self {
        let filter = KaiserSinc::for_ratio(up as f64 / down as f64);
        let length = Self::row_length(up, down);
        let half = length / 2;
        let mut rows: Vec<f32> = Vec::with_capacity(n_rows as usize * length);
        for row in 0..n_rows {
            // The filter is even, so the weights of phase 1 − p are those of phase p in reverse.
            if 2 * row > stored {
                let mirrored = (stored - row) as usize * length;
                rows.extend_from_within(mirrored..mirrored + length);
                rows[row as usize * length..].reverse();
            } else {
                let phase = row as f64 / stored as f64;
                rows.extend((0..length).map(|j| filter.at(phase + (half as f64 - 1.0 - j as f64)) as f32));
            }
        }
        Self { half, up, stored, rows }
    }

    /// 2H of a ratio.
    fn row_length(up: u64, down: u64) -> usize {
        let half_width = KaiserSinc::for_ratio(up as f64 / down as f64).half_width();
        2 * (half_width.ceil() as usize).next_multiple_of(8)
    }

    /// H: inputs on either side of an output.
    pub(crate) fn half(&self) -> usize {
        self.half
    }

    /// 2H: number of inputs of one output.
    pub(crate) fn length(&self) -> usize {
        2 * self.half
    }

    /// Whether every phase of an output has a row: row r for phase r / L.
    pub(crate) fn is_exact(&self) -> bool {
        self.stored == self.up
    }

    /// The output at phase `remainder` / `up` after the input `around[half − 1]`; `around` is `[2 ·
    /// half]`, `remainder` < `up`.
    pub(crate) fn output(&self, remainder: u64, around: &[f32]) -> f32 {
        let fine = remainder * self.stored; // rates are below 2³², so this and `up` are exact
        let fraction = (fine % self.up) as f32 / self.up as f32;
        let left = fine / self.up;
        let right = if fraction == 0.0 { left } else { left + 1 };
        let [y, z] = dots(around, [self.row(left), self.row(right)]);
        (1.0 - fraction) * y + fraction * z
    }

    /// The weights at phase `row` / `stored`, `[2 · half]`.
    pub(crate) fn row(&self, row: u64) -> &[f32] {
        let start = row as usize * self.length();
        &self.rows[start..start + self.length()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_bounded_for_every_ratio() {
        for (up, down) in
            [(1, 3), (160, 441), (640, 441), (1, 96), (96, 1), (383_999, 384_000), (384_000, 4_001), (4_001, 384_000)]
        {
            let table = PolyphaseFilter::new(up, down);
            assert!(table.rows.len() as u64 <= EXACT_WEIGHTS, "{up} / {down}: {} weights", table.rows.len());
            assert_eq!(table.length() % 16, 0);
        }
    }

    #[test]
    fn common_rates_have_exact_tables() {
        let rates: [u64; 10] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];
        for a in rates {
            for b in [8_000, 16_000, 44_100, 48_000] {
                let g = (1..=a.min(b)).rev().find(|g| a % g == 0 && b % g == 0).unwrap();
                assert_eq!(PolyphaseFilter::new(b / g, a / g).stored, b / g, "{a} to {b}");
            }
        }
    }

    /// The effective weights of `output`, measured by an impulse at each input.
    fn effective(table: &PolyphaseFilter, remainder: u64) -> Vec<f64> {
        (0..table.length())
            .map(|j| {
                let mut around = vec![0.0; table.length()];
                around[j] = 1.0;
                f64::from(table.output(remainder, &around))
            })
            .collect()
    }

    #[test]
    fn rows_are_the_filter_at_its_phase() {
        for (up, down) in [(3, 1), (160, 441), (2, 3)] {
            let filter = KaiserSinc::for_ratio(up as f64 / down as f64);
            let table = PolyphaseFilter::exact(up, down);
            for remainder in [0, 1, up - 1] {
                for (j, weight) in effective(&table, remainder).into_iter().enumerate() {
                    let tau = remainder as f64 / up as f64 + table.half() as f64 - 1.0 - j as f64;
                    assert!((weight - filter.at(tau)).abs() < 1e-7, "{up} / {down}, row {remainder}, weight {j}");
                }
            }
        }
    }

    /// The error analysis bounds the difference of the weights in the frequency domain.
    #[test]
    fn interpolated_weights_stay_within_the_error_analysis() {
        for (up, down) in [(160u64, 441u64), (441, 160), (16_000, 44_101)] {
            let table = PolyphaseFilter::interpolated(up, down);
            let filter = KaiserSinc::for_ratio(up as f64 / down as f64);
            let mut worst = 0.0f64;
            for remainder in (0..up).step_by((up / 40).max(1) as usize) {
                let weights = effective(&table, remainder);
                let tau = |j: usize| remainder as f64 / up as f64 + table.half() as f64 - 1.0 - j as f64;
                let difference: Vec<f64> = weights.iter().enumerate().map(|(j, w)| w - filter.at(tau(j))).collect();
                for bin in 0..64 {
                    let omega = std::f64::consts::PI * f64::from(bin) / 64.0;
                    let (mut re, mut im) = (0.0, 0.0);
                    for (j, d) in difference.iter().enumerate() {
                        re += d * (omega * j as f64).cos();
                        im += d * (omega * j as f64).sin();
                    }
                    worst = worst.max(re.hypot(im));
                }
            }
            println!("{up} / {down}: interpolation error {:.1} dB", 20.0 * worst.log10());
            assert!(worst < 6.3e-6, "{up} / {down}: {worst:e}"); // loss 3.1e-6 + images 3.2e-6
            assert!(worst > 1e-8, "{up} / {down}: no interpolation took place");
        }
    }
}
