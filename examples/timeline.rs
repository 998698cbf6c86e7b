//! Prints how the emotion on each channel of a recording changes, while the recording is still
//! being decoded.
//!
//! `cargo run --release --example timeline -- call.wav`

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use persona_engine::engine::NoControl;
use persona_engine::{Engine, Error, Observer, Options, Recording, Result, Segment, Timeline};

/// Prints segments as they come.
struct Printer;

impl Observer for Printer {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let text = match (&segment.predictions.emotion, segment.no_answer) {
            (Some(emotion), _) => format!("{} ({:.0} %)", emotion.label, 100.0 * emotion.probability()),
            (None, reason) => reason.map_or("withheld", |reason| reason.brief()).to_owned(),
        };
        println!("channel {channel}  {:6.1} to {:6.1} s  {text}", segment.start_s, segment.end_s);
        Ok(())
    }
}

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| Error::usage("name a recording"))?;
    let every_half_second = Timeline { hop_s: 0.5, ..Timeline::default() };
    let options = Options { per_channel: true, timeline: Some(every_half_second), ..Options::default() };
    let engine = Engine::with_default_model(options)?;
    let report = engine.infer_observed(Recording::file(path), &mut NoControl, &mut Printer)?;
    for voice in &report.voices {
        let speech_s = voice.speech_s.unwrap_or_default();
        println!("channel {}: {speech_s:.1} s of speech", voice.channel.unwrap_or_default());
    }
    Ok(())
}
