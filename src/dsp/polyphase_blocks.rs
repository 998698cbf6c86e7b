//! Polyphase blocks of the resampler: many outputs of an exact polyphase filter at a time, as a
//! matrix product.
//!
//! The phases repeat after L outputs and M inputs. A *block* is L outputs, or for small L as many
//! multiples of L as fit a panel of 32:
//!
//! ```text
//! y[r, c] = Σ_i x[r · m + i] · W[i, c]        r: block, c: output of the block, m: inputs per block
//! W[n_c + j, c] = h of the phase of output c, j = 0 .. 2H − 1; 0 elsewhere        n_c = floor(c · M / L)
//! ```
//!
//! The rows x[r · m ..] overlap and are not copied. A panel contains 32 neighbouring outputs, whose
//! inputs nearly coincide: one in nine of its weights is a 0 outside of its column's filter. Each
//! sum runs over i in order, so that an output does not depend on the number of blocks computed
//! together. f32 rounding is about −130 dB of the signal.

use super::polyphase_filter::PolyphaseFilter;
use crate::kernels::epilogue::{Epilogue, Output, PANEL};
use crate::kernels::packed::{Packed, Rows};

/// The weights of one block.
#[derive(Clone, Debug)]
pub(crate) struct PolyphaseBlocks {
    outputs: usize,
    inputs: usize,
    reach: usize,
    panels: Vec<Panel>,
}

/// At most [`PANEL`] neighbouring outputs, which a matrix product computes at once.
#[derive(Clone, Debug)]
struct Panel {
    /// First output of the panel, and the first input that it needs.
    output: usize,
    input: usize,
    /// Number of inputs that the panel needs.
    inputs: usize,
    /// Zeros.
    bias: Vec<f32>,
    weights: Packed,
}

impl PolyphaseBlocks {
    /// Arranges an exact polyphase filter for conversion by `up` / `down`.
    pub(crate) fn new(filter: &PolyphaseFilter, up: u64, down: u64) -> Self {
        let (up, down) = (up as usize, down as usize);
        let outputs = (PANEL / up).max(1) * up;
        let panels: Vec<Panel> = (0..outputs)
            .step_by(PANEL)
            .map(|first| Panel::new(filter, (up, down), first..outputs.min(first + PANEL)))
            .collect();
        let reach = panels.iter().map(|panel| panel.input + panel.inputs).max().unwrap_or(0);
        Self { outputs, inputs: outputs / up * down, reach, panels }
    }

    /// Number of inputs from one block to the next.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of inputs that a block needs.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// Appends the outputs of `blocks` blocks, of which the first begins at `input[0]`.
    ///
    /// # Panics
    /// If `input` ends before the inputs of the last block.
    pub(crate) fn run(&self, input: &[f32], blocks: usize, output: &mut Vec<f32>) {
        let first = output.len();
        output.resize(first + blocks * self.outputs, 0.0);
        for panel in &self.panels {
            let x = Rows { values: &input[panel.input..], strides: [self.inputs, 0] };
            let values = &mut output[first + panel.output..];
            let out = Output { values, stride: self.outputs, bias: &panel.bias, epilogue: Epilogue::Linear };
            panel.weights.run(x, 0..1, blocks, out);
        }
    }
}

impl Panel {
    fn new(filter: &PolyphaseFilter, (up, down): (usize, usize), outputs: std::ops::Range<usize>) -> Self {
        let (output, columns) = (outputs.start, outputs.len());
        let position = |c: usize| (c * down / up, c * down % up);
        let input = position(output).0;
        let rows = position(outputs.end - 1).0 - input + filter.length();
        let mut weights = vec![0.0; rows * columns];
        for c in outputs {
            let (before, phase) = position(c);
            let column = weights[(before - input) * columns + c - output..].iter_mut().step_by(columns);
            column.zip(filter.row(phase as u64)).for_each(|(weight, h)| *weight = *h);
        }
        let weights = Packed::new(&weights, [1, rows, columns]);
        Self { output, input, inputs: rows, bias: vec![0.0; columns], weights }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::noise;
    use super::*;

    #[test]
    fn a_block_equals_single_outputs() {
        for (up, down) in [(1u64, 3u64), (3, 1), (2, 3), (33, 7), (160, 441), (640, 441)] {
            let filter = PolyphaseFilter::new(up, down);
            let blocks = PolyphaseBlocks::new(&filter, up, down);
            assert!(filter.is_exact() && blocks.outputs as u64 * down == blocks.inputs() as u64 * up);
            let input = noise(4 * blocks.inputs() + blocks.reach(), 11);
            let mut output = vec![7.0];
            blocks.run(&input, 5, &mut output);
            assert_eq!(output.len(), 1 + 5 * blocks.outputs);
            for (k, got) in (0..).zip(&output[1..]) {
                let around = &input[(k * down / up) as usize..][..filter.length()];
                let want = filter.output(k * down % up, around);
                assert!((got - want).abs() < 2e-6, "{up} / {down}, output {k}: {got} against {want}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_blocks() {
        let blocks = PolyphaseBlocks::new(&PolyphaseFilter::new(160, 441), 160, 441);
        let input = noise(20 * blocks.inputs() + blocks.reach(), 12);
        let mut together = Vec::new();
        blocks.run(&input, 21, &mut together);
        let mut alone = Vec::new();
        (0..21).for_each(|r| blocks.run(&input[r * blocks.inputs()..][..blocks.reach()], 1, &mut alone));
        assert!(together == alone);
    }
}
