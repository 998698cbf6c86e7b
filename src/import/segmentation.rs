//! `pyannote-segmentation`: the checkpoint of pyannote.audio's speaker segmentation (PyanNet with
//! powerset classes), and CAM++'s embedding layer beside it.
//!
//! Sizes follow from the tensors' shapes. Constants that no shape states are those of
//! segmentation-3.0: 16 kHz, chunks of 10 s, a stride of 10 samples (unless the checkpoint states
//! another), max pooling over 3 frames, filters of at least 50 Hz, 3 speakers of whom 2 may speak at
//! the same time.

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::atomic_file::PendingFile;
use super::kind::Kind;
use super::model_file::write_tensors;
use super::source::{Published, Source, shape};
use crate::error::{Error, Result};
use crate::models::manifest::FORMAT;
use crate::models::segmentation::Segmentation;
use crate::nn::{Precision, Tensor, Weights};

/// The published checkpoint, recognised by its checksum.
const PUBLISHED: Published = Published {
    sha256: "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
    name: "segmentation",
    licence: "MIT, Copyright (c) 2020 CNRS (pyannote segmentation-3.0)",
    by: "pyannote, pyannote/segmentation-3.0",
};
/// Licence of CAM++'s embedding layer.
const CAMPPLUS_LICENCE: &str = "embedding layer: Apache-2.0 (3D-Speaker)";

/// Number of powerset classes: sets of up to two of three speakers.
const CLASSES: usize = 7;
const STRIDE: i64 = 10;
/// Maximum number of layers of one kind.
const MAX_COUNT: usize = 100;
/// Values from which on a matrix is stored in f16 if asked for.
const MIN_F16_VALUES: usize = 1_000;

/// Derived from other tensors or from the number of taps.
const DERIVED: [&str; 2] = ["sincnet.conv1d.0.filterbank.window_", "sincnet.conv1d.0.filterbank.n_"];

/// Reads the checkpoint of a segmentation and optionally that of CAM++, and writes a segmentation
/// file atomically, after it was loaded once. `f16`: matrices are stored in f16, the rest in f32.
/// Returns its length in bytes.
///
/// # Errors
///
/// [`Error::Usage`] for a wrong number of files; the reader's error with the file's name;
/// [`Error::Write`] names `output`; those of [`Segmentation::open`].
pub fn write_segmentation(files: &[PathBuf], f16: bool, output: &Path) -> Result<u64> {
    let (segmentation, campplus) = match files {
        [segmentation] => (segmentation, None),
        [segmentation, campplus] => (segmentation, Some(campplus)),
        _ => {
            let (name, given) = (Kind::PyannoteSegmentation.name(), files.len());
            return Err(Error::usage(format!("{name}: one or two files expected, {given} given")));
        }
    };
    let network = read(segmentation, campplus.map(PathBuf::as_path))?;
    let manifest = |sha256: &str| {
        let mut manifest = network.manifest.clone();
        manifest.insert("sha256".into(), json!(sha256));
        Value::Object(manifest)
    };
    let dtype = |tensor: &Tensor| {
        let is_large = tensor.shape().len() > 1 && tensor.values().len() >= MIN_F16_VALUES;
        if f16 && is_large { Dtype::F16 } else { Dtype::F32 }
    };
    let pending = PendingFile::create(output)?;
    let length = pending.fill(|mut out| write_tensors(&network.tensors, dtype, manifest, &mut out))?;
    Segmentation::open(pending.temporary_path(), Precision::F32)
        .map_err(|error| error.without_file().in_file(segmentation))?;
    pending.commit()?;
    Ok(length)
}

/// Manifest without checksum, and tensors.
struct Network {
    manifest: Map<String, Value>,
    tensors: Vec<(String, Tensor)>,
}

