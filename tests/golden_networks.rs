//! Networks against PyTorch: layer by layer, then whole models with every intermediate result.
//!
//! `tools/golden/networks.py`, `tools/golden/wavlm.py` and `tools/golden/whisper.py` write the golden files. Tolerance: 3e-5
//! of the largest value of a tensor, about 250 ulp of that value, because the order of additions
//! differs from PyTorch's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::models::{LoadOptions, Model, Precision, Workspace};
use persona_engine::nn::{
    Activation, Conv1d, Conv1dOptions, FrameConv, FrameConvOptions, Linear, Loader, MaxPool1d, Norm, Scratch,
    StatisticsPooling, Variance, Weights, softmax,
};
use serde_json::Value;

const TOLERANCE: f64 = 3e-5;
/// For the shipped models, which have many layers: there PyTorch in f32 differs from f64 by up to
/// 2.3e-5 (campplus-fcn, heads.gender), and this engine can differ as much in the other direction.
const TOLERANCE_OF_SHIPPED: f64 = 6e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Largest difference relative to the largest expected value.
fn difference(want: &[f32], got: &[f32]) -> f64 {
    assert_eq!(want.len(), got.len());
    let largest = want.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
    let pairs = want.iter().zip(got);
    let worst = pairs.fold(0.0_f64, |m, (w, g)| {
        let difference = (f64::from(*w) - f64::from(*g)).abs();
        if difference > m || difference.is_nan() { difference } else { m }
    });
    worst / largest.max(f64::MIN_POSITIVE)
}

fn assert_close(name: &str, want: &[f32], got: &[f32]) {
    let worst = difference(want, got);
    assert!(worst <= TOLERANCE, "{name}: {worst:.1e} of the largest value");
}

/// A tensor and its shape.
fn take(golden: &mut Loader<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let shape = golden.shape(name).unwrap_or_else(|| panic!("no golden tensor `{name}`")).to_vec();
    let tensor = golden.take(name, &shape).unwrap();
    (shape, tensor.into_values())
}

/// The metadata of the golden file.
fn header(golden: &Weights<'_>) -> Value {
    serde_json::from_str(golden.text("golden").unwrap()).unwrap()
}

fn size(case: &Value, key: &str) -> usize {
    usize::try_from(case[key].as_u64().unwrap()).unwrap()
}

/// Runs the layer of one case.
fn run_layer(case: &Value, golden: &mut Loader<'_>, input: &[f32], shape: &[usize], out: &mut [f32]) {
    let name = case["name"].as_str().unwrap().to_owned();
    let weight_shape = |golden: &Loader<'_>, part: &str| golden.shape(&format!("{name}.{part}")).unwrap().to_vec();
    match case["layer"].as_str().unwrap() {
        "linear" => {
            let outputs = weight_shape(golden, "weight")[0];
            Linear::load(golden, &name, shape[1], outputs).unwrap().run(input, shape[0], out);
        }
        "conv1d" => {
            let options = Conv1dOptions {
                stride: size(case, "stride"),
                dilation: size(case, "dilation"),
                padding: size(case, "padding"),
                groups: size(case, "groups"),
            };
            let weight: [usize; 3] = weight_shape(golden, "weight").try_into().unwrap();
            Conv1d::load(golden, &name, weight, options).unwrap().run(input, shape[1], out);
        }
        "max_pool1d" => MaxPool1d::new(size(case, "kernel"), size(case, "stride")).run(input, shape[1], out),
        "batch_norm" => {
            out.copy_from_slice(input);
            Norm::load(golden, &name, shape[1], case["eps"].as_f64().unwrap()).unwrap().run(out);
        }
        "tdnn" => {
            let context: Vec<i64> = serde_json::from_value(case["context"].clone()).unwrap();
            let dilation = if context.len() > 1 { context[1] - context[0] } else { 1 };
            let weight: [usize; 3] = weight_shape(golden, "conv.weight").try_into().unwrap();
            let dilation = usize::try_from(dilation).unwrap();
            let options = FrameConvOptions { dilation, ..FrameConvOptions::default() };
            let conv = format!("{name}.conv");
            let layer = FrameConv::load(golden, &conv, weight, true, options, Precision::F32).unwrap();
            let norm = Norm::load(golden, &format!("{name}.norm"), weight[0], case["eps"].as_f64().unwrap()).unwrap();
            let layer = layer.with_activation(Activation::ReluNorm(norm));
            layer.run(input, shape[0], out, &mut Scratch::default());
        }
        "statistics" => {
            let biased = case["variance"] == "biased";
            let variance = if biased { Variance::Biased } else { Variance::Unbiased };
            StatisticsPooling::new(variance, case["floor"].as_f64().unwrap()).run(input, shape[0], out);
        }
        "softmax" => {
            let logits: &[f32; 6] = input.try_into().unwrap();
            out.copy_from_slice(&softmax(logits, case["temperature"].as_f64().unwrap()));
        }
        other => panic!("unknown layer {other}"),
    }
}

