//! Dense layer for single vectors: `y = W · x + b`.

use half::f16;

use crate::error::Result;
use crate::kernels::dot::dot;
use crate::nn::loader::Loader;
use crate::nn::norm::Norm;
use crate::nn::tensor::Tensor;

/// PyTorch's `nn.Linear`: weight `[outputs, inputs]`, bias `[outputs]`.
///
/// For one or a few vectors: each row of the weight is read once and multiplied with every input
/// vector, and an output does not depend on the number of vectors. Reading the weight takes most of
/// the time, so a weight stored in f16 is kept in f16. For many frames the matrix product of a
/// [`FrameConv`](crate::nn::FrameConv) is faster.
#[derive(Clone, Debug)]
pub struct Linear {
    inputs: usize,
    weight: Weight,
    bias: Vec<f32>,
}

#[derive(Clone, Debug)]
enum Weight {
    F32(Vec<f32>),
    /// With an optional factor per output, applied before the bias.
    F16(Vec<f16>, Option<Vec<f32>>),
}

impl Linear {
    /// # Panics
    ///
    /// If `weight` is not `[outputs, inputs]` with as many outputs as `bias` has values.
    pub fn new(weight: Tensor, bias: Vec<f32>) -> Self {
        let &[outputs, inputs] = weight.shape() else { panic_shape(weight.shape()) };
        assert!(outputs == bias.len(), "{outputs} outputs, {} values of bias", bias.len());
        Self { inputs, weight: Weight::F32(weight.into_values()), bias }
    }

    /// Takes `{prefix}.weight` and `{prefix}.bias`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = match loader.take_f16(&name, &[outputs, inputs])? {
            Some(weight) => Weight::F16(weight, None),
            None => Weight::F32(loader.take(&name, &[outputs, inputs])?.into_values()),
        };
        let bias = loader.take(&format!("{prefix}.bias"), &[outputs])?.into_values();
        Ok(Self { inputs, weight, bias })
    }

    /// Folds a batch norm after this layer into it:
    /// `s · (W · x + b) + t = s · W · x + (s · b + t)`.
    ///
    /// # Panics
    ///
    /// If the norm has another number of channels.
    #[must_use]
    pub fn followed_by(mut self, norm: &Norm) -> Self {
        assert!(norm.channels() == self.outputs(), "{} channels after {} outputs", norm.channels(), self.outputs());
        match &mut self.weight {
            Weight::F32(weight) => {
                for (row, scale) in weight.chunks_exact_mut(self.inputs.max(1)).zip(norm.scale()) {
                    for w in row {
                        *w *= scale;
                    }
                }
            }
            Weight::F16(_, Some(scales)) => scales.iter_mut().zip(norm.scale()).for_each(|(s, scale)| *s *= scale),
            Weight::F16(_, scales) => *scales = Some(norm.scale().to_vec()),
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
        for (o, bias) in self.bias.iter().enumerate() {
            let of_output = o * inputs..(o + 1) * inputs;
            for r in 0..rows {
                let x = &input[r * inputs..(r + 1) * inputs];
                output[r * outputs + o] = bias
                    + match &self.weight {
                        Weight::F32(weight) => dot(x, &weight[of_output.clone()]),
                        Weight::F16(weight, None) => dot(x, &weight[of_output.clone()]),
                        Weight::F16(weight, Some(scales)) => scales[o] * dot(x, &weight[of_output.clone()]),
                    };
            }
        }
    }
}

#[expect(clippy::panic, reason = "loaders check shapes, so this is a programming error")]
fn panic_shape(shape: &[usize]) -> ! {
    panic!("{shape:?} is not the shape of a dense layer's weight")
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
    fn a_folded_norm_equals_a_separate_one() {
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

    /// A layer in f16 is bit-identical to one with the same weights in f32; with a folded norm,
    /// nearly.
    #[test]
    fn f16_weights_equal_the_same_weights_in_f32() {
        let (inputs, outputs) = (70, 9);
        let halves: Vec<f16> = noise(inputs * outputs, 0.1).into_iter().map(f16::from_f32).collect();
        let floats = halves.iter().map(|w| w.to_f32()).collect();
        let (bias, x) = (noise(outputs, 0.2), noise(inputs, 0.3));
        let wide = Linear::new(Tensor::new(&[outputs, inputs], floats), bias.clone());
        let narrow = Linear { inputs, weight: Weight::F16(halves, None), bias };
        let of = |layer: &Linear| {
            let mut y = vec![f32::NAN; outputs];
            layer.run(&x, 1, &mut y);
            y
        };
        assert_eq!(of(&narrow), of(&wide));
        let norm = Norm::new(noise(outputs, 0.4), noise(outputs, 0.5));
        let (narrow, wide) = (narrow.followed_by(&norm).followed_by(&norm), wide.followed_by(&norm).followed_by(&norm));
        for (x, y) in of(&narrow).iter().zip(of(&wide)) {
            assert!((x - y).abs() < 1e-5, "{x} {y}");
        }
    }
}
