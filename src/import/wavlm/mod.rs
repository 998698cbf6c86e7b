//! `wavlm`: WavLM of any size, from the files of Hugging Face's transformers or of the original
//! release.
//!
//! | files | source |
//! |---|---|
//! | `model.safetensors` or `pytorch_model.bin`, `config.json`, and `preprocessor_config.json` if there is one | transformers |
//! | `WavLM-Base.pt` and the like | the release; the checkpoint contains the configuration |
//!
//! The heads of a fine-tuned network are left out and listed in `data`.

mod keys;
mod release;
mod transformers;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::network::ImportedNetwork;
use super::source::{Source, file_name};
use crate::error::{Error, Result};
use crate::nn::weights::read_file;
use crate::nn::{Tensor, Weights};

/// Prefix of this network's tensors in fine-tuned networks of transformers.
const INSIDE: &str = "wavlm.";

/// The files by their content.
struct Files<'a> {
    weights: &'a PathBuf,
    config: Option<Map<String, Value>>,
    preprocessor: Option<Map<String, Value>>,
}

/// Front-end, representation and tensors of a network, and the names of tensors that were left out.
struct Parts {
    frontend: Value,
    representation: Value,
    tensors: Vec<(String, Tensor)>,
    left: Vec<String>,
}

/// Reads a network's files, in any order.
pub(super) fn read(files: &[PathBuf]) -> Result<ImportedNetwork> {
    let Files { weights: path, config, preprocessor } = sort(files)?;
    let source = Source::open(path)?;
    let has_config = config.is_some(); // transformers gives the files of all networks the same name
    let parts = match config {
        Some(config) => source.weights().and_then(|weights| from_transformers(weights, config, preprocessor)),
        None => from_release(&source),
    };
    let Parts { frontend, representation, tensors, left } = parts.map_err(|error| error.in_file(path))?;
    let (file, licence, mut data) = source.origin.describe(None);
    if !left.is_empty() {
        data.insert("left out".into(), json!(left));
    }
    let name = if has_config { "wavlm".to_owned() } else { file };
    Ok(ImportedNetwork { name, licence, data, frontend, representation, tensors })
}

/// Sorts JSON files by their keys from the one other file.
fn sort(files: &[PathBuf]) -> Result<Files<'_>> {
    let wrong = |what: String| {
        let wanted = "model.safetensors (or pytorch_model.bin) with config.json, or the release's .pt alone";
        Err(Error::Usage(format!("wavlm: {wanted} expected; {what}")))
    };
    let is_json = |path: &&PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let (configurations, others): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(is_json);
    let &[weights] = &others[..] else { return wrong(format!("{} files of weights are given", others.len())) };
    let (mut config, mut preprocessor) = (None, None);
    for path in configurations {
        let object = json_object(path)?;
        let of_samples = object.contains_key("feature_extractor_type") || object.contains_key("do_normalize");
        let place = if of_samples { &mut preprocessor } else { &mut config };
        if place.replace(object).is_some() {
            return wrong(format!("`{}` is one too many", file_name(path)));
        }
    }
    if config.is_none() && preprocessor.is_some() {
        return wrong("config.json is missing".into());
    }
    Ok(Files { weights, config, preprocessor })
}

fn json_object(path: &Path) -> Result<Map<String, Value>> {
    let parsed = read_file(path)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| Error::malformed("configuration", e.to_string())));
    parsed.map_err(|error| error.in_file(path))
}

/// Converts files of transformers.
fn from_transformers(
    weights: Weights<'_>,
    config: Map<String, Value>,
    preprocessor: Option<Map<String, Value>>,
) -> Result<Parts> {
    let representation = transformers::representation(config)?;
    let frontend = transformers::frontend(preprocessor, &representation)?;
    let inside = weights.names().any(|name| name.starts_with(INSIDE));
    let name = |name: &str| match name.strip_prefix(INSIDE) {
        None if inside => None,
        stripped => Some(with_old_weight_norm(stripped.unwrap_or(name))).filter(|name| name != "masked_spec_embed"),
    };
    let (tensors, left) = take_all(weights, name)?;
    Ok(Parts { frontend, representation, tensors, left })
}

/// Renames the parts of torch's newer weight norm to those of the published files.
fn with_old_weight_norm(name: &str) -> String {
    let name = name.replace("parametrizations.weight.original0", "weight_g");
    name.replace("parametrizations.weight.original1", "weight_v")
}

/// Converts a checkpoint of the release.
fn from_release(source: &Source<'_>) -> Result<Parts> {
    let missing = "a WavLM without its configuration; give config.json as well (a checkpoint of the release has `cfg` and `model`)";
    let missing = || Error::Unsupported(missing.into());
    let checkpoint = source.checkpoint()?.ok_or_else(missing)?;
    let (cfg, model) = checkpoint.root().get("cfg").zip(checkpoint.root().get("model")).ok_or_else(missing)?;
    let (frontend, representation) = release::recipes(cfg)?;
    let (tensors, left) = take_all(checkpoint.tensors(model)?, release::renamed)?;
    Ok(Parts { frontend, representation, tensors, left })
}

type Taken = (Vec<(String, Tensor)>, Vec<String>);

/// Takes all tensors under new names. Returns the names of those without a new name, too.
fn take_all(mut weights: Weights<'_>, renamed: impl Fn(&str) -> Option<String>) -> Result<Taken> {
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    let (mut tensors, mut left) = (Vec::with_capacity(names.len()), Vec::new());
    for name in names {
        match renamed(&name) {
            Some(new) => {
                let shape = weights.shape(&name).unwrap_or_default().to_vec();
                tensors.push((format!("{INSIDE}{new}"), weights.take(&name, &shape)?));
            }
            None => left.push(name),
        }
    }
    Ok((tensors, left))
}
