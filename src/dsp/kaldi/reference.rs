//! Reference implementation of Kaldi's front-ends in f64, and the options of the golden files.

use std::f64::consts::PI;

use super::{FbankOptions, FrameOptions, KaldiMfccOptions, MelOptions, SampleScale};
use crate::dsp::reference::{dct, dft_power, kaldi_matrix};
use crate::dsp::window::WindowType;

/// Kaldi's lower bound of an energy: `FLT_EPSILON`.
const EPSILON: f64 = 1.192_092_895_507_812_5e-7;

/// Sample i of the signal, reflected at its ends as often as needed.
fn reflected(samples: &[f32], mut i: i64) -> f64 {
    let n = samples.len() as i64;
    while i < 0 || i >= n {
        i = if i < 0 { -i - 1 } else { 2 * n - 1 - i };
    }
    f64::from(samples[i as usize])
}

fn window(options: &FrameOptions, n: usize) -> Vec<f64> {
    let weight = |i: usize| {
        let phi = 2.0 * PI * i as f64 / (n - 1) as f64;
        let c = f64::from(options.blackman_coeff);
        match options.window_type {
            WindowType::Povey => (0.5 - 0.5 * phi.cos()).powf(0.85),
            WindowType::Hamming => 0.54 - 0.46 * phi.cos(),
            WindowType::Hanning => 0.5 - 0.5 * phi.cos(),
            WindowType::Rectangular => 1.0,
            WindowType::Blackman => c - 0.5 * phi.cos() + (0.5 - c) * (2.0 * phi).cos(),
        }
    };
    (0..n).map(weight).collect()
}

/// First sample of each frame.
fn starts(options: &FrameOptions, n_samples: usize, n: i64, shift: i64) -> Vec<i64> {
    let n_samples = n_samples as i64;
    if options.snip_edges {
        (0..n_samples).step_by(shift as usize).filter(|first| first + n <= n_samples).collect()
    } else {
        (0..(n_samples + shift / 2) / shift).map(|t| t * shift + shift / 2 - n / 2).collect()
    }
}

/// The padded frames, each with its log energy.
fn frames(samples: &[f32], options: &FrameOptions, raw_energy: bool) -> Vec<(Vec<f64>, f64)> {
    let in_samples = |ms: f32| (f64::from(options.samp_freq) * 0.001 * f64::from(ms)) as usize;
    let (n, shift) = (in_samples(options.frame_length_ms), in_samples(options.frame_shift_ms));
    let padded = if options.round_to_power_of_two { n.next_power_of_two() } else { n };
    let scale = if options.sample_scale == SampleScale::Int16 { 32_768.0 } else { 1.0 };
    let (window, c) = (window(options, n), f64::from(options.preemph_coeff));
    let energy = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().max(EPSILON).ln();
    let frame = |first: i64| {
        let mut x: Vec<f64> = (0..n as i64).map(|i| scale * reflected(samples, first + i)).collect();
        let mean = if options.remove_dc_offset { x.iter().sum::<f64>() / n as f64 } else { 0.0 };
        for x in &mut x {
            *x -= mean;
        }
        let mut y: Vec<f64> = (0..n).map(|i| (x[i] - c * x[i.saturating_sub(1)]) * window[i]).collect();
        y.resize(padded, 0.0);
        let log_energy = energy(if raw_energy { &x } else { &y });
        (y, log_energy)
    };
    starts(options, samples.len(), n as i64, shift as i64).into_iter().map(frame).collect()
}

/// Band energies `[num_bins]` of a padded frame.
fn bands(frame: &[f64], bank: &[Vec<f64>], use_power: bool) -> Vec<f64> {
    let power = dft_power(frame);
    let strength = |p: &f64| if use_power { *p } else { p.sqrt() };
    bank.iter().map(|row| row.iter().zip(&power).map(|(w, p)| w * strength(p)).sum()).collect()
}

fn bank(frame: &FrameOptions, mel: &MelOptions) -> Vec<Vec<f64>> {
    let (rate, high) = (f64::from(frame.samp_freq), f64::from(mel.high_freq));
    let high = if high > 0.0 { high } else { rate / 2.0 + high };
    kaldi_matrix(rate, frame.n_fft(), mel.num_bins, f64::from(mel.low_freq), high)
}

fn floored(log_energy: f64, energy_floor: f32) -> f64 {
    if energy_floor > 0.0 { log_energy.max(f64::from(energy_floor).ln()) } else { log_energy }
}

/// Kaldi's fbank `[frames, dim]`.
pub(super) fn fbank(samples: &[f32], options: &FbankOptions) -> Vec<f64> {
    let bank = bank(&options.frame_opts, &options.mel_opts);
    let row = |(frame, log_energy): (Vec<f64>, f64)| {
        let mut row = bands(&frame, &bank, options.use_power);
        if options.use_log_fbank {
            for b in &mut row {
                *b = b.max(EPSILON).ln();
            }
        }
        if options.use_energy {
            row.insert(if options.htk_compat { row.len() } else { 0 }, floored(log_energy, options.energy_floor));
        }
        row
    };
    frames(samples, &options.frame_opts, options.raw_energy).into_iter().flat_map(row).collect()
}

