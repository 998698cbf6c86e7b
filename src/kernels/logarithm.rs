//! Natural logarithm of f32 in a form that the compiler vectorises, with scale and floors.

use super::cpu::Variant;
use super::multiversion::multiversion;

/// √½: mantissas are reduced to √½ … √2.
const LEAST_MANTISSA: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// ln 2 in two parts; the first has 10 bits, so that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The natural logarithm of a positive normal number. NaN and infinity are returned unchanged.
///
/// ```text
/// ln(2^e m) = e ln 2 + 2 (s + s³/3 + s⁵/5 + s⁷/7 + s⁹/9),     s = (m − 1) / (m + 1),   √½ ≤ m < √2
/// ```
///
/// |s| is at most 0.1716, so the omitted terms are below 2⁻³⁰. The error is below 2 ulp.
#[inline]
pub fn ln(x: f32) -> f32 {
    let above = x.to_bits().wrapping_sub(LEAST_MANTISSA.to_bits());
    let exponent = (above.cast_signed() >> 23) as f32;
    let mantissa = f32::from_bits((above & 0x007f_ffff) + LEAST_MANTISSA.to_bits());
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = square * (2.0 / 3.0 + square * (2.0 / 5.0 + square * (2.0 / 7.0 + square * (2.0 / 9.0))));
    let result = exponent * LN_2[0] + (2.0 * s + (s * series + exponent * LN_2[1]));
    if x < f32::INFINITY { result } else { x }
}

/// A logarithm with floor, factor, offset and lower bound, as decibels and log-mel features need.
#[derive(Clone, Copy, Debug)]
pub struct LogScale {
    /// Lower bound of the input, a positive normal number.
    pub floor: f32,
    /// Factor of the natural logarithm.
    pub factor: f32,
    /// Subtracted after the multiplication.
    pub less: f32,
    /// Lower bound of the result.
    pub least: f32,
}

impl LogScale {
    /// `x = max(factor · ln max(x, floor) − less, least)`. NaN stays NaN, infinity stays infinity.
    pub fn run(self, values: &mut [f32]) {
        run_by(Variant::best(), self, values);
    }
}

multiversion! {
    fn run_by(scale: LogScale, values: &mut [f32]) {
        for x in values {
            let floored = if *x < scale.floor { scale.floor } else { *x };
            let scaled = scale.factor * ln(floored) - scale.less;
            *x = if scaled < scale.least { scale.least } else { scaled };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_below_two_ulp() {
        let mut worst = 0.0f64;
        for bits in (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(9973) {
            let x = f32::from_bits(bits);
            let want = f64::from(x).ln();
            let unit = f64::from(f32::from_bits((want as f32).abs().to_bits() + 1)) - f64::from((want as f32).abs());
            worst = worst.max((f64::from(ln(x)) - want).abs() / unit);
        }
        println!("{worst:.2} ulp");
        assert!(worst < 2.0, "{worst}");
        assert_eq!((ln(1.0), ln(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(ln(f32::NAN).is_nan());
    }

    #[test]
    fn variants_are_bit_identical_and_bounds_hold() {
        let scale = LogScale { floor: 1e-10, factor: 4.342_944_8, less: 3.0, least: -60.0 };
        let values: Vec<f32> = (0..99).map(|i| (f32::from(i as u8) - 60.0).exp2()).collect();
        for variant in Variant::ALL {
            let mut got = values.clone();
            run_by(variant, scale, &mut got);
            for (got, x) in got.iter().zip(&values) {
                assert_eq!(*got, (scale.factor * ln(x.max(1e-10)) - 3.0).max(-60.0), "{variant:?}, {x}");
            }
        }
        let mut odd = [0.0, -1.0, f32::NAN, f32::INFINITY];
        scale.run(&mut odd);
        assert_eq!((odd[0], odd[1], odd[3]), (-60.0, -60.0, f32::INFINITY));
        assert!(odd[2].is_nan());
    }
}
