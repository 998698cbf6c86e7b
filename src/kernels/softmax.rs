//! One row of attention weights, up to their sum.
//!
//! ```text
//! s[k] = x[k] + gate · bias[k]        x[k] = e^(s[k] − max s)        returns Σ x[k]
//! ```
//!
//! The row is left undivided: what it is multiplied with has fewer values than the row, and is divided instead. All variants run the same
//! operations one by one in the same order, so that they give the same bits.

use super::dot::Variant;
use super::exponential::exp;

/// Partial sums and partial maxima side by side.
const LANES: usize = 16;

/// In place; returns the sum, between 1 and `x.len()`, or 0 for an empty row. NaN or an infinity among the values gives a sum that is NaN.
///
/// # Panics
///
/// If `bias` has another length than `x`.
pub fn exp_biased(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    exp_biased_by(Variant::best(), x, bias, gate)
}

fn exp_biased_by(variant: Variant, x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    assert!(bias.len() == x.len(), "{} values, {} of bias", x.len(), bias.len());
    match variant {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX2 and FMA.
        Variant::Avx2 if variant.is_available() => unsafe { avx2(x, bias, gate) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX-512F.
        Variant::Avx512 if variant.is_available() => unsafe { avx512(x, bias, gate) },
        _ => row(x, bias, gate),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    row(x, bias, gate)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    row(x, bias, gate)
}

#[expect(clippy::inline_always, reason = "it must take on the vector width of its caller")]
#[inline(always)]
fn row(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    let largest = add_bias(x, bias, gate);
    let mut sums = [0.0; LANES];
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    for block in blocks {
        for (x, sum) in block.iter_mut().zip(&mut sums) {
            *x = exp(*x - largest);
            *sum += *x;
        }
    }
    for (x, sum) in rest.iter_mut().zip(&mut sums) {
        *x = exp(*x - largest);
        *sum += *x;
    }
    sums.iter().sum()
}

/// Adds the gated bias and returns the largest sum.
#[expect(clippy::inline_always, reason = "it must take on the vector width of its caller")]
#[inline(always)]
fn add_bias(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    let (of_blocks, of_rest) = bias.as_chunks::<LANES>();
    for (block, bias) in blocks.iter_mut().zip(of_blocks) {
        for ((x, b), m) in block.iter_mut().zip(bias).zip(&mut largest) {
            *x += gate * b;
            *m = if *x > *m { *x } else { *m };
        }
    }
    for ((x, b), m) in rest.iter_mut().zip(of_rest).zip(&mut largest) {
        *x += gate * b;
        *m = if *x > *m { *x } else { *m };
    }
    largest.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32, size: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin() * size).collect()
    }

    #[test]
    fn equals_the_definition_by_every_variant_around_the_vector_width() {
        for n in [1, 2, 15, 16, 17, 31, 32, 33, 500] {
            let (x, bias) = (noise(n, 0.1, 30.0), noise(n, 0.2, 3.0));
            let s: Vec<f64> = x.iter().zip(&bias).map(|(x, b)| f64::from(*x) + 1.5 * f64::from(*b)).collect();
            let largest = s.iter().copied().fold(f64::MIN, f64::max);
            let want: Vec<f64> = s.iter().map(|s| (s - largest).exp()).collect();
            let all = Variant::ALL.map(|variant| {
                let mut y = x.clone();
                (exp_biased_by(variant, &mut y, &bias, 1.5), y)
            });
            assert!(all.iter().all(|one| *one == all[0]), "{n} values: variants differ");
            let (sum, y) = &all[0];
            let total = want.iter().sum::<f64>();
            assert!((f64::from(*sum) / total - 1.0).abs() < 1e-5, "{n}: {sum} {total}");
            for (want, got) in want.iter().zip(y) {
                // a rounding of a sum near 30 is 2e-6, and so is the exponential's change by it
                assert!((want - f64::from(*got)).abs() < 1e-5, "{want} {got}");
            }
        }
    }

    #[test]
    fn no_values_have_no_sum_and_what_is_not_finite_is_not_hidden() {
        assert_eq!(exp_biased(&mut [], &[], 1.0), 0.0);
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 5, 17] {
                let mut x = [0.5; 20];
                x[at] = bad;
                assert!(exp_biased(&mut x, &[0.0; 20], 1.0).is_nan(), "{bad} at {at}");
            }
        }
        assert!(exp_biased(&mut [f32::NEG_INFINITY; 3], &[0.0; 3], 1.0).is_nan());
    }
}
