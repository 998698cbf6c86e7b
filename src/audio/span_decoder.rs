//! Decoder of segments: several segments of a recording in one pass over it.

use std::collections::VecDeque;

use super::decoder::Decoder;
use crate::error::{Error, Result};

/// Maximum frames per block, as of a [`Decoder`].
const BLOCK_FRAMES: u64 = 4096;

/// Decodes segments of a recording in the order of their starts. Samples that a later segment needs
/// again are kept; nothing else is.
pub struct SpanDecoder {
    decoder: Decoder,
    block: Vec<f32>,
    /// The last frames that were decoded and may be needed, interleaved.
    kept: VecDeque<f32>,
    /// Frame after the last one that was decoded.
    decoded: u64,
}

impl SpanDecoder {
    /// Decodes the segments of `decoder`, which must be at its first block.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, block: Vec::new(), kept: VecDeque::new(), decoded: 0 }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Frames decoded so far; all of the recording once [`SpanDecoder::read`] has returned 0.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Clears `block`, fills it with the frames from `from` up to `to`, at most 4096, and returns
    /// their number: 0 at the end of the recording, or where `from` is `to`. Frames from `keep` on
    /// are kept for later calls.
    ///
    /// # Errors
    /// Those of [`Decoder::read_block`]; [`Error::Internal`] for a frame that was not kept.
    pub fn read(&mut self, from: u64, to: Option<u64>, keep: u64, block: &mut Vec<f32>) -> Result<u64> {
        block.clear();
        let channels = usize::from(self.decoder.spec().channels);
        let wanted = to.map_or(BLOCK_FRAMES, |to| to.saturating_sub(from).min(BLOCK_FRAMES));
        if wanted == 0 {
            return Ok(0);
        }
        loop {
            let start = self.decoded - (self.kept.len() / channels) as u64;
            if from < start {
                return Err(Error::Internal(format!("frame {from} of a recording was read twice and kept once")));
            }
            if from < self.decoded {
                let count = wanted.min(self.decoded - from);
                let at = (from - start) as usize * channels;
                block.extend(self.kept.range(at..at + count as usize * channels));
                self.drop_before(keep.min(from + count), channels);
                return Ok(count);
            }
            self.drop_before(keep.min(from), channels);
            let frames = self.decoder.read_block(&mut self.block)?;
            if frames == 0 {
                return Ok(0);
            }
            self.decoded += frames as u64;
            self.kept.extend(&self.block);
        }
    }

    /// Drops the kept frames before a frame.
    fn drop_before(&mut self, frame: u64, channels: usize) {
        let start = self.decoded - (self.kept.len() / channels) as u64;
        let count = frame.saturating_sub(start) as usize * channels;
        self.kept.drain(..count.min(self.kept.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Limits, RawFormat};
    use std::io::Cursor;

    /// A decoder of `frames` frames in stereo whose samples are their own numbers.
    fn decoder(frames: i16) -> SpanDecoder {
        let bytes: Vec<u8> = (0..2 * frames).flat_map(i16::to_le_bytes).collect();
        let format: RawFormat = "s16le:8000:2".parse().unwrap();
        SpanDecoder::new(Decoder::raw(Cursor::new(bytes), &format, &Limits::default()).unwrap())
    }

    fn all(decoder: &mut SpanDecoder, from: u64, to: Option<u64>, keep: u64) -> Vec<f32> {
        let (mut all, mut block, mut at) = (Vec::new(), Vec::new(), from);
        loop {
            let frames = decoder.read(at, to, keep, &mut block).unwrap();
            assert_eq!(block.len() as u64, 2 * frames);
            if frames == 0 {
                return all;
            }
            all.extend_from_slice(&block);
            at += frames;
        }
    }

    fn expected(from: i16, to: i16) -> Vec<f32> {
        (2 * from..2 * to).map(|sample| f32::from(sample) / 32_768.0).collect()
    }

    #[test]
    fn overlapping_touching_and_separate_segments_are_read_in_one_pass() {
        let mut decoder = decoder(15_000);
        let segments = [(10, 5000), (4000, 9000), (4000, 4001), (9000, 9000), (9001, 12_000), (14_000, 15_000)];
        for (index, &(from, to)) in segments.iter().enumerate() {
            let keep = segments.get(index + 1).map_or(u64::MAX, |next| next.0 as u64);
            assert_eq!(all(&mut decoder, from as u64, Some(to as u64), keep), expected(from, to), "{from} to {to}");
            assert!(decoder.kept.len() <= 2 * (5000 + 4096), "{} samples are kept", decoder.kept.len());
        }
    }

    #[test]
    fn a_segment_ends_with_the_recording() {
        let mut decoder = decoder(5000);
        assert_eq!(all(&mut decoder, 4500, None, u64::MAX), expected(4500, 5000));
        assert_eq!(all(&mut decoder, 6000, Some(7000), u64::MAX), [0.0; 0]);
        assert_eq!(decoder.decoded(), 5000);
        assert!(decoder.read(10, None, 10, &mut Vec::new()).is_err(), "frame 10 was not kept");
    }
}
