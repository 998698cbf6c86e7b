//! Model files: manifest and tensors of an imported network as one safetensors file, loaded once
//! before it appears.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Value, json};

use super::atomic_file::{PendingFile, write_atomically};
use super::kind::Kind;
use super::network::ImportedNetwork;
use crate::error::{Error, Result};
use crate::models::manifest::FORMAT;
use crate::models::quantised;
use crate::models::{LoadOptions, Manifest, Model};
use crate::nn::Tensor;
use crate::nn::weights::{read_file, tensors_sha256};

/// Bytes of a model file with f32 tensors. They were loaded once, so the engine accepts the file.
///
/// # Errors
///
/// Those of [`Model::from_bytes`].
pub fn model_file(kind: Kind, network: &ImportedNetwork) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(kind, network, &mut bytes)?;
    Model::from_bytes(&bytes, LoadOptions::default())?;
    Ok(bytes)
}

/// Writes that file atomically, after it was loaded once. Returns its length in bytes.
///
/// Memory holds the network once: first as `network`, then as loaded.
///
/// # Errors
///
/// [`Error::Write`] names `path`; those of [`Model::open`].
pub fn write_model(kind: Kind, network: ImportedNetwork, path: &Path) -> Result<u64> {
    let pending = PendingFile::create(path)?;
    let length = pending.fill(|mut out| write(kind, &network, &mut out))?;
    drop(network);
    Model::open(pending.temporary_path(), LoadOptions::default()).map_err(Error::without_file)?;
    pending.commit()?;
    Ok(length)
}

/// Sizes of a model file before and after [`quantize_file`], bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedSizes {
    /// Size of the input.
    pub before: usize,
    /// Size of the output.
    pub after: usize,
}

/// Reads a model file, quantises its weights to int8 (with `trunk`, those of the trunk's first layer,
/// too) and writes the result atomically.
///
/// # Errors
///
/// Those of [`crate::models::quantised`], with the input's name; [`Error::Write`] with the output's.
pub fn quantize_file(input: &Path, output: &Path, trunk: bool) -> Result<QuantizedSizes> {
    let bytes = read_file(input)?;
    let small = quantised(&bytes, trunk).map_err(|error| error.in_file(input))?;
    write_atomically(output, |out| Ok(out.write_all(&small)?))?;
    Ok(QuantizedSizes { before: bytes.len(), after: small.len() })
}

/// Writes header and tensors. Returns the number of bytes.
fn write(kind: Kind, network: &ImportedNetwork, out: &mut impl Write) -> Result<u64> {
    let manifest = |sha256: &str| manifest(kind, network, sha256);
    write_tensors(&network.tensors, |_| Dtype::F32, manifest, out)
}

/// Writes a header with the manifest for this checksum, and the tensors in the types that `dtype`
/// selects, [`Dtype::F32`] or [`Dtype::F16`]. Returns the number of bytes.
pub(super) fn write_tensors(
    tensors: &[(String, Tensor)],
    dtype: impl Fn(&Tensor) -> Dtype,
    manifest: impl FnOnce(&str) -> Value,
    out: &mut impl Write,
) -> Result<u64> {
    let tensors: BTreeMap<&str, (&Tensor, Dtype)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), (tensor, dtype(tensor)))).collect();
    let sha256 = tensors_sha256(tensors.iter().map(|(name, tensor)| (*name, Ok(bytes_of(*tensor).into()))))?;
    let header = header(&tensors, &manifest(&sha256))?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut length = 8 + header.len();
    for tensor in tensors.values() {
        let bytes = bytes_of(*tensor);
        out.write_all(&bytes)?;
        length += bytes.len();
    }
    Ok(length as u64)
}

fn manifest(kind: Kind, network: &ImportedNetwork, sha256: &str) -> Value {
    json!({
        "format": FORMAT,
        "name": network.name,
        "created_by": format!("persona-engine {} model import {}", env!("CARGO_PKG_VERSION"), kind.name()),
        "licence": network.licence,
        "data": network.data,
        "frontend": network.frontend,
        "representation": network.representation,
        "sha256": sha256,
    })
}

/// JSON header of a safetensors file, padded with spaces so that the tensors begin at a multiple of
/// 8 bytes.
fn header(tensors: &BTreeMap<&str, (&Tensor, Dtype)>, manifest: &Value) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::malformed("model file", error.to_string());
    let mut at = 0;
    let info = |(name, (tensor, dtype)): (&&str, &(&Tensor, Dtype))| {
        let start = at;
        at += tensor.values().len() * dtype.bitsize() / 8;
        (name.to_string(), TensorInfo { dtype: *dtype, shape: tensor.shape().to_vec(), data_offsets: (start, at) })
    };
    let infos = tensors.iter().map(info).collect();
    let texts = HashMap::from([(Manifest::KEY.to_owned(), manifest.to_string())]);
    let metadata = Metadata::new(Some(texts), infos).map_err(|error| failed(&error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| failed(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn bytes_of((tensor, dtype): (&Tensor, Dtype)) -> Vec<u8> {
    let values = tensor.values().iter();
    match dtype {
        Dtype::F16 => values.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        _ => values.flat_map(|value| value.to_le_bytes()).collect(),
    }
}
