//! Quantised activations: rows of u8 values, each row with its own scale and offset (dynamic
//! quantisation).

use crate::kernels::cpu::Variant;
use crate::kernels::multiversion::multiversion;

/// Rows of quantised activations, computed for each layer and each input:
///
/// ```text
/// x[l] ≈ offset + scale · q[l]     scale = (max − offset) / 255     q = (x − offset) / scale, rounded half to even
/// ```
///
/// `offset` is the minimum of the row, or 0 if no value is negative, as after a ReLU; then q = 0
/// stands for exactly 0. A non-finite value makes the scale of its row NaN, and so every product
/// with the row, so that a broken layer shows.
#[derive(Clone, Debug, Default)]
pub struct QuantisedRows {
    values: Vec<u8>,
    scales: Vec<f32>,
    /// Empty if all are 0.
    offsets: Vec<f32>,
    /// Normalised values of one row before their quantisation.
    row: Vec<f32>,
}

/// Padding after the last row: a product reads whole groups of four.
const SPARE: usize = 3;

impl QuantisedRows {
    /// All rows, one after the other, and a few values of padding.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// Scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Offset of each row; empty if all are 0.
    pub fn offsets(&self) -> &[f32] {
        &self.offsets
    }

    /// Quantises rows of `length` values.
    ///
    /// # Panics
    ///
    /// If a row has another length.
    pub fn quantise<'x>(&mut self, rows: impl ExactSizeIterator<Item = &'x [f32]>, length: usize) {
        self.quantise_by(Variant::best(), rows, length);
    }

    fn quantise_by<'x>(&mut self, variant: Variant, rows: impl ExactSizeIterator<Item = &'x [f32]>, length: usize) {
        self.resize(rows.len(), length);
        self.offsets.clear();
        for ((row, quantised), scale) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            let offset;
            (*scale, offset) = quantise(variant, row, quantised);
            self.offsets.push(offset);
        }
        if self.offsets.iter().all(|offset| *offset == 0.0) {
            self.offsets.clear();
        }
    }

    /// As [`Self::quantise`] for non-negative values; negative ones become 0.
    #[cfg(test)]
    pub(super) fn quantise_non_negative_by<'x>(
        &mut self,
        variant: Variant,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        length: usize,
    ) {
        self.resize(rows.len(), length);
        self.offsets.clear();
        for ((row, quantised), scale) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            *scale = quantise_non_negative(variant, row, quantised);
        }
    }

    /// Quantises `max(0, scale · x + shift)` of the first `scale.len()` columns of rows: a batch
    /// norm and ReLU.
    ///
    /// # Panics
    ///
    /// If a row is shorter, or `shift` has another length.
    pub fn quantise_norm_relu<'x>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        scale: &[f32],
        shift: &[f32],
    ) {
        self.quantise_norm_relu_by(Variant::best(), rows, scale, shift);
    }

    fn quantise_norm_relu_by<'x>(
        &mut self,
        variant: Variant,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        scale: &[f32],
        shift: &[f32],
    ) {
        let length = scale.len();
        self.resize(rows.len(), length);
        self.offsets.clear();
        self.row.resize(length, 0.0);
        for ((row, quantised), own) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            *own = quantise_norm_relu(variant, &row[..length], [scale, shift], &mut self.row, quantised);
        }
    }

    /// Resizes to rows of `length` non-negative values, to be filled by
    /// [`Self::quantise_non_negative_row`], and `zeros` zeros after the last row.
    pub fn resize_non_negative(&mut self, rows: usize, length: usize, zeros: usize) {
        self.values.resize(rows * length + zeros + SPARE, 0);
        self.values[rows * length..].fill(0);
        self.scales.resize(rows, 0.0);
        self.offsets.clear();
    }

    /// Quantises one row of non-negative values; negative ones become 0.
    ///
    /// # Panics
    ///
    /// If there is no such row of this length.
    pub fn quantise_non_negative_row(&mut self, row: usize, values: &[f32]) {
        let quantised = &mut self.values[row * values.len()..][..values.len()];
        self.scales[row] = quantise_non_negative(Variant::best(), values, quantised);
    }

    fn resize(&mut self, rows: usize, length: usize) {
        self.values.resize(rows * length + SPARE, 0);
        self.scales.resize(rows, 0.0);
    }
}

