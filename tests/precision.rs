//! The embedded models in f32 and int8: nearly the same predictions, and in both the same bytes for
//! any number of threads.
#![cfg(embedded_weights)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stdout, reason = "the differences found, for those who look")]

mod common;

use common::{fixture, probabilities};
use persona_engine::{
    Catalogue, DEFAULT_MODEL, Engine, LoadOptions, Options, Precision, Predictions, Recording, Report,
};

fn answer(name: &str, precision: Option<Precision>, threads: usize) -> Report {
    let model = Catalogue::of(&[]).load(name, LoadOptions::default().with_precision(precision)).unwrap();
    let engine = Engine::new(model, Options { threads, ..Options::default() }).unwrap();
    engine.infer(Recording::file(fixture("speech.wav"))).unwrap()
}

/// The recording is a synthetic voice, unlike the training data, so int8 changes its predictions more
/// than those of human voices (see `docs/speed.md`).
#[test]
fn int8_changes_predictions_little_and_keeps_the_labels() {
    for name in [DEFAULT_MODEL, "xvector-cnn"] {
        let [float, int8] =
            [Precision::F32, Precision::Int8].map(|precision| predictions(&answer(name, Some(precision), 1)));
        let both = probabilities_of(name, Precision::F32).into_iter().zip(probabilities_of(name, Precision::Int8));
        let largest = both.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {largest:.4} between a probability in f32 and in int8");
        assert!(largest > 0.0, "{name}: int8 did not run");
        assert!(largest < 0.05, "{name}: {largest}");
        assert_eq!(float.emotion.unwrap().label, int8.emotion.unwrap().label, "{name}");
        assert_eq!(float.gender.unwrap().label, int8.gender.unwrap().label, "{name}");
        assert!((float.age.unwrap().years - int8.age.unwrap().years).abs() < 1.0, "{name}");
    }
}

fn predictions(report: &Report) -> Predictions {
    report.voices[0].predictions.clone()
}

fn probabilities_of(name: &str, precision: Precision) -> Vec<f64> {
    probabilities(&answer(name, Some(precision), 1))
}

#[test]
fn the_number_of_threads_changes_nothing_in_either_precision() {
    for precision in [Precision::F32, Precision::Int8] {
        let [one, three] = [1, 3].map(|threads| answer(DEFAULT_MODEL, Some(precision), threads));
        assert_eq!(probabilities(&one), probabilities(&three), "{precision:?}");
    }
}

#[test]
fn the_default_precision_is_that_of_the_file() {
    assert_eq!(answer(DEFAULT_MODEL, None, 1).model.precision.name(), "f32");
    assert_eq!(answer(DEFAULT_MODEL, Some(Precision::Int8), 1).model.precision.name(), "int8");
    assert_eq!(answer("xvector-cnn", None, 1).model.precision.name(), "int8");
    assert_eq!(answer("xvector-cnn", Some(Precision::F32), 1).model.precision.name(), "f32");
}
