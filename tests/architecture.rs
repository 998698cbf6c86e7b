//! The layers of `src`, the arrows between them, and circles of files.
//!
//! **Layers.** A folder of `src` is a layer, and so is `error.rs`. A file that uses a name makes an
//! arrow from its layer to the layer of the file that *defines* the name: a re-export (`pub use`)
//! on the way does not change where a name comes from. [`ARROWS`] lists the arrows that are
//! allowed. There are two ways around it:
//!
//! - [`PASSED_ON`]: a layer may pass on a few names of a layer below as part of its own interface,
//!   each stated there. Who may use the layer may use these names through it (`engine::Precision`),
//!   and not otherwise.
//! - The front door: `lib.rs` belongs to no layer, and the program may use what it exports by
//!   `persona_engine::Name`, as any other program may. Inside the library `crate::Name` is judged
//!   by its definition.
//!
//! **Circles.** Files that use each other, directly or through others. A re-export makes no arrow
//! here either: the user of the name depends on the defining file. Test code does not count.
//! [`CIRCLES`] lists those that remain.
//!
//! All three lists are refused where they allow more than `src` needs. How names are found, and
//! what is not seen: `architecture/source_tree.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the repository's own files")]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/source_tree.rs"]
mod source_tree;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use circles::{Graph, circles};
use source_tree::{SourceTree, Use};

/// Layer → what it may use: a layer, or a module of one.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("kernels", &["error"]),
    ("audio", &["error"]),
    ("dsp", &["kernels", "error"]),
    ("nn", &["kernels", "error"]),
    ("models", &["nn", "dsp", "error"]),
    ("engine", &["audio", "dsp", "models", "nn::weights", "error"]),
    ("lists", &["audio::span", "error"]),
    ("html", &[]),
    ("import", &["models", "nn", "error"]),
    ("eval", &["engine", "models", "lists", "html", "error"]),
    ("export", &["engine", "models", "html", "error"]),
    ("server", &["engine", "export", "error"]),
    ("cli", &["engine", "eval", "export", "import", "lists", "server", "error"]),
];

/// Layer → names of layers below that it re-exports to those who may use it, as `layer::Name` of
/// the definition.
const PASSED_ON: &[(&str, &[&str])] = &[
    ("nn", &["kernels::Epilogue", "kernels::add_row", "kernels::all_finite", "kernels::gelu", "kernels::relu"]),
    ("models", &["nn::Precision"]),
    (
        "engine",
        &[
            "audio::Limits",
            "audio::RawFormat",
            "audio::Span",
            "audio::needs_whole_file",
            "models::ActiveHeads",
            "models::AgeInterval",
            "models::ClassifierManifest",
            "models::ConcatPart",
            "models::Frontend",
            "models::LoadOptions",
            "models::Manifest",
            "models::Measure",
            "models::Model",
            "models::RepresentationRecipe",
            "models::Score",
            "models::SpeakerBaseline",
            "models::SpeakerVectors",
            "models::TrunkRecipe",
            "models::adapted",
            "models::unadapted",
            "nn::Precision",
        ],
    ),
];

/// Circles of files that remain, relative to `src`, sorted.
const CIRCLES: &[&[&str]] = &[];

/// `lib.rs` and `main.rs` belong to no layer.
fn is_root(layer: &str) -> bool {
    layer.is_empty()
}

/// Whether `path` is `entry` or inside of it.
fn is_in(path: &[String], entry: &str) -> bool {
    entry.split("::").zip(path).filter(|(a, b)| a == b).count() == entry.split("::").count()
}

/// What allows a use.
enum Permission {
    /// The layer defines it itself, or the front door exports it to the program.
    Own,
    /// An entry of [`ARROWS`].
    Arrow(&'static str),
    /// An entry of [`PASSED_ON`].
    PassedOn(&'static str),
    Refused,
}

fn permission(used: &Use) -> Permission {
    let user = used.layer.as_str();
    let (owner, name) = (&used.defined[0], used.defined.last().unwrap());
    if owner == user || is_root(user) || (user == "cli" && used.written.len() == 1) {
        return Permission::Own;
    }
    let row = |table: &'static [(&str, &'static [&str])], layer: &str| -> &'static [&'static str] {
        table.iter().find(|(name, _)| *name == layer).map_or(&[], |(_, entries)| entries)
    };
    let allowed = row(ARROWS, user);
    if let Some(entry) = allowed.iter().find(|entry| is_in(&used.defined, entry)) {
        return Permission::Arrow(entry);
    }
    let through = &used.written[0];
    if through == user || allowed.contains(&through.as_str()) {
        let wanted = format!("{owner}::{name}");
        if let Some(entry) = row(PASSED_ON, through).iter().find(|entry| **entry == wanted) {
            return Permission::PassedOn(entry);
        }
    }
    Permission::Refused
}

/// Uses that no table allows, as `layer: path as written (layer::Name of the definition)`.
fn refused(tree: &SourceTree) -> BTreeSet<String> {
    tree.uses()
        .iter()
        .filter(|used| matches!(permission(used), Permission::Refused))
        .map(|used| {
            let (owner, name) = (&used.defined[0], used.defined.last().unwrap());
            format!("{}: {} ({owner}::{name})", used.file.display(), used.written.join("::"))
        })
        .collect()
}

fn src() -> SourceTree {
    SourceTree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_layer_has_one_row() {
    let names: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), ARROWS.len(), "a layer has two rows in ARROWS");
    for layer in src().layers() {
        assert!(is_root(&layer) || names.contains(layer.as_str()), "`{layer}` is no layer of ARROWS");
    }
}

#[test]
fn src_has_only_the_arrows_of_the_table() {
    let wrong = refused(&src());
    assert!(wrong.is_empty(), "arrows that the table lacks: {wrong:#?}");
}

