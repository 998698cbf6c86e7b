//! The layers and the arrows between them. A folder of `src` is a layer; a `crate::layer` path in it is an arrow.

#![allow(clippy::unwrap_used, reason = "the repository's own files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// layer → the layers that it may use. `engine` takes the model file's reader from `nn::weights` and nothing else of `nn`; the program asks for its
/// memory by `kernels::memory`.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("kernels", &["error"]),
    ("audio", &["error"]),
    ("dsp", &["kernels", "error"]),
    ("nn", &["kernels", "error"]),
    ("models", &["nn", "dsp", "error"]),
    ("engine", &["audio", "dsp", "models", "nn::weights", "error"]),
    ("html", &[]),
    ("eval", &["engine", "models", "nn::weights", "html", "error"]),
    ("export", &["engine", "html", "error"]),
    ("import", &["models", "nn", "error"]),
    ("html", &[]),
    ("eval", &["engine", "models", "nn::weights", "html", "error"]),
    ("export", &["engine", "html", "error"]),
    ("server", &["engine", "error"]),
    ("cli", &["engine", "eval", "export", "import", "server", "kernels::memory", "error"]),
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The layer that a file of `src` belongs to: its folder, or its own name at the top.
fn layer_of(file: &Path, src: &Path) -> String {
    let inside = file.strip_prefix(src).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Paths used in a text, as `layer::next`: `crate::a::b`, `persona_engine::a::b`, and each branch of `crate::{a::b, c}`.
fn uses(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for root in ["crate::", "persona_engine::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(branches(group));
            } else {
                found.push(head(rest));
            }
        }
    }
    found
}

/// The first two segments of a path: `nn::weights::load` gives `nn::weights`.
fn head(path: &str) -> String {
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
    path[..end].trim_end_matches(':').split("::").take(2).collect::<Vec<_>>().join("::")
}

/// The branches of a use group at its own depth.
fn branches(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                out.push(head(group[start..i].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(head(group[start..i].trim()));
                start = i + 1;
            }
            _ => {}
        }
    }
    out.retain(|p| !p.is_empty());
    out
}

/// Arrows of one text in one layer that the table lacks.
fn refused(layer: &str, text: &str) -> Vec<String> {
    let allowed = ARROWS.iter().find(|(name, _)| *name == layer).map_or(&[][..], |(_, to)| to);
    let layers: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    uses(text)
        .into_iter()
        .filter(|path| {
            let target = path.split("::").next().unwrap_or_default();
            let known = layers.contains(&target) && target != layer;
            known && !allowed.iter().any(|a| *a == target || *a == path.as_str())
        })
        .collect()
}

#[test]
fn src_has_only_the_arrows_of_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = BTreeMap::new();
    for file in files {
        let layer = layer_of(&file, &src);
        if layer == "lib" || layer == "main" {
            continue; // the table of contents, and the program's one call
        }
        assert!(ARROWS.iter().any(|(name, _)| *name == layer), "{} belongs to no layer", file.display());
        let arrows = refused(&layer, &fs::read_to_string(&file).unwrap());
        if !arrows.is_empty() {
            wrong.insert(file, arrows);
        }
    }
    assert!(wrong.is_empty(), "arrows that the table lacks: {wrong:#?}");
}

#[test]
fn a_wrong_arrow_is_seen_in_every_way_of_writing_it() {
    assert_eq!(refused("audio", "use crate::dsp::Resampler;"), ["dsp::Resampler"]);
    assert_eq!(refused("nn", "use crate::{error::Error, models::{a, b}};"), ["models"]);
    assert_eq!(refused("dsp", "fn f() { crate::engine::run() }"), ["engine::run"]);
    assert_eq!(refused("engine", "use crate::nn::linear::Linear;"), ["nn::linear"]);
    assert_eq!(refused("engine", "use crate::nn::weights::Weights;"), [""; 0]);
    assert_eq!(refused("cli", "use persona_engine::models::x;"), ["models::x"]);
}
