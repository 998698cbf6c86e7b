//! Import of WavLM: files of transformers with either kind of weights, of a fine-tuned network, and
//! of the original release. Each must give the network of `tests/golden/tiny-wavlm-*.safetensors`,
//! which `tests/golden_networks.rs` compares with transformers.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::import::{ImportedNetwork, Kind, model_file};
use persona_engine::models::{LoadOptions, Manifest, Model};
use persona_engine::nn::Weights;
use serde_json::{Value, json};

mod common;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn files(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| golden("import/wavlm").join(name)).collect()
}

/// Shapes and values by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The WavLM tensors and the manifest of a golden model.
fn model(kind: &str) -> (Tensors, Value) {
    let bytes = fs::read(golden(&format!("tiny-wavlm-{kind}.safetensors"))).unwrap();
    let mut weights = Weights::from_bytes(&bytes).unwrap();
    let manifest = serde_json::from_str(weights.text(Manifest::KEY).unwrap()).unwrap();
    let names: Vec<String> = weights.names().filter(|name| name.starts_with("wavlm.")).map(str::to_owned).collect();
    let take = |name: String| {
        let shape = weights.shape(&name).unwrap().to_vec();
        let values = weights.take(&name, &shape).unwrap().into_values();
        (name, (shape, values))
    };
    (names.into_iter().map(take).collect(), manifest)
}

fn assert_is_the_network(kind: &str, import: &ImportedNetwork) {
    let (tensors, manifest) = model(kind);
    let imported = import.tensors.iter().map(|(name, t)| (name.clone(), (t.shape().to_vec(), t.values().to_vec())));
    let imported: Tensors = imported.collect();
    assert!(imported.keys().eq(tensors.keys()), "{:?}", imported.keys());
    assert!(imported == tensors, "{kind}: values differ");
    let mut recipe = import.representation.clone();
    assert_eq!(recipe["hidden_state"], json!(3), "the last one");
    recipe["hidden_state"] = manifest["representation"]["hidden_state"].clone();
    assert_eq!(recipe, manifest["representation"], "{kind}");
    assert_eq!(import.frontend["do_normalize"], manifest["frontend"]["do_normalize"], "{kind}");
    let file = model_file(Kind::WavLm, import).unwrap();
    let network = Model::from_bytes(&file, LoadOptions::default()).unwrap();
    assert!(network.manifest().classifier.is_none());
    assert_eq!((network.dim(), network.min_frames()), (24, 400));
}

#[test]
fn files_of_transformers_give_the_network() {
    for weights in ["base/model.safetensors", "base/pytorch_model.bin"] {
        let import = Kind::WavLm.read(&files(&[weights, "base/config.json"])).unwrap();
        assert_is_the_network("base", &import);
        assert_eq!(import.data["left out"], json!(["masked_spec_embed"]));
    }
}

#[test]
fn a_fine_tuned_network_lists_the_heads_that_were_left_out() {
    let parts = ["large/preprocessor_config.json", "large/config.json", "large/model.safetensors"];
    let import = Kind::WavLm.read(&files(&parts)).unwrap();
    assert_is_the_network("large", &import);
    let left = import.data["left out"].as_array().unwrap();
    assert!(left.contains(&json!("classifier.weight")) && left.contains(&json!("projector.bias")), "{left:?}");
    assert_eq!(import.frontend["normalize_eps"], json!(1e-7));
}

#[test]
fn checkpoints_of_the_release_give_the_networks() {
    for kind in ["base", "large"] {
        let import = Kind::WavLm.read(&files(&[&format!("WavLM-{kind}.pt")])).unwrap();
        assert_is_the_network(kind, &import);
        assert_eq!(import.frontend["normalize_eps"], json!(1e-5));
    }
}

#[test]
fn missing_and_superfluous_files_are_reported() {
    let message = |names: &[&str]| Kind::WavLm.read(&files(names)).unwrap_err().to_string();
    assert!(
        message(&["base/model.safetensors"]).contains("give config.json"),
        "{}",
        message(&["base/model.safetensors"])
    );
    assert!(message(&["base/pytorch_model.bin"]).contains("give config.json"));
    assert!(message(&["base/config.json"]).contains("0 files of weights"));
    assert!(message(&["base/config.json", "base/config.json", "base/model.safetensors"]).contains("one too many"));
    assert!(message(&["base/model.safetensors", "WavLM-base.pt"]).contains("2 files of weights"));
    assert!(message(&["base/model.safetensors", "large/preprocessor_config.json"]).contains("config.json is missing"));
    // another network's configuration: the first tensor that does not fit is named when the file is
    // made
    let import = Kind::WavLm.read(&files(&["base/model.safetensors", "large/config.json"])).unwrap();
    let error = model_file(Kind::WavLm, &import).unwrap_err().to_string();
    assert!(error.contains("`wavlm.feature_extractor.conv_layers.0.conv.bias`"), "{error}");
}

#[test]
fn an_invalid_configuration_is_an_error_with_the_key() {
    let folder = common::folder("import-wavlm");
    let config: Value = serde_json::from_slice(&fs::read(&files(&["base/config.json"])[0]).unwrap()).unwrap();
    let weights = files(&["base/model.safetensors"]).remove(0);
    let refusal = |key: &str, value: Value| {
        let mut broken = config.clone();
        broken[key] = value;
        let path = folder.join("config.json");
        fs::write(&path, broken.to_string()).unwrap();
        let import = Kind::WavLm.read(&[weights.clone(), path]);
        import.and_then(|import| model_file(Kind::WavLm, &import)).unwrap_err().to_string()
    };
    for (key, value) in [
        ("rotary", json!(1)),
        ("hidden_act", json!("relu")),
        ("num_attention_heads", json!(5)),
        ("conv_kernel", json!([10, 3])),
        ("num_hidden_layers", json!("three")),
        ("layer_norm_eps", json!(-1.0)),
    ] {
        let message = refusal(key, value);
        assert!(message.contains(key), "{key}: {message}");
    }
    for text in ["", "{", "[]", "3"] {
        let path = folder.join("config.json");
        fs::write(&path, text).unwrap();
        let message = Kind::WavLm.read(&[weights.clone(), path]).unwrap_err().to_string();
        assert!(message.contains("config.json"), "{text}: {message}");
    }
}
