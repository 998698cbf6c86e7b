//! Many values to one.

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    // A block is read to its end, without a branch, so that the test is vectorised.
    values.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite()))
}

/// `Σ values[i]`. 16 partial sums, added up at the end: fast, and with little rounding. The order depends on the length alone.
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
    fn one_bad_value_is_found_wherever_it_is() {
        for n in [1, 2, 255, 256, 257, 700] {
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

    /// Whole numbers below 2²⁴ add up without rounding in any order.
    #[test]
    fn sum_equals_the_definition_around_the_vector_width() {
        for n in [0, 1, 2, 15, 16, 17, 31, 32, 33, 400, 1000] {
            let values: Vec<f32> = (0..n).map(|i| ((i * 7919) % 2001) as f32 - 1000.0).collect();
            let want: f64 = values.iter().map(|x| f64::from(*x)).sum();
            assert_eq!(f64::from(sum(&values)), want, "{n}");
        }
    }
}