multiversion! {
    /// Quantises a row; returns its scale and offset.
    fn quantise(row: &[f32], quantised: &mut [u8]) -> (f32, f32) {
        let (least, most) = range(row);
        let offset = if least < 0.0 { least } else { 0.0 };
        // max − min is not finite if any value is not
        let (scale, inverse) = scale_and_inverse(if (most - least).is_finite() { most - offset } else { f32::NAN });
        shift_and_round(row, offset, inverse, quantised);
        (scale, offset)
    }
}

multiversion! {
    /// Quantises a row of non-negative values; returns its scale.
    fn quantise_non_negative(row: &[f32], quantised: &mut [u8]) -> f32 {
        let (scale, inverse) = scale_and_inverse(largest(row));
        round(row, inverse, quantised);
        scale
    }
}

multiversion! {
    /// Quantises `max(0, scale · x + shift)`; returns the scale of the row. `values` is scratch of
    /// the length of the row.
    fn quantise_norm_relu(row: &[f32], norm: [&[f32]; 2], values: &mut [f32], quantised: &mut [u8]) -> f32 {
        let mut most = 0;
        for (((y, x), s), t) in values.iter_mut().zip(row).zip(norm[0]).zip(norm[1]) {
            let normed = s * x + t;
            *y = if normed < 0.0 { 0.0 } else { normed };
            most = most.max(y.to_bits() & 0x7fff_ffff);
        }
        let (scale, inverse) = scale_and_inverse(f32::from_bits(most));
        round(values, inverse, quantised);
        scale
    }
}

/// Scale for a value range of `width`, and its inverse. (NaN, 0) for a non-finite width, (0, 0) for
/// width 0.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled into each variant of its callers
fn scale_and_inverse(width: f32) -> (f32, f32) {
    let scale = width / 255.0;
    if !width.is_finite() {
        return (f32::NAN, 0.0);
    }
    // if the width is so small that its inverse overflows, all values are quantised to 0
    let inverse = 255.0 / width;
    if inverse.is_finite() { (scale, inverse) } else { (0.0, 0.0) }
}

/// The maximum of non-negative values by their bit patterns, with NaN above every number; 0 for no
/// values. (The maximum of integers does not depend on the order, so the compiler vectorises it.)
#[inline(always)]
#[allow(clippy::inline_always)]
fn largest(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff)))
}

/// Minimum and maximum, or a NaN if there is one; 0 and 0 for no values.
#[inline(always)]
#[allow(clippy::inline_always)]
fn range(row: &[f32]) -> (f32, f32) {
    if row.is_empty() {
        return (0.0, 0.0);
    }
    let low = row.iter().fold(i32::MAX, |m, x| m.min(ordered(x.to_bits() as i32)));
    let high = row.iter().fold(i32::MIN, |m, x| m.max(ordered(x.to_bits() as i32)));
    (f32::from_bits(ordered(low) as u32), f32::from_bits(ordered(high) as u32))
}

