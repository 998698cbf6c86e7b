//! `campplus`: checkpoints of 3D-Speaker's CAM++ of any size (published: embeddings of 192 or 512
//! values).
//!
//! Sizes follow from the tensors' shapes. Constants that no shape states are those of 3D-Speaker's
//! code: a stride of 2, dilations of 1, 2, 2 …, segments of 100 frames, batch norm with 1e-5, and
//! Kaldi fbank of 80 bands minus its mean over time.

use std::path::Path;

use serde_json::{Value, json};

use super::network::ImportedNetwork;
use super::source::{Published, Source, shape};
use crate::error::{Error, Result};
use crate::nn::{Tensor, Weights};

/// Bands of the front-end, and after the strided convolutions of the head.
const BANDS: usize = 80;
const HEAD_BANDS: usize = 10;

/// Maximum number of blocks, and of layers per block.
const MAX_COUNT: usize = 1_000;

/// The published checkpoint, recognised by its checksum.
const PUBLISHED: Published = Published {
    sha256: "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    name: "campplus-zh-en",
    licence: "Apache-2.0 (3D-Speaker)",
    by: "3D-Speaker, iic/speech_campplus_sv_zh_en_16k-common_advanced",
};

/// Reads a checkpoint.
pub(super) fn read(path: &Path) -> Result<ImportedNetwork> {
    let source = Source::open(path)?;
    let converted = source.weights().and_then(|mut weights| convert(&mut weights));
    let (representation, tensors) = converted.map_err(|error| error.in_file(path))?;
    let (name, licence, data) = source.origin.describe(Some(&PUBLISHED));
    Ok(ImportedNetwork { name, licence, data, frontend: frontend(), representation, tensors })
}

type Converted = (Value, Vec<(String, Tensor)>);

fn convert(weights: &mut Weights<'_>) -> Result<Converted> {
    let recipe = recipe(weights)?;
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    let mut tensors = Vec::with_capacity(names.len());
    for name in names {
        let shape = weights.shape(&name).unwrap_or_default().to_vec();
        tensors.push((format!("campplus.{name}"), weights.take(&name, &shape)?));
    }
    Ok((recipe, tensors))
}

/// The manifest's `representation`, with sizes from shapes.
fn recipe(weights: &Weights<'_>) -> Result<Value> {
    let [head_channels, ..]: [usize; 4] = shape(weights, "head.conv1.weight")?;
    let head_blocks = [1, 2].map(|layer| count(weights, |i| format!("head.layer{layer}.{i}.conv1.weight")));
    let [channels, inputs, kernel] = shape(weights, "xvector.tdnn.linear.weight")?;
    if inputs != head_channels * HEAD_BANDS {
        return Err(Error::Unsupported(format!(
            "CAM++ whose `xvector.tdnn.linear.weight` has {inputs} inputs; with {BANDS} bands of fbank it has {}",
            head_channels * HEAD_BANDS
        )));
    }
    let blocks = count(weights, |b| layer(b + 1, 1, "linear1.weight"));
    let [bottleneck, ..]: [usize; 3] = shape(weights, &layer(1, 1, "linear1.weight"))?;
    let [growth, ..]: [usize; 3] = shape(weights, &layer(1, 1, "cam_layer.linear_local.weight"))?;
    let [masked, ..]: [usize; 3] = shape(weights, &layer(1, 1, "cam_layer.linear1.weight"))?;
    let blocks: Vec<Value> = (1..=blocks).map(|b| block(weights, b)).collect::<Result<_>>()?;
    let [embedding, ..]: [usize; 3] = shape(weights, "xvector.dense.linear.weight")?;
    Ok(json!({
        "kind": "campplus",
        "head_channels": head_channels,
        "head_blocks": head_blocks,
        "tdnn": {"channels": channels, "kernel": kernel, "stride": 2},
        "blocks": blocks,
        "growth": growth,
        "bottleneck": bottleneck,
        "mask_reduction": bottleneck.checked_div(masked).unwrap_or(0),
        "segment_frames": 100,
        "embedding": embedding,
        "norm_eps": 1e-5,
        "taps": ["embedding"],
        "normalise": false,
    }))
}

fn block(weights: &Weights<'_>, b: usize) -> Result<Value> {
    let layers = count(weights, |i| layer(b, i + 1, "linear1.weight"));
    let [.., kernel]: [usize; 3] = shape(weights, &layer(b, 1, "cam_layer.linear_local.weight"))?;
    Ok(json!({"layers": layers, "kernel": kernel, "dilation": if b == 1 { 1 } else { 2 }}))
}

fn layer(block: usize, layer: usize, part: &str) -> String {
    format!("xvector.block{block}.tdnnd{layer}.{part}")
}

/// Number of tensors with consecutively numbered names.
fn count(weights: &Weights<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..MAX_COUNT).take_while(|i| weights.shape(&name(*i)).is_some()).count()
}

fn frontend() -> Value {
    json!({
        "kind": "kaldi-fbank",
        "frame_opts": {"samp_freq": 16000, "frame_shift_ms": 10.0, "frame_length_ms": 25.0, "dither": 0.0, "preemph_coeff": 0.97,
            "remove_dc_offset": true, "window_type": "povey", "blackman_coeff": 0.42, "round_to_power_of_two": true,
            "snip_edges": true, "sample_scale": "unit"},
        "mel_opts": {"num_bins": BANDS, "low_freq": 20.0, "high_freq": 0.0},
        "use_energy": false, "energy_floor": 0.0, "raw_energy": true, "htk_compat": false, "use_log_fbank": true,
        "use_power": true, "window_s": 60.0, "mean_over_time": true,
    })
}
