//! The speech level of a front-end: with it, predictions do not depend on the level of the
//! recording.
#![cfg(embedded_weights)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stdout, reason = "the differences found, for those who look")]

mod common;

use std::path::{Path, PathBuf};

use common::decoded::Decoded;
use common::model_file::Parts;
use common::{data, fixture, probabilities};
use persona_engine::{DEFAULT_MODEL, Engine, LoadOptions, Model, Options, Recording};
use serde_json::json;

/// The default model with a speech level in its manifest. `band_floor`: of its fbank, if changed.
fn engine(level: bool, band_floor: Option<f64>) -> Engine {
    let mut parts = Parts::shipped(DEFAULT_MODEL);
    if level {
        parts.manifest["frontend"]["level"] = json!({"speech_dbfs": -23.0, "gate_db": 30.0});
    }
    if let Some(floor) = band_floor {
        parts.manifest["frontend"]["band_floor"] = json!(floor);
    }
    // A quiet copy is answered too: what is compared is the predictions.
    let options = Options { activity: false, ..Options::default() };
    Engine::new(Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap(), options).unwrap()
}

/// Samples of the first channel, and their rate.
fn mono(path: &Path) -> (Vec<f32>, u32) {
    let decoded = Decoded::open(path).unwrap();
    let channels = usize::from(decoded.spec.channels);
    (decoded.samples.iter().step_by(channels).copied().collect(), decoded.spec.sample_rate_hz)
}

/// Probabilities; `None` for what is as quiet as silence.
fn run(engine: &Engine, samples: Vec<f32>, rate: u32) -> Option<Vec<f64>> {
    let report = engine.infer(Recording::samples(samples, rate, 1)).unwrap();
    report.voices[0].predictions.emotion.is_some().then(|| probabilities(&report))
}

fn factor(db: f64) -> f32 {
    10.0_f64.powf(db / 20.0) as f32
}

/// Rounded to 16 bits.
fn steps(x: f32) -> f32 {
    (x * 32768.0).round().clamp(-32768.0, 32767.0) / 32768.0
}

/// Largest difference of a probability: by gains in f32, and by gains down to −30 dB in 16 bits.
fn differences(engine: &Engine, path: &Path) -> [f64; 2] {
    let (samples, rate) = mono(path);
    let plain = run(engine, samples.clone(), rate).unwrap();
    let largest = |gains: &[f64], stored: fn(f32) -> f32| {
        let differences = gains.iter().flat_map(|db| {
            let louder = samples.iter().map(|x| stored(factor(*db) * x)).collect();
            let found = run(engine, louder, rate);
            assert!(found.is_some() || *db <= -30.0, "{}: {db} dB is not silence", path.display());
            found.into_iter().flatten().zip(&plain).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
        });
        differences.fold(0.0, f64::max)
    };
    [largest(&[-40.0, -30.0, -18.0, -12.0, -6.0, 6.0, 12.0], |x| x), largest(&[-12.0, -20.0, -30.0], steps)]
}

#[test]
fn a_gain_changes_nothing() {
    let speech = fixture("speech.wav");
    let [in_float, in_steps] = differences(&engine(true, None), &speech);
    println!("speech.wav: {in_float:.4} by gains in float, {in_steps:.4} in 16 bits");
    assert!(in_float <= 0.01, "{in_float}");
    // Kaldi's floor of a band lies below the steps of 16 bits: that the steps change nothing needs a higher one.
    let [in_float, in_steps] = differences(&engine(true, Some(1e-4)), &speech);
    println!("speech.wav, band floor 1e-4: {in_float:.4} by gains in float, {in_steps:.4} in 16 bits");
    assert!(in_float <= 0.01 && in_steps <= 0.03, "{in_float} {in_steps}");
    let [without, _] = differences(&engine(false, None), &speech);
    println!("without a level: {without:.4}");
    assert!(without > 0.01, "the recording does not show what the level is for: {without}");
}

#[test]
fn a_gain_changes_nothing_for_recordings_of_the_corpora() {
    let Some(data) = data("a_gain_changes_nothing_for_recordings_of_the_corpora") else { return };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(data.join("speech/crema_d_wav")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    paths.sort();
    assert!(paths.len() >= 9);
    for floor in [None, Some(1e-5), Some(1e-4)] {
        let engine = engine(true, floor);
        let all: Vec<[f64; 2]> = paths.iter().map(|path| differences(&engine, path)).collect();
        let largest = [0, 1].map(|i| all.iter().map(|d| d[i]).fold(0.0, f64::max));
        println!(
            "{} recordings, band floor {floor:?}: {:.4} in float, {:.4} in 16 bits",
            all.len(),
            largest[0],
            largest[1]
        );
        assert!(largest[0] <= 0.01, "{all:?}");
    }
}
