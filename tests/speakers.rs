//! Speaker diarization: synthesised speech of two voices, and what must be true whatever the
//! recording.
#![cfg(embedded_weights)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::path::Path;

use persona_engine::dsp::Resampler;
use persona_engine::{Catalogue, Engine, Error, LoadOptions, NoAnswer, Options, Recording, Report, Speakers, Timeline};
use serde_json::Value;

const RATE: u32 = 16_000;

/// The synthesised speech of the repository, about 4 s.
fn voice() -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio/speech.wav");
    let mut reader = hound::WavReader::open(path).unwrap();
    reader.samples::<i16>().map(|x| f32::from(x.unwrap()) / 32_768.0).collect()
}

/// The same speech by a smaller person: faster and higher by this factor.
fn higher(samples: &[f32], factor: f64) -> Vec<f32> {
    let mut resampler = Resampler::new((f64::from(RATE) * factor) as u32, RATE).unwrap();
    let mut output = Vec::new();
    resampler.process(samples, &mut output);
    resampler.finish(&mut output);
    output
}

/// Two voices in turn with pauses: low, high, low, high. Returns the samples and the turns, seconds.
fn conversation() -> (Vec<f32>, Vec<(usize, f64, f64)>) {
    let voices = [voice(), higher(&voice(), 1.5)];
    let (mut samples, mut turns) = (Vec::new(), Vec::new());
    for n in 0..4 {
        samples.extend(vec![0.0; RATE as usize]);
        let start = samples.len() as f64 / f64::from(RATE);
        samples.extend_from_slice(&voices[n % 2]);
        turns.push((n % 2, start, samples.len() as f64 / f64::from(RATE)));
    }
    samples.extend(vec![0.0; RATE as usize / 2]);
    (samples, turns)
}

fn engine(options: Options) -> Engine {
    Engine::with_default_model(options).unwrap()
}

fn with(speakers: Speakers) -> Options {
    Options { speakers: Some(speakers), ..Options::default() }
}

fn infer(options: Options, samples: &[f32], channels: u16) -> Report {
    engine(options).infer(Recording::samples(samples.to_vec(), RATE, channels)).unwrap()
}

/// JSON without the times.
fn json(report: &Report) -> Value {
    let mut object = serde_json::to_value(report).unwrap();
    object.as_object_mut().unwrap().remove("timings_ms");
    object
}

/// Seconds of a turn in which the speaker with this number speaks.
fn share(report: &Report, speaker: usize, start: f64, end: f64) -> f64 {
    let turns = report.voices[speaker].turns.iter().flatten();
    turns.map(|turn| (turn.end_s.min(end) - turn.start_s.max(start)).max(0.0)).sum()
}

#[test]
fn two_voices_in_turn_are_two_speakers() {
    let (samples, turns) = conversation();
    let report = infer(with(Speakers::default()), &samples, 1);
    assert_eq!(report.voices.iter().map(|voice| voice.speaker).collect::<Vec<_>>(), [Some(1), Some(2)]);
    for (speaker, start, end) in turns {
        assert!(share(&report, speaker, start, end) > 0.7 * (end - start), "{start} to {end}");
        assert!(share(&report, 1 - speaker, start, end) < 0.1 * (end - start), "{start} to {end}");
    }
    for voice in &report.voices {
        let turns = voice.turns.as_ref().unwrap();
        let length: f64 = turns.iter().map(|turn| turn.end_s - turn.start_s).sum();
        assert!((voice.speech_s.unwrap() - length).abs() < 0.01);
        assert!(turns.windows(2).all(|pair| pair[0].end_s < pair[1].start_s));
        assert!(turns.iter().all(|turn| turn.overlap_s == Some(0.0)), "nobody speaks at the same time");
        assert!(voice.predictions.gender.is_some() && voice.summary.is_some() && voice.chunks > 0);
    }
    let object = json(&report);
    assert_eq!(object["speakers"].as_array().unwrap().len(), 2);
    assert!(object.get("emotion").is_none() && object["speakers"][0]["turns"][0]["overlap_s"] == 0.0);
}

