//! Quantised and packed weights: i8 values, one scale per output.

use super::tile::GROUP;
use crate::kernels::cpu::Variant;
use crate::kernels::epilogue::PANEL;
use crate::kernels::multiversion::multiversion;

/// Maximum number of inputs of one tap: 65,536 products of 255 and 127 fit 32 bits.
pub const MAX_INPUTS: usize = 1 << 16;

/// Weights `[taps, inputs, outputs]` with one scale per output.
///
/// Packed as panels of 32 outputs; in a panel tap after tap; in a tap groups of four inputs, those
/// of an output adjacent; zeros after the last.
#[derive(Clone, Debug, Default)]
pub struct Int8Weights {
    taps: usize,
    inputs: usize,
    outputs: usize,
    panels: Vec<[i8; GROUP * PANEL]>,
    /// One per output, padded to whole panels.
    scales: Vec<[f32; PANEL]>,
    /// `Σ_l w[j, l, o]` as `[panels, taps, PANEL]`.
    sums: Vec<[f32; PANEL]>,
}

impl Int8Weights {
    /// Quantises and packs `factors[o] · values[o, j, l]`, with `values` `[outputs, taps, inputs]`
    /// (see [`quantise_row`]).
    ///
    /// # Panics
    ///
    /// If there are not `taps · inputs · outputs` values and `outputs` factors, or more than
    /// [`MAX_INPUTS`] inputs.
    pub fn new(values: &[f32], factors: &[f32], shape: [usize; 3]) -> Self {
        let mut weights = Self::default();
        weights.refill(values, factors, shape);
        weights
    }

    /// As [`Self::new`], in the memory of this matrix. For an operand that changes but is
    /// multiplied with many rows, such as the keys of an attention head.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn refill(&mut self, values: &[f32], factors: &[f32], [taps, inputs, outputs]: [usize; 3]) {
        assert!(values.len() == taps * inputs * outputs && factors.len() == outputs, "{} values", values.len());
        assert!(inputs <= MAX_INPUTS, "{inputs} inputs would overflow a sum of 32 bits");
        let (panels, groups) = (outputs.div_ceil(PANEL), inputs.div_ceil(GROUP));
        (self.taps, self.inputs, self.outputs) = (taps, inputs, outputs);
        cleared(&mut self.panels, panels * taps * groups, [0; GROUP * PANEL]);
        cleared(&mut self.scales, panels, [0.0; PANEL]);
        cleared(&mut self.sums, panels * taps, [0.0; PANEL]);
        let mut quantised = vec![0_i8; taps * inputs];
        let rows = values.chunks_exact((taps * inputs).max(1));
        for (o, (row, factor)) in rows.zip(factors).enumerate() {
            self.scales[o / PANEL][o % PANEL] = factor * (quantise_row(row, &mut quantised) / MAX_VALUE);
            for (j, of_tap) in quantised.chunks_exact(inputs).enumerate() {
                self.place(o, j, of_tap);
            }
        }
    }

    /// Packs the weights of one output and tap.
    fn place(&mut self, output: usize, tap: usize, quantised: &[i8]) {
        let (part, column, count) = (output / PANEL * self.taps + tap, output % PANEL, self.groups());
        let places = self.panels[part * count..][..count].iter_mut().map(|group| &mut group.as_chunks_mut().0[column]);
        let (whole, rest) = quantised.as_chunks::<GROUP>();
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let groups = whole.iter().chain(std::iter::once(&last));
        places.zip(groups).for_each(|(place, group): (&mut [i8; GROUP], _)| *place = *group);
        // below 2²⁴: exact
        self.sums[part][column] = quantised.iter().map(|w| i32::from(*w)).sum::<i32>() as f32;
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Number of inputs of a tap.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of groups of four inputs in a tap.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.scales.len()
    }

    /// Weights of a panel from tap `tap` on, [`Self::groups`] groups per tap.
    pub(super) fn values(&self, panel: usize, tap: usize) -> &[[i8; GROUP * PANEL]] {
        let (first, end) = (panel * self.taps + tap, (panel + 1) * self.taps);
        &self.panels[first * self.groups()..end * self.groups()]
    }

    /// Scales of the outputs of a panel.
    pub(super) fn scales(&self, panel: usize) -> &[f32; PANEL] {
        &self.scales[panel]
    }

    /// Sums of the weights of a panel from tap `tap` on, one row per tap.
    pub(super) fn sums(&self, panel: usize, tap: usize) -> &[[f32; PANEL]] {
        &self.sums[panel * self.taps + tap..(panel + 1) * self.taps]
    }

    /// A dequantised weight.
    #[cfg(test)]
    pub(super) fn at(&self, tap: usize, input: usize, output: usize) -> f64 {
        let (panel, column) = (output / PANEL, output % PANEL);
        let value = self.values(panel, tap)[input / GROUP][column * GROUP + input % GROUP];
        f64::from(value) * f64::from(self.scales[panel][column])
    }
}

