//! Timelines and channels: what must be true of them beside the recording's own answer.
#![cfg(embedded_weights)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use common::{buzz, float32, wav};
use persona_engine::engine::{NoControl, NullObserver};
use persona_engine::{
    Catalogue, Engine, Error, LoadOptions, NoAnswer, Observer, Options, Recording, Report, Result, Segment, Smoothing,
    Timeline,
};
use serde_json::Value;

const RATE: usize = 16_000;

/// Speech, a pause, other speech, nothing: 9.3 s.
fn talk() -> Vec<f32> {
    let mut samples = buzz(4 * RATE, RATE as f32);
    samples.extend(vec![0.0; 2 * RATE]);
    samples.extend(buzz(2 * RATE, 0.8 * RATE as f32));
    samples.resize(93 * RATE / 10, 0.0);
    samples
}

fn engine(timeline: Option<Timeline>, threads: usize) -> Engine {
    let options = Options { timeline, threads, ..Options::default() };
    Engine::new(Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap(), options).unwrap()
}

/// The same engine for the channels apart.
fn per_channel(engine: &Engine) -> Engine {
    engine.with_options(Options { per_channel: true, ..engine.options().clone() }).unwrap()
}

/// A float WAV with these channels, so that no bit is lost.
fn recording(channels: &[&[f32]], rate: u32) -> Recording {
    let frames = channels[0].len();
    let interleaved: Vec<f32> = (0..frames).flat_map(|t| channels.iter().map(move |channel| channel[t])).collect();
    Recording::bytes(wav(3, channels.len() as u16, rate, 32, &float32(&interleaved))).named("talk.wav")
}

/// JSON without the times.
fn json(report: &impl serde::Serialize) -> Value {
    let mut object = serde_json::to_value(report).unwrap();
    object.as_object_mut().unwrap().remove("timings_ms");
    object
}

fn mono(engine: &Engine) -> Report {
    let bytes = wav(3, 1, RATE as u32, 32, &float32(&talk()));
    engine.infer(Recording::bytes(bytes).named("talk.wav")).unwrap()
}

#[test]
fn the_recordings_answer_is_the_same_with_a_timeline_and_without() {
    let without = json(&mono(&engine(None, 1)));
    for hop_s in [0.7, 1.0, 3.0] {
        let timeline = Timeline { hop_s, ..Timeline::default() };
        let mut with = json(&mono(&engine(Some(timeline), 1)));
        let object = with.as_object_mut().unwrap();
        assert!(object.remove("timeline").is_some_and(|timeline| timeline.as_array().unwrap().len() > 2));
        assert!(object.remove("summary").is_some());
        assert_eq!(with, without, "hop {hop_s}");
    }
}

#[test]
fn pauses_have_no_answer_and_the_summary_adds_up() {
    let report = mono(&engine(Some(Timeline::default()), 1));
    let timeline = report.voices[0].timeline.clone().unwrap();
    assert_eq!((timeline.len(), timeline.last().unwrap().end_s), (9, 9.3));
    let answered: Vec<bool> = timeline.iter().map(|segment| segment.no_answer.is_none()).collect();
    assert_eq!(answered, [true, true, true, true, false, false, true, true, false]);
    assert_eq!(timeline[5].no_answer, Some(NoAnswer::Silence));
    assert!(timeline[5].speech_share.is_some_and(|share| share < 0.1));
    let summary = report.voices[0].summary.clone().unwrap();
    let unanswered: f64 = summary.unanswered_s.iter().map(|(_, seconds)| seconds).sum();
    assert_eq!(summary.answered_s, 6.0);
    approx::assert_abs_diff_eq!(summary.answered_s + unanswered, 9.3, epsilon = 1e-9);
    for shares in [summary.emotion_shares.unwrap(), summary.gender_shares.unwrap()] {
        approx::assert_abs_diff_eq!(shares.iter().map(|(_, share)| share).sum::<f64>(), 1.0, epsilon = 1e-5);
    }
}

/// At a hop of a window's length, and raw, each segment is one window: the recording's answer is their mean.
#[test]
fn stretches_of_a_windows_length_are_windows() {
    let timeline = Timeline { hop_s: 3.0, smoothing: Smoothing::None };
    let engine = Engine::new(
        Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap(),
        Options { timeline: Some(timeline), activity: false, ..Options::default() },
    )
    .unwrap();
    let samples = buzz(9 * RATE, RATE as f32);
    let report = engine.infer(Recording::samples(samples, RATE as u32, 1)).unwrap();
    let segments = report.voices[0].timeline.clone().unwrap();
    let of = |segment: &Segment| segment.predictions.emotion.as_ref().unwrap().probabilities[0].1;
    let whole = report.voices[0].predictions.emotion.as_ref().unwrap().probabilities[0].1;
    approx::assert_abs_diff_eq!(segments.iter().map(of).sum::<f64>() / 3.0, whole, epsilon = 2e-6);
    assert!(segments.iter().all(|segment| segment.speech_share.is_none()));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (left, right) = (talk(), talk().into_iter().rev().collect::<Vec<_>>());
    let answers = [1, 2, 3].map(|threads| {
        let engine = engine(Some(Timeline { hop_s: 0.5, ..Timeline::default() }), threads);
        json(&per_channel(&engine).infer(recording(&[&left, &right], 16_000)).unwrap())
    });
    assert_eq!(answers[1], answers[0]);
    assert_eq!(answers[2], answers[0]);
}

