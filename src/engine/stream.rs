//! A recording as mono samples at the network's rate, as they come: decode, mean of the channels, resample.

use std::time::{Duration, Instant};

use crate::audio::{Decoder, Downmix};
use crate::dsp::Resampler;
use crate::error::Result;

use super::input::{InputFacts, InputMeter};
use super::pace::Progress;

/// What is said of the recording itself in a [`Report`](super::Report).
pub(super) struct Heard {
    pub(super) duration_s: f64,
    pub(super) sample_rate_hz: u32,
    pub(super) channels: u16,
    pub(super) warnings: Vec<String>,
    /// Nothing where there was no audio; without the noise, which the windows tell.
    pub(super) input: Option<InputFacts>,
    pub(super) decode_time: Duration,
    pub(super) resample_time: Duration,
}

/// Holds one block of each stage, whatever the recording's length.
pub(super) struct MonoStream {
    decoder: Decoder,
    downmix: Downmix,
    resampler: Resampler,
    meter: InputMeter,
    block: Vec<f32>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
    frames: u64,
    ended: bool,
    decode_time: Duration,
    resample_time: Duration,
}

impl MonoStream {
    /// Plans the way from the recording's rate to `rate_hz`.
    pub(super) fn new(decoder: Decoder, rate_hz: u32) -> Result<Self> {
        Ok(Self {
            downmix: Downmix::new(decoder.spec().channels),
            resampler: Resampler::new(decoder.spec().sample_rate_hz, rate_hz)?,
            meter: InputMeter::new(decoder.spec().sample_rate_hz),
            decoder,
            block: Vec::new(),
            mono: Vec::new(),
            resampled: Vec::new(),
            frames: 0,
            ended: false,
            decode_time: Duration::ZERO,
            resample_time: Duration::ZERO,
        })
    }

    /// The next samples (at times none yet), or nothing after the last.
    pub(super) fn next(&mut self) -> Result<Option<&[f32]>> {
        if self.ended {
            return Ok(None);
        }
        let began = Instant::now();
        let frames = self.decoder.read_block(&mut self.block)?;
        self.frames += frames as u64;
        self.mono.clear();
        self.downmix.run(&self.block, &mut self.mono);
        self.meter.push(&self.block, &self.mono);
        let decoded = Instant::now();
        self.resampled.clear();
        self.resampler.process(&self.mono, &mut self.resampled);
        if frames == 0 {
            self.resampler.finish(&mut self.resampled);
            self.ended = true;
        }
        self.decode_time += decoded - began;
        self.resample_time += decoded.elapsed();
        Ok(Some(&self.resampled))
    }

    /// How far the decoder is.
    pub(super) fn progress(&self) -> Progress {
        let spec = self.decoder.spec();
        Progress {
            seconds: self.frames as f64 / f64::from(spec.sample_rate_hz),
            samples: self.frames.saturating_mul(spec.channels.into()),
        }
    }

    /// What is known of the recording. Complete after the last samples.
    pub(super) fn heard(&self) -> Heard {
        let spec = self.decoder.spec();
        Heard {
            duration_s: self.frames as f64 / f64::from(spec.sample_rate_hz),
            sample_rate_hz: spec.sample_rate_hz,
            channels: spec.channels,
            warnings: self.decoder.warnings().iter().cloned().chain(self.downmix.warning()).collect(),
            input: Some(self.meter.facts()),
            decode_time: self.decode_time,
            resample_time: self.resample_time,
        }
    }
}
