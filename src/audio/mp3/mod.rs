//! MP3 decoder: MPEG frames to samples, with the encoder's delay and padding removed.
//!
//! Frames and tag are parsed here, because demultiplexers silently resynchronise after damage.
//! symphonia decodes one complete, validated frame at a time; `Cargo.toml` says why this decoder
//! was chosen.
//!
//! Without a LAME tag (a stream, or frames too small to hold one) the delay is unknown: nothing is
//! removed, as in ffmpeg, and the audio begins about 1100 samples late.
//!
//! Layers I and II, free format, and streams that change rate or channels are refused. If a stream
//! begins in the middle of a recording, its first frames refer to bits that are missing and decode
//! to silence.

mod frames;
mod tag;

use symphonia_bundle_mp3::MpaDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use self::frames::Next;
use self::tag::{Tag, Trim};
use super::limits::Limits;
use super::mpeg::{FrameHeader, HEADER_BYTES};
use super::source::Source;
use super::spec::{Container, Spec};
use crate::error::{Error, Result};

/// Streaming decoder of MP3, one MPEG frame per block.
pub(super) struct Mp3Reader {
    source: Source,
    decoder: MpaDecoder,
    first: FrameHeader,
    tag: Option<Tag>,
    trim: Trim,
    /// Number of MPEG frames read so far, without the tag's.
    index: u64,
    /// Number of samples per channel returned so far.
    returned: u64,
    ended: bool,
    accept_truncated: bool,
    warnings: Vec<String>,
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
        let reader = Self {
            source,
            decoder: decoder()?,
            first,
            tag,
            trim,
            index: 0,
            returned: 0,
            ended: false,
            accept_truncated: limits.accept_truncated,
            warnings: Vec::new(),
        };
        Ok((reader, spec))
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
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
        match frames::next(&mut self.source, &self.first, self.index)? {
            Next::Frame(header) => {
                let problem = self.decode(&header, block)?;
                self.source.consume(header.frame_bytes);
                self.index += 1;
                problem.map_or(Ok(()), |problem| self.stop(&problem))?;
                Ok(self.trim(block))
            }
            Next::End => {
                self.ended = true;
                self.check_count()?;
                Ok(0)
            }
            Next::Damage(problem) => self.stop(&problem).map(|()| 0),
        }
    }

    /// Decodes the frame at the source. Returns what is wrong with a damaged frame, and no samples.
    fn decode(&mut self, header: &FrameHeader, block: &mut Vec<f32>) -> Result<Option<String>> {
        let at = self.source.position();
        let bytes = self.source.peek(header.frame_bytes)?;
        let duration = Duration::from(u64::from(header.samples_per_frame()));
        let problem = match self.decoder.decode_ref(&PacketRef::new(0, Timestamp::ZERO, duration, bytes)) {
            Ok(decoded) => {
                decoded.copy_to_vec_interleaved(block);
                let whole = header.samples_per_frame() as usize * usize::from(header.channels);
                if block.len() == whole && block.iter().all(|x| x.is_finite()) {
                    return Ok(None);
                }
                "it decodes to NaN or infinity, or to a wrong length".to_owned()
            }
            Err(e) => e.to_string(),
        };
        block.clear();
        Ok(Some(format!("MPEG frame {} at byte {at} is damaged ({problem})", self.index)))
    }

    /// Removes delay and padding from the block of the last frame. Returns the number of frames
    /// left.
    fn trim(&mut self, block: &mut Vec<f32>) -> usize {
        let channels = usize::from(self.first.channels);
        let frames = block.len() / channels;
        let front = self.trim.skip.min(frames as u64) as usize;
        self.trim.skip -= front as u64;
        let room = self.trim.keep.map_or(u64::MAX, |keep| keep - self.returned.min(keep));
        let kept = room.min((frames - front) as u64) as usize;
        block.truncate((front + kept) * channels);
        block.drain(..front * channels);
        self.returned += kept as u64;
        kept
    }

    /// Ends a damaged stream: an error, or a warning if truncated input is accepted and there was
    /// audio before.
    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        if self.accept_truncated && self.returned > 0 {
            self.warnings.push(format!("{problem}; used the audio before it"));
            return Ok(());
        }
        Err(frames::damaged(problem))
    }

    /// At the end of the stream, verifies the number of frames that the tag states, and that there
    /// was any audio.
    fn check_count(&mut self) -> Result<()> {
        if let Some(problem) = self.count_problem() {
            return self.stop(&problem);
        }
        if self.returned == 0 {
            return Err(Error::malformed("MP3", "it contains not a single sample; check the recording"));
        }
        Ok(())
    }

    /// Compares the number of frames with the tag's. Encoders unrelated to LAME may count the tag's
    /// own frame too, so that one less is accepted from them.
    fn count_problem(&self) -> Option<String> {
        let tag = self.tag?;
        let (promised, there) = (u64::from(tag.frames?), self.index);
        let exact = tag.delay_and_padding.is_some();
        if there == promised || (!exact && there + 1 == promised) {
            return None;
        }
        let what = if there < promised { "the recording is truncated" } else { "two recordings joined?" };
        Some(format!("the header states {promised} MPEG frames, the stream has {there}: {what}"))
    }
}

/// A decoder that does not trim; [`Mp3Reader`] does.
fn decoder() -> Result<MpaDecoder> {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_MP3);
    MpaDecoder::try_new(&parameters, &AudioDecoderOptions::default().gapless(false))
        .map_err(|e| Error::Unsupported(format!("MP3 decoder: {e}")))
}
