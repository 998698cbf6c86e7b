//! Loading of layers: the tensors of a model file, and the precision in which the layers compute.

use half::f16;

use crate::error::Result;
use crate::nn::precision::Precision;
use crate::nn::tensor::Tensor;
use crate::nn::weights::Weights;

/// Passed to the `load` function of each layer, which takes its tensors and is packed for the
/// requested precision.
#[derive(Debug)]
pub struct Loader<'a> {
    weights: Weights<'a>,
    precision: Precision,
}

impl<'a> Loader<'a> {
    /// Loads layers from `weights` that compute in `precision` if they support it.
    pub fn new(weights: Weights<'a>, precision: Precision) -> Self {
        Self { weights, precision }
    }

    /// The requested precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// [`Weights::shape`].
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.weights.shape(name)
    }

    /// [`Weights::take`].
    ///
    /// # Errors
    ///
    /// As [`Weights::take`].
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.take(name, shape)
    }

    /// [`Weights::take_f16`].
    ///
    /// # Errors
    ///
    /// As [`Weights::take_f16`].
    pub fn take_f16(&mut self, name: &str, shape: &[usize]) -> Result<Option<Vec<f16>>> {
        self.weights.take_f16(name, shape)
    }

    /// Takes a tensor if the file has one of this name.
    ///
    /// # Errors
    ///
    /// As [`Weights::take`], except that a missing tensor is `None`.
    pub fn take_optional(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        if self.shape(name).is_none() {
            return Ok(None);
        }
        self.weights.take(name, shape).map(Some)
    }

    /// [`Weights::finish`]: call it after the last layer.
    ///
    /// # Errors
    ///
    /// As [`Weights::finish`].
    pub fn finish(self) -> Result<()> {
        self.weights.finish()
    }
}
