//! Relatives of WAV: RF64 and BW64 (lengths of 64 bits), RIFX (big-endian), Wave64 (GUIDs), and WAV
//! whose coding is one of blocks: IMA and Microsoft ADPCM, GSM 6.10.
//!
//! All of them describe the sound by WAV's `fmt ` chunk. `ds64` of RF64 holds the lengths that have
//! 0xFFFF_FFFF in place: of the file, of the sound, the number of frames.
//!
//! Sources: EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64), Sonic Foundry's Wave64 specification, RFC
//! 2361 (codings).

use super::chunks::Chunks;
use super::layout::{Layout, Payload, field};
use crate::audio::blocks::BlockCoding;
use crate::audio::limits::Limits;
use crate::audio::source::Source;
use crate::audio::wav::format::{Coding, FMT_BYTES, Format};
use crate::error::{Error, Result};

/// Number of bytes of a `fmt ` chunk that are parsed: those of WAV, and Microsoft ADPCM's predictors.
const MOST_FMT_BYTES: usize = 256;
/// Bytes within which the `fmt ` chunk of a WAV is looked for.
const LOOK_BYTES: usize = 16 * 1024;

/// Whether the source is at a WAV whose samples are coded in blocks.
pub(in crate::audio) fn is_coded_wav(source: &mut Source) -> Result<bool> {
    Ok(matches!(tag(source)?, Some(2 | 0x11 | 0x31)))
}

/// Consumes the header of a WAV that holds MPEG frames, and lets the source end with them. `false`
/// for any other input, of which nothing is consumed.
pub(in crate::audio) fn enter_mp3(source: &mut Source) -> Result<bool> {
    if source.peek(4)? != b"RIFF" || tag(source)? != Some(0x55) {
        return Ok(false);
    }
    source.skip(12)?;
    loop {
        let chunk = Chunks::Little.next(source, "WAV")?;
        if chunk.id == *b"data" {
            // 0 and lengths of 2 GB are of writers that never filled it in.
            if chunk.length != 0 && chunk.length < 0x7FFF_0000 {
                source.end_after(chunk.length);
            }
            return Ok(true);
        }
        Chunks::Little.body(source, chunk, 0, "WAV")?;
    }
}

