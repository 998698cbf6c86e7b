//! Core Audio Format (`.caf`): chunks with lengths of 64 bits, in big-endian. `desc` describes the
//! sound, `data` contains it behind an edit count of 4 bytes.
//!
//! ```text
//! desc: sample rate f64, coding [4], flags u32, bytes per packet u32, frames per packet u32,
//!       channels u32, bits per channel u32
//! pakt: packets i64, valid frames i64, priming frames i32, remainder frames i32
//! ```
//!
//! Source: Apple, "Core Audio Format Specification 1.0".

use super::chunks::Chunks;
use super::layout::{Layout, Payload, field};
use crate::audio::blocks::BlockCoding;
use crate::audio::source::Source;
use crate::audio::wav::format::Coding;
use crate::error::{Error, Result};

const FORMAT: &str = "CAF";
/// Size of `desc`, bytes.
const DESC_BYTES: usize = 32;
/// Flags of linear PCM.
const IS_FLOAT: u32 = 1;
const IS_LITTLE_ENDIAN: u32 = 2;

/// Reads the header and leaves the source at the first sample.
pub(super) fn header(source: &mut Source) -> Result<Layout> {
    source.consume(8); // `caff`, version, flags
    let (mut desc, mut frames) = (None, None);
    loop {
        let chunk = Chunks::Wide.next(source, FORMAT)?;
        match &chunk.id {
            b"desc" => desc = Some(Chunks::Wide.body(source, chunk, DESC_BYTES, FORMAT)?),
            b"pakt" => {
                let body = Chunks::Wide.body(source, chunk, 24, FORMAT)?;
                frames = u64::try_from(i64::from_be_bytes(field(&body, 8))).ok().filter(|&n| n > 0);
            }
            b"data" => {
                let Some(desc) = desc.filter(|desc| desc.len() == DESC_BYTES) else {
                    return Err(Error::malformed(
                        FORMAT,
                        "it has no description (`desc`) before its sound; get the file again",
                    ));
                };
                source.skip(4)?; // the edit count
                let open = chunk.length == u64::MAX;
                let bytes = (!open).then(|| chunk.length.saturating_sub(4));
                return layout(&desc, bytes, frames);
            }
            _ => {
                Chunks::Wide.body(source, chunk, 0, FORMAT)?;
            }
        }
    }
}

fn layout(desc: &[u8], bytes: Option<u64>, frames: Option<u64>) -> Result<Layout> {
    let word = |at| u32::from_be_bytes(field(desc, at));
    let rate = f64::from_be_bytes(field(desc, 0));
    let channels = u16::try_from(word(24)).unwrap_or(u16::MAX);
    let payload = payload(field(desc, 8), word(12), word(28), channels)?;
    let (unit_bytes, unit_frames) = payload.unit(channels.max(1));
    let stated = word(16);
    if stated != 0 && stated as usize != unit_bytes {
        return Err(Error::Unsupported(format!(
            "CAF with {stated} bytes per packet where its coding takes {unit_bytes}; convert it: ffmpeg -i IN OUT.wav"
        )));
    }
    Ok(Layout {
        frames: frames.filter(|_| unit_frames > 1),
        payload,
        channels,
        sample_rate_hz: if (0.0..f64::from(u32::MAX)).contains(&rate) { rate.round() as u32 } else { 0 },
        bytes,
        behind: Chunks::Wide,
        warnings: Vec::new(),
    })
}

fn payload(coding: [u8; 4], flags: u32, bits: u32, channels: u16) -> Result<Payload> {
    let big_endian = flags & IS_LITTLE_ENDIAN == 0;
    match (&coding, bits) {
        (b"lpcm", 32) if flags & IS_FLOAT != 0 => Ok(Payload::samples(Coding::Float32, big_endian)),
        (b"lpcm", 64) if flags & IS_FLOAT != 0 => Ok(Payload::samples(Coding::Float64, big_endian)),
        (b"lpcm", 8 | 16 | 24 | 32) if flags & IS_FLOAT == 0 => {
            let bytes = (bits / 8) as u16;
            Ok(Payload::Samples {
                coding: Coding::Int { bytes, valid_bits: 8 * bytes },
                big_endian,
                signed_bytes: bytes == 1,
            })
        }
        (b"ulaw", _) => Ok(Payload::samples(Coding::MuLaw, true)),
        (b"alaw", _) => Ok(Payload::samples(Coding::ALaw, true)),
        (b"ima4", _) => Ok(Payload::Blocks(BlockCoding::quick_time_ima(channels))),
        (b"agsm", _) if channels == 1 => Ok(Payload::Blocks(BlockCoding::gsm())),
        (other, bits) => {
            let name = match other {
                b"aac " | b"aach" | b"aacp" => "AAC",
                b"alac" => "ALAC",
                b"opus" => "Opus",
                b".mp3" => "MP3",
                b"flac" => "FLAC",
                _ => "",
            };
            Err(Error::Unsupported(format!(
                "CAF of the coding `{}` ({name}{bits} bits per sample); convert it: ffmpeg -i IN OUT.wav",
                other.escape_ascii(),
                name = if name.is_empty() { String::new() } else { format!("{name}, ") },
            )))
        }
    }
}
