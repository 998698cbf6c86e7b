//! Activations as 8-bit codes, a scale for each row.

use crate::kernels::dot::Variant;
use crate::kernels::vectors::for_each_width;

/// Rows of activations, each with a scale of its own, made anew for each layer and each clip:
///
/// ```text
/// x[l] ≈ low + scale · q[l]        scale = (max − low) / 255        q = (x − low) / scale, rounded to the nearest, half to even
/// ```
///
/// `low` is the row's least value, or 0 where none is negative, as behind a ReLU. What is not finite makes its row's scale NaN, and so every product
/// with it, so that a broken layer is seen.
///
/// Of a row without negative values a code of 0 is exactly 0.
#[derive(Clone, Debug, Default)]
pub struct Codes {
    values: Vec<u8>,
    scales: Vec<f32>,
    /// Empty where all are 0.
    lows: Vec<f32>,
    /// Floats on their way.
    row: Vec<f32>,
}

/// Codes behind the last row: a product reads whole groups of four.
const SPARE: usize = 3;

impl Codes {
    /// All codes, and a few behind them.
    pub fn codes(&self) -> &[u8] {
        &self.values
    }

    /// Scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Low of each row; empty where all are 0.
    pub fn lows(&self) -> &[f32] {
        &self.lows
    }

    /// Rows of any values: `rows` gives slices of `length`.
    ///
    /// # Panics
    ///
    /// If a row has another length.
    pub fn write<'x>(&mut self, rows: impl ExactSizeIterator<Item = &'x [f32]>, length: usize) {
        self.write_by(Variant::best(), rows, length);
    }

    fn write_by<'x>(&mut self, variant: Variant, rows: impl ExactSizeIterator<Item = &'x [f32]>, length: usize) {
        self.resize(rows.len(), length);
        self.lows.clear();
        for ((row, codes), scale) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            let low;
            (*scale, low) = encode(variant, row, codes);
            self.lows.push(low);
        }
        if self.lows.iter().all(|low| *low == 0.0) {
            self.lows.clear();
        }
    }

    /// As [`Self::write`], in less time, for rows of values that are not negative. Negative ones would become 0.
    ///
    /// # Panics
    ///
    /// If a row has another length.
    pub fn write_positive<'x>(&mut self, rows: impl ExactSizeIterator<Item = &'x [f32]>, length: usize) {
        self.write_positive_by(Variant::best(), rows, length);
    }

    fn write_positive_by<'x>(
        &mut self,
        variant: Variant,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        length: usize,
    ) {
        self.resize(rows.len(), length);
        self.lows.clear();
        for ((row, codes), scale) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            *scale = encode_positive(variant, row, codes);
        }
    }

    /// `max(0, scale · x + shift)` of rows, as many columns as `scale` has values.
    ///
    /// # Panics
    ///
    /// If a row is shorter, or `shift` has another length.
    pub fn write_norm_relu<'x>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        scale: &[f32],
        shift: &[f32],
    ) {
        self.write_norm_relu_by(Variant::best(), rows, scale, shift);
    }

    fn write_norm_relu_by<'x>(
        &mut self,
        variant: Variant,
        rows: impl ExactSizeIterator<Item = &'x [f32]>,
        scale: &[f32],
        shift: &[f32],
    ) {
        let length = scale.len();
        self.resize(rows.len(), length);
        self.lows.clear();
        self.row.resize(length, 0.0);
        for ((row, codes), own) in rows.zip(self.values.chunks_exact_mut(length.max(1))).zip(&mut self.scales) {
            *own = encode_norm_relu(variant, &row[..length], [scale, shift], &mut self.row, codes);
        }
    }

    /// Room for rows of values that are not negative, of `length` codes each, which [`Self::write_positive_row`] then writes; and `behind` codes of 0
    /// behind the last.
    pub fn begin_positive(&mut self, rows: usize, length: usize, behind: usize) {
        self.values.resize(rows * length + behind + SPARE, 0);
        self.values[rows * length..].fill(0);
        self.scales.resize(rows, 0.0);
        self.lows.clear();
    }

    /// One of the rows. Negative values would become 0.
    ///
    /// # Panics
    ///
    /// If there is no such row of this length.
    pub fn write_positive_row(&mut self, row: usize, values: &[f32]) {
        let codes = &mut self.values[row * values.len()..][..values.len()];
        self.scales[row] = encode_positive(Variant::best(), values, codes);
    }

    fn resize(&mut self, rows: usize, length: usize) {
        self.values.resize(rows * length + SPARE, 0);
        self.scales.resize(rows, 0.0);
    }
}

