//! Reductions: finiteness, largest magnitude, sums.

use super::cpu::Variant;
use super::multiversion::multiversion;

/// Whether all values are finite.
pub fn all_finite(values: &[f32]) -> bool {
    all_finite_by(Variant::best(), values)
}

multiversion! {
    // NaN and the infinities have the largest bit patterns. A block is read to its end without a
    // branch, so that it is vectorised.
    fn all_finite_by(values: &[f32]) -> bool {
        let largest = |block: &[f32]| block.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff));
        values.chunks(4096).all(|block| largest(block) < f32::INFINITY.to_bits())
    }
}

/// The largest absolute value; 0 for no values, NaN if any value is NaN.
pub fn largest_magnitude(values: &[f32]) -> f32 {
    f32::from_bits(largest_magnitude_by(Variant::best(), values))
}

multiversion! {
    // bit patterns of magnitudes order as the magnitudes do, with NaN above infinity
    fn largest_magnitude_by(values: &[f32]) -> u32 {
        values.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff))
    }
}

/// `sums[i] += row[i]` in f64: one step of a sum over rows.
///
/// # Panics
///
/// If the lengths differ.
pub fn add_row(sums: &mut [f64], row: &[f32]) {
    assert!(sums.len() == row.len());
    add_row_by(Variant::best(), sums, row);
}

multiversion! {
    fn add_row_by(sums: &mut [f64], row: &[f32]) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
}

/// `sums[i] += (row[i] − means[i])²` in f64: one step of a variance over rows.
///
/// # Panics
///
/// If the lengths differ.
pub fn add_squares(sums: &mut [f64], row: &[f32], means: &[f64]) {
    assert!(sums.len() == row.len() && means.len() == row.len());
    add_squares_by(Variant::best(), sums, row, means);
}

multiversion! {
    fn add_squares_by(sums: &mut [f64], row: &[f32], means: &[f64]) {
        for ((sum, x), mean) in sums.iter_mut().zip(row).zip(means) {
            let deviation = f64::from(*x) - mean;
            *sum += deviation * deviation;
        }
    }
}

/// `Σ values[i]` in 16 partial sums, which is fast and keeps the rounding error small. The order
/// depends on the length alone.
pub fn sum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_variants_are_bit_identical() {
        let x: Vec<f32> = (0..131).map(|i| (i as f32 * 0.731).sin()).collect();
        let means: Vec<f64> = x.iter().map(|x| f64::from(x.cos())).collect();
        for variant in Variant::ALL {
            let (mut sums, mut squares) = (means.clone(), means.clone());
            add_row_by(variant, &mut sums, &x);
            add_squares_by(variant, &mut squares, &x, &means);
            for (i, x) in x.iter().enumerate() {
                let deviation = f64::from(*x) - means[i];
                assert_eq!(sums[i], means[i] + f64::from(*x), "{variant:?}");
                assert_eq!(squares[i], means[i] + deviation * deviation, "{variant:?}");
            }
            assert!(all_finite_by(variant, &x) && !all_finite_by(variant, &[&x[..], &[f32::NAN]].concat()));
        }
    }

    #[test]
    fn one_non_finite_value_is_found_at_any_place() {
        for n in [1, 2, 255, 4096, 4097, 9000] {
            assert!(all_finite(&vec![f32::MAX; n]));
            for at in [0, n / 2, n - 1] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = vec![1.0; n];
                    values[at] = bad;
                    assert!(!all_finite(&values), "{bad} at {at} of {n}");
                }
            }
        }
        assert!(all_finite(&[]));
    }

    /// Integers below 2²⁴ are summed without rounding in any order.
    #[test]
    fn sum_equals_the_definition_around_the_vector_width() {
        for n in [0, 1, 2, 15, 16, 17, 31, 32, 33, 400, 1000] {
            let values: Vec<f32> = (0..n).map(|i| ((i * 7919) % 2001) as f32 - 1000.0).collect();
            let want: f64 = values.iter().map(|x| f64::from(*x)).sum();
            assert_eq!(f64::from(sum(&values)), want, "{n}");
        }
    }
}
