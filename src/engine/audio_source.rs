//! Source of a recording's samples: a decoder, a segment of a decoder, or samples in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::audio::{Decoder, Limits, Span, SpanDecoder};
use crate::error::{Error, Result};

/// Frames in a block, at most; as in a decoder.
const BLOCK_FRAMES: usize = 4096;
/// Samples in a block, at most (where there are more than two channels).
const BLOCK_SAMPLES: usize = 8192;

/// Interleaved samples, block by block.
pub(super) enum AudioSource {
    /// Decoded.
    Decoder(Box<Decoder>),
    /// A segment of a recording whose other segments are decoded in the same pass.
    Span(SpanBlocks),
    /// In memory.
    Samples(SampleBlocks),
}

/// By how much a segment may end after its recording, seconds: lists round their times, and lossy
/// formats change the length by a frame or two.
const MAX_BEYOND_S: f64 = 0.1;

/// A segment of a recording, read as blocks.
pub(super) struct SpanBlocks {
    decoder: Arc<Mutex<SpanDecoder>>,
    sample_rate_hz: u32,
    channels: u16,
    /// The first frame, the next one to read, and the one after the last.
    start: u64,
    next: u64,
    end: Option<u64>,
    /// First frame that later segments need.
    keep: u64,
    damaged_packets: u64,
    warnings: Vec<String>,
}

/// Samples in memory, read as blocks.
pub(super) struct SampleBlocks {
    samples: Vec<f32>,
    sample_rate_hz: u32,
    channels: u16,
    /// Samples read so far.
    position: usize,
    warnings: Vec<String>,
}

impl AudioSource {
    pub(super) fn sample_rate_hz(&self) -> u32 {
        match self {
            Self::Decoder(decoder) => decoder.spec().sample_rate_hz,
            Self::Span(blocks) => blocks.sample_rate_hz,
            Self::Samples(blocks) => blocks.sample_rate_hz,
        }
    }

    pub(super) fn channels(&self) -> u16 {
        match self {
            Self::Decoder(decoder) => decoder.spec().channels,
            Self::Span(blocks) => blocks.channels,
            Self::Samples(blocks) => blocks.channels,
        }
    }

    /// Clears `block`, fills it with interleaved samples and returns the frames (at most 4096); 0
    /// at the end.
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        match self {
            Self::Decoder(decoder) => decoder.read_block(block),
            Self::Span(blocks) => blocks.read_block(block),
            Self::Samples(blocks) => Ok(blocks.read_block(block)),
        }
    }

    /// Number of packets that were replaced by silence; of a segment, in the recording up to its
    /// end.
    pub(super) fn damaged_packets(&self) -> u64 {
        match self {
            Self::Decoder(decoder) => decoder.damaged_packets(),
            Self::Span(blocks) => blocks.damaged_packets,
            Self::Samples(_) => 0,
        }
    }

    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Self::Decoder(decoder) => decoder.warnings(),
            Self::Span(blocks) => &blocks.warnings,
            Self::Samples(blocks) => &blocks.warnings,
        }
    }
}

impl SpanBlocks {
    /// The segment `span`. `keep` is the start of the segment after it, if there is one.
    pub(super) fn new(decoder: &Arc<Mutex<SpanDecoder>>, span: Span, keep: Option<Span>) -> Self {
        let decoder = Arc::clone(decoder);
        let spec = locked(&decoder).decoder().spec().clone();
        let (start, end) = span.frames(spec.sample_rate_hz);
        let keep = keep.map_or(u64::MAX, |keep| keep.frames(spec.sample_rate_hz).0);
        let (sample_rate_hz, channels) = (spec.sample_rate_hz, spec.channels);
        Self {
            decoder,
            sample_rate_hz,
            channels,
            start,
            next: start,
            end,
            keep,
            damaged_packets: 0,
            warnings: Vec::new(),
        }
    }

    fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        let mut decoder = locked(&self.decoder);
        let frames = decoder.read(self.next, self.end, self.keep, block)?;
        self.next += frames;
        if frames == 0 {
            self.warnings = decoder.decoder().warnings().to_vec();
            self.damaged_packets = decoder.decoder().damaged_packets();
            let whole = decoder.decoded();
            drop(decoder);
            self.check_end(whole)?;
        }
        Ok(frames as usize)
    }

    /// Refuses a segment of which the recording, `whole` frames long, lacks more than a rounding
    /// error; warns of a smaller part.
    fn check_end(&mut self, whole: u64) -> Result<()> {
        let seconds = |frames: u64| frames as f64 / f64::from(self.sample_rate_hz);
        let is_empty = self.end == Some(self.start);
        if self.next == self.start && !is_empty {
            let (start, whole) = (seconds(self.start), seconds(whole));
            return Err(Error::TooShort(format!(
                "the segment starts at {start:.3} s, but the recording ends at {whole:.3} s; check the times of the list"
            )));
        }
        let Some(end) = self.end.filter(|end| *end > self.next) else { return Ok(()) };
        let (beyond, end, whole) = (seconds(end - self.next), seconds(end), seconds(self.next));
        let what = format!("the segment ends at {end:.3} s, but the recording ends at {whole:.3} s");
        if beyond > MAX_BEYOND_S {
            return Err(Error::TooShort(format!("{what}; check the times of the list")));
        }
        self.warnings.push(what);
        Ok(())
    }
}

