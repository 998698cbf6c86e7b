//! The `fmt ` chunk: coding, channels, bytes per frame (RIFF 1991; WAVEFORMATEXTENSIBLE, Microsoft
//! 2001).
//!
//! ```text
//! 0  tag u16             1 PCM, 3 float, 6 A-law, 7 µ-law, 0xFFFE extensible
//! 2  channels u16
//! 4  sample rate u32     Hz
//! 8  byte rate u32       bytes per second = sample rate × block align
//! 12 block align u16     bytes per frame = channels × bytes per sample
//! 14 bits u16            per sample in the container, a multiple of 8
//! 16 extension size u16  22 or more if extensible:
//! 18 valid bits u16      samples are left-justified in their container
//! 20 channel mask u32
//! 24 GUID                the tag again, then 14 fixed bytes
//! ```

use crate::audio::limits::Limits;
use crate::error::{Error, Result};

/// Number of bytes of the chunk that are parsed.
pub(in crate::audio) const FMT_BYTES: usize = 40;
const EXTENSIBLE: u16 = 0xFFFE;
/// Bytes 2 to 15 of every sub-format GUID that contains a tag.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
const CONVERT: &str = "convert it: ffmpeg -i IN -c:a pcm_s16le OUT.wav";

/// Sample coding. Integers wider than 8 bits and floats are little-endian; 8-bit integers are
/// unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio) enum Coding {
    /// Integer in a container of `bytes`, whose upper `valid_bits` hold the sample.
    Int {
        bytes: u16,
        valid_bits: u16,
    },
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Coding {
    pub(in crate::audio) fn bytes(self) -> usize {
        match self {
            Self::Int { bytes, .. } => usize::from(bytes),
            Self::Float32 => 4,
            Self::Float64 => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }

    /// Name of the coding.
    pub(in crate::audio) fn name(self) -> &'static str {
        match self {
            Self::Int { bytes: 1, .. } => "PCM 8-bit",
            Self::Int { bytes: 2, .. } => "PCM 16-bit",
            Self::Int { bytes: 3, .. } => "PCM 24-bit",
            Self::Int { .. } => "PCM 32-bit",
            Self::Float32 => "float 32-bit",
            Self::Float64 => "float 64-bit",
            Self::ALaw => "A-law",
            Self::MuLaw => "µ-law",
        }
    }
}

/// A valid `fmt ` chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audio) struct Format {
    pub(in crate::audio) coding: Coding,
    pub(in crate::audio) channels: u16,
    pub(in crate::audio) sample_rate_hz: u32,
    /// Irregularities that do not affect the samples.
    pub(in crate::audio) warnings: Vec<String>,
}

/// The chunk's fields, not yet validated.
struct Fields {
    tag: u16,
    channels: u16,
    sample_rate_hz: u32,
    bytes_per_second: u32,
    block_align: u16,
    bits: u16,
}

fn malformed(what: String) -> Error {
    Error::malformed("WAV", what)
}

fn u16_at(chunk: &[u8], at: usize) -> Result<u16> {
    match chunk.get(at..at + 2) {
        Some(&[a, b]) => Ok(u16::from_le_bytes([a, b])),
        _ => Err(malformed(format!("the fmt chunk has {} bytes, at least {} are needed", chunk.len(), at + 2))),
    }
}

fn u32_at(chunk: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from(u16_at(chunk, at)?) | u32::from(u16_at(chunk, at + 2)?) << 16)
}

impl Format {
    /// Parses and validates the first [`FMT_BYTES`] bytes of the chunk, or all of a shorter one.
    pub(in crate::audio) fn parse(chunk: &[u8], limits: &Limits) -> Result<Self> {
        let fields = Fields {
            tag: u16_at(chunk, 0)?,
            channels: u16_at(chunk, 2)?,
            sample_rate_hz: u32_at(chunk, 4)?,
            bytes_per_second: u32_at(chunk, 8)?,
            block_align: u16_at(chunk, 12)?,
            bits: u16_at(chunk, 14)?,
        };
        limits.check_channels(fields.channels, "WAV")?;
        limits.check_rate(fields.sample_rate_hz, "WAV")?;
        let (tag, valid_bits) = if fields.tag == EXTENSIBLE { extension(chunk)? } else { (fields.tag, 0) };
        let coding = coding(tag, fields.bits, valid_bits)?;
        let mut warnings = Vec::new();
        if matches!(coding, Coding::ALaw | Coding::MuLaw) && fields.bits != 8 {
            warnings.push(format!("the WAV header states {} bits per sample; {} has 8", fields.bits, coding.name()));
        }
        let frame_bytes = usize::from(fields.channels) * coding.bytes();
        warnings.extend(fields.check_block_align(coding, frame_bytes)?);
        warnings.extend(fields.check_byte_rate(frame_bytes));
        Ok(Self { coding, channels: fields.channels, sample_rate_hz: fields.sample_rate_hz, warnings })
    }

