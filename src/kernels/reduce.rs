//! Many values to one.

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    // A block is read to its end, without a branch, so that the test is vectorised.
    values.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite()))
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
}