#[test]
fn each_layer_is_pytorchs() {
    let bytes = fs::read(folder().join("layers.safetensors")).unwrap();
    let golden = Weights::from_bytes(&bytes).unwrap();
    let header = header(&golden);
    let mut golden = Loader::new(golden, Precision::F32);
    let cases = header["cases"].as_array().unwrap();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (shape, input) = take(&mut golden, &format!("{name}.input"));
        let (_, want) = take(&mut golden, &format!("{name}.output"));
        let mut got = vec![f32::NAN; want.len()];
        run_layer(case, &mut golden, &input, &shape, &mut got);
        assert_close(name, &want, &got);
    }
    golden.finish().unwrap();
    assert_eq!(cases.len(), 29, "cases that the script writes");
}

/// One result of a model: its name, the golden values and those of this engine.
struct Pair {
    name: String,
    want: Vec<f32>,
    got: Vec<f32>,
}

impl Pair {
    /// Cosine similarity of the two, as vectors.
    fn cosine(&self) -> f64 {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let Self { want, got, .. } = self;
        product(want, got) / (product(want, want) * product(got, got)).sqrt()
    }
}

/// Every golden tensor of a model's outputs against this engine's; returns (name, difference) of
/// each.
fn compare(model: &Path, outputs: &Path) -> Vec<(String, f64)> {
    let pairs = pairs(model, outputs, Precision::F32);
    pairs.into_iter().map(|Pair { name, want, got }| (name, difference(&want, &got))).collect()
}

/// Every golden tensor of the outputs of a model, with the values of this engine.
fn pairs(model: &Path, outputs: &Path, precision: Precision) -> Vec<Pair> {
    let model = Model::open(model, LoadOptions::default().with_precision(Some(precision))).unwrap();
    let bytes = fs::read(outputs).unwrap();
    let golden = Weights::from_bytes(&bytes).unwrap();
    let remake = "the golden outputs belong to another file: run tools/golden/networks.py again";
    assert_eq!(header(&golden)["sha256"], model.manifest().sha256, "{remake}");
    let mut golden = Loader::new(golden, Precision::F32);
    let (shape, features) = take(&mut golden, "features");
    let mut seen = Vec::new();
    let mut observer =
        |name: &str, shape: &[usize], values: &[f32]| seen.push((name.to_owned(), shape.to_vec(), values.to_vec()));
    let output = model.forward_layers(&features, shape[0], &mut Workspace::default(), &mut observer).unwrap();
    seen.push(("emotion.probabilities".into(), vec![6], output.emotion.unwrap().probabilities.to_vec()));
    seen.push(("gender.probabilities".into(), vec![2], output.gender.unwrap().probabilities.to_vec()));
    seen.push(("age.years".into(), vec![1], vec![output.age_years.unwrap()]));
    let mut pairs = Vec::new();
    for (name, shape, got) in seen {
        if golden.shape(&name).is_some() {
            let (wanted_shape, want) = take(&mut golden, &name);
            assert_eq!(shape, wanted_shape, "{name}");
            pairs.push(Pair { name, want, got });
        }
    }
    golden.finish().unwrap();
    pairs
}

