//! What several test programs need: the fixtures, the program itself, and WAV bytes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::panic, reason = "likewise")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) mod model_file;
#[cfg(feature = "cli")]
pub(crate) mod program;

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

/// Something that sounds: a buzz of a few harmonics that rises and falls.
pub(crate) fn buzz(samples: usize, rate: f32) -> Vec<f32> {
    let sample = |i: usize| {
        let t = i as f32 / rate;
        let swell = 0.5 + 0.4 * (7.0 * t).sin();
        (1..8).map(|k| (std::f32::consts::TAU * 140.0 * k as f32 * t).sin() / k as f32).sum::<f32>() * 0.3 * swell
    };
    (0..samples).map(sample).collect()
}
