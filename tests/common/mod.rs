//! What several test programs need: the fixtures, the program itself, and WAV bytes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::panic, reason = "likewise")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::engine::Report;

pub(crate) mod decoded;
pub(crate) mod model_file;
#[cfg(feature = "cli")]
pub(crate) mod program;
#[cfg(all(feature = "serve", embedded_weights))]
pub(crate) mod server;

/// A file of `tests/audio`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)
}

/// A folder of its own for one test, made anew.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// The shared data, or nothing, with a word, where it is not at hand.
pub(crate) fn data(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = std::env::var_os("PERSONA_DATA").map_or(beside, PathBuf::from);
    if path.join("crema_d/clips.csv").exists() {
        return Some(path);
    }
    println!("{test}: skipped, no data at {}", path.display());
    None
}

/// A WAV file with one `fmt ` and one `data` chunk; `data_len` is what its header claims.
pub(crate) fn wav_claiming(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8], data_len: u32) -> Vec<u8> {
    let align = (u32::from(channels) * u32::from(bits) / 8) as u16;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(data_len.wrapping_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
    bytes.extend([rate.to_le_bytes(), rate.wrapping_mul(u32::from(align)).to_le_bytes()].concat());
    bytes.extend([align.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(b"data");
    bytes.extend(data_len.to_le_bytes());
    bytes.extend(data);
    bytes
}

/// A sound WAV file.
pub(crate) fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    wav_claiming(tag, channels, rate, bits, data, data.len() as u32)
}

/// 16-bit PCM of samples in [-1, 1].
pub(crate) fn pcm16(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| ((x * 32768.0).round().clamp(-32768.0, 32767.0) as i16).to_le_bytes()).collect()
}

/// Float samples.
pub(crate) fn float32(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Something that the engine takes for speech: a buzz whose pitch glides, whose formants wander and whose level rises and falls.
pub(crate) fn buzz(samples: usize, rate: f32) -> Vec<f32> {
    let wave = |hz: f32, t: f32| (std::f32::consts::TAU * hz * t).sin();
    let mut phase = 0.0;
    let mut sample = |i: usize| {
        let t = i as f32 / rate;
        let pitch = 140.0 * (1.0 + 0.2 * wave(0.9, t) + 0.1 * wave(2.3, t));
        phase = (phase + pitch / rate).fract();
        let formants = [600.0 + 300.0 * wave(1.7, t), 1700.0 + 600.0 * wave(2.9, t)];
        let gain = |hz: f32| 0.02 + formants.iter().map(|f| (-((hz - f) / 250.0).powi(2)).exp()).sum::<f32>();
        let harmonic = |k: u8| gain(pitch * f32::from(k)) * wave(f32::from(k), phase);
        (1..=20).map(harmonic).sum::<f32>() * 0.1 * (0.55 + 0.45 * wave(3.5, t))
    };
    (0..samples).map(&mut sample).collect()
}

/// Emotion's probabilities, then gender's.
pub(crate) fn probabilities(report: &Report) -> Vec<f64> {
    let heads =
        [report.voices[0].predictions.emotion.as_ref().unwrap(), report.voices[0].predictions.gender.as_ref().unwrap()];
    heads.iter().flat_map(|head| head.probabilities.iter().map(|(_, p)| *p)).collect()
}
