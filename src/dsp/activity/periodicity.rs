//! Pitch and periodicity of a frame by the normalised autocorrelation (Boersma 1993, "Accurate
//! short-term analysis of the fundamental frequency", eqs. 8 and 9).
//!
//! ```text
//! r[l] = Σ_k P[k] cos(2π k l / N) / w[l],   over 60 Hz ≤ f ≤ 2.5 kHz, r[0] = 1
//! w[l]   the autocorrelation of the analysis window
//! strength = the largest local maximum of r, minus 0.0006 · (l − l_min) so that the period wins over its multiples
//! ```
//!
//! Formants above 2.5 kHz do not depend on the pitch, so r is computed at half the sample rate. The
//! circular sum aliases lag N − l to l, where a Hann window has less than 0.5 % of its power. As P
//! is real and even, the sum over k is also a forward transform.

use crate::kernels::lanes::fft::RealFft;
use crate::kernels::lanes::peaks::highest;
use crate::kernels::lanes::{LANES, Lanes};

/// Range of the pitch, Hz: from a low creaky male voice to a child's shout.
const LOWEST_PITCH_HZ: f64 = 60.0;
const HIGHEST_PITCH_HZ: f64 = 500.0;
/// Range of the spectrum that is used, Hz.
const LOW_HZ: f64 = 60.0;
const HIGH_HZ: f64 = 2500.0;
/// Penalty of a longer lag, per sample at 16 kHz: 0.14 from the shortest to the longest.
const LAG_COST: f64 = 0.0006;

/// Periodicity and pitch of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Period {
    /// 0 (noise) to about 1 (a perfect period).
    pub(super) strength: f32,
    /// Pitch in semitones above 50 Hz; 0 without a period.
    pub(super) semitones: f32,
}

/// Pitch detection, planned, with its scratch memory.
#[derive(Clone, Debug)]
pub(super) struct Periodicity {
    fft: RealFft,
    /// The power spectrum and its mirror image.
    even: Vec<Lanes>,
    scratch: Vec<Lanes>,
    correlation: Vec<Lanes>,
    /// 1 / w[l] for the lags that are searched and one more.
    inverse_window: Vec<f32>,
    bins: (usize, usize),
    lags: (usize, usize),
    /// Sample rate of the lags, Hz.
    rate_hz: f64,
}

impl Periodicity {
    /// Plans for power spectra of Hann-windowed frames of `length` samples; `None` if [`RealFft`]
    /// does not support half that length.
    pub(super) fn new(length: usize, sample_rate_hz: u32) -> Option<Self> {
        let half = length / 2;
        let rate_hz = f64::from(sample_rate_hz) / 2.0;
        let fft = RealFft::new(half)?;
        let bin = |hz: f64| hz * length as f64 / f64::from(sample_rate_hz);
        let lags = ((rate_hz / HIGHEST_PITCH_HZ) as usize, (rate_hz / LOWEST_PITCH_HZ) as usize);
        Some(Self {
            even: vec![Lanes::default(); half],
            scratch: vec![Lanes::default(); half],
            correlation: vec![Lanes::default(); fft.bins()],
            fft,
            inverse_window: window_autocorrelation(length)
                .step_by(2)
                .take(lags.1 + 2)
                .map(|w| (1.0 / w) as f32)
                .collect(),
            bins: (bin(LOW_HZ).ceil() as usize, (bin(HIGH_HZ) as usize).min(half / 2)),
            lags,
            rate_hz,
        })
    }

    /// Computes the periods of 16 frames from their power spectra.
    pub(super) fn run(&mut self, powers: &[Lanes]) -> [Period; LANES] {
        self.correlate(powers);
        let zero = self.correlation[0];
        for (r, inverse_window) in self.correlation.iter_mut().zip(&self.inverse_window) {
            r.0.iter_mut().zip(zero.0).for_each(|(r, zero)| *r *= inverse_window / zero);
        }
        let (first, last) = self.lags;
        let cost = (LAG_COST * 16_000.0 / self.rate_hz) as f32;
        let found = highest(&self.correlation[..last + 2], first, last, cost);
        std::array::from_fn(|lane| {
            let periodic = zero.0[lane] > 0.0 && zero.0[lane].is_finite() && found[lane] > 0;
            if periodic { self.period(found[lane], lane) } else { Period { strength: 0.0, semitones: 0.0 } }
        })
    }

    /// The period of a frame whose highest maximum is at `lag`.
    fn period(&self, lag: usize, lane: usize) -> Period {
        let [before, at, after] = [lag - 1, lag, lag + 1].map(|lag| self.correlation[lag].0[lane]);
        let period_s = (lag as f64 + vertex(before, at, after)) / self.rate_hz;
        Period { strength: at, semitones: (12.0 * (1.0 / (50.0 * period_s)).log2()) as f32 }
    }

    /// Writes the unnormalised autocorrelation to `correlation`.
    fn correlate(&mut self, powers: &[Lanes]) {
        let (half, (low, high)) = (self.even.len(), self.bins);
        self.even.fill(Lanes::default());
        for (k, power) in powers.iter().enumerate().take(high + 1).skip(low) {
            self.even[k] = *power;
            self.even[half - k] = *power;
        }
        self.fft.real_parts(&mut self.even, &mut self.scratch, &mut self.correlation);
    }
}

/// Autocorrelation of the Hann window at lags 0, 1, …, relative to lag 0 (Boersma 1993, eq. 8, for
/// this window):
///
/// ```text
/// w[l] = (1 − u) (2/3 + 1/3 cos 2πu) + 1/(2π) sin 2πu,    u = l / N
/// ```
fn window_autocorrelation(length: usize) -> impl Iterator<Item = f64> {
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
        let mut powers = vec![Lanes::of(1.0); power.len()];
        powers.iter_mut().zip(power).for_each(|(lanes, p)| lanes.0[6] = p);
        Periodicity::new(N, 16_000).unwrap().run(&powers)[6]
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

    /// The fundamental and the next two harmonics are missing, as on a telephone.
    #[test]
    fn a_missing_fundamental_is_detected() {
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

    /// Compares the closed form with the sum.
    #[test]
    fn the_closed_form_of_the_windows_autocorrelation_equals_the_sum() {
        let window: Vec<f64> = hann_periodic(N).iter().map(|w| f64::from(*w)).collect();
        let energy: f64 = window.iter().map(|w| w * w).sum();
        for (l, w) in window_autocorrelation(N).enumerate().step_by(37).take(12) {
            let sum: f64 = window[l..].iter().zip(&window).map(|(a, b)| a * b).sum();
            approx::assert_abs_diff_eq!(w, sum / energy, epsilon = 1e-5);
        }
    }

    /// Compares with the definition in f64, lag by lag.
    #[test]
    fn the_correlation_equals_its_definition() {
        let power: Vec<f32> = noise(N / 2 + 1, 9).iter().map(|x| x * x).collect();
        let mut plan = Periodicity::new(N, 16_000).unwrap();
        plan.correlate(&power.iter().map(|p| Lanes::of(*p)).collect::<Vec<_>>());
        let naive = |l: usize| -> f64 {
            (4..=160).map(|k| f64::from(power[k]) * (std::f64::consts::TAU * (k * l) as f64 / 512.0).cos()).sum::<f64>()
                * 2.0
        };
        for l in 0..=133 {
            approx::assert_abs_diff_eq!(f64::from(plan.correlation[l].0[3]), naive(l), epsilon = 1e-4 * naive(0));
        }
    }
}
