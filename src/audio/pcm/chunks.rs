//! Chunks of IFF, RIFF, Wave64 and Core Audio: an identifier, a length, that many bytes, padding.

use crate::audio::source::Source;
use crate::error::{Error, Result};

/// Bytes that are looked at to tell what follows the sound.
const LOOK_BYTES: usize = 65_536;

/// How a container writes its chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// It has none: nothing follows the sound.
    None,
    /// Four characters and a length of 32 bits, little-endian; padded to even lengths (RIFF).
    Little,
    /// The same in big-endian (IFF, RIFX).
    Big,
    /// A GUID of 16 bytes and a length of 64 bits, little-endian, which counts itself and the GUID;
    /// padded to 8 bytes (Wave64).
    Guid,
    /// Four characters and a length of 64 bits, big-endian, not padded (Core Audio).
    Wide,
}

/// A chunk's header. The source is at its first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// The four characters, of a GUID the first four bytes.
    pub(super) id: [u8; 4],
    /// Bytes of the chunk's body, without padding.
    pub(super) length: u64,
}

impl Chunks {
    /// Bytes of a chunk's header.
    fn header_bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Little | Self::Big => 8,
            Self::Wide => 12,
            Self::Guid => 24,
        }
    }

    /// Bytes of padding behind a body.
    fn padding(self, length: u64) -> u64 {
        match self {
            Self::Little | Self::Big => length % 2,
            Self::Guid => length.wrapping_neg() % 8,
            Self::None | Self::Wide => 0,
        }
    }

    /// Parses a chunk's header; `None` if it cannot be one.
    fn parse(self, head: &[u8]) -> Option<Chunk> {
        if self == Self::None {
            return None;
        }
        let id = *head.first_chunk::<4>()?;
        let length_at = self.header_bytes() - if matches!(self, Self::Guid | Self::Wide) { 8 } else { 4 };
        let length = head.get(length_at..)?;
        let length = match self {
            Self::None => return None,
            Self::Little => u32::from_le_bytes(*length.first_chunk()?).into(),
            Self::Big => u32::from_be_bytes(*length.first_chunk()?).into(),
            Self::Wide => u64::from_be_bytes(*length.first_chunk()?),
            Self::Guid => u64::from_le_bytes(*length.first_chunk()?).checked_sub(24)?,
        };
        let readable = id.iter().all(|byte| (0x20..0x7F).contains(byte)) && id != *b"    ";
        readable.then_some(Chunk { id, length })
    }

    /// Reads the header of the next chunk and consumes it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] at the end of the input, and for bytes that are no chunk.
    pub(super) fn next(self, source: &mut Source, format: &'static str) -> Result<Chunk> {
        let at = source.position();
        let head = source.peek(self.header_bytes())?;
        if head.len() < self.header_bytes() {
            return Err(Error::malformed(
                format,
                format!(
                    "the input ends at byte {at} (or within the next {}) before any sound; get the file again",
                    self.header_bytes()
                ),
            ));
        }
        let Some(chunk) = self.parse(head) else {
            return Err(Error::malformed(
                format,
                format!(
                    "`{}` at byte {at} is not a chunk identifier: the chunk before it has a wrong length, or the file is damaged",
                    head[..4].escape_ascii()
                ),
            ));
        };
        source.consume(self.header_bytes());
        Ok(chunk)
    }

    /// Reads the first `most` bytes of a chunk's body, or all of a shorter one, and skips the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the input ends within the chunk.
    pub(super) fn body(self, source: &mut Source, chunk: Chunk, most: usize, format: &'static str) -> Result<Vec<u8>> {
        let at = source.position();
        let body = source.peek(chunk.length.min(most as u64) as usize)?.to_vec();
        let padded = chunk.length.saturating_add(self.padding(chunk.length));
        let there = source.skip(padded)?;
        if there < chunk.length {
            return Err(Error::malformed(
                format,
                format!(
                    "the `{}` chunk at byte {at} claims {} bytes, the input ends after {there}; get the file again",
                    chunk.id.escape_ascii(),
                    chunk.length
                ),
            ));
        }
        Ok(body)
    }

    /// Accounts for what follows `bytes` bytes of sound: chunks, tags, zeros, or less than
    /// `unit_bytes` bytes. Returns a description of anything else, which may be sound.
    pub(super) fn account(self, source: &mut Source, bytes: u64, unit_bytes: u64) -> Result<Option<String>> {
        let padding = self.padding(bytes);
        if padding > 0 && source.peek(1)? == [0] {
            source.skip(padding)?;
        }
        loop {
            let at = source.position();
            let head = source.peek(self.header_bytes().max(8))?;
            let is_tag = [&b"TAG"[..], b"APETAGEX", b"LYRICS", b"ID3"].iter().any(|tag| head.starts_with(tag));
            if head.is_empty() || is_tag {
                return Ok(None);
            }
            let chunk = self.parse(head);
            match chunk {
                Some(chunk) if [*b"RIFF", *b"RIFX", *b"RF64", *b"FORM", *b"riff", *b"caff"].contains(&chunk.id) => {
                    return Ok(Some(format!("a second recording follows at byte {at}: two recordings joined?")));
                }
                Some(chunk) => {
                    let head_bytes = self.header_bytes() as u64;
                    if source.skip(head_bytes)? + source.skip(chunk.length)? == head_bytes + chunk.length {
                        source.skip(self.padding(chunk.length))?;
                        continue;
                    }
                    return Ok(Some(format!(
                        "the chunk `{}` at byte {at} is cut, or is no chunk",
                        chunk.id.escape_ascii()
                    )));
                }
                None => {
                    let count = source.peek(LOOK_BYTES)?.len();
                    if (count as u64) < unit_bytes.max(8) || source.rest_is_zero()? {
                        return Ok(None);
                    }
                    let more = if count == LOOK_BYTES { " or more" } else { "" };
                    return Ok(Some(format!(
                        "{count} bytes{more} follow the sound at byte {at}, which the header does not count"
                    )));
                }
            }
        }
    }
}
