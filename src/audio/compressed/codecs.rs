//! Decoders of packets: symphonia's for FLAC, Vorbis, AAC-LC and ALAC, Opus, and PCM in a container.

use symphonia_bundle_flac::FlacDecoder;
use symphonia_codec_aac::AacDecoder;
use symphonia_codec_alac::AlacDecoder;
use symphonia_codec_vorbis::VorbisDecoder;
use symphonia_core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_VORBIS};
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::Error as Broken;
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use super::guard::guarded;
#[cfg(feature = "opus")]
use crate::audio::opus::{Head, OpusDecoder, RATE_HZ};
use crate::audio::wav::format::Coding as PcmCoding;
use crate::audio::wav::samples;
use crate::error::{Error, Result};

const CONVERT: &str = "convert it: ffmpeg -i IN OUT.wav";

/// How packets are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio) enum Coding {
    Flac,
    Vorbis,
    Aac,
    Alac,
    Opus,
    /// Samples of a coding; true: big-endian.
    Pcm(PcmCoding, bool),
}

/// What a decoder needs to know of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audio) struct Parameters {
    pub(in crate::audio) coding: Coding,
    /// FLAC's STREAMINFO, Vorbis' first and third header, AAC's AudioSpecificConfig, ALAC's cookie,
    /// Opus' identification header.
    pub(in crate::audio) extra: Vec<u8>,
    /// For PCM alone; the other codings state them in `extra` or in their packets.
    pub(in crate::audio) sample_rate_hz: u32,
    pub(in crate::audio) channels: u16,
}

impl Parameters {
    /// Parameters whose fields are to be filled in.
    pub(in crate::audio) fn new(coding: Coding) -> Self {
        Self { coding, extra: Vec::new(), sample_rate_hz: 0, channels: 0 }
    }

    /// Frames to drop at the start, where the coding's own header states them.
    pub(in crate::audio) fn priming(&self) -> u64 {
        match self.coding {
            #[cfg(feature = "opus")]
            Coding::Opus => Head::parse(&self.extra).map_or(0, |head| head.pre_skip.into()),
            _ => 0,
        }
    }
}

impl Coding {
    pub(in crate::audio) fn name(self) -> &'static str {
        match self {
            Self::Flac => "FLAC",
            Self::Vorbis => "Vorbis",
            Self::Aac => "AAC",
            Self::Alac => "ALAC",
            Self::Opus => "Opus",
            Self::Pcm(coding, _) => coding.name(),
        }
    }
}

/// Rate and channels of decoded samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio) struct Shape {
    pub(in crate::audio) sample_rate_hz: u32,
    pub(in crate::audio) channels: u16,
}

/// A decoder of one stream's packets.
pub(in crate::audio) enum PacketDecoder {
    Symphonia(Box<dyn AudioDecoder>, Coding),
    Pcm {
        coding: PcmCoding,
        big_endian: bool,
        shape: Shape,
    },
    #[cfg(feature = "opus")]
    Opus(Box<OpusDecoder>),
}

impl PacketDecoder {
    pub(in crate::audio) fn new(parameters: &Parameters) -> Result<Self> {
        let name = parameters.coding.name();
        let id = match parameters.coding {
            Coding::Flac => CODEC_ID_FLAC,
            Coding::Vorbis => CODEC_ID_VORBIS,
            Coding::Aac => CODEC_ID_AAC,
            Coding::Alac => CODEC_ID_ALAC,
            #[cfg(feature = "opus")]
            Coding::Opus => return Ok(Self::Opus(Box::new(OpusDecoder::new(Head::parse(&parameters.extra)?)?))),
            #[cfg(not(feature = "opus"))]
            Coding::Opus => {
                return Err(Error::Unsupported(format!(
                    "Opus: this build has no decoder for it (feature `opus`); {CONVERT}"
                )));
            }
            Coding::Pcm(coding, big_endian) => {
                let shape = Shape { sample_rate_hz: parameters.sample_rate_hz, channels: parameters.channels };
                return Ok(Self::Pcm { coding, big_endian, shape });
            }
        };
        let mut stated = AudioCodecParameters::new();
        stated.for_codec(id).with_extra_data(parameters.extra.clone().into_boxed_slice());
        let options = AudioDecoderOptions::default().verify(true);
        let made: Result<Box<dyn AudioDecoder>, Broken> = guarded(name, || match parameters.coding {
            Coding::Flac => FlacDecoder::try_new(&stated, &options).map(|decoder| Box::new(decoder) as _),
            Coding::Vorbis => VorbisDecoder::try_new(&stated, &options).map(|decoder| Box::new(decoder) as _),
            Coding::Aac => AacDecoder::try_new(&stated, &options).map(|decoder| Box::new(decoder) as _),
            _ => AlacDecoder::try_new(&stated, &options).map(|decoder| Box::new(decoder) as _),
        })?;
        let decoder = made.map_err(|error| match error {
            Broken::Unsupported(what) => Error::Unsupported(format!("{name}: {what}; {CONVERT}")),
            other => {
                Error::malformed(name, format!("its headers are damaged ({}); get the file again", problem(&other)))
            }
        })?;
        Ok(Self::Symphonia(decoder, parameters.coding))
    }

