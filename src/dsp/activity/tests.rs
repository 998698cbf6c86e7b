//! The detector on sounds made here and on the repository's recording.

use std::f64::consts::TAU;

use super::super::reference::noise;
use super::super::resample;
use super::*;

const RATE: u32 = 16_000;
const WINDOW: usize = 48_000;

fn detector() -> Activity {
    Activity::new(RATE, ActivityOptions::default()).unwrap()
}

fn judge(samples: &[f32]) -> Evidence {
    detector().run(samples)
}

/// `tests/audio/speech.wav`.
fn speech() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audio/speech.wav");
    hound::WavReader::open(path).unwrap().samples::<i16>().map(|x| f32::from(x.unwrap()) / 32768.0).collect()
}

fn made(sample: impl Fn(f64) -> f64) -> Vec<f32> {
    (0..WINDOW).map(|i| sample(i as f64 / f64::from(RATE)) as f32).collect()
}

fn harmonics(hz: f64, t: f64) -> f64 {
    (1..=20).map(|k| (TAU * hz * f64::from(k) * t).sin() / f64::from(k)).sum::<f64>() * 0.1
}

/// Noise through a one-pole low-pass: the power falls with 6 dB an octave, as brown noise does.
fn brown(seed: u32) -> Vec<f32> {
    let mut state = 0.0;
    noise(WINDOW, seed)
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
fn speech_is_speech_in_noise_on_the_telephone_and_from_afar() {
    let speech = &speech()[..WINDOW];
    let hiss = noise(WINDOW, 5);
    let at_10_db = plus(speech, &hiss, rms(speech) / rms(&hiss) * 10_f32.powf(-0.5));
    let telephone = resample(&resample(speech, RATE, 8_000).unwrap(), 8_000, RATE).unwrap();
    let quiet: Vec<f32> = speech.iter().map(|x| x * 0.01).collect();
    for (name, samples) in [("clean", speech), ("noisy", &at_10_db), ("telephone", &telephone), ("quiet", &quiet)] {
        let found = judge(samples);
        assert!(found.is_speech, "{name}: {found:?}");
        assert!(found.speech_frames * 3 > found.frames, "{name}: {found:?}");
    }
}

/// The parts of a 3 s window in which somebody says something are found, the rest is not.
#[test]
fn a_word_in_silence_is_found_where_it_is() {
    let mut samples = vec![0.0; WINDOW];
    samples[16_000..28_000].copy_from_slice(&speech()[8_000..20_000]);
    let mut detector = detector();
    assert!(detector.run(&samples).is_speech);
    let inside = detector.speech().iter().enumerate().filter(|(_, speech)| **speech).map(|(t, _)| t * 256);
    assert!(inside.clone().count() > 20);
    assert!(inside.clone().all(|start| start + 1024 > 16_000 && start < 28_000));
    assert_eq!(detector.speech_within(0..WINDOW), inside.count() * 256);
    assert_eq!(detector.speech_within(WINDOW - 16_000..WINDOW), 0);
    assert_eq!(detector.speech_within(7..7), 0);
    for cut in [1, 300, 20_000, 24_321, WINDOW - 1] {
        let parts = detector.speech_within(0..cut) + detector.speech_within(cut..WINDOW);
        assert!(
            parts <= detector.speech_within(0..WINDOW) && parts + 256 >= detector.speech_within(0..WINDOW),
            "{cut}"
        );
    }
}

#[test]
fn other_sounds_are_none() {
    let hiss = noise(WINDOW, 1);
    let chord = |t: f64| [220.0, 277.2, 329.6].iter().map(|f| harmonics(*f, t)).sum::<f64>();
    let cases = [
        ("silence", vec![0.0; WINDOW]),
        ("offset", vec![0.3; WINDOW]),
        ("white noise", hiss.clone()),
        ("brown noise", brown(2)),
        ("beating noise", hiss.iter().zip(0..).map(|(x, i)| x * (1.0 + (i as f32 * 0.00157).sin())).collect()),
        ("tone", made(|t| 0.3 * (TAU * 440.0 * t).sin())),
        ("hum", made(|t| harmonics(50.0, t))),
        ("hum in hiss", plus(&made(|t| harmonics(60.0, t)), &hiss, 0.1)),
        ("drone", made(|t| harmonics(140.0, t))),
        ("chord", made(chord)),
        ("chords with envelopes", made(|t| chord(t * [1.0, 1.26, 0.89][t as usize % 3]) * (-(t % 0.5) / 0.15).exp())),
        ("DTMF", made(|t| if t % 0.2 < 0.1 { (TAU * 770.0 * t).sin() + (TAU * 1336.0 * t).sin() } else { 0.0 })),
        ("sweep", made(|t| (TAU * 100.0 * (2_f64.powf(2.0 * t) - 1.0) / (2.0 * 2_f64.ln())).sin())),
        ("clicks", (0..WINDOW).map(|i| if i % 3000 == 0 { 0.9 } else { 0.0 }).collect()),
    ];
    for (name, samples) in cases {
        let found = judge(&samples);
        assert!(!found.is_speech && found.speech_frames == 0, "{name}: {found:?}");
        assert_eq!(found.snr_db(), None, "{name}");
    }
}

/// White noise at a known ratio: the estimate is within 3 dB. Above that the floor is the quiet tenth of the speech itself.
#[test]
fn the_signal_to_noise_ratio_is_estimated() {
    let speech = &speech()[..WINDOW];
    let hiss = noise(WINDOW, 8);
    for snr in [5.0_f32, 10.0, 20.0] {
        let noisy = plus(speech, &hiss, rms(speech) / rms(&hiss) * 10_f32.powf(-snr / 20.0));
        let found = judge(&noisy).snr_db().unwrap();
        assert!((found - f64::from(snr)).abs() < 3.0, "{snr} dB: {found}");
    }
}

#[test]
fn a_used_detector_judges_like_a_new_one() {
    let speech = speech();
    let mut used = detector();
    for n in [WINDOW, 0, 1_023, 1_024, 5_000, 48_000, 20_000] {
        assert_eq!(used.run(&speech[..n]), judge(&speech[..n]), "{n} samples");
    }
    used.run(&vec![f32::NAN; WINDOW]);
    assert_eq!(used.run(&speech[..WINDOW]), judge(&speech[..WINDOW]));
}

#[test]
fn hostile_samples_are_no_speech() {
    for bad in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
        assert!(!judge(&vec![bad; WINDOW]).is_speech, "{bad}");
    }
    assert!(!judge(&[]).is_speech);
}

#[test]
fn senseless_options_are_named() {
    let message = |options| Activity::new(RATE, options).unwrap_err().to_string();
    assert!(message(ActivityOptions { min_swing_db: f32::NAN, ..Default::default() }).contains("`min_swing_db`"));
    assert!(message(ActivityOptions { max_glide: 0.01, ..Default::default() }).contains("`max_glide`"));
    assert!(Activity::new(3_999, ActivityOptions::default()).unwrap_err().to_string().contains("sample_rate_hz"));
}
