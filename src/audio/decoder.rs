//! Decoder of all containers: blocks of interleaved samples from any reader.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

#[cfg(feature = "formats")]
use super::compressed::CompressedReader;
use super::limits::Limits;
#[cfg(feature = "mp3")]
use super::mp3::Mp3Reader;
use super::probe;
use super::raw::{RawFormat, RawReader};
use super::reader::{self, Reader};
use super::source::Source;
use super::spec::{Container, Spec};
use super::wav::WavReader;
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

enum Codec {
    Wav(WavReader),
    #[cfg(feature = "mp3")]
    Mp3(Box<Mp3Reader>),
    #[cfg(feature = "formats")]
    Compressed(Box<CompressedReader>),
    Raw(RawReader),
    Other(Box<dyn Reader>),
}

/// Streaming decoder of a recording in a file, a pipe or memory. It holds about 100 kB, never the
/// whole recording.
///
/// ```no_run
/// # fn main() -> persona_engine::Result<()> {
/// use persona_engine::audio::{Decoder, Limits};
///
/// let mut decoder = Decoder::open("speech.wav".as_ref(), &Limits::default())?;
/// let channels = usize::from(decoder.spec().channels);
/// let mut block = Vec::new();
/// let mut peak = 0.0_f32; // of the first channel
/// while decoder.read_block(&mut block)? > 0 {
///     peak = block.iter().step_by(channels).fold(peak, |peak, x| peak.max(x.abs()));
/// }
/// println!("{peak} {:?}", decoder.warnings());
/// # Ok(()) }
/// ```
pub struct Decoder {
    codec: Codec,
    spec: Spec,
    path: Option<PathBuf>,
    /// What is odd before the container, then what the codec found.
    warnings: Vec<String>,
    /// Number of the codec's warnings that are in `warnings`.
    collected: usize,
}

impl Codec {
    fn wholeness(&self) -> &Wholeness {
        match self {
            Self::Wav(reader) => reader.wholeness(),
            #[cfg(feature = "mp3")]
            Self::Mp3(reader) => reader.wholeness(),
            #[cfg(feature = "formats")]
            Self::Compressed(reader) => reader.wholeness(),
            Self::Raw(reader) => reader.wholeness(),
            Self::Other(reader) => reader.wholeness(),
        }
    }
}

impl Decoder {
    /// Detects the container by its first bytes and reads everything before the first sample,
    /// without seeking.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::Unsupported`] and [`Error::Limit`] for what the headers
    /// state; [`Error::Read`] from the reader.
    pub fn new(reader: impl Read + Send + Sync + 'static, limits: &Limits) -> Result<Self> {
        Self::of(Source::new(reader), limits)
    }

    /// Like [`Decoder::new`], for a recording in memory. This also reads an M4A whose index comes
    /// after its audio.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::new`].
    pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Self> {
        Self::of(Source::from_bytes(bytes), limits)
    }

    fn of(mut source: Source, limits: &Limits) -> Result<Self> {
        let probed = probe::probe(&mut source)?;
        let (codec, spec) = match probed.container {
            container if reader::reads(&mut source, container)? => other(source, container, limits)?,
            #[cfg(feature = "formats")]
            Container::Wav if super::pcm::enter_mp3(&mut source)? => {
                let (codec, spec) = mp3(source, limits)?;
                (codec, Spec { container: Container::Wav, ..spec })
            }
            Container::Wav => {
                let (reader, spec) = WavReader::new(source, limits)?;
                (Codec::Wav(reader), spec)
            }
            Container::Mp3 => mp3(source, limits)?,
            container => compressed(source, container, limits)?,
        };
        Ok(Self::with(codec, spec, probed.warning.into_iter().collect()))
    }

    fn with(codec: Codec, spec: Spec, warnings: Vec<String>) -> Self {
        let mut decoder = Self { codec, spec, path: None, warnings, collected: 0 };
        decoder.collect_warnings();
        decoder
    }

