//! The coding of a Matroska track by its identifier (RFC 9559 §24.1 and the codec specifications of
//! the Matroska project).

use super::tracks::Track;
use crate::audio::compressed::codecs::{Coding, Parameters};
use crate::audio::wav::format::Coding as PcmCoding;
use crate::error::{Error, Result};

/// What a decoder needs to know of a track.
///
/// # Errors
///
/// [`Error::Unsupported`] for other codings, [`Error::Malformed`] for a damaged header.
pub(super) fn parameters(track: &Track) -> Result<Parameters> {
    let with = |coding, extra: Option<Vec<u8>>| match extra {
        Some(extra) => Ok(Parameters { extra, ..Parameters::new(coding) }),
        None => Err(Error::malformed(
            "Matroska",
            format!("the header of its {} track is damaged; get the file again", coding.name()),
        )),
    };
    let private = track.private.as_slice();
    match track.codec.as_str() {
        "A_OPUS" => with(Coding::Opus, Some(private.to_vec())),
        "A_VORBIS" => with(Coding::Vorbis, vorbis_headers(private)),
        // `fLaC`, the header of its first block, and 34 bytes of STREAMINFO
        "A_FLAC" => with(Coding::Flac, private.get(8..42).map(<[u8]>::to_vec)),
        "A_ALAC" => with(Coding::Alac, Some(private.to_vec())),
        "A_AAC" => with(Coding::Aac, Some(private.to_vec())),
        codec => {
            let (coding, big_endian) = pcm(codec, track.bits).ok_or_else(|| unsupported(codec))?;
            let rate = track.sample_rate_hz;
            Ok(Parameters {
                coding: Coding::Pcm(coding, big_endian && coding.bytes() > 1),
                extra: Vec::new(),
                sample_rate_hz: if (0.0..f64::from(u32::MAX)).contains(&rate) { rate.round() as u32 } else { 0 },
                channels: u16::try_from(track.channels).unwrap_or(u16::MAX).max(1),
            })
        }
    }
}

/// Sample coding of PCM, and whether it is big-endian.
fn pcm(codec: &str, bits: u64) -> Option<(PcmCoding, bool)> {
    match (codec, bits) {
        ("A_PCM/INT/LIT" | "A_PCM/INT/BIG", 8 | 16 | 24 | 32) => {
            let bits = bits as u16;
            Some((PcmCoding::Int { bytes: bits / 8, valid_bits: bits }, codec.ends_with("BIG")))
        }
        ("A_PCM/FLOAT/IEEE", 32) => Some((PcmCoding::Float32, false)),
        ("A_PCM/FLOAT/IEEE", 64) => Some((PcmCoding::Float64, false)),
        _ => None,
    }
}

/// Identification and setup header of Vorbis, out of its three headers in Xiph lacing.
fn vorbis_headers(private: &[u8]) -> Option<Vec<u8>> {
    let (&count, mut data) = private.split_first()?;
    let mut sizes = Vec::new();
    for _ in 0..count {
        let bytes = data.iter().position(|&byte| byte < 255)? + 1;
        sizes.push(data[..bytes].iter().map(|&byte| usize::from(byte)).sum::<usize>());
        data = &data[bytes..];
    }
    let [identification, comments] = sizes[..] else { return None };
    let setup = data.get(identification + comments..)?;
    Some([data.get(..identification)?, setup].concat())
}

/// The error for a coding without a decoder.
fn unsupported(codec: &str) -> Error {
    let name = match codec {
        "A_AC3" | "A_EAC3" => "Dolby Digital",
        "A_DTS" => "DTS",
        "A_TRUEHD" => "TrueHD",
        "A_MPEG/L1" | "A_MPEG/L2" | "A_MPEG/L3" => "MPEG audio",
        "A_WAVPACK4" => "WavPack",
        "A_MS/ACM" => "a Windows codec",
        _ => "an unsupported coding",
    };
    Error::Unsupported(format!("Matroska with audio coded as `{codec}` ({name}); convert it: ffmpeg -i IN OUT.wav"))
}
