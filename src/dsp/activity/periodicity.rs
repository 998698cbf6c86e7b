//! How periodic a frame is, and with which period: the normalised autocorrelation (Boersma 1993, "Accurate short-term analysis of the
//! fundamental frequency", eqs. 8 and 9).
//!
//! ```text
//! r[l] = Σ_k P[k] cos(2π k l / N) / w[l],   over 60 Hz ≤ f ≤ 2.5 kHz, r[0] = 1
//! w[l]   the same of the window alone: what is left of a perfect period when the window fades
//! strength = the largest local maximum of r, less 0.0006 · (l − l_min) so that of a period and its multiples the period wins
//! ```
//!
//! Formants above 2.5 kHz say nothing about the pitch, so r is computed at half the rate. The circular sum folds lag N − l onto l; a
//! Hann window leaves under 0.5 % of its power so far out.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};

/// Where pitch is looked for, Hz: a low man's creak to a child's shout.
const LOWEST_PITCH_HZ: f64 = 60.0;
const HIGHEST_PITCH_HZ: f64 = 500.0;
/// The part of the spectrum that is looked at, Hz.
const LOW_HZ: f64 = 60.0;
const HIGH_HZ: f64 = 2500.0;
/// Cost of a longer lag, per sample at 16 kHz: 0.14 from the shortest to the longest.
const LAG_COST: f64 = 0.0006;

/// The period of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Period {
    /// 0 (noise) to about 1 (a perfect period).
    pub(super) strength: f32,
    /// Pitch in semitones above 50 Hz; 0 where there is no period.
    pub(super) semitones: f32,
}

/// Plan and scratch.
#[derive(Clone)]
pub(super) struct Periodicity {
    inverse: Arc<dyn ComplexToReal<f32>>,
    input: Vec<Complex<f32>>,
    output: Vec<f32>,
    scratch: Vec<Complex<f32>>,
    /// 1 / w[l], for the lags that are looked at and one more.
    unfade: Vec<f32>,
    bins: (usize, usize),
    lags: (usize, usize),
    /// Of the lags, Hz.
    rate_hz: f64,
}

impl Periodicity {
    /// Plans for power spectra of Hann windowed frames of `length` samples, a multiple of 4.
    pub(super) fn new(length: usize, sample_rate_hz: u32) -> Self {
        let half = length / 2;
        let rate_hz = f64::from(sample_rate_hz) / 2.0;
        let inverse = RealFftPlanner::<f32>::new().plan_fft_inverse(half);
        let bin = |hz: f64| hz * length as f64 / f64::from(sample_rate_hz);
        let lags = ((rate_hz / HIGHEST_PITCH_HZ) as usize, (rate_hz / LOWEST_PITCH_HZ) as usize);
        Self {
            input: inverse.make_input_vec(),
            output: inverse.make_output_vec(),
            scratch: inverse.make_scratch_vec(),
            inverse,
            unfade: fading(length).step_by(2).take(lags.1 + 2).map(|w| (1.0 / w) as f32).collect(),
            bins: (bin(LOW_HZ).ceil() as usize, (bin(HIGH_HZ) as usize).min(half / 2)),
            lags,
            rate_hz,
        }
    }

    /// The period of a frame with this power spectrum.
    pub(super) fn run(&mut self, power: &[f32]) -> Period {
        let none = Period { strength: 0.0, semitones: 0.0 };
        self.correlate(power);
        let zero = self.output[0];
        if !(zero > 0.0 && zero.is_finite()) {
            return none;
        }
        self.output.iter_mut().zip(&self.unfade).for_each(|(r, unfade)| *r *= unfade / zero);
        let Some(lag) = self.best_lag() else { return none };
        let (before, at, after) = (self.output[lag - 1], self.output[lag], self.output[lag + 1]);
        let period_s = (lag as f64 + vertex(before, at, after)) / self.rate_hz;
        Period { strength: at, semitones: (12.0 * (1.0 / (50.0 * period_s)).log2()) as f32 }
    }

    /// Unnormalised autocorrelation to `output`.
    fn correlate(&mut self, power: &[f32]) {
        self.input.fill(Complex::default());
        let (low, high) = self.bins;
        for (z, &p) in self.input.iter_mut().zip(power).take(high + 1).skip(low) {
            z.re = p;
        }
        let done = self.inverse.process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch);
        debug_assert!(done.is_ok(), "lengths are the plan's own, the ends are real");
    }

    /// The lag of the largest local maximum, longer ones at a cost.
    fn best_lag(&self) -> Option<usize> {
        let (first, last) = self.lags;
        let cost = (LAG_COST * 16_000.0 / self.rate_hz) as f32;
        let is_peak = |l: &usize| self.output[*l] > self.output[l - 1] && self.output[*l] >= self.output[l + 1];
        let score = |l: usize| self.output[l] - cost * (l - first) as f32;
        (first..=last).filter(is_peak).max_by(|&a, &b| score(a).total_cmp(&score(b)))
    }
}