    /// Opens a file. Every error, also of later blocks, contains its name.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::new`]; [`Error::Read`] for a missing or unreadable file and for a
    /// directory.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let decoder =
            open_file(path).and_then(|file| Self::of(Source::from_file(file), limits)).map_err(|e| e.in_file(path))?;
        Ok(Self { path: Some(path.to_owned()), ..decoder })
    }

    /// Decodes the bytes of a reader as samples of `format`, without a header.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] and [`Error::Limit`] for a rate or a number of channels outside the
    /// limits.
    pub fn raw(reader: impl Read + Send + Sync + 'static, format: &RawFormat, limits: &Limits) -> Result<Self> {
        let (reader, spec) = RawReader::new(Source::new(reader), format, limits)?;
        Ok(Self::with(Codec::Raw(reader), spec, Vec::new()))
    }

    /// Like [`Decoder::raw`], for a file. Every error, also of later blocks, contains its name.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::raw`] and [`Decoder::open`].
    pub fn open_raw(path: &Path, format: &RawFormat, limits: &Limits) -> Result<Self> {
        let decoder = open_file(path).and_then(|file| Self::raw(file, format, limits)).map_err(|e| e.in_file(path))?;
        Ok(Self { path: Some(path.to_owned()), ..decoder })
    }

    /// Container, coding, rate and channels, as the headers state them.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Clears `block`, fills it with interleaved samples, `[frames, channels]`, and returns the
    /// number of frames: at most 4096, and 0 at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a recording that is truncated or damaged (unless
    /// [`Limits::accept_truncated`]), for NaN and infinite samples, and for one without a sample;
    /// [`Error::Read`] from the reader.
    pub fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        let read = match &mut self.codec {
            Codec::Wav(reader) => reader.read_block(block),
            #[cfg(feature = "mp3")]
            Codec::Mp3(reader) => reader.read_block(block),
            #[cfg(feature = "formats")]
            Codec::Compressed(reader) => reader.read_block(block),
            Codec::Raw(reader) => reader.read_block(block),
            Codec::Other(reader) => reader.read_block(block),
        };
        self.collect_warnings();
        read.map_err(|e| match &self.path {
            Some(path) => e.in_file(path),
            None => e,
        })
    }

    /// Warnings so far. Complete when [`Decoder::read_block`] has returned 0.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of packets so far that did not decode and were replaced by silence of the same
    /// length.
    pub fn damaged_packets(&self) -> u64 {
        self.codec.wholeness().damaged_packets()
    }

    /// Appends the warnings that the codec has added since the last call.
    fn collect_warnings(&mut self) {
        let of_codec = self.codec.wholeness().warnings();
        self.warnings.extend_from_slice(&of_codec[self.collected..]);
        self.collected = of_codec.len();
    }
}

fn other(source: Source, container: Container, limits: &Limits) -> Result<(Codec, Spec)> {
    let (reader, spec) = reader::open(source, container, limits)?;
    Ok((Codec::Other(reader), spec))
}

#[cfg(feature = "mp3")]
fn mp3(source: Source, limits: &Limits) -> Result<(Codec, Spec)> {
    let (reader, spec) = Mp3Reader::new(source, limits)?;
    Ok((Codec::Mp3(Box::new(reader)), spec))
}

#[cfg(not(feature = "mp3"))]
fn mp3(mut source: Source, _: &Limits) -> Result<(Codec, Spec)> {
    let codec = source.peek_array()?.and_then(super::mpeg::FrameHeader::parse).map_or("MP3", |header| header.codec());
    Err(Error::Unsupported(format!(
        "{codec}: this build has no MP3 decoder (feature `mp3`); convert it: ffmpeg -i IN OUT.wav"
    )))
}

#[cfg(feature = "formats")]
fn compressed(source: Source, container: Container, limits: &Limits) -> Result<(Codec, Spec)> {
    let (reader, spec) = CompressedReader::new(source, container, limits)?;
    Ok((Codec::Compressed(Box::new(reader)), spec))
}

#[cfg(not(feature = "formats"))]
fn compressed(_: Source, container: Container, _: &Limits) -> Result<(Codec, Spec)> {
    Err(Error::Unsupported(format!(
        "{container}: this build has no decoder for it (feature `formats`); convert it: ffmpeg -i IN OUT.wav"
    )))
}

/// Opens a file for reading. Some systems open a directory and fail later, so directories are
/// refused here.
fn open_file(path: &Path) -> Result<File> {
    let refused = |kind: ErrorKind, what: &str| Error::Read(io::Error::new(kind, what.to_owned()));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(refused(ErrorKind::IsADirectory, "it is a directory; name the recordings in it"));
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(refused(ErrorKind::NotFound, "there is no such file; check the path"));
        }
        _ => {}
    }
    File::open(path).map_err(|e| match e.kind() {
        ErrorKind::PermissionDenied => refused(e.kind(), "permission denied; check the file's permissions"),
        _ => Error::Read(e),
    })
}