/// Quantises one row of weights symmetrically: `q = x / scale` rounded half to even,
/// `scale = max |x| / 127`. Returns `max |x|`, which is NaN or infinite if a weight is.
///
/// # Panics
///
/// If the lengths differ.
pub fn quantise_row(row: &[f32], quantised: &mut [i8]) -> f32 {
    assert!(row.len() == quantised.len(), "{} weights, room for {}", row.len(), quantised.len());
    quantise(Variant::best(), row, quantised)
}

/// Expected error of each output caused by the rounding of its weights, for inputs of the given
/// means: `Σ_k (w[o, k] − scale · q[o, k]) · means[k]`, for rows of `means.len()` weights.
///
/// # Panics
///
/// If `values` is not a whole number of rows.
pub fn rounding_error(values: &[f32], means: &[f32]) -> Vec<f32> {
    let length = means.len().max(1);
    assert!(values.len().is_multiple_of(length), "{} values are not whole rows of {length}", values.len());
    values.chunks_exact(length).map(|row| row_error(Variant::best(), row, means)).collect()
}

/// Largest magnitude of a quantised weight.
const MAX_VALUE: f32 = 127.0;
/// 1.5 · 2²³: adding it to a small number rounds the number to an integer, which the last bits of
/// the sum hold.
const ROUND: f32 = 12_582_912.0;

/// `max |x|` of a row, its scale, and the inverse of the scale (0 if the scale is 0).
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into each variant of its callers
fn largest_scale_inverse(row: &[f32]) -> [f32; 3] {
    // the bit patterns of NaN and the infinities are above those of every number
    let largest = f32::from_bits(row.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff)));
    let scale = largest / MAX_VALUE;
    [largest, scale, if scale > 0.0 { 1.0 / scale } else { 0.0 }]
}

fn cleared<T: Clone>(values: &mut Vec<T>, length: usize, empty: T) {
    values.clear();
    values.resize(length, empty);
}

multiversion! {
    /// [`rounding_error`] of one row, in 16 partial sums, so that the order of additions is the
    /// same in all variants.
    fn row_error(row: &[f32], means: &[f32]) -> f32 {
        let [_, scale, inverse] = largest_scale_inverse(row);
        let error = |x: f32| x - ((x * inverse + ROUND) - ROUND) * scale;
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

multiversion! {
    /// See [`quantise_row`].
    fn quantise(row: &[f32], quantised: &mut [i8]) -> f32 {
        let [largest, _, inverse] = largest_scale_inverse(row);
        for (q, x) in quantised.iter_mut().zip(row) {
            *q = (x * inverse + ROUND).to_bits() as i8;
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_rounded_to_the_nearest_step_and_their_sums_are_stored() {
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
                let stored = weights.sums(o / PANEL, j)[0][o % PANEL] * weights.scales(o / PANEL)[o % PANEL];
                assert!((sum - f64::from(stored)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn rounding_error_is_the_difference_to_the_dequantised_weights() {
        for inputs in [1, 7, 16, 37, 100] {
            let values: Vec<f32> = (0..3 * inputs).map(|i| (i as f32 * 0.731).sin()).collect();
            let means: Vec<f32> = (0..inputs).map(|i| (i as f32 * 0.417).cos() + 0.5).collect();
            let weights = Int8Weights::new(&values, &[1.0; 3], [1, inputs, 3]);
            for variant in Variant::ALL {
                let got: Vec<f32> = values.chunks(inputs).map(|row| row_error(variant, row, &means)).collect();
                assert_eq!(got, rounding_error(&values, &means), "{variant:?}");
                for (o, (row, got)) in values.chunks(inputs).zip(got).enumerate() {
                    let off = |l: usize| (f64::from(row[l]) - weights.at(0, l, o)) * f64::from(means[l]);
                    let want: f64 = (0..inputs).map(off).sum();
                    assert!((want - f64::from(got)).abs() < 1e-5, "{inputs} inputs, output {o}: {want} {got}");
                }
            }
        }
        assert_eq!(rounding_error(&[0.0; 4], &[1.0, 2.0]), [0.0, 0.0]);
    }

    #[test]
    fn a_refilled_matrix_equals_a_new_one() {
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
    fn zero_weights_stay_zero_and_a_non_finite_weight_makes_the_scale_non_finite() {
        let values = [0.0, 0.0, f32::NAN, 1.0, f32::INFINITY, 1.0];
        let weights = Int8Weights::new(&values, &[1.0; 3], [1, 2, 3]);
        assert_eq!((weights.at(0, 0, 0), weights.scales(0)[0]), (0.0, 0.0));
        assert!(weights.scales(0)[1..3].iter().all(|scale| !scale.is_finite()));
    }

    #[test]
    fn a_matrix_without_weights_is_empty() {
        assert_eq!(Int8Weights::new(&[], &[1.0; 3], [1, 0, 3]).panels(), 1);
        assert_eq!(Int8Weights::new(&[], &[], [1, 3, 0]).panels(), 0);
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn inputs_that_could_overflow_a_sum_panic() {
        Int8Weights::new(&vec![0.0; MAX_INPUTS + 1], &[1.0], [1, MAX_INPUTS + 1, 1]);
    }
}
