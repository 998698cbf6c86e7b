//! MP3 decoder: MPEG frames to samples, with the encoder's delay and padding removed.
//!
//! Frames and tag are parsed here, because demultiplexers silently resynchronise after damage. The
//! number of frames is held against the tag's; a tag that is wrong by one (it counts its own frame) or
//! too low is a warning, one that promises more than is there refuses the recording.
//! [`layer3`] decodes one complete frame at a time.
//!
//! Without a LAME tag (a stream, or frames too small to hold one) the delay is unknown: nothing is
//! removed, as in ffmpeg, and the audio begins about 1100 samples late.
//!
//! Layers I and II, free format, and streams that change rate or channels are refused. If a stream
//! begins in the middle of a recording, its first frames refer to bits that are missing and decode
//! to silence.

mod frames;
mod layer3;
mod tag;

use self::frames::Next;
use self::layer3::{Layer3, SideInfo};
use self::tag::{Tag, Trim};
use super::limits::Limits;
use super::mpeg::{FrameHeader, HEADER_BYTES};
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

/// Frames of silence in place of one gap, at most: 25 s of MPEG-1.
const MOST_LOST: u64 = 1000;

/// Streaming decoder of MP3, one MPEG frame per block.
pub(super) struct Mp3Reader {
    source: Source,
    decoder: Layer3,
    first: FrameHeader,
    tag: Option<Tag>,
    trim: Trim,
    /// Number of MPEG frames so far, without the tag's, with those replaced by silence.
    index: u64,
    /// Size of the last frame, bytes, and number of changes by more than the padding byte.
    size: usize,
    size_changes: u64,
    /// Position of the tag's frame, or of the first.
    begins: u64,
    /// Number of samples per channel returned so far.
    returned: u64,
    /// Samples behind the end that the tag states: padding, unless further frames follow.
    held: Vec<f32>,
    ended: bool,
    wholeness: Wholeness,
}

