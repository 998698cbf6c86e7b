//! Prints the predictions for samples in memory, as a microphone or another decoder provides them.
//!
//! `cargo run --release --example infer_samples`

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use persona_engine::{Engine, Options, Recording, Result};

/// Sample rate of the recording, Hz. Any rate from 4 kHz to 384 kHz is resampled to that of the
/// model.
const RATE_HZ: u32 = 44_100;

fn main() -> Result<()> {
    // A synthetic sound is no speech, so speech detection is off here. Leave it on for recordings.
    let options = Options { activity: false, ..Options::default() };
    let engine = Engine::with_default_model(options)?;
    let report = engine.infer(Recording::samples(record(), RATE_HZ, 1).named("microphone"))?;
    let voice = &report.voices[0];
    match &voice.predictions.emotion {
        None => println!("no prediction: {:?}", voice.no_answer),
        Some(emotion) => {
            for (label, probability) in &emotion.probabilities {
                println!("{label:<10} {probability:.3}");
            }
        }
    }
    Ok(())
}

/// Three seconds of harmonics of 120 Hz that swell four times a second. Mono; interleave the
/// channels of a stereo recording.
fn record() -> Vec<f32> {
    let sample = |n: u32| {
        let phase = std::f32::consts::TAU * n as f32 / RATE_HZ as f32;
        let harmonics: f32 = (1..=20).map(|k| (120.0 * k as f32 * phase).sin() / k as f32).sum();
        0.2 * harmonics * (2.0 * phase).sin().abs()
    };
    (0..3 * RATE_HZ).map(sample).collect()
}