fn read(path: &Path, campplus: Option<&Path>) -> Result<Network> {
    let source = Source::open(path)?;
    let read = || {
        let stride = source
            .checkpoint()?
            .and_then(|checkpoint| checkpoint.root().get("hyper_parameters")?.get("sincnet")?.get("stride")?.int());
        let mut weights = source.weights()?;
        let recipe = recipe(&weights, stride.unwrap_or(STRIDE))?;
        let names: Vec<String> = weights.names().filter(|name| !DERIVED.contains(name)).map(str::to_owned).collect();
        let tensors: Vec<_> =
            names.into_iter().map(|name| take(&mut weights, &name, name.clone())).collect::<Result<_>>()?;
        Ok((recipe, tensors))
    };
    let (recipe, mut tensors) = read().map_err(|error: Error| error.in_file(path))?;
    let (name, mut licence, mut data) = source.origin.describe(Some(&PUBLISHED));
    let mut manifest = Map::new();
    if let Some(path) = campplus {
        let source = Source::open(path)?;
        let layer = source.weights().and_then(|mut weights| embedding_layer(&mut weights));
        let (recipe, of_layer) = layer.map_err(|error| error.in_file(path))?;
        manifest.insert("speaker_embedding".into(), recipe);
        tensors.extend(of_layer);
        let (_, _, origin) = source.origin.describe(None);
        data.insert("speaker embedding".into(), Value::Object(origin));
        licence = format!("{licence}; {CAMPPLUS_LICENCE}");
    }
    let kind = Kind::PyannoteSegmentation.name();
    for (key, value) in [
        ("format", json!(FORMAT)),
        ("name", json!(name)),
        ("created_by", json!(format!("persona-engine {} model import {kind}", env!("CARGO_PKG_VERSION")))),
        ("licence", json!(licence)),
        ("data", Value::Object(data)),
        ("segmentation", recipe),
    ] {
        manifest.insert(key.into(), value);
    }
    Ok(Network { manifest, tensors })
}

fn take(weights: &mut Weights<'_>, from: &str, to: String) -> Result<(String, Tensor)> {
    let shape = weights.shape(from).unwrap_or_default().to_vec();
    Ok((to, weights.take(from, &shape)?))
}

/// The manifest's `segmentation`, with sizes from shapes.
fn recipe(weights: &Weights<'_>, stride: i64) -> Result<Value> {
    let [bands, _] = shape(weights, "sincnet.conv1d.0.filterbank.low_hz_")?;
    let [half] = shape(weights, DERIVED[0])?;
    let convs = count(weights, |n| format!("sincnet.conv1d.{}.weight", n + 1));
    let conv = (1..=convs).map(|n| {
        let [channels, _, kernel] = shape(weights, &format!("sincnet.conv1d.{n}.weight"))?;
        Ok(json!({"channels": channels, "kernel": kernel}))
    });
    let [_, hidden] = shape(weights, "lstm.weight_hh_l0")?;
    let dense = (0..count(weights, |n| format!("linear.{n}.weight"))).map(|n| {
        let [width, _] = shape(weights, &format!("linear.{n}.weight"))?;
        Ok(json!(width))
    });
    let [classes, _] = shape(weights, "classifier.weight")?;
    if classes != CLASSES {
        return Err(Error::Unsupported(format!(
            "a segmentation of {classes} classes; one of {CLASSES} is supported: sets of up to two of three speakers"
        )));
    }
    Ok(json!({
        "sample_rate_hz": 16_000,
        "chunk_s": 10.0,
        "sinc": {"filters": 2 * bands, "taps": 2 * half + 1, "stride": stride, "min_low_hz": 50.0, "min_band_hz": 50.0},
        "conv": conv.collect::<Result<Vec<Value>>>()?,
        "pool": 3,
        "lstm": {"layers": count(weights, |n| format!("lstm.weight_hh_l{n}")), "hidden": hidden},
        "dense": dense.collect::<Result<Vec<Value>>>()?,
        "speakers": 3,
        "simultaneous": 2,
    }))
}

/// CAM++'s last norm and embedding layer, under the names that a model file has.
fn embedding_layer(weights: &mut Weights<'_>) -> Result<(Value, Vec<(String, Tensor)>)> {
    let [embedding, inputs, _] = shape(weights, "xvector.dense.linear.weight")?;
    let wanted = |name: &&str| name.starts_with("xvector.out_nonlinear.") || name.starts_with("xvector.dense.");
    let names: Vec<String> = weights.names().filter(wanted).map(str::to_owned).collect();
    let tensors = names.iter().map(|name| take(weights, name, format!("campplus.{name}"))).collect::<Result<_>>()?;
    Ok((json!({"channels": inputs / 2, "embedding": embedding, "norm_eps": 1e-5}), tensors))
}

/// Number of tensors with consecutively numbered names.
fn count(weights: &Weights<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..MAX_COUNT).take_while(|n| weights.shape(&name(*n)).is_some()).count()
}
