//! Matroska and WebM (RFC 9559): blocks of one audio track to samples, without seeking. Browsers
//! record Opus in WebM.
//!
//! Elements are read in their order; those that hold others are entered, so that sizes which a live
//! recorder leaves open need no care. Held against what was decoded:
//!
//! | promise | difference |
//! |---|---|
//! | sizes of the segment and its clusters | the input ends before them: incomplete |
//! | the duration | the last block ends more than 0.1 s before it: incomplete |
//! | an open segment, as live recorders leave it | a warning |
//! | the blocks' timestamps | gaps of more than 0.2 s: a warning (recorders leave out silence) |
//! | a block's sizes, and its frames | frames that do not decode: silence, counted as damaged |
//!
//! `CodecDelay` is dropped at the start, `DiscardPadding` at the end of its block.

mod block;
mod codec;
mod ebml;
mod tracks;

use std::collections::VecDeque;

use self::ebml::Element;
use self::tracks::{Info, Tracks};
use super::compressed::codecs::{Coding, PacketDecoder, Shape};
use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

const FORMAT: &str = "Matroska";
/// Maximum frames per block of samples.
const BLOCK_FRAMES: usize = 4096;
/// Largest description, and largest block of an audio track, bytes.
const MOST_BYTES: u64 = 16 << 20;
/// Differences between timestamps and decoded audio that recorders make, seconds.
const GAP_S: f64 = 0.2;
const DURATION_S: f64 = 0.1;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const DISCARD_PADDING: u32 = 0x75A2;

/// A frame of the track.
struct Frame {
    bytes: Vec<u8>,
    /// Time of its block, seconds; for the first frame of the block alone.
    at_s: Option<f64>,
    /// Audio to drop at its end, seconds.
    discard_s: f64,
}

/// Streaming decoder of Matroska and WebM.
pub(super) struct MatroskaReader {
    source: Source,
    info: Info,
    tracks: Tracks,
    decoder: PacketDecoder,
    coding: Coding,
    spec: Spec,
    /// Ends of the segment and of the cluster, where they are stated.
    segment_end: Option<u64>,
    cluster_end: Option<u64>,
    /// Timestamp of the cluster.
    cluster: u64,
    queue: VecDeque<Frame>,
    /// Frames that remain to be dropped at the start; `None` before the rate is known.
    skip: Option<u64>,
    /// Frames to drop at the start that the coding's own header states.
    priming: u64,
    samples: Vec<f32>,
    returned: usize,
    /// Frames decoded, and of these kept.
    decoded: u64,
    kept: u64,
    /// Frames of the last packet.
    packet_frames: usize,
    /// Time of the first block minus the audio decoded before it, seconds.
    origin_s: Option<f64>,
    /// End of the last block, seconds.
    end_s: f64,
    gaps: u64,
    gaps_s: f64,
    ended: bool,
    wholeness: Wholeness,
}

