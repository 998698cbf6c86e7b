//! Speaker segmentation against PyTorch, layer by layer. `tools/golden/segmentation.py` writes the
//! golden files.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]
#![allow(clippy::print_stdout, reason = "what was skipped")]

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::models::Precision;
use persona_engine::models::segmentation::{Segmentation, SegmentationScratch};
use persona_engine::nn::{Loader, Weights};
use serde_json::Value;

/// Absolute: normalised activations have magnitudes around 1.
const TOLERANCE: f64 = 1e-4;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Tensors of a golden file, and its signature.
struct Golden {
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    header: Value,
}

impl Golden {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let weights = Weights::from_bytes(&bytes).unwrap();
        let header = serde_json::from_str(weights.text("golden").unwrap()).unwrap();
        let names: Vec<String> = weights.names().map(str::to_owned).collect();
        let mut loader = Loader::new(weights, Precision::F32);
        let mut take = |name: String| {
            let shape = loader.shape(&name).unwrap().to_vec();
            let values = loader.take(&name, &shape).unwrap().into_values();
            (name, shape, values)
        };
        let tensors = names.into_iter().map(&mut take).collect();
        Self { tensors, header }
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.tensors.iter().find(|(of, _, _)| of == name).unwrap_or_else(|| panic!("no `{name}`")).2
    }
}

fn worst(want: &[f32], got: &[f32]) -> f64 {
    assert_eq!(want.len(), got.len());
    let differences = want.iter().zip(got).map(|(w, g)| (f64::from(*w) - f64::from(*g)).abs());
    differences.fold(0.0, |worst: f64, d| if d > worst || d.is_nan() { d } else { worst })
}

/// Compares every layer; `step`: the golden file has each so many frames. Returns the largest
/// difference.
fn compare(file: &Path, golden: &Golden, samples: &[f32], step: usize) -> f64 {
    let segmentation = Segmentation::open(file, Precision::F32).unwrap();
    assert_eq!(golden.header["sha256"], segmentation.manifest().sha256, "golden values of another file");
    let (mut seen, mut largest) = (0, 0.0);
    let mut observer = |name: &str, shape: &[usize], values: &[f32]| {
        let (step, channels) = match name {
            "classifier" => (1, shape[1]),
            "sincnet.wav_norm1d" => (step * step, 1),
            _ => (step, shape[1]),
        };
        let kept: Vec<f32> = values.chunks(channels).step_by(step).flatten().copied().collect();
        let difference = worst(golden.values(name), &kept);
        println!("{name:20} {shape:?}: {difference:.1e}");
        assert!(difference <= TOLERANCE, "{name}: {difference:.1e}");
        largest = f64::max(largest, difference);
        seen += 1;
    };
    segmentation.run_layers(samples, &mut observer).unwrap();
    let recipe = &segmentation.manifest().segmentation;
    assert_eq!(seen, 3 + recipe.conv.len() + recipe.lstm.layers + recipe.dense.len());
    largest
}

/// Samples of a WAV, repeated to ten seconds.
fn ten_seconds(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let once: Vec<f32> = reader.samples::<i16>().map(|x| f32::from(x.unwrap()) / 32_768.0).collect();
    once.into_iter().cycle().take(160_000).collect()
}

#[test]
fn a_small_network_is_pytorchs_layer_by_layer() {
    let golden = Golden::read(&repository("tests/golden/tiny-segmentation-outputs.safetensors"));
    let file = repository("tests/golden/tiny-segmentation.safetensors");
    compare(&file, &golden, golden.values("samples"), 1);
    let segmentation = Segmentation::open(&file, Precision::F32).unwrap();
    let embedding = segmentation.require_embedding().unwrap().run(golden.values("statistics"));
    assert!(worst(golden.values("embedding"), &embedding) < 1e-5);
}

#[test]
fn the_shipped_network_is_pytorchs_layer_by_layer() {
    let file = repository("weights/segmentation.safetensors");
    if !file.is_file() {
        println!("skipped: weights/segmentation.safetensors is not part of this package");
        return;
    }
    let golden = Golden::read(&repository("tests/golden/segmentation-outputs.safetensors"));
    let samples = ten_seconds(&repository("tests/audio/speech.wav"));
    compare(&file, &golden, &samples, 25);
}

