//! GEMM epilogue: residual add, ReLU and batch norm, applied to the sums of a product before they
//! are stored.

use std::ops::Range;

/// What is applied to the sums of a product (bias included) before the store.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Stores the sums.
    Linear,
    /// Adds the sums to the output: a residual connection.
    Add,
    /// ReLU.
    Relu,
    /// Adds values with the layout of the output, then ReLU: the end of a residual block.
    AddRelu(&'a [f32]),
    /// ReLU, then `scale · y + shift` for each column.
    ReluNorm([&'a [f32]; 2]),
    /// Leaky ReLU (values below 0 times the slope), then `scale · y + shift` for each column.
    LeakyReluNorm(f32, [&'a [f32]; 2]),
}

impl Epilogue<'_> {
    /// The same epilogue for the part of the output that starts `values` elements later.
    #[must_use]
    pub fn from_offset(self, values: usize) -> Self {
        match self {
            Self::AddRelu(other) => Self::AddRelu(&other[values..]),
            all => all,
        }
    }

    /// Whether storing a value twice gives the same result: not if it is added to the output.
    pub(super) fn may_repeat(self) -> bool {
        !matches!(self, Self::Add)
    }

    /// Applies the epilogue to a tile of sums and stores `place.width` values of each row to `out`.
    /// `sums` is scratch afterwards. NaN stays NaN.
    ///
    /// # Panics
    ///
    /// If the added values, the norm or `out` do not cover the place.
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled with the target features of the product that calls it
    pub(super) fn store(self, sums: &mut [[f32; PANEL]], out: &mut [f32], place: Place) {
        let columns = place.column..place.column + place.width;
        for (r, row) in sums.iter_mut().enumerate() {
            let (row, at) = (&mut row[..place.width], place.row(r));
            match self {
                Self::Linear => {}
                Self::Add => row.iter_mut().zip(&out[at.clone()]).for_each(|(y, old)| *y += old),
                Self::Relu => row.iter_mut().for_each(|y| *y = rectified(*y)),
                Self::AddRelu(other) => {
                    row.iter_mut().zip(&other[at.clone()]).for_each(|(y, x)| *y = rectified(*y + x));
                }
                Self::ReluNorm([scale, shift]) => {
                    let norm = scale[columns.clone()].iter().zip(&shift[columns.clone()]);
                    row.iter_mut().zip(norm).for_each(|(y, (s, t))| *y = s * rectified(*y) + t);
                }
                Self::LeakyReluNorm(slope, [scale, shift]) => {
                    let norm = scale[columns.clone()].iter().zip(&shift[columns.clone()]);
                    row.iter_mut().zip(norm).for_each(|(y, (s, t))| *y = s * leaky(*y, slope) + t);
                }
            }
            out[at].copy_from_slice(row);
        }
    }
}

/// Destination of a product: the output matrix, its bias and its epilogue.
#[derive(Debug)]
pub struct Output<'a> {
    /// Rows of as many values as there are outputs.
    pub values: &'a mut [f32],
    /// Distance between the starts of two rows, in values.
    pub stride: usize,
    /// Bias, one value per output.
    pub bias: &'a [f32],
    /// Applied to the sums before the store.
    pub epilogue: Epilogue<'a>,
}

impl Output<'_> {
    /// The place of a tile: columns of `panel`, rows from `first`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn place(&self, panel: usize, first: usize) -> Place {
        let column = panel * PANEL;
        Place {
            at: first * self.stride + column,
            stride: self.stride,
            column,
            width: PANEL.min(self.bias.len() - column),
        }
    }
}

/// Number of columns of a tile.
pub(crate) const PANEL: usize = 32;

/// Place of a tile in the output: rows of `width` values from column `column` on, the first at
/// index `at`, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) stride: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

