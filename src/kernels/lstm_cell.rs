//! Gates of an LSTM cell: an element-wise loop that the compiler vectorises.
//!
//! ```text
//! c = sigmoid(f) · c + sigmoid(i) · tanh(g)        h = sigmoid(o) · tanh(c)
//! ```

use super::cpu::Variant;
use super::exponential::exp;
use super::multiversion::multiversion;

/// One step of a cell with `cell.len()` units: `gates` are the sums `[i, f, g, o]` of input,
/// recurrent product and biases, in PyTorch's order. Updates `cell` and writes the output to
/// `hidden`. NaN in a gate makes its unit NaN.
///
/// # Panics
///
/// If `gates` is not four times as long as `cell`, or `hidden` has another length than `cell`.
pub fn lstm_cell(gates: &[f32], cell: &mut [f32], hidden: &mut [f32]) {
    assert!(gates.len() == 4 * cell.len() && hidden.len() == cell.len(), "{} gates", gates.len());
    lstm_cell_by(Variant::best(), gates, cell, hidden);
}

multiversion! {
    fn lstm_cell_by(gates: &[f32], cell: &mut [f32], hidden: &mut [f32]) {
        let (i, rest) = gates.split_at(cell.len());
        let (f, rest) = rest.split_at(cell.len());
        let (g, o) = rest.split_at(cell.len());
        for (((((c, h), i), f), g), o) in cell.iter_mut().zip(hidden).zip(i).zip(f).zip(g).zip(o) {
            *c = sigmoid(*f) * *c + sigmoid(*i) * tanh(*g);
            *h = sigmoid(*o) * tanh(*c);
        }
    }
}

/// Logistic function. The exponential of a negative number alone is computed, so nothing overflows.
#[expect(clippy::inline_always, reason = "compiled with the target features of its caller")]
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let smaller = e / (1.0 + e);
    if x < 0.0 { smaller } else { 1.0 - smaller }
}

/// Hyperbolic tangent, with an absolute error below 2e-7.
#[expect(clippy::inline_always, reason = "compiled with the target features of its caller")]
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * x.abs());
    let magnitude = (1.0 - e) / (1.0 + e);
    if x < 0.0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_formula_at_sizes_around_the_vector_width() {
        for n in [0, 1, 7, 8, 9, 16, 33] {
            let gates: Vec<f32> = (0..4 * n).map(|k| 12.0 * (k as f32 * 1.37).sin()).collect();
            let before: Vec<f32> = (0..n).map(|k| 3.0 * (k as f32 * 0.71).cos()).collect();
            let (mut cell, mut hidden) = (before.clone(), vec![f32::NAN; n]);
            lstm_cell(&gates, &mut cell, &mut hidden);
            for k in 0..n {
                let gate = |part: usize| f64::from(gates[part * n + k]);
                let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                let c = sigmoid(gate(1)) * f64::from(before[k]) + sigmoid(gate(0)) * gate(2).tanh();
                assert!((f64::from(cell[k]) - c).abs() < 1e-6, "{n}: {} {c}", cell[k]);
                let h = sigmoid(gate(3)) * c.tanh();
                assert!((f64::from(hidden[k]) - h).abs() < 1e-6, "{n}: {} {h}", hidden[k]);
            }
        }
    }

    #[test]
    fn variants_are_bit_identical_and_extremes_saturate() {
        let gates: Vec<f32> = (0..4 * 37).map(|k| 40.0 * (k as f32 * 1.7).sin()).collect();
        let [plain, avx2, avx512] = Variant::ALL.map(|variant| {
            let (mut cell, mut hidden) = (vec![0.5; 37], vec![f32::NAN; 37]);
            lstm_cell_by(variant, &gates, &mut cell, &mut hidden);
            (cell, hidden)
        });
        assert_eq!((&plain, &plain), (&avx2, &avx512));
        assert!(sigmoid(-1e30) < 1e-30 && sigmoid(1e30) == 1.0);
        assert!(sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!([-1e30, 0.0, 1e30_f32].map(tanh), [-1.0, 0.0, 1.0]);
    }
}
