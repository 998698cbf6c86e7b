//! `whisper`: the encoder of Whisper of any size.
//!
//! | files | source |
//! |---|---|
//! | `model.safetensors` or `pytorch_model.bin`, and `config.json` | Hugging Face's transformers |
//! | `base.pt` and the like, with `dims` and `model_state_dict` | OpenAI's release |
//! | `model.bin` | CTranslate2, version 6, float16 or float32 |
//!
//! Sizes follow from the tensors' shapes. The decoder is left out. The positions in the file must be
//! the sinusoids that the engine computes.

mod ctranslate2;
mod names;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::network::ImportedNetwork;
use super::source::{Origin, Published, Source};
use crate::error::{Error, Result};
use crate::models::whisper::positions;
use crate::nn::weights::read_file;
use crate::nn::{Tensor, Weights};
use names::Layout;

/// Whisper base as CTranslate2 stores it, recognised by its checksum.
const PUBLISHED: Published = Published {
    sha256: "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    name: "whisper-base",
    licence: "MIT (OpenAI)",
    by: "OpenAI, Whisper base, as CTranslate2 stores it in float16",
};
/// Longest chunk, seconds: what the network was trained on.
const CHUNK_S: f64 = 30.0;
/// Largest difference of stored positions from the sinusoids: rounding to f16 is 2.5e-4 of 1.
const POSITION_TOLERANCE: f32 = 1e-3;
/// Maximum number of layers.
const MAX_LAYERS: usize = 100;

/// Attention heads have 64 channels in all published sizes.
const HEAD_CHANNELS: usize = 64;

/// Reads a network's files, in any order.
pub(super) fn read(files: &[PathBuf]) -> Result<ImportedNetwork> {
    let is_json = |path: &&PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let (configurations, others): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(is_json);
    let (&[path], true) = (&others[..], configurations.len() <= 1) else {
        let wanted = "one file of weights, and optionally transformers' config.json, expected";
        let given = format!("{} and {} given", others.len(), configurations.len());
        return Err(Error::usage(format!("whisper: {wanted}; {given}")));
    };
    let config = configurations.first().map(|path| heads_of(path).map_err(|error| error.in_file(path))).transpose()?;
    read_weights(path, config).map_err(|error| error.in_file(path))
}

fn read_weights(path: &Path, config: Option<usize>) -> Result<ImportedNetwork> {
    if ctranslate2::is_model(path)? {
        let bytes = read_file(path)?;
        let ctranslate2::File { weights, heads } = ctranslate2::read(&bytes)?;
        let (tensors, representation) = convert(Layout::CTranslate2, weights, config.or(heads))?;
        return Ok(network(Origin::of(path, &bytes), tensors, representation));
    }
    let source = Source::open(path)?;
    let heads = source.checkpoint()?.and_then(|checkpoint| {
        let dims = checkpoint.root().get("dims")?;
        dims.get("n_audio_head")?.int().and_then(|heads| usize::try_from(heads).ok())
    });
    let weights = source.weights()?;
    let (tensors, representation) = convert(Layout::of(&weights), weights, config.or(heads))?;
    let Source { origin, .. } = source;
    Ok(network(origin, tensors, representation))
}

/// The number of encoder heads in transformers' `config.json`.
fn heads_of(path: &Path) -> Result<usize> {
    let malformed = |what: String| Error::malformed("configuration", what);
    let config: Map<String, Value> =
        serde_json::from_slice(&read_file(path)?).map_err(|error| malformed(error.to_string()))?;
    for (key, only) in [("model_type", json!("whisper")), ("activation_function", json!("gelu"))] {
        match config.get(key) {
            Some(value) if *value != only => {
                return Err(Error::Unsupported(format!("config.json: `{key}` is {value}; only {only} is supported")));
            }
            _ => {}
        }
    }
    let heads = config.get("encoder_attention_heads").and_then(Value::as_u64);
    let heads = heads.and_then(|heads| usize::try_from(heads).ok());
    heads.ok_or_else(|| malformed("config.json has no `encoder_attention_heads`".into()))
}

/// Tensors under this engine's names, and the manifest's `representation`.
type Converted = (Vec<(String, Tensor)>, Value);

/// Converts the tensors to the names and the recipe of a model file.
fn convert(layout: Layout, mut weights: Weights<'_>, heads: Option<usize>) -> Result<Converted> {
    let all: Vec<String> = weights.names().map(str::to_owned).collect();
    let (mut tensors, mut stored_positions) = (Vec::new(), None);
    for name in all {
        let Some(new) = layout.renamed(&name) else { continue };
        let shape = weights.shape(&name).unwrap_or_default().to_vec();
        let tensor = weights.take(&name, &shape)?;
        if new == names::POSITIONS {
            stored_positions = Some(tensor);
        } else if let Some(prefix) = new.strip_suffix(names::QUERIES_KEYS_VALUES) {
            tensors.extend(divided(prefix, &name, &tensor)?);
        } else {
            tensors.push((format!("whisper.{new}"), tensor));
        }
    }
    let representation = recipe(&tensors, heads)?;
    check_positions(stored_positions, &representation)?;
    Ok((tensors, representation))
}