    /// Decodes a packet and appends its interleaved samples. `Err` describes a damaged packet, which
    /// appends nothing.
    pub(in crate::audio) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<Shape, String> {
        let before = out.len();
        let shape = match self {
            Self::Pcm { coding, big_endian, shape } => {
                pcm(*coding, *big_endian, packet, out)?;
                *shape
            }
            #[cfg(feature = "opus")]
            Self::Opus(decoder) => {
                decoder.decode(packet, out)?;
                Shape { sample_rate_hz: RATE_HZ, channels: decoder.channels() }
            }
            Self::Symphonia(decoder, coding) => {
                check(*coding, packet)?;
                symphonia(decoder.as_mut(), packet, out).inspect_err(|_| out.truncate(before))?
            }
        };
        if out[before..].iter().any(|x| !x.is_finite()) {
            out.truncate(before);
            return Err("it decodes to NaN or infinity".to_owned());
        }
        Ok(shape)
    }

    /// Forgets the packets so far, after a gap.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Symphonia(decoder, _) => decoder.reset(),
            Self::Pcm { .. } => {}
            // its output after a gap follows the packets before it, as in every Opus player
            #[cfg(feature = "opus")]
            Self::Opus(_) => {}
        }
    }

    /// Whether the samples have the checksum that the stream states; `None` if it states none.
    pub(super) fn is_verified(&mut self) -> Result<Option<bool>> {
        match self {
            Self::Symphonia(decoder, coding) => guarded(coding.name(), || decoder.finalize().verify_ok),
            Self::Pcm { .. } => Ok(None),
            #[cfg(feature = "opus")]
            Self::Opus(_) => Ok(None),
        }
    }
}

fn symphonia(decoder: &mut dyn AudioDecoder, packet: &[u8], out: &mut Vec<f32>) -> Result<Shape, String> {
    let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, packet);
    let decoded = guarded("packet", || {
        decoder.decode_ref(&packet).map(|buffer| {
            let mut samples = Vec::new();
            buffer.copy_to_vec_interleaved(&mut samples);
            out.extend_from_slice(&samples);
            let channels = u16::try_from(buffer.spec().channels().count()).unwrap_or(u16::MAX);
            Shape { sample_rate_hz: buffer.spec().rate(), channels }
        })
    });
    match decoded {
        Ok(Ok(shape)) => Ok(shape),
        Ok(Err(error)) => Err(problem(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// Finds damage that symphonia's decoders pass over.
///
/// An ALAC packet ends with the element END, three bits 1, and zeros up to the next byte. An AAC
/// packet begins with an element that has audio, or that may come before one; END and a coupling
/// element, which AAC-LC has not, do not.
fn check(coding: Coding, packet: &[u8]) -> Result<(), String> {
    match coding {
        Coding::Alac => {
            let last = packet.last().copied().unwrap_or(0);
            let before = packet.len().checked_sub(2).map_or(0, |at| packet[at]);
            let tail = u16::from_be_bytes([before, last]);
            if last == 0 || (tail >> tail.trailing_zeros()) & 7 != 7 {
                return Err("it does not end with the element END".to_owned());
            }
        }
        Coding::Aac => {
            let element = packet.first().map_or(7, |byte| byte >> 5);
            if matches!(element, 2 | 7) {
                return Err(format!("it begins with the element {element}, which has no audio"));
            }
        }
        _ => {}
    }
    Ok(())
}

fn pcm(coding: PcmCoding, big_endian: bool, packet: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
    let turned: Vec<u8>;
    let bytes = if big_endian {
        turned = packet.chunks_exact(coding.bytes()).flat_map(|word| word.iter().rev().copied()).collect();
        &turned
    } else {
        packet
    };
    samples::decode(coding, bytes, out).map_err(|error| error.to_string())
}

/// Message for an error of the dependency.
fn problem(error: &Broken) -> String {
    match error {
        Broken::IoError(_) => "it ends too early".to_owned(),
        Broken::DecodeError(what) => (*what).to_owned(),
        other => other.to_string(),
    }
}