    /// Bytes per frame: one sample of every channel.
    pub(super) fn frame_bytes(&self) -> usize {
        self.coding.bytes() * usize::from(self.channels)
    }
}

impl Fields {
    /// Checks the block align, which repeats channels and sample size. A wrong one is ignored where
    /// only one reading is left: G.711 samples have one byte; or the byte rate agrees with the other
    /// fields; or it states the size of a single sample, or nothing.
    fn check_block_align(&self, coding: Coding, frame_bytes: usize) -> Result<Option<String>> {
        let stated = usize::from(self.block_align);
        if stated == frame_bytes {
            return Ok(None);
        }
        let confirmed = u64::from(self.bytes_per_second) == u64::from(self.sample_rate_hz) * frame_bytes as u64;
        let g711 = matches!(coding, Coding::ALaw | Coding::MuLaw);
        if g711 || confirmed || stated == coding.bytes() || stated == 0 {
            return Ok(Some(format!(
                "the WAV header states a block align of {stated} bytes; {} channels of {} make {frame_bytes}, which was used",
                self.channels,
                coding.name()
            )));
        }
        Err(malformed(format!(
            "block align is {stated} bytes, but {} channels of {} bits make {frame_bytes}; the header contradicts itself, {CONVERT}",
            self.channels, self.bits
        )))
    }

    /// Checks the byte rate, which repeats the other fields and which no player uses.
    fn check_byte_rate(&self, frame_bytes: usize) -> Option<String> {
        let expected = u64::from(self.sample_rate_hz) * frame_bytes as u64;
        match self.bytes_per_second {
            rate if u64::from(rate) == expected => None,
            0 => Some("the WAV header states 0 bytes per second; ignored".to_owned()),
            rate => Some(format!(
                "the WAV header states {rate} bytes per second, but {} Hz × {frame_bytes} bytes make {expected}; the sample rate was \
                 used as stated: if the voice sounds too high or too low, it is wrong",
                self.sample_rate_hz
            )),
        }
    }
}

/// Parses the extension: the actual tag and the valid bits.
fn extension(chunk: &[u8]) -> Result<(u16, u16)> {
    let size = u16_at(chunk, 16)?;
    if size < 22 || chunk.len() < FMT_BYTES {
        return Err(malformed(format!(
            "an extensible fmt chunk needs an extension of 22 bytes; it claims {size} and the chunk has {} bytes",
            chunk.len()
        )));
    }
    if chunk.get(26..FMT_BYTES) != Some(&GUID_TAIL) {
        return Err(Error::Unsupported(format!("a WAV sub-format that is not supported; {CONVERT}")));
    }
    Ok((u16_at(chunk, 24)?, u16_at(chunk, 18)?))
}

/// The coding of a tag and its bits.
fn coding(tag: u16, bits: u16, valid_bits: u16) -> Result<Coding> {
    if valid_bits > bits {
        return Err(malformed(format!("{valid_bits} valid bits in samples of {bits} bits; {CONVERT}")));
    }
    match (tag, bits) {
        (1, 8 | 16 | 24 | 32) => {
            Ok(Coding::Int { bytes: bits / 8, valid_bits: if valid_bits == 0 { bits } else { valid_bits } })
        }
        (3, 32) => Ok(Coding::Float32),
        (3, 64) => Ok(Coding::Float64),
        (6, _) => Ok(Coding::ALaw),
        (7, _) => Ok(Coding::MuLaw),
        (1 | 3, _) => Err(Error::Unsupported(format!("{} WAV of {bits} bits per sample; {CONVERT}", name(tag)))),
        _ => Err(Error::Unsupported(format!("WAV of the coding {} (tag {tag}); {CONVERT}", name(tag)))),
    }
}

/// Names of codings by tag (RFC 2361), for those that recorders and telephone systems write.
fn name(tag: u16) -> &'static str {
    match tag {
        1 => "PCM",
        2 => "Microsoft ADPCM",
        3 => "float",
        6 => "A-law",
        7 => "µ-law",
        0x10 => "OKI ADPCM",
        0x11 => "IMA ADPCM",
        0x14 | 0x40 | 0x45 | 0x64 => "G.723 or G.726 ADPCM",
        0x22 => "TrueSpeech",
        0x31 => "GSM 6.10",
        0x50 => "MPEG layer I or II",
        0x55 => "MP3",
        0xFF | 0x1600..=0x1610 => "AAC",
        0x160..=0x163 => "Windows Media",
        _ => "unknown",
    }
}