/// Maps the bits of a float to an integer with the same order, and back. NaN is beyond both
/// infinities.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ordered(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & 0x7fff_ffff)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn round(values: &[f32], inverse: f32, quantised: &mut [u8]) {
    assert!(values.len() == quantised.len());
    for (q, x) in quantised.iter_mut().zip(values) {
        *q = round_to_u8(x * inverse);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn shift_and_round(values: &[f32], offset: f32, inverse: f32, quantised: &mut [u8]) {
    assert!(values.len() == quantised.len());
    for (q, x) in quantised.iter_mut().zip(values) {
        *q = round_to_u8((x - offset) * inverse);
    }
}

/// Rounds half to even and clamps to 0 … 255; 0 for NaN. Adding 2²³ leaves no bits for a fraction,
/// so the addition rounds and the last byte of the sum is the integer: no conversion is needed.
#[inline(always)]
#[allow(clippy::inline_always)]
fn round_to_u8(x: f32) -> u8 {
    const WHOLE: f32 = 8_388_608.0;
    let x = if x > 0.0 { x } else { 0.0 };
    let x = if x < 255.0 { x } else { 255.0 };
    (x + WHOLE).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The dequantised values.
    fn dequantised(rows: &QuantisedRows, length: usize) -> Vec<f64> {
        let row = |(r, row): (usize, &[u8])| {
            let offset = rows.offsets.get(r).map_or(0.0, |offset| f64::from(*offset));
            row.iter().map(|q| offset + f64::from(*q) * f64::from(rows.scales[r])).collect::<Vec<_>>()
        };
        rows.values[..rows.scales.len() * length].chunks(length).enumerate().flat_map(row).collect()
    }

    #[test]
    fn the_quantisation_error_is_at_most_half_a_step() {
        for variant in Variant::ALL {
            for length in [1, 2, 15, 16, 17, 31, 100] {
                let x: Vec<f32> = noise(3 * length, 0.1).iter().map(|x| 3.0 * x + 1.0).collect();
                let (scale, shift) = (noise(length, 0.2), noise(length, 0.3));
                let mut rows = QuantisedRows::default();
                let close = |rows: &QuantisedRows, want: &[f32]| {
                    for (n, (want, got)) in want.iter().zip(dequantised(rows, length)).enumerate() {
                        let step = f64::from(rows.scales[n / length]);
                        assert!((f64::from(*want) - got).abs() <= 0.501 * step + 1e-6, "{variant:?}: {want} {got}");
                    }
                };
                rows.quantise_by(variant, x.chunks(length), length);
                close(&rows, &x);
                let positive: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                rows.quantise_non_negative_by(variant, positive.chunks(length), length);
                close(&rows, &positive);
                rows.quantise_norm_relu_by(variant, x.chunks(length), &scale, &shift);
                let normed = x.iter().enumerate().map(|(n, x)| (scale[n % length] * x + shift[n % length]).max(0.0));
                close(&rows, &normed.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn all_variants_are_bit_identical() {
        let (x, scale, shift) = (noise(333, 0.4), noise(111, 0.5), noise(111, 0.6));
        let of = |variant: Variant| {
            let mut rows = QuantisedRows::default();
            rows.quantise_by(variant, x.chunks(111), 111);
            let any = (rows.values.clone(), rows.scales.clone(), rows.offsets.clone());
            rows.quantise_norm_relu_by(variant, x.chunks(111), &scale, &shift);
            (any, rows.values, rows.scales)
        };
        for variant in Variant::ALL {
            assert_eq!(of(variant), of(Variant::Portable), "{variant:?}");
        }
    }

    #[test]
    fn rows_quantised_one_by_one_equal_rows_quantised_together() {
        let x: Vec<f32> = noise(5 * 17, 0.8).iter().map(|x| x.abs()).collect();
        let (mut want, mut got) = (QuantisedRows::default(), QuantisedRows::default());
        got.quantise(noise(300, 0.9).chunks(30), 30);
        want.quantise_non_negative_by(Variant::best(), x.chunks(17), 17);
        got.resize_non_negative(5, 17, 4);
        x.chunks(17).enumerate().for_each(|(t, row)| got.quantise_non_negative_row(t, row));
        assert_eq!((&got.scales, got.offsets.len()), (&want.scales, 0));
        assert_eq!((&got.values[..85], &got.values[85..]), (&want.values[..85], &[0; 4 + SPARE][..]));
    }

    #[test]
    fn halves_are_rounded_to_even_and_values_are_clamped() {
        let rounded = [0.0, 0.5, 0.51, 1.5, 2.5, 254.5, 254.51, 255.0, 300.0, -1.0, f32::NAN].map(round_to_u8);
        assert_eq!(rounded, [0, 0, 1, 2, 2, 254, 255, 255, 255, 0, 0]);
    }

    #[test]
    fn a_non_finite_value_makes_only_the_scale_of_its_row_nan() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for place in [0, 7, 16, 36] {
                let mut x = noise(3 * 37, 0.7).iter().map(|x| x.abs()).collect::<Vec<_>>();
                x[37 + place] = bad;
                let mut rows = QuantisedRows::default();
                rows.quantise_non_negative_by(Variant::best(), x.chunks(37), 37);
                assert!(rows.scales[1].is_nan() && rows.scales[0].is_finite() && rows.scales[2].is_finite());
                rows.quantise(x.chunks(37), 37);
                assert!(rows.scales[1].is_nan() && rows.scales[0].is_finite() && rows.scales[2].is_finite());
            }
        }
    }

    #[test]
    fn constant_rows_are_exact() {
        let mut rows = QuantisedRows::default();
        rows.quantise([-3.5; 8].chunks(4), 4);
        assert_eq!(dequantised(&rows, 4), [-3.5; 8]);
        rows.quantise_non_negative_by(Variant::best(), [0.0; 8].chunks(4), 4);
        assert_eq!((dequantised(&rows, 4), rows.offsets.len()), (vec![0.0; 8], 0));
        rows.quantise_non_negative_by(Variant::best(), [f32::from_bits(1); 2].chunks(2), 2);
        assert_eq!(dequantised(&rows, 2), [0.0; 2]);
        rows.quantise(std::iter::empty::<&[f32]>(), 4);
        assert!(rows.scales.is_empty());
    }
}