impl Place {
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn row(&self, r: usize) -> Range<usize> {
        let at = self.at + r * self.stride;
        at..at + self.width
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    #![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

    use super::{Epilogue, PANEL, Place};
    use std::arch::x86_64::{
        __m512, __mmask16, _CMP_LT_OQ, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_loadu_ps, _mm512_mask_mul_ps,
        _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    /// [`Epilogue::store`] with the sums in registers.
    ///
    /// # Panics
    ///
    /// As [`Epilogue::store`].
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(in crate::kernels) fn avx512<const R: usize>(
        epilogue: Epilogue<'_>,
        mut sums: [[__m512; 2]; R],
        out: &mut [f32],
        place: Place,
    ) {
        let zero = _mm512_setzero_ps();
        match epilogue {
            Epilogue::Linear => {}
            Epilogue::Add => {
                for r in 0..R {
                    let old = load(&out[place.row(r)]);
                    sums[r] = [0, 1].map(|half| _mm512_add_ps(sums[r][half], old[half]));
                }
            }
            Epilogue::Relu => {
                for r in 0..R {
                    sums[r] = sums[r].map(|y| rectified(y));
                }
            }
            Epilogue::AddRelu(other) => {
                for r in 0..R {
                    let x = load(&other[place.row(r)]);
                    sums[r] = [0, 1].map(|half| rectified(_mm512_add_ps(sums[r][half], x[half])));
                }
            }
            Epilogue::ReluNorm([scale, shift]) => {
                let columns = place.column..place.column + place.width;
                let (s, t) = (load(&scale[columns.clone()]), load(&shift[columns]));
                for r in 0..R {
                    let y = sums[r].map(|y| rectified(y));
                    sums[r] = [0, 1].map(|half| _mm512_add_ps(_mm512_mul_ps(s[half], y[half]), t[half]));
                }
            }
            Epilogue::LeakyReluNorm(slope, [scale, shift]) => {
                let columns = place.column..place.column + place.width;
                let (s, t) = (load(&scale[columns.clone()]), load(&shift[columns]));
                let slope = _mm512_set1_ps(slope);
                for r in 0..R {
                    let leaky = |y| _mm512_mask_mul_ps(y, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(y, zero), slope, y);
                    let y = sums[r].map(leaky);
                    sums[r] = [0, 1].map(|half| _mm512_add_ps(_mm512_mul_ps(s[half], y[half]), t[half]));
                }
            }
        }
        for r in 0..R {
            store(&mut out[place.row(r)], sums[r]);
        }
    }

    /// `max(0, y)`; NaN stays NaN because the instruction returns its second operand.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn rectified(y: __m512) -> __m512 {
        _mm512_max_ps(_mm512_setzero_ps(), y)
    }

    /// Masks of the first `width` columns, for both halves of a panel.
    #[inline]
    fn masks(width: usize) -> [__mmask16; 2] {
        let all = ((1_u64 << width.min(PANEL)) - 1) as u32;
        [all as u16, (all >> 16) as u16]
    }

    /// Loads at most 32 values, padded with zeros.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(in crate::kernels) fn load(values: &[f32]) -> [__m512; 2] {
        if let Ok(all) = <&[f32; PANEL]>::try_from(values) {
            // SAFETY: `all` has 32 values; the loads need no alignment.
            return unsafe { [_mm512_loadu_ps(all.as_ptr()), _mm512_loadu_ps(all.as_ptr().add(16))] };
        }
        let [low, high] = masks(values.len());
        let from = values.as_ptr();
        // SAFETY: the masks select only the existing values; masked-out memory is not accessed.
        unsafe { [_mm512_maskz_loadu_ps(low, from), _mm512_maskz_loadu_ps(high, from.wrapping_add(16))] }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn store(out: &mut [f32], row: [__m512; 2]) {
        let [low, high] = masks(out.len());
        let to = out.as_mut_ptr();
        // SAFETY: the masks select only the existing values; masked-out memory is not accessed.
        unsafe {
            _mm512_mask_storeu_ps(to, low, row[0]);
            _mm512_mask_storeu_ps(to.wrapping_add(16), high, row[1]);
        }
    }
}

/// `max(0, x)` that keeps NaN, which `f32::max` would turn into 0.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn rectified(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn leaky(x: f32, slope: f32) -> f32 {
    if x < 0.0 { slope * x } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(values: &[f32]) -> [f32; PANEL] {
        let mut panel = [7.0; PANEL];
        panel[..values.len()].copy_from_slice(values);
        panel
    }

    #[test]
    fn each_epilogue_is_its_formula() {
        let sums = [1.0, -2.0, f32::NAN];
        let run = |epilogue: Epilogue<'_>| {
            let mut out = [7.0; 4];
            epilogue.store(&mut [panel(&sums)], &mut out, Place { at: 1, stride: 0, column: 1, width: 3 });
            assert!(out[0] == 7.0 && out[3].is_nan(), "{epilogue:?}");
            [out[1], out[2]]
        };
        assert_eq!(run(Epilogue::Linear), [1.0, -2.0]);
        assert_eq!(run(Epilogue::Add), [8.0, 5.0]);
        assert_eq!(run(Epilogue::Relu), [1.0, 0.0]);
        assert_eq!(run(Epilogue::AddRelu(&[9.0, -3.0, 4.0, 0.0])), [0.0, 2.0]);
        assert_eq!(run(Epilogue::ReluNorm([&[0.0, 2.0, 3.0, 1.0], &[0.0, 0.5, -1.0, 0.0]])), [2.5, -1.0]);
        assert_eq!(run(Epilogue::LeakyReluNorm(0.25, [&[0.0, 2.0, 3.0, 1.0], &[0.0, 0.5, -1.0, 0.0]])), [2.5, -2.5]);
    }

    /// Rows of whole and partial panels, in registers and in memory.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn in_registers_it_is_bit_identical() {
        if !crate::kernels::cpu::Variant::Avx512.is_available() {
            println!("AVX-512: not on this CPU");
            return;
        }
        let noise = |n: usize, seed: f32| (0..n).map(|i| (i as f32 * 1.7 + seed).sin() * 3.0).collect::<Vec<_>>();
        let (old, other, scale, shift) = (noise(90, 0.1), noise(90, 0.2), noise(50, 0.3), noise(50, 0.4));
        let norm = [&scale[..], &shift[..]];
        for width in [1, 7, 16, 17, 31, 32] {
            let mut rows = [[0.0; PANEL]; 2];
            rows.as_flattened_mut().copy_from_slice(&noise(2 * PANEL, 0.5));
            rows[1][0] = f32::NAN;
            let place = Place { at: 3, stride: 41, column: 9, width };
            for epilogue in [
                Epilogue::Linear,
                Epilogue::Add,
                Epilogue::Relu,
                Epilogue::AddRelu(&other),
                Epilogue::ReluNorm(norm),
                Epilogue::LeakyReluNorm(0.1, norm),
            ] {
                let (mut want, mut got) = (old.clone(), old.clone());
                // SAFETY: the test has checked above that this CPU has AVX-512F.
                unsafe { x86::avx512(epilogue, [x86::load(&rows[0]), x86::load(&rows[1])], &mut got, place) };
                epilogue.store(&mut rows.clone(), &mut want, place);
                let same = want.iter().zip(&got).all(|(x, y)| x.to_bits() == y.to_bits());
                assert!(same, "{epilogue:?}, {width} columns");
            }
        }
    }
}
