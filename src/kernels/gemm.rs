//! GEMM, general matrix product in f32: `C[m, n] (+)= A[m, k] · B[k, n]`.
//!
//! A safe interface to [`matrixmultiply::sgemm`], which selects AVX-512, AVX2 with FMA, NEON or
//! portable code at run time. Strides are arbitrary: a matrix may be transposed, take every other
//! column of another one, or (for reading) have overlapping rows, which makes a convolution over
//! frames one product without copying its input. The order of summation depends on `k` alone, so a
//! row of `C` does not depend on the number of rows.
//!
//! `sgemm` packs its operands into memory of its own, at most about 1 MB per call, freed before it
//! returns.

/// Read-only view of a matrix: element `(i, j)` is `values[i × row_stride + j × col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    shape: (usize, usize),
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    /// `shape` is (rows, columns), `strides` the distance between rows and between columns, in
    /// elements.
    ///
    /// # Panics
    ///
    /// If the last element lies outside `values`.
    pub fn new(values: &'a [f32], shape: (usize, usize), strides: (usize, usize)) -> Self {
        assert!(
            required_len(shape, strides) <= values.len(),
            "{shape:?} with strides {strides:?} exceeds {} elements",
            values.len()
        );
        Self { values, shape, strides }
    }

    /// A contiguous row-major matrix.
    ///
    /// # Panics
    ///
    /// If `values` is too short.
    pub fn row_major(values: &'a [f32], shape: (usize, usize)) -> Self {
        Self::new(values, shape, (shape.1, 1))
    }
}

/// Writable view of a matrix whose elements do not overlap.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    shape: (usize, usize),
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `shape` is (rows, columns), `row_stride` the distance between rows in elements. Columns are
    /// contiguous.
    ///
    /// # Panics
    ///
    /// If the last element lies outside `values` or if rows overlap.
    pub fn new(values: &'a mut [f32], shape: (usize, usize), row_stride: usize) -> Self {
        assert!(required_len(shape, (row_stride, 1)) <= values.len(), "{shape:?} exceeds {} elements", values.len());
        assert!(shape.0 <= 1 || row_stride >= shape.1, "rows of {} columns overlap at stride {row_stride}", shape.1);
        Self { values, shape, row_stride }
    }
}

/// Whether a product overwrites `C` or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// `C = A · B`. Old values are never read; they may be NaN.
    Replaces,
    /// `C = C + A · B`.
    Adds,
}

/// `C = A · B` or `C = C + A · B`. With `k = 0` the product is zero.
///
/// # Panics
///
/// If the shapes are not `A[m, k]`, `B[k, n]`, `C[m, n]`.
#[expect(clippy::needless_pass_by_value, reason = "C is a view created for this call")]
pub fn gemm(a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, product: Product) {
    let ((m, k), (_, n)) = (a.shape, b.shape);
    assert!(b.shape.0 == k && c.shape == (m, n), "{:?} · {:?} is not {:?}", a.shape, b.shape, c.shape);
    let beta = if product == Product::Adds { 1.0 } else { 0.0 };
    // SAFETY: the constructors of A, B and C checked `required_len`, so every element of the three
    // shapes lies inside its slice; the assertion above checked that the shapes agree; C's rows do
    // not overlap, so its elements are distinct; and `c` is borrowed mutably, so it shares no
    // memory with `a` and `b`. Strides fit isize: each is at most the length of a slice of f32,
    // unless its dimension is at most 1, where it is multiplied by 0 alone.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.values.as_ptr(),
            a.strides.0 as isize,
            a.strides.1 as isize,
            b.values.as_ptr(),
            b.strides.0 as isize,
            b.strides.1 as isize,
            beta,
            c.values.as_mut_ptr(),
            c.row_stride as isize,
            1,
        );
    }
}

