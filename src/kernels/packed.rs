//! Products with a matrix that stays the same, such as a layer's weights: `C[m, n] (+)= A[m, k] · B[k, n]` with B laid out once, as it is read.
//!
//! B lies in panels of 32 columns, row after row, zeros behind the last column. A few rows of A times one panel is a tile of C whose sums stay in
//! registers for all of k. A is read where it lies: its rows may overlap or have gaps, but its columns must be neighbours. Beside
//! [`super::gemm`], which lays out both matrices anew in each call, this pays where B is large and A has few rows, or B is narrow.
//!
//! Each sum runs over k in order, on its own, so a row of C is the same in any company; with AVX2 and AVX-512 (fused multiply-add) also bit by bit
//! the same, and with plain code within k roundings.

use super::dot::Variant;
use super::gemm::{Matrix, MatrixMut, Product};

/// Columns of a panel.
const PANEL: usize = 32;
/// Rows of the largest tile, of the middle one, and of the smallest.
const ROWS: [usize; 3] = [8, 4, 1];

/// A matrix `[rows, columns]` to multiply from the right.
#[derive(Clone, Debug)]
pub struct Packed {
    shape: (usize, usize),
    /// Panel after panel, each `[rows, PANEL]`.
    panels: Vec<[f32; PANEL]>,
}

impl Packed {
    /// `values` is row-major.
    ///
    /// # Panics
    ///
    /// If there are not `rows · columns` values.
    pub fn new(values: &[f32], shape: (usize, usize)) -> Self {
        let (rows, columns) = shape;
        assert!(Some(values.len()) == rows.checked_mul(columns), "{} values are no {shape:?}", values.len());
        let mut panels = Vec::with_capacity(columns.div_ceil(PANEL) * rows);
        for first in (0..columns).step_by(PANEL) {
            let width = PANEL.min(columns - first);
            for row in values.chunks_exact(columns) {
                let mut padded = [0.0; PANEL];
                padded[..width].copy_from_slice(&row[first..first + width]);
                panels.push(padded);
            }
        }
        Self { shape, panels }
    }

    /// `C = A · self` or `C = C + A · self`.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit, or A's columns are not neighbours.
    pub fn multiply(&self, a: Matrix<'_>, c: MatrixMut<'_>, product: Product) {
        self.multiply_by(Variant::best(), a, c, product);
    }

    fn multiply_by(&self, variant: Variant, a: Matrix<'_>, c: MatrixMut<'_>, product: Product) {
        let (k, n) = self.shape;
        let (rows, stride) = a.rows_of_neighbours();
        let (values, shape, c_stride) = c.into_parts();
        assert!(a.shape() == (shape.0, k) && shape.1 == n, "{:?} · {:?} is not {shape:?}", a.shape(), self.shape);
        if k == 0 {
            return clear_unless_added(values, shape, c_stride, product);
        }
        for (p, panel) in self.panels.chunks_exact(k).enumerate() {
            let columns = p * PANEL..n.min((p + 1) * PANEL);
            let mut i = 0;
            while i < shape.0 {
                let height = ROWS.into_iter().find(|height| i + height <= shape.0).unwrap_or(1);
                let x = &rows[i * stride..];
                let y = &mut values[i * c_stride + columns.start..];
                let width = columns.len();
                match height {
                    8 => write(&tile::<8>(variant, x, stride, panel), y, c_stride, width, product),
                    4 => write(&tile::<4>(variant, x, stride, panel), y, c_stride, width, product),
                    _ => write(&tile::<1>(variant, x, stride, panel), y, c_stride, width, product),
                }
                i += height;
            }
        }
    }
}

/// The product over no columns of A is zero.
fn clear_unless_added(values: &mut [f32], (rows, columns): (usize, usize), stride: usize, product: Product) {
    if product == Product::Replaces {
        (0..rows).for_each(|i| values[i * stride..i * stride + columns].fill(0.0));
    }
}

/// Puts a tile into C.
fn write<const R: usize>(tile: &[[f32; PANEL]; R], c: &mut [f32], stride: usize, width: usize, product: Product) {
    for (r, sums) in tile.iter().enumerate() {
        let row = &mut c[r * stride..r * stride + width];
        match product {
            Product::Replaces => row.copy_from_slice(&sums[..width]),
            Product::Adds => row.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
        }
    }
}