/// Kaldi's MFCC `[frames, num_ceps]`.
pub(super) fn mfcc(samples: &[f32], options: &KaldiMfccOptions) -> Vec<f64> {
    let bank = bank(&options.frame_opts, &options.mel_opts);
    let q = f64::from(options.cepstral_lifter);
    let row = |(frame, log_energy): (Vec<f64>, f64)| {
        let logs: Vec<f64> = bands(&frame, &bank, true).iter().map(|b| b.max(EPSILON).ln()).collect();
        let mut row = dct(&logs, options.num_ceps);
        for (k, c) in row.iter_mut().enumerate().filter(|_| q != 0.0) {
            *c *= 1.0 + 0.5 * q * (PI * k as f64 / q).sin();
        }
        if options.use_energy {
            row[0] = floored(log_energy, options.energy_floor);
        }
        if options.htk_compat {
            let first = row.remove(0);
            row.push(if options.use_energy { first } else { first * 2.0f64.sqrt() });
        }
        row
    };
    frames(samples, &options.frame_opts, options.raw_energy).into_iter().flat_map(row).collect()
}

/// The fbank options of the golden file, by their names there (tools/golden/kaldi.py has the same
/// table).
pub(super) fn fbank_options() -> Vec<(&'static str, FbankOptions)> {
    let default = FbankOptions::default;
    let frame = FrameOptions::default;
    let bins = |num_bins| MelOptions { num_bins, ..MelOptions::default() };
    vec![
        ("default", default()),
        (
            "speaker80",
            FbankOptions {
                frame_opts: FrameOptions { sample_scale: SampleScale::Unit, ..frame() },
                mel_opts: bins(80),
                ..default()
            },
        ),
        (
            "reflected",
            FbankOptions {
                frame_opts: FrameOptions { snip_edges: false, window_type: WindowType::Hamming, ..frame() },
                mel_opts: bins(40),
                ..default()
            },
        ),
        (
            "energy",
            FbankOptions {
                frame_opts: FrameOptions { window_type: WindowType::Hanning, ..frame() },
                use_energy: true,
                energy_floor: 1e8,
                ..default()
            },
        ),
        (
            "htk",
            FbankOptions {
                frame_opts: FrameOptions { window_type: WindowType::Hamming, remove_dc_offset: false, ..frame() },
                mel_opts: MelOptions { num_bins: 26, low_freq: 0.0, high_freq: 0.0 },
                use_energy: true,
                raw_energy: false,
                htk_compat: true,
                ..default()
            },
        ),
        (
            "telephone",
            FbankOptions {
                frame_opts: FrameOptions { samp_freq: 8000, snip_edges: false, ..frame() },
                mel_opts: MelOptions { num_bins: 24, low_freq: 60.0, high_freq: -400.0 },
                ..default()
            },
        ),
        (
            "magnitude",
            FbankOptions {
                frame_opts: FrameOptions { window_type: WindowType::Rectangular, preemph_coeff: 0.0, ..frame() },
                use_power: false,
                ..default()
            },
        ),
        (
            "blackman400",
            FbankOptions {
                frame_opts: FrameOptions {
                    window_type: WindowType::Blackman,
                    blackman_coeff: 0.4,
                    round_to_power_of_two: false,
                    frame_shift_ms: 12.5,
                    ..frame()
                },
                mel_opts: MelOptions { num_bins: 30, low_freq: 100.0, high_freq: 7000.0 },
                ..default()
            },
        ),
        ("linear", FbankOptions { use_log_fbank: false, ..default() }),
    ]
}

/// The MFCC options of the golden file, by their names there.
pub(super) fn mfcc_options() -> Vec<(&'static str, KaldiMfccOptions)> {
    let default = KaldiMfccOptions::default;
    let frame = FrameOptions::default;
    vec![
        ("default", default()),
        (
            "sre16",
            KaldiMfccOptions {
                frame_opts: FrameOptions { samp_freq: 8000, snip_edges: false, ..frame() },
                mel_opts: MelOptions { num_bins: 23, low_freq: 20.0, high_freq: 3700.0 },
                num_ceps: 23,
                ..default()
            },
        ),
        (
            "voxceleb",
            KaldiMfccOptions {
                frame_opts: FrameOptions { snip_edges: false, ..frame() },
                mel_opts: MelOptions { num_bins: 30, low_freq: 20.0, high_freq: 7600.0 },
                num_ceps: 30,
                ..default()
            },
        ),
        ("htk", KaldiMfccOptions { use_energy: false, htk_compat: true, ..default() }),
        (
            "plain",
            KaldiMfccOptions {
                frame_opts: FrameOptions { sample_scale: SampleScale::Unit, ..frame() },
                use_energy: false,
                cepstral_lifter: 0.0,
                ..default()
            },
        ),
        ("windowed_energy", KaldiMfccOptions { raw_energy: false, htk_compat: true, energy_floor: 1e8, ..default() }),
    ]
}
