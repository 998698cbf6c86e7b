//! Standardisation of the representation by mean and standard deviation over the training data.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::nn::Loader;

/// `y[i] = (x[i] − mean[i]) / scale[i]`.
#[derive(Clone, Debug)]
pub(crate) struct Standardise {
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// Mean and scale before the model was adapted to other recordings.
    before: Option<(Vec<f32>, Vec<f32>)>,
}

/// The standardisation that the heads of a model were trained with: before an adaptation, if there
/// was one. Mean 0 and scale 1 for vectors that are not standardised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'a> {
    mean: &'a [f32],
    scale: &'a [f32],
}

impl<'a> Reference<'a> {
    /// Of vectors that are not standardised.
    pub(super) const NONE: Self = Self { mean: &[], scale: &[] };

    pub(super) fn of(mean: &'a [f32], scale: &'a [f32]) -> Self {
        Self { mean, scale }
    }

    /// Mean of a dimension.
    pub(super) fn mean(self, dimension: usize) -> f32 {
        self.mean.get(dimension).copied().unwrap_or(0.0)
    }

    /// Scale of a dimension.
    pub(super) fn scale(self, dimension: usize) -> f32 {
        self.scale.get(dimension).copied().unwrap_or(1.0)
    }
}

impl Standardise {
    /// Takes `representation.mean` and `representation.scale`, each `[dim]`, and
    /// `representation.mean_before` and `representation.scale_before` of an adapted model.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor that is missing, or has a wrong shape or a non-finite
    /// value, or a scale that is not positive.
    pub(crate) fn load(loader: &mut Loader<'_>, dim: usize) -> Result<Self> {
        let mean = loader.take("representation.mean", &[dim])?.into_values();
        let scale = take_scale(loader, "representation.scale", dim)?;
        let before = match loader.take_optional("representation.mean_before", &[dim])? {
            None => None,
            Some(mean) => Some((mean.into_values(), take_scale(loader, "representation.scale_before", dim)?)),
        };
        Ok(Self { mean, scale, before })
    }

    /// The standardisation that the heads were trained with.
    pub(super) fn reference(&self) -> Reference<'_> {
        match &self.before {
            Some((mean, scale)) => Reference::of(mean, scale),
            None => Reference::of(&self.mean, &self.scale),
        }
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

fn take_scale(loader: &mut Loader<'_>, name: &str, dim: usize) -> Result<Vec<f32>> {
    let scale = loader.take(name, &[dim])?.into_values();
    match scale.iter().position(|s| s.is_nan() || *s < f32::MIN_POSITIVE) {
        None => Ok(scale),
        Some(at) => Err(Error::Tensor {
            name: name.to_owned(),
            expected: "positive numbers".into(),
            actual: format!("{} at index {at}", scale[at]),
        }),
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
        assert_eq!(load([2.0, 0.25]).unwrap().reference().scale(1), 0.25);
        for bad in [0.0, -1.0, 1e-45] {
            let message = load([1.0, bad]).unwrap_err().to_string();
            assert!(message.contains("`representation.scale`") && message.contains("index 1"), "{message}");
        }
    }

    #[test]
    fn an_adapted_model_keeps_the_standardisation_of_its_heads() {
        let bytes = file(&[
            ("representation.mean", &[1], &[1.0]),
            ("representation.scale", &[1], &[2.0]),
            ("representation.mean_before", &[1], &[3.0]),
            ("representation.scale_before", &[1], &[4.0]),
        ]);
        let adapted = Standardise::load(&mut loader(&bytes), 1).unwrap();
        let mut x = [5.0];
        adapted.run(&mut x);
        assert_eq!((x, adapted.reference().mean(0), adapted.reference().scale(0)), ([2.0], 3.0, 4.0));
        let none = Reference::NONE;
        assert_eq!((none.mean(7), none.scale(7)), (0.0, 1.0));
    }
}
