//! AAC in ADTS frames (`.aac`; ISO/IEC 13818-7 §6.2): each frame states its length, and must begin
//! where the one before it ends.
//!
//! ```text
//! 11111111 1111ILLP PPSSSSxC CCxxxxFF FFFFFFFF FFFxxxxx xxxxxxNN
//!              │││  │ │    │       └ length of the frame, 13 bits          └ AAC frames - 1
//!              │││  │ │    └ channel configuration
//!              │││  │ └ sample rate index
//!              │││  └ profile: 1 = LC
//!              ││└ 1: no CRC
//!              └┴ MPEG-2; layer 0
//! ```
//!
//! The encoder's priming (1024 samples or more of near silence) is not stated and remains, as in
//! ffmpeg. Of HE-AAC the AAC-LC core is decoded: ADTS cannot signal it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_codec_aac::AacDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

const FORMAT: &str = "AAC (ADTS)";
const HEADER_BYTES: usize = 7;
/// Longest frame: 13 bits.
const MOST_BYTES: usize = 8191;
const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Audio object type - 1: 1 is LC.
    profile: u8,
    rate_index: u8,
    /// 0: stated in the frame itself.
    channels: u8,
    /// Bytes of the header with its CRC.
    preamble_bytes: usize,
    frame_bytes: usize,
    /// AAC frames in it.
    blocks: u8,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, b1, b2, b3, b4, b5, b6] = bytes.first_chunk::<HEADER_BYTES>()?;
        if sync != 0xFF || b1 & 0xF6 != 0xF0 {
            return None;
        }
        let header = Self {
            profile: b2 >> 6,
            rate_index: (b2 >> 2) & 15,
            channels: (b2 & 1) << 2 | b3 >> 6,
            preamble_bytes: if b1 & 1 == 0 { HEADER_BYTES + 2 } else { HEADER_BYTES },
            frame_bytes: usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5),
            blocks: (b6 & 3) + 1,
        };
        let valid = usize::from(header.rate_index) < RATES_HZ.len() && header.frame_bytes > header.preamble_bytes;
        valid.then_some(header)
    }

    /// Whether both can belong to one stream.
    fn continues(&self, first: &Self) -> bool {
        (self.profile, self.rate_index, self.channels) == (first.profile, first.rate_index, first.channels)
    }

    /// The decoder's own header (ISO/IEC 14496-3 §1.6.2.1): type, rate, channels.
    fn configuration(&self) -> [u8; 2] {
        let kind = self.profile + 1;
        [kind << 3 | self.rate_index >> 1, (self.rate_index & 1) << 7 | self.channels << 3]
    }
}

/// Whether the source is at two frames in a row, or at one that ends with the input.
pub(super) fn begins(source: &mut Source) -> Result<bool> {
    let bytes = source.peek(MOST_BYTES + HEADER_BYTES)?;
    let Some(first) = Header::parse(bytes) else { return Ok(false) };
    let next = bytes.get(first.frame_bytes..).unwrap_or_default();
    Ok(bytes.len() <= first.frame_bytes || Header::parse(next).is_some_and(|next| next.continues(&first)))
}

/// Streaming decoder of ADTS frames.
pub(super) struct AdtsReader {
    source: Source,
    decoder: AacDecoder,
    first: Header,
    spec: Spec,
    index: u64,
    samples: Vec<f32>,
    /// Frames decoded so far.
    decoded: u64,
    ended: bool,
    wholeness: Wholeness,
}

