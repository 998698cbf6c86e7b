//! Signal stream: a recording as signals at the network's rate, block by block (decode, mix or
//! split channels, resample).

use std::time::{Duration, Instant};

use crate::audio::Downmix;
use crate::dsp::Resampler;
use crate::error::Result;

use super::audio_source::AudioSource;
use super::control::Progress;
use super::signal_quality::{SignalMeter, SignalQuality};

/// How channels become signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelMode {
    /// Their mean is one signal.
    Mean,
    /// Each is a signal.
    Each,
}

/// Facts about a recording that its report contains.
pub(super) struct StreamInfo {
    pub(super) duration_s: f64,
    pub(super) sample_rate_hz: u32,
    pub(super) channels: u16,
    pub(super) damaged_packets: u64,
    pub(super) warnings: Vec<String>,
    /// Of each signal, without the signal-to-noise ratio, which the chunks provide; empty where
    /// there was no audio.
    pub(super) quality: Vec<SignalQuality>,
    pub(super) decode_time: Duration,
    pub(super) resample_time: Duration,
}

/// Holds one block of each stage for each signal, whatever the length of the recording.
pub(super) struct SignalStream {
    source: AudioSource,
    /// `None` if each channel is a signal.
    downmix: Option<Downmix>,
    signals: Vec<Signal>,
    block: Vec<f32>,
    frames: u64,
    ended: bool,
    decode_time: Duration,
    resample_time: Duration,
}

/// Buffers and state of one signal.
struct Signal {
    resampler: Resampler,
    meter: SignalMeter,
    samples: Vec<f32>,
    resampled: Vec<f32>,
}

impl SignalStream {
    /// Plans the conversion from the recording's rate to `rate_hz`.
    pub(super) fn new(source: AudioSource, mode: ChannelMode, rate_hz: u32) -> Result<Self> {
        let (sample_rate_hz, channels) = (source.sample_rate_hz(), source.channels());
        let resampler = Resampler::new(sample_rate_hz, rate_hz)?;
        let meter = SignalMeter::new(sample_rate_hz);
        let signal = || Signal {
            resampler: resampler.clone(),
            meter: meter.clone(),
            samples: Vec::new(),
            resampled: Vec::new(),
        };
        let signals = if mode == ChannelMode::Mean { 1 } else { channels.max(1) };
        Ok(Self {
            downmix: (mode == ChannelMode::Mean).then(|| Downmix::new(channels)),
            signals: (0..signals).map(|_| signal()).collect(),
            source,
            block: Vec::new(),
            frames: 0,
            ended: false,
            decode_time: Duration::ZERO,
            resample_time: Duration::ZERO,
        })
    }

    /// The recording's own rate, Hz.
    pub(super) fn sample_rate_hz(&self) -> u32 {
        self.source.sample_rate_hz()
    }

    /// Number of signals.
    pub(super) fn signals(&self) -> usize {
        self.signals.len()
    }

    /// The last block of a signal: as decoded, and the resampler's output (sometimes empty).
    pub(super) fn block(&self, signal: usize) -> (&[f32], &[f32]) {
        self.signals.get(signal).map_or((&[], &[]), |signal| (&signal.samples, &signal.resampled))
    }

    /// Advances by one block of each signal; false after the last.
    pub(super) fn next(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let began = Instant::now();
        let frames = self.source.read_block(&mut self.block)?;
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

    /// Computes the block's signals at the recording's rate.
    fn split(&mut self) {
        let channels = usize::from(self.source.channels().max(1));
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

    /// The decoder's position.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            seconds: self.frames as f64 / f64::from(self.source.sample_rate_hz()),
            samples: self.frames.saturating_mul(self.source.channels().into()),
        }
    }

    /// Facts about the recording. Complete after the last block.
    pub(super) fn info(&self) -> StreamInfo {
        let cancellation = self.downmix.as_ref().and_then(Downmix::warning);
        StreamInfo {
            duration_s: self.frames as f64 / f64::from(self.source.sample_rate_hz()),
            sample_rate_hz: self.source.sample_rate_hz(),
            channels: self.source.channels(),
            damaged_packets: self.source.damaged_packets(),
            warnings: self.source.warnings().iter().cloned().chain(cancellation).collect(),
            quality: self.signals.iter().map(|signal| signal.meter.quality()).collect(),
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
