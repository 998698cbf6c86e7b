//! The whole chain: the same recording in other clothes, and the nine recordings whose training features are known.
#![cfg(embedded_weights)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stdout, reason = "the differences found, for those who look")]

mod common;

use std::fs;
use std::path::Path;

use common::decoded::Decoded;
use common::{fixture, float32, pcm16, probabilities, wav};
use persona_engine::dsp::resample;
use persona_engine::models::Workspace;
use persona_engine::{Catalogue, Engine, LoadOptions, Model, Options, Recording, Report};
use safetensors::SafeTensors;

fn engine() -> Engine {
    Engine::with_default_model(Options::default()).unwrap()
}

fn answer(engine: &Engine, bytes: Vec<u8>) -> Report {
    let report = engine.infer(Recording::bytes(bytes)).unwrap();
    assert!(report.voices[0].no_answer.is_none());
    report
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn samples_of(path: &Path) -> Vec<f32> {
    let decoded = Decoded::open(path).unwrap();
    assert_eq!((decoded.spec.sample_rate_hz, decoded.spec.channels), (16_000, 1));
    decoded.samples
}

/// The recording at 48 kHz in two channels.
fn at_48k_stereo(samples: &[f32]) -> Vec<u8> {
    let both: Vec<f32> = resample(samples, 16_000, 48_000).unwrap().iter().flat_map(|&x| [x, x]).collect();
    wav(3, 2, 48_000, 32, &float32(&both))
}

/// `within` is the largest difference of a probability that the resampling, which rolls off below 8 kHz, may make.
fn assert_48k_stereo_answers_the_same(engine: &Engine, path: &Path, within: f64) {
    let samples = samples_of(path);
    let plain = answer(engine, wav(1, 1, 16_000, 16, &pcm16(&samples)));
    let dressed = answer(engine, at_48k_stereo(&samples));
    let difference = largest_difference(&probabilities(&plain), &probabilities(&dressed));
    println!("{}: 16 kHz against 48 kHz stereo: {difference:.4}", path.display());
    assert!(difference <= within, "{}: {difference}", path.display());
    assert!((age(&plain) - age(&dressed)).abs() <= 1.0, "{}", path.display());
}

fn emotion(report: &Report) -> String {
    report.voices[0].predictions.emotion.clone().unwrap().label
}

fn age(report: &Report) -> f64 {
    report.voices[0].predictions.age.unwrap().years
}

#[test]
fn speech_at_48k_stereo_is_the_same_speech() {
    assert_48k_stereo_answers_the_same(&engine(), &fixture("speech.wav"), 0.05);
}

#[test]
fn every_fixture_is_answered() {
    let engine = engine();
    let (mp3, formats) = (cfg!(feature = "mp3"), cfg!(feature = "formats"));
    for entry in fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_read = match path.extension().unwrap().to_str().unwrap() {
            "mp3" => mp3,
            "flac" | "ogg" | "m4a" => formats,
            _ => true,
        };
        if !is_read || name.starts_with("refused") {
            continue;
        }
        let report = engine.infer(Recording::file(&path)).unwrap();
        assert!(
            report.voices[0].predictions.emotion.is_some() || report.recording.duration_s < 0.3,
            "{}: {:?}",
            path.display(),
            report.voices[0].no_answer
        );
    }
}

/// How far a quarter of the loudness moves a probability.
fn moved_by_a_quarter_as_loud(engine: &Engine, samples: &[f32]) -> f64 {
    let scaled = |factor: f32| {
        let samples: Vec<f32> = samples.iter().map(|x| x * factor).collect();
        probabilities(&answer(engine, wav(3, 1, 16_000, 32, &float32(&samples))))
    };
    largest_difference(&scaled(1.0), &scaled(0.25))
}

/// Kaldi's fbank has an absolute floor, 1.2e-7. A room's noise stays above it; between the words of a machine there is digital silence, which
/// reaches the floor the sooner the softer it is.
#[test]
fn louder_or_softer_is_the_same_speech() {
    let engine = engine();
    let silent = samples_of(&fixture("speech.wav"));
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
    };
    let in_a_room: Vec<f32> = silent.iter().map(|x| x + 0.0035 * noise()).collect(); // root mean square 1e-3
    let (room, silence) =
        (moved_by_a_quarter_as_loud(&engine, &in_a_room), moved_by_a_quarter_as_loud(&engine, &silent));
    println!("a quarter as loud: {room:.4} in a room, {silence:.4} in digital silence");
    assert!(room < 0.05 && silence < 0.15);
}

