//! Low-pass filter of the resampler: a windowed sinc with a Kaiser window.
//!
//! ```text
//! h(τ) = 2 fc · sinc(2 fc τ) · I0(β √(1 − (τ / w)²)) / I0(β)      |τ| < w, else 0        sinc(x) = sin(πx) / (πx)
//! ```
//!
//! τ is in input samples, fc in cycles per input sample, w is half the filter's length. For A dB in
//! the stop band and a length of 2w samples, Kaiser's formulas (Oppenheim and Schafer,
//! Discrete-Time Signal Processing, section 7.6) give
//!
//! ```text
//! β = 0.1102 (A − 8.7)              for A > 50
//! Δf = (A − 7.95) / (14.36 · 2w)    width of the transition band, cycles per sample
//! ```

use std::f64::consts::PI;

/// Designed attenuation in the stop band, dB. 90 dB are guaranteed; the rest covers the error of
/// the design formula and sums of several images.
const STOPBAND_DB: f64 = 100.0;

/// Half the filter's length in periods of the lower of the two rates. With [`STOPBAND_DB`] the
/// transition band is 5 % of the lower Nyquist frequency wide: the filter is flat up to 95 % and
/// blocks from 100 % on.
const HALF_LENGTH: f64 = 128.0;

/// Terms of the power series of I0: for arguments up to 13, further terms are below f64 precision.
const TERMS: usize = 32;

/// The prototype filter of one pair of rates, as a function of continuous time.
#[derive(Clone, Debug)]
pub(crate) struct KaiserSinc {
    cutoff: f64,
    half_width: f64,
    window: BesselSeries,
}

/// I0(β √v), the modified Bessel function of the first kind and order 0, as a power series in v:
/// Σ_k (β² / 4)^k / (k!)² · v^k. All terms are positive.
#[derive(Clone, Debug)]
struct BesselSeries([f64; TERMS]);

impl BesselSeries {
    fn new(beta: f64) -> Self {
        let (mut term, mut terms) = (1.0, [0.0; TERMS]);
        for (k, place) in (1..).zip(&mut terms) {
            *place = term;
            term *= beta * beta / 4.0 / f64::from(k * k);
        }
        Self(terms)
    }

    /// Evaluates the series at v by Horner's rule.
    fn at(&self, v: f64) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, term| sum * v + term)
    }

    /// The series divided by its value at v = 1.
    fn normalised(self) -> Self {
        let whole = self.at(1.0);
        Self(self.0.map(|term| term / whole))
    }
}

/// Half-band filter: the weights h(1), h(3), h(5) … of a low-pass whose cut-off is at a quarter of
/// the sample rate. h(0) is 1/2, all other even weights are 0. `transition` is the width of the
/// transition band in cycles per sample, `stopband_db` the attenuation in the stop band; the ripple
/// in the pass band is the same.
pub(crate) fn half_band(transition: f64, stopband_db: f64) -> Vec<f32> {
    let half_width = (stopband_db - 7.95) / (14.36 * 2.0 * transition);
    let window = BesselSeries::new(0.1102 * (stopband_db - 8.7)).normalised();
    let at = |tau: f64| 0.5 * sinc(0.5 * tau) * window.at(1.0 - (tau / half_width).powi(2));
    let weights = ((half_width - 1.0) / 2.0).ceil() as usize;
    (0..weights).map(|p| at((2 * p + 1) as f64) as f32).collect()
}

impl KaiserSinc {
    /// The low-pass for conversion by `ratio` = output rate / input rate, with gain 1. Its stop
    /// band begins at the lower Nyquist frequency.
    pub(crate) fn for_ratio(ratio: f64) -> Self {
        let lower_rate = ratio.min(1.0); // in units of the input rate
        let transition = (STOPBAND_DB - 7.95) / (14.36 * 2.0 * HALF_LENGTH);
        let beta = 0.1102 * (STOPBAND_DB - 8.7);
        Self {
            cutoff: (0.5 - transition / 2.0) * lower_rate,
            half_width: HALF_LENGTH / lower_rate,
            window: BesselSeries::new(beta).normalised(),
        }
    }

