//! What a recording is: its container, coding, sample rate and channels.

use std::fmt;

/// The file format around the samples, told by the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// RIFF WAVE.
    Wav,
    /// A stream of MPEG audio frames, with or without ID3 tags.
    Mp3,
    /// FLAC by itself.
    Flac,
    /// Ogg, with Vorbis or FLAC in it.
    Ogg,
    /// MP4 or M4A (ISO base media), with AAC or ALAC in it.
    Mp4,
    /// Samples without a header, as the caller described them.
    Raw,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Container {
    /// The name that errors use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Mp3 => "MP3",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg",
            Self::Mp4 => "M4A",
            Self::Raw => "raw PCM",
        }
    }
}

/// What the headers of a recording say, after they were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Frames per second, Hz.
    pub sample_rate_hz: u32,
    /// Channels, at least 1.
    pub channels: u16,
    /// The file format.
    pub container: Container,
    /// The coding of the samples, such as `PCM 16-bit`, `A-law` or `MPEG-1 layer III`.
    pub codec: &'static str,
    /// Frames that the headers promise, where they do (a stream's do not). Decoding checks the promise.
    pub total_frames: Option<u64>,
}
