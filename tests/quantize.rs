//! Quantised model files: their contents, and identity with the source file in int8.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stderr, reason = "names what is skipped")]

use std::fs;
use std::path::Path;

use persona_engine::models::{LoadOptions, Model, Workspace, quantised};
use persona_engine::nn::{Precision, Weights};

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn load(bytes: &[u8], precision: Option<Precision>) -> Model {
    Model::from_bytes(bytes, LoadOptions::default().with_precision(precision)).unwrap()
}

/// Pseudo-random values in ±1.
fn noise(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0).collect()
}

/// Every layer's values for the same features.
fn layers(model: &Model) -> Vec<(String, Vec<f32>)> {
    let bands = model.manifest().frontend.bands();
    let frames = model.min_frames() + if bands == 1 { 4_000 } else { 40 };
    let features: Vec<f32> = noise(frames * bands).iter().map(|x| 9.0 * x - 9.0).collect();
    let mut seen = Vec::new();
    let mut observer = |name: &str, _: &[usize], values: &[f32]| seen.push((name.to_owned(), values.to_vec()));
    model.forward_layers(&features, frames, &mut Workspace::default(), &mut observer).unwrap();
    seen
}

/// The networks of [`NETWORKS`] that are there: the crate package is without the large weights.
fn networks() -> impl Iterator<Item = &'static str> {
    NETWORKS.into_iter().filter(|name| is_there(name))
}

fn is_there(name: &str) -> bool {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file();
    if !found {
        eprintln!("skipped: {name} is not there");
    }
    found
}

const NETWORKS: [&str; 7] = [
    "weights/xvector-cnn.safetensors",
    "weights/campplus-fcn.safetensors",
    "tests/golden/tiny-cnn.safetensors",
    "tests/golden/tiny-campplus.safetensors",
    "tests/golden/tiny-wavlm-base.safetensors",
    "tests/golden/tiny-wavlm-large.safetensors",
    "tests/golden/tiny-whisper.safetensors",
];

#[test]
fn in_int8_it_is_bit_identical_to_the_source() {
    for name in networks() {
        let before = read(name);
        let after = quantised(&before, false).unwrap();
        let want = layers(&load(&before, Some(Precision::Int8)));
        assert_eq!(load(&after, None).precision(), Precision::Int8, "{name}: default precision of a quantised file");
        assert!(layers(&load(&after, None)) == want, "{name}");
        assert!(layers(&load(&before, Some(Precision::F32))) != want, "{name}: int8 should differ");
    }
}

#[test]
fn in_f32_it_computes_with_the_dequantised_weights() {
    for name in networks() {
        let before = read(name);
        let after = quantised(&before, false).unwrap();
        let (want, got) = (layers(&load(&before, Some(Precision::F32))), layers(&load(&after, Some(Precision::F32))));
        assert_eq!(load(&after, Some(Precision::F32)).precision(), Precision::F32);
        let size = |values: &[f32]| values.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        let differences = want.iter().zip(&got).map(|((layer, want), (_, got))| {
            let far: Vec<f32> = want.iter().zip(got).map(|(a, b)| a - b).collect();
            (layer, size(&far) / size(want))
        });
        let (layer, first) = differences.into_iter().find(|(_, far)| *far > 0.0).unwrap();
        assert!(first < 0.05, "{name}, {layer}: {first} of its largest value");
        assert!(got.iter().all(|(_, values)| values.iter().all(|x| x.is_finite())));
    }
}

#[test]
fn the_file_is_smaller_and_names_its_source() {
    let name = "weights/campplus-fcn.safetensors";
    if !is_there(name) {
        return;
    }
    let before = read(name);
    let after = quantised(&before, false).unwrap();
    assert!(after.len() * 100 < before.len() * 74, "{} of {} bytes", after.len(), before.len());
    let (source, manifest) = (load(&before, None), load(&after, None));
    let (source, manifest) = (source.manifest(), manifest.manifest());
    assert_eq!(manifest.data["quantized_from_sha256"], source.sha256.as_str());
    assert_ne!(manifest.sha256, source.sha256);
    assert_eq!((&manifest.name, manifest.scores()), (&source.name, source.scores()));
    assert!(manifest.data["quantized"].as_str().unwrap().contains("8-bit codes"));
}

#[test]
fn the_trunks_first_layer_is_stored_as_int8_too() {
    let before = read("tests/golden/tiny-campplus.safetensors");
    let (network, both) = (quantised(&before, false).unwrap(), quantised(&before, true).unwrap());
    assert!(both.len() < network.len());
    let of = |bytes: &[u8], name: &str| layers(&load(bytes, None)).into_iter().find(|(own, _)| own == name).unwrap().1;
    assert_eq!(of(&both, "representation"), of(&network, "representation"));
    let (want, got) = (of(&network, "trunk.dense.0"), of(&both, "trunk.dense.0"));
    let largest = want.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    let worst = want.iter().zip(&got).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst > 0.0 && worst < 0.05 * largest, "{worst} of {largest}");
}

#[test]
fn the_error_says_why_a_file_cannot_be_quantised() {
    let before = read("tests/golden/tiny-cnn.safetensors");
    let twice = quantised(&quantised(&before, false).unwrap(), false).unwrap_err().to_string();
    assert!(twice.contains("already"), "{twice}");
    let without_layers = quantised(&read("tests/golden/tiny-mfcc.safetensors"), false).unwrap_err().to_string();
    assert!(without_layers.contains("no layers"), "{without_layers}");
    assert!(quantised(&before[..before.len() - 1], false).is_err());
}

/// The checksum detects one changed byte.
#[test]
fn a_damaged_weight_is_detected() {
    let mut after = quantised(&read("tests/golden/tiny-cnn.safetensors"), false).unwrap();
    Weights::from_bytes(&after).unwrap();
    let last = after.len() - 1;
    after[last] ^= 1;
    assert!(Model::from_bytes(&after, LoadOptions::default()).unwrap_err().to_string().contains("checksum"));
}
