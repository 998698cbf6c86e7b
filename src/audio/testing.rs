//! Helpers for the tests of this layer: a builder of WAV bytes, a decoder to the end, and a seeded
//! generator.

use std::io::Cursor;

use super::{Decoder, Limits, Spec};
use crate::error::Result;

/// Builder of a WAV file, valid or not.
pub(super) struct Wav {
    pub(super) tag: u16,
    pub(super) channels: u16,
    pub(super) rate_hz: u32,
    pub(super) byte_rate: Option<u32>,
    pub(super) block_align: Option<u16>,
    pub(super) bits: u16,
    /// Bytes 16 and later of the fmt chunk.
    pub(super) extension: Vec<u8>,
    /// Chunks between the fmt chunk and the data chunk.
    pub(super) before: Vec<u8>,
    pub(super) samples: Vec<u8>,
    /// Length that the data chunk claims, if not the true one.
    pub(super) claim: Option<u32>,
}

impl Wav {
    /// 16 kHz mono, 16 bits.
    pub(super) fn mono16(samples: &[i16]) -> Self {
        Self::new(1, 16, samples.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// 16 kHz mono with a format tag.
    pub(super) fn new(tag: u16, bits: u16, samples: Vec<u8>) -> Self {
        Self {
            tag,
            channels: 1,
            rate_hz: 16_000,
            byte_rate: None,
            block_align: None,
            bits,
            extension: Vec::new(),
            before: Vec::new(),
            samples,
            claim: None,
        }
    }

    /// WAVE_FORMAT_EXTENSIBLE with the tag in its GUID.
    pub(super) fn extensible(mut self, valid_bits: u16) -> Self {
        self.extension.extend(22_u16.to_le_bytes());
        self.extension.extend(valid_bits.to_le_bytes());
        self.extension.extend(4_u32.to_le_bytes());
        self.extension.extend(self.tag.to_le_bytes());
        self.extension.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        self.tag = 0xFFFE;
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let block_align = self.block_align.unwrap_or(self.channels.wrapping_mul(self.bits / 8));
        let byte_rate = self.byte_rate.unwrap_or(self.rate_hz.wrapping_mul(block_align.into()));
        let mut fmt = Vec::new();
        fmt.extend(self.tag.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.rate_hz.to_le_bytes());
        fmt.extend(byte_rate.to_le_bytes());
        fmt.extend(block_align.to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        fmt.extend(&self.extension);
        let mut body = chunk(*b"fmt ", &fmt);
        body.extend(&self.before);
        body.extend(b"data");
        body.extend(self.claim.unwrap_or(self.samples.len() as u32).to_le_bytes());
        body.extend(&self.samples);
        let mut out = b"RIFF".to_vec();
        out.extend((body.len() as u32 + 4).to_le_bytes());
        out.extend(b"WAVE");
        out.extend(body);
        out
    }
}

/// A chunk with its padding byte.
pub(super) fn chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
    out
}

/// A decoded recording.
#[derive(Debug)]
pub(super) struct Decoded {
    /// All samples, interleaved.
    pub(super) samples: Vec<f32>,
    pub(super) spec: Spec,
    pub(super) warnings: Vec<String>,
}

impl Decoded {
    pub(super) fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.spec.channels)
    }
}

/// Decodes bytes with default limits.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    decode_within(bytes, &Limits::default())
}

/// Decodes bytes.
pub(super) fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Decoded> {
    let mut decoder = Decoder::new(Cursor::new(bytes.to_vec()), limits)?;
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while decoder.read_block(&mut block)? > 0 {
        samples.extend_from_slice(&block);
    }
    Ok(Decoded { samples, spec: decoder.spec().clone(), warnings: decoder.warnings().to_vec() })
}

/// Marsaglia's xorshift64: seeded pseudo-random numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}
