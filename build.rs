//! Finds the weights for the feature `embedded-weights`.
//!
//! Sets `cfg(embedded_weights)` and the folder `PERSONA_EMBEDDED_WEIGHTS` if the feature is on and the files are there: in
//! `weights/`, or in the folder that the variable `PERSONA_WEIGHTS` names. The package on a registry is without them (they
//! are larger than a registry accepts); it then builds without a model inside, with a warning.

use std::env;
use std::path::PathBuf;

/// The files of `src/engine/embedded.rs`.
const MODELS: [&str; 3] = ["campplus-fcn.safetensors", "xvector-cnn.safetensors", "segmentation.safetensors"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_weights)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PERSONA_WEIGHTS");
    if env::var_os("CARGO_FEATURE_EMBEDDED_WEIGHTS").is_none() {
        return;
    }
    let named = env::var_os("PERSONA_WEIGHTS").map(PathBuf::from);
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let folder = named.clone().unwrap_or_else(|| package.join("weights"));
    for model in MODELS {
        println!("cargo::rerun-if-changed={}", folder.join(model).display());
    }
    match MODELS.iter().find(|model| !folder.join(model).is_file()) {
        None => {
            println!("cargo::rustc-cfg=embedded_weights");
            println!("cargo::rustc-env=PERSONA_EMBEDDED_WEIGHTS={}", folder.display());
        }
        Some(missing) if named.is_some() => {
            println!("cargo::error=PERSONA_WEIGHTS: there is no {missing} in {}", folder.display());
        }
        Some(missing) => println!(
            "cargo::warning=weights/{missing} is not part of this package: building without a model inside. \
             Set PERSONA_WEIGHTS to a folder with the repository's weights to embed them, or name a model file at run time \
             (docs/models.md)"
        ),
    }
}
