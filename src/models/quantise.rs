//! Quantisation of a model file: the tensors that its layers compute with in int8 are stored as
//! 8-bit integers.
//!
//! The stored integers, scales and bias corrections are those that the layers compute at load
//! ([`crate::nn::quantisation`]). So in int8 the new file gives bit-identical results; in f32 its
//! weights differ by rounding errors. The other tensors are copied.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::models::manifest::Manifest;
use crate::models::model::{LoadOptions, Model};
use crate::models::rewrite::{Part, f32_part, signed_file};
use crate::nn::quantisation::{BIAS_CORRECTION, LARGEST};
use crate::nn::weights::StoredTensor;
use crate::nn::{Precision, QuantisedTensor, Weights};

/// The trunk's first layer.
const TRUNK: &str = "trunk.dense.0.weight";

/// The bytes of a quantised model file, from those of one that is not quantised. The result has
/// been loaded once, so the engine accepts it. `trunk`: whether the first dense layer of the trunk
/// is stored as integers, too. It computes in f32 with the weights that the integers stand for, so
/// its outputs change a little; with a long representation it is a large part of the file.
///
/// # Errors
///
/// Those of loading a model; [`Error::Unsupported`] if the file is already quantised or no layer
/// can compute in int8.
pub fn quantised(bytes: &[u8], trunk: bool) -> Result<Vec<u8>> {
    let mut weights = Weights::from_bytes(bytes)?;
    if weights.is_quantised() {
        return Err(Error::Unsupported("its weights are 8-bit integers already".into()));
    }
    let model = Model::from_bytes(bytes, LoadOptions::default().with_precision(Precision::Int8))?;
    let tensors: BTreeMap<_, _> =
        model.int8_tensors().into_iter().map(|tensor| (&tensor.name, &tensor.bias_correction)).collect();
    if tensors.is_empty() {
        return Err(Error::Unsupported(
            "it has no layers that compute in int8, so quantisation would not change it".into(),
        ));
    }
    let manifest = weights.text(Manifest::KEY).unwrap_or_default().to_owned();
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut count = tensors.len();
    if trunk {
        let shape = weights.shape(TRUNK).map(<[usize]>::to_vec);
        let shape = shape.ok_or_else(|| Error::Unsupported("it has no trunk whose first layer is dense".into()))?;
        parts.extend(quantised_parts(TRUNK, weights.take(TRUNK, &shape)?.values(), &shape));
        count += 1;
    }
    for (name, correction) in &tensors {
        let shape = weights.shape(name).unwrap_or_default().to_vec();
        parts.extend(quantised_parts(name, weights.take(name, &shape)?.values(), &shape));
        parts.extend(correction.as_ref().map(|correction| f32_part(format!("{name}{BIAS_CORRECTION}"), correction)));
    }
    for other in weights.stored() {
        let StoredTensor { name, dtype, shape, bytes } = other?;
        parts.push((name.to_owned(), dtype, shape.to_vec(), bytes));
    }
    let manifest = quantised_manifest(&manifest, count)?;
    let file = signed_file(&parts, manifest)?;
    Model::from_bytes(&file, LoadOptions::default())?;
    Ok(file)
}

/// The integers of a tensor and the largest magnitude of each output.
fn quantised_parts(name: &str, values: &[f32], shape: &[usize]) -> [Part<'static>; 2] {
    let QuantisedTensor { values, largest } = QuantisedTensor::new(values, shape.first().copied().unwrap_or(0));
    let bytes: Vec<u8> = values.into_iter().map(i8::cast_unsigned).collect();
    [(name.to_owned(), Dtype::I8, shape.to_vec(), bytes.into()), f32_part(format!("{name}{LARGEST}"), &largest)]
}

/// The manifest with a note on the quantisation and the checksum of the source.
fn quantised_manifest(manifest: &str, tensors: usize) -> Result<Value> {
    let failed = |error: serde_json::Error| Error::Manifest(format!("the manifest is not JSON: {error}"));
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
    Ok(manifest)
}
