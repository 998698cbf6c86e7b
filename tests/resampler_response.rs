//! What the resampler does to tones: level, phase, aliases and images, measured by least-squares fits in f64.

#![allow(clippy::unwrap_used)] // tests, and what only they call

use std::f64::consts::PI;

use persona_engine::dsp::resample;

/// Pairs of rates: down and up, with exact and with interpolated tables.
const RATES: [(u32, u32); 16] = [
    (48_000, 16_000),
    (44_100, 16_000),
    (32_000, 16_000),
    (24_000, 16_000),
    (22_050, 16_000),
    (96_000, 16_000),
    (192_000, 16_000),
    (384_000, 16_000),
    (44_101, 16_000),
    (16_001, 16_000),
    (15_999, 16_000),
    (11_025, 16_000),
    (8_000, 16_000),
    (4_000, 16_000),
    (16_000, 44_100),
    (16_000, 44_101),
];

/// Phase of all tones at time 0: an odd value, so that sine and cosine both take part.
const START: f64 = 0.7;

fn tone(hz: f64, rate: u32) -> Vec<f32> {
    let n = f64::from(rate) * 0.4;
    (0..n as usize).map(|i| (2.0 * PI * hz * i as f64 / f64::from(rate) + START).cos() as f32).collect()
}

/// What a tone became, away from the edges of the signal.
struct Response {
    /// Level of the tone's own frequency relative to the input, dB.
    gain_db: f64,
    /// Its phase at time 0, less the input's, rad.
    phase: f64,
    /// Everything else (aliases, images, noise) as an RMS relative to the input tone's, dB.
    rest_db: f64,
}

/// Fits `a cos + b sin` of the tone's frequency to the output by least squares; the rest is what the fit leaves.
fn measure(hz: f64, in_hz: u32, out_hz: u32) -> Response {
    let output = resample(&tone(hz, in_hz), in_hz, out_hz).unwrap();
    let edge = 140 * out_hz as usize / in_hz.min(out_hz) as usize;
    let (mut cc, mut cs, mut ss, mut cy, mut sy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let middle = || {
        (edge..output.len() - edge).map(|k| {
            let (s, c) = (2.0 * PI * hz * k as f64 / f64::from(out_hz)).sin_cos();
            (c, s, f64::from(output[k]))
        })
    };
    for (c, s, y) in middle() {
        cc += c * c;
        cs += c * s;
        ss += s * s;
        cy += c * y;
        sy += s * y;
    }
    let determinant = cc * ss - cs * cs;
    let (a, b) = ((cy * ss - sy * cs) / determinant, (sy * cc - cy * cs) / determinant);
    let rest: f64 = middle().map(|(c, s, y)| (y - a * c - b * s).powi(2)).sum();
    let n = (output.len() - 2 * edge) as f64;
    Response {
        gain_db: 20.0 * a.hypot(b).log10(),
        phase: (-b).atan2(a) - START,
        rest_db: 10.0 * (rest / n / 0.5).log10(),
    }
}

fn lower_nyquist(in_hz: u32, out_hz: u32) -> f64 {
    f64::from(in_hz.min(out_hz)) / 2.0
}

/// `n` frequencies from `low` to `high` at odd distances, so that no pattern of the rates is hit or missed by all.
fn sweep(low: f64, high: f64, n: usize) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| low + (high - low) * ((i as f64 + 0.5) / n as f64 + 0.003 * (i as f64 * 1.7).sin() / n as f64))
}

#[test]
fn flat_and_clean_to_90_percent_of_the_lower_nyquist() {
    for (in_hz, out_hz) in RATES {
        let nyquist = lower_nyquist(in_hz, out_hz);
        let (mut ripple, mut rest) = (0.0f64, f64::MIN);
        for hz in sweep(20.0, 0.9 * nyquist, 40).chain([0.9 * nyquist]) {
            let response = measure(hz, in_hz, out_hz);
            ripple = ripple.max(response.gain_db.abs());
            rest = rest.max(response.rest_db);
        }
        println!("{in_hz} to {out_hz}: ripple {ripple:.5} dB, images and aliases {rest:.1} dB");
        assert!(ripple <= 0.1, "{in_hz} to {out_hz}: ripple {ripple} dB");
        assert!(ripple <= 0.001, "{in_hz} to {out_hz}: ripple {ripple} dB is more than the design's");
        assert!(rest <= -90.0, "{in_hz} to {out_hz}: {rest} dB");
    }
}

/// Between 90 % of the lower Nyquist frequency and the input's own, nothing may appear at another frequency; above the lower
/// Nyquist frequency nothing may be left at all.
#[test]
fn tones_above_the_pass_band_leave_no_aliases_and_no_images() {
    for (in_hz, out_hz) in RATES {
        let nyquist = lower_nyquist(in_hz, out_hz);
        let mut worst = f64::MIN;
        for hz in sweep(0.9 * nyquist, 0.995 * nyquist, 20) {
            worst = worst.max(measure(hz, in_hz, out_hz).rest_db);
        }
        if in_hz > out_hz {
            let own = f64::from(in_hz) / 2.0;
            // Close to the edge, where the filter falls, then all the way up.
            for hz in sweep(nyquist, (1.1 * nyquist).min(own), 20).chain(sweep(nyquist, own, 60)) {
                let output = resample(&tone(hz, in_hz), in_hz, out_hz).unwrap();
                let middle = &output[140..output.len() - 140];
                let power: f64 = middle.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>() / middle.len() as f64;
                worst = worst.max(10.0 * (power / 0.5).log10());
            }
        }
        println!("{in_hz} to {out_hz}: {worst:.1} dB");
        assert!(worst <= -90.0, "{in_hz} to {out_hz}: {worst} dB");
    }
}

#[test]
fn a_1_khz_tone_keeps_its_phase() {
    for (in_hz, out_hz) in RATES {
        let phase = measure(1000.0, in_hz, out_hz).phase;
        println!("{in_hz} to {out_hz}: {phase:.1e} rad");
        assert!(phase.abs() <= 1e-3, "{in_hz} to {out_hz}: {phase} rad");
        assert!(phase.abs() <= 1e-6, "{in_hz} to {out_hz}: {phase} rad is more than rounding");
    }
}

/// There and back is the identity for a band-limited signal, away from the edges.
#[test]
fn up_and_down_again_gives_the_signal_back() {
    for other in [44_100, 48_000, 44_101, 384_000] {
        let mut signal = vec![0.0f32; 8000];
        for hz in [110.0, 997.0, 3501.0, 7190.0] {
            for (x, t) in signal.iter_mut().zip(tone(hz, 16_000).iter().cycle()) {
                *x += 0.25 * t;
            }
        }
        let signal = &signal[..6400]; // one tone long
        let back = resample(&resample(signal, 16_000, other).unwrap(), other, 16_000).unwrap();
        for k in 300..6100 {
            assert!((back[k] - signal[k]).abs() < 5e-5, "{other} Hz, sample {k}: {} against {}", back[k], signal[k]);
        }
    }
}
