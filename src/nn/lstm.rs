//! Bidirectional LSTM over frames.

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::lstm_cell::lstm_cell;
use crate::nn::frame_conv::FrameConv;
use crate::nn::loader::Loader;
use crate::nn::packed_weights::{Activations, Layout, PackedWeights};
use crate::nn::precision::Precision;
use crate::nn::scratch::Scratch;
use crate::nn::tensor::Tensor;

/// One layer of PyTorch's bidirectional `nn.LSTM` (Hochreiter and Schmidhuber 1997):
///
/// ```text
/// [i, f, g, o][t] = W_ih · x[t] + b_ih + W_hh · h[t ∓ 1] + b_hh
/// c[t] = sigmoid(f) · c[t ∓ 1] + sigmoid(i) · tanh(g)        h[t] = sigmoid(o) · tanh(c[t])
/// ```
///
/// `h[t]` of the forward direction (`t − 1`) comes before that of the backward direction (`t + 1`).
/// States before the first step are 0. The products with all `x[t]` of both directions are one
/// matrix product; the recurrence runs over several sequences of one length side by side, so that
/// each recurrent weight is read once for all of them. The result of a sequence does not depend on
/// the others. In [`Precision::Int8`] both products are int8; gates and states are f32.
#[derive(Clone, Debug)]
pub struct BiLstm {
    hidden: usize,
    /// Both directions: `[inputs] → [2 · 4 · hidden]`.
    input: FrameConv,
    /// Of each direction: `[hidden] → [4 · hidden]`.
    recurrent: [PackedWeights; 2],
    zeros: Vec<f32>,
}

/// Scratch memory of a [`BiLstm`]. It grows to the largest layer; no result depends on its previous
/// content.
#[derive(Debug, Default)]
pub struct LstmScratch {
    /// Gates of both directions, `[steps · sequences, 2 · 4 · hidden]`.
    gates: Vec<f32>,
    /// Cell states, `[sequences, hidden]`.
    cell: Vec<f32>,
    products: Scratch,
}

/// Tensors of one direction, as PyTorch stores them.
#[derive(Debug)]
pub struct LstmWeights {
    /// `[4 · hidden, inputs]`.
    pub input: Tensor,
    /// `[4 · hidden, hidden]`.
    pub recurrent: Tensor,
    /// `b_ih` and `b_hh`, each `[4 · hidden]`.
    pub biases: [Vec<f32>; 2],
}

impl BiLstm {
    /// # Panics
    ///
    /// If the shapes of the two directions do not match.
    pub fn new(directions: &[LstmWeights; 2], precision: Precision) -> Self {
        let hidden = directions[0].recurrent.shape()[1];
        let inputs = directions[0].input.shape()[1];
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for direction in directions {
            assert!(direction.input.shape() == [4 * hidden, inputs], "{:?}", direction.input.shape());
            assert!(direction.recurrent.shape() == [4 * hidden, hidden], "{:?}", direction.recurrent.shape());
            weight.extend_from_slice(direction.input.values());
            bias.extend(direction.biases[0].iter().zip(&direction.biases[1]).map(|(a, b)| a + b));
        }
        let outputs = bias.len();
        let input = FrameConv::linear(Tensor::new(&[outputs, inputs], weight), &vec![1.0; outputs], bias, precision);
        let pack = |direction: &LstmWeights| {
            let shape = [4 * hidden, hidden, 1];
            PackedWeights::of_convolution(direction.recurrent.values(), &vec![1.0; shape[0]], shape, hidden, precision)
        };
        Self { hidden, input, recurrent: directions.each_ref().map(pack), zeros: vec![0.0; 4 * hidden] }
    }