fn assert_all_close(differences: &[(String, f64)], tolerance: f64) {
    for (name, worst) in differences {
        assert!(*worst <= tolerance, "{name}: {worst:.1e} of the largest value");
    }
}

#[test]
fn tiny_models_are_pytorchs_at_every_step() {
    for (name, steps) in [
        ("tiny-cnn", 20),
        ("tiny-fcn", 16),
        ("tiny-campplus", 29),
        ("tiny-campplus-block1", 19),
        ("tiny-mfcc", 11),
        ("tiny-wavlm-base", 14),
        ("tiny-wavlm-large", 13),
        ("tiny-whisper", 15),
    ] {
        let differences = compare(
            &folder().join(format!("{name}.safetensors")),
            &folder().join(format!("{name}-outputs.safetensors")),
        );
        assert_all_close(&differences, TOLERANCE);
        assert_eq!(differences.len(), steps, "{name}: results compared");
    }
}

#[test]
fn shipped_models_are_pytorchs() {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    for name in ["xvector-cnn", "xvector-fcn", "campplus-fcn", "campplus-cnn", "mfcc-fcn", "mfcc-cnn"] {
        let model = weights.join(format!("{name}.safetensors"));
        let outputs = folder().join(format!("{name}-outputs.safetensors"));
        if !model.exists() || !outputs.exists() {
            eprintln!("skipped: {} or {} is not there", model.display(), outputs.display());
            continue;
        }
        assert_all_close(&compare(&model, &outputs), TOLERANCE_OF_SHIPPED);
    }
}

/// Transformers in int8 compared with f32. So few channels are hard on it: an error of a
/// product is the larger beside the product, the fewer are added up.
#[test]
fn tiny_transformers_int8_are_near() {
    for (name, prefix, vector) in [
        ("tiny-wavlm-base", "wavlm.", "wavlm.mean"),
        ("tiny-wavlm-large", "wavlm.", "wavlm.mean"),
        ("tiny-whisper", "whisper.", "whisper.pooled"),
    ] {
        let model = folder().join(format!("{name}.safetensors"));
        let pairs = pairs(&model, &folder().join(format!("{name}-outputs.safetensors")), Precision::Int8);
        let of_network: Vec<_> = pairs.iter().filter(|pair| pair.name.starts_with(prefix)).collect();
        assert!(of_network.len() > 6, "{name}");
        for pair in of_network {
            println!("{name} {:45} {:.5}", pair.name, pair.cosine());
            assert!(pair.cosine() > 0.998, "{name} {}: {}", pair.name, pair.cosine());
        }
        let mean = pairs.iter().find(|pair| pair.name == vector).unwrap();
        assert!(difference(&mean.want, &mean.got) > TOLERANCE, "{name}: int8 did not run");
    }
}

/// Full widths, from files that are too large to keep: `tools/golden/networks.py full FOLDER` or
/// `tools/check/wavlm.py FOLDER SPEECH…`, then this test with `PERSONA_GOLDEN_FULL=FOLDER` and
/// `--nocapture`. A model has one file of outputs or several: `NAME-outputs` or
/// `NAME@INPUT-outputs`.
#[test]
fn systems_of_full_width_are_pytorchs() {
    let Some(folder) = std::env::var_os("PERSONA_GOLDEN_FULL").map(PathBuf::from) else {
        eprintln!("skipped: PERSONA_GOLDEN_FULL is not set");
        return;
    };
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut outputs: Vec<String> = names.filter(|name| name.ends_with("-outputs.safetensors")).collect();
    outputs.sort();
    assert!(!outputs.is_empty(), "no outputs in {}", folder.display());
    for outputs in outputs {
        let name = outputs.split(['@']).next().unwrap().trim_end_matches("-outputs.safetensors");
        let (model, outputs) = (folder.join(format!("{name}.safetensors")), folder.join(&outputs));
        let differences = compare(&model, &outputs);
        let int8 = pairs(&model, &outputs, Precision::Int8);
        eprintln!("{}: in f32 the largest difference, of the largest value; in int8 the cosine", outputs.display());
        for ((name, worst), int8) in differences.iter().zip(&int8) {
            eprintln!("  {name:45} {worst:.1e}  {:.5}", int8.cosine());
        }
        assert_all_close(&differences, TOLERANCE);
    }
}

