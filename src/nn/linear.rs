//! The dense layer: `y = W · x + b`.

use crate::error::Result;
use crate::kernels::dot::{dot, dots};
use crate::nn::{Norm, Tensor, Weights};

/// PyTorch's `nn.Linear`: weight `[outputs, inputs]`, bias `[outputs]`.
///
/// Made for one vector or few: each row of the weight is read once and multiplied with every input vector, and an answer is
/// the same in any company. For the many frames of a [`crate::nn::Tdnn`] a matrix product is faster.
#[derive(Clone, Debug)]
pub struct Linear {
    inputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    /// # Panics
    ///
    /// If `weight` is not `[outputs, inputs]` with as many outputs as `bias` has values.
    pub fn new(weight: Tensor, bias: Vec<f32>) -> Self {
        let &[outputs, inputs] = weight.shape() else { panic_shape(weight.shape()) };
        assert!(outputs == bias.len(), "{outputs} outputs, {} values of bias", bias.len());
        Self { inputs, weight: weight.into_values(), bias }
    }

    /// Takes `{prefix}.weight` and `{prefix}.bias`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Weights`] names the tensor that is missing, misshapen or not finite.
    pub fn load(weights: &mut Weights<'_>, prefix: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = weights.take(&format!("{prefix}.weight"), &[outputs, inputs])?;
        let bias = weights.take(&format!("{prefix}.bias"), &[outputs])?;
        Ok(Self::new(weight, bias.into_values()))
    }

    /// One layer for this one and a batch norm behind it: `s · (W · x + b) + t = (s · W) · x + (s · b + t)`.
    ///
    /// # Panics
    ///
    /// If the norm has another number of channels.
    #[must_use]
    pub fn followed_by(mut self, norm: &Norm) -> Self {
        assert!(norm.channels() == self.outputs(), "{} channels behind {} outputs", norm.channels(), self.outputs());
        for (row, scale) in self.weight.chunks_exact_mut(self.inputs.max(1)).zip(norm.scale()) {
            for w in row {
                *w *= scale;
            }
        }
        for ((b, scale), shift) in self.bias.iter_mut().zip(norm.scale()).zip(norm.shift()) {
            *b = scale * *b + shift;
        }
        self
    }

    /// Length of an input vector.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Length of an output vector.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `[rows, inputs]` → `[rows, outputs]`.
    ///
    /// # Panics
    ///
    /// If `input` or `output` is not `rows` long.
    pub fn run(&self, input: &[f32], rows: usize, output: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs());
        assert!(input.len() == rows * inputs && output.len() == rows * outputs);
        let row = |o: usize| &self.weight[o * inputs..(o + 1) * inputs];
        // four outputs at a time: their weights come from memory side by side
        for first in (0..outputs / 4 * 4).step_by(4) {
            let four = [row(first), row(first + 1), row(first + 2), row(first + 3)];
            for r in 0..rows {
                let sums = dots(&input[r * inputs..(r + 1) * inputs], four);
                for (i, sum) in sums.into_iter().enumerate() {
                    output[r * outputs + first + i] = sum + self.bias[first + i];
                }
            }
        }
        for o in outputs / 4 * 4..outputs {
            for r in 0..rows {
                output[r * outputs + o] = dot(row(o), &input[r * inputs..(r + 1) * inputs]) + self.bias[o];
            }
        }
    }
}

#[expect(clippy::panic, reason = "a shape that no loader lets through: a mistake in the program")]
fn panic_shape(shape: &[usize]) -> ! {
    panic!("{shape:?} is no weight of a dense layer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    fn naive(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f64> {
        let product = |w: &[f32]| w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        weight.chunks(x.len()).zip(bias).map(|(w, b)| product(w) + f64::from(*b)).collect()
    }

    #[test]
    fn equals_the_definition_at_odd_sizes() {
        for (inputs, outputs, rows) in [(1, 1, 1), (3, 5, 2), (17, 31, 3), (300, 7, 1), (40, 1, 0)] {
            let (weight, bias, x) = (noise(inputs * outputs, 0.1), noise(outputs, 0.2), noise(rows * inputs, 0.3));
            let layer = Linear::new(Tensor::new(&[outputs, inputs], weight.clone()), bias.clone());
            let mut y = vec![f32::NAN; rows * outputs];
            layer.run(&x, rows, &mut y);
            for (x, y) in x.chunks(inputs).zip(y.chunks(outputs)) {
                for (want, got) in naive(&weight, &bias, x).iter().zip(y) {
                    assert!((want - f64::from(*got)).abs() < 2e-5, "{want} {got}");
                }
            }
        }
    }

    #[test]
    fn a_folded_norm_equals_one_behind() {
        let layer = Linear::new(Tensor::new(&[5, 9], noise(45, 0.4)), noise(5, 0.5));
        let norm = Norm::new(noise(5, 0.6), noise(5, 0.7));
        let x = noise(9, 0.8);
        let (mut apart, mut folded) = ([0.0; 5], [0.0; 5]);
        layer.run(&x, 1, &mut apart);
        norm.run(&mut apart);
        layer.clone().followed_by(&norm).run(&x, 1, &mut folded);
        for (a, f) in apart.iter().zip(&folded) {
            assert!((a - f).abs() < 1e-6);
        }
    }
}
