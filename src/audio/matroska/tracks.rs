//! The description of a Matroska file: time base and duration (`Info`), and the audio track
//! (`Tracks`). Source: RFC 9559 §5.1.

use super::ebml::{children, float, unsigned};
use crate::error::{Error, Result};

/// `TrackType` of audio.
const AUDIO: u64 = 2;

/// Time base and duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Info {
    /// Seconds per unit of a timestamp.
    pub(super) unit_s: f64,
    /// Duration, seconds, if it is stated.
    pub(super) duration_s: Option<f64>,
}

impl Default for Info {
    fn default() -> Self {
        Self { unit_s: 1e-3, duration_s: None }
    }
}

impl Info {
    pub(super) fn parse(content: &[u8]) -> Self {
        let (mut info, mut duration) = (Self::default(), 0.0);
        for (id, content) in children(content) {
            match id {
                0x2A_D7B1 if unsigned(content) > 0 => info.unit_s = unsigned(content) as f64 * 1e-9,
                0x4489 => duration = float(content),
                _ => {}
            }
        }
        let duration_s = duration * info.unit_s;
        info.duration_s = (duration_s > 0.0 && duration_s.is_finite()).then_some(duration_s);
        info
    }
}

/// An audio track.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    pub(super) number: u64,
    /// Such as `A_OPUS`.
    pub(super) codec: String,
    /// The decoder's own header.
    pub(super) private: Vec<u8>,
    pub(super) sample_rate_hz: f64,
    pub(super) channels: u64,
    pub(super) bits: u64,
    /// Audio to drop at the start, seconds.
    pub(super) delay_s: f64,
    /// Bytes that a compression took from the beginning of each frame.
    pub(super) stripped: Vec<u8>,
    is_default: bool,
}

/// The audio tracks and whether there are others.
pub(super) struct Tracks {
    /// The one that is marked as default, or the first.
    pub(super) audio: Track,
    /// Number of audio tracks.
    pub(super) audio_count: usize,
    /// Whether the file has video or subtitles too.
    pub(super) others: bool,
}

impl Tracks {
    /// Parses the element and selects the audio track.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if there is none, or if it is encrypted or compressed.
    pub(super) fn parse(content: &[u8], format: &'static str) -> Result<Self> {
        let (mut tracks, mut others) = (Vec::new(), false);
        for (_, entry) in children(content).filter(|(id, _)| *id == 0xAE) {
            match track(entry)? {
                Some(track) => tracks.push(track),
                None => others = true,
            }
        }
        let audio = tracks.iter().find(|track| track.is_default).or(tracks.first()).cloned();
        let audio = audio.ok_or_else(|| {
            Error::Unsupported(format!("{format} without an audio track; check that it is the right file"))
        })?;
        Ok(Self { audio, audio_count: tracks.len(), others })
    }
}

/// Parses a track; `None` for one that is not audio.
fn track(entry: &[u8]) -> Result<Option<Track>> {
    let mut kind = 0;
    let mut track = Track {
        number: 0,
        codec: String::new(),
        private: Vec::new(),
        sample_rate_hz: 8000.0,
        channels: 1,
        bits: 0,
        delay_s: 0.0,
        stripped: Vec::new(),
        is_default: true,
    };
    let mut encodings = None;
    for (id, content) in children(entry) {
        match id {
            0xD7 => track.number = unsigned(content),
            0x83 => kind = unsigned(content),
            0x86 => String::from_utf8_lossy(content).trim_end_matches('\0').clone_into(&mut track.codec),
            0x63A2 => track.private = content.to_vec(),
            0x56AA => track.delay_s = unsigned(content) as f64 * 1e-9,
            0x88 => track.is_default = unsigned(content) != 0,
            0x6D80 => encodings = Some(content),
            0xE1 => {
                for (id, content) in children(content) {
                    match id {
                        0xB5 => track.sample_rate_hz = float(content),
                        0x9F => track.channels = unsigned(content),
                        0x6264 => track.bits = unsigned(content),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if kind != AUDIO {
        return Ok(None);
    }
    if let Some(encodings) = encodings {
        track.stripped = stripped(encodings)?;
    }
    Ok(Some(track))
}

/// The bytes of a header-stripping compression, the only one that is supported.
fn stripped(encodings: &[u8]) -> Result<Vec<u8>> {
    let unsupported =
        |what: &str| Err(Error::Unsupported(format!("Matroska with {what} audio; convert it: ffmpeg -i IN OUT.wav")));
    let mut bytes = Vec::new();
    for (_, encoding) in children(encodings).filter(|(id, _)| *id == 0x6240) {
        for (id, content) in children(encoding) {
            match id {
                0x5033 if unsigned(content) != 0 => return unsupported("encrypted"),
                0x5035 => return unsupported("encrypted"),
                0x5034 => {
                    // The algorithm is 0, zlib, where it is left out.
                    let algorithm =
                        children(content).find(|(id, _)| *id == 0x4254).map_or(0, |(_, content)| unsigned(content));
                    if algorithm != 3 {
                        return unsupported("compressed");
                    }
                    bytes = children(content)
                        .find(|(id, _)| *id == 0x4255)
                        .map_or(Vec::new(), |(_, content)| content.to_vec());
                }
                _ => {}
            }
        }
    }
    Ok(bytes)
}
