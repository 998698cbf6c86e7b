//! Gate of the relative position bias (WavLM).

use crate::error::Result;
use crate::kernels::dot::dots;
use crate::nn::activation::sigmoid;
use crate::nn::loader::Loader;

/// Rows of the linear map per sum.
const ROWS: usize = 4;

/// Factor of the position bias of each frame and head, computed from the frame (Chen et al. 2022,
/// "WavLM", section 3.1):
///
/// ```text
/// a = σ(Σ of rows 0 to 3 of W · x_h + b)        b' = σ(Σ of rows 4 to 7 of W · x_h + b)
/// gate = a · (b' · c_h − 1) + 2
/// ```
///
/// with `x_h` the channels of the head in the input of the layer, W and b shared by all heads, and
/// a constant `c_h` per head. The four rows of a sum are added at load.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Two rows of `head_dim`.
    weight: [Vec<f32>; 2],
    bias: [f32; 2],
    /// One per head.
    constants: Vec<f32>,
}

impl Gate {
    /// `weight` is `[8, head_dim]`, row after row, `bias` `[8]`, `constants` one per head.
    ///
    /// # Panics
    ///
    /// If `weight` or `bias` has another length.
    pub fn new(weight: &[f32], bias: &[f32], constants: Vec<f32>) -> Self {
        assert!(bias.len() == 2 * ROWS && weight.len().is_multiple_of(2 * ROWS), "{} values of weight", weight.len());
        let head_dim = weight.len() / (2 * ROWS);
        let row =
            |first: usize| (0..head_dim).map(|i| (0..ROWS).map(|r| weight[(first + r) * head_dim + i]).sum()).collect();
        let sum = |first: usize| bias[first..first + ROWS].iter().sum();
        Self { weight: [row(0), row(ROWS)], bias: [sum(0), sum(ROWS)], constants }
    }

    /// Takes `{prefix}.gru_rel_pos_linear.weight`, `….bias` and `{prefix}.gru_rel_pos_const`
    /// `[1, heads, 1, 1]`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, heads: usize, head_dim: usize) -> Result<Self> {
        let weight = loader.take(&format!("{prefix}.gru_rel_pos_linear.weight"), &[2 * ROWS, head_dim])?;
        let bias = loader.take(&format!("{prefix}.gru_rel_pos_linear.bias"), &[2 * ROWS])?;
        let constants = loader.take(&format!("{prefix}.gru_rel_pos_const"), &[1, heads, 1, 1])?;
        Ok(Self::new(weight.values(), bias.values(), constants.into_values()))
    }

    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.constants.len()
    }

    /// `[frames, heads · head_dim]` → `[frames, heads]`.
    ///
    /// # Panics
    ///
    /// If the lengths do not match.
    pub fn run(&self, rows: &[f32], gates: &mut [f32]) {
        let (heads, [first, second]) = (self.heads(), &self.weight);
        assert!(rows.len() == gates.len() * first.len());
        for (row, gates) in rows.chunks_exact((heads * first.len()).max(1)).zip(gates.chunks_exact_mut(heads.max(1))) {
            for ((x, gate), c) in row.chunks_exact(first.len()).zip(gates).zip(&self.constants) {
                let [a, b] = dots(x, [first, second]);
                *gate = sigmoid(a + self.bias[0]) * (sigmoid(b + self.bias[1]) * c - 1.0) + 2.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_formula() {
        let noise = |n: usize, seed: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect() };
        for (heads, head_dim, frames) in [(1, 1, 1), (3, 5, 4), (2, 64, 3)] {
            let (weight, bias, constants) = (noise(8 * head_dim, 0.1), noise(8, 0.2), noise(heads, 0.3));
            let x = noise(frames * heads * head_dim, 0.4);
            let mut gates = vec![f32::NAN; frames * heads];
            Gate::new(&weight, &bias, constants.clone()).run(&x, &mut gates);
            for (n, got) in gates.iter().enumerate() {
                let own = &x[n * head_dim..(n + 1) * head_dim];
                let line = |r: usize| {
                    let products = own.iter().zip(&weight[r * head_dim..]);
                    f64::from(bias[r]) + products.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>()
                };
                let squash = |first: usize| 1.0 / (1.0 + (-(first..first + 4).map(line).sum::<f64>()).exp());
                let want = squash(0) * (squash(4) * f64::from(constants[n % heads]) - 1.0) + 2.0;
                assert!((want - f64::from(*got)).abs() < 1e-5, "{want} {got}");
            }
        }
    }
}