/// Windows of a recording repeated three times over are answered like the recording: the mean changes nothing.
#[test]
fn a_repeated_recording_is_answered_like_one() {
    let engine = engine();
    let three_seconds = &samples_of(&fixture("speech.wav"))[..48_000];
    let once = probabilities(&answer(&engine, wav(1, 1, 16_000, 16, &pcm16(three_seconds))));
    let report = answer(&engine, wav(1, 1, 16_000, 16, &pcm16(&three_seconds.repeat(3))));
    assert_eq!(report.voices[0].chunks, 3);
    assert!(largest_difference(&once, &probabilities(&report)) < 2e-6);
}

/// The model whose front-end is that of the corpus's stored features.
fn of_log_mel() -> Model {
    Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap()
}

/// Nine official recordings: predictions from the WAV equal those from the stored training features
/// (8 bits, steps of 0.3 dB), also at 48 kHz stereo.
#[test]
fn predictions_of_recordings_equal_those_of_their_training_features() {
    let Some(data) = common::data("predictions_of_recordings_equal_those_of_their_training_features") else { return };
    let stored = fs::read(data.join("crema_d/logmel_u8.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&stored).unwrap();
    let (engine, model) = (Engine::new(of_log_mel(), Options::default()).unwrap(), of_log_mel());
    let mut wavs: Vec<_> = fs::read_dir(data.join("speech/crema_d_wav")).unwrap().map(|e| e.unwrap().path()).collect();
    wavs.sort();
    assert_eq!(wavs.len(), 9);
    for path in wavs {
        let clip = stored.tensor(path.file_stem().unwrap().to_str().unwrap()).unwrap();
        let features: Vec<f32> = clip.data().iter().map(|&v| f32::from(v) / 255.0 * 80.0 - 80.0).collect();
        let (label, expected, years) = from_features(&model, &features, clip.shape()[0]);
        // the features end at 3 s, so the recording must too
        let samples = samples_of(&path);
        let report = answer(&engine, wav(1, 1, 16_000, 16, &pcm16(&samples[..samples.len().min(48_000)])));
        let difference = largest_difference(&probabilities(&report), &expected);
        let age = (age(&report) - years).abs();
        println!("{}: probabilities within {difference:.4}, age within {age:.2} years", path.display());
        assert_eq!(emotion(&report), label, "{}", path.display());
        assert!(difference <= 0.02 && age <= 1.0, "{}: {difference}, {age}", path.display());
        assert_48k_stereo_answers_the_same(&engine, &path, 0.02);
    }
}

/// The model was trained on audio reconstructed from these clips' spectrograms; it must predict the
/// same for the recordings. Their names state the acted emotion.
#[test]
fn the_default_model_predicts_the_acted_emotion_of_recordings() {
    let Some(data) = common::data("the_default_model_predicts_the_acted_emotion_of_recordings") else { return };
    let engine = engine();
    let mut wrong = Vec::new();
    for path in fs::read_dir(data.join("speech/crema_d_wav")).unwrap().map(|e| e.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let report = engine.infer(Recording::file(&path)).unwrap();
        let (emotion, acted) = (emotion(&report), name.split('_').nth(2).unwrap().to_lowercase());
        if !emotion.starts_with(&acted) {
            wrong.push(format!("{name}: {emotion}"));
        }
        assert_48k_stereo_answers_the_same(&engine, &path, 0.05);
        let softer = moved_by_a_quarter_as_loud(&engine, &samples_of(&path));
        assert!(softer < 0.02, "{}: a quarter as loud moves a probability by {softer}", path.display());
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn from_features(model: &Model, features: &[f32], frames: usize) -> (String, Vec<f64>, f64) {
    let output = model.forward(features, frames, &mut Workspace::default()).unwrap();
    let (emotion, gender) = (output.emotion.unwrap().probabilities, output.gender.unwrap().probabilities);
    let best = (0..6).max_by(|&a, &b| emotion[a].total_cmp(&emotion[b])).unwrap();
    let both = emotion.iter().chain(&gender).map(|&p| f64::from(p)).collect();
    (model.require_classifier().unwrap().heads.emotion.labels[best].clone(), both, f64::from(output.age_years.unwrap()))
}
