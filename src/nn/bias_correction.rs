//! Bias correction for int8 layers (Nagel, van Baalen, Blankevoort, Welling 2019, "Data-free
//! quantization through weight equalization and bias correction", arXiv 1906.04721, section 4.2).
//!
//! A quantised weight differs from its weight by up to half a step. After a ReLU the inputs are
//! positive, so these errors do not cancel: they add up to a constant shift of each output, several
//! times larger than the rest of the error. The shift is the sum of the rounding errors of the
//! weights, each times the mean of its input. The means follow from the preceding norms
//! ([`Moments`]); the shift is added to the bias.

use crate::error::Result;
use crate::kernels::int8::rounding_error;
use crate::nn::loader::Loader;
use crate::nn::moments::Moments;
use crate::nn::norm::Norm;
use crate::nn::quantisation::BIAS_CORRECTION;
use crate::nn::tensor::Tensor;

/// The correction of each output for the rounding of `weight` `[outputs, inputs, …]`.
pub fn bias_correction(weight: &Tensor, inputs: &Moments) -> Vec<f32> {
    let per_input: usize = weight.shape().iter().skip(2).product();
    let means: Vec<f32> = inputs.mean().iter().flat_map(|mean| std::iter::repeat_n(*mean, per_input)).collect();
    rounding_error(weight.values(), &means)
}

/// The correction for the tensor `name`. A file with quantised weights contains it, and it is then
/// applied in every precision; otherwise it is computed for layers that compute in int8, and `None`
/// for others.
///
/// # Errors
///
/// [`crate::Error::Tensor`] if the stored correction has another shape or non-finite values.
pub(super) fn load(
    loader: &mut Loader<'_>,
    name: &str,
    (weight, inputs): (&Tensor, &Moments),
    int8: bool,
) -> Result<Option<Vec<f32>>> {
    let outputs = weight.shape().first().copied().unwrap_or(0);
    let stored = loader.take_optional(&format!("{name}{BIAS_CORRECTION}"), &[outputs])?;
    Ok(stored.map(Tensor::into_values).or_else(|| int8.then(|| bias_correction(weight, inputs))))
}

/// Adds a correction to the bias of a layer, scaled by the norm that is folded into the layer.
pub(super) fn apply(bias: &mut [f32], correction: &[f32], norm: Option<&Norm>) {
    for (o, (bias, correction)) in bias.iter_mut().zip(correction).enumerate() {
        *bias += correction * norm.map_or(1.0, |norm| norm.scale()[o]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tap_of_an_input_has_the_mean_of_the_input() {
        // the largest weight of each output is exact; 0.3 and 0.6 are rounded
        let weight = Tensor::new(&[1, 2, 2], vec![1.0, 0.3, 0.6, 0.0]);
        let inputs = Moments::new(vec![2.0, 5.0], vec![1.0; 2]);
        let error = |x: f64| x - (x * 127.0).round() / 127.0;
        let want = 2.0 * error(0.3) + 5.0 * error(0.6);
        assert!((f64::from(bias_correction(&weight, &inputs)[0]) - want).abs() < 1e-6);
    }

    #[test]
    fn a_correction_is_scaled_by_the_folded_norm() {
        let mut bias = [1.0, 2.0];
        apply(&mut bias, &[0.5, -0.5], Some(&Norm::new(vec![2.0, -3.0], vec![0.0; 2])));
        assert_eq!(bias, [2.0, 3.5]);
        apply(&mut bias, &[0.5, -0.5], None);
        assert_eq!(bias, [2.5, 3.0]);
    }
}
