//! Analysis windows.

use std::f64::consts::PI;

/// The periodic Hann window `[n]`: one period of a raised cosine, whose next sample would be the first again.
///
/// ```text
/// w[i] = ½ − ½ cos(2π i / n)
/// ```
///
/// Periodic (divided by n, not n − 1) is what spectral analysis wants and what librosa (`fftbins=True`) and
/// `torch.hann_window` give by default. `n` = 0 gives an empty window.
pub fn hann_periodic(n: usize) -> Vec<f32> {
    (0..n).map(|i| (0.5 - 0.5 * (2.0 * PI * i as f64 / n as f64).cos()) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let w = hann_periodic(8);
        let half = std::f64::consts::FRAC_1_SQRT_2 / 2.0;
        let want = [0.0, 0.5 - half, 0.5, 0.5 + half, 1.0, 0.5 + half, 0.5, 0.5 - half];
        for (got, want) in w.iter().zip(want) {
            approx::assert_abs_diff_eq!(f64::from(*got), want, epsilon = 1e-7);
        }
    }

    #[test]
    fn copies_half_a_window_apart_add_up_to_one() {
        let w = hann_periodic(1024);
        for i in 0..512 {
            approx::assert_abs_diff_eq!(w[i] + w[i + 512], 1.0, epsilon = 1e-6);
        }
    }

    #[test]
    fn empty_and_single() {
        assert!(hann_periodic(0).is_empty());
        assert_eq!(hann_periodic(1), [0.0]);
    }
}