/// The reference for channels: each one in a file of its own.
#[test]
fn a_channel_is_answered_as_if_it_were_alone() {
    let right = buzz(talk().len(), 12_000.0);
    for rate in [16_000, 8_000] {
        let engine = engine(Some(Timeline::default()), 1);
        let both = json(&per_channel(&engine).infer(recording(&[&talk(), &right], rate)).unwrap());
        assert!(both.get("emotion").is_none() && both.get("timeline").is_none());
        for (index, channel) in [&talk(), &right].into_iter().enumerate() {
            let alone = json(&per_channel(&engine).infer(recording(&[channel], rate)).unwrap());
            let mut expected = alone["per_channel"][0].clone();
            expected["channel"] = (index + 1).into();
            assert_eq!(both["per_channel"][index], expected);
            let mean = json(&engine.infer_reader_of(channel, rate));
            for key in ["emotion", "gender", "age", "speech_s", "input", "no_answer", "windows", "timeline", "summary"]
            {
                assert_eq!(both["per_channel"][index][key], mean[key], "{key}");
            }
        }
    }
}

/// One channel through the way of the mean.
trait OfSamples {
    fn infer_reader_of(&self, samples: &[f32], rate: u32) -> Report;
}

impl OfSamples for Engine {
    fn infer_reader_of(&self, samples: &[f32], rate: u32) -> Report {
        self.infer(Recording::bytes(wav(3, 1, rate, 32, &float32(samples))).named("talk.wav")).unwrap()
    }
}

/// Records what it receives, and returns an error after a given number of segments.
#[derive(Default)]
struct Notes {
    samples: Vec<Vec<f32>>,
    segments: Vec<(u16, Segment)>,
    rate_hz: u32,
    enough: Option<usize>,
}

impl Observer for Notes {
    fn begins(&mut self, sample_rate_hz: u32, voices: u16) -> Result<()> {
        self.rate_hz = sample_rate_hz;
        self.samples.resize(usize::from(voices), Vec::new());
        Ok(())
    }

    fn samples(&mut self, channel: u16, samples: &[f32]) -> Result<()> {
        self.samples[usize::from(channel) - 1].extend_from_slice(samples);
        Ok(())
    }

    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        self.segments.push((channel, segment.clone()));
        match self.enough {
            Some(enough) if self.segments.len() > enough => Err(Error::usage("that is enough")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_listener_hears_all_samples_and_stretches_and_may_stop() {
    let (left, right) = (talk(), vec![0.25; talk().len()]);
    let engine = engine(Some(Timeline::default()), 1);
    let mut notes = Notes::default();
    let report =
        per_channel(&engine).infer_observed(recording(&[&left, &right], 16_000), &mut NoControl, &mut notes).unwrap();
    assert!(report.voices.iter().all(|voice| voice.timeline.is_none() && voice.summary.is_some()));
    assert_eq!((notes.rate_hz, &notes.samples), (16_000, &vec![left.clone(), right.clone()]));
    for channel in [1, 2] {
        let own: Vec<_> = notes.segments.iter().filter(|(of, _)| *of == channel).collect();
        assert_eq!((own.len(), own[0].1.start_s, own[8].1.end_s), (9, 0.0, 9.3));
    }
    let mut notes = Notes { enough: Some(3), ..Notes::default() };
    let stopped = per_channel(&engine).infer_observed(recording(&[&left, &right], 16_000), &mut NoControl, &mut notes);
    assert!(stopped.unwrap_err().to_string().contains("that is enough"));
    assert_eq!(notes.segments.len(), 4);
}

#[test]
fn a_recording_that_is_too_short_has_a_timeline_too() {
    let engine = engine(Some(Timeline::default()), 1);
    let report = per_channel(&engine).infer(recording(&[&[0.1; 1000]], 16_000)).unwrap();
    let channel = &report.voices[0];
    assert_eq!(channel.no_answer, Some(NoAnswer::TooShort));
    assert_eq!(channel.timeline.as_ref().unwrap()[0].no_answer, Some(NoAnswer::TooShort));
    assert!(
        engine.infer_observed(recording(&[&[0.1; 1000]], 16_000), &mut NoControl, &mut NullObserver).unwrap().voices[0]
            .timeline
            .is_none()
    );
}

#[test]
fn a_hop_beyond_a_window_is_refused() {
    let refused = engine(None, 1)
        .with_options(Options { timeline: Some(Timeline { hop_s: 3.5, ..Timeline::default() }), ..Options::default() });
    assert!(refused.unwrap_err().to_string().contains("hop_s: 3.5"));
}
