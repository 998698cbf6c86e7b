//! Weighted sums of values of each signal: filter banks, cosine transforms.

use super::{Lanes, for_each_vector};
use crate::kernels::dot::Variant;

/// A matrix of which each row is zero outside one segment.
#[derive(Clone, Debug)]
pub struct Stretches {
    inputs: usize,
    rows: Vec<Segment>,
    weights: Vec<f32>,
}

/// Where a row's weights begin: the first input, and among all weights.
#[derive(Clone, Copy, Debug)]
struct Segment {
    input: usize,
    weight: usize,
    width: usize,
}

impl Stretches {
    /// Rows over `inputs` values: the first input of each, and its weights.
    ///
    /// # Panics
    ///
    /// If a row leaves the inputs.
    pub fn new<'a>(inputs: usize, rows: impl IntoIterator<Item = (usize, &'a [f32])>) -> Self {
        let mut matrix = Self { inputs, rows: Vec::new(), weights: Vec::new() };
        for (input, weights) in rows {
            assert!(weights.is_empty() || input + weights.len() <= inputs, "a row within the inputs");
            matrix.rows.push(Segment { input, weight: matrix.weights.len(), width: weights.len() });
            matrix.weights.extend_from_slice(weights);
        }
        matrix
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// `out[r] = Σ_k w[r, k] · input[k]` of each signal, k in order.
    ///
    /// # Panics
    ///
    /// If a length is not the matrix's.
    pub fn run(&self, input: &[Lanes], out: &mut [Lanes]) {
        assert!(input.len() == self.inputs && out.len() == self.rows(), "lengths of the matrix");
        run_by(Variant::best(), self, input, out);
    }
}

for_each_vector! {
    fn run_by<V>(matrix: &Stretches, input: &[Lanes], out: &mut [Lanes]) {
        for (sum, row) in out.iter_mut().zip(&matrix.rows) {
            let weights = &matrix.weights[row.weight..][..row.width];
            let inputs = input.get(row.input..).unwrap_or_default();
            // two sums, so that one need not wait for the other
            let (pairs, last) = weights.as_chunks::<2>();
            let mut sums = [V::splat(0.0); 2];
            for ([w, v], [x, y]) in pairs.iter().zip(inputs.as_chunks::<2>().0) {
                sums = [V::load(x).mul_add(V::splat(*w), sums[0]), V::load(y).mul_add(V::splat(*v), sums[1])];
            }
            for (w, x) in last.iter().zip(&inputs[2 * pairs.len()..]) {
                sums[0] = V::load(x).mul_add(V::splat(*w), sums[0]);
            }
            sums[0].add(sums[1]).store(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LANES;
    use super::*;

    #[test]
    fn equals_the_definition_in_every_variant() {
        let weights: Vec<f32> = (0..40).map(|i| (i as f32 * 0.731).sin()).collect();
        let segments = [(0, 0..1), (3, 1..8), (20, 8..8), (20, 10..26), (33, 2..9), (0, 0..40)];
        let matrix = Stretches::new(40, segments.iter().map(|(first, at)| (*first, &weights[at.clone()])));
        let input: Vec<Lanes> =
            (0..40).map(|k| Lanes(std::array::from_fn(|l| ((k * LANES + l) as f32 * 0.37).cos()))).collect();
        for variant in Variant::ALL {
            let mut out = vec![Lanes::of(f32::NAN); matrix.rows()];
            run_by(variant, &matrix, &input, &mut out);
            for (got, (first, at)) in out.iter().zip(&segments) {
                for l in 0..LANES {
                    let terms = weights[at.clone()].iter().zip(&input[*first..]);
                    let want: f64 = terms.map(|(w, x)| f64::from(*w) * f64::from(x.0[l])).sum();
                    assert!((f64::from(got.0[l]) - want).abs() < 1e-5, "{variant:?}, lane {l}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "within the inputs")]
    fn a_row_beyond_the_inputs_is_refused() {
        Stretches::new(3, [(2, &[1.0, 1.0][..])]);
    }
}
