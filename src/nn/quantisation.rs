//! Int8 weights in model files: symmetric quantisation with one scale per output.
//!
//! ```text
//! q[o, k] = w[o, k] / scale[o], rounded half to even        scale[o] = max_k |w[o, k]| / 127        q in −127..=127
//! ```
//!
//! A quantised tensor NAME has type I8 and up to two companions: `NAME.largest` `[outputs]`
//! contains `max_k |w[o, k]|`, and `NAME.lost` `[outputs]` the bias correction of layers that apply
//! one ([`crate::nn::bias_correction`]). ±127 stands for exactly ± the largest value, so that a
//! layer that quantises the dequantised weights again gets the same integers.

use crate::kernels::int8::quantise_row;

/// Suffix of the companion with the largest magnitude of each output.
pub const LARGEST: &str = ".largest";
/// Suffix of the companion with the bias correction of each output, before any norm.
pub const BIAS_CORRECTION: &str = ".lost";

/// A tensor of a model file that a layer computes with in int8.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Tensor {
    /// Name in the model file.
    pub name: String,
    /// Bias correction per output that the layer applies, if it applies one.
    pub bias_correction: Option<Vec<f32>>,
}

/// Quantised weights `[outputs, …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedTensor {
    /// Integers, in the order of the weights.
    pub values: Vec<i8>,
    /// Largest magnitude of each output.
    pub largest: Vec<f32>,
}

impl QuantisedTensor {
    /// Quantises row-major weights `[outputs, …]`.
    pub fn new(weights: &[f32], outputs: usize) -> Self {
        let mut values = vec![0; weights.len()];
        let length = row_length(weights.len(), outputs);
        let rows = weights.chunks_exact(length).zip(values.chunks_exact_mut(length));
        let largest = rows.map(|(row, quantised)| quantise_row(row, quantised)).collect();
        Self { values, largest }
    }
}

/// The weights that the bytes of an I8 tensor stand for.
pub(super) fn dequantise(bytes: &[u8], largest: &[f32]) -> Vec<f32> {
    let value = |byte: u8, largest: f32| match byte.cast_signed() {
        i8::MAX => largest,
        -127 => -largest,
        value => f32::from(value) * largest / 127.0,
    };
    let rows = bytes.chunks_exact(row_length(bytes.len(), largest.len()));
    rows.zip(largest).flat_map(|(row, largest)| row.iter().map(move |byte| value(*byte, *largest))).collect()
}

fn row_length(values: usize, outputs: usize) -> usize {
    (values / outputs.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dequantised_weights_are_quantised_to_the_same_integers() {
        let weights: Vec<f32> = (0..300).map(|i| (i as f32 * 0.731).sin()).collect();
        let first = QuantisedTensor::new(&weights, 4);
        let bytes: Vec<u8> = first.values.iter().map(|value| value.cast_unsigned()).collect();
        let again = dequantise(&bytes, &first.largest);
        assert_eq!(QuantisedTensor::new(&again, 4), first);
        for (o, row) in weights.chunks(75).enumerate() {
            let step = first.largest[o] / 127.0;
            assert!(row.iter().zip(&again[o * 75..]).all(|(x, y)| (x - y).abs() <= 0.5001 * step));
        }
        assert_eq!(QuantisedTensor::new(&[], 0).values, [0; 0]);
    }
}
