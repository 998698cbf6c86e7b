//! Activation functions and softmax.

pub use crate::kernels::elementwise::relu;
pub use crate::kernels::gelu::gelu;
pub use crate::kernels::reduce::{add_row, all_finite};

/// Softmax with temperature: logits to probabilities.
///
/// ```text
/// p[i] = exp((x[i] − max x) / temperature) / Σ_j exp((x[j] − max x) / temperature)
/// ```
///
/// The maximum is subtracted first so that no exponential overflows; sums are f64. A temperature
/// above 1 lowers the confidence (Guo et al. 2017, "On calibration of modern neural networks"). A
/// NaN makes all probabilities NaN; no logits give no probabilities.
pub fn softmax<const N: usize>(logits: &[f32; N], temperature: f64) -> [f32; N] {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.map(|x| ((f64::from(x) - f64::from(largest)) / temperature).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|w| (w / total) as f32)
}

/// Logarithm of the softmax in place: `x[i] − max x − ln Σ_j exp(x[j] − max x)`; sums are f64.
pub fn log_softmax(logits: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|x| (f64::from(*x) - f64::from(largest)).exp()).sum();
    let offset = f64::from(largest) + total.ln();
    for x in logits {
        *x = (f64::from(*x) - offset) as f32;
    }
}

/// Logistic function `1 / (1 + exp(−x))`, between 0 and 1 for every `x`. NaN stays NaN.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_to_one_and_keeps_the_order_for_logits_of_any_size() {
        for size in [1e-3, 1.0, 50.0, 1e4, 1e38] {
            let p = softmax(&[0.3 * size, -size, size, 0.9 * size], 1.0);
            assert!((p.iter().map(|p| f64::from(*p)).sum::<f64>() - 1.0).abs() < 1e-6);
            assert!(p[1] <= p[0] && p[0] <= p[3] && p[3] <= p[2], "{p:?}");
        }
    }

    #[test]
    fn a_common_shift_has_no_effect_and_temperature_divides() {
        assert_eq!(softmax(&[1.0, 2.0, 4.0], 1.0), softmax(&[101.0, 102.0, 104.0], 1.0));
        assert_eq!(softmax(&[1.0, 2.0, 4.0], 2.0), softmax(&[0.5, 1.0, 2.0], 1.0));
        let [p, q] = softmax(&[0.0, 3.0_f32.ln()], 1.0);
        assert!((p - 0.25).abs() < 1e-7 && (q - 0.75).abs() < 1e-7);
    }

    #[test]
    fn log_softmax_is_the_logarithm_of_the_softmax() {
        let logits = [0.3, -7.0, 4.0, 3.9];
        let mut logarithms = logits;
        log_softmax(&mut logarithms);
        for (p, log) in softmax(&logits, 1.0).iter().zip(logarithms) {
            assert!((p.ln() - log).abs() < 1e-6);
        }
    }

    #[test]
    fn sigmoid_is_its_formula_and_stays_between_0_and_1() {
        for x in [-30.0, -3.5, -1e-3, 0.0, 0.7, 12.0_f32] {
            let want = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - want).abs() < 1e-7, "{x}");
        }
        assert_eq!([f32::NEG_INFINITY, -1e30, 1e30, f32::INFINITY].map(sigmoid), [0.0, 0.0, 1.0, 1.0]);
        assert!(sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn nan_is_propagated() {
        assert!(softmax(&[1.0, f32::NAN], 1.0).iter().all(|p| p.is_nan()));
        assert_eq!(softmax(&[], 1.0), [0.0; 0]);
    }
}
