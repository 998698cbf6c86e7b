//! Import of Whisper's encoder: files of transformers with either kind of weights, of OpenAI's
//! release, and of CTranslate2. Each must give the network of `tests/golden/tiny-whisper.safetensors`,
//! which `tests/golden_networks.rs` compares with transformers.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

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
    names.iter().map(|name| golden("import/whisper").join(name)).collect()
}

/// Shapes and values by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of the encoder and the representation of the golden model.
fn expected() -> (Tensors, Value) {
    let bytes = fs::read(golden("tiny-whisper.safetensors")).unwrap();
    let mut weights = Weights::from_bytes(&bytes).unwrap();
    let manifest: Value = serde_json::from_str(weights.text(Manifest::KEY).unwrap()).unwrap();
    let names: Vec<String> = weights.names().filter(|name| name.starts_with("whisper.")).map(str::to_owned).collect();
    let take = |name: String| {
        let shape = weights.shape(&name).unwrap().to_vec();
        let values = weights.take(&name, &shape).unwrap().into_values();
        (name, (shape, values))
    };
    let tensors = names.into_iter().map(take).collect();
    (tensors, manifest["representation"].clone())
}

fn assert_is_the_network(import: &ImportedNetwork) {
    let (tensors, mut recipe) = expected();
    let imported = import.tensors.iter().map(|(name, t)| (name.clone(), (t.shape().to_vec(), t.values().to_vec())));
    let imported: Tensors = imported.collect();
    assert!(imported.keys().eq(tensors.keys()), "{:?}", imported.keys());
    assert!(imported == tensors, "values differ");
    recipe["states"] = json!([3]);
    assert_eq!(import.representation, recipe);
    let file = model_file(Kind::Whisper, import).unwrap();
    let network = Model::from_bytes(&file, LoadOptions::default()).unwrap();
    assert!(network.manifest().classifier.is_none());
    assert_eq!((network.dim(), network.manifest().frontend.bands()), (24, 80));
}

#[test]
fn every_source_gives_the_network() {
    for given in
        [&["model.safetensors", "config.json"][..], &["config.json", "pytorch_model.bin"], &["tiny.pt"], &["model.bin"]]
    {
        let import = Kind::Whisper.read(&files(given)).unwrap();
        assert_is_the_network(&import);
        assert!(import.data["left out"].as_str().unwrap().contains("decoder"), "{given:?}");
    }
}

fn message(given: &[PathBuf]) -> String {
    Kind::Whisper.read(given).unwrap_err().to_string()
}

#[test]
fn what_is_missing_or_unsupported_is_named() {
    assert!(message(&files(&["config.json"])).contains("one file of weights"));
    assert!(message(&files(&["model.safetensors"])).contains("config.json"), "24 channels do not tell the heads");
    assert!(message(&[golden("tiny-fcn.safetensors")]).contains("another kind"));
    let folder = common::folder("import-whisper");
    let bytes = fs::read(golden("import/whisper/model.bin")).unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        message(&[path])
    };
    assert!(at("short.bin", &bytes[..bytes.len() / 2]).contains("ends early"));
    let mut old = bytes.clone();
    old[0] = 5;
    assert!(at("old.bin", &old).contains("version 5"));
    // positions: change the first sines of the table
    let name = b"encoder/position_encodings/encodings\0";
    let place = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 1 + 8 + 1 + 4;
    let mut moved = bytes.clone();
    moved[place..place + 2].copy_from_slice(&0x3c00_u16.to_le_bytes());
    assert!(at("positions.bin", &moved).contains("sinusoids"), "{}", at("positions.bin", &moved));
    let mut quantised = bytes;
    let name = b"encoder/conv1/weight\0";
    let kind = quantised.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 1 + 12;
    quantised[kind] = 1;
    assert!(at("int8.bin", &quantised).contains("quantised"), "{}", at("int8.bin", &quantised));
}
