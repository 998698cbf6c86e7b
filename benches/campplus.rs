//! CAM++ at full width, one thread: `cargo bench --bench campplus`. Needs a model file:
//! `weights/campplus-fcn.safetensors`, or the one that `PERSONA_CAMPPLUS` names
//! (`tools/golden/networks.py published FOLDER` makes one).
#![expect(clippy::unwrap_used, reason = "a bench stops at the first mistake")]
#![expect(clippy::print_stdout, reason = "a bench that skips says so")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use divan::Bencher;
use persona_engine::models::{LoadOptions, Model, Workspace};

fn main() {
    divan::main();
}

fn system(precision: &str) -> Option<Model> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/campplus-fcn.safetensors");
    let path = std::env::var_os("PERSONA_CAMPPLUS").map_or(shipped, PathBuf::from);
    if !path.exists() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(Model::open(&path, LoadOptions::default().with_precision(Some(precision.parse().unwrap()))).unwrap())
}

/// A minute of features through the network, in 20 chunks of 3 s and in one of 60 s.
#[divan::bench(args = [("f32", 20), ("int8", 20), ("f32", 1), ("int8", 1)], sample_count = 10)]
fn minute(bencher: Bencher<'_, '_>, (precision, chunks): (&str, usize)) {
    let Some(system) = system(precision) else { return };
    let frames = system.manifest().frontend.frames(960_000 / chunks);
    let features: Vec<f32> = (0..frames * 80).map(|i| (i as f32 * 0.731).sin() * 3.0 - 10.0).collect();
    let mut workspace = Workspace::default();
    bencher.bench_local(|| {
        for _ in 0..chunks {
            black_box(system.forward(&features, frames, &mut workspace).unwrap());
        }
    });
}

#[divan::bench(args = ["f32", "int8"], sample_count = 10)]
fn load(bencher: Bencher<'_, '_>, precision: &str) {
    bencher.bench_local(|| black_box(crate::system(precision)));
}
