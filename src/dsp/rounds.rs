//! Outputs of an exact table of phases, many at a time: a product of matrices.
//!
//! After L outputs and M inputs the phases come again. A *round* is L outputs, or for small L as many times L as fit a panel of 32:
//!
//! ```text
//! y[r, c] = Σ_i x[r · m + i] · W[i, c]        r: round, c: output of the round, m: inputs of a round
//! W[n_c + j, c] = h of the phase of output c, j = 0 .. 2H − 1; 0 elsewhere        n_c = floor(c · M / L)
//! ```
//!
//! The rows x[r · m ..] overlap, and nothing is copied. Outputs are cut into panels of 32 neighbours, whose inputs differ little: of the weights
//! of a panel one in nine is a 0 outside its column's filter. Each sum runs over i in order, so that no output depends on how many rounds are
//! computed together. Rounding in f32 comes to about −130 dB of the signal.

use super::phases::Phases;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::packed::{Packed, Rows};

/// Outputs of a panel: as many as [`Packed`] computes at once.
const PANEL: usize = 32;

/// The weights of one round.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    outputs: usize,
    inputs: usize,
    reach: usize,
    panels: Vec<Panel>,
}

/// Neighbouring outputs.
#[derive(Clone, Debug)]
struct Panel {
    /// The first output, and the first input that it needs.
    output: usize,
    input: usize,
    /// Inputs that the panel needs.
    inputs: usize,
    /// Nothing is added.
    bias: Vec<f32>,
    weights: Packed,
}

impl Rounds {
    /// Of an exact table for conversion by `up` / `down`.
    pub(crate) fn new(phases: &Phases, up: u64, down: u64) -> Self {
        let (up, down) = (up as usize, down as usize);
        let outputs = (PANEL / up).max(1) * up;
        let panels: Vec<Panel> = (0..outputs)
            .step_by(PANEL)
            .map(|first| Panel::new(phases, (up, down), first..outputs.min(first + PANEL)))
            .collect();
        let reach = panels.iter().map(|panel| panel.input + panel.inputs).max().unwrap_or(0);
        Self { outputs, inputs: outputs / up * down, reach, panels }
    }

    /// Inputs from one round to the next.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Inputs that a round needs.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// Appends `rounds` rounds; the first sees `input` from its beginning on.
    ///
    /// # Panics
    /// If there are fewer inputs than the last round reaches.
    pub(crate) fn run(&self, input: &[f32], rounds: usize, output: &mut Vec<f32>) {
        let first = output.len();
        output.resize(first + rounds * self.outputs, 0.0);
        for panel in &self.panels {
            let x = Rows { values: &input[panel.input..], strides: [self.inputs, 0] };
            let values = &mut output[first + panel.output..];
            let out = Output { values, stride: self.outputs, bias: &panel.bias, epilogue: Epilogue::Linear };
            panel.weights.run(x, 0..1, rounds, out);
        }
    }
}

impl Panel {
    fn new(phases: &Phases, (up, down): (usize, usize), outputs: std::ops::Range<usize>) -> Self {
        let (output, columns) = (outputs.start, outputs.len());
        let place = |c: usize| (c * down / up, c * down % up);
        let input = place(output).0;
        let rows = place(outputs.end - 1).0 - input + phases.length();
        let mut weights = vec![0.0; rows * columns];
        for c in outputs {
            let (before, phase) = place(c);
            let column = weights[(before - input) * columns + c - output..].iter_mut().step_by(columns);
            column.zip(phases.row(phase as u64)).for_each(|(weight, h)| *weight = *h);
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
    fn a_round_is_its_outputs_one_by_one() {
        for (up, down) in [(1u64, 3u64), (3, 1), (2, 3), (33, 7), (160, 441), (640, 441)] {
            let phases = Phases::new(up, down);
            let rounds = Rounds::new(&phases, up, down);
            assert!(phases.is_exact() && rounds.outputs as u64 * down == rounds.inputs() as u64 * up);
            let input = noise(4 * rounds.inputs() + rounds.reach(), 11);
            let mut output = vec![7.0];
            rounds.run(&input, 5, &mut output);
            assert_eq!(output.len(), 1 + 5 * rounds.outputs);
            for (k, got) in (0..).zip(&output[1..]) {
                let around = &input[(k * down / up) as usize..][..phases.length()];
                let want = phases.output(k * down % up, around);
                assert!((got - want).abs() < 2e-6, "{up} / {down}, output {k}: {got} against {want}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_how_many_come_together() {
        let rounds = Rounds::new(&Phases::new(160, 441), 160, 441);
        let input = noise(20 * rounds.inputs() + rounds.reach(), 12);
        let mut together = Vec::new();
        rounds.run(&input, 21, &mut together);
        let mut alone = Vec::new();
        (0..21).for_each(|r| rounds.run(&input[r * rounds.inputs()..][..rounds.reach()], 1, &mut alone));
        assert!(together == alone);
    }
}
