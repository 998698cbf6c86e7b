//! RIFF chunks up to the samples. A chunk is an identifier, a length, that many bytes, and a
//! padding byte if these are odd.

use super::format::{FMT_BYTES, Format};
use crate::audio::limits::Limits;
use crate::audio::source::Source;
use crate::error::{Error, Result};

/// Extent of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// This number of bytes.
    Bytes(u64),
    /// To the end of the input: the writer never filled in the length.
    ToTheEnd,
}

/// Lengths that mean "not known yet": 0 (a recorder that was interrupted), 0xFFFF_FFFF (ffmpeg into
/// a pipe) and 0x7FFF_F000 (espeak-ng into a pipe). A true length of exactly these values would be
/// 0, 4 or 2 GiB.
const UNKNOWN_LENGTHS: [u32; 3] = [0, u32::MAX, 0x7FFF_F000];

/// Chunks that may follow the samples. After a `data` chunk of length 0, one of these means that
/// there are no samples.
const FOLLOWERS: [&[u8; 4]; 9] = [b"LIST", b"fact", b"cue ", b"bext", b"smpl", b"PEAK", b"id3 ", b"iXML", b"JUNK"];

/// Reads chunks from the first byte of `RIFF` on. Leaves the source at the first sample.
pub(super) fn find_samples(source: &mut Source, limits: &Limits) -> Result<(Format, Extent)> {
    source.consume(12); // `RIFF`, a length that is wrong in pipes, `WAVE`: checked by the probe
    let mut format = None;
    loop {
        let (id, length) = chunk_header(source)?;
        match &id {
            b"fmt " if format.is_some() => return Err(malformed("it has two fmt chunks; get the file again")),
            b"fmt " => format = Some(fmt_chunk(source, length, limits)?),
            b"data" => {
                let format = format.ok_or_else(|| malformed("the data chunk comes before any fmt chunk"))?;
                return Ok((format, extent(source, length)?));
            }
            _ => skip_chunk(source, id, padded(length))?,
        }
    }
}

fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("WAV", what)
}

/// Length of a chunk with its padding byte.
fn padded(length: u32) -> u64 {
    u64::from(length) + u64::from(length % 2)
}

fn chunk_header(source: &mut Source) -> Result<([u8; 4], u32)> {
    let at = source.position();
    let Some([a, b, c, d, l0, l1, l2, l3]) = source.peek_array()? else {
        return Err(malformed(format!(
            "the input ends at byte {at} (or within the next 8) before any data chunk; get the file again"
        )));
    };
    let id = [a, b, c, d];
    if !id.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return Err(malformed(format!(
            "`{}` at byte {at} is not a chunk identifier: the chunk before it has a wrong length, or the file is damaged",
            id.escape_ascii()
        )));
    }
    source.consume(8);
    Ok((id, u32::from_le_bytes([l0, l1, l2, l3])))
}

fn fmt_chunk(source: &mut Source, length: u32, limits: &Limits) -> Result<Format> {
    let at = source.position();
    let wanted = (length as usize).min(FMT_BYTES);
    let chunk = source.peek(wanted)?.to_vec();
    if chunk.len() < wanted {
        return Err(malformed(format!(
            "the fmt chunk at byte {at} claims {length} bytes, the input ends after {}; get the file again",
            chunk.len()
        )));
    }
    let format = Format::parse(&chunk, limits)?;
    skip_chunk(source, *b"fmt ", padded(length))?;
    Ok(format)
}

fn skip_chunk(source: &mut Source, id: [u8; 4], length: u64) -> Result<()> {
    let at = source.position();
    let there = source.skip(length)?;
    if there == length {
        return Ok(());
    }
    Err(malformed(format!(
        "the `{}` chunk at byte {at} claims {length} bytes, the input ends after {there}; get the file again",
        id.escape_ascii()
    )))
}

fn extent(source: &mut Source, length: u32) -> Result<Extent> {
    if !UNKNOWN_LENGTHS.contains(&length) {
        return Ok(Extent::Bytes(length.into()));
    }
    let next = source.peek(4)?;
    if length == 0 && FOLLOWERS.iter().any(|id| next == *id) {
        return Ok(Extent::Bytes(0));
    }
    Ok(Extent::ToTheEnd)
}
