//! Many values to one.

/// Partial sums side by side: enough for the compiler to keep vector registers busy.
const LANES: usize = 16;

/// `Σ a[i] · b[i]`, over the shorter of the two. The order of summation depends on the length alone.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (a, a_rest) = a[..length].as_chunks::<LANES>();
    let (b, b_rest) = b[..length].as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    // A block is read to its end, without a branch, so that the test is vectorised.
    values.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_equals_the_definition_around_the_vector_width() {
        for n in [0, 1, 2, 15, 16, 17, 31, 32, 33, 1000, 3001] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 0.91).cos()).collect();
            let want: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((f64::from(dot(&a, &b)) - want).abs() < 1e-6 * (1.0 + n as f64).sqrt(), "{n}");
        }
    }

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
