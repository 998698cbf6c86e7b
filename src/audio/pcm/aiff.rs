//! AIFF and AIFF-C: IFF chunks in big-endian. `COMM` describes the sound, `SSND` contains it.
//!
//! ```text
//! COMM: channels i16, frames u32, bits i16, sample rate (80-bit float)
//!       AIFF-C: coding [4], its name (a Pascal string)
//! SSND: offset u32, block size u32, the sound from `offset` on
//! ```
//!
//! Source: Apple, "Audio Interchange File Format", 1.3 (1989) and AIFF-C draft (1991).

use super::chunks::{Chunk, Chunks};
use super::layout::{Layout, Payload, field};
use crate::audio::blocks::BlockCoding;
use crate::audio::source::Source;
use crate::audio::wav::format::Coding;
use crate::error::{Error, Result};

/// Number of bytes of `COMM` that are parsed.
const COMM_BYTES: usize = 22;
const FORMAT: &str = "AIFF";

/// The description of the sound.
struct Common {
    channels: u16,
    frames: u32,
    sample_rate_hz: u32,
    payload: Payload,
}

/// Reads the header and leaves the source at the first sample.
pub(super) fn header(source: &mut Source) -> Result<Layout> {
    let form: [u8; 12] = field(source.peek(12)?, 0);
    let form_type = &form[8..];
    if form_type != b"AIFF" && form_type != b"AIFC" {
        return Err(Error::Unsupported(format!(
            "an IFF file of the form `{}`; convert it: ffmpeg -i IN OUT.wav",
            form_type.escape_ascii()
        )));
    }
    source.consume(12);
    let mut common = None;
    loop {
        let chunk = Chunks::Big.next(source, FORMAT)?;
        match &chunk.id {
            b"COMM" => {
                let body = Chunks::Big.body(source, chunk, COMM_BYTES, FORMAT)?;
                common = Some(describe(&body, form_type == b"AIFC")?);
            }
            b"SSND" => {
                let missing = || {
                    Error::malformed(
                        FORMAT,
                        "the SSND chunk comes before any COMM chunk; convert it: ffmpeg -i IN OUT.wav",
                    )
                };
                return layout(source, chunk, common.ok_or_else(missing)?);
            }
            _ => {
                Chunks::Big.body(source, chunk, 0, FORMAT)?;
            }
        }
    }
}

fn layout(source: &mut Source, chunk: Chunk, common: Common) -> Result<Layout> {
    let offset = u64::from(u32::from_be_bytes(field(source.peek(4)?, 0)));
    let (unit_bytes, unit_frames) = common.payload.unit(common.channels);
    let (unit_bytes, unit_frames) = (unit_bytes as u64, unit_frames as u64);
    if source.skip(8 + offset)? < 8 + offset {
        return Err(Error::malformed(FORMAT, "the input ends within the header of its SSND chunk; get the file again"));
    }
    let claimed = chunk.length.saturating_sub(8 + offset);
    // A recorder that was interrupted, or that writes to a pipe, leaves 0 or all ones.
    let open = chunk.length == 0 || chunk.length >= 0x7FFF_0000;
    // A last block may be padded, and so may the chunk.
    let units = u64::from(common.frames).div_ceil(unit_frames);
    let mut warnings = Vec::new();
    if !open && common.frames > 0 && claimed < units * unit_bytes {
        let held = claimed / unit_bytes * unit_frames;
        return Err(Error::malformed(
            FORMAT,
            format!(
                "COMM states {} frames, the SSND chunk has {held}; the header contradicts itself, convert it: ffmpeg -i IN OUT.wav",
                common.frames
            ),
        ));
    }
    let counted = common.frames > 0 && !open;
    if counted && claimed / unit_bytes > units {
        warnings.push(format!(
            "COMM states {} frames, the SSND chunk has {}; the chunk was used",
            common.frames,
            claimed / unit_bytes * unit_frames
        ));
    }
    let is_blocks = unit_frames > 1;
    Ok(Layout {
        channels: common.channels,
        sample_rate_hz: common.sample_rate_hz,
        bytes: (!open).then_some(claimed - claimed % unit_bytes),
        // Some writers count blocks instead of frames there.
        frames: (is_blocks && counted && u64::from(common.frames) > claimed / unit_bytes)
            .then_some(common.frames.into()),
        payload: common.payload,
        behind: Chunks::Big,
        warnings,
    })
}

