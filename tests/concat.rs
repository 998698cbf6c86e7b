//! A model of two networks on the same samples (`concat`): its vector is the vectors of both, one
//! after the other, in f32 and int8, through every way that a model is used.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use common::buzz;
use common::model_file::Parts;
use persona_engine::engine::EmbedOptions;
use persona_engine::models::{Workspace, quantised};
use persona_engine::nn::Weights;
use persona_engine::{Engine, LoadOptions, Model, Options, Precision, Recording, Timeline};
use serde_json::{Value, json};

const LEVEL: (f64, f64) = (-23.0, 30.0);

fn noise(n: usize, seed: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
}

fn level() -> Value {
    json!({"speech_dbfs": LEVEL.0, "gate_db": LEVEL.1})
}

/// CAM++ and Whisper, both tiny, without heads; not standardised.
fn parts() -> [Parts; 2] {
    ["tiny-campplus", "tiny-whisper"].map(|name| {
        let mut parts = Parts::named(name);
        parts.manifest["representation"]["normalise"] = json!(false);
        for key in ["trunk", "heads", "scores"] {
            parts.manifest.as_object_mut().unwrap().remove(key);
        }
        parts.tensors.retain(|name, _| name.starts_with("campplus.") || name.starts_with("whisper."));
        parts
    })
}

/// A model of both, with standardisation, trunk and heads.
fn both() -> Parts {
    let [campplus, whisper] = parts();
    let mut joined = Parts::named("tiny-campplus");
    joined.tensors = campplus.tensors.clone();
    joined.tensors.extend(whisper.tensors.clone());
    joined.manifest["name"] = json!("both");
    joined.manifest["frontend"] = json!({"kind": "raw", "sample_rate_hz": 16_000, "do_normalize": false,
        "normalize_eps": 1e-7, "window_s": 3.0, "level": level()});
    let part =
        |of: &Parts| json!({"frontend": of.manifest["frontend"], "representation": of.manifest["representation"]});
    joined.manifest["representation"] =
        json!({"kind": "concat", "normalise": true, "parts": [part(&campplus), part(&whisper)]});
    joined.manifest["trunk"] = json!({"kind": "fcn", "dense": [5]});
    let dim = 99 + 72;
    joined.put_f32("representation.mean", &[dim], &noise(dim, 0.1));
    joined.put_f32("representation.scale", &[dim], &noise(dim, 0.2).iter().map(|x| 1.5 + x).collect::<Vec<_>>());
    joined.put_f32("trunk.dense.0.weight", &[5, dim], &noise(5 * dim, 0.3));
    joined.put_f32("trunk.dense.0.bias", &[5], &noise(5, 0.4));
    for (name, outputs) in [("emotion", 6), ("gender", 2), ("age", 1)] {
        joined.put_f32(&format!("heads.{name}.weight"), &[outputs, 5], &noise(5 * outputs, 0.5));
        joined.put_f32(&format!("heads.{name}.bias"), &[outputs], &noise(outputs, 0.6));
    }
    joined
}

fn model(parts: &Parts, precision: Precision) -> Model {
    Model::from_bytes(&parts.signed(), LoadOptions::default().with_precision(precision)).unwrap()
}

fn embedding(model: Model, options: &EmbedOptions) -> Vec<f32> {
    let engine = Engine::new(model, Options::default()).unwrap();
    let recording = Recording::samples(buzz(40_000, 16_000.0), 16_000, 1);
    engine.embed_with(recording, options, &mut persona_engine::engine::NoControl).unwrap().vector
}

