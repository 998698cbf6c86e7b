//! Properties of a recording: container, coding, sample rate, channels.

use std::fmt;

/// Container format, as detected by the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// RIFF WAVE, and its variants RF64, BW64 and RIFX.
    Wav,
    /// MPEG audio frames, with or without ID3 tags.
    Mp3,
    /// Native FLAC.
    Flac,
    /// Ogg with Opus, Vorbis or FLAC.
    Ogg,
    /// MP4 or M4A (ISO base media) with AAC, ALAC or Opus.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// AAC in ADTS frames.
    Adts,
    /// Sony Wave64.
    Wave64,
    /// AIFF and AIFF-C.
    Aiff,
    /// Sun AU.
    Au,
    /// Apple's Core Audio Format.
    Caf,
    /// Frames of GSM 6.10 without a header.
    Gsm,
    /// Samples without a header, as the caller described them.
    Raw,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Container {
    /// Name in error messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Mp3 => "MP3",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg",
            Self::Mp4 => "M4A",
            Self::Matroska => "Matroska",
            Self::Adts => "AAC (ADTS)",
            Self::Wave64 => "Wave64",
            Self::Aiff => "AIFF",
            Self::Au => "AU",
            Self::Caf => "CAF",
            Self::Gsm => "GSM",
            Self::Raw => "raw PCM",
        }
    }
}

/// Properties that the headers of a recording state, after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Frames per second, Hz.
    pub sample_rate_hz: u32,
    /// Number of channels, at least 1.
    pub channels: u16,
    /// The file format.
    pub container: Container,
    /// The coding of the samples, such as `PCM 16-bit`, `A-law` or `MPEG-1 layer III`.
    pub codec: &'static str,
    /// Number of frames if the headers state it (those of a stream do not). Decoding verifies it.
    pub total_frames: Option<u64>,
}