impl Mp3Reader {
    /// Reads the first header and the tag. The source must be at the first frame.
    pub(super) fn new(mut source: Source, limits: &Limits) -> Result<(Self, Spec)> {
        let head = source.peek_array::<HEADER_BYTES>()?;
        let first = head.and_then(FrameHeader::parse).ok_or_else(|| Error::malformed("MP3", "no MPEG frame"))?;
        if first.layer != 3 {
            let codec = first.codec();
            return Err(Error::Unsupported(format!(
                "{codec}; only layer III is supported; convert it: ffmpeg -i IN OUT.wav"
            )));
        }
        limits.check_channels(first.channels, "MP3")?;
        limits.check_rate(first.sample_rate_hz, "MP3")?;
        let begins = source.position();
        let frame = source.peek(first.frame_bytes)?;
        let tag = if frame.len() == first.frame_bytes { Tag::parse(&first, frame) } else { None };
        if tag.is_some() {
            source.consume(first.frame_bytes);
        }
        let trim = tag.map_or(Trim { skip: 0, keep: None }, |tag| tag.trim(first.samples_per_frame()));
        let frames = tag.and_then(|tag| tag.frames);
        let spec = Spec {
            sample_rate_hz: first.sample_rate_hz,
            channels: first.channels,
            container: Container::Mp3,
            codec: first.codec(),
            total_frames: trim.keep.or(frames.map(|n| u64::from(n) * u64::from(first.samples_per_frame()))),
        };
        let mut wholeness = Wholeness::new("MP3", limits);
        if tag.is_some_and(|tag| !tag.is_intact) {
            wholeness.warn(
                "the header (LAME tag) was changed: its checksum is wrong; its delay and padding were used as stated",
            );
        }
        let reader = Self {
            source,
            decoder: Layer3::new(),
            first,
            tag,
            trim,
            index: 0,
            size: first.frame_bytes,
            size_changes: 0,
            begins,
            returned: 0,
            held: Vec::new(),
            ended: false,
            wholeness,
        };
        Ok((reader, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        while !self.ended {
            match self.step(block)? {
                0 => {}
                frames => return Ok(frames),
            }
        }
        Ok(0)
    }

    /// Decodes one MPEG frame and returns its number of samples per channel: 0 for delay or padding
    /// alone, and at the end.
    fn step(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        let accounted = self.promised_frames().is_some();
        match frames::next(&mut self.source, &self.first, self.index, accounted)? {
            Next::Frame(header) => self.frame(&header, header.frame_bytes, block),
            Next::Part(header, there) => {
                let part = self.source.peek(there)?.to_vec();
                let needed = SideInfo::parse(&header, &part).map(|side| side.needed_bytes(&header));
                if self.index > 0 && needed.is_some_and(|needed| needed <= there) {
                    let missing = header.frame_bytes - there;
                    self.wholeness.warn(format!(
                        "the last MPEG frame lacks {missing} bytes, which hold no audio: its encoder did not write them"
                    ));
                    return self.frame(&header, there, block);
                }
                self.stop(&format!(
                    "the last MPEG frame, {} at byte {}, needs {} bytes and the input ends after {there}",
                    self.index,
                    self.source.position(),
                    header.frame_bytes
                ))
                .map(|()| 0)
            }
            Next::Gap(bytes, problem) => Ok(self.gap(bytes, &problem, block)),
            Next::End(junk) => {
                self.end(junk, block)?;
                Ok(block.len() / usize::from(self.first.channels))
            }
            Next::Damage(problem) => self.stop(&problem).map(|()| 0),
        }
    }

    fn promised_frames(&self) -> Option<u64> {
        self.tag.and_then(|tag| tag.frames).map(u64::from)
    }

    /// Decodes the frame at the source, of which `there` bytes are present.
    fn frame(&mut self, header: &FrameHeader, there: usize, block: &mut Vec<f32>) -> Result<usize> {
        let mut bytes = self.source.peek(there)?.to_vec();
        bytes.resize(header.frame_bytes, 0);
        let at = self.source.position();
        if self.index > 0 && Tag::parse(header, &bytes).is_some() {
            let index = self.index;
            return self
                .stop(&format!(
                    "after {index} MPEG frames, a second header begins at byte {at}: two recordings joined?"
                ))
                .map(|()| 0);
        }
        if let Err(problem) = self.decoder.decode(header, &bytes, block) {
            let samples = header.samples_per_frame();
            let at_s = self.index as f64 * f64::from(samples) / f64::from(header.sample_rate_hz);
            self.wholeness.lost(1, samples.into(), at_s, &format!("MPEG frame {} at byte {at}: {problem}", self.index));
        }
        self.source.consume(there);
        self.index += 1;
        self.size_changes += u64::from(header.frame_bytes.abs_diff(self.size) > 1);
        self.size = header.frame_bytes;
        Ok(self.trim(block))
    }

    /// Replaces a gap between frames by the silence of as many frames as fit into it.
    fn gap(&mut self, bytes: u64, problem: &str, block: &mut Vec<f32>) -> usize {
        let size = self.first.frame_bytes as u64;
        let lost = ((bytes + size / 2) / size).min(MOST_LOST);
        let samples = u64::from(self.first.samples_per_frame());
        self.decoder.reset_reservoir();
        if lost == 0 {
            self.wholeness.warn(format!("{problem}; {bytes} bytes passed over"));
            return 0;
        }
        let at_s = (self.index * samples) as f64 / f64::from(self.first.sample_rate_hz);
        self.wholeness.lost(lost, lost * samples, at_s, problem);
        block.resize((lost * samples) as usize * usize::from(self.first.channels), 0.0);
        self.index += lost;
        self.trim(block)
    }

    /// Removes delay and padding from the block of the last frame. Returns the number of frames
    /// left. Frames beyond the tag's count show that its end is wrong: then nothing more is removed.
    fn trim(&mut self, block: &mut Vec<f32>) -> usize {
        let channels = usize::from(self.first.channels);
        let frames = block.len() / channels;
        let front = self.trim.skip.min(frames as u64) as usize;
        self.trim.skip -= front as u64;
        block.drain(..front * channels);
        if self.promised_frames().is_some_and(|promised| self.index > promised) {
            self.trim.keep = None;
            *block = self.held.drain(..).chain(block.drain(..)).collect();
        }
        let room = self.trim.keep.map_or(u64::MAX, |keep| keep - self.returned.min(keep));
        let kept = room.min((block.len() / channels) as u64) as usize;
        self.held.extend(block.drain(kept * channels..));
        self.returned += kept as u64;
        kept
    }

    /// Ends a damaged stream: an error, or a warning if truncated input is accepted and there was
    /// audio before.
    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        let decoded = match self.promised_frames() {
            Some(promised) => format!("{problem} ({} of {promised} MPEG frames decoded)", self.index),
            None => format!("{problem} ({} MPEG frames decoded)", self.index),
        };
        self.wholeness.incomplete(&decoded, self.returned)?;
        self.wholeness.finish(self.returned)
    }

    /// At the end of the stream, behind `junk` bytes that are no frames: verifies the number of
    /// frames that the tag states, and that there was any audio.
    fn end(&mut self, junk: u64, block: &mut Vec<f32>) -> Result<()> {
        self.ended = true;
        if self.returned == 0 {
            let what = "it contains not a single sample; check the recording";
            return Err(Error::malformed("MP3", what));
        }
        if junk > 0 {
            self.wholeness.warn(format!("{junk} bytes behind the last MPEG frame are no audio; passed over"));
        }
        match self.promised_frames() {
            Some(promised) => self.hold_count(promised, junk, block)?,
            // A wrong bit rate makes one frame of several, unless a count tells their number.
            None if (1..=2).contains(&self.size_changes) => self.wholeness.warn(
                "the bit rate changes at a single place of an MP3 without a count of its frames: as encoded, or damage",
            ),
            None => {}
        }
        self.wholeness.finish(self.returned)
    }

    /// Holds the number of frames against the tag's. Some encoders count the tag's own frame, and
    /// programs that cut or join do not update it.
    fn hold_count(&mut self, promised: u64, junk: u64, block: &mut Vec<f32>) -> Result<()> {
        let there = self.index;
        let size = self.source.position() - self.begins - junk;
        let is_short = self.tag.and_then(|tag| tag.bytes).is_some_and(|bytes| u64::from(bytes) > size);
        match there {
            _ if there == promised => {}
            _ if there > promised => self.wholeness.warn(format!(
                "the header states {promised} MPEG frames, the stream has {there}; read all of them"
            )),
            _ if there + 1 == promised && !is_short => self.wholeness.warn(format!(
                "the header states {promised} MPEG frames, the stream has {there}: it counts itself, or the last frame is missing"
            )),
            _ => {
                block.clear();
                return self.stop(&format!(
                    "the header states {promised} MPEG frames, the stream has {there}: the recording is truncated"
                ));
            }
        }
        Ok(())
    }
}