    /// Takes `{prefix}.weight_ih_l{layer}`, `.weight_hh_l{layer}`, `.bias_ih_l{layer}`,
    /// `.bias_hh_l{layer}` and the same with `_reverse`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    pub fn load(
        loader: &mut Loader<'_>,
        prefix: &str,
        layer: usize,
        [inputs, hidden]: [usize; 2],
        precision: Precision,
    ) -> Result<Self> {
        let mut direction = |suffix: &str| -> Result<LstmWeights> {
            let mut take =
                |part: &str, shape: &[usize]| loader.take(&format!("{prefix}.{part}_l{layer}{suffix}"), shape);
            Ok(LstmWeights {
                input: take("weight_ih", &[4 * hidden, inputs])?,
                recurrent: take("weight_hh", &[4 * hidden, hidden])?,
                biases: [take("bias_ih", &[4 * hidden])?.into_values(), take("bias_hh", &[4 * hidden])?.into_values()],
            })
        };
        Ok(Self::new(&[direction("")?, direction("_reverse")?], precision))
    }

    /// Length of an input vector.
    pub fn inputs(&self) -> usize {
        self.input.inputs()
    }

    /// Length of an output vector: two hidden states.
    pub fn outputs(&self) -> usize {
        2 * self.hidden
    }

    /// `[steps, sequences, inputs]` → `[steps, sequences, outputs]`.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, input: &[f32], [steps, sequences]: [usize; 2], output: &mut [f32], scratch: &mut LstmScratch) {
        let (hidden, rows) = (self.hidden, steps * sequences);
        let width = 8 * hidden;
        assert!(input.len() == rows * self.inputs() && output.len() == rows * self.outputs(), "{rows} rows");
        let LstmScratch { gates, cell, products } = scratch;
        gates.resize(gates.len().max(rows * width), 0.0);
        cell.resize(cell.len().max(sequences * hidden), 0.0);
        let gates = &mut gates[..rows * width];
        self.input.run(input, rows, gates, products);
        for (direction, recurrent) in self.recurrent.iter().enumerate() {
            let cell = &mut cell[..sequences * hidden];
            cell.fill(0.0);
            let mut previous = None;
            for n in 0..steps {
                let step = if direction == 0 { n } else { steps - 1 - n };
                let gates = &mut gates[step * sequences * width + direction * 4 * hidden..];
                if let Some(previous) = previous {
                    let from = &output[previous * sequences * 2 * hidden + direction * hidden..];
                    self.add_recurrent(recurrent, from, sequences, gates, products);
                }
                let to = &mut output[step * sequences * 2 * hidden + direction * hidden..];
                for (s, cell) in cell.chunks_exact_mut(hidden).enumerate() {
                    lstm_cell(&gates[s * width..][..4 * hidden], cell, &mut to[s * 2 * hidden..][..hidden]);
                }
                previous = Some(step);
            }
        }
    }

    /// Adds the products with the previous hidden states, rows of `hidden` that start two hidden
    /// states apart, to the gates of a direction.
    fn add_recurrent(
        &self,
        weights: &PackedWeights,
        states: &[f32],
        sequences: usize,
        gates: &mut [f32],
        Scratch { quantised, .. }: &mut Scratch,
    ) {
        let hidden = self.hidden;
        let stride = match weights {
            PackedWeights::F32(_) => 2 * hidden,
            PackedWeights::Int8(_) => {
                quantised.quantise((0..sequences).map(|s| &states[s * 2 * hidden..][..hidden]), hidden);
                hidden
            }
        };
        let layout = Layout { first: 0, strides: [stride, 0], first_scale: 0, scale_strides: [1, 0] };
        let out = Output { values: gates, stride: 8 * hidden, bias: &self.zeros, epilogue: Epilogue::Add };
        weights.run(Activations { values: states, quantised }, layout, 0..1, sequences, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::precision::tests::{BOTH, activations_read, weights_read};

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    fn weights(inputs: usize, hidden: usize, seed: f32) -> LstmWeights {
        LstmWeights {
            input: Tensor::new(&[4 * hidden, inputs], noise(4 * hidden * inputs, seed)),
            recurrent: Tensor::new(&[4 * hidden, hidden], noise(4 * hidden * hidden, seed + 0.1)),
            biases: [noise(4 * hidden, seed + 0.2), noise(4 * hidden, seed + 0.3)],
        }
    }

    /// The formula in f64 for one direction of one sequence, with quantised operands in int8.
    fn naive(w: &LstmWeights, x: &[f32], hidden: usize, backward: bool, precision: Precision) -> Vec<f64> {
        let inputs = w.input.shape()[1];
        let steps = x.len() / inputs;
        let (w_x, w_h) =
            (weights_read(precision, w.input.values(), inputs), weights_read(precision, w.recurrent.values(), hidden));
        let mut output = vec![0.0; steps * hidden];
        let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
        for n in 0..steps {
            let t = if backward { steps - 1 - n } else { n };
            let x = activations_read(precision, &x[t * inputs..(t + 1) * inputs], inputs);
            let previous: Vec<f32> = h.iter().map(|h: &f64| *h as f32).collect();
            let previous = activations_read(precision, &previous, hidden);
            let dot = |row: &[f64], x: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            let gate = |k: usize| {
                dot(&w_x[k * inputs..(k + 1) * inputs], &x)
                    + dot(&w_h[k * hidden..(k + 1) * hidden], &previous)
                    + f64::from(w.biases[0][k])
                    + f64::from(w.biases[1][k])
            };
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            for k in 0..hidden {
                let [i, f, g, o] = [0, 1, 2, 3].map(|part| gate(part * hidden + k));
                c[k] = sigmoid(f) * c[k] + sigmoid(i) * g.tanh();
                h[k] = sigmoid(o) * c[k].tanh();
            }
            output[t * hidden..(t + 1) * hidden].copy_from_slice(&h);
        }
        output
    }

    #[test]
    fn equals_the_formula_and_sequences_are_independent() {
        for (inputs, hidden, steps) in [(3, 5, 7), (60, 16, 4), (9, 33, 3), (2, 1, 1)] {
            for precision in BOTH {
                let layer = BiLstm::new(&[weights(inputs, hidden, 0.1), weights(inputs, hidden, 0.7)], precision);
                for sequences in [1, 2, 5] {
                    let x = noise(steps * sequences * inputs, 0.3);
                    let mut y = vec![f32::NAN; steps * sequences * 2 * hidden];
                    let mut scratch = LstmScratch { gates: vec![f32::NAN; 9], ..LstmScratch::default() };
                    layer.run(&x, [steps, sequences], &mut y, &mut scratch);
                    for s in 0..sequences {
                        let own: Vec<f32> = x.chunks(inputs).skip(s).step_by(sequences).flatten().copied().collect();
                        for (d, seed) in [0.1, 0.7].into_iter().enumerate() {
                            let w = weights(inputs, hidden, seed);
                            let want = naive(&w, &own, hidden, d == 1, precision);
                            for (t, want) in want.chunks(hidden).enumerate() {
                                let got = &y[(t * sequences + s) * 2 * hidden + d * hidden..][..hidden];
                                for (want, got) in want.iter().zip(got) {
                                    // int8: a rounding to the other side is one step of 1/255
                                    let tolerance = if precision == Precision::F32 { 1e-5 } else { 2e-2 };
                                    assert!((want - f64::from(*got)).abs() < tolerance, "{precision:?} {want} {got}");
                                }
                            }
                        }
                        let mut alone = vec![f32::NAN; steps * 2 * hidden];
                        layer.run(&own, [steps, 1], &mut alone, &mut scratch);
                        let together: Vec<f32> =
                            y.chunks(2 * hidden).skip(s).step_by(sequences).flatten().copied().collect();
                        assert_eq!(alone, together, "{sequences} sequences, {precision:?}");
                    }
                }
            }
        }
    }
}
