//! A model file with its largest tensors as 8-bit codes.
//!
//! Codes are what layers of [`Precision::Int8`](crate::nn::Precision::Int8) make of their weights when they are loaded: of each output the largest weight becomes ±127, the others are
//! rounded to the nearest code. What they stand for is stated in [`crate::nn::weights`], what their rounding loses beside them ([`crate::nn::rounding`]). So in int8 the file answers as the one that it was made from,
//! bit by bit, and in f32 with weights that are a little off. The other tensors stay as they are.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::models::{Manifest, Model};
use crate::nn::Weights;
use crate::nn::rounding::LOST;
use crate::nn::weights::{LARGEST, StoredTensor};

/// A tensor as it is stored: name, type, shape, little-endian bytes.
type Part<'a> = (String, Dtype, Vec<usize>, Cow<'a, [u8]>);

/// The bytes of a model file that holds codes, of those of one that does not. The result was loaded once: it is a file that the engine takes.
///
/// # Errors
///
/// Those of [`Model::from_bytes`]; [`Error::Config`] for a file that holds codes already, or has no layers that could compute in 8 bits.
pub fn quantized(bytes: &[u8]) -> Result<Vec<u8>> {
    if Weights::from_bytes(bytes)?.hold_codes() {
        return Err(Error::Config("its weights are 8-bit codes already".into()));
    }
    let names = Model::tensors_in_codes(bytes)?;
    if names.is_empty() {
        return Err(Error::Config("it has no layers that compute in 8 bits: nothing to gain".into()));
    }
    let mut weights = Weights::from_bytes(bytes)?;
    let manifest = weights.text(Manifest::KEY).unwrap_or_default().to_owned();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (name, lost) in &names {
        let shape = weights.shape(name).unwrap_or_default().to_vec();
        parts.extend(coded(name, weights.take(name, &shape)?.values(), &shape));
        parts.extend(lost.as_ref().map(|lost| floats(format!("{name}{LOST}"), lost)));
    }
    for other in weights.stored() {
        let StoredTensor { name, dtype, shape, bytes } = other?;
        parts.push((name.to_owned(), dtype, shape.to_vec(), bytes));
    }
    let sha256 = serialised(&parts, None).and_then(|file| Weights::from_bytes(&file)?.sha256())?;
    let manifest = described(&manifest, &sha256, names.len())?;
    let file = serialised(&parts, Some(HashMap::from([(Manifest::KEY.to_owned(), manifest)])))?;
    Model::from_bytes(&file)?;
    Ok(file)
}

/// Codes, and the largest weight of each index of the first axis.
fn coded(name: &str, values: &[f32], shape: &[usize]) -> [Part<'static>; 2] {
    let outputs = shape.first().copied().unwrap_or(0);
    let mut codes = vec![0_i8; values.len()];
    let length = (values.len() / outputs.max(1)).max(1);
    let mut largest = Vec::with_capacity(outputs);
    for (row, codes) in values.chunks_exact(length).zip(codes.chunks_exact_mut(length)) {
        let most = row.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        encode(row, most, codes);
        largest.push(most);
    }
    let codes: Vec<u8> = codes.into_iter().map(i8::cast_unsigned).collect();
    [(name.to_owned(), Dtype::I8, shape.to_vec(), codes.into()), floats(format!("{name}{LARGEST}"), &largest)]
}

fn floats(name: String, values: &[f32]) -> Part<'static> {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    (name, Dtype::F32, vec![values.len()], bytes.into())
}

/// The nearest codes, halves to the even one, by the arithmetic of `kernels::int8`.
fn encode(row: &[f32], largest: f32, codes: &mut [i8]) {
    let step = largest / 127.0;
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    codes.iter_mut().zip(row).for_each(|(code, x)| *code = (x * inverse).round_ties_even() as i8);
}

/// The manifest with what was done, and of what.
fn described(manifest: &str, sha256: &str, tensors: usize) -> Result<String> {
    let failed = |error: serde_json::Error| Error::Config(format!("model file: the manifest is not JSON: {error}"));
    let mut manifest: Value = serde_json::from_str(manifest).map_err(failed)?;
    let source = manifest["sha256"].clone();
    let text = format!(
        "{tensors} tensors as 8-bit codes, a scale for each output, by persona-engine {}; in f32 they are what the codes stand for. \
         Scores were measured before",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(data) = manifest["data"].as_object_mut() {
        data.insert("quantized".into(), json!(text));
        data.insert("quantized_from_sha256".into(), source);
    }
    manifest["sha256"] = json!(sha256);
    Ok(manifest.to_string())
}

fn serialised(parts: &[Part<'_>], header: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::malformed("model file", error.to_string());
    let views = parts.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view)).map_err(failed)
    });
    serialize(views.collect::<Result<Vec<_>>>()?, header).map_err(failed)
}
