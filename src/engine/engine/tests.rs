//! Tests of the engine as a whole, on the small embedded model.

use std::fs::File;
use std::path::Path;

use super::*;
use crate::engine::{NoAnswer, Progress};

fn engine(options: Options) -> Engine {
    Engine::new(Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap(), options).unwrap()
}

/// Counts steps, and cancels at one.
struct Counting {
    steps: Vec<Progress>,
    last: usize,
}

impl Control for Counting {
    fn step(&mut self, progress: &Progress) -> Result<()> {
        self.steps.push(*progress);
        if self.steps.len() > self.last { Err(Error::usage("cancelled here")) } else { Ok(()) }
    }
}

fn run(engine: &Engine, last: usize) -> (Result<Report>, Vec<Progress>) {
    let speech = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio/speech.wav")).unwrap();
    let mut control = Counting { steps: Vec::new(), last };
    (engine.infer_with(Recording::reader(speech).named("speech.wav"), &mut control), control.steps)
}

/// 66,627 samples are 17 blocks and an end; their two chunks are two more steps.
#[test]
fn each_block_and_each_chunk_is_a_step_that_can_cancel() {
    let engine = engine(Options::default());
    let (whole, steps) = run(&engine, usize::MAX);
    assert_eq!(whole.unwrap().voices[0].chunks, 2);
    assert_eq!(steps.first(), Some(&Progress::default()));
    let last = steps.last().unwrap();
    assert_eq!(last.samples as f64 / 16_000.0, last.seconds);
    assert_eq!(steps.len() as u64, last.samples.div_ceil(4096) + 2 + 2);
    for cancelled in [0, 1, steps.len() - 1] {
        let (report, taken) = run(&engine, cancelled);
        assert!(report.unwrap_err().to_string().contains("cancelled here"));
        assert_eq!(taken, steps[..=cancelled]);
    }
    let strict = engine.with_options(Options { min_confidence: 1.0, ..Options::default() }).unwrap();
    assert!(run(&strict, usize::MAX).0.unwrap().voices[0].predictions.emotion.is_none());
    assert!(engine.with_options(Options { threads: 0, ..Options::default() }).is_err());
}

/// A tone, which is not speech: the detector is off in these tests.
fn tone() -> Vec<f32> {
    (0..30_000).map(|i| (i as f32 * 0.05).sin() * (i as f32 * 3e-4).cos() * 0.5).collect()
}

fn without_detector() -> Options {
    Options { activity: false, ..Options::default() }
}

#[test]
fn features_give_the_predictions_of_their_recording() {
    let engine = engine(without_detector());
    let mut features = Vec::new();
    let frames = engine.model().manifest().frontend.extractor().unwrap().run(&tone(), &mut features);
    let from_features = engine.infer_features(&features, frames, "clip").unwrap();
    let from_samples = engine.infer(Recording::samples(tone(), 16_000, 1)).unwrap();
    let json = |report: &Report| serde_json::to_value(&report.voices[0].predictions).unwrap();
    assert_eq!(json(&from_features), json(&from_samples));
}

/// A float WAV, which contains every bit of the samples.
fn wav(samples: &[f32], sample_rate: u32, channels: u16) -> Vec<u8> {
    let sample_format = hound::SampleFormat::Float;
    let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: 32, sample_format };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for &x in samples {
        writer.write_sample(x).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn samples_give_the_report_of_the_equal_float_wav() {
    let json = |report: Report| {
        let mut object = serde_json::to_value(&report).unwrap();
        object.as_object_mut().unwrap().remove("timings_ms");
        object
    };
    for (rate, channels) in [(16_000, 1), (44_100, 1), (8_000, 2), (48_000, 3)] {
        for per_channel in [false, true] {
            let timeline = Some(crate::engine::Timeline::default());
            let engine = engine(Options { per_channel, timeline, ..without_detector() });
            let samples = Recording::samples(tone(), rate, channels).named("tone");
            let file = Recording::bytes(wav(&tone(), rate, channels)).named("tone");
            assert_eq!(
                json(engine.infer(samples).unwrap()),
                json(engine.infer(file).unwrap()),
                "{rate} Hz × {channels}"
            );
        }
    }
}

#[test]
fn a_recordings_raw_format_precedes_that_of_the_options() {
    let raw = |format: &str| Some(format.parse::<crate::audio::RawFormat>().unwrap());
    let engine = engine(Options { raw: raw("s16le:8000:1"), ..without_detector() });
    let bytes: Vec<u8> = tone().iter().flat_map(|x| x.to_le_bytes()).collect();
    let report = engine.infer(Recording::bytes(bytes).raw(raw("f32le:16000:1").unwrap())).unwrap();
    assert_eq!((report.recording.sample_rate_hz, report.recording.duration_s), (16_000, 1.875));
    assert_eq!(report.recording.file, "bytes");
    let samples = || Recording::samples(tone(), 16_000, 1);
    assert!(engine.infer(samples()).is_ok(), "the options' format is for bytes");
    let refused = engine.infer(samples().raw(raw("f32le:16000:1").unwrap())).unwrap_err();
    assert!(refused.to_string().contains("not to samples"), "{refused}");
}

#[test]
fn too_few_frames_have_no_predictions_and_too_many_are_an_error() {
    let engine = engine(without_detector());
    let bands = engine.model().manifest().frontend.bands();
    let infer = |features: &[f32], frames, name| engine.infer_features(features, frames, name);
    let report = infer(&vec![0.0; 14 * bands], 14, "short").unwrap();
    assert_eq!(report.voices[0].no_answer, Some(NoAnswer::TooShort));
    let whole = infer(&vec![0.0; 188 * bands], 188, "whole").unwrap();
    assert!(whole.voices[0].predictions.emotion.is_some());
    let long = infer(&vec![0.0; 189 * bands], 189, "long").unwrap_err().to_string();
    assert!(long.contains("long") && long.contains("189") && long.contains("188"), "{long}");
    let wrong = infer(&[0.0; 7], 20, "wrong").unwrap_err().to_string();
    assert!(wrong.contains("7 values"), "{wrong}");
    let nan = infer(&vec![f32::NAN; 20 * bands], 20, "nan").unwrap_err().to_string();
    assert!(nan.contains("finite"), "{nan}");
}
