//! Safetensors files for tests.

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use super::Weights;
use crate::nn::loader::Loader;
use crate::nn::precision::Precision;

/// A stored tensor: name, type, shape, little-endian bytes.
pub(crate) type Part<'a> = (&'a str, Dtype, &'a [usize], Vec<u8>);

/// A safetensors file.
pub(crate) fn file_of(parts: &[Part<'_>]) -> Vec<u8> {
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    serialize(views, None).unwrap()
}

/// Little-endian bytes of f32 values.
pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A safetensors file of f32 tensors.
pub(crate) fn file(parts: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let parts: Vec<Part<'_>> = parts.iter().map(|(n, s, v)| (*n, Dtype::F32, *s, f32_bytes(v))).collect();
    file_of(&parts)
}

/// A loader of such a file's tensors, in f32.
pub(crate) fn loader(file: &[u8]) -> Loader<'_> {
    Loader::new(Weights::from_bytes(file).unwrap(), Precision::F32)
}
