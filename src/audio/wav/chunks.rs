//! RIFF chunks up to the samples. A chunk is an identifier, a length, that many bytes, and a
//! padding byte if these are odd.

use super::format::{FMT_BYTES, Format};
use crate::audio::limits::Limits;
use crate::audio::source::Source;
use crate::audio::tags::is_tag;
use crate::error::{Error, Result};

/// Extent of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// This number of bytes.
    Bytes(u64),
    /// To the end of the input, at most this number of bytes: the writer never filled in the length.
    ToTheEnd(u64),
}

/// Lengths that mean "not known yet": 0 (a recorder that was interrupted), 0xFFFF_FFFF (ffmpeg into
/// a pipe), 0x8000_0000 (arecord), 0x7FFF_FFFF (lame, opusdec), 0x7FFF_F000 (espeak-ng) and
/// 0x7FFF_0000 (GStreamer). A true length of exactly these values would be 0, 2 or 4 GiB.
const UNKNOWN_LENGTHS: [u32; 6] = [0, u32::MAX, 0x8000_0000, 0x7FFF_FFFF, 0x7FFF_F000, 0x7FFF_0000];

/// Lengths from here on are placeholders too if the input ends before them: writers into pipes
/// subtract their header from one of [`UNKNOWN_LENGTHS`], or round it to whole frames.
const PLACEHOLDERS_FROM: u32 = 0x7FFE_0000;

/// Metadata behind samples of unstated length is looked for in this number of bytes.
const LARGEST_METADATA: usize = 1 << 20;

/// Where the parts of the file are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Length of the samples.
    pub(super) extent: Extent,
    /// Bytes from `RIFF` to the first sample.
    pub(super) header_bytes: u64,
    /// Bytes from the first sample to the end of the file, as the length after `RIFF` states it.
    pub(super) riff_bytes: u64,
}

/// What follows the samples.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing, or chunks and tags without samples.
    Metadata,
    /// Less than a frame, or zeros: no audio is lost.
    Padding(u64),
    /// This number of bytes or more, which are not metadata, with a description.
    Unaccounted(u64, &'static str),
}

/// Chunks that may follow the samples. After a `data` chunk of length 0, one of these means that
/// there are no samples.
const FOLLOWERS: [&[u8; 4]; 12] =
    [b"LIST", b"fact", b"cue ", b"bext", b"smpl", b"PEAK", b"id3 ", b"ID3 ", b"iXML", b"JUNK", b"_PMX", b"LGWV"];

/// Reads chunks from the first byte of `RIFF` on. Leaves the source at the first sample.
pub(super) fn find_samples(source: &mut Source, limits: &Limits) -> Result<(Format, Layout)> {
    let begins = source.position();
    let riff = source.peek_array()?.map_or(0, |[_, _, _, _, a, b, c, d]: [u8; 8]| u32::from_le_bytes([a, b, c, d]));
    source.consume(12); // `RIFF`, a length, `WAVE`: checked by the probe
    let mut format = None;
    loop {
        let (id, length) = chunk_header(source)?;
        match &id {
            b"fmt " if format.is_some() => return Err(malformed("it has two fmt chunks; get the file again")),
            b"fmt " => format = Some(fmt_chunk(source, length, limits)?),
            b"data" => {
                let format = format.ok_or_else(|| malformed("the data chunk comes before any fmt chunk"))?;
                let header_bytes = source.position() - begins;
                let riff_bytes = (u64::from(riff) + 8).saturating_sub(header_bytes);
                return Ok((format, Layout { extent: extent(source, length)?, header_bytes, riff_bytes }));
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
        let length_u64 = u64::from(length);
        return Ok(if length >= PLACEHOLDERS_FROM { Extent::ToTheEnd(length_u64) } else { Extent::Bytes(length_u64) });
    }
    let next = source.peek(4)?;
    if length == 0 && FOLLOWERS.iter().any(|id| next == *id) {
        return Ok(Extent::Bytes(0));
    }
    Ok(Extent::ToTheEnd(u64::MAX))
}

/// Reads what follows `bytes` bytes of samples, which the source has passed, up to the end of the
/// input. Bytes that begin like no chunk are left to the caller.
pub(super) fn behind(source: &mut Source, bytes: u64, frame_bytes: u64) -> Result<Behind> {
    if bytes % 2 == 1 && !begins_chunk(source.peek(4)?) {
        source.consume(1); // the padding byte, which some writers omit
    }
    loop {
        let head = source.peek(8)?.to_vec();
        if head.is_empty() || is_tag(&head) {
            return Ok(Behind::Metadata);
        }
        let Some([a, b, c, d, l0, l1, l2, l3]) = head.first_chunk().copied().filter(|head| begins_chunk(head)) else {
            return unaccounted(source, frame_bytes);
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        match &[a, b, c, d] {
            b"RIFF" | b"RIFX" | b"RF64" | b"BW64" => return Ok(Behind::Unaccounted(8, "a second WAV file")),
            b"data" if length > 0 => return Ok(Behind::Unaccounted(8, "a second data chunk")),
            id => {
                source.consume(8);
                let there = source.skip(padded(length))?;
                if there < u64::from(length) && !FOLLOWERS.contains(&id) {
                    return Ok(Behind::Unaccounted(8 + there, "no chunk"));
                }
            }
        }
    }
}

/// Position in `bytes`, the next bytes of the input, at which metadata chunks begin that reach
/// exactly to the end of the input: they follow samples whose length is not stated. Positions up to
/// `most` are searched.
pub(super) fn metadata_at_the_end(source: &mut Source, most: usize) -> Result<Option<usize>> {
    let mut from = 0;
    loop {
        let bytes = source.peek(most + 3)?;
        let found = bytes.get(from..).and_then(|rest| {
            rest.windows(4).position(|four| FOLLOWERS.iter().any(|id| four == *id)).map(|offset| from + offset)
        });
        let Some(at) = found.filter(|&at| at < most) else { return Ok(None) };
        if chunks_reach_the_end(source, at)? {
            return Ok(Some(at));
        }
        from = at + 1;
    }
}

/// Whether known chunks, `at` bytes ahead, follow each other up to the end of the input.
fn chunks_reach_the_end(source: &mut Source, mut at: usize) -> Result<bool> {
    let limit = at + LARGEST_METADATA;
    loop {
        let ahead = source.peek(at + 8)?;
        match ahead.get(at..).unwrap_or_default() {
            [] => return Ok(ahead.len() <= at),
            [a, b, c, d, l0, l1, l2, l3] if FOLLOWERS.contains(&&[*a, *b, *c, *d]) => {
                let end = at as u64 + 8 + padded(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
                if end > limit as u64 {
                    return Ok(false);
                }
                at = end as usize;
                if source.peek(at)?.len() < at {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

/// Whether bytes can be the identifier of a chunk: four printable characters, not all spaces.
fn begins_chunk(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes.iter().take(4).all(|byte| (0x20..0x7F).contains(byte)) && !bytes.starts_with(b"    ")
}

fn unaccounted(source: &mut Source, frame_bytes: u64) -> Result<Behind> {
    let (mut count, mut zeros) = (0, true);
    // 64 kB suffice to describe it: the caller may decode these bytes.
    for byte in source.peek(65_536)? {
        count += 1;
        zeros &= *byte == 0;
    }
    Ok(if zeros || count < frame_bytes.max(8) {
        Behind::Padding(count)
    } else {
        Behind::Unaccounted(count, "no chunk")
    })
}