/// R rows of A, `stride` apart, times a panel; each row has as many values as the panel has rows.
#[inline]
fn tile<const R: usize>(variant: Variant, a: &[f32], stride: usize, panel: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
    assert!(a.len() >= (R - 1) * stride + panel.len(), "{R} rows of {} at stride {stride}", panel.len());
    match variant {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX2 and FMA.
        Variant::Avx2 if variant.is_available() => unsafe { x86::avx2(a, stride, panel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX-512F.
        Variant::Avx512 if variant.is_available() => unsafe { x86::avx512(a, stride, panel) },
        _ => portable(a, stride, panel),
    }
}

fn portable<const R: usize>(a: &[f32], stride: usize, panel: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
    #[cfg(test)]
    tests::note(Variant::Portable);
    let mut sums = [[0.0; PANEL]; R];
    for (l, b) in panel.iter().enumerate() {
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = a[r * stride + l];
            sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += x * b);
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

    use super::PANEL;
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    /// A value of A.
    #[inline]
    fn at(a: &[f32], i: usize) -> f32 {
        debug_assert!(i < a.len());
        // SAFETY: the callers' rows r < R and columns l < panel.len() give i = r · stride + l ≤ (R − 1) · stride + panel.len() − 1,
        // which `tile` has asserted to lie inside.
        unsafe { *a.get_unchecked(i) }
    }

    /// Two vectors of sums for each row: 16 of 32 registers for 8 rows.
    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512<const R: usize>(a: &[f32], stride: usize, panel: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx512);
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        for (l, b) in panel.iter().enumerate() {
            // SAFETY: b has 32 values, of which these are the first and the last 16; the loads need no alignment.
            let b = unsafe { [_mm512_loadu_ps(b.as_ptr()), _mm512_loadu_ps(b.as_ptr().add(16))] };
            for r in 0..R {
                let x = _mm512_set1_ps(at(a, r * stride + l));
                sums[r] = [_mm512_fmadd_ps(x, b[0], sums[r][0]), _mm512_fmadd_ps(x, b[1], sums[r][1])];
            }
        }
        let mut out = [[0.0; PANEL]; R];
        for r in 0..R {
            // SAFETY: a row of `out` has 32 values.
            unsafe {
                _mm512_storeu_ps(out[r].as_mut_ptr(), sums[r][0]);
                _mm512_storeu_ps(out[r].as_mut_ptr().add(16), sums[r][1]);
            }
        }
        out
    }

    /// A quarter of the panel at a time: one vector of sums for each row.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<const R: usize>(a: &[f32], stride: usize, panel: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx2);
        let mut out = [[0.0; PANEL]; R];
        for first in (0..PANEL).step_by(8) {
            let mut sums = [_mm256_setzero_ps(); R];
            for (l, b) in panel.iter().enumerate() {
                // SAFETY: first + 8 ≤ 32, the length of b; the load needs no alignment.
                let b = unsafe { _mm256_loadu_ps(b.as_ptr().add(first)) };
                for r in 0..R {
                    sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(at(a, r * stride + l)), b, sums[r]);
                }
            }
            for r in 0..R {
                // SAFETY: first + 8 ≤ 32, the length of a row of `out`.
                unsafe { _mm256_storeu_ps(out[r].as_mut_ptr().add(first), sums[r]) };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! { static RAN: Cell<Option<Variant>> = const { Cell::new(None) } }

    /// Each variant says that it is the one that runs.
    pub(super) fn note(variant: Variant) {
        RAN.set(Some(variant));
    }

    /// Values in ±1 without structure.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0)
            .collect()
    }

    /// Against the definition in f64; rows of A begin `stride` values apart, rows of C five more than they are long.
    fn check(variant: Variant, (m, k, n): (usize, usize, usize), stride: usize) {
        let (a, b) = (noise(m.saturating_sub(1) * stride + k, 1), noise(k * n, 2));
        let packed = Packed::new(&b, (k, n));
        let c_stride = n + 5;
        for product in [Product::Replaces, Product::Adds] {
            let mut c = vec![if product == Product::Adds { 2.0 } else { f32::NAN }; m * c_stride];
            let before = c[..1.min(c.len())].to_vec();
            let view = MatrixMut::new(&mut c, (m, n), c_stride);
            RAN.set(None);
            packed.multiply_by(variant, Matrix::new(&a, (m, k), (stride, 1)), view, product);
            let ran = if variant.is_available() { variant } else { Variant::Portable };
            assert!(m * k * n == 0 || RAN.get() == Some(ran), "{variant:?}: another variant ran");
            for (at, got) in c.iter().enumerate() {
                let (i, j) = (at / c_stride, at % c_stride);
                if j >= n {
                    assert_eq!(got.to_bits(), before[0].to_bits(), "written beside the matrix");
                    continue;
                }
                let sum: f64 = (0..k).map(|l| f64::from(a[i * stride + l]) * f64::from(b[l * n + j])).sum();
                let want = if product == Product::Adds { sum + 2.0 } else { sum };
                assert!(
                    (want - f64::from(*got)).abs() < 1e-6 * (1.0 + k as f64),
                    "{variant:?} {m} {k} {n}: {want} {got}"
                );
            }
        }
    }

    #[test]
    fn equals_the_definition_around_the_tiles() {
        for variant in Variant::ALL {
            for m in [0, 1, 3, 4, 7, 8, 9, 21] {
                for k in [0, 1, 2, 33, 300] {
                    for n in [0, 1, 31, 32, 33, 70] {
                        check(variant, (m, k, n), k);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_may_overlap_or_lie_apart() {
        for variant in Variant::ALL {
            check(variant, (13, 30, 33), 7);
            check(variant, (13, 30, 33), 50);
        }
    }

    #[test]
    fn a_row_is_the_same_in_any_company() {
        let (a, b) = (noise(21 * 77, 3), noise(77 * 40, 4));
        let packed = Packed::new(&b, (77, 40));
        for variant in Variant::ALL {
            let product = |rows: usize| {
                let mut c = vec![0.0; rows * 40];
                let out = MatrixMut::new(&mut c, (rows, 40), 40);
                packed.multiply_by(variant, Matrix::row_major(&a, (rows, 77)), out, Product::Replaces);
                c
            };
            let whole = product(21);
            for rows in [1, 4, 5, 8, 13] {
                assert_eq!(product(rows), whole[..rows * 40], "{variant:?}, {rows} rows");
            }
        }
    }

    #[test]
    #[should_panic(expected = "neighbours")]
    fn columns_with_gaps_are_refused() {
        let mut c = [0.0; 4];
        let a = Matrix::new(&[0.0; 12], (2, 2), (4, 2));
        Packed::new(&[0.0; 4], (2, 2)).multiply(a, MatrixMut::new(&mut c, (2, 2), 2), Product::Replaces);
    }

    #[test]
    #[should_panic(expected = "is not")]
    fn shapes_that_do_not_fit_are_refused() {
        let mut c = [0.0; 4];
        let a = Matrix::row_major(&[0.0; 6], (2, 3));
        Packed::new(&[0.0; 4], (2, 2)).multiply(a, MatrixMut::new(&mut c, (2, 2), 2), Product::Replaces);
    }
}
