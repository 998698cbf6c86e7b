//! Containers of samples, or of blocks of a fixed size, behind one header: RF64, BW64, RIFX, Wave64,
//! AIFF and AIFF-C, Sun AU, Core Audio, and WAV whose coding is not one of samples.
//!
//! A header becomes a [`Layout`]; [`PcmReader`] decodes what follows it. All of them are read from a
//! pipe. Their lengths are promises: [`Wholeness`] holds them against what is there, and what
//! follows the sound must be chunks of the container, zeros, or less than a frame.

mod aiff;
mod au;
mod caf;
mod chunks;
mod layout;
mod riff;

use self::layout::{Layout, Payload};
use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wav::samples;
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

pub(super) use self::riff::{enter_mp3, is_coded_wav};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;
/// Maximum samples per block, which limits blocks of more than two channels.
const BLOCK_SAMPLES: usize = 8192;

/// Whether bytes are frames of GSM 6.10: each of 33 bytes begins with the nibble 0xD. Sixteen of them
/// rule out chance.
pub(super) fn is_gsm(bytes: &[u8]) -> bool {
    bytes.len() >= 16 * 33 && bytes.chunks_exact(33).take(16).all(|frame| frame[0] >> 4 == 0xD)
}

/// Streaming decoder of samples and fixed-size blocks.
pub(super) struct PcmReader {
    source: Source,
    layout: Layout,
    /// Bytes of sound read so far.
    done: u64,
    /// Frames returned so far.
    frames: u64,
    /// Samples of a block that were not returned yet, and how many of them were.
    pending: Vec<f32>,
    returned: usize,
    ended: bool,
    format: &'static str,
    wholeness: Wholeness,
}

