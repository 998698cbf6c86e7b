//! `speechbrain-xvector`: SpeechBrain's `Xvector`, such as `embedding_model.ckpt` of
//! spkrec-xvect-voxceleb.
//!
//! ```text
//! fbank of 24 bands, minus each band's mean over the recording
//!   ─ five times: convolution over frames (reflect padding), leaky ReLU, batch norm        blocks.0 to blocks.14
//!   ─ mean and standard deviation over time                                               blocks.15
//!   ─ linear                                                                              blocks.16 ─▶ [512]
//! ```
//!
//! Channels, kernels and bands follow from the tensors' shapes; the dilations are 1, 2, 3, 1, 1.
//! SpeechBrain adds 1e-5 to each standard deviation, which is folded into the last bias here, and
//! random noise of 1e-5 to 9e-5 to each mean, which is left out.

use std::path::Path;

use serde_json::{Value, json};

use super::network::ImportedNetwork;
use super::source::{Published, Source, shape};
use crate::error::{Error, Result};
use crate::nn::{Tensor, Weights};

/// Dilations of the frame-level layers, which no shape states.
const DILATIONS: [usize; 5] = [1, 2, 3, 1, 1];
/// Constant that SpeechBrain's pooling adds to standard deviations.
const POOLING_EPS: f64 = 1e-5;
/// The published checkpoint, recognised by its checksum.
const PUBLISHED: Published = Published {
    sha256: "9d96cafa0ede1a84799b67dc9b5645f31f5b7d094e7e4775e5d5c12547883a93",
    name: "spkrec-xvect-voxceleb",
    licence: "Apache-2.0 (SpeechBrain)",
    by: "SpeechBrain, speechbrain/spkrec-xvect-voxceleb",
};

/// Reads a checkpoint.
pub(super) fn read(path: &Path) -> Result<ImportedNetwork> {
    let source = Source::open(path)?;
    let converted = source.weights().and_then(|mut weights| {
        let converted = convert(&mut weights)?;
        weights.finish().map(|()| converted)
    });
    let (bands, representation, tensors) = converted.map_err(|error| error.in_file(path))?;
    let (name, licence, data) = source.origin.describe(Some(&PUBLISHED));
    Ok(ImportedNetwork { name, licence, data, frontend: frontend(bands), representation, tensors })
}

type Converted = (usize, Value, Vec<(String, Tensor)>);

fn convert(weights: &mut Weights<'_>) -> Result<Converted> {
    let (mut layers, mut tensors, mut inputs) = (Vec::new(), Vec::new(), None);
    for (i, dilation) in DILATIONS.into_iter().enumerate() {
        let (conv, norm) = (format!("blocks.{}.conv", 3 * i), format!("blocks.{}.norm", 3 * i + 2));
        let [channels, of, taps] = shape(weights, &format!("{conv}.weight"))?;
        inputs.get_or_insert(of);
        if taps % 2 == 0 {
            return Err(Error::Unsupported(format!("`{conv}.weight` has a kernel of {taps}, an even number")));
        }
        let half = (taps / 2) as i64;
        let context: Vec<i64> = (-half..=half).map(|j| j * dilation as i64).collect();
        layers.push(json!({"channels": channels, "context": context}));
        let mut take = |from: String, to: String, shape: &[usize]| -> Result<()> {
            tensors.push((format!("xvector.tdnn.{i}.{to}"), weights.take(&from, shape)?));
            Ok(())
        };
        take(format!("{conv}.weight"), "conv.weight".into(), &[channels, of, taps])?;
        take(format!("{conv}.bias"), "conv.bias".into(), &[channels])?;
        for part in ["weight", "bias", "running_mean", "running_var"] {
            take(format!("{norm}.{part}"), format!("norm.{part}"), &[channels])?;
        }
    }
    let last = format!("blocks.{}.w", 3 * DILATIONS.len() + 1);
    let [embedding, pooled] = shape(weights, &format!("{last}.weight"))?;
    let weight = weights.take(&format!("{last}.weight"), &[embedding, pooled])?;
    let bias = weights.take(&format!("{last}.bias"), &[embedding])?;
    tensors.push(("xvector.embedding.bias".into(), with_pooling_eps(&weight, bias)));
    tensors.push(("xvector.embedding.weight".into(), weight));
    let recipe = json!({
        "kind": "xvector",
        "layers": layers,
        "pooling": {"kind": "statistics", "variance": "unbiased", "floor": 0.0},
        "embedding": embedding,
        "norm_eps": 1e-5,
        "activation": "leaky_relu",
        "padding": "reflect",
        "embedding_norm": false,
    });
    Ok((inputs.unwrap_or_default(), recipe, tensors))
}

/// Bias of the embedding layer with the pooling's constant: `b + W · (0, …, 0, ε, …, ε)`, because
/// the standard deviations are the second half of the pooled vector.
fn with_pooling_eps(weight: &Tensor, bias: Tensor) -> Tensor {
    let (shape, mut bias) = (bias.shape().to_vec(), bias.into_values());
    let pooled = weight.values().len() / bias.len().max(1);
    for (b, row) in bias.iter_mut().zip(weight.values().chunks_exact(pooled.max(1))) {
        let deviations: f64 = row[pooled / 2..].iter().copied().map(f64::from).sum();
        *b = (f64::from(*b) + POOLING_EPS * deviations) as f32;
    }
    Tensor::new(&shape, bias)
}

fn frontend(bands: usize) -> Value {
    json!({
        "kind": "speechbrain-fbank", "sample_rate_hz": 16000, "n_fft": 400, "win_length_ms": 25.0, "hop_length_ms": 10.0,
        "n_mels": bands, "f_min_hz": 0.0, "f_max_hz": 8000.0, "amin": 1e-10, "top_db": 80.0, "window_s": 60.0, "mean_over_time": true,
    })
}
