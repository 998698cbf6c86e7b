//! Forward pass of the x-vector CNN at full width on chunks of 3 s, one thread:
//! `cargo bench --bench network`.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first mistake")]

use std::collections::BTreeMap;
use std::hint::black_box;

use divan::Bencher;
use persona_engine::models::{LoadOptions, Model, Workspace};
use persona_engine::nn::{
    Activation, FrameConv, FrameConvOptions, Linear, Norm, Precision, Scratch, StatisticsPooling, Tensor, Variance,
    Weights,
};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::{Value, json};

/// Chunks of 3 s in a minute.
const CHUNKS: usize = 20;
/// Frames of a chunk.
const FRAMES: usize = 188;
const BANDS: usize = 128;
/// Snyder et al. 2018: channels, taps, dilation.
const TDNN: [(usize, usize, usize); 5] = [(512, 5, 1), (512, 3, 2), (512, 3, 3), (512, 1, 1), (1500, 1, 1)];

fn main() {
    divan::main();
}

#[divan::bench(args = ["f32", "int8"], sample_count = 20)]
fn minute(bencher: Bencher<'_, '_>, precision: &str) {
    let system =
        Model::from_bytes(&file(), LoadOptions::default().with_precision(Some(precision.parse().unwrap()))).unwrap();
    let features: Vec<f32> = noise(CHUNKS * FRAMES * BANDS).iter().map(|x| 40.0 * x - 40.0).collect();
    let mut workspace = Workspace::default();
    bencher.bench_local(|| {
        for chunk in features.chunks(FRAMES * BANDS) {
            black_box(system.forward(chunk, FRAMES, &mut workspace).unwrap());
        }
    });
}

#[divan::bench(sample_count = 10)]
fn load(bencher: Bencher<'_, '_>) {
    let bytes = file();
    bencher.bench_local(|| Model::from_bytes(black_box(&bytes), LoadOptions::default()).unwrap());
}

/// One frame-level layer on one chunk, with its ReLU and norm.
#[divan::bench(args = [0, 1, 2, 3, 4], consts = [false, true], sample_count = 50)]
fn tdnn<const INT8: bool>(bencher: Bencher<'_, '_>, layer: usize) {
    let precision = if INT8 { Precision::Int8 } else { Precision::F32 };
    let (outputs, taps, dilation) = TDNN[layer];
    let inputs = if layer == 0 { BANDS } else { TDNN[layer - 1].0 };
    let frames = FRAMES - TDNN[..layer].iter().map(|(_, taps, dilation)| (taps - 1) * dilation).sum::<usize>();
    let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps));
    let options = FrameConvOptions { dilation, ..FrameConvOptions::default() };
    let norm = Norm::new(noise(outputs), noise(outputs));
    let layer = FrameConv::new(&weight, &vec![1.0; outputs], noise(outputs), options, precision)
        .with_activation(Activation::ReluNorm(norm));
    let input = noise(frames * inputs);
    let mut output = vec![0.0; (frames - layer.reach()) * outputs];
    let mut scratch = Scratch::default();
    bencher.bench_local(|| layer.run(black_box(&input), frames, &mut output, &mut scratch));
}

#[divan::bench(sample_count = 50)]
fn statistics(bencher: Bencher<'_, '_>) {
    let pooling = StatisticsPooling::new(Variance::Biased, 1e-5);
    let input = noise(174 * 1500);
    let mut output = vec![0.0; 3000];
    bencher.bench_local(|| pooling.run(black_box(&input), 174, &mut output));
}

#[divan::bench(sample_count = 50)]
fn embedding(bencher: Bencher<'_, '_>) {
    let layer = Linear::new(Tensor::new(&[512, 3000], noise(512 * 3000)), noise(512));
    let (input, mut output) = (noise(3000), [0.0; 512]);
    bencher.bench_local(|| layer.run(black_box(&input), 1, &mut output));
}

/// Pseudo-random values in ±1.
fn noise(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0).collect()
}