for_each_width! {
    /// Codes of a row; returns scale and low.
    fn encode(row: &[f32], codes: &mut [u8]) -> (f32, f32) {
        let (least, most) = range(row);
        let low = if least < 0.0 { least } else { 0.0 };
        // the first difference is not finite if a value is not
        let (scale, inverse) = scale_and_inverse(if (most - least).is_finite() { most - low } else { f32::NAN });
        shift_and_round(row, low, inverse, codes);
        (scale, low)
    }
}

for_each_width! {
    /// Codes of a row without negative values; returns its scale.
    fn encode_positive(row: &[f32], codes: &mut [u8]) -> f32 {
        let (scale, inverse) = scale_and_inverse(largest(row));
        round(row, inverse, codes);
        scale
    }
}

for_each_width! {
    /// Codes of `max(0, scale · x + shift)`; returns their scale. `values` is scratch of the row's length.
    fn encode_norm_relu(row: &[f32], norm: [&[f32]; 2], values: &mut [f32], codes: &mut [u8]) -> f32 {
        let mut most = 0;
        for (((y, x), s), t) in values.iter_mut().zip(row).zip(norm[0]).zip(norm[1]) {
            let normed = s * x + t;
            *y = if normed < 0.0 { 0.0 } else { normed };
            most = most.max(y.to_bits() & 0x7fff_ffff);
        }
        let (scale, inverse) = scale_and_inverse(f32::from_bits(most));
        round(values, inverse, codes);
        scale
    }
}

/// What a step of the codes is worth, and how many steps 1 is. NaN for a width that is not finite, 0 and 0 for no width.
#[inline(always)]
#[allow(clippy::inline_always)] // a part of the copies above
fn scale_and_inverse(width: f32) -> (f32, f32) {
    let scale = width / 255.0;
    if !width.is_finite() {
        return (f32::NAN, 0.0);
    }
    // of a width so small that its inverse overflows, the codes are 0
    let inverse = 255.0 / width;
    if inverse.is_finite() { (scale, inverse) } else { (0.0, 0.0) }
}

/// The largest of values that are not negative, by their bits: those of NaN are above those of every number. 0 of none. (Maxima of whole numbers may
/// be taken in any order, so the compiler takes many at once.)
#[inline(always)]
#[allow(clippy::inline_always)]
fn largest(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff)))
}

/// The least and the largest value, or a NaN among them. 0 and 0 of none.
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

