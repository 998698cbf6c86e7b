//! What layers of 8-bit codes do about the rounding of their weights.
//!
//! A code is up to half a step off its weight. Behind a ReLU the inputs are positive, so these errors do not cancel: they add up to a shift of each output that is
//! the same in every frame, several times the rest of the error. It is the sum of the weights' errors, each times the mean of its input; the means follow from the norms
//! before the layer ([`Moments`]), and the layer's bias takes the shift back.

use crate::error::Result;
use crate::kernels::int8::rounding_error;
use crate::nn::{Moments, Norm, Tensor, Weights};

/// What is added to the name of a tensor of codes for that of what its rounding lost: `[outputs]`, before any norm.
pub const LOST: &str = ".lost";

/// What each output of `weight` `[outputs, inputs, …]` loses in the mean when it is rounded to codes.
pub fn lost(weight: &Tensor, inputs: &Moments) -> Vec<f32> {
    let per_input: usize = weight.shape().iter().skip(2).product();
    let means: Vec<f32> = inputs.mean().iter().flat_map(|mean| std::iter::repeat_n(*mean, per_input)).collect();
    rounding_error(weight.values(), &means)
}

/// What the layer of the tensor `name` lacks: [`lost`], if it computes with codes; from the file, where that holds the codes and not the weights, whatever
/// the layer computes with. Notes a tensor of codes.
///
/// # Errors
///
/// [`crate::Error::Tensor`] where the file has it in another shape, or not finite.
pub(super) fn lacking(
    weights: &mut Weights<'_>,
    name: &str,
    (weight, inputs): (&Tensor, &Moments),
    in_codes: bool,
) -> Result<Vec<f32>> {
    let companion = format!("{name}{LOST}");
    let outputs = weight.shape().first().copied().unwrap_or(0);
    let lacking = match weights.shape(&companion) {
        Some(_) => weights.take(&companion, &[outputs])?.into_values(),
        None if in_codes => lost(weight, inputs),
        None => Vec::new(),
    };
    if in_codes {
        weights.note_codes(name.to_owned());
        weights.note_lost(name.to_owned(), lacking.clone());
    }
    Ok(lacking)
}

/// Adds to a layer's bias what its codes lose (nothing, if that is empty), behind the norm that is folded into it.
pub(super) fn make_up(bias: &mut [f32], lost: &[f32], norm: Option<&Norm>) {
    for (o, (bias, lost)) in bias.iter_mut().zip(lost).enumerate() {
        *bias += lost * norm.map_or(1.0, |norm| norm.scale()[o]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tap_of_an_input_has_its_mean() {
        // the largest weight of each output is exact; 0.3 and 0.6 lie between codes
        let weight = Tensor::new(&[1, 2, 2], vec![1.0, 0.3, 0.6, 0.0]);
        let inputs = Moments::new(vec![2.0, 5.0], vec![1.0; 2]);
        let error = |x: f64| x - (x * 127.0).round() / 127.0;
        let want = 2.0 * error(0.3) + 5.0 * error(0.6);
        assert!((f64::from(lost(&weight, &inputs)[0]) - want).abs() < 1e-6);
    }

    #[test]
    fn the_bias_takes_it_back_behind_the_norm() {
        let mut bias = [1.0, 2.0];
        make_up(&mut bias, &[0.5, -0.5], Some(&Norm::new(vec![2.0, -3.0], vec![0.0; 2])));
        assert_eq!(bias, [2.0, 3.5]);
        make_up(&mut bias, &[0.5, -0.5], None);
        assert_eq!(bias, [2.5, 3.0]);
    }
}
