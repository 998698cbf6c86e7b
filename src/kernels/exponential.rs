//! Exponential function of f32 in a form that the compiler vectorises: no branch, no table, no
//! call.
//!
//! ```text
//! e^x = 2^n · e^r        n = round(x / ln 2), r = x − n · ln 2, |r| ≤ ln 2 / 2
//! e^r = Σ r^k / k!       k = 0 … 7: the rest is below 6e-9
//! ```
//!
//! `ln 2` is subtracted in two parts (Cody and Waite 1980). The first has few enough bits that its
//! product with `n` is exact.

/// Below this `2^n` would be subnormal.
const LOWEST: f32 = -87.0;
/// 1.5 · 2²³: adding it to a small number rounds the number to an integer, which the last bits of
/// the sum hold.
const ROUND: f32 = 12_582_912.0;
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// The exponent field of 1.0.
const BIAS: u32 = 127;
const FRACTION_BITS: u32 = 23;

/// `e^x` for `x` up to 88, with a relative error below 2e-7; below −87 it is `e^−87`, 1.6e-38. NaN
/// stays NaN.
#[expect(clippy::inline_always, reason = "compiled with the target features of its caller")]
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x < LOWEST { LOWEST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let mut sum = 1.0 / 5040.0;
    for coefficient in series {
        sum = sum * r + coefficient;
    }
    sum * f32::from_bits(shifted.to_bits().wrapping_add(BIAS) << FRACTION_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_error_is_below_the_bound() {
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) / want - 1.0).abs() < 2e-7, "{x}: {} {want}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn very_negative_inputs_give_tiny_values_and_nan_stays_nan() {
        for x in [-87.5, -1e4, -f32::MAX, f32::NEG_INFINITY] {
            assert!((0.0..2e-38).contains(&exp(x)), "{x}");
        }
        assert!(exp(f32::NAN).is_nan());
    }
}
