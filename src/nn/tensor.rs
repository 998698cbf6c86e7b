//! A shape and its values.

/// Values in row-major order (the last dimension's neighbours are neighbours), f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// # Panics
    ///
    /// If the number of values is not the product of the shape.
    pub fn new(shape: &[usize], values: Vec<f32>) -> Self {
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        assert!(count == Some(values.len()), "{} values are no tensor of shape {shape:?}", values.len());
        Self { shape: shape.to_vec(), values }
    }

    /// Sizes of the dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, the last dimension's neighbours side by side.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values alone.
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
    fn the_shape_must_hold() {
        Tensor::new(&[2, 3], vec![0.0; 5]);
    }

    #[test]
    #[should_panic(expected = "no tensor")]
    fn a_shape_whose_product_overflows_is_no_shape() {
        Tensor::new(&[usize::MAX, 2], vec![]);
    }
}
