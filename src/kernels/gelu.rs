//! GELU, the Gaussian error linear unit, exact form (Hendrycks and Gimpel 2016).
//!
//! ```text
//! gelu(x) = x · Φ(x)        Φ(x) = 1 − erfc(x / √2) / 2 = erfc(−x / √2) / 2
//! erfc(z) ≈ t · (a1 + t · (a2 + t · (a3 + t · (a4 + t · a5)))) · e^(−z²)        t = 1 / (1 + p · z), z ≥ 0
//! ```
//!
//! The second line is Abramowitz and Stegun's 7.1.26 with an absolute error of at most 1.5e-7, so
//! the error of GELU is at most 0.75e-7 · |x| besides rounding.

use super::cpu::Variant;
use super::exponential::exp;
use super::multiversion::multiversion;

const P: f32 = 0.327_591_1;
const A: [f32; 5] = [0.254_829_6, -0.284_496_7, 1.421_413_8, -1.453_152, 1.061_405_4];

/// GELU in place. An infinity gives NaN, so that a broken layer shows at its output; NaN stays NaN.
pub fn gelu(values: &mut [f32]) {
    gelu_by(Variant::best(), values);
}

/// `x = gelu(scale · x + shift)` for rows of `scale.len()` channels.
///
/// # Panics
///
/// If `shift` has another length than `scale`, or `rows` is not a whole number of rows.
pub fn scale_shift_gelu(rows: &mut [f32], scale: &[f32], shift: &[f32]) {
    let channels = scale.len().max(1);
    assert!(shift.len() == scale.len() && rows.len().is_multiple_of(channels));
    let variant = Variant::best();
    for row in rows.chunks_exact_mut(channels) {
        for ((x, s), t) in row.iter_mut().zip(scale).zip(shift) {
            *x = s * *x + t;
        }
        gelu_by(variant, row);
    }
}

multiversion! {
    fn gelu_by(values: &mut [f32]) {
        for x in values {
            *x = one(*x);
        }
    }
}

#[expect(clippy::inline_always, reason = "compiled with the target features of its caller")]
#[inline(always)]
fn one(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + P * z);
    let polynomial = t * (A[0] + t * (A[1] + t * (A[2] + t * (A[3] + t * A[4]))));
    let tail = 0.5 * x * (polynomial * exp(-z * z));
    if x < 0.0 { tail } else { x - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in f64: Φ by Simpson's rule from 0, with an error far below the tolerance.
    fn naive(x: f64) -> f64 {
        let density = |u: f64| (-u * u / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let (steps, h) = (400, x / 400.0);
        let sum: f64 = (0..steps)
            .map(|i| {
                let u = f64::from(i) * h;
                h / 6.0 * (density(u) + 4.0 * density(u + h / 2.0) + density(u + h))
            })
            .sum();
        x * (0.5 + sum)
    }

    #[test]
    fn equals_the_definition() {
        let x: Vec<f32> = (-1200..=1200).map(|i| i as f32 * 0.01).collect();
        let mut y = x.clone();
        gelu(&mut y);
        for (x, y) in x.iter().zip(&y) {
            let want = naive(f64::from(*x));
            assert!((want - f64::from(*y)).abs() < 3e-7 * (1.0 + want.abs()), "{x}: {want} {y}");
        }
    }

    #[test]
    fn variants_are_bit_identical_around_the_vector_width() {
        for n in [0, 1, 7, 8, 9, 15, 16, 17, 33, 100] {
            let x: Vec<f32> = (0..n).map(|i| (i as f32 * 1.7).sin() * 6.0).collect();
            let [plain, avx2, avx512] = Variant::ALL.map(|variant| {
                let mut y = x.clone();
                gelu_by(variant, &mut y);
                y
            });
            assert_eq!((&plain, &plain), (&avx2, &avx512), "{n} values");
        }
    }

    #[test]
    fn scale_and_shift_are_applied_first() {
        let (scale, shift) = ([2.0, -1.0, 0.5], [0.1, 0.2, -3.0]);
        let mut rows = [1.0, 2.0, 3.0, -1.0, -2.0, -3.0];
        let mut apart: Vec<f32> = rows.iter().enumerate().map(|(i, x)| scale[i % 3] * x + shift[i % 3]).collect();
        gelu(&mut apart);
        scale_shift_gelu(&mut rows, &scale, &shift);
        assert_eq!(rows, apart[..]);
        scale_shift_gelu(&mut [], &[], &[]);
    }

    #[test]
    fn non_finite_inputs_give_nan() {
        let mut values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30];
        gelu(&mut values);
        assert!(values[..3].iter().all(|y| y.is_nan()), "{values:?}");
        assert!(values[3] == 1e30 && values[4].abs() < 1e-7, "{values:?}");
    }
}
