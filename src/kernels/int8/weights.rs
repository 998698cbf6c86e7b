//! Weights as 8-bit codes, laid out as the products read them.

use super::{GROUP, PANEL};
use crate::kernels::dot::Variant;
use crate::kernels::vectors::for_each_width;

/// The most inputs of one tap: 65,536 products of 255 and 127 still fit 32 bits.
pub const MAX_INPUTS: usize = 1 << 16;

/// Weights `[taps, inputs, outputs]`, a scale for each output.
///
/// Panels of 32 outputs; in a panel tap after tap; in a tap four inputs after four inputs, those of an output side by side, zeros behind the last.
#[derive(Clone, Debug, Default)]
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
    /// `values` is `[outputs, taps, inputs]`. Each output's largest weight becomes ±127, the others are rounded to the nearest code. The weights that
    /// are meant are `factors[o]` times these.
    ///
    /// # Panics
    ///
    /// If there are not `taps · inputs · outputs` values and `outputs` factors, or more than [`MAX_INPUTS`] inputs.
    pub fn new(values: &[f32], factors: &[f32], shape: [usize; 3]) -> Self {
        let mut weights = Self::default();
        weights.refill(values, factors, shape);
        weights
    }

    /// As [`Self::new`], in the memory of what was here: for a matrix that many rows are multiplied with, but not for ever.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn refill(&mut self, values: &[f32], factors: &[f32], [taps, inputs, outputs]: [usize; 3]) {
        assert!(values.len() == taps * inputs * outputs && factors.len() == outputs, "{} values", values.len());
        assert!(inputs <= MAX_INPUTS, "{inputs} inputs would overflow a sum of 32 bits");
        let (panels, groups) = (outputs.div_ceil(PANEL), inputs.div_ceil(GROUP));
        (self.taps, self.inputs, self.outputs) = (taps, inputs, outputs);
        cleared(&mut self.panels, panels * taps * groups, [0; GROUP * PANEL]);
        cleared(&mut self.scales, panels, [0.0; PANEL]);
        cleared(&mut self.sums, panels * taps, [0.0; PANEL]);
        let mut codes = vec![0_i8; taps * inputs];
        let rows = values.chunks_exact((taps * inputs).max(1));
        for (o, (row, factor)) in rows.zip(factors).enumerate() {
            self.scales[o / PANEL][o % PANEL] = factor * encode(Variant::best(), row, &mut codes);
            for (j, of_tap) in codes.chunks_exact(inputs).enumerate() {
                self.place(o, j, of_tap);
            }
        }
    }

    /// The codes of one output and tap to their places.
    fn place(&mut self, output: usize, tap: usize, codes: &[i8]) {
        let (part, column, groups) = (output / PANEL * self.taps + tap, output % PANEL, self.groups());
        let places =
            self.panels[part * groups..][..groups].iter_mut().map(|group| &mut group.as_chunks_mut().0[column]);
        let (whole, rest) = codes.as_chunks::<GROUP>();
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let codes_and_last = whole.iter().chain(std::iter::once(&last));
        places.zip(codes_and_last).for_each(|(place, codes): (&mut [i8; GROUP], _)| *place = *codes);
        // below 2²⁴: exact
        self.sums[part][column] = codes.iter().map(|code| i32::from(*code)).sum::<i32>() as f32;
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

/// What the codes of each output lose of its sum, if its inputs have these means: `Σ_k (w[o, k] − step · code[o, k]) · means[k]` for rows of
/// `means.len()` weights.
///
/// # Panics
///
/// If `values` are no whole number of rows.
pub fn lost_in_rounding(values: &[f32], means: &[f32]) -> Vec<f32> {
    let length = means.len().max(1);
    assert!(values.len().is_multiple_of(length), "{} values in rows of {length}", values.len());
    values.chunks_exact(length).map(|row| lost(Variant::best(), row, means)).collect()
}

/// What a code stands for, of a row whose largest weight is given; and its inverse, 0 where there is none.
#[inline(always)]
#[allow(clippy::inline_always)] // a part of the copies below
fn step_and_inverse(row: &[f32]) -> (f32, f32) {
    // the bits of NaN and of the infinities are above those of every number
    let step = f32::from_bits(row.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff))) / 127.0;
    (step, if step > 0.0 { 1.0 / step } else { 0.0 })
}

/// Added to a float it leaves no room for fractions: 1.5 · 2²³.
const WHOLE: f32 = 12_582_912.0;

fn cleared<T: Clone>(values: &mut Vec<T>, length: usize, empty: T) {
    values.clear();
    values.resize(length, empty);
}

