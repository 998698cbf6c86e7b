//! Weights as 8-bit codes, laid out as the products read them.

use super::{GROUP, PANEL};

/// The most inputs of one tap: 65,536 products of 255 and 127 still fit 32 bits.
pub const MAX_INPUTS: usize = 1 << 16;

/// Weights `[taps, inputs, outputs]`, a scale for each output.
///
/// Panels of 32 outputs; in a panel tap after tap; in a tap four inputs after four inputs, those of an output side by side, zeros behind the last.
#[derive(Clone, Debug)]
pub struct Int8Weights {
    taps: usize,
    inputs: usize,
    outputs: usize,
    panels: Vec<[i8; GROUP * PANEL]>,
    /// Of each output, padded to whole panels.
    scales: Vec<[f32; PANEL]>,
    /// `Σ_l w[j, l, o]`: panels, in each tap after tap.
    sums: Vec<[f32; PANEL]>,
}

impl Int8Weights {
    /// `values` is `[taps, inputs, outputs]`. Each output's largest weight becomes ±127, the others are rounded to the nearest code.
    ///
    /// # Panics
    ///
    /// If there are not `taps · inputs · outputs` values, or more than [`MAX_INPUTS`] inputs.
    pub fn new(values: &[f32], [taps, inputs, outputs]: [usize; 3]) -> Self {
        assert!(values.len() == taps * inputs * outputs, "{} values", values.len());
        assert!(inputs <= MAX_INPUTS, "{inputs} inputs would overflow a sum of 32 bits");
        let scales = largest(values, outputs).into_iter().map(|row| row.map(|x| x / 127.0)).collect::<Vec<_>>();
        let groups = inputs.div_ceil(GROUP);
        let mut panels = vec![[0; GROUP * PANEL]; scales.len() * taps * groups];
        let mut sums = vec![[0.0; PANEL]; scales.len() * taps];
        for (p, scales) in scales.iter().enumerate() {
            let columns = p * PANEL..outputs.min((p + 1) * PANEL);
            let inverse = scales.map(|s| if s > 0.0 { 1.0 / s } else { 0.0 });
            for j in 0..taps {
                let groups = &mut panels[(p * taps + j) * groups..][..groups];
                let rows = values[j * inputs * outputs..][..inputs * outputs].chunks_exact(outputs.max(1));
                let sums = &mut sums[p * taps + j];
                for (l, row) in rows.enumerate() {
                    pack_row(&row[columns.clone()], &inverse, l % GROUP, &mut groups[l / GROUP], sums);
                }
            }
        }
        Self { taps, inputs, outputs, panels, scales, sums }
    }

    /// Taps.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Inputs of a tap.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Groups of four inputs.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.scales.len()
    }

    /// Codes of a panel from tap `tap` on, each tap [`Self::groups`] long.
    pub(super) fn codes(&self, panel: usize, tap: usize) -> &[[i8; GROUP * PANEL]] {
        let (first, end) = (panel * self.taps + tap, (panel + 1) * self.taps);
        &self.panels[first * self.groups()..end * self.groups()]
    }

    /// Scales of a panel's outputs.
    pub(super) fn scales(&self, panel: usize) -> &[f32; PANEL] {
        &self.scales[panel]
    }

    /// Sums of a panel's codes from tap `tap` on, each tap's.
    pub(super) fn sums(&self, panel: usize, tap: usize) -> &[[f32; PANEL]] {
        &self.sums[panel * self.taps + tap..(panel + 1) * self.taps]
    }

    /// The weight that a code stands for.
    #[cfg(test)]
    pub(super) fn at(&self, tap: usize, input: usize, output: usize) -> f64 {
        let (panel, column) = (output / PANEL, output % PANEL);
        let code = self.codes(panel, tap)[input / GROUP][column * GROUP + input % GROUP];
        f64::from(code) * f64::from(self.scales[panel][column])
    }
}

/// The largest magnitude of each output, in panels. NaN counts as infinite.
fn largest(values: &[f32], outputs: usize) -> Vec<[f32; PANEL]> {
    let mut largest = vec![[0.0_f32; PANEL]; outputs.div_ceil(PANEL)];
    for row in values.chunks_exact(outputs.max(1)) {
        for (largest, row) in largest.iter_mut().zip(row.chunks(PANEL)) {
            for (m, x) in largest.iter_mut().zip(row) {
                let size = if x.is_nan() { f32::INFINITY } else { x.abs() };
                *m = if size > *m { size } else { *m };
            }
        }
    }
    largest
}

/// One input's weights into its places of the group.
fn pack_row(
    row: &[f32],
    inverse: &[f32; PANEL],
    place: usize,
    group: &mut [i8; GROUP * PANEL],
    sums: &mut [f32; PANEL],
) {
    let (codes, _) = group.as_chunks_mut::<GROUP>();
    for (((x, inverse), codes), sum) in row.iter().zip(inverse).zip(codes).zip(sums) {
        // sums of whole numbers below 2²⁴ are exact
        let code = (x * inverse).round_ties_even();
        codes[place] = code as i8;
        *sum += code;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_ones_and_their_sums_are_kept() {
        let shape @ [taps, inputs, outputs] = [2, 7, 37];
        let values: Vec<f32> = (0..taps * inputs * outputs).map(|i| (i as f32 * 0.731).sin()).collect();
        let weights = Int8Weights::new(&values, shape);
        for o in 0..outputs {
            let column = |j: usize, l: usize| f64::from(values[(j * inputs + l) * outputs + o]);
            let each = || (0..taps).flat_map(|j| (0..inputs).map(move |l| (j, l)));
            let step = each().map(|(j, l)| column(j, l).abs()).fold(0.0, f64::max) / 127.0;
            for (j, l) in each() {
                assert!((weights.at(j, l, o) - column(j, l)).abs() <= 0.5001 * step, "tap {j}, input {l}, output {o}");
            }
            for j in 0..taps {
                let sum: f64 = (0..inputs).map(|l| weights.at(j, l, o)).sum();
                let kept = weights.sums(o / PANEL, j)[0][o % PANEL] * weights.scales(o / PANEL)[o % PANEL];
                assert!((sum - f64::from(kept)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn an_output_of_zeros_stays_one_and_a_broken_one_is_seen() {
        let weights = Int8Weights::new(&[0.0, f32::NAN, f32::INFINITY, 0.0, 1.0, 1.0], [1, 2, 3]);
        assert_eq!(weights.at(0, 0, 0), 0.0);
        assert_eq!(weights.scales(0)[..3], [0.0, f32::INFINITY, f32::INFINITY]);
    }

    #[test]
    fn no_weights_are_no_work() {
        assert_eq!(Int8Weights::new(&[], [1, 0, 3]).panels(), 1);
        assert_eq!(Int8Weights::new(&[], [1, 3, 0]).panels(), 0);
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn more_inputs_than_a_sum_can_hold_are_refused() {
        Int8Weights::new(&vec![0.0; MAX_INPUTS + 1], [1, MAX_INPUTS + 1, 1]);
    }
}