/// A decoder between two calls is consistent, also after a panic elsewhere.
fn locked(decoder: &Mutex<SpanDecoder>) -> MutexGuard<'_, SpanDecoder> {
    decoder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SampleBlocks {
    /// Checks the samples: whole frames, a rate and a number of channels within the limits, finite
    /// values.
    pub(super) fn new(samples: Vec<f32>, sample_rate_hz: u32, channels: u16, limits: &Limits) -> Result<Self> {
        let (min, max) = (limits.min_rate_hz.max(1), limits.max_rate_hz);
        if !(min..=max).contains(&sample_rate_hz) {
            return Err(Error::usage(format!(
                "samples: a rate of {sample_rate_hz} Hz is not between {min} and {max} Hz"
            )));
        }
        if !(1..=limits.max_channels).contains(&channels) {
            return Err(Error::usage(format!(
                "samples: {channels} channels are not between 1 and {}",
                limits.max_channels
            )));
        }
        if samples.is_empty() {
            return Err(Error::TooShort("there are no samples".into()));
        }
        if !samples.len().is_multiple_of(usize::from(channels)) {
            let n = samples.len();
            return Err(Error::usage(format!(
                "samples: {n} interleaved samples are not whole frames of {channels} channels"
            )));
        }
        if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
            let (frame, channel) = (index / usize::from(channels), index % usize::from(channels) + 1);
            let what = format!("the sample at frame {frame}, channel {channel} is {}", samples[index]);
            return Err(Error::malformed("array of samples", what));
        }
        let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let over = (peak > 1.0).then(|| format!("samples reach {peak:.3}, beyond full scale (1.0); kept as they are"));
        Ok(Self { samples, sample_rate_hz, channels, position: 0, warnings: over.into_iter().collect() })
    }

    fn read_block(&mut self, block: &mut Vec<f32>) -> usize {
        let channels = usize::from(self.channels);
        let frames = (BLOCK_SAMPLES / channels).clamp(1, BLOCK_FRAMES);
        let end = self.samples.len().min(self.position + frames * channels);
        block.clear();
        block.extend_from_slice(&self.samples[self.position..end]);
        self.position = end;
        block.len() / channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_contain_all_samples() {
        let samples: Vec<f32> = (0..30_000).map(|i| i as f32 / 30_000.0).collect();
        let mut source =
            AudioSource::Samples(SampleBlocks::new(samples.clone(), 16_000, 3, &Limits::default()).unwrap());
        let (mut block, mut read) = (Vec::new(), Vec::new());
        while source.read_block(&mut block).unwrap() > 0 {
            assert!(block.len() <= BLOCK_SAMPLES);
            read.extend_from_slice(&block);
        }
        assert_eq!(read, samples);
    }

    #[test]
    fn invalid_samples_are_refused() {
        let of = |samples: &[f32], rate, channels| {
            SampleBlocks::new(samples.to_vec(), rate, channels, &Limits::default())
                .map(|_| ())
                .map_err(|e| e.to_string())
        };
        assert_eq!(of(&[0.5, -1.5], 44_100, 2), Ok(()));
        for (result, expected) in [
            (of(&[0.0; 4], 0, 1), "0 Hz is not between 4000"),
            (of(&[0.0; 4], 500_000, 1), "500000 Hz"),
            (of(&[0.0; 4], 16_000, 0), "0 channels"),
            (of(&[0.0; 4], 16_000, 65), "65 channels"),
            (of(&[0.0; 5], 16_000, 2), "5 interleaved samples are not whole frames of 2 channels"),
            (of(&[], 16_000, 1), "no samples"),
            (of(&[0.0, 0.0, 0.0, f32::NAN], 16_000, 2), "frame 1, channel 2 is NaN"),
            (of(&[f32::INFINITY], 16_000, 1), "is inf"),
        ] {
            assert!(result.clone().is_err_and(|message| message.contains(expected)), "{expected}: {result:?}");
        }
    }
}