/// A float's bits as a whole number that rises as the float does, and back. NaN lies beyond the infinities, on both sides.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ordered(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & 0x7fff_ffff)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn round(values: &[f32], inverse: f32, codes: &mut [u8]) {
    assert!(values.len() == codes.len());
    for (q, x) in codes.iter_mut().zip(values) {
        *q = code(x * inverse);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn shift_and_round(values: &[f32], low: f32, inverse: f32, codes: &mut [u8]) {
    assert!(values.len() == codes.len());
    for (q, x) in codes.iter_mut().zip(values) {
        *q = code((x - low) * inverse);
    }
}

/// The nearest of 0 to 255, half to even; 0 of NaN. Adding 2²³ leaves a float no room for fractions, and its last byte is the whole number: the
/// float unit rounds, and no conversion is needed.
#[inline(always)]
#[allow(clippy::inline_always)]
fn code(x: f32) -> u8 {
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

    /// The values that the codes stand for.
    fn decoded(codes: &Codes, length: usize) -> Vec<f64> {
        let row = |(r, row): (usize, &[u8])| {
            let low = codes.lows.get(r).map_or(0.0, |low| f64::from(*low));
            row.iter().map(|q| low + f64::from(*q) * f64::from(codes.scales[r])).collect::<Vec<_>>()
        };
        codes.values[..codes.scales.len() * length].chunks(length).enumerate().flat_map(row).collect()
    }

    #[test]
    fn codes_are_half_a_step_from_their_values() {
        for variant in Variant::ALL {
            for length in [1, 2, 15, 16, 17, 31, 100] {
                let x: Vec<f32> = noise(3 * length, 0.1).iter().map(|x| 3.0 * x + 1.0).collect();
                let (scale, shift) = (noise(length, 0.2), noise(length, 0.3));
                let mut codes = Codes::default();
                let close = |codes: &Codes, want: &[f32]| {
                    for (n, (want, got)) in want.iter().zip(decoded(codes, length)).enumerate() {
                        let step = f64::from(codes.scales[n / length]);
                        assert!((f64::from(*want) - got).abs() <= 0.501 * step + 1e-6, "{variant:?}: {want} {got}");
                    }
                };
                codes.write_by(variant, x.chunks(length), length);
                close(&codes, &x);
                let positive: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                codes.write_positive_by(variant, positive.chunks(length), length);
                close(&codes, &positive);
                codes.write_norm_relu_by(variant, x.chunks(length), &scale, &shift);
                let normed = x.iter().enumerate().map(|(n, x)| (scale[n % length] * x + shift[n % length]).max(0.0));
                close(&codes, &normed.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn all_variants_give_the_same_bits() {
        let (x, scale, shift) = (noise(333, 0.4), noise(111, 0.5), noise(111, 0.6));
        let of = |variant: Variant| {
            let mut codes = Codes::default();
            codes.write_by(variant, x.chunks(111), 111);
            let any = (codes.values.clone(), codes.scales.clone(), codes.lows.clone());
            codes.write_norm_relu_by(variant, x.chunks(111), &scale, &shift);
            (any, codes.values, codes.scales)
        };
        for variant in Variant::ALL {
            assert_eq!(of(variant), of(Variant::Portable), "{variant:?}");
        }
    }

    #[test]
    fn rows_one_by_one_are_as_all_together() {
        let x: Vec<f32> = noise(5 * 17, 0.8).iter().map(|x| x.abs()).collect();
        let (mut want, mut got) = (Codes::default(), Codes::default());
        got.write(noise(300, 0.9).chunks(30), 30);
        want.write_positive(x.chunks(17), 17);
        got.begin_positive(5, 17, 4);
        x.chunks(17).enumerate().for_each(|(t, row)| got.write_positive_row(t, row));
        assert_eq!((&got.scales, got.lows.len()), (&want.scales, 0));
        assert_eq!((&got.values[..85], &got.values[85..]), (&want.values[..85], &[0; 4 + SPARE][..]));
    }

    #[test]
    fn halves_go_to_the_even_code_and_the_ends_hold() {
        let codes = [0.0, 0.5, 0.51, 1.5, 2.5, 254.5, 254.51, 255.0, 300.0, -1.0, f32::NAN].map(code);
        assert_eq!(codes, [0, 0, 1, 2, 2, 254, 255, 255, 255, 0, 0]);
    }

    #[test]
    fn what_is_not_finite_makes_its_row_nan_and_no_other() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for place in [0, 7, 16, 36] {
                let mut x = noise(3 * 37, 0.7).iter().map(|x| x.abs()).collect::<Vec<_>>();
                x[37 + place] = bad;
                let mut codes = Codes::default();
                codes.write_positive(x.chunks(37), 37);
                assert!(codes.scales[1].is_nan() && codes.scales[0].is_finite() && codes.scales[2].is_finite());
                codes.write(x.chunks(37), 37);
                assert!(codes.scales[1].is_nan() && codes.scales[0].is_finite() && codes.scales[2].is_finite());
            }
        }
    }

    #[test]
    fn rows_without_width_are_exact() {
        let mut codes = Codes::default();
        codes.write([-3.5; 8].chunks(4), 4);
        assert_eq!(decoded(&codes, 4), [-3.5; 8]);
        codes.write_positive([0.0; 8].chunks(4), 4);
        assert_eq!((decoded(&codes, 4), codes.lows.len()), (vec![0.0; 8], 0));
        codes.write_positive([f32::from_bits(1); 2].chunks(2), 2);
        assert_eq!(decoded(&codes, 2), [0.0; 2]);
        codes.write(std::iter::empty::<&[f32]>(), 4);
        assert!(codes.scales.is_empty());
    }
}
