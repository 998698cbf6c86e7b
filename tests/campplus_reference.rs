//! CAM++ with its published weights, from samples to the speaker embedding, against a reference computed by other programs.
//!
//! The reference (`campplus_reference.npz`: samples, Kaldi fbank, embedding) is not in the repository; nor need be a file with the published
//! weights and the tap `embedding`: `tools/golden/networks.py published FOLDER` makes one, which `PERSONA_GOLDEN_FULL=FOLDER` names.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panic, and say what they skip")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use persona_engine::engine::{LoadOptions, Model, Precision, RepresentationRecipe};
use persona_engine::models::Workspace;
use persona_engine::models::campplus::Tap;

/// An array of an uncompressed `.npz`: after the member's name comes the `.npy` magic, the header's length and the header.
fn npz_array(bytes: &[u8], member: &str) -> Vec<f32> {
    let find = |from: usize, what: &[u8]| from + bytes[from..].windows(what.len()).position(|w| w == what).unwrap();
    let magic = find(find(0, member.as_bytes()), b"\x93NUMPY\x01\x00");
    let data = magic + 10 + usize::from(u16::from_le_bytes([bytes[magic + 8], bytes[magic + 9]]));
    let header = std::str::from_utf8(&bytes[magic + 10..data]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split(['(', ')']).nth(1).unwrap();
    let length: usize = shape.split(',').filter_map(|n| n.trim().parse::<usize>().ok()).product();
    bytes[data..data + 4 * length].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn reference() -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("PERSONA_DATA").map_or(beside, PathBuf::from);
    let path = data.join("../weights/campplus_reference.npz");
    let read = fs::read(&path).ok();
    if read.is_none() {
        println!("skipped: no {}", path.display());
    }
    read
}

/// Files that have the published weights up to the embedding.
fn models() -> Vec<(PathBuf, Model)> {
    let mut paths = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/campplus-fcn.safetensors")];
    if let Some(folder) = std::env::var_os("PERSONA_GOLDEN_FULL").map(PathBuf::from) {
        paths.extend(["", "-f16"].map(|kind| folder.join(format!("published-campplus{kind}.safetensors"))));
    }
    let opened = paths.into_iter().filter(|path| path.exists()).map(|path| {
        let model = Model::open(&path, LoadOptions::default().with_precision(Some(Precision::F32))).unwrap();
        (path, model)
    });
    let has_embedding = |model: &Model| match &model.manifest().representation {
        RepresentationRecipe::CamPlusPlus(recipe) => recipe.taps.contains(&Tap::Embedding),
        _ => false,
    };
    opened.filter(|(_, model)| has_embedding(model)).collect()
}

/// 15 s of speech; the embedding's values reach 1.7. Rounding most of the weights to f16 takes nearly all of the tolerance, f32 a hundredth.
#[test]
fn the_embedding_is_the_reference_from_the_samples_on() {
    let Some(bytes) = reference() else { return };
    let (samples, want) = (npz_array(&bytes, "wav.npy"), npz_array(&bytes, "emb.npy"));
    let models = models();
    if models.is_empty() {
        println!("skipped: no model with the published weights and the tap `embedding`");
    }
    for (path, model) in models {
        let mut features = Vec::new();
        let frames = model.manifest().frontend.extractor().unwrap().run(&samples, &mut features);
        let mut embedding = Vec::new();
        let mut observer = |name: &str, _: &[usize], values: &[f32]| {
            if name == "campplus.taps.embedding" {
                embedding = values.to_vec();
            }
        };
        let mut workspace = Workspace::default();
        model.forward_layers(&features, frames, &mut workspace, &mut observer).unwrap();
        let worst = embedding.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let began = Instant::now();
        model.forward(&features, frames, &mut workspace).unwrap();
        let seconds = began.elapsed().as_secs_f64();
        println!("{}: {worst:.1e} from the reference, {frames} frames in {seconds:.3} s", path.display());
        assert_eq!(embedding.len(), want.len());
        assert!(worst <= 1e-3, "{}: {worst}", path.display());
    }
}