impl fmt::Debug for Periodicity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Periodicity").field("bins", &self.bins).field("lags", &self.lags).finish_non_exhaustive()
    }
}

/// Autocorrelation of the Hann window at lags 0, 1, …, relative to lag 0: (Boersma 1993, eq. 8, for this window)
///
/// ```text
/// w[l] = (1 − u) (2/3 + 1/3 cos 2πu) + 1/(2π) sin 2πu,    u = l / N
/// ```
fn fading(length: usize) -> impl Iterator<Item = f64> {
    (0..length).map(move |l| {
        let u = l as f64 / length as f64;
        let (sin, cos) = (std::f64::consts::TAU * u).sin_cos();
        (1.0 - u) * (2.0 + cos) / 3.0 + sin / std::f64::consts::TAU
    })
}

/// Offset of the vertex of the parabola through three points one apart, within half a point.
fn vertex(before: f32, at: f32, after: f32) -> f64 {
    let bend = f64::from(before) - 2.0 * f64::from(at) + f64::from(after);
    if bend.abs() < 1e-9 { 0.0 } else { (0.5 * (f64::from(before) - f64::from(after)) / bend).clamp(-0.5, 0.5) }
}

#[cfg(test)]
mod tests {
    use super::super::super::reference::noise;
    use super::super::super::spectrum::PowerSpectrum;
    use super::super::super::window::hann_periodic;
    use super::*;

    const N: usize = 1024;

    fn period(samples: impl Fn(f64) -> f64) -> Period {
        let mut frame: Vec<f32> =
            hann_periodic(N).iter().enumerate().map(|(i, w)| w * samples(i as f64 / 16_000.0) as f32).collect();
        let mut power = vec![0.0; N / 2 + 1];
        PowerSpectrum::new(N).run(&mut frame, &mut power);
        Periodicity::new(N, 16_000).run(&power)
    }

    fn buzz(f0: f64) -> impl Fn(f64) -> f64 {
        move |t| (1..=30).map(|k| (std::f64::consts::TAU * f0 * f64::from(k) * t).cos() / f64::from(k)).sum()
    }

    #[test]
    fn a_buzz_has_its_pitch_and_full_strength() {
        for f0 in [75.0, 100.0, 141.0, 220.0, 333.0, 480.0] {
            let found = period(buzz(f0));
            let expected = 12.0 * (f0 / 50.0_f64).log2();
            assert!(found.strength > 0.9, "{f0} Hz: {found:?}");
            assert!((f64::from(found.semitones) - expected).abs() < 0.15, "{f0} Hz: {found:?}, {expected}");
        }
    }

    /// The fundamental and its first partial are missing, as on a telephone.
    #[test]
    fn a_missing_fundamental_is_heard() {
        let found =
            period(|t| (4..=30).map(|k| (std::f64::consts::TAU * 100.0 * f64::from(k) * t).cos() / f64::from(k)).sum());
        assert!(found.strength > 0.8 && (found.semitones - 12.0).abs() < 0.2, "{found:?}");
    }

    #[test]
    fn noise_silence_and_nan_have_no_period() {
        let noise = noise(N, 3);
        assert!(period(|t| f64::from(noise[(t * 16_000.0).round() as usize])).strength < 0.5);
        assert_eq!(period(|_| 0.0).strength, 0.0);
        assert_eq!(period(|_| f64::NAN).strength, 0.0);
    }

    /// The closed form against the sum.
    #[test]
    fn fading_is_the_windows_autocorrelation() {
        let window: Vec<f64> = hann_periodic(N).iter().map(|w| f64::from(*w)).collect();
        let energy: f64 = window.iter().map(|w| w * w).sum();
        for (l, w) in fading(N).enumerate().step_by(37).take(12) {
            let sum: f64 = window[l..].iter().zip(&window).map(|(a, b)| a * b).sum();
            approx::assert_abs_diff_eq!(w, sum / energy, epsilon = 1e-5);
        }
    }

    /// The definition, lag by lag in f64.
    #[test]
    fn the_correlation_equals_its_definition() {
        let power: Vec<f32> = noise(N / 2 + 1, 9).iter().map(|x| x * x).collect();
        let mut plan = Periodicity::new(N, 16_000);
        plan.correlate(&power);
        let naive = |l: usize| -> f64 {
            (4..=160).map(|k| f64::from(power[k]) * (std::f64::consts::TAU * (k * l) as f64 / 512.0).cos()).sum::<f64>()
                * 2.0
        };
        for l in 0..=133 {
            approx::assert_abs_diff_eq!(f64::from(plan.output[l]), naive(l), epsilon = 1e-4 * naive(0));
        }
    }
}
