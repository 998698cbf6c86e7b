//! A recording as signals at the network's rate, as they come: decode, mean of the channels or each channel, resample.

use std::time::{Duration, Instant};

use crate::audio::{Decoder, Downmix};
use crate::dsp::Resampler;
use crate::error::Result;

use super::control::Progress;
use super::input::{InputFacts, InputMeter};

/// What becomes of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// Their mean is one signal.
    Mean,
    /// Each is one.
    Each,
}

/// What is said of the recording itself in a [`Report`](super::Report).
pub(super) struct Heard {
    pub(super) duration_s: f64,
    pub(super) sample_rate_hz: u32,
    pub(super) channels: u16,
    pub(super) warnings: Vec<String>,
    /// Of each signal, without the noise, which the windows tell; nothing where there was no audio.
    pub(super) inputs: Vec<InputFacts>,
    pub(super) decode_time: Duration,
    pub(super) resample_time: Duration,
}

/// Holds one block of each stage for each signal, whatever the recording's length.
pub(super) struct SignalStream {
    decoder: Decoder,
    /// Nothing if each channel is a signal.
    downmix: Option<Downmix>,
    signals: Vec<Signal>,
    block: Vec<f32>,
    frames: u64,
    ended: bool,
    decode_time: Duration,
    resample_time: Duration,
}

/// One signal on its way.
struct Signal {
    resampler: Resampler,
    meter: InputMeter,
    samples: Vec<f32>,
    resampled: Vec<f32>,
}

impl SignalStream {
    /// Plans the way from the recording's rate to `rate_hz`.
    pub(super) fn new(decoder: Decoder, split: Split, rate_hz: u32) -> Result<Self> {
        let spec = decoder.spec();
        let resampler = Resampler::new(spec.sample_rate_hz, rate_hz)?;
        let meter = InputMeter::new(spec.sample_rate_hz);
        let signal = || Signal {
            resampler: resampler.clone(),
            meter: meter.clone(),
            samples: Vec::new(),
            resampled: Vec::new(),
        };
        let signals = if split == Split::Mean { 1 } else { spec.channels.max(1) };
        Ok(Self {
            downmix: (split == Split::Mean).then(|| Downmix::new(spec.channels)),
            signals: (0..signals).map(|_| signal()).collect(),
            decoder,
            block: Vec::new(),
            frames: 0,
            ended: false,
            decode_time: Duration::ZERO,
            resample_time: Duration::ZERO,
        })
    }

    /// The recording's own rate, Hz.
    pub(super) fn sample_rate_hz(&self) -> u32 {
        self.decoder.spec().sample_rate_hz
    }

    /// How many signals there are.
    pub(super) fn signals(&self) -> usize {
        self.signals.len()
    }

    /// The last block of a signal: as decoded, and what came out at the network's rate (at times nothing yet).
    pub(super) fn block(&self, signal: usize) -> (&[f32], &[f32]) {
        self.signals.get(signal).map_or((&[], &[]), |signal| (&signal.samples, &signal.resampled))
    }

    /// Goes on by one block of each signal; false after the last.
    pub(super) fn next(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let began = Instant::now();
        let frames = self.decoder.read_block(&mut self.block)?;
        self.frames += frames as u64;
        self.ended = frames == 0;
        self.split();
        let decoded = Instant::now();
        for signal in &mut self.signals {
            signal.resample(self.ended);
        }
        self.decode_time += decoded - began;
        self.resample_time += decoded.elapsed();
        Ok(true)
    }

    /// The block's signals at the recording's rate.
    fn split(&mut self) {
        let channels = usize::from(self.decoder.spec().channels.max(1));
        let Some(downmix) = &mut self.downmix else {
            for (channel, signal) in self.signals.iter_mut().enumerate() {
                signal.samples.clear();
                signal.samples.extend(self.block.chunks_exact(channels).filter_map(|frame| frame.get(channel)));
                signal.meter.push(&signal.samples, &signal.samples);
            }
            return;
        };
        for signal in &mut self.signals {
            downmix.run(&self.block, &mut signal.samples);
            signal.meter.push(&self.block, &signal.samples);
        }
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
        let cancel = self.downmix.as_ref().and_then(Downmix::warning);
        Heard {
            duration_s: self.frames as f64 / f64::from(spec.sample_rate_hz),
            sample_rate_hz: spec.sample_rate_hz,
            channels: spec.channels,
            warnings: self.decoder.warnings().iter().cloned().chain(cancel).collect(),
            inputs: self.signals.iter().map(|signal| signal.meter.facts()).collect(),
            decode_time: self.decode_time,
            resample_time: self.resample_time,
        }
    }
}

impl Signal {
    fn resample(&mut self, ends: bool) {
        self.resampled.clear();
        self.resampler.process(&self.samples, &mut self.resampled);
        if ends {
            self.resampler.finish(&mut self.resampled);
        }
    }
}
