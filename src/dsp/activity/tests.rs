//! The detector on synthetic sounds and on the repository's recording.

use std::f64::consts::TAU;

use super::super::reference::noise;
use super::super::resample;
use super::*;

const RATE: u32 = 16_000;
const CHUNK: usize = 48_000;

fn detector() -> Activity {
    Activity::new(RATE, ActivityOptions::default()).unwrap()
}

fn evidence(samples: &[f32]) -> Evidence {
    detector().run(samples)
}

/// `tests/audio/speech.wav`.
fn speech() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audio/speech.wav");
    hound::WavReader::open(path).unwrap().samples::<i16>().map(|x| f32::from(x.unwrap()) / 32768.0).collect()
}

fn synthesised(sample: impl Fn(f64) -> f64) -> Vec<f32> {
    (0..CHUNK).map(|i| sample(i as f64 / f64::from(RATE)) as f32).collect()
}

fn harmonics(hz: f64, t: f64) -> f64 {
    (1..=20).map(|k| (TAU * hz * f64::from(k) * t).sin() / f64::from(k)).sum::<f64>() * 0.1
}

/// Brown noise: white noise through a one-pole low-pass, whose power falls by 6 dB per octave.
fn brown(seed: u32) -> Vec<f32> {
    let mut state = 0.0;
    noise(CHUNK, seed)
        .iter()
        .map(|x| {
            state = 0.995 * state + 0.02 * x;
            state
        })
        .collect()
}

fn plus(a: &[f32], b: &[f32], gain: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + gain * b).collect()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

#[test]
fn speech_is_detected_in_noise_on_the_telephone_and_at_low_level() {
    let speech = &speech()[..CHUNK];
    let hiss = noise(CHUNK, 5);
    let at_10_db = plus(speech, &hiss, rms(speech) / rms(&hiss) * 10_f32.powf(-0.5));
    let telephone = resample(&resample(speech, RATE, 8_000).unwrap(), 8_000, RATE).unwrap();
    let quiet: Vec<f32> = speech.iter().map(|x| x * 0.01).collect();
    for (name, samples) in [("clean", speech), ("noisy", &at_10_db), ("telephone", &telephone), ("quiet", &quiet)] {
        let found = evidence(samples);
        assert!(found.is_speech, "{name}: {found:?}");
        assert!(found.speech_frames * 3 > found.frames, "{name}: {found:?}");
    }
}

/// Only the part of a 3 s chunk that contains a word is speech.
#[test]
fn a_word_in_silence_is_detected_at_its_position() {
    let mut samples = vec![0.0; CHUNK];
    samples[16_000..28_000].copy_from_slice(&speech()[8_000..20_000]);
    let mut detector = detector();
    assert!(detector.run(&samples).is_speech);
    let inside = detector.speech().iter().enumerate().filter(|(_, speech)| **speech).map(|(t, _)| t * 256);
    assert!(inside.clone().count() > 20);
    assert!(inside.clone().all(|start| start + 1024 > 16_000 && start < 28_000));
    assert_eq!(detector.speech_within(0..CHUNK), inside.count() * 256);
    assert_eq!(detector.speech_within(CHUNK - 16_000..CHUNK), 0);
    assert_eq!(detector.speech_within(7..7), 0);
    for cut in [1, 300, 20_000, 24_321, CHUNK - 1] {
        let parts = detector.speech_within(0..cut) + detector.speech_within(cut..CHUNK);
        assert!(parts <= detector.speech_within(0..CHUNK) && parts + 256 >= detector.speech_within(0..CHUNK), "{cut}");
    }
}

#[test]
fn other_sounds_are_not_speech() {
    let hiss = noise(CHUNK, 1);
    let chord = |t: f64| [220.0, 277.2, 329.6].iter().map(|f| harmonics(*f, t)).sum::<f64>();
    let cases = [
        ("silence", vec![0.0; CHUNK]),
        ("offset", vec![0.3; CHUNK]),
        ("white noise", hiss.clone()),
        ("brown noise", brown(2)),
        ("beating noise", hiss.iter().zip(0..).map(|(x, i)| x * (1.0 + (i as f32 * 0.00157).sin())).collect()),
        ("tone", synthesised(|t| 0.3 * (TAU * 440.0 * t).sin())),
        ("hum", synthesised(|t| harmonics(50.0, t))),
        ("hum in hiss", plus(&synthesised(|t| harmonics(60.0, t)), &hiss, 0.1)),
        ("drone", synthesised(|t| harmonics(140.0, t))),
        ("chord", synthesised(chord)),
        (
            "chords with envelopes",
            synthesised(|t| chord(t * [1.0, 1.26, 0.89][t as usize % 3]) * (-(t % 0.5) / 0.15).exp()),
        ),
        ("DTMF", synthesised(|t| if t % 0.2 < 0.1 { (TAU * 770.0 * t).sin() + (TAU * 1336.0 * t).sin() } else { 0.0 })),
        ("sweep", synthesised(|t| (TAU * 100.0 * (2_f64.powf(2.0 * t) - 1.0) / (2.0 * 2_f64.ln())).sin())),
        ("clicks", (0..CHUNK).map(|i| if i % 3000 == 0 { 0.9 } else { 0.0 }).collect()),
    ];
    for (name, samples) in cases {
        let found = evidence(&samples);
        assert!(!found.is_speech && found.speech_frames == 0, "{name}: {found:?}");
        assert_eq!(found.snr_db(), None, "{name}");
    }
}

/// With white noise at a known ratio the estimate is within 3 dB. At higher ratios the floor is the
/// speech's own 10th percentile.
#[test]
fn the_signal_to_noise_ratio_is_estimated() {
    let speech = &speech()[..CHUNK];
    let hiss = noise(CHUNK, 8);
    for snr in [5.0_f32, 10.0, 20.0] {
        let noisy = plus(speech, &hiss, rms(speech) / rms(&hiss) * 10_f32.powf(-snr / 20.0));
        let found = evidence(&noisy).snr_db().unwrap();
        assert!((found - f64::from(snr)).abs() < 3.0, "{snr} dB: {found}");
    }
}

#[test]
fn a_reused_detector_equals_a_new_one() {
    let speech = speech();
    let mut used = detector();
    for n in [CHUNK, 0, 1_023, 1_024, 5_000, 48_000, 20_000] {
        assert_eq!(used.run(&speech[..n]), evidence(&speech[..n]), "{n} samples");
    }
    used.run(&vec![f32::NAN; CHUNK]);
    assert_eq!(used.run(&speech[..CHUNK]), evidence(&speech[..CHUNK]));
}

#[test]
fn samples_that_are_not_finite_or_extreme_are_not_speech() {
    for bad in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
        assert!(!evidence(&vec![bad; CHUNK]).is_speech, "{bad}");
    }
    assert!(!evidence(&[]).is_speech);
}

#[test]
fn invalid_options_are_named() {
    let message = |options| Activity::new(RATE, options).unwrap_err().to_string();
    assert!(message(ActivityOptions { min_swing_db: f32::NAN, ..Default::default() }).contains("`min_swing_db`"));
    assert!(message(ActivityOptions { max_glide: 0.01, ..Default::default() }).contains("`max_glide`"));
    assert!(Activity::new(3_999, ActivityOptions::default()).unwrap_err().to_string().contains("sample_rate_hz"));
}
