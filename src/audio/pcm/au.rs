//! Sun AU (`.au`, `.snd`): a header of 24 bytes in big-endian, an annotation, samples.
//!
//! ```text
//! 0  `.snd`          4  offset of the samples      8  bytes of samples, 0xFFFF_FFFF if unknown
//! 12 coding          16 sample rate, Hz           20 channels
//! ```
//!
//! Source: Sun's `audio_filehdr.h`; the codings are those of NeXT's `soundstruct.h`.

use super::chunks::Chunks;
use super::layout::{Layout, Payload, field};
use crate::audio::source::Source;
use crate::audio::wav::format::Coding;
use crate::error::{Error, Result};

/// Size of the fixed header, bytes.
const HEADER_BYTES: usize = 24;

/// Reads the header and leaves the source at the first sample.
pub(super) fn header(source: &mut Source) -> Result<Layout> {
    let header = source.peek(HEADER_BYTES)?.to_vec();
    let word = |at| u32::from_be_bytes(field(&header, at));
    if header.len() < HEADER_BYTES {
        return Err(malformed(&format!("the header ends after {} of {HEADER_BYTES} bytes", header.len())));
    }
    let offset = u64::from(word(4));
    if offset < HEADER_BYTES as u64 || source.skip(offset)? < offset {
        return Err(malformed(&format!("the samples should begin at byte {offset}, outside of the file")));
    }
    let length = word(8);
    Ok(Layout {
        payload: coding(word(12))?,
        channels: u16::try_from(word(20)).unwrap_or(u16::MAX),
        sample_rate_hz: word(16),
        bytes: (length != u32::MAX).then_some(length.into()),
        frames: None,
        behind: Chunks::None,
        warnings: Vec::new(),
    })
}

fn coding(code: u32) -> Result<Payload> {
    let int = |bytes| Payload::samples(Coding::Int { bytes, valid_bits: 8 * bytes }, true);
    let other = match code {
        1 => return Ok(Payload::samples(Coding::MuLaw, true)),
        2 => {
            let coding = Coding::Int { bytes: 1, valid_bits: 8 };
            return Ok(Payload::Samples { coding, big_endian: true, signed_bytes: true });
        }
        3..=5 => return Ok(int(code as u16 - 1)),
        6 => return Ok(Payload::samples(Coding::Float32, true)),
        7 => return Ok(Payload::samples(Coding::Float64, true)),
        27 => return Ok(Payload::samples(Coding::ALaw, true)),
        23 => "G.721 ADPCM",
        24 => "G.722",
        25 | 26 => "G.723 ADPCM",
        _ => "an unknown coding",
    };
    Err(Error::Unsupported(format!("AU of {other} (code {code}); convert it: ffmpeg -i IN OUT.wav")))
}

fn malformed(what: &str) -> Error {
    Error::malformed("AU", format!("{what}; get the file again"))
}