impl AdtsReader {
    /// Reads the first header and decodes its frame. The source must be at it.
    pub(super) fn new(mut source: Source, limits: &Limits) -> Result<(Self, Spec)> {
        let header = Header::parse(source.peek(HEADER_BYTES)?);
        let first = header.ok_or_else(|| Error::malformed(FORMAT, "no ADTS frame"))?;
        let sample_rate_hz = RATES_HZ[usize::from(first.rate_index)];
        limits.check_rate(sample_rate_hz, FORMAT)?;
        let mut reader = Self {
            source,
            decoder: decoder(&first)?,
            first,
            spec: Spec { sample_rate_hz, channels: 0, container: Container::Adts, codec: "AAC", total_frames: None },
            index: 0,
            samples: Vec::new(),
            decoded: 0,
            ended: false,
            wholeness: Wholeness::new(FORMAT, limits),
        };
        while reader.samples.is_empty() && !reader.ended {
            reader.step()?;
        }
        limits.check_channels(reader.spec.channels, FORMAT)?;
        let spec = reader.spec.clone();
        Ok((reader, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block): the samples of one frame, 1024 of
    /// each channel.
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        while self.samples.is_empty() && !self.ended {
            self.step()?;
        }
        std::mem::swap(block, &mut self.samples);
        self.samples.clear();
        Ok(block.len() / usize::from(self.spec.channels.max(1)))
    }

    /// Decodes the next frame.
    fn step(&mut self) -> Result<()> {
        let at = self.source.position();
        let bytes = self.source.peek(MOST_BYTES)?;
        let tags = [&b"TAG"[..], b"APETAGEX", b"ID3"];
        if tags.iter().any(|tag| bytes.starts_with(tag))
            || (bytes.first() != Some(&0xFF) && self.source.rest_is_zero()?)
        {
            return self.finish();
        }
        let bytes = self.source.peek(MOST_BYTES)?;
        let Some(header) = Header::parse(bytes) else {
            let shown = bytes[..bytes.len().min(8)].escape_ascii().to_string();
            return self.stop(&format!(
                "frame {} should begin at byte {at}, but `{shown}` was found: damage, or a missing part",
                self.index
            ));
        };
        if !header.continues(&self.first) {
            return self
                .stop(&format!("frame {} at byte {at} changes rate or channels: two recordings joined?", self.index));
        }
        if header.blocks > 1 {
            return Err(Error::Unsupported(format!(
                "{FORMAT} with {} AAC frames in one; convert it: ffmpeg -i IN OUT.wav",
                header.blocks
            )));
        }
        if bytes.len() < header.frame_bytes {
            let there = bytes.len();
            return self.stop(&format!(
                "the last frame, {} at byte {at}, needs {} bytes and the input ends after {there}",
                self.index, header.frame_bytes
            ));
        }
        let frame = &bytes[header.preamble_bytes..header.frame_bytes];
        let outcome = decode(&mut self.decoder, frame, &mut self.samples)?;
        self.source.consume(header.frame_bytes);
        self.index += 1;
        self.accept(outcome);
        Ok(())
    }

    fn accept(&mut self, outcome: std::result::Result<u16, String>) {
        let outcome = outcome.and_then(|channels| match self.spec.channels {
            0 => Ok(channels),
            same if same == channels => Ok(channels),
            _ => Err("it has another number of channels".to_owned()),
        });
        match outcome {
            Ok(channels) => self.spec.channels = channels,
            Err(problem) => {
                let at_s = self.decoded as f64 / f64::from(self.spec.sample_rate_hz);
                self.wholeness.lost(1, 1024, at_s, &problem);
                self.samples.clear();
                self.samples.resize(1024 * usize::from(self.spec.channels), 0.0);
            }
        }
        self.decoded += (self.samples.len() / usize::from(self.spec.channels.max(1))) as u64;
    }

    fn finish(&mut self) -> Result<()> {
        self.ended = true;
        if self.decoded == 0 {
            return Err(Error::malformed(FORMAT, "it contains not a single sample; check the recording"));
        }
        self.wholeness.finish(self.decoded)
    }

    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        self.wholeness.incomplete(problem, self.decoded)?;
        self.wholeness.finish(self.decoded)
    }
}

fn decoder(first: &Header) -> Result<AacDecoder> {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_AAC).with_extra_data(first.configuration().into());
    AacDecoder::try_new(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| Error::Unsupported(format!("{FORMAT}: {error}; convert it: ffmpeg -i IN OUT.wav")))
}

/// Decodes a frame to `samples` and returns its channels, or what is wrong with it.
fn decode(decoder: &mut AacDecoder, frame: &[u8], samples: &mut Vec<f32>) -> Result<std::result::Result<u16, String>> {
    let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(1024_u64), frame);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        decoder.decode_ref(&packet).map(|decoded| {
            decoded.copy_to_vec_interleaved(samples);
            u16::try_from(decoded.spec().channels().count()).unwrap_or(u16::MAX)
        })
    }));
    let decoded = decoded.map_err(|_| {
        Error::malformed(FORMAT, "its decoder failed; get the file again, or convert it: ffmpeg -i IN OUT.wav")
    })?;
    Ok(match decoded {
        Ok(_) if samples.iter().any(|x| !x.is_finite()) => Err("it decodes to NaN or infinity".to_owned()),
        Ok(channels) => Ok(channels),
        Err(error) => Err(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_parsed() {
        // LC, 44.1 kHz, stereo, 371 bytes
        let header = Header::parse(&[0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC]).unwrap();
        assert_eq!((header.profile, header.channels, header.frame_bytes, header.blocks), (1, 2, 371, 1));
        assert_eq!(RATES_HZ[usize::from(header.rate_index)], 44_100);
        assert_eq!(header.configuration(), [0x12, 0x10]);
        for bytes in [
            [0xFF, 0xFB, 0x50, 0x80, 0x2E, 0x7F, 0xFC],
            [0xFF, 0xF1, 0x74, 0x80, 0x2E, 0x7F, 0xFC],
            [0xFF, 0xF1, 0x50, 0x80, 0, 0x5F, 0xFC],
        ] {
            assert_eq!(Header::parse(&bytes), None, "layer III, rate index 13, a length of 2");
        }
    }
}
