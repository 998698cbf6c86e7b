//! Tensor: a shape and its values.

/// f32 values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// A tensor of this shape.
    ///
    /// # Panics
    ///
    /// If the number of values is not the product of the shape.
    pub fn new(shape: &[usize], values: Vec<f32>) -> Self {
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        assert!(count == Some(values.len()), "{} values do not have the shape {shape:?}", values.len());
        Self { shape: shape.to_vec(), values }
    }

    /// Sizes of the dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Discards the shape.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_without_dimensions_has_one_value() {
        assert_eq!(Tensor::new(&[], vec![4.0]).values(), [4.0]);
        assert!(Tensor::new(&[3, 0], vec![]).values().is_empty());
    }

    #[test]
    #[should_panic(expected = "5 values")]
    fn a_wrong_number_of_values_panics() {
        Tensor::new(&[2, 3], vec![0.0; 5]);
    }

    #[test]
    #[should_panic(expected = "do not have the shape")]
    fn a_shape_whose_product_overflows_panics() {
        Tensor::new(&[usize::MAX, 2], vec![]);
    }
}
