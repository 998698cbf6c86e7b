//! Weights of a layer, packed for the matrix products of one precision.

use std::ops::Range;

use crate::kernels::epilogue::Output;
use crate::kernels::int8::{Int8Rows, Int8Weights, MAX_INPUTS, QuantisedRows};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::precision::Precision;

/// Weights `[taps, inputs, outputs]` in f32 or int8.
#[derive(Clone, Debug)]
pub(super) enum PackedWeights {
    F32(Packed),
    Int8(Int8Weights),
}

/// Activations of a product. Weights in f32 read `values`, weights in int8 read `quantised`.
#[derive(Clone, Copy)]
pub(super) struct Activations<'a> {
    pub(super) values: &'a [f32],
    pub(super) quantised: &'a QuantisedRows,
}

/// Where a product reads its activations. Distances are between two output rows and between two
/// taps.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Index of the first value.
    pub(super) first: usize,
    /// Distances in values.
    pub(super) strides: [usize; 2],
    /// Index of the first scale; for int8 only, as is the next field.
    pub(super) first_scale: usize,
    /// Distances in scales, of which each quantised row has one.
    pub(super) scale_strides: [usize; 2],
}

impl Default for PackedWeights {
    fn default() -> Self {
        Self::F32(Packed::default())
    }
}

impl PackedWeights {
    /// Packs weights in the layout of PyTorch's convolutions, `[outputs, inputs, taps]`, scaled by
    /// one factor per output. More inputs than [`MAX_INPUTS`] are packed in f32 whatever the
    /// precision.
    ///
    /// In int8 the inputs of a tap may be split into blocks of `block` inputs, each of which is a
    /// tap of its own and reads activations with a scale of their own.
    ///
    /// # Panics
    ///
    /// If the number of values does not match the shape, or there is not one factor per output.
    pub(super) fn of_convolution(
        values: &[f32],
        factors: &[f32],
        [outputs, inputs, taps]: [usize; 3],
        block: usize,
        precision: Precision,
    ) -> Self {
        if precision == Precision::F32 || inputs > MAX_INPUTS {
            return Self::F32(Packed::of_convolution(values, factors, [outputs, inputs, taps]));
        }
        let blocks = inputs.checked_div(block).unwrap_or(1);
        let values = taps_before_inputs(values, inputs, taps);
        Self::Int8(Int8Weights::new(&values, factors, [blocks * taps, block, outputs]))
    }

    /// Repacks a matrix of one tap in the memory of this one: row o of `values`, `stride` apart,
    /// has the weights of output o.
    ///
    /// # Panics
    ///
    /// If `values` is too short, or in int8 if the rows are not contiguous.
    pub(super) fn refill(
        &mut self,
        values: &[f32],
        stride: usize,
        [inputs, outputs]: [usize; 2],
        precision: Precision,
    ) {
        match (&mut *self, precision) {
            (Self::F32(weights), Precision::F32) => weights.refill_transposed(values, stride, [inputs, outputs]),
            (Self::Int8(weights), Precision::Int8) => {
                assert!(stride == inputs, "rows of {inputs} values at stride {stride}");
                weights.refill(values, &vec![1.0; outputs], [1, inputs, outputs]);
            }
            _ => {
                *self = match precision {
                    Precision::F32 => Self::F32(Packed::default()),
                    Precision::Int8 => Self::Int8(Int8Weights::default()),
                };
                self.refill(values, stride, [inputs, outputs], precision);
            }
        }
    }

    /// The precision of the products.
    pub(super) fn precision(&self) -> Precision {
        match self {
            Self::F32(_) => Precision::F32,
            Self::Int8(_) => Precision::Int8,
        }
    }

    /// Computes `rows` rows of output over the given taps; the first of these reads the activations
    /// at the start of the layout.
    ///
    /// # Panics
    ///
    /// If the activations or the output are too short.
    pub(super) fn run(&self, x: Activations<'_>, at: Layout, taps: Range<usize>, rows: usize, out: Output<'_>) {
        match self {
            Self::F32(weights) => {
                weights.run(Rows { values: &x.values[at.first..], strides: at.strides }, taps, rows, out);
            }
            Self::Int8(weights) => {
                let x = Int8Rows {
                    values: &x.quantised.values()[at.first..],
                    strides: at.strides,
                    scales: &x.quantised.scales()[at.first_scale..],
                    offsets: x.quantised.offsets().get(at.first_scale..).unwrap_or_default(),
                    scale_strides: at.scale_strides,
                };
                weights.run(&x, taps, rows, out);
            }
        }
    }
}

/// `[outputs, inputs, taps]` → `[outputs, taps, inputs]`.
fn taps_before_inputs(weight: &[f32], inputs: usize, taps: usize) -> std::borrow::Cow<'_, [f32]> {
    if taps == 1 {
        return weight.into();
    }
    let mut transposed = vec![0.0; weight.len()];
    let size = (inputs * taps).max(1);
    for (from, to) in weight.chunks_exact(size).zip(transposed.chunks_exact_mut(size)) {
        for (i, of_input) in from.chunks_exact(taps).enumerate() {
            of_input.iter().enumerate().for_each(|(j, w)| to[j * inputs + i] = *w);
        }
    }
    transposed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_could_overflow_an_int8_sum_are_packed_in_f32() {
        let of = |inputs: usize| {
            PackedWeights::of_convolution(&vec![0.0; inputs], &[1.0], [1, inputs, 1], inputs, Precision::Int8)
        };
        assert_eq!(of(MAX_INPUTS).precision(), Precision::Int8);
        assert_eq!(of(MAX_INPUTS + 1).precision(), Precision::F32);
    }
}