fn network(origin: Origin, tensors: Vec<(String, Tensor)>, representation: Value) -> ImportedNetwork {
    let (name, licence, mut data) = origin.describe(Some(&PUBLISHED));
    data.insert("left out".into(), json!("the decoder, and the positions, which are computed"));
    let generic = ["model.safetensors", "pytorch_model.bin", "model.bin"];
    let name = if generic.contains(&name.as_str()) { "whisper".to_owned() } else { name };
    let frontend = json!({"kind": "whisper-logmel", "sample_rate_hz": 16_000, "n_mels": representation["mels"],
        "window_s": CHUNK_S});
    ImportedNetwork { name, licence, data, frontend, representation, tensors }
}

/// The projections to queries, keys and values, which CTranslate2 stores as one. Keys have no bias
/// here: softmax ignores it.
fn divided(prefix: &str, name: &str, joined: &Tensor) -> Result<Vec<(String, Tensor)>> {
    let (rows, kind) = (joined.shape().first().copied().unwrap_or(0), if prefix.ends_with(".weight") { 2 } else { 1 });
    if rows == 0 || !rows.is_multiple_of(3) || joined.shape().len() != kind {
        let expected = "queries, keys and values as one".to_owned();
        return Err(Error::Tensor { name: name.to_owned(), expected, actual: format!("shape {:?}", joined.shape()) });
    }
    let (layer, part) = prefix.rsplit_once('.').unwrap_or((prefix, "weight"));
    let mut shape = joined.shape().to_vec();
    shape[0] = rows / 3;
    let parts = ["q_proj", "k_proj", "v_proj"].into_iter().zip(joined.values().chunks(joined.values().len() / 3));
    let kept = parts.filter(|(projection, _)| part == "weight" || *projection != "k_proj");
    Ok(kept
        .map(|(projection, values)| {
            (format!("whisper.{layer}.{projection}.{part}"), Tensor::new(&shape, values.to_vec()))
        })
        .collect())
}

/// The manifest's `representation`: the mean of the last state, with sizes from shapes.
fn recipe(tensors: &[(String, Tensor)], heads: Option<usize>) -> Result<Value> {
    let weights = |name: &str| tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.shape());
    let missing = |name: &str| Error::Tensor {
        name: name.to_owned(),
        expected: "an encoder of Whisper".into(),
        actual: "no such tensor: a network of another kind".into(),
    };
    let conv = "whisper.conv1.weight";
    let &[width, mels, 3] = weights(conv).ok_or_else(|| missing(conv))? else { return Err(missing(conv)) };
    let layers = (0..MAX_LAYERS).take_while(|i| weights(&format!("whisper.layers.{i}.fc1.weight")).is_some()).count();
    let dense = "whisper.layers.0.fc1.weight";
    let &[feed_forward, _] = weights(dense).ok_or_else(|| missing(dense))? else { return Err(missing(dense)) };
    let by_width = || width.is_multiple_of(HEAD_CHANNELS).then_some(width / HEAD_CHANNELS);
    let unknown = "the number of attention heads is unknown; give transformers' config.json as well";
    let heads = heads.or_else(by_width).ok_or_else(|| Error::Unsupported(unknown.into()))?;
    Ok(json!({"kind": "whisper", "mels": mels, "width": width, "heads": heads, "feed_forward": feed_forward,
        "layers": layers, "states": [layers], "final_norm": true, "pool": "concat", "normalise": false}))
}

/// Refuses positions that are not the sinusoids.
fn check_positions(stored: Option<Tensor>, recipe: &Value) -> Result<()> {
    let Some(stored) = stored else { return Ok(()) };
    let width = recipe["width"].as_u64().and_then(|width| usize::try_from(width).ok()).unwrap_or(0);
    let expected = match *stored.shape() {
        [frames, channels] if channels == width && width >= 4 => positions(frames, width),
        _ => Vec::new(),
    };
    let equal = expected.len() == stored.values().len()
        && expected.iter().zip(stored.values()).all(|(a, b)| (a - b).abs() <= POSITION_TOLERANCE);
    if equal {
        return Ok(());
    }
    Err(Error::Unsupported("positions other than Whisper's sinusoids".into()))
}
