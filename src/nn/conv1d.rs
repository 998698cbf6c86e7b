//! One-dimensional convolution on `[channels, length]`, for the few channels of a trunk.
//!
//! It is separate from [`FrameConv`](crate::nn::FrameConv), whose layout is `[frames, channels]`:
//! this one starts from the bias and adds one GEMM per tap, an order of additions that the results
//! depend on bit by bit.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::gemm::{Matrix, MatrixMut, Product, gemm};
use crate::nn::loader::Loader;
use crate::nn::tensor::Tensor;

/// Options of PyTorch's `nn.Conv1d`, with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1dOptions {
    /// Distance between adjacent outputs.
    pub stride: usize,
    /// Distance between adjacent taps.
    pub dilation: usize,
    /// Zeros before and after the input.
    pub padding: usize,
    /// Number of groups; outputs of a group read the inputs of that group only.
    pub groups: usize,
}

impl Default for Conv1dOptions {
    fn default() -> Self {
        Self { stride: 1, dilation: 1, padding: 0, groups: 1 }
    }
}

/// PyTorch's `nn.Conv1d` (a cross-correlation) on `[channels, length]`:
///
/// ```text
/// y[o, t] = b[o] + Σ_i Σ_j W[o, i, j] · x[i, t · stride + j · dilation − padding]
/// ```
///
/// with `i` over the inputs of the group of `o` and `x` zero outside its length. Each tap is one
/// matrix product per group, added to the previous ones, over the outputs for which it reads inside
/// the input: neither windows nor padding are stored.
#[derive(Clone, Debug)]
pub struct Conv1d {
    options: Conv1dOptions,
    /// Number of inputs of a group.
    group_inputs: usize,
    taps: usize,
    /// `[taps, outputs, group_inputs]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Conv1d {
    /// `weight` is `[outputs, inputs / groups, taps]`, `bias` `[outputs]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not match, stride, dilation, groups or taps are 0, or the outputs are not a
    /// multiple of the groups.
    pub fn new(weight: &Tensor, bias: Vec<f32>, options: Conv1dOptions) -> Self {
        let (shape, outputs) = (weight.shape(), bias.len());
        assert!(shape.len() == 3 && shape[0] == outputs && shape[2] > 0, "{shape:?}");
        assert!(
            options.stride > 0 && options.dilation > 0 && options.groups > 0 && outputs.is_multiple_of(options.groups)
        );
        let (group_inputs, taps) = (shape[1], shape[2]);
        let mut packed = vec![0.0; weight.values().len()];
        for (row, of_row) in weight.values().chunks_exact(taps).enumerate() {
            for (j, w) in of_row.iter().enumerate() {
                packed[j * outputs * group_inputs + row] = *w;
            }
        }
        Self { options, group_inputs, taps, weight: packed, bias }
    }

    /// Takes `{prefix}.weight` of the given shape `[outputs, inputs / groups, taps]`, and
    /// `{prefix}.bias`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    ///
    /// # Panics
    ///
    /// As [`Self::new`] for options and shape.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, shape: [usize; 3], options: Conv1dOptions) -> Result<Self> {
        let weight = loader.take(&format!("{prefix}.weight"), &shape)?;
        let bias = loader.take(&format!("{prefix}.bias"), &shape[..1])?;
        Ok(Self::new(&weight, bias.into_values(), options))
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.group_inputs * self.options.groups
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Output length for an input of `length`:
    /// `(length + 2 · padding − dilation · (taps − 1) − 1) / stride + 1`, or 0 if the taps do not
    /// fit.
    pub fn length_out(&self, length: usize) -> usize {
        let reach = self.options.dilation * (self.taps - 1) + 1;
        (length + 2 * self.options.padding).checked_sub(reach).map_or(0, |spare| spare / self.options.stride + 1)
    }

