//! Import of others' checkpoints: tensors equal those that torch saved, embeddings equal those of
//! the original toolkit, and hostile files give errors. The golden files say which script of
//! `tools` wrote them.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::panic, reason = "likewise")]
#![allow(clippy::print_stdout, reason = "the differences found")]

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::Error;
use persona_engine::import::torch::{Checkpoint, Item};
use persona_engine::import::{ImportedNetwork, Kind, model_file, state_dict, write_model};
use persona_engine::models::{LoadOptions, Model, Workspace};
use persona_engine::nn::{Precision, Weights};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/import").join(name)
}

fn read(name: &str) -> Vec<u8> {
    fs::read(golden(name)).unwrap()
}

/// All tensors of a file: name, shape, values.
fn tensors(mut weights: Weights<'_>) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    let take = |name: String| {
        let shape = weights.shape(&name).unwrap().to_vec();
        let values = weights.take(&name, &shape).unwrap().into_values();
        (name, shape, values)
    };
    names.into_iter().map(take).collect()
}

/// The values of a golden tensor.
fn expected(file: &str, name: &str) -> Vec<f32> {
    let bytes = read(file);
    let mut weights = Weights::from_bytes(&bytes).unwrap();
    let shape = weights.shape(name).unwrap().to_vec();
    weights.take(name, &shape).unwrap().into_values()
}

fn imported(kind: Kind, files: &[&str]) -> Model {
    embedder(kind, &import(kind, files))
}

fn import(kind: Kind, files: &[&str]) -> ImportedNetwork {
    let files: Vec<PathBuf> = files.iter().map(|file| golden(file)).collect();
    kind.read(&files).unwrap()
}

fn embedder(kind: Kind, import: &ImportedNetwork) -> Model {
    let bytes = model_file(kind, import).unwrap();
    let model = Model::from_bytes(&bytes, LoadOptions::default().with_precision(Precision::F32)).unwrap();
    assert!(model.manifest().classifier.is_none());
    model
}

fn assert_close(name: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{name}");
    let difference = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = want.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    println!("{name}: {difference:.1e} of at most {largest:.2}");
    assert!(difference <= tolerance, "{name}: {difference}");
}

// Golden.

#[test]
fn checkpoints_of_each_protocol_have_the_tensors_that_torch_saved() {
    let bytes = read("torch.safetensors");
    let want = tensors(Weights::from_bytes(&bytes).unwrap());
    assert_eq!(want.len(), 8);
    for file in ["torch-flat.pt", "torch-nested.pt", "torch-devices.pt"] {
        assert_eq!(tensors(state_dict(&read(file)).unwrap()), want, "{file}");
    }
    assert_eq!(tensors(state_dict(&bytes).unwrap()), want);
}

#[test]
fn plain_values_of_a_checkpoint_can_be_read() {
    let bytes = read("torch-nested.pt");
    let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
    let config = checkpoint.root().get("cfg").unwrap();
    assert_eq!((config.get("layers").unwrap().int(), config.get("rate").unwrap().number()), (Some(12), Some(0.5)));
    assert_eq!((config.get("name").unwrap().text(), config.get("norm").unwrap().bool()), (Some("tiny"), Some(true)));
    let sizes: Vec<_> = config.get("sizes").unwrap().items().filter_map(Item::int).collect();
    assert_eq!(sizes, [3, -4, 5]);
    assert!(config.get("none").unwrap().is_none() && config.get("more").is_none());
}

#[test]
fn campplus_embeds_as_in_torch() {
    let network = imported(Kind::CamPlusPlus, &["campplus.pt"]);
    let features = expected("campplus.safetensors", "features");
    let got = network.embed(&features, features.len() / 80, &mut Workspace::default()).unwrap();
    assert_close("campplus", &got, &expected("campplus.safetensors", "embedding"), 1e-4);
}

