//! Writing a model file anew with other tensors: safetensors bytes with the checksum of the tensors
//! in the manifest.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::models::manifest::Manifest;
use crate::nn::Weights;

/// A tensor as it is stored: name, type, shape, little-endian bytes.
pub(super) type Part<'a> = (String, Dtype, Vec<usize>, Cow<'a, [u8]>);

/// A vector in f32.
pub(super) fn f32_part(name: String, values: &[f32]) -> Part<'static> {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    (name, Dtype::F32, vec![values.len()], bytes.into())
}

/// A model file of these tensors, whose manifest gets their checksum.
pub(super) fn signed_file(parts: &[Part<'_>], mut manifest: Value) -> Result<Vec<u8>> {
    let sha256 = serialised(parts, None).and_then(|file| Weights::from_bytes(&file)?.sha256())?;
    manifest["sha256"] = json!(sha256);
    serialised(parts, Some(HashMap::from([(Manifest::KEY.to_owned(), manifest.to_string())])))
}

fn serialised(parts: &[Part<'_>], header: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::malformed("model file", error.to_string());
    let views = parts.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view)).map_err(failed)
    });
    serialize(views.collect::<Result<Vec<_>>>()?, header).map_err(failed)
}
