//! Half-band decimation: a half-band FIR low-pass filter and down-sampling by 2.
//!
//! ```text
//! y[k] = x[2k + T] / 2 + Σ_p w[p] · (x[2k + T + 1 + 2p] + x[2k + T − 1 − 2p])        p = 0 .. P − 1, T = 2P − 1
//! ```
//!
//! A low-pass with its cut-off at half of the Nyquist frequency has zero taps at all even distances
//! from its centre except the centre itself, which halves the work; its symmetry lets two samples
//! share a tap. Samples at even and odd indices are separated first, so that all further accesses
//! are contiguous.

use super::cpu::Variant;
use super::multiversion::multiversion;

/// The maximum number of taps on one side.
pub const MAX_TAPS: usize = 64;
/// Outputs per tile: their inputs stay in the L1 cache.
const TILE: usize = 256;

/// Number of input samples for `outputs` outputs with `weights` taps on one side; 0 for no outputs.
pub const fn reach(weights: usize, outputs: usize) -> usize {
    if outputs == 0 { 0 } else { 4 * weights - 3 + 2 * outputs }
}

/// Computes `y` from `x`. The order of operations of an output does not depend on its place in `y`.
///
/// # Panics
///
/// If there are no weights, more than [`MAX_TAPS`], or `x` has fewer than [`reach`] samples.
pub fn halve(x: &[f32], weights: &[f32], y: &mut [f32]) {
    halve_by(Variant::best(), x, weights, y);
}

fn halve_by(variant: Variant, x: &[f32], weights: &[f32], y: &mut [f32]) {
    assert!((1..=MAX_TAPS).contains(&weights.len()), "{} weights", weights.len());
    assert!(x.len() >= reach(weights.len(), y.len()), "{} values for {} outputs", x.len(), y.len());
    for (tile, y) in y.chunks_mut(TILE).enumerate() {
        tile_by(variant, &x[2 * TILE * tile..], weights, y);
    }
}

multiversion! {
    // x[2i + 1] are the centres (output k has centre k + P − 1), x[2i] the samples beside them
    fn tile_by(x: &[f32], weights: &[f32], y: &mut [f32]) {
        let (mut beside, mut centres) = ([0.0f32; TILE + 2 * MAX_TAPS], [0.0f32; TILE + 2 * MAX_TAPS]);
        let pairs = x.as_chunks::<2>().0.iter().take(y.len() + 2 * weights.len() - 2);
        for (pair, (even, odd)) in pairs.zip(beside.iter_mut().zip(&mut centres)) {
            (*even, *odd) = (pair[0], pair[1]);
        }
        // no centre follows the last output's farthest sample
        let last = y.len() + 2 * weights.len() - 2;
        beside[last] = x[2 * last];
        let (middle, mut sums) = (weights.len(), [0.0f32; TILE]);
        let sums = &mut sums[..y.len()];
        sums.iter_mut().zip(&centres[middle - 1..]).for_each(|(sum, x)| *sum = 0.5 * x);
        let (quads, rest) = weights.as_chunks::<4>();
        for (q, w) in quads.iter().enumerate() {
            let values = |first: usize| beside[first..][..y.len() + 3].windows(4);
            let sides = values(middle + 4 * q).zip(values(middle - 4 - 4 * q));
            for (sum, (after, before)) in sums.iter_mut().zip(sides) {
                let product = |i: usize| w[i] * (after[i] + before[3 - i]);
                *sum += (product(0) + product(1)) + (product(2) + product(3));
            }
        }
        for (p, w) in (4 * quads.len()..).zip(rest) {
            let sides = beside[middle + p..].iter().zip(&beside[middle - 1 - p..]);
            sums.iter_mut().zip(sides).for_each(|(sum, (after, before))| *sum += w * (after + before));
        }
        y.copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random values in ±1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0)
            .collect()
    }

    fn naive(x: &[f32], weights: &[f32], k: usize) -> f64 {
        let centre = 2 * k + 2 * weights.len() - 1;
        let beside = |p: usize| f64::from(x[centre + 1 + 2 * p]) + f64::from(x[centre - 1 - 2 * p]);
        let sum: f64 = weights.iter().enumerate().map(|(p, w)| f64::from(*w) * beside(p)).sum();
        sum + 0.5 * f64::from(x[centre])
    }

    #[test]
    fn every_variant_equals_the_definition_and_all_are_bit_identical() {
        for weights in [1, 2, 12, 15, MAX_TAPS] {
            let weights = noise(weights, 1);
            for outputs in [1, 2, 15, 16, 17, 255, 256, 257, 1000] {
                let x = noise(reach(weights.len(), outputs), 2);
                let mut plain = vec![f32::NAN; outputs];
                halve_by(Variant::Portable, &x, &weights, &mut plain);
                for (k, y) in plain.iter().enumerate() {
                    let error = (f64::from(*y) - naive(&x, &weights, k)).abs();
                    assert!(error < 1e-6 * (1.0 + weights.len() as f64), "output {k} of {outputs}: {error}");
                }
                for variant in Variant::ALL {
                    let mut y = vec![f32::NAN; outputs];
                    halve_by(variant, &x, &weights, &mut y);
                    assert_eq!(y, plain, "{variant:?}");
                }
            }
        }
    }

    #[test]
    fn no_outputs_need_no_input() {
        halve(&[], &[0.5], &mut []);
    }

    #[test]
    #[should_panic(expected = "6 values for 3 outputs")]
    fn too_few_samples_panic() {
        halve(&[0.0; 6], &[0.5], &mut [0.0; 3]);
    }
}
