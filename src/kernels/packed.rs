//! Products with a matrix that stays the same: it is laid out once, as the product reads it.

use super::gemm::{Matrix, MatrixMut, Product, gemm};

/// A matrix `[rows, columns]` to multiply from the right.
#[derive(Clone, Debug)]
pub struct Packed {
    shape: (usize, usize),
    values: Vec<f32>,
}

impl Packed {
    /// `values` is row-major.
    ///
    /// # Panics
    ///
    /// If there are not `rows · columns` values.
    pub fn new(values: Vec<f32>, shape: (usize, usize)) -> Self {
        assert!(values.len() == shape.0 * shape.1, "{} values are no {shape:?}", values.len());
        Self { shape, values }
    }

    /// `c = a · self` or `c = c + a · self`.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    pub fn multiply(&self, a: Matrix<'_>, c: MatrixMut<'_>, product: Product) {
        gemm(a, Matrix::row_major(&self.values, self.shape), c, product);
    }
}
