//! References of this layer's tests: naive implementations of the front-ends in f64 (the DFT as a
//! sum, dense mel filter banks), golden tensors from numpy, and recordings where they are
//! available.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::SafeTensors;

use super::speechbrain::SpeechBrainFbankOptions;
use super::{LogMelOptions, MfccOptions};

/// Uniform noise in [−1, 1), reproducible by its seed (linear congruential generator with Numerical
/// Recipes' constants).
pub(super) fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// |DFT|² of `[n]` at bins 0 to n / 2, by the definition.
pub(super) fn dft_power(frame: &[f64]) -> Vec<f64> {
    let n = frame.len();
    let turn: Vec<(f64, f64)> = (0..n).map(|i| (2.0 * PI * i as f64 / n as f64).sin_cos()).collect();
    let bin = |k: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, x) in frame.iter().enumerate() {
            let (sin, cos) = turn[k * i % n];
            re += x * cos;
            im -= x * sin;
        }
        re * re + im * im
    };
    (0..=n / 2).map(bin).collect()
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < 1000.0 { hz * 3.0 / 200.0 } else { 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln() }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * 6.4f64.powf((mel - 15.0) / 27.0) }
}

/// librosa's filter bank `[n_mels][n_fft / 2 + 1]`.
pub(super) fn mel_matrix(rate: u32, n_fft: usize, n_mels: usize, f_min: f64, f_max: f64) -> Vec<Vec<f64>> {
    let (low, high) = (hz_to_mel(f_min), hz_to_mel(f_max));
    let edge = |i: usize| mel_to_hz(low + (high - low) * i as f64 / (n_mels + 1) as f64);
    let weight = |b: usize, k: usize| {
        let hz = k as f64 * f64::from(rate) / n_fft as f64;
        let rising = (hz - edge(b)) / (edge(b + 1) - edge(b));
        let falling = (edge(b + 2) - hz) / (edge(b + 2) - edge(b + 1));
        rising.min(falling).max(0.0) * 2.0 / (edge(b + 2) - edge(b))
    };
    (0..n_mels).map(|b| (0..=n_fft / 2).map(|k| weight(b, k)).collect()).collect()
}

fn htk_mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

fn htk_hz(mel: f64) -> f64 {
    700.0 * ((mel / 1127.0).exp() - 1.0)
}

/// Kaldi's filter bank `[n_mels][n_fft / 2 + 1]`: triangles in mel, height 1.
pub(super) fn kaldi_matrix(rate: f64, n_fft: usize, n_mels: usize, f_min: f64, f_max: f64) -> Vec<Vec<f64>> {
    let (low, high) = (htk_mel(f_min), htk_mel(f_max));
    let step = (high - low) / (n_mels + 1) as f64;
    let weight = |b: usize, k: usize| {
        let steps = (htk_mel(k as f64 * rate / n_fft as f64) - low) / step;
        (1.0 - (steps - (b + 1) as f64).abs()).max(0.0)
    };
    (0..n_mels).map(|b| (0..=n_fft / 2).map(|k| weight(b, k)).collect()).collect()
}

/// SpeechBrain's filter bank `[n_mels][n_fft / 2 + 1]`: symmetric in Hz with the width of the lower
/// side, height 1.
pub(super) fn speechbrain_matrix(rate: u32, n_fft: usize, n_mels: usize, f_min: f64, f_max: f64) -> Vec<Vec<f64>> {
    let (low, high) = (htk_mel(f_min), htk_mel(f_max));
    let edge = |i: usize| htk_hz(low + (high - low) * i as f64 / (n_mels + 1) as f64);
    let weight = |b: usize, k: usize| {
        let hz = k as f64 * f64::from(rate) / n_fft as f64;
        (1.0 - ((hz - edge(b + 1)) / (edge(b + 1) - edge(b))).abs()).max(0.0)
    };
    (0..n_mels).map(|b| (0..=n_fft / 2).map(|k| weight(b, k)).collect()).collect()
}

/// The log-mel spectrogram `[frames, n_mels]`, dB.
pub(super) fn logmel(samples: &[f32], options: &LogMelOptions) -> Vec<f64> {
    let LogMelOptions { sample_rate_hz, n_fft, hop_length, n_mels, f_min_hz, f_max_hz, amin, top_db, .. } = *options;
    let bank = mel_matrix(sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz);
    let mut padded = vec![0.0; n_fft / 2];
    padded.extend(samples.iter().map(|x| f64::from(*x)));
    padded.resize(samples.len() + n_fft, 0.0);
    let mut mel = Vec::new();
    for t in 0..=samples.len() / hop_length {
        let frame: Vec<f64> = (0..n_fft)
            .map(|i| padded[t * hop_length + i] * (0.5 - 0.5 * (2.0 * PI * i as f64 / n_fft as f64).cos()))
            .collect();
        let power = dft_power(&frame);
        mel.extend(bank.iter().map(|row| row.iter().zip(&power).map(|(w, p)| w * p).sum::<f64>()));
    }
    let loudest = mel.iter().copied().fold(amin, f64::max);
    mel.iter().map(|m| (10.0 * (m.max(amin) / loudest).log10()).max(-top_db)).collect()
}