/// The coding tag of a WAV; `None` if its `fmt ` chunk is not found.
fn tag(source: &mut Source) -> Result<Option<u16>> {
    let bytes = source.peek(LOOK_BYTES)?;
    let mut at: usize = 12;
    while let Some(&[a, b, c, d, l0, l1, l2, l3]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        if [a, b, c, d] == *b"fmt " {
            return Ok(Some(u16::from_le_bytes(field(bytes, at + 8))));
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        at = at.saturating_add(8 + length + length % 2);
    }
    Ok(None)
}

/// Reads the header and leaves the source at the first byte of the sound.
pub(super) fn header(source: &mut Source, limits: &Limits) -> Result<Layout> {
    let first: [u8; 4] = field(source.peek(4)?, 0);
    let (chunks, format, begin) = match &first {
        b"RIFX" => (Chunks::Big, "RIFX", 12),
        b"riff" => (Chunks::Guid, "Wave64", 40),
        b"RIFF" => (Chunks::Little, "WAV", 12),
        _ => (Chunks::Little, "RF64", 12),
    };
    if source.skip(begin)? < begin {
        return Err(Error::malformed(format, "the input ends within its header; get the file again"));
    }
    let (mut fmt, mut ds64, mut fact) = (None, None, None);
    loop {
        let chunk = chunks.next(source, format)?;
        match &chunk.id {
            b"fmt " => fmt = Some(chunks.body(source, chunk, MOST_FMT_BYTES, format)?),
            b"ds64" => ds64 = Some(chunks.body(source, chunk, 28, format)?),
            b"fact" => fact = Some(chunks.body(source, chunk, 4, format)?),
            b"data" => {
                let fmt = fmt.ok_or_else(|| Error::malformed(format, "the data chunk comes before any fmt chunk"))?;
                let mut length = Some(chunk.length);
                if chunks != Chunks::Guid && chunk.length == u64::from(u32::MAX) {
                    // Of RF64 the true length; anywhere else, the writer never knew it.
                    length = ds64.as_deref().map(|ds64| u64::from_le_bytes(field(ds64, 8))).filter(|&n| n > 0);
                } else if chunk.length == 0 || (chunks == Chunks::Guid && chunk.length >= i64::MAX as u64) {
                    length = None;
                }
                let fmt = if first == *b"RIFX" { to_little_endian(&fmt) } else { fmt };
                let frames = fact.as_deref().map(|fact| match chunks {
                    Chunks::Big => u32::from_be_bytes(field(fact, 0)),
                    _ => u32::from_le_bytes(field(fact, 0)),
                });
                return layout(&fmt, length, frames, chunks, limits);
            }
            _ => {
                chunks.body(source, chunk, 0, format)?;
            }
        }
    }
}

fn layout(fmt: &[u8], bytes: Option<u64>, frames: Option<u32>, behind: Chunks, limits: &Limits) -> Result<Layout> {
    let word = |at| u16::from_le_bytes(field(fmt, at));
    let big_endian = behind == Chunks::Big;
    let (tag, channels, block_bytes) = (word(0), word(2), usize::from(word(12)));
    limits.check_channels(channels, "WAV")?;
    let blocks = match tag {
        2 => Some(BlockCoding::microsoft(channels, block_bytes, fmt.get(18..).unwrap_or_default())?),
        0x11 => Some(BlockCoding::ima(channels, block_bytes)?),
        0x31 if channels == 1 => Some(BlockCoding::gsm_pairs()),
        _ => None,
    };
    if let Some(blocks) = blocks {
        let (block_bytes, block_frames) = (blocks.bytes() as u64, blocks.frames() as u64);
        // `fact` counts the frames without the padding of the last block; writers into pipes leave 0.
        let held = bytes.map(|bytes| bytes / block_bytes * block_frames);
        let counted = frames.map(u64::from).filter(|&n| held.is_some_and(|held| n <= held && n + block_frames > held));
        return Ok(Layout {
            payload: Payload::Blocks(blocks),
            channels,
            sample_rate_hz: u32::from_le_bytes(field(fmt, 4)),
            bytes,
            frames: counted,
            behind,
            warnings: byte_rate_warning(fmt, block_bytes, block_frames),
        });
    }
    let format = Format::parse(&fmt[..fmt.len().min(FMT_BYTES)], limits)?;
    Ok(Layout {
        payload: Payload::samples(
            format.coding,
            big_endian && format.coding != Coding::Int { bytes: 1, valid_bits: 8 },
        ),
        channels,
        sample_rate_hz: format.sample_rate_hz,
        bytes,
        frames: None,
        behind,
        warnings: format.warnings,
    })
}

/// What is odd about the bytes per second, which the other fields imply.
fn byte_rate_warning(fmt: &[u8], block_bytes: u64, block_frames: u64) -> Vec<String> {
    let word = |at| u64::from(u32::from_le_bytes(field(fmt, at)));
    let (rate_hz, stated) = (word(4), word(8));
    let implied = rate_hz * block_bytes / block_frames;
    // Writers round.
    if stated.abs_diff(implied) <= implied / 32 {
        return Vec::new();
    }
    vec![format!(
        "the WAV header states {stated} bytes per second, but {rate_hz} Hz in blocks of {block_bytes} bytes make {implied}; the sample \
         rate was used as stated: if the voice sounds too high or too low, it is wrong"
    )]
}

/// The fields of a big-endian `fmt ` chunk as WAV writes them. A GUID has its first three fields in
/// that order too; its tail of bytes stays.
fn to_little_endian(fmt: &[u8]) -> Vec<u8> {
    let mut turned = fmt.to_vec();
    let fields =
        [(0, 2), (2, 2), (4, 4), (8, 4), (12, 2), (14, 2), (16, 2), (18, 2), (20, 4), (24, 4), (28, 2), (30, 2)];
    for (at, bytes) in fields {
        if let Some(field) = turned.get_mut(at..at + bytes) {
            field.reverse();
        }
    }
    turned
}