    /// `[inputs, length]` → `[outputs, length_out(length)]`.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, input: &[f32], length: usize, output: &mut [f32]) {
        let length_out = self.length_out(length);
        assert!(input.len() == self.inputs() * length && output.len() == self.outputs() * length_out);
        if length_out == 0 {
            return;
        }
        for (row, bias) in output.chunks_exact_mut(length_out).zip(&self.bias) {
            row.fill(*bias);
        }
        for tap in 0..self.taps {
            let inside = self.outputs_reading_inside(tap, length, length_out);
            if !inside.is_empty() {
                self.add_tap(tap, inside, input, length, output, length_out);
            }
        }
    }

    /// The outputs `t` with `0 ≤ t · stride + tap · dilation − padding < length`.
    fn outputs_reading_inside(&self, tap: usize, length: usize, length_out: usize) -> Range<usize> {
        let Conv1dOptions { stride, dilation, padding, .. } = self.options;
        let offset = tap * dilation;
        let start = padding.saturating_sub(offset).div_ceil(stride);
        let end = (length + padding).saturating_sub(offset).div_ceil(stride);
        start..end.min(length_out).max(start)
    }

    /// Adds the products of one tap to the given outputs of all groups.
    fn add_tap(&self, tap: usize, at: Range<usize>, x: &[f32], length: usize, y: &mut [f32], length_out: usize) {
        let Conv1dOptions { stride, dilation, padding, groups } = self.options;
        let (inputs, outputs) = (self.group_inputs, self.outputs() / groups);
        let first = at.start * stride + tap * dilation - padding;
        let weight = &self.weight[tap * self.outputs() * inputs..];
        for group in 0..groups {
            if inputs == 0 {
                break;
            }
            gemm(
                Matrix::row_major(&weight[group * outputs * inputs..], (outputs, inputs)),
                Matrix::new(&x[group * inputs * length + first..], (inputs, at.len()), (length, stride)),
                MatrixMut::new(&mut y[group * outputs * length_out + at.start..], (outputs, at.len()), length_out),
                Product::Adds,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for one output channel and index.
    fn naive(
        options: Conv1dOptions,
        weight: &Tensor,
        bias: &[f32],
        x: &[f32],
        length: usize,
        (o, t): (usize, usize),
    ) -> f64 {
        let &[outputs, inputs, taps] = weight.shape() else { unreachable!() };
        let first_input = o / (outputs / options.groups) * inputs;
        let mut sum = f64::from(bias[o]);
        for i in 0..inputs {
            for j in 0..taps {
                let place = (t * options.stride + j * options.dilation) as isize - options.padding as isize;
                if (0..length as isize).contains(&place) {
                    let w = weight.values()[(o * inputs + i) * taps + j];
                    sum += f64::from(w) * f64::from(x[(first_input + i) * length + place as usize]);
                }
            }
        }
        sum
    }

    fn check(outputs: usize, group_inputs: usize, taps: usize, length: usize, options: Conv1dOptions) {
        let weight = Tensor::new(&[outputs, group_inputs, taps], noise(outputs * group_inputs * taps, 0.1));
        let (bias, x) = (noise(outputs, 0.2), noise(group_inputs * options.groups * length, 0.3));
        let layer = Conv1d::new(&weight, bias.clone(), options);
        let length_out = layer.length_out(length);
        let mut y = vec![f32::NAN; outputs * length_out];
        layer.run(&x, length, &mut y);
        for (k, got) in y.iter().enumerate() {
            let want = naive(options, &weight, &bias, &x, length, (k / length_out, k % length_out));
            assert!((want - f64::from(*got)).abs() < 1e-5, "{options:?} taps {taps} length {length}: {want} {got}");
        }
    }

    #[test]
    fn equals_the_formula_for_all_small_options() {
        for stride in [1, 2, 3] {
            for dilation in [1, 2, 4] {
                for padding in [0, 1, 2, 5] {
                    for groups in [1, 3] {
                        for (taps, length) in [(1, 1), (1, 7), (3, 9), (4, 10), (5, 17)] {
                            check(6, 2, taps, length, Conv1dOptions { stride, dilation, padding, groups });
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_group_per_channel_is_a_depthwise_convolution() {
        check(5, 1, 3, 11, Conv1dOptions { padding: 1, groups: 5, ..Conv1dOptions::default() });
    }

    #[test]
    fn an_output_that_reads_only_padding_is_the_bias() {
        let layer = Conv1d::new(
            &Tensor::new(&[1, 1, 1], vec![2.0]),
            vec![0.5],
            Conv1dOptions { padding: 2, ..Conv1dOptions::default() },
        );
        let mut y = [f32::NAN; 5];
        layer.run(&[3.0], 1, &mut y);
        assert_eq!(y, [0.5, 0.5, 6.5, 0.5, 0.5]);
    }

    #[test]
    fn an_input_shorter_than_the_taps_gives_no_output() {
        let layer = Conv1d::new(&Tensor::new(&[1, 1, 5], noise(5, 0.1)), vec![0.5], Conv1dOptions::default());
        assert_eq!(layer.length_out(4), 0);
        layer.run(&[1.0; 4], 4, &mut []);
    }
}