#[test]
fn speechbrain_embeds_as_in_speechbrain() {
    let network = imported(Kind::SpeechBrainXVector, &["speechbrain.ckpt"]);
    let (samples, mut features) = (expected("speechbrain.safetensors", "samples"), Vec::new());
    let frames = network.manifest().frontend.extractor().unwrap().run(&samples, &mut features);
    assert_close("fbank, dB", &features, &expected("speechbrain.safetensors", "features"), 1e-3);
    let mut observer = |name: &str, _: &[usize], values: &[f32]| {
        if name.starts_with("xvector.tdnn.") {
            assert_close(name, values, &expected("speechbrain.safetensors", name), 1e-4);
        }
    };
    let got = network.embed_layers(&features, frames, &mut Workspace::default(), &mut observer).unwrap();
    assert_close("speechbrain", &got, &expected("speechbrain.safetensors", "embedding"), 1e-4);
}

/// Golden values: the components' definitions in numpy.
#[test]
fn kaldi_binary_and_text_files_embed_as_defined() {
    let features = expected("nnet3.safetensors", "features");
    for file in ["final.raw", "final.txt"] {
        let network = import(Kind::KaldiXVector, &[file, "mfcc.conf"]).without_vad().unwrap();
        let network = embedder(Kind::KaldiXVector, &network);
        assert_eq!((network.dim(), network.min_frames(), network.manifest().frontend.sample_rate_hz()), (6, 15, 8000));
        let got = network.embed(&features, features.len() / 5, &mut Workspace::default()).unwrap();
        assert_close(file, &got, &expected("nnet3.safetensors", "embedding"), 1e-4);
    }
}

/// Golden values: features by kaldi-native-fbank; VAD, sliding mean and network by their
/// definitions in numpy.
#[test]
fn the_kaldi_recipe_drops_frames_without_speech() {
    let of = |name: &str| expected("nnet3-vad.safetensors", name);
    let (samples, mut features) = (of("samples"), Vec::new());
    let mut files = vec!["final.raw", "mfcc.conf"];
    for (vad_conf, embedding) in [(None, "embedding.recipe"), (Some("vad.conf"), "embedding.conf")] {
        files.extend(vad_conf);
        let network = imported(Kind::KaldiXVector, &files);
        let frames = network.manifest().frontend.extractor().unwrap().run(&samples, &mut features);
        assert_close("MFCC", &features, &of("features"), 1e-3);
        let mut workspace = Workspace::default();
        let seen = network.prepare(&features, frames, &mut workspace).unwrap().frames_kept();
        assert_eq!(seen as f32, of(embedding.replace("embedding", "seen").as_str())[0]);
        assert!(seen < frames && seen > 100, "{seen} of {frames}");
        let got = network.embed(&features, frames, &mut workspace).unwrap();
        assert_close(embedding, &got, &of(embedding), 1e-3);
    }
}

#[test]
fn silence_has_no_embedding() {
    let network = imported(Kind::KaldiXVector, &["final.raw", "mfcc.conf"]);
    let mut features = Vec::new();
    let frames = network.manifest().frontend.extractor().unwrap().run(&[0.0; 4_000], &mut features);
    let message = network.embed(&features, frames, &mut Workspace::default()).unwrap_err().to_string();
    assert!(message.contains("0 of 50 frames contain speech"), "{message}");
}