impl PcmReader {
    /// Reads the header. The source must be at the container's first byte.
    pub(super) fn new(mut source: Source, container: Container, limits: &Limits) -> Result<(Self, Spec)> {
        let layout = match container {
            Container::Aiff => aiff::header(&mut source)?,
            Container::Au => au::header(&mut source)?,
            Container::Caf => caf::header(&mut source)?,
            Container::Gsm => Layout::gsm(),
            _ => riff::header(&mut source, limits)?,
        };
        let name = container.name();
        limits.check_channels(layout.channels, name)?;
        limits.check_rate(layout.sample_rate_hz, name)?;
        let mut wholeness = Wholeness::new(name, limits);
        for warning in &layout.warnings {
            wholeness.warn(warning.as_str());
        }
        if layout.bytes.is_none() && container != Container::Gsm {
            wholeness.warn(format!(
                "the {name} header leaves the length open (a stream, or a recorder that stopped early); read to the end"
            ));
        }
        let (unit_bytes, unit_frames) = layout.payload.unit(layout.channels);
        let whole_units = |bytes: u64| bytes / unit_bytes as u64 * unit_frames as u64;
        let spec = Spec {
            sample_rate_hz: layout.sample_rate_hz,
            channels: layout.channels,
            container,
            codec: layout.payload.name(),
            total_frames: layout.frames.or(layout.bytes.map(whole_units)),
        };
        let (pending, returned, ended) = (Vec::new(), 0, false);
        Ok((Self { source, layout, done: 0, frames: 0, pending, returned, ended, format: name, wholeness }, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        let channels = usize::from(self.layout.channels);
        while self.returned == self.pending.len() && !self.ended {
            self.decode_more()?;
        }
        let left = &self.pending[self.returned..];
        block.extend_from_slice(&left[..left.len().min(BLOCK_FRAMES * channels)]);
        self.returned += block.len();
        Ok(block.len() / channels)
    }

    /// Decodes the next units to `pending`; sets `ended` at the end of the sound.
    fn decode_more(&mut self) -> Result<()> {
        self.pending.clear();
        self.returned = 0;
        let channels = usize::from(self.layout.channels);
        let (unit_bytes, unit_frames) = self.layout.payload.unit(self.layout.channels);
        let units = ((BLOCK_SAMPLES / channels).min(BLOCK_FRAMES) / unit_frames).max(1);
        let left = self.layout.bytes.map_or(u64::MAX, |bytes| bytes - self.done);
        let wanted = left.min((units * unit_bytes) as u64) as usize;
        let bytes = self.source.peek(wanted)?;
        let there = bytes.len();
        let whole = there - there % unit_bytes;
        decode(&mut self.layout.payload, &bytes[..whole], &mut self.pending)?;
        self.source.consume(whole);
        self.done += whole as u64;
        if let Some(at) = self.pending.iter().position(|x| !x.is_finite()) {
            return Err(self.not_a_number(at));
        }
        if let Some(frames) = self.layout.frames {
            self.pending.truncate(frames.saturating_sub(self.frames) as usize * channels);
        }
        self.frames += (self.pending.len() / channels) as u64;
        if whole == 0 {
            self.ended = true;
            self.finish(there as u64, there < wanted)?;
        }
        Ok(())
    }

    fn not_a_number(&self, at: usize) -> Error {
        let channels = usize::from(self.layout.channels);
        let frame = self.frames + (at / channels) as u64;
        Error::malformed(
            self.format,
            format!(
                "frame {frame} ({:.3} s), channel {} is {}; the file is damaged, get it again",
                frame as f64 / f64::from(self.layout.sample_rate_hz),
                at % channels + 1,
                self.pending[at]
            ),
        )
    }

    /// At the end of the sound, of which `left_over` bytes are no whole unit: holds the promises
    /// against what was decoded, and accounts for what follows.
    fn finish(&mut self, left_over: u64, cut: bool) -> Result<()> {
        let rate_hz = self.layout.sample_rate_hz;
        let (unit_bytes, _) = self.layout.payload.unit(self.layout.channels);
        if self.frames == 0 {
            let what = "it contains not a single sample; check the recording";
            return Err(Error::malformed(self.format, what));
        }
        if let (Some(bytes), true) = (self.layout.bytes, cut) {
            let there = self.done + left_over;
            let problem = format!(
                "the header states {bytes} bytes of sound, the input ends after {there} ({:.3} s): {} bytes are missing",
                self.frames as f64 / f64::from(rate_hz),
                bytes - there
            );
            return self.wholeness.incomplete(&problem, self.frames);
        }
        // Padding of a last block, or of the chunk.
        let counted = self.layout.frames == Some(self.frames);
        let padding = self.source.peek(left_over as usize)?;
        if left_over > 0 && (counted || padding.iter().all(|&byte| byte == 0)) && self.layout.bytes.is_some() {
            self.source.consume(left_over as usize);
        } else if left_over > 0 {
            let problem = format!("the sound ends with {left_over} of {unit_bytes} bytes of a frame or block");
            return match self.layout.bytes {
                None => {
                    self.wholeness.warn(format!("{problem}; ignored"));
                    Ok(())
                }
                Some(_) => self.wholeness.incomplete(&problem, self.frames),
            };
        }
        if let Some(promised) = self.layout.frames {
            self.wholeness.length("the header", promised, self.frames, rate_hz)?;
        }
        if self.layout.bytes.is_none() {
            return Ok(());
        }
        match self.layout.behind.account(&mut self.source, self.done + left_over, unit_bytes as u64)? {
            None => Ok(()),
            Some(problem) => self.wholeness.incomplete(&problem, self.frames),
        }
    }
}

/// Decodes whole units and appends their samples.
fn decode(payload: &mut Payload, bytes: &[u8], out: &mut Vec<f32>) -> Result<()> {
    match payload {
        Payload::Blocks(blocks) => {
            for block in bytes.chunks_exact(blocks.bytes()) {
                blocks.decode(block, out);
            }
            Ok(())
        }
        Payload::Samples { coding, signed_bytes: true, .. } => {
            let unsigned: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x80).collect();
            samples::decode(*coding, &unsigned, out)
        }
        Payload::Samples { coding, big_endian: true, .. } if coding.bytes() > 1 => {
            let turned: Vec<u8> =
                bytes.chunks_exact(coding.bytes()).flat_map(|word| word.iter().rev().copied()).collect();
            samples::decode(*coding, &turned, out)
        }
        Payload::Samples { coding, .. } => samples::decode(*coding, bytes, out),
    }
}
