//! Standardisation of the representation by mean and standard deviation over the training data.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::nn::Loader;

/// `y[i] = (x[i] − mean[i]) / scale[i]`.
#[derive(Clone, Debug)]
pub(crate) struct Standardise {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Standardise {
    /// Takes `representation.mean` and `representation.scale`, each `[dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor that is missing, or has a wrong shape or a non-finite
    /// value, or a scale that is not positive.
    pub(crate) fn load(loader: &mut Loader<'_>, dim: usize) -> Result<Self> {
        let mean = loader.take("representation.mean", &[dim])?.into_values();
        let scale = loader.take("representation.scale", &[dim])?.into_values();
        if let Some(at) = scale.iter().position(|s| s.is_nan() || *s < f32::MIN_POSITIVE) {
            return Err(Error::Tensor {
                name: "representation.scale".into(),
                expected: "positive numbers".into(),
                actual: format!("{} at index {at}", scale[at]),
            });
        }
        Ok(Self { mean, scale })
    }

    /// The values of part of a representation before the standardisation.
    pub(crate) fn invert(&self, values: &[f32], place: Range<usize>) -> Vec<f32> {
        let of_place = values[place.clone()].iter().zip(&self.mean[place.clone()]).zip(&self.scale[place]);
        of_place.map(|((x, mean), scale)| x * scale + mean).collect()
    }

    /// In place on one representation.
    pub(crate) fn run(&self, values: &mut [f32]) {
        for ((x, mean), scale) in values.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = (*x - mean) / scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};

    #[test]
    fn equals_the_formula_and_refuses_a_scale_of_zero() {
        let load = |scale: [f32; 2]| {
            let bytes = file(&[("representation.mean", &[2], &[1.0, -2.0]), ("representation.scale", &[2], &scale)]);
            Standardise::load(&mut loader(&bytes), 2)
        };
        let mut x = [5.0, -2.5];
        load([2.0, 0.25]).unwrap().run(&mut x);
        assert_eq!(x, [2.0, -2.0]);
        assert_eq!(load([2.0, 0.25]).unwrap().invert(&x, 0..2), [5.0, -2.5]);
        assert_eq!(load([2.0, 0.25]).unwrap().invert(&x, 1..2), [-2.5]);
        for bad in [0.0, -1.0, 1e-45] {
            let message = load([1.0, bad]).unwrap_err().to_string();
            assert!(message.contains("`representation.scale`") && message.contains("index 1"), "{message}");
        }
    }
}