for_each_width! {
    /// Of one row, in 16 sums side by side, so that each width of vectors adds up in the same order.
    fn lost(row: &[f32], means: &[f32]) -> f32 {
        let (step, inverse) = step_and_inverse(row);
        let error = |x: f32| x - ((x * inverse + WHOLE) - WHOLE) * step;
        let ((rows, last), (means, last_means)) = (row.as_chunks::<16>(), means.as_chunks::<16>());
        let mut sums = [0.0_f32; 16];
        for (row, means) in rows.iter().zip(means) {
            for ((sum, x), mean) in sums.iter_mut().zip(row).zip(means) {
                *sum += error(*x) * mean;
            }
        }
        let rest = last.iter().zip(last_means).map(|(x, mean)| error(*x) * mean);
        sums.into_iter().chain(rest).sum()
    }
}

for_each_width! {
    /// The nearest codes of a row whose largest weight is 127 of them, half to even. Returns what a step is worth: NaN or infinite where a weight is.
    fn encode(row: &[f32], codes: &mut [i8]) -> f32 {
        let (step, inverse) = step_and_inverse(row);
        for (code, x) in codes.iter_mut().zip(row) {
            *code = (x * inverse + WHOLE).to_bits() as i8;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_nearest_ones_and_their_sums_are_kept() {
        let shape @ [taps, inputs, outputs] = [2, 7, 37];
        let values: Vec<f32> = (0..taps * inputs * outputs).map(|i| (i as f32 * 0.731).sin()).collect();
        let factors: Vec<f32> = (0..outputs).map(|o| o as f32 - 9.5).collect();
        let weights = Int8Weights::new(&values, &factors, shape);
        for (o, row) in values.chunks(taps * inputs).enumerate() {
            let factor = f64::from(factors[o]);
            let step = row.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max) / 127.0 * factor.abs();
            for (j, of_tap) in row.chunks(inputs).enumerate() {
                for (l, x) in of_tap.iter().enumerate() {
                    let far = (weights.at(j, l, o) - f64::from(*x) * factor).abs();
                    assert!(far <= 0.5001 * step, "tap {j}, input {l}, output {o}");
                }
                let sum: f64 = (0..inputs).map(|l| weights.at(j, l, o)).sum();
                let kept = weights.sums(o / PANEL, j)[0][o % PANEL] * weights.scales(o / PANEL)[o % PANEL];
                assert!((sum - f64::from(kept)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn what_is_lost_is_what_the_codes_are_off_by() {
        for inputs in [1, 7, 16, 37, 100] {
            let values: Vec<f32> = (0..3 * inputs).map(|i| (i as f32 * 0.731).sin()).collect();
            let means: Vec<f32> = (0..inputs).map(|i| (i as f32 * 0.417).cos() + 0.5).collect();
            let weights = Int8Weights::new(&values, &[1.0; 3], [1, inputs, 3]);
            for variant in Variant::ALL {
                let got: Vec<f32> = values.chunks(inputs).map(|row| lost(variant, row, &means)).collect();
                assert_eq!(got, lost_in_rounding(&values, &means), "{variant:?}");
                for (o, (row, got)) in values.chunks(inputs).zip(got).enumerate() {
                    let off = |l: usize| (f64::from(row[l]) - weights.at(0, l, o)) * f64::from(means[l]);
                    let want: f64 = (0..inputs).map(off).sum();
                    assert!((want - f64::from(got)).abs() < 1e-5, "{inputs} inputs, output {o}: {want} {got}");
                }
            }
        }
        assert_eq!(lost_in_rounding(&[0.0; 4], &[1.0, 2.0]), [0.0, 0.0]);
    }

    #[test]
    fn refilled_it_is_as_new() {
        let mut refilled = Int8Weights::new(&vec![9.0; 3 * 50 * 70], &[2.0; 70], [3, 50, 70]);
        for shape in [[1, 0, 3], [1, 3, 0], [1, 7, 33], [2, 9, 5]] {
            let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.731).sin()).collect();
            let (factors, all) =
                (vec![0.5; shape[2]], |w: &Int8Weights| (w.panels.clone(), w.scales.clone(), w.sums.clone()));
            refilled.refill(&values, &factors, shape);
            assert_eq!(all(&refilled), all(&Int8Weights::new(&values, &factors, shape)));
        }
    }

    #[test]
    fn an_output_of_zeros_stays_one_and_a_broken_one_is_seen() {
        let values = [0.0, 0.0, f32::NAN, 1.0, f32::INFINITY, 1.0];
        let weights = Int8Weights::new(&values, &[1.0; 3], [1, 2, 3]);
        assert_eq!((weights.at(0, 0, 0), weights.scales(0)[0]), (0.0, 0.0));
        assert!(weights.scales(0)[1..3].iter().all(|scale| !scale.is_finite()));
    }

    #[test]
    fn no_weights_are_no_work() {
        assert_eq!(Int8Weights::new(&[], &[1.0; 3], [1, 0, 3]).panels(), 1);
        assert_eq!(Int8Weights::new(&[], &[], [1, 3, 0]).panels(), 0);
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn more_inputs_than_a_sum_can_hold_are_refused() {
        Int8Weights::new(&vec![0.0; MAX_INPUTS + 1], &[1.0], [1, MAX_INPUTS + 1, 1]);
    }
}
