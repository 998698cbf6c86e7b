//! FLAC, Ogg (Vorbis, Opus, FLAC) and M4A (AAC-LC, ALAC, Opus, PCM): packets to samples.
//!
//! symphonia decodes the packets, one at a time. Containers are read here, because demultiplexers
//! silently resynchronise after damage, and what they pass over is then missing without a word:
//!
//! | container | held against the samples |
//! |---|---|
//! | FLAC | each frame's checksum and position, the number of samples, their MD5 |
//! | Ogg | each page's checksum, number and granule position; the last page; a single stream |
//! | M4A | number, sizes, durations and places of the packets; the edit list |
//!
//! **Start of the audio.** FLAC is exact. Vorbis is trimmed to the samples that its pages count, Opus
//! at the start by its pre-skip, at the end by its pages or the edit list, AAC
//! and ALAC at the start as the edit list states, or else as iTunes does (`iTunSMPB`), and after the
//! edit's last packet. Of HE-AAC the AAC-LC core is decoded if the file signals it; otherwise the file
//! is refused.
//!
//! A panic of a decoder becomes an error.

pub(super) mod codecs;
mod demux;
mod flac;
mod guard;
mod mp4;
mod ogg;

use self::codecs::{Coding, PacketDecoder, Parameters, Shape};
use self::demux::{Demux, Event, Group};
use self::flac::FlacReader;
use self::mp4::{Mp4Reader, Promise};
use self::ogg::OggReader;
use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;
/// Longest gap that is replaced by silence, seconds. A longer one ends the stream.
const LONGEST_GAP_S: u64 = 10;
/// Packets without samples at the start of a stream, at most.
const MOST_EMPTY: usize = 10_000;

/// Streaming decoder of packets.
pub(super) struct CompressedReader {
    demux: Box<dyn Demux>,
    decoder: PacketDecoder,
    spec: Spec,
    promise: Option<Promise>,
    /// Frames to drop at the start if no edit list says so.
    priming: u64,
    /// Whether the edit list's end is exact, as Opus has it. Of other codings the packet at the end
    /// is kept whole, as players do.
    exact_end: bool,
    /// Interleaved samples of the last group, of which the first `returned` were returned already.
    block: Vec<f32>,
    returned: usize,
    /// Frames of the stream so far, before trimming.
    decoded: u64,
    /// Position of the stream's first frame in the container's count.
    offset: i64,
    /// Packets that are known to be lost and whose length is not known yet.
    pending: Option<(u64, String)>,
    trim: Trim,
    ended: bool,
    wholeness: Wholeness,
}

/// The part of the decoded frames that is audio.
#[derive(Debug, Clone, Copy)]
struct Trim {
    /// Frames to drop at the start.
    skip: u64,
    /// Frames after which packets are dropped.
    until: Option<u64>,
}

