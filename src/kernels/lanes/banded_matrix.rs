//! Product of a banded matrix with 16 signals: filter banks, cosine transforms.

use super::Lanes;
use super::multiversion_lanes::multiversion_lanes;
use crate::kernels::cpu::Variant;

/// A matrix whose rows are zero outside one range of columns each.
#[derive(Clone, Debug)]
pub struct BandedMatrix {
    inputs: usize,
    rows: Vec<Row>,
    weights: Vec<f32>,
}

/// Non-zero range of a row: its first input, the index of its first weight, and its width.
#[derive(Clone, Copy, Debug)]
struct Row {
    input: usize,
    weight: usize,
    width: usize,
}

impl BandedMatrix {
    /// Builds a matrix with `inputs` columns from the first non-zero column and the weights of each
    /// row.
    ///
    /// # Panics
    ///
    /// If a row exceeds the columns.
    pub fn new<'a>(inputs: usize, rows: impl IntoIterator<Item = (usize, &'a [f32])>) -> Self {
        let mut matrix = Self { inputs, rows: Vec::new(), weights: Vec::new() };
        for (input, weights) in rows {
            assert!(weights.is_empty() || input + weights.len() <= inputs, "a row exceeds {inputs} inputs");
            matrix.rows.push(Row { input, weight: matrix.weights.len(), width: weights.len() });
            matrix.weights.extend_from_slice(weights);
        }
        matrix
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// `out[r] = Σ_k w[r, k] · input[k]` of each signal, k in order.
    ///
    /// # Panics
    ///
    /// If a length differs from that of the matrix.
    pub fn run(&self, input: &[Lanes], out: &mut [Lanes]) {
        assert!(input.len() == self.inputs && out.len() == self.rows(), "lengths of the matrix");
        run_by(Variant::best(), self, input, out);
    }
}

multiversion_lanes! {
    fn run_by<V>(matrix: &BandedMatrix, input: &[Lanes], out: &mut [Lanes]) {
        for (sum, row) in out.iter_mut().zip(&matrix.rows) {
            let weights = &matrix.weights[row.weight..][..row.width];
            let inputs = input.get(row.input..).unwrap_or_default();
            // two partial sums hide the latency of the additions
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
        let bands = [(0, 0..1), (3, 1..8), (20, 8..8), (20, 10..26), (33, 2..9), (0, 0..40)];
        let matrix = BandedMatrix::new(40, bands.iter().map(|(first, at)| (*first, &weights[at.clone()])));
        let input: Vec<Lanes> =
            (0..40).map(|k| Lanes(std::array::from_fn(|l| ((k * LANES + l) as f32 * 0.37).cos()))).collect();
        for variant in Variant::ALL {
            let mut out = vec![Lanes::of(f32::NAN); matrix.rows()];
            run_by(variant, &matrix, &input, &mut out);
            for (got, (first, at)) in out.iter().zip(&bands) {
                for l in 0..LANES {
                    let terms = weights[at.clone()].iter().zip(&input[*first..]);
                    let want: f64 = terms.map(|(w, x)| f64::from(*w) * f64::from(x.0[l])).sum();
                    assert!((f64::from(got.0[l]) - want).abs() < 1e-5, "{variant:?}, lane {l}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "exceeds 3 inputs")]
    fn a_row_beyond_the_inputs_panics() {
        BandedMatrix::new(3, [(2, &[1.0, 1.0][..])]);
    }
}