    /// w: half the filter's length, input samples.
    pub(crate) fn half_width(&self) -> f64 {
        self.half_width
    }

    /// h(τ), τ in input samples.
    pub(crate) fn at(&self, tau: f64) -> f64 {
        let inside = 1.0 - (tau / self.half_width).powi(2);
        if inside <= 0.0 {
            return 0.0;
        }
        2.0 * self.cutoff * sinc(2.0 * self.cutoff * tau) * self.window.at(inside)
    }
}

/// sin(πx) / (πx), and 1 at 0.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I0(x) = 1/π ∫₀^π exp(x cos θ) dθ; the trapezoid rule on a periodic function converges to
    /// machine precision.
    fn i0_by_integral(x: f64) -> f64 {
        (0..200).map(|k| (x * (2.0 * PI * f64::from(k) / 200.0).cos()).exp()).sum::<f64>() / 200.0
    }

    #[test]
    fn bessel_equals_its_integral() {
        for beta in [0.1, 10.06, 12.3] {
            for v in [0.0, 0.001, 0.1, 0.5, 0.9, 1.0] {
                let want = i0_by_integral(beta * f64::sqrt(v));
                approx::assert_relative_eq!(BesselSeries::new(beta).at(v), want, max_relative = 1e-14);
            }
        }
    }

    /// |H(f)| of the continuous prototype, sampled 8 times finer than the lower rate.
    fn gain(filter: &KaiserSinc, f: f64) -> f64 {
        let step = filter.half_width / HALF_LENGTH / 8.0;
        let n = (8.0 * HALF_LENGTH) as i32;
        (-n..=n).map(|i| f64::from(i) * step).map(|tau| filter.at(tau) * (2.0 * PI * f * tau).cos() * step).sum()
    }

    #[test]
    fn passes_95_percent_of_the_lower_nyquist_and_blocks_from_there_on() {
        for ratio in [0.01, 1.0 / 3.0, 1.0, 2.75] {
            let filter = KaiserSinc::for_ratio(ratio);
            let nyquist = 0.5 * f64::min(ratio, 1.0);
            for i in 0..=190 {
                let g = gain(&filter, nyquist * f64::from(i) / 200.0);
                assert!((g - 1.0).abs() < 2e-5, "ratio {ratio}: gain {g} at {i} / 200 of Nyquist");
            }
            for i in 200..=1400 {
                let g = gain(&filter, nyquist * f64::from(i) / 200.0);
                assert!(g.abs() < 1.25e-5, "ratio {ratio}: gain {g} at {i} / 200 of Nyquist"); // −98 dB
            }
        }
    }

    #[test]
    fn half_band_filters_attenuate_as_designed() {
        for transition in [0.06, 0.1, 1.0 / 6.0, 0.4] {
            let weights = half_band(transition, 120.0);
            for i in 0..=500 {
                let f = f64::from(i) / 1000.0;
                let beside = weights
                    .iter()
                    .zip(0..)
                    .map(|(w, p)| 2.0 * f64::from(*w) * (2.0 * PI * f * f64::from(2 * p + 1)).cos());
                let gain = 0.5 + beside.sum::<f64>();
                let wanted = if f < 0.25 { 1.0 } else { 0.0 };
                let between = (f - 0.25).abs() < transition / 2.0 - 1e-9;
                assert!(between || (gain - wanted).abs() < 2e-6, "transition {transition}: gain {gain} at {f}");
            }
        }
    }

    #[test]
    fn even_and_zero_outside() {
        let filter = KaiserSinc::for_ratio(0.5);
        for tau in [0.3, 17.0, 255.9] {
            assert_eq!(filter.at(tau), filter.at(-tau));
            assert_ne!(filter.at(tau), 0.0);
        }
        for tau in [256.0, 300.0, f64::INFINITY] {
            assert_eq!(filter.at(tau), 0.0);
        }
    }
}