#[test]
fn no_exception_is_allowed_that_src_does_not_need() {
    let mut needed = BTreeSet::new();
    for used in src().uses() {
        match permission(&used) {
            Permission::Arrow(entry) if entry.contains("::") => needed.insert((used.layer.clone(), entry)),
            Permission::PassedOn(entry) => needed.insert((used.written[0].clone(), entry)),
            _ => false,
        };
    }
    for (layer, entries) in ARROWS.iter().chain(PASSED_ON) {
        for entry in entries.iter().filter(|entry| entry.contains("::")) {
            assert!(needed.contains(&((*layer).to_owned(), *entry)), "{layer} → {entry} is not needed: delete it");
        }
    }
}

#[test]
fn files_have_no_circles_but_the_listed_ones() {
    let graph = file_graph(&src());
    let found = circles(&graph);
    let arrows = describe(&graph, &found);
    assert_eq!(found, CIRCLES, "the circles of src are not those of CIRCLES:\n{arrows}");
}

/// File → the files that define what it uses, outside of tests.
fn file_graph(tree: &SourceTree) -> Graph {
    let mut graph = Graph::new();
    for used in tree.uses().iter().filter(|used| !used.is_test && !used.is_reexport) {
        let name = |file: &Path| file.to_str().unwrap().to_owned();
        graph.entry(name(&used.file)).or_default().push(name(&used.definition));
    }
    graph
}

/// Each circle with its arrows, a line each.
fn describe(graph: &Graph, found: &[Vec<String>]) -> String {
    let mut out = String::new();
    for circle in found {
        writeln!(out, "circle of {} files", circle.len()).unwrap();
        for from in circle {
            let to: BTreeSet<&String> = graph[from].iter().filter(|to| circle.contains(to)).collect();
            writeln!(out, "  {from} → {to:?}").unwrap();
        }
    }
    out
}

/// The uses that are refused of `body` as the whole of layer `user`, beside small layers that it
/// may try to use.
fn refused_of(user: &str, body: &str) -> Vec<String> {
    let others = [
        ("error", "pub struct Error;"),
        ("dsp", "pub struct Resampler;"),
        ("nn", "pub mod weights { pub struct Weights; } pub struct Linear; pub use weights::Weights;"),
        ("models", "pub use crate::nn::Linear; pub struct Model;"),
        ("engine", "pub use crate::models::*; pub fn run() {}"),
    ];
    let mut text = String::from("pub use engine::Linear;");
    for (layer, code) in others.iter().filter(|(layer, _)| *layer != user) {
        write!(text, "pub mod {layer} {{ {code} }} ").unwrap();
    }
    let tree = SourceTree::of_text(&format!("{text} pub mod {user} {{ {body} }}"));
    refused(&tree).into_iter().filter(|what| what.starts_with(&format!("lib/{user}"))).collect()
}

#[test]
fn a_wrong_arrow_is_seen_in_every_way_of_writing_it() {
    for (user, body, expected) in [
        ("audio", "use crate::dsp::Resampler;", "dsp::Resampler"),
        ("audio", "use super::dsp::Resampler;", "dsp::Resampler"),
        ("audio", "fn f() -> u8 { vec![crate::dsp::Resampler::new()].len() }", "dsp::Resampler"),
        ("audio", "use crate::{dsp}; fn f(r: &dsp::Resampler) {}", "dsp::Resampler"),
        ("nn", "use crate::{error::Error, models::{Model as M, self}};", "models::Model"),
        ("dsp", "fn f() { crate::engine::run() }", "engine::run"),
        ("engine", "use crate::nn::Linear;", "nn::Linear"),
        ("export", "use crate::engine::Linear;", "nn::Linear"),
        ("server", "use crate::Linear;", "nn::Linear"),
        ("cli", "use persona_engine::engine::Linear;", "nn::Linear"),
        ("cli", "use persona_engine::models; fn f() -> models::Model { }", "models::Model"),
    ] {
        let found = refused_of(user, body);
        assert!(found.len() == 1 && found[0].ends_with(&format!("({expected})")), "{user}: {body}: {found:?}");
    }
}

#[test]
fn a_right_arrow_is_not_refused() {
    for (user, body) in [
        ("engine", "use crate::nn::weights::Weights; use crate::nn::Weights as Same;"),
        ("models", "pub(in crate::models) fn f(w: crate::nn::Linear) -> crate::error::Error {}"),
        ("cli", "use persona_engine::Linear; use persona_engine::engine::run;"),
        ("audio", "// crate::dsp::Resampler\n/// crate::dsp::Resampler\nconst A: &str = \"crate::dsp::Resampler\";"),
        ("dsp", "use std::engine::Thing; use rustfft::engine::run;"),
    ] {
        assert_eq!(refused_of(user, body), [""; 0], "{user}: {body}");
    }
}

#[test]
fn circles_are_found_through_reexports_and_not_in_tests() {
    let found = |body: &str| circles(&file_graph(&SourceTree::of_text(body)));
    let round = "mod a { use super::face::B; pub struct A; } mod b { use super::a::A; pub struct B; } mod face { pub use super::b::B; }";
    assert_eq!(found(round), [["lib/a.rs", "lib/b.rs"]]);
    assert_eq!(found(&round.replace("use super::a::A", "#[cfg(test)] use super::a::A")), [[""; 0]; 0]);
    let children = "mod a { mod c { pub fn f() { super::g(); } } pub use c::f; pub fn g() {} }";
    assert_eq!(found(children), [[""; 0]; 0]);
    assert_eq!(found(&children.replace("g() {}", "g() { c::f() }")), [["lib/a.rs", "lib/a/c.rs"]]);
}
