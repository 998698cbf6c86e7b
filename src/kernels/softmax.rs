//! Softmax numerators of one row of attention scores with a gated bias, and their sum.
//!
//! ```text
//! s[k] = x[k] + gate · bias[k]        x[k] = e^(s[k] − max s)        returns Σ x[k]
//! ```
//!
//! The row is not divided by the sum: its product with the values has fewer elements than the row,
//! and is divided instead.

use super::cpu::Variant;
use super::exponential::exp;
use super::multiversion::multiversion;

/// Number of partial sums and partial maxima.
const LANES: usize = 16;

/// Computes the numerators in place and returns their sum, between 1 and `x.len()`, or 0 for an
/// empty row. A non-finite value makes the sum NaN.
///
/// # Panics
///
/// If `bias` has another length than `x`.
pub fn exp_biased(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    assert!(bias.len() == x.len(), "{} values, {} of bias", x.len(), bias.len());
    exp_biased_by(Variant::best(), x, bias, gate)
}

multiversion! {
    fn exp_biased_by(x: &mut [f32], bias: &[f32], gate: f32) -> f32 {
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
}

/// Adds the gated bias and returns the largest score.
#[expect(clippy::inline_always, reason = "compiled with the target features of its caller")]
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
    fn every_variant_equals_the_definition_around_the_vector_width() {
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
                // a rounding error of a score near 30 is 2e-6, which changes the exponential by as
                // much
                assert!((want - f64::from(*got)).abs() < 1e-5, "{want} {got}");
            }
        }
    }

    #[test]
    fn an_empty_row_gives_0_and_non_finite_scores_give_nan() {
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