#[test]
fn the_number_of_speakers_can_be_stated() {
    let (samples, _) = conversation();
    assert_eq!(infer(with(Speakers::exactly(1)), &samples, 1).voices.len(), 1);
    assert_eq!(infer(with(Speakers::exactly(2)), &samples, 1).voices.len(), 2);
}

#[test]
fn threads_and_block_sizes_make_no_difference() {
    let (samples, _) = conversation();
    let one = json(&infer(with(Speakers::default()), &samples, 1));
    assert_eq!(json(&infer(Options { threads: 3, ..with(Speakers::default()) }, &samples, 1)), one);
}

#[test]
fn speakers_of_two_channels_are_numbered_through() {
    let (low, high) = (voice(), higher(&voice(), 1.5));
    let silence = vec![0.0; low.len()];
    let interleave = |a: &[f32], b: &[f32]| a.iter().zip(b).flat_map(|(a, b)| [*a, *b]).collect::<Vec<f32>>();
    let options = || Options { per_channel: true, ..with(Speakers::default()) };
    let mut second = high;
    second.resize(low.len(), 0.0);
    let report = infer(options(), &interleave(&low, &second), 2);
    let found: Vec<_> = report.voices.iter().map(|voice| (voice.channel, voice.speaker)).collect();
    assert_eq!(found, [(Some(1), Some(1)), (Some(2), Some(2))]);
    let report = infer(options(), &interleave(&low, &silence), 2);
    let found: Vec<_> = report.voices.iter().map(|voice| (voice.channel, voice.speaker)).collect();
    assert_eq!(found, [(Some(1), Some(1)), (Some(2), None)]);
    let object = json(&report);
    assert_eq!(object["speakers"].as_array().unwrap().len(), 1);
    assert_eq!(object["per_channel"][0]["no_answer"]["reason"], "silence");
}

#[test]
fn without_speech_there_are_no_speakers() {
    for (samples, reason) in [(vec![0.0; 48_000], NoAnswer::Silence), (vec![0.1; 1_000], NoAnswer::TooShort)] {
        let report = infer(with(Speakers::default()), &samples, 1);
        let [voice] = &report.voices[..] else { unreachable!("one voice") };
        assert_eq!((voice.speaker, voice.no_answer), (None, Some(reason)));
        assert_eq!(json(&report)["speakers"], serde_json::json!([]));
    }
}

#[test]
fn models_without_campplus_and_timelines_are_refused() {
    let model = Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap();
    let message = Engine::new(model, with(Speakers::default())).unwrap_err().to_string();
    assert!(message.contains("`xvector-cnn`") && message.contains("campplus-fcn"), "{message}");
    let both = Options { timeline: Some(Timeline::default()), ..with(Speakers::default()) };
    assert!(matches!(Engine::with_default_model(both), Err(Error::Usage(_))));
}

/// A gain of the recording changes no speaker and no turn.
#[test]
fn the_level_makes_no_difference_to_the_turns() {
    let (samples, _) = conversation();
    let quiet: Vec<f32> = samples.iter().map(|x| x / 64.0).collect();
    let turns = |report: Report| -> Vec<(f64, f64)> {
        report.voices.iter().flat_map(|v| v.turns.iter().flatten()).map(|turn| (turn.start_s, turn.end_s)).collect()
    };
    let (loud, quiet) =
        (turns(infer(with(Speakers::default()), &samples, 1)), turns(infer(with(Speakers::default()), &quiet, 1)));
    assert_eq!(loud.len(), quiet.len());
    assert!(loud.iter().zip(&quiet).all(|(a, b)| (a.0 - b.0).abs() < 0.05 && (a.1 - b.1).abs() < 0.05));
}