#[test]
fn the_vector_is_those_of_both_networks() {
    for precision in [Precision::F32, Precision::Int8] {
        let mut apart = Vec::new();
        for mut part in parts() {
            part.manifest["frontend"]["level"] = level();
            apart.extend(embedding(model(&part, precision), &EmbedOptions::default()));
        }
        let mut joined = both();
        let standardised = embedding(model(&joined, precision), &EmbedOptions::default());
        let (mean, scale) = (noise(apart.len(), 0.1), noise(apart.len(), 0.2));
        for (i, got) in standardised.iter().enumerate() {
            assert_eq!(*got, (apart[i] - mean[i]) / (1.5 + scale[i]), "{precision:?} {i}");
        }
        joined.manifest["representation"]["normalise"] = json!(false);
        joined.tensors.remove("representation.mean");
        joined.tensors.remove("representation.scale");
        assert_eq!(embedding(model(&joined, precision), &EmbedOptions::default()), apart, "{precision:?}");
        let layer = EmbedOptions { layer: Some("whisper.mean.2".into()) };
        assert_eq!(embedding(model(&joined, precision), &layer).len(), 24);
    }
}

#[test]
fn it_predicts_with_a_timeline_and_is_quantised_as_a_whole() {
    let joined = both();
    let recording = || Recording::samples(buzz(100_000, 16_000.0), 16_000, 1);
    let options = Options { timeline: Some(Timeline::default()), threads: 2, ..Options::default() };
    let engine = Engine::new(model(&joined, Precision::F32), options).unwrap();
    let report = engine.infer(recording()).unwrap();
    let voice = &report.voices[0];
    assert!(voice.no_answer.is_none() && voice.chunks >= 2, "{voice:?}");
    assert_eq!(voice.timeline.as_ref().unwrap().len(), 6);
    let small = quantised(&joined.signed(), true).unwrap();
    assert!(Weights::from_bytes(&small).unwrap().is_quantised());
    let infer = |model: Model| {
        let report = Engine::new(model, Options::default()).unwrap().infer(recording()).unwrap();
        common::probabilities(&report)
    };
    let plain = quantised(&joined.signed(), false).unwrap();
    let int8 = infer(model(&joined, Precision::Int8));
    assert_eq!(infer(Model::from_bytes(&plain, LoadOptions::default()).unwrap()), int8);
    let with_trunk = infer(Model::from_bytes(&small, LoadOptions::default()).unwrap());
    let worst = int8.iter().zip(&with_trunk).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst < 0.05, "{worst}");
}

#[test]
fn too_few_samples_for_one_of_them_are_refused() {
    let model = model(&both(), Precision::F32);
    // CAM++ needs 3 frames of 400 samples every 160, Whisper one of 201 samples
    assert_eq!(model.min_frames(), 400 + 2 * 160);
    let short = vec![0.1; 700];
    let message = model.forward(&short, 700, &mut Workspace::default()).unwrap_err().to_string();
    assert!(message.contains("at least 720"), "{message}");
}

#[test]
fn each_invalid_recipe_is_named() {
    let message = |change: &dyn Fn(&mut Parts)| {
        let mut parts = both();
        change(&mut parts);
        Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap_err().to_string()
    };
    let set = |pointer: &'static str, value: Value| move |parts: &mut Parts| parts.set(pointer, value.clone());
    for (found, words) in [
        (message(&set("/frontend/do_normalize", json!(true))), "`frontend.kind`"),
        (message(&set("/representation/parts", json!([]))), "`representation.parts`: no parts"),
        (message(&set("/representation/parts/1/representation/normalise", json!(true))), "representation.normalise"),
        (message(&set("/representation/parts/1/representation/heads", json!(7))), "`representation.parts[1]`"),
        (message(&set("/representation/parts/1/frontend/n_mels", json!(40))), "40"),
        (
            message(&|parts: &mut Parts| {
                parts.manifest["representation"]["parts"][0]["frontend"]["level"] = level();
            }),
            "frontend.level",
        ),
        (
            message(&|parts: &mut Parts| {
                let first = parts.manifest["representation"]["parts"][0].clone();
                parts.manifest["representation"]["parts"][1] = first;
            }),
            "a second `campplus`",
        ),
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}