impl CompressedReader {
    /// Reads the headers and the first packet with audio. The source must be at the container's
    /// first byte.
    pub(super) fn new(source: Source, container: Container, limits: &Limits) -> Result<(Self, Spec)> {
        let name = container.name();
        let Opened { demux, parameters, total_frames, promise } = open(source, container)?;
        let decoder = PacketDecoder::new(&parameters)?;
        let codec = parameters.coding.name();
        let mut reader = Self {
            demux,
            decoder,
            spec: Spec { sample_rate_hz: 0, channels: 0, container, codec, total_frames },
            promise,
            priming: parameters.priming(),
            exact_end: parameters.coding == Coding::Opus,
            block: Vec::new(),
            returned: 0,
            decoded: 0,
            offset: 0,
            pending: None,
            trim: Trim { skip: 0, until: None },
            ended: false,
            wholeness: Wholeness::new(name, limits),
        };
        for _ in 0..MOST_EMPTY {
            if !reader.block.is_empty() || reader.ended {
                break;
            }
            reader.advance()?;
        }
        if reader.spec.channels == 0 {
            return Err(Error::malformed(name, "it contains not a single sample; check the recording"));
        }
        limits.check_channels(reader.spec.channels, name)?;
        limits.check_rate(reader.spec.sample_rate_hz, name)?;
        let spec = reader.spec.clone();
        Ok((reader, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        while self.returned == self.block.len() && !self.ended {
            self.advance()?;
        }
        let channels = usize::from(self.spec.channels.max(1));
        let left = &self.block[self.returned..];
        block.extend_from_slice(&left[..left.len().min(BLOCK_FRAMES * channels)]);
        self.returned += block.len();
        Ok(block.len() / channels)
    }

    /// Reads the next element of the stream; samples go to `block`.
    fn advance(&mut self) -> Result<()> {
        self.block.clear();
        self.returned = 0;
        match self.demux.next()? {
            Event::Group(group) => self.group(&group),
            Event::Lost(packets, what) => {
                self.decoder.reset();
                self.lose(packets, &what);
                Ok(())
            }
            Event::Odd(what) => {
                self.wholeness.warn(what);
                Ok(())
            }
            Event::Broken(what) => self.stop(&what),
            Event::End => self.finish(),
        }
    }

    fn lose(&mut self, packets: u64, what: &str) {
        let pending = self.pending.get_or_insert_with(|| (0, what.to_owned()));
        pending.0 += packets;
    }

    /// Decodes a group to `block` and holds its positions against what was decoded.
    fn group(&mut self, group: &Group) -> Result<()> {
        if let Some(start) = group.starts_at {
            let position = self.decoded.saturating_add_signed(self.offset);
            if self.decoded == 0 && self.pending.is_none() {
                self.offset = start as i64;
            } else if start > position {
                self.silence(start - position)?;
            } else if start < position {
                return self
                    .stop(&format!("the position runs back from frame {position} to {start}: two recordings joined?"));
            }
        }
        if self.ended {
            return Ok(());
        }
        let first = self.decoded == 0;
        for packet in &group.packets {
            let before = self.block.len();
            match self.decoder.decode(&packet.bytes, &mut self.block) {
                Ok(shape) if self.block.len() > before => {
                    if let Some(change) = self.change(shape) {
                        self.block.truncate(before);
                        return self.stop(&change);
                    }
                    self.decoded += ((self.block.len() - before) / usize::from(shape.channels.max(1))) as u64;
                }
                Ok(_) => {}
                Err(problem) => {
                    self.decoder.reset();
                    self.lose(1, &problem);
                    if let Some(frames) = packet.frames.filter(|_| self.spec.channels > 0) {
                        self.silence(self.in_frames(frames))?;
                    }
                }
            }
            if self.ended {
                return Ok(());
            }
        }
        if let Some(end) = group.ends_at {
            self.reach(end, first, group.is_last)?;
        } else if group.starts_at.is_some() && self.pending.is_some() && !group.packets.is_empty() {
            self.settle(0);
        }
        self.trim();
        Ok(())
    }

    /// Holds the position after a group, `end`, against the decoded frames.
    fn reach(&mut self, end: i64, first: bool, is_last: bool) -> Result<()> {
        let here = self.decoded as i64 + self.offset;
        let channels = usize::from(self.spec.channels);
        if channels == 0 {
            return Ok(());
        }
        if first && !is_last && self.pending.is_none() && self.block.len() / channels > 0 {
            if end >= here {
                self.offset = end - here; // a stream that was joined after its start
            } else {
                self.drop_front((here - end) as u64, channels);
            }
            return Ok(());
        }
        if end > here {
            return self.silence((end - here) as u64);
        }
        let surplus = (here - end) as u64;
        if surplus > 0 && !is_last {
            return self.stop(&format!("its pages count {end} frames, its packets have {here}"));
        }
        let there = (self.block.len() / channels) as u64;
        if surplus > there {
            return self.stop(&format!("its last page counts {end} frames, its packets have {here}"));
        }
        self.block.truncate((there - surplus) as usize * channels);
        self.decoded -= surplus;
        self.settle(0);
        Ok(())
    }

    /// Drops frames at the start of the block, which come before the recording's start.
    fn drop_front(&mut self, frames: u64, channels: usize) {
        let n = (frames as usize * channels).min(self.block.len());
        self.block.drain(..n);
        self.decoded -= (n / channels) as u64;
    }

    /// Appends silence in place of lost packets.
    fn silence(&mut self, frames: u64) -> Result<()> {
        let rate = u64::from(self.spec.sample_rate_hz);
        if frames > LONGEST_GAP_S * rate || self.spec.channels == 0 {
            let what = self.pending.take().map_or(String::new(), |(_, what)| format!(": {what}"));
            let gap = frames as f64 / rate.max(1) as f64;
            return self.stop(&format!("{gap:.3} s of audio are missing after {:.3} s{what}", self.seconds()));
        }
        self.block.resize(self.block.len() + frames as usize * usize::from(self.spec.channels), 0.0);
        self.settle(frames);
        self.decoded += frames;
        Ok(())
    }

    /// Counts the pending packets as lost, with the frames that replace them.
    fn settle(&mut self, frames: u64) {
        let at_s = self.seconds();
        match self.pending.take() {
            Some((packets, what)) => self.wholeness.lost(packets, frames, at_s, &what),
            None if frames > 0 => self.wholeness.lost(1, frames, at_s, "packets are missing"),
            None => {}
        }
    }

    /// What changes in the middle of the stream. The first shape is that of the recording.
    fn change(&mut self, shape: Shape) -> Option<String> {
        let spec = &mut self.spec;
        if spec.channels == 0 {
            (spec.sample_rate_hz, spec.channels) = (shape.sample_rate_hz, shape.channels);
            let priming = self.priming;
            self.trim = self.promise.map_or(Trim { skip: priming, until: None }, |promise| Trim {
                skip: promise.edit.map_or(priming, |edit| self.in_frames(edit.start)),
                until: promise.edit.and_then(|edit| Some(self.in_frames(edit.start.checked_add(edit.duration?)?))),
            });
            return None;
        }
        let same = (spec.sample_rate_hz, spec.channels) == (shape.sample_rate_hz, shape.channels);
        (!same).then(|| {
            format!(
                "it changes from {} Hz in {} channels to {} Hz in {}",
                spec.sample_rate_hz, spec.channels, shape.sample_rate_hz, shape.channels
            )
        })
    }

    /// Media units of an MP4 in frames; FLAC's packets state frames.
    fn in_frames(&self, units: u64) -> u64 {
        let timescale = self.promise.map_or(self.spec.sample_rate_hz, |promise| promise.timescale);
        let scaled = u128::from(units) * u128::from(self.spec.sample_rate_hz) / u128::from(timescale.max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Removes from the block what comes before the edit, and blocks that begin after it.
    fn trim(&mut self) {
        let channels = usize::from(self.spec.channels.max(1));
        let frames = (self.block.len() / channels) as u64;
        let begins = self.decoded - frames.min(self.decoded);
        if let Some(until) = self.trim.until.filter(|_| self.exact_end) {
            self.block.truncate(until.saturating_sub(begins).min(frames) as usize * channels);
        }
        let frames = (self.block.len() / channels) as u64;
        if self.trim.until.is_some_and(|until| begins >= until) {
            self.block.clear();
        } else if begins < self.trim.skip {
            let n = (self.trim.skip - begins).min(frames) as usize;
            self.block.drain(..n * channels);
        }
    }

    /// Verifies length and checksum at the end of the stream.
    fn finish(&mut self) -> Result<()> {
        self.ended = true;
        self.settle(0);
        let rate = self.spec.sample_rate_hz;
        if let Some(promised) = self.spec.total_frames {
            self.wholeness.length("the header", promised, self.decoded, rate)?;
        }
        if let Some(promise) = self.promise {
            self.hold_promise(promise)?;
        }
        if self.presented() == 0 {
            return Err(Error::malformed(
                self.spec.container.name(),
                "it contains not a single sample; check the recording",
            ));
        }
        if self.wholeness.damaged_packets() == 0 && self.decoder.is_verified()? == Some(false) {
            return self.stop("the checksum (MD5) of its samples is wrong: some were changed");
        }
        self.wholeness.finish(self.decoded)
    }

    /// Holds the index of an MP4 against the decoded frames. Durations are exact but for the last
    /// packet's.
    fn hold_promise(&mut self, promise: Promise) -> Result<()> {
        let rate = self.spec.sample_rate_hz;
        let tolerance = u64::from(rate) / 10;
        if let Some(promised) = promise.duration.map(|units| self.in_frames(units))
            && promised.abs_diff(self.decoded) > tolerance
        {
            self.wholeness.length("the index", promised, self.decoded, rate)?;
        }
        let Some(edit) = promise.edit else { return Ok(()) };
        let (skip, seconds) = (self.trim.skip, |frames: u64| frames as f64 / f64::from(rate.max(1)));
        if let Some(until) = self.trim.until.filter(|&until| until > self.decoded + tolerance) {
            self.wholeness.length("the edit list", until - skip, self.decoded.saturating_sub(skip), rate)?;
        }
        let left_out = self.trim.until.map_or(0, |until| self.decoded.saturating_sub(until));
        if left_out > tolerance || skip > tolerance.max(4096) {
            self.wholeness.warn(format!(
                "the edit list uses {:.3} s from {:.3} s on of the {:.3} s in the file",
                seconds(self.decoded.saturating_sub(skip + left_out)),
                edit.start as f64 / f64::from(promise.timescale.max(1)),
                seconds(self.decoded)
            ));
        }
        Ok(())
    }

    /// Ends a damaged stream: an error, or a warning if truncated input is accepted and there was
    /// audio before.
    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        let of = match self.spec.total_frames {
            Some(total) => format!(" ({} of {total} frames decoded)", self.decoded),
            None => format!(" ({:.3} s decoded)", self.seconds()),
        };
        self.wholeness.incomplete(&format!("{problem}{of}"), self.presented())?;
        self.trim();
        self.wholeness.finish(self.decoded)
    }

    /// Frames so far that are not priming.
    fn presented(&self) -> u64 {
        self.decoded.saturating_sub(self.trim.skip)
    }

    fn seconds(&self) -> f64 {
        self.decoded as f64 / f64::from(self.spec.sample_rate_hz.max(1))
    }
}

/// An opened container.
struct Opened {
    demux: Box<dyn Demux>,
    parameters: Parameters,
    /// Number of frames that the header states.
    total_frames: Option<u64>,
    promise: Option<Promise>,
}

/// Reads the headers of a container.
fn open(source: Source, container: Container) -> Result<Opened> {
    match container {
        Container::Flac => {
            let (reader, parameters, total_frames) = FlacReader::new(source)?;
            Ok(Opened { demux: Box::new(reader), parameters, total_frames, promise: None })
        }
        Container::Ogg => {
            let (reader, parameters) = OggReader::new(source)?;
            Ok(Opened { demux: Box::new(reader), parameters, total_frames: None, promise: None })
        }
        _ => {
            let (reader, parameters, promise) = Mp4Reader::new(source)?;
            Ok(Opened { demux: Box::new(reader), parameters, total_frames: None, promise: Some(promise) })
        }
    }
}
