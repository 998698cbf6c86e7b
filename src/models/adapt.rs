//! Adaptation of a model file to a user's own recordings, without labels: the standardisation of the
//! representation is refitted to them, shrunken towards that of the training corpus.
//!
//! ```text
//! m, v: mean and variance of the standardised vectors of the N chunks        w = N / (N + PRIOR)
//! mean'  = mean + w · m · scale
//! scale' = scale · limited(v^(w / 2), 1 / LIMIT … LIMIT)
//! ```
//!
//! So recordings of another room, microphone or language lie where those of the training corpus did.
//! The tensors `representation.mean` and `representation.scale` are kept as `….mean_before` and
//! `….scale_before`, so that the adaptation can be undone; domain and baseline refer to these.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::models::baseline::SpeakerVectors;
use crate::models::manifest::Manifest;
use crate::models::model::{LoadOptions, Model};
use crate::models::rewrite::{Part, f32_part, signed_file};
use crate::nn::Weights;
use crate::nn::weights::StoredTensor;

/// Number of chunks at which half of the way is gone.
const PRIOR: f64 = 100.0;
/// Largest factor of a scale, and of its inverse.
const LIMIT: f64 = 2.0;

const MEAN: &str = "representation.mean";
const SCALE: &str = "representation.scale";
/// Suffix of the tensors before the adaptation.
const BEFORE: &str = "_before";
/// Key of the manifest.
const ADAPTED: &str = "adapted";

/// The bytes of a model file whose standardisation is adapted to recordings with these vectors
/// (standardised as by the file). `recordings`: their number, for the header.
///
/// # Errors
///
/// [`Error::Unsupported`] for a model whose vectors are not standardised, or that is adapted
/// already; [`Error::Usage`] for fewer than two vectors, or those of another model; those of
/// loading a model.
pub fn adapted(bytes: &[u8], vectors: &SpeakerVectors, recordings: usize) -> Result<Vec<u8>> {
    let (weights, mut manifest) = (Weights::from_bytes(bytes)?, manifest_of(bytes)?);
    if manifest.contains_key(ADAPTED) {
        return Err(Error::Unsupported("it is adapted already; undo that first (adapt --undo)".into()));
    }
    let [Some(shape), Some(_)] = [MEAN, SCALE].map(|name| weights.shape(name).map(<[usize]>::to_vec)) else {
        return Err(Error::Unsupported("its vectors are not standardised, so there is nothing to adapt".into()));
    };
    let (moved, variance) = (vectors.mean(), vectors.variance());
    if variance.is_empty() || shape != [moved.len()] {
        let (count, dim) = (vectors.count(), moved.len());
        return Err(Error::usage(format!("{count} vectors of {dim} values cannot adapt a model of {shape:?}")));
    }
    let n = vectors.count() as f64;
    let weight = n / (n + PRIOR);
    let mut values = Weights::from_bytes(bytes)?;
    let [mean, scale] = [values.take(MEAN, &shape)?.into_values(), values.take(SCALE, &shape)?.into_values()];
    let both = mean.iter().zip(&scale).map(|(m, s)| (f64::from(*m), f64::from(*s)));
    let new_mean: Vec<f32> = both.zip(&moved).map(|((m, s), x)| (m + weight * x * s) as f32).collect();
    let factor = |v: &f64| v.max(f64::MIN_POSITIVE).powf(weight / 2.0).clamp(1.0 / LIMIT, LIMIT);
    let new_scale: Vec<f32> = scale.iter().zip(&variance).map(|(s, v)| (f64::from(*s) * factor(v)) as f32).collect();
    let mut parts: Vec<Part<'_>> = vec![f32_part(MEAN.into(), &new_mean), f32_part(SCALE.into(), &new_scale)];
    for stored in weights.stored() {
        let StoredTensor { name, dtype, shape, bytes } = stored?;
        let suffix = if [MEAN, SCALE].contains(&name) { BEFORE } else { "" };
        parts.push((format!("{name}{suffix}"), dtype, shape.to_vec(), bytes));
    }
    let about = json!({
        "recordings": recordings,
        "windows": vectors.count(),
        "weight": (1e4 * weight).round() / 1e4,
        "from_sha256": manifest.get("sha256"),
        "by": format!("persona-engine {} adapt", env!("CARGO_PKG_VERSION")),
        "note": "scores and calibration were measured before",
    });
    manifest.insert(ADAPTED.into(), about);
    checked(signed_file(&parts, Value::Object(manifest))?)
}

/// The bytes of a model file before it was adapted.
///
/// # Errors
///
/// [`Error::Unsupported`] for a model that is not adapted; [`Error::Malformed`] if the tensors are
/// not those from which it was adapted; those of loading a model.
pub fn unadapted(bytes: &[u8]) -> Result<Vec<u8>> {
    let (weights, mut manifest) = (Weights::from_bytes(bytes)?, manifest_of(bytes)?);
    let Some(about) = manifest.remove(ADAPTED) else {
        return Err(Error::Unsupported("it is not adapted, so there is nothing to undo".into()));
    };
    let mut parts: Vec<Part<'_>> = Vec::new();
    for stored in weights.stored() {
        let StoredTensor { name, dtype, shape, bytes } = stored?;
        if ![MEAN, SCALE].contains(&name) {
            let before = [MEAN, SCALE].into_iter().find(|kept| name == format!("{kept}{BEFORE}"));
            parts.push((before.unwrap_or(name).to_owned(), dtype, shape.to_vec(), bytes));
        }
    }
    let file = checked(signed_file(&parts, Value::Object(manifest))?)?;
    if manifest_of(&file)?.get("sha256") != about.get("from_sha256") {
        return Err(Error::malformed("model file", "its tensors are not those from which it was adapted"));
    }
    Ok(file)
}

fn manifest_of(bytes: &[u8]) -> Result<Map<String, Value>> {
    let weights = Weights::from_bytes(bytes)?;
    Manifest::from_header(weights.text(Manifest::KEY))?;
    match weights.text(Manifest::KEY).map(serde_json::from_str) {
        Some(Ok(Value::Object(manifest))) => Ok(manifest),
        _ => Err(Error::Manifest("the manifest is not a JSON object".into())),
    }
}

/// The file, loaded once.
fn checked(file: Vec<u8>) -> Result<Vec<u8>> {
    Model::from_bytes(&file, LoadOptions::default())?;
    Ok(file)
}