/// SpeechBrain's fbank `[frames, n_mels]`, dB.
pub(super) fn speechbrain(samples: &[f32], options: &SpeechBrainFbankOptions) -> Vec<f64> {
    let SpeechBrainFbankOptions { sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz, amin, top_db, .. } = *options;
    let in_samples = |ms: f64| (f64::from(sample_rate_hz) / 1000.0 * ms).round_ties_even() as usize;
    let (win, hop) = (in_samples(options.win_length_ms), in_samples(options.hop_length_ms));
    let bank = speechbrain_matrix(sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz);
    let hamming = |i: usize| 0.54 - 0.46 * (2.0 * PI * i as f64 / win as f64).cos();
    let mut db = Vec::new();
    for t in 0..=samples.len() / hop {
        let frame: Vec<f64> = (0..n_fft)
            .map(|i| {
                let in_window = i.checked_sub((n_fft - win) / 2).filter(|i| *i < win);
                let sample = (t * hop + i).checked_sub(n_fft / 2).and_then(|i| samples.get(i));
                in_window.zip(sample).map_or(0.0, |(i, x)| hamming(i) * f64::from(*x))
            })
            .collect();
        let power = dft_power(&frame);
        db.extend(bank.iter().map(|row| {
            let energy: f64 = row.iter().zip(&power).map(|(w, p)| w * p).sum();
            10.0 * energy.max(amin).log10()
        }));
    }
    let loudest = db.iter().copied().fold(f64::MIN, f64::max);
    db.iter().map(|d| d.max(loudest - top_db)).collect()
}

/// The largest absolute difference of two features of one shape.
pub(super) fn largest_difference(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let differences = got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs());
    differences.fold(0.0, |largest, d| if d > largest || d.is_nan() { d } else { largest })
}

/// The first `n_out` coefficients of the orthonormal DCT-II.
pub(super) fn dct(x: &[f64], n_out: usize) -> Vec<f64> {
    let n = x.len() as f64;
    let sum =
        |k: usize| -> f64 { x.iter().enumerate().map(|(i, v)| v * (PI * k as f64 * (i as f64 + 0.5) / n).cos()).sum() };
    (0..n_out).map(|k| sum(k) * (if k == 0 { 1.0 } else { 2.0 } / n).sqrt()).collect()
}

/// MFCC `[frames, n_mfcc]`.
pub(super) fn mfcc(samples: &[f32], options: &MfccOptions) -> Vec<f64> {
    logmel(samples, &options.logmel).chunks(options.logmel.n_mels).flat_map(|row| dct(row, options.n_mfcc)).collect()
}

/// A tensor of tests/golden/frontend.safetensors, written by tools/golden/frontend.py.
pub(super) fn golden(name: &str) -> Vec<f32> {
    golden_in("frontend", name)
}

/// A tensor of a file in tests/golden.
pub(super) fn golden_in(file: &str, name: &str) -> Vec<f32> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    tensor(&folder.join(format!("{file}.safetensors")), name)
}

fn tensor(path: &Path, name: &str) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensor(name).unwrap().data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Features of a recording by kaldi-native-fbank or SpeechBrain, written by `tools/golden/kaldi.py
/// features` to the folder in the variable `PERSONA_KALDI_FEATURES`; `None` without it. For manual
/// checks.
pub(super) fn toolkit_features(recording: &str, name: &str) -> Option<Vec<f64>> {
    let Some(folder) = std::env::var_os("PERSONA_KALDI_FEATURES").map(PathBuf::from) else {
        println!("skipped: PERSONA_KALDI_FEATURES is not set");
        return None;
    };
    let features = tensor(&folder.join(format!("{recording}.safetensors")), name);
    Some(features.into_iter().map(f64::from).collect())
}

/// Asserts that every value differs by at most `tolerance` times the largest expected one.
pub(super) fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().copied().fold(0.0, |a: f32, b| a.max(b.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * largest, "{what}[{i}]: {g} against {w}, largest {largest}");
    }
}

/// The folder with recordings that are too large for the repository, or not licensed for it.
pub(super) fn data_folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    std::env::var_os("PERSONA_DATA").map_or(default, PathBuf::from)
}

/// The available CREMA-D recordings: name, and samples at 16 kHz.
pub(super) fn crema_d_wavs() -> Vec<(String, Vec<f32>)> {
    let folder = data_folder().join("speech/crema_d_wav");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: no recordings in {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "wav")).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let mut reader = hound::WavReader::open(path).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.spec().channels, reader.spec().bits_per_sample), (16_000, 1, 16));
        let samples = reader.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32_768.0).collect();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), samples)
    };
    paths.iter().map(read).collect()
}

/// The stored training features of a clip, `[frames, 128]`: 0 is −80 dB, 255 is 0 dB.
pub(super) fn stored_features(name: &str) -> Option<Vec<u8>> {
    static FEATURES: OnceLock<Option<HashMap<String, Vec<u8>>>> = OnceLock::new();
    let load = || {
        let bytes = fs::read(data_folder().join("crema_d/logmel_u8.safetensors")).ok()?;
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let wanted = crema_d_wavs().into_iter().map(|(name, _)| name);
        Some(wanted.map(|name| (name.clone(), file.tensor(&name).unwrap().data().to_vec())).collect())
    };
    FEATURES.get_or_init(load).as_ref().map(|features| features[name].clone())
}