#[test]
fn a_recording_named_by_a_variable_is_pytorchs_layer_by_layer() {
    let Some(path) = std::env::var_os("PERSONA_SEGMENTATION_GOLDEN") else {
        println!("skipped: PERSONA_SEGMENTATION_GOLDEN is not set");
        return;
    };
    let golden = Golden::read(Path::new(&path));
    compare(&repository("weights/segmentation.safetensors"), &golden, golden.values("samples"), 1);
}

/// Several chunks in one pass give the same bits as one, and int8 nearly the same classes as f32.
#[test]
fn chunks_are_independent_and_int8_agrees() {
    let golden = Golden::read(&repository("tests/golden/tiny-segmentation-outputs.safetensors"));
    let samples = golden.values("samples");
    let other: Vec<f32> = samples.iter().rev().copied().collect();
    let mut of_precision = Vec::new();
    for precision in [Precision::F32, Precision::Int8] {
        let segmentation =
            Segmentation::open(repository("tests/golden/tiny-segmentation.safetensors"), precision).unwrap();
        let mut scratch = SegmentationScratch::default();
        let together = segmentation.run(&[samples, &other, samples], &mut scratch).unwrap();
        let alone = segmentation.run(&[samples], &mut scratch).unwrap();
        assert_eq!((&together[0], &together[2]), (&alone[0], &alone[0]));
        assert_eq!(together[1], segmentation.run(&[&other], &mut scratch).unwrap()[0]);
        assert_eq!(alone[0].len(), segmentation.frames(samples.len()));
        of_precision.push(alone.concat());
        let short = &samples[..segmentation.min_samples() - 1];
        assert!(matches!(segmentation.run(&[short], &mut scratch), Err(persona_engine::Error::TooShort(_))));
        assert_eq!(segmentation.run(&[&samples[..=short.len()]], &mut scratch).unwrap()[0].len(), 1);
    }
    let same = of_precision[0].iter().zip(&of_precision[1]).filter(|(a, b)| a == b).count();
    assert!(same * 10 >= of_precision[0].len() * 9, "{same} of {}", of_precision[0].len());
}

#[test]
fn a_segmentation_is_no_model_and_a_model_is_no_segmentation() {
    let open = |name: &str| {
        persona_engine::Model::open(repository(name), persona_engine::LoadOptions::default()).unwrap_err().to_string()
    };
    assert!(open("tests/golden/tiny-segmentation.safetensors").contains("--speakers"));
    let message = Segmentation::open(repository("tests/golden/tiny-cnn.safetensors"), Precision::F32).unwrap_err();
    assert!(message.to_string().contains("segmentation"), "{message}");
}

/// pyannote's form of checkpoint, with objects beside the tensors that describe the network.
#[cfg(feature = "import")]
#[test]
fn a_checkpoint_is_imported_with_the_sizes_of_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = repository("tests/golden/import/segmentation.pt");
    let import = |f16: bool, name: &str| {
        let output = folder.path().join(name);
        persona_engine::import::write_segmentation(std::slice::from_ref(&checkpoint), f16, &output).unwrap();
        let recipe = Segmentation::open(&output, Precision::F32).unwrap().manifest().segmentation.clone();
        assert_eq!((recipe.sinc.filters, recipe.sinc.taps, recipe.sinc.stride), (10, 31, 5));
        assert_eq!((recipe.lstm.layers, recipe.lstm.hidden, recipe.dense.as_slice()), (2, 9, &[8, 5][..]));
        let bytes = fs::read(&output).unwrap();
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        let shape = weights.shape("lstm.weight_ih_l1").unwrap().to_vec();
        (fs::metadata(&output).unwrap().len(), weights.take("lstm.weight_ih_l1", &shape).unwrap().into_values())
    };
    let bytes = fs::read(repository("tests/golden/tiny-segmentation.safetensors")).unwrap();
    let want = Weights::from_bytes(&bytes).unwrap().take("lstm.weight_ih_l1", &[36, 18]).unwrap().into_values();
    let (size, exact) = import(false, "f32.safetensors");
    assert_eq!(exact, want);
    assert_eq!(import(true, "f16.safetensors").0, size, "no matrix of this network is large");
    let missing = persona_engine::import::write_segmentation(&[], false, &folder.path().join("none"));
    assert!(matches!(missing, Err(persona_engine::Error::Usage(_))));
}