/// Many sizes of clip through one workspace, which huge values have filled first and which has
/// three threads, and each through a new one: the same bytes.
#[test]
fn a_used_workspace_changes_nothing() {
    let all = [
        ("tiny-cnn", 15),
        ("tiny-campplus", 13),
        ("tiny-mfcc", 15),
        ("tiny-wavlm-base", 1),
        ("tiny-wavlm-large", 1),
        ("tiny-whisper", 80),
    ];
    for ((name, bands), precision) in all.iter().flat_map(|one| [Precision::F32, Precision::Int8].map(|p| (*one, p))) {
        let model = Model::open(
            folder().join(format!("{name}.safetensors")),
            LoadOptions::default().with_precision(Some(precision)),
        )
        .unwrap();
        let features =
            |frames: usize| -> Vec<f32> { (0..frames * bands).map(|i| -40.0 + 39.0 * (i as f32).sin()).collect() };
        let mut used = Workspace::default();
        used.set_threads(3);
        let overflow: Vec<f32> = (0..50 * bands).map(|i| if i % 3 == 0 { f32::MAX } else { -f32::MAX }).collect();
        // an overflow in most networks; whether it is one does not matter here
        drop(model.forward(&overflow, 50, &mut used));
        let frames = [40, 15, 23, 188, 16, 40].map(|frames| if bands == 1 { 1_000 * frames } else { frames });
        for frames in frames {
            let fresh = model.forward(&features(frames), frames, &mut Workspace::default()).unwrap();
            assert_eq!(model.forward(&features(frames), frames, &mut used).unwrap(), fresh, "{name}: {frames} frames");
        }
    }
}

#[test]
fn each_network_takes_its_fewest_frames_and_not_one_less() {
    for (name, frames, bands) in [
        ("tiny-campplus", 3, 13),
        ("tiny-campplus-block1", 3, 13),
        ("tiny-mfcc", 1, 15),
        ("tiny-wavlm-base", 400, 1),
        ("tiny-whisper", 1, 80),
    ] {
        let model = Model::open(folder().join(format!("{name}.safetensors")), LoadOptions::default()).unwrap();
        assert_eq!(model.min_frames(), frames, "{name}");
        let features: Vec<f32> = (0..frames * bands).map(|i| (i as f32).sin()).collect();
        model.forward(&features, frames, &mut Workspace::default()).unwrap();
        let fewer = &features[..(frames - 1) * bands];
        let message = model.forward(fewer, frames - 1, &mut Workspace::default()).unwrap_err().to_string();
        assert!(message.contains(&format!("at least {frames}")), "{message}");
    }
}

#[test]
fn features_of_a_wrong_size_or_non_finite_are_refused() {
    let model = Model::open(folder().join("tiny-fcn.safetensors"), LoadOptions::default()).unwrap();
    assert_eq!(model.min_frames(), 15);
    let mut workspace = Workspace::default();
    let mut message =
        |values: &[f32], frames: usize| model.forward(values, frames, &mut workspace).unwrap_err().to_string();
    assert_eq!(message(&[-40.0; 14 * 15], 14), "14 frames: the network needs at least 15");
    assert_eq!(message(&[], 0), "0 frames: the network needs at least 15");
    assert!(message(&[-40.0; 15 * 15 - 1], 15).contains("224 values are not 15 frames of 15 bands"));
    assert!(message(&[-40.0; 15], usize::MAX).contains("bands"));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut features = [-40.0; 15 * 15];
        features[100] = bad;
        assert!(message(&features, 15).contains("not finite"));
    }
    // finite features that a layer cannot hold: an error that names the layer, not a number
    let mut huge = [3e38; 15 * 20];
    for value in huge.iter_mut().step_by(2) {
        *value = -3e38;
    }
    assert!(message(&huge, 20).contains("tensor `heads.age`: expected a finite age"), "{}", message(&huge, 20));
}