/// The x-vector CNN with pseudo-random weights in f16.
fn file() -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: &str, shape: &[usize]| tensors.push((name.to_owned(), shape.to_vec()));
    let mut inputs = BANDS;
    for (i, (outputs, taps, _)) in TDNN.into_iter().enumerate() {
        add(&format!("xvector.tdnn.{i}.conv.weight"), &[outputs, inputs, taps]);
        add(&format!("xvector.tdnn.{i}.conv.bias"), &[outputs]);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            add(&format!("xvector.tdnn.{i}.norm.{part}"), &[outputs]);
        }
        inputs = outputs;
    }
    for part in ["weight", "bias", "running_mean", "running_var"] {
        add(&format!("xvector.embedding_norm.{part}"), &[512]);
    }
    for (name, outputs, inputs) in [
        ("xvector.embedding", 512, 3000),
        ("trunk.dense.0", 200, 1024),
        ("trunk.dense.1", 128, 200),
        ("trunk.dense.2", 56, 128),
        ("heads.emotion", 6, 56),
        ("heads.gender", 2, 56),
        ("heads.age", 1, 56),
    ] {
        add(&format!("{name}.weight"), &[outputs, inputs]);
        add(&format!("{name}.bias"), &[outputs]);
    }
    for (i, outputs, inputs) in [(0, 16, 1), (1, 32, 16)] {
        add(&format!("trunk.conv.{i}.weight"), &[outputs, inputs, 5]);
        add(&format!("trunk.conv.{i}.bias"), &[outputs]);
    }
    let values: Vec<Vec<u8>> = tensors.iter().map(|(name, shape)| stored(name, shape)).collect();
    let views = || {
        let pairs = tensors.iter().zip(&values);
        pairs.map(|((name, shape), bytes)| (name, TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap()))
    };
    let unsigned = serialize(views(), None).unwrap();
    let sha256 = Weights::from_bytes(&unsigned).unwrap().sha256().unwrap();
    let persona = BTreeMap::from([("persona".to_owned(), manifest(&sha256).to_string())]);
    serialize(views(), Some(persona.into_iter().collect())).unwrap()
}

/// f16 bytes of values that neither vanish nor grow through the layers.
fn stored(name: &str, shape: &[usize]) -> Vec<u8> {
    let fan_in: usize = shape[1..].iter().product();
    let scale = (6.0 / fan_in as f32).sqrt();
    let value = |x: f32| if name.ends_with("running_var") { 1.0 + x / 2.0 } else { x * scale };
    noise(shape.iter().product()).into_iter().flat_map(|x| half::f16::from_f32(value(x)).to_le_bytes()).collect()
}

fn manifest(sha256: &str) -> Value {
    let contexts = [json!([-2, -1, 0, 1, 2]), json!([-2, 0, 2]), json!([-3, 0, 3]), json!([0]), json!([0])];
    let layers: Vec<Value> =
        TDNN.iter().zip(contexts).map(|(tdnn, context)| json!({"channels": tdnn.0, "context": context})).collect();
    json!({
        "format": 1, "name": "bench", "created_by": "benches/network.rs", "licence": "none", "data": {}, "sha256": sha256,
        "frontend": {
            "kind": "logmel", "sample_rate_hz": 16000, "n_fft": 1024, "hop_length": 256, "window": "hann_periodic",
            "padding": "zeros_centred", "n_mels": BANDS, "mel_scale": "slaney", "mel_norm": "slaney", "f_min_hz": 0.0,
            "f_max_hz": 8000.0, "power": 2.0, "amin": 1e-10, "reference": "max", "top_db": 80.0, "window_s": 3.0,
            "normalisation": {"mean_over_time": false, "offset_db": 40.0, "scale_db": 20.0}
        },
        "representation": {
            "kind": "xvector", "layers": layers, "embedding": 512, "norm_eps": 1e-5,
            "pooling": {"kind": "statistics", "variance": "biased", "floor": 1e-5}
        },
        "trunk": {
            "kind": "cnn", "dense": [200, 128, 56],
            "conv": [
                {"channels": 16, "kernel": 5, "padding": 2, "pool": 4},
                {"channels": 32, "kernel": 5, "padding": 2, "pool": 4}
            ]
        },
        "heads": {
            "emotion": {"labels": ["a", "d", "f", "h", "n", "s"], "temperature": 1.0},
            "gender": {"labels": ["f", "m"], "temperature": 1.0},
            "age": {"mean_years": 40.0, "scale_years": 10.0}
        },
        "scores": []
    })
}