impl MatroskaReader {
    /// Reads up to the first frame with audio. The source must be at the EBML header.
    pub(super) fn new(mut source: Source, limits: &Limits) -> Result<(Self, Spec)> {
        let (info, tracks, segment_end) = description(&mut source)?;
        let parameters = codec::parameters(&tracks.audio)?;
        let decoder = PacketDecoder::new(&parameters)?;
        let name = parameters.coding.name();
        let spec =
            Spec { sample_rate_hz: 0, channels: 0, container: Container::Matroska, codec: name, total_frames: None };
        let mut wholeness = Wholeness::new(FORMAT, limits);
        if tracks.audio_count > 1 {
            wholeness.warn(format!("it has {} audio tracks; the default one was used", tracks.audio_count));
        }
        let mut reader = Self {
            source,
            info,
            tracks,
            decoder,
            coding: parameters.coding,
            spec,
            segment_end,
            cluster_end: None,
            cluster: 0,
            queue: VecDeque::new(),
            skip: None,
            priming: parameters.priming(),
            samples: Vec::new(),
            returned: 0,
            decoded: 0,
            kept: 0,
            packet_frames: 0,
            origin_s: None,
            end_s: 0.0,
            gaps: 0,
            gaps_s: 0.0,
            ended: false,
            wholeness,
        };
        while reader.samples.is_empty() && !reader.ended {
            reader.step()?;
        }
        limits.check_channels(reader.spec.channels, FORMAT)?;
        limits.check_rate(reader.spec.sample_rate_hz, FORMAT)?;
        let spec = reader.spec.clone();
        Ok((reader, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        while self.returned == self.samples.len() && !self.ended {
            self.step()?;
        }
        let channels = usize::from(self.spec.channels.max(1));
        let left = &self.samples[self.returned..];
        block.extend_from_slice(&left[..left.len().min(BLOCK_FRAMES * channels)]);
        self.returned += block.len();
        Ok(block.len() / channels)
    }

    /// Decodes the next frame of the queue, or reads the next element.
    fn step(&mut self) -> Result<()> {
        self.samples.clear();
        self.returned = 0;
        match self.queue.pop_front() {
            Some(frame) => self.decode(&frame),
            None => self.element(),
        }
    }

    /// Reads an element: enters it, queues its frames, or skips it.
    fn element(&mut self) -> Result<()> {
        let at = self.source.position();
        let Some((element, header_bytes)) = ebml::header(&mut self.source)? else {
            return self.end(at);
        };
        let content = at + header_bytes as u64;
        let end = element.size.map(|size| content.saturating_add(size));
        let within = |outer: Option<u64>| outer.is_none_or(|outer| end.is_none_or(|end| end <= outer));
        let in_cluster = self.cluster_end.is_none_or(|cluster_end| at < cluster_end);
        if self.segment_end.is_some_and(|segment_end| at >= segment_end) {
            return self.behind(element, at);
        }
        if !within(self.segment_end) || (in_cluster && element.id != CLUSTER && !within(self.cluster_end)) {
            return self.stop(&format!("an element at byte {at} is longer than the one around it: damage"));
        }
        match element {
            Element { id: CLUSTER, .. } => {
                self.source.consume(header_bytes);
                self.cluster_end = end;
                Ok(())
            }
            Element { id: EBML | SEGMENT, .. } => self.stop("a second recording follows: two recordings joined?"),
            Element { size: None, .. } => self.stop(&format!("an element at byte {at} has no size: damage")),
            Element { id: TIMESTAMP, size: Some(size) } => self.timestamp(header_bytes, size),
            Element { id: SIMPLE_BLOCK | BLOCK_GROUP, size: Some(size) } => self.block(element.id, header_bytes, size),
            Element { size: Some(size), .. } => {
                let length = size.saturating_add(header_bytes as u64);
                if self.source.skip(length)? < length { self.cut(at) } else { Ok(()) }
            }
        }
    }

    fn timestamp(&mut self, header_bytes: usize, size: u64) -> Result<()> {
        let length = header_bytes + size.min(8) as usize;
        self.cluster = ebml::unsigned(self.source.peek(length)?.get(header_bytes..).unwrap_or_default());
        self.source.skip(header_bytes as u64 + size)?;
        Ok(())
    }

    /// Queues the frames of a block of our track.
    fn block(&mut self, id: u32, header_bytes: usize, size: u64) -> Result<()> {
        let at = self.source.position();
        let length = size.saturating_add(header_bytes as u64);
        if size > MOST_BYTES {
            return if self.source.skip(length)? < length { self.cut(at) } else { Ok(()) };
        }
        let bytes = self.source.peek(length as usize)?;
        if (bytes.len() as u64) < length {
            return self.cut(at);
        }
        let content = &bytes[header_bytes..];
        let (mut block, mut discard_s) = (Some(content), 0.0);
        if id == BLOCK_GROUP {
            block = None;
            for (id, content) in ebml::children(content) {
                match id {
                    BLOCK => block = Some(content),
                    DISCARD_PADDING => discard_s = (ebml::signed(content) as f64 * 1e-9).max(0.0),
                    _ => {}
                }
            }
        }
        let Some(block) = block.filter(|block| block::track(block) == Some(self.tracks.audio.number)) else {
            self.source.consume(length as usize);
            return Ok(());
        };
        let stripped = &self.tracks.audio.stripped;
        if let Some(block) = block::parse(block) {
            let at_s = (self.cluster as f64 + f64::from(block.offset)) * self.info.unit_s;
            let count = block.frames.len();
            self.queue.extend(block.frames.into_iter().enumerate().map(|(index, frame)| Frame {
                bytes: [stripped.as_slice(), frame].concat(),
                at_s: (index == 0).then_some(at_s),
                discard_s: if index + 1 == count { discard_s } else { 0.0 },
            }));
        } else {
            // Its frames are lost; an empty one becomes their silence.
            self.queue.push_back(Frame { bytes: Vec::new(), at_s: None, discard_s: 0.0 });
        }
        self.source.consume(length as usize);
        Ok(())
    }

    fn decode(&mut self, frame: &Frame) -> Result<()> {
        match self.decoder.decode(&frame.bytes, &mut self.samples) {
            Ok(_) if self.samples.is_empty() => return Ok(()), // Vorbis' first packet
            Ok(shape) => {
                if self.spec.channels == 0 {
                    self.begin(shape);
                }
                if (self.spec.sample_rate_hz, self.spec.channels) != (shape.sample_rate_hz, shape.channels) {
                    let (Shape { sample_rate_hz: rate, channels }, spec) = (shape, &self.spec);
                    let problem = format!(
                        "it changes from {} Hz in {} channels to {rate} Hz in {channels}",
                        spec.sample_rate_hz, spec.channels
                    );
                    return self.stop(&problem);
                }
                self.packet_frames = self.samples.len() / usize::from(shape.channels.max(1));
            }
            Err(problem) => {
                let frames = self.stated_frames(&frame.bytes).unwrap_or(self.packet_frames);
                self.wholeness.lost(1, frames as u64, self.seconds(self.kept), &problem);
                self.samples.clear();
                self.samples.resize(frames * usize::from(self.spec.channels), 0.0);
            }
        }
        self.compare(frame.at_s);
        self.trim(frame.discard_s);
        Ok(())
    }

    /// Length of a frame that does not decode, where the coding states it.
    fn stated_frames(&self, frame: &[u8]) -> Option<usize> {
        #[cfg(feature = "opus")]
        if self.coding == Coding::Opus {
            return super::opus::packet_frames(frame);
        }
        match self.coding {
            Coding::Pcm(coding, _) => Some(frame.len() / coding.bytes() / usize::from(self.spec.channels.max(1))),
            _ => None,
        }
    }

    /// Notes rate and channels, and what is to be dropped at the start.
    fn begin(&mut self, Shape { sample_rate_hz: rate_hz, channels }: Shape) {
        (self.spec.sample_rate_hz, self.spec.channels) = (rate_hz, channels);
        let delay = (self.tracks.audio.delay_s * f64::from(rate_hz)).round() as u64;
        if self.priming > 0 && delay > 0 && self.priming.abs_diff(delay) > u64::from(rate_hz) / 1000 {
            self.wholeness.warn(format!(
                "the track's delay is {delay} frames, the pre-skip of its coding {}; the latter was used",
                self.priming
            ));
        }
        self.skip = Some(if self.priming > 0 { self.priming } else { delay });
    }

    /// Holds the time of a block against the audio before it.
    fn compare(&mut self, at_s: Option<f64>) {
        let before_s = self.seconds(self.decoded);
        let length_s = self.seconds((self.samples.len() / usize::from(self.spec.channels.max(1))) as u64);
        if let Some(at_s) = at_s {
            let origin_s = *self.origin_s.get_or_insert(at_s - before_s);
            let gap_s = at_s - before_s - origin_s - self.gaps_s;
            if gap_s > GAP_S {
                self.gaps += 1;
                self.gaps_s += gap_s;
            }
            self.end_s = at_s;
        }
        self.end_s += length_s;
    }

    fn trim(&mut self, discard_s: f64) {
        let channels = usize::from(self.spec.channels.max(1));
        let frames = (self.samples.len() / channels) as u64;
        self.decoded += frames;
        let discarded = (discard_s * f64::from(self.spec.sample_rate_hz)).round() as u64;
        let left = frames.saturating_sub(discarded);
        self.samples.truncate(left as usize * channels);
        let skip = self.skip.get_or_insert(0);
        let skipped = left.min(*skip);
        *skip -= skipped;
        self.samples.drain(..skipped as usize * channels);
        self.kept += left - skipped;
    }

    /// The input ends where an element should begin, or what begins there is none.
    fn end(&mut self, at: u64) -> Result<()> {
        let there = self.source.peek(12)?.len();
        let nothing = self.source.rest_is_zero()?;
        if !nothing && there < 12 {
            return self.cut(at);
        }
        if !nothing {
            return self.stop(&format!("the bytes at {at} are no element: damage"));
        }
        if let Some(end) = self.segment_end.filter(|&end| end > at) {
            return self.stop(&format!("its segment ends at byte {end}, the input at byte {at}"));
        }
        if self.cluster_end.is_some_and(|end| end > at) {
            return self.cut(at);
        }
        self.finish()
    }

    /// What follows the segment.
    fn behind(&mut self, element: Element, at: u64) -> Result<()> {
        match element.id {
            EBML => self.stop(&format!("a second recording follows at byte {at}: two recordings joined?")),
            _ => self.finish(),
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.ended = true;
        if self.kept == 0 {
            return Err(Error::malformed(FORMAT, "its audio track has not a single sample; check the recording"));
        }
        if self.segment_end.is_none() {
            self.wholeness.warn(
                "the recorder left the length open (a live stream, such as a browser's recording); read to the end",
            );
        }
        if self.gaps > 0 {
            self.wholeness.warn(format!(
                "the timestamps leave {} gap(s), {:.3} s in all: silence that was not recorded, or missing audio; joined without them",
                self.gaps, self.gaps_s
            ));
        }
        // With video the duration may be the video's.
        let promised = self.info.duration_s.filter(|_| !self.tracks.others && self.tracks.audio_count == 1);
        if let Some(duration_s) = promised.filter(|&duration_s| self.end_s + DURATION_S < duration_s) {
            let end_s = self.end_s;
            return self.stop(&format!("the header states {duration_s:.3} s, the last block ends at {end_s:.3} s"));
        }
        self.wholeness.finish(self.kept)
    }

    fn cut(&mut self, at: u64) -> Result<()> {
        self.stop(&format!("the input ends within the element at byte {at}, after {:.3} s", self.seconds(self.kept)))
    }

    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        self.queue.clear();
        self.samples.clear();
        self.wholeness.incomplete(problem, self.kept)?;
        self.wholeness.finish(self.kept)
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.spec.sample_rate_hz.max(1))
    }
}

/// Reads up to the first cluster.
fn description(source: &mut Source) -> Result<(Info, Tracks, Option<u64>)> {
    let malformed = |what: String| Error::malformed(FORMAT, format!("{what}; get the file again"));
    let (mut info, mut tracks, mut segment_end) = (Info::default(), None, None);
    loop {
        let at = source.position();
        let Some((element, header_bytes)) = ebml::header(source)? else {
            return Err(malformed(format!("its headers end at byte {at}, before any audio")));
        };
        match element.id {
            CLUSTER => {
                let tracks = tracks
                    .ok_or_else(|| malformed("its audio comes before the description of its tracks".to_owned()))?;
                return Ok((info, tracks, segment_end));
            }
            SEGMENT => {
                source.consume(header_bytes);
                segment_end = element.size.map(|size| source.position().saturating_add(size));
            }
            id => {
                let Some(size) = element.size else {
                    return Err(malformed(format!("an element at byte {at} has no size")));
                };
                source.consume(header_bytes);
                if matches!(id, INFO | TRACKS) {
                    if size > MOST_BYTES {
                        return Err(malformed(format!("its description claims {size} bytes")));
                    }
                    let content = source.peek(size as usize)?;
                    match id {
                        INFO => info = Info::parse(content),
                        _ => tracks = Some(Tracks::parse(content, FORMAT)?),
                    }
                }
                if source.skip(size)? < size {
                    return Err(malformed(format!("the input ends within the element at byte {at}, before any audio")));
                }
            }
        }
    }
}