/// The length that a slice must have for this shape: the index of the last element plus one. 0 for
/// an empty matrix, `usize::MAX` where the arithmetic overflows.
fn required_len(shape: (usize, usize), strides: (usize, usize)) -> usize {
    let (Some(last_row), Some(last_col)) = (shape.0.checked_sub(1), shape.1.checked_sub(1)) else { return 0 };
    let last = || last_row.checked_mul(strides.0)?.checked_add(last_col.checked_mul(strides.1)?)?.checked_add(1);
    last().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in f64.
    fn naive(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f64> {
        let at = |m: &Matrix<'_>, i, j| f64::from(m.values[i * m.strides.0 + j * m.strides.1]);
        let mut c = Vec::new();
        for i in 0..a.shape.0 {
            for j in 0..b.shape.1 {
                c.push((0..a.shape.1).map(|l| at(&a, i, l) * at(&b, l, j)).sum());
            }
        }
        c
    }

    /// Pseudo-random values in ±1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0)
            .collect()
    }

    fn check(a: Matrix<'_>, b: Matrix<'_>) {
        let (m, n) = (a.shape.0, b.shape.1);
        let want = naive(a, b);
        let tolerance = 1e-6 * (1.0 + a.shape.1 as f64);
        let mut fresh = vec![f32::NAN; m * n];
        gemm(a, b, MatrixMut::new(&mut fresh, (m, n), n), Product::Replaces);
        let mut added = vec![2.0; m * n];
        gemm(a, b, MatrixMut::new(&mut added, (m, n), n), Product::Adds);
        for ((want, got), added) in want.iter().zip(&fresh).zip(&added) {
            assert!((want - f64::from(*got)).abs() < tolerance, "{:?} · {:?}: {want} {got}", a.shape, b.shape);
            assert!((want + 2.0 - f64::from(*added)).abs() < tolerance, "{want} + 2 {added}");
        }
    }

    #[test]
    fn equals_the_definition_at_all_small_shapes() {
        for m in [0, 1, 2, 7, 17, 33] {
            for k in [0, 1, 3, 16, 29, 300] {
                for n in [0, 1, 2, 15, 16, 31] {
                    let (a, b) = (noise(m * k, 1), noise(k * n, 9));
                    check(Matrix::row_major(&a, (m, k)), Matrix::row_major(&b, (k, n)));
                }
            }
        }
    }

    #[test]
    fn reads_transposed_strided_and_overlapping_matrices() {
        let (x, w) = (noise(400, 3), noise(600, 4));
        check(Matrix::new(&x, (21, 15), (1, 21)), Matrix::row_major(&w, (15, 19)));
        check(Matrix::row_major(&x, (9, 30)), Matrix::new(&w, (30, 10), (20, 2)));
        // 5 frames of 7 bands, one frame apart: a context of 5 frames
        check(Matrix::new(&x, (31, 35), (7, 1)), Matrix::row_major(&w, (35, 11)));
    }

    #[test]
    fn writes_leave_other_columns_unchanged() {
        let (a, b) = (noise(12, 5), noise(20, 6));
        let mut c = [7.0; 3 * 9];
        gemm(
            Matrix::row_major(&a, (3, 4)),
            Matrix::row_major(&b, (4, 5)),
            MatrixMut::new(&mut c[2..], (3, 5), 9),
            Product::Replaces,
        );
        for (i, value) in c.iter().enumerate() {
            assert_eq!(*value == 7.0, !(2..7).contains(&(i % 9)), "element {i}");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_number_of_rows() {
        let (a, b) = (noise(40 * 513, 7), noise(513 * 37, 8));
        let product = |rows: usize| {
            let mut c = vec![0.0; rows * 37];
            let out = MatrixMut::new(&mut c, (rows, 37), 37);
            gemm(Matrix::row_major(&a, (rows, 513)), Matrix::row_major(&b, (513, 37)), out, Product::Replaces);
            c
        };
        let whole = product(40);
        for rows in [1, 2, 15, 17, 39] {
            assert_eq!(product(rows), whole[..rows * 37]);
        }
    }

    #[test]
    #[should_panic(expected = "exceeds 11 elements")]
    fn a_matrix_larger_than_its_slice_panics() {
        Matrix::new(&[0.0; 11], (3, 4), (4, 1));
    }

    #[test]
    #[should_panic(expected = "exceeds 4 elements")]
    fn overflowing_strides_panic() {
        Matrix::new(&[0.0; 4], (3, 2), (usize::MAX / 2 + 1, 1));
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlapping_output_rows_panic() {
        MatrixMut::new(&mut [0.0; 11], (3, 4), 2);
    }

    #[test]
    #[should_panic(expected = "is not")]
    fn mismatched_shapes_panic() {
        let x = [0.0; 12];
        let mut c = [0.0; 12];
        gemm(
            Matrix::row_major(&x, (3, 4)),
            Matrix::row_major(&x, (3, 4)),
            MatrixMut::new(&mut c, (3, 4), 4),
            Product::Replaces,
        );
    }
}
