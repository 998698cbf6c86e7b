//! What a header says of the sound: coding, rate, channels, length.

use super::chunks::Chunks;
use crate::audio::blocks::BlockCoding;
use crate::audio::wav::format::Coding;

/// How the sound is coded.
#[derive(Debug)]
pub(super) enum Payload {
    /// Interleaved samples.
    Samples { coding: Coding, big_endian: bool, signed_bytes: bool },
    /// Blocks of a fixed size.
    Blocks(BlockCoding),
}

impl Payload {
    /// Samples wider than a byte in the stated order.
    pub(super) fn samples(coding: Coding, big_endian: bool) -> Self {
        Self::Samples { coding, big_endian, signed_bytes: false }
    }

    /// The name of the coding.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Samples { coding, .. } => coding.name(),
            Self::Blocks(blocks) => blocks.name(),
        }
    }

    /// Bytes and frames of the smallest unit that can be decoded: a frame, or a block.
    pub(super) fn unit(&self, channels: u16) -> (usize, usize) {
        match self {
            Self::Samples { coding, .. } => (coding.bytes() * usize::from(channels), 1),
            Self::Blocks(blocks) => (blocks.bytes(), blocks.frames()),
        }
    }
}

/// What a header says, after validation. The source is at the first byte of the sound.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) payload: Payload,
    pub(super) channels: u16,
    pub(super) sample_rate_hz: u32,
    /// Bytes of sound; `None` if the header leaves it open.
    pub(super) bytes: Option<u64>,
    /// Frames, where the header counts them apart from the bytes: a last block may be padded.
    pub(super) frames: Option<u64>,
    /// What may follow the sound.
    pub(super) behind: Chunks,
    /// Irregularities that lose no sample.
    pub(super) warnings: Vec<String>,
}

impl Layout {
    /// Frames of GSM 6.10 to the end of the input.
    pub(super) fn gsm() -> Self {
        Self {
            payload: Payload::Blocks(BlockCoding::gsm()),
            channels: 1,
            sample_rate_hz: 8000,
            bytes: None,
            frames: None,
            behind: Chunks::None,
            warnings: Vec::new(),
        }
    }
}

/// The `N` bytes at `at` of a header that was read whole; zeros beyond its end.
pub(super) fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