#[test]
fn a_model_file_is_written_atomically() {
    let folder = std::env::temp_dir().join(format!("persona-engine-{}-written", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("out.safetensors");
    let read = || import(Kind::SpeechBrainXVector, &["speechbrain.ckpt"]);
    let mut broken = read();
    broken.tensors.pop();
    let message = write_model(Kind::SpeechBrainXVector, broken, &path).unwrap_err().to_string();
    assert!(message.contains("no such tensor") && !message.contains(".part"), "{message}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let length = write_model(Kind::SpeechBrainXVector, read(), &path).unwrap();
    let written = fs::read(&path).unwrap();
    assert_eq!((length, &written), (written.len() as u64, &model_file(Kind::SpeechBrainXVector, &read()).unwrap()));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(&folder).unwrap();
}

// Hostile.

#[test]
fn a_truncated_kaldi_file_is_an_error_and_a_changed_one_does_not_panic() {
    let folder = std::env::temp_dir().join(format!("persona-engine-{}-nnet3", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("final.raw");
    let read_back = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Kind::KaldiXVector.read(&[path.clone(), golden("mfcc.conf")])
    };
    let text = read("final.txt");
    for bytes in [read("final.raw"), text.clone()] {
        for length in (0..bytes.len() - 10).step_by(41) {
            assert!(read_back(&bytes[..length]).is_err(), "{length}");
        }
        for at in (0..bytes.len()).step_by(23) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            if let Ok(import) = read_back(&changed) {
                let _ = model_file(Kind::KaldiXVector, &import);
            }
        }
    }
    let text = String::from_utf8(text).unwrap();
    for (from, to, what) in [
        ("<RectifiedLinearComponent>", "<SigmoidComponent>", "`tdnn1.relu` is a `SigmoidComponent`"),
        ("Append(Offset(input, -2), Offset(input, -1)", "Append(Offset(input, -2), Offset(other, -1)", "several nodes"),
        ("input=tdnn1.affine", "input=tdnn9.affine", "no node `tdnn9.affine`"),
        (
            "Round(stats-pooling-0-10000, 1)",
            "Sum(stats-pooling-0-10000, 1)",
            "no affine map after a StatisticsPoolingComponent",
        ),
        ("input=tdnn3.affine", "input=tdnn3.batchnorm", "node `tdnn3.batchnorm` is a BatchNormComponent"),
        ("<InputPeriod> 1", "<InputPeriod> 2", "not the plain mean and standard deviation"),
        ("<Count> 5000.0", "<Count> 0.0", "without statistics"),
    ] {
        assert!(text.contains(from), "{from}");
        let message = read_back(text.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert!(message.contains(what) && message.contains("final.raw"), "{from}: {message}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn checkpoints_with_more_than_tensors_are_refused_by_name() {
    let refusal = |file: &str| state_dict(&read(file)).err().unwrap().to_string();
    assert!(refusal("torch-optimizer.pt").contains("`torch.optim.sgd.SGD`"), "{}", refusal("torch-optimizer.pt"));
    assert!(refusal("torch-two.pt").contains("several networks (`a`, `b`)"), "{}", refusal("torch-two.pt"));
}

#[test]
fn a_truncated_checkpoint_is_an_error() {
    let bytes = read("torch-flat.pt");
    for length in 0..bytes.len() {
        let error = state_dict(&bytes[..length]).err().unwrap();
        assert!(matches!(error, Error::Malformed { .. }), "{length}: {error}");
    }
}

/// Checksums cover the bytes that are used; other bytes (times, padding) may have any value.
#[test]
fn a_checkpoint_with_a_changed_byte_is_an_error_or_has_the_same_tensors() {
    let bytes = read("torch-flat.pt");
    let original = tensors(state_dict(&bytes).unwrap());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        if let Ok(weights) = state_dict(&changed) {
            assert_eq!(tensors(weights), original, "byte {at}");
        }
    }
}

#[test]
fn the_wrong_kind_is_refused_with_the_missing_tensor() {
    for (kind, file, tensor) in [
        (Kind::CamPlusPlus, "speechbrain.ckpt", "`head.conv1.weight`"),
        (Kind::SpeechBrainXVector, "campplus.pt", "`blocks.0.conv.weight`"),
        (Kind::SpeechBrainXVector, "torch-flat.pt", "`blocks.0.conv.weight`"),
        (Kind::KaldiXVector, "campplus.pt", "`<Nnet3>`"),
        (Kind::KaldiXVector, "final.raw", "mfcc.conf"),
    ] {
        let message = kind.read(&[golden(file)]).unwrap_err().to_string();
        assert!(message.contains(tensor) && message.contains(file), "{message}");
    }
}

#[test]
fn a_network_without_heads_is_refused_where_heads_are_needed() {
    let bytes = model_file(Kind::CamPlusPlus, &Kind::CamPlusPlus.read(&[golden("campplus.pt")]).unwrap()).unwrap();
    let model = Model::from_bytes(&bytes, LoadOptions::default()).unwrap();
    let message = model.require_classifier().unwrap_err().to_string();
    assert!(
        message.contains("`campplus.pt`") && message.contains("embed") && message.contains("train_heads.py"),
        "{message}"
    );
}