fn describe(body: &[u8], compressed: bool) -> Result<Common> {
    if body.len() < 18 || (compressed && body.len() < COMM_BYTES) {
        return Err(Error::malformed(
            FORMAT,
            format!("the COMM chunk has {} bytes, at least 18 are needed; get the file again", body.len()),
        ));
    }
    let coding = if compressed { field(body, 18) } else { *b"NONE" };
    let channels = u16::from_be_bytes(field(body, 0));
    if channels == 0 {
        return Err(Error::malformed(FORMAT, "the COMM chunk states 0 channels; get the file again"));
    }
    Ok(Common {
        channels,
        frames: u32::from_be_bytes(field(body, 2)),
        sample_rate_hz: rate(field(body, 8)),
        payload: payload(coding, u16::from_be_bytes(field(body, 6)), channels)?,
    })
}

/// The sample rate, a float of 80 bits: sign and exponent (bias 16383), mantissa with its leading
/// 1. Rounded to whole Hz; 0 for what no rate can be.
fn rate(bytes: [u8; 10]) -> u32 {
    let exponent = i32::from(u16::from_be_bytes([bytes[0], bytes[1]])) - 16_383 - 63;
    let mantissa = u64::from_be_bytes(field(&bytes, 2));
    let rate = mantissa as f64 * 2_f64.powi(exponent);
    if rate < f64::from(u32::MAX) { rate.round() as u32 } else { 0 }
}

/// The coding by its four characters (AIFF-C, and QuickTime's additions).
fn payload(coding: [u8; 4], bits: u16, channels: u16) -> Result<Payload> {
    let (integer, big_endian) = match &coding {
        b"NONE" | b"twos" | b"in24" | b"in32" | b"raw " => (true, true),
        b"sowt" => (true, false),
        _ => (false, true),
    };
    if integer {
        let bytes = bits.div_ceil(8);
        if !(1..=4).contains(&bytes) {
            return Err(Error::Unsupported(format!(
                "AIFF of {bits} bits per sample; convert it: ffmpeg -i IN OUT.wav"
            )));
        }
        let coding_of_samples = Coding::Int { bytes, valid_bits: 8 * bytes };
        let signed_bytes = bytes == 1 && coding != *b"raw ";
        return Ok(Payload::Samples { coding: coding_of_samples, big_endian, signed_bytes });
    }
    match &coding {
        b"fl32" | b"FL32" => Ok(Payload::samples(Coding::Float32, true)),
        b"fl64" | b"FL64" => Ok(Payload::samples(Coding::Float64, true)),
        b"ulaw" | b"ULAW" => Ok(Payload::samples(Coding::MuLaw, true)),
        b"alaw" | b"ALAW" => Ok(Payload::samples(Coding::ALaw, true)),
        b"ima4" => Ok(Payload::Blocks(BlockCoding::quick_time_ima(channels))),
        b"GSM " | b"agsm" if channels == 1 => Ok(Payload::Blocks(BlockCoding::gsm())),
        other => Err(Error::Unsupported(format!(
            "AIFF-C of the coding `{}`; convert it: ffmpeg -i IN OUT.wav",
            other.escape_ascii()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_80_bits_are_read() {
        assert_eq!(rate([0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0]), 44_100);
        assert_eq!(rate([0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0]), 8_000);
        assert_eq!(rate([0x40, 0x0C, 0xAC, 0x44, 0, 0, 0, 0, 0, 0]), 11_025);
        assert_eq!(rate([0; 10]), 0);
        assert_eq!(rate([0x7F; 10]), 0);
    }
}
