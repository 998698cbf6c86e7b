//! Recording: an input of the engine, from a file, bytes, a reader or samples.

use std::fmt;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use crate::audio::{Decoder, Limits, RawFormat, SpanDecoder};
use crate::error::{Error, Result};

use super::audio_source::{AudioSource, SampleBlocks};

/// A recording to process: where its audio comes from, and its name in reports and errors.
///
/// Nothing is read before an engine processes it, so all errors come from the engine.
///
/// ```
/// use persona_engine::Recording;
///
/// let file = Recording::file("call.wav");
/// let upload = Recording::bytes(vec![0; 44]).named("upload.wav");
/// let pipe = Recording::reader(std::io::stdin()).named("-");
/// let telephone = Recording::reader(std::io::stdin()).raw("mulaw:8000:1".parse()?);
/// let microphone = Recording::samples(vec![0.0; 44_100], 44_100, 1);
/// # let _ = (file, upload, pipe, telephone, microphone);
/// # Ok::<(), persona_engine::Error>(())
/// ```
pub struct Recording {
    input: Input,
    name: String,
    raw: Option<RawFormat>,
}

enum Input {
    File(PathBuf),
    Reader(Box<dyn Read + Send + Sync>),
    Bytes(Vec<u8>),
    Samples { samples: Vec<f32>, sample_rate_hz: u32, channels: u16 },
}

impl Recording {
    /// A file. Its name is its path.
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self::new(Input::File(path.to_owned()), path.to_string_lossy().into_owned())
    }

    /// The bytes of a file in memory. Also supports an M4A whose index comes after its audio.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Input::Bytes(bytes.into()), "bytes")
    }

    /// The bytes of a file from a reader, such as a pipe or a socket. They are decoded as they
    /// come.
    pub fn reader(reader: impl Read + Send + Sync + 'static) -> Self {
        Self::new(Input::Reader(Box::new(reader)), "reader")
    }

    /// Samples in memory: interleaved, full scale from −1 to 1.
    ///
    /// The engine refuses a rate or a number of channels outside of its [`Limits`], an incomplete
    /// last frame, and samples that are not finite.
    pub fn samples(samples: impl Into<Vec<f32>>, sample_rate_hz: u32, channels: u16) -> Self {
        Self::new(Input::Samples { samples: samples.into(), sample_rate_hz, channels }, "samples")
    }

    fn new(input: Input, name: impl Into<String>) -> Self {
        Self { input, name: name.into(), raw: None }
    }

    /// Sets the name. Default the file's path, else `bytes`, `reader` or `samples`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The bytes are raw PCM of this format, without a header. The engine refuses it for
    /// [`Recording::samples`], which have no bytes.
    #[must_use]
    pub fn raw(mut self, format: RawFormat) -> Self {
        self.raw = Some(format);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same recording again, if it is a file.
    pub(super) fn again(&self) -> Option<Self> {
        let Input::File(path) = &self.input else { return None };
        Some(Self { input: Input::File(path.clone()), name: self.name.clone(), raw: self.raw.clone() })
    }

    /// Opens the source. `raw`: format of bytes without a header where the recording has none of
    /// its own.
    pub(super) fn open(self, raw: Option<&RawFormat>, limits: &Limits) -> Result<(AudioSource, String)> {
        let Self { input, name, raw: own } = self;
        let source = match input {
            Input::Samples { .. } if own.is_some() => {
                Err(Error::usage("a raw format applies to bytes, not to samples in memory"))
            }
            Input::Samples { samples, sample_rate_hz, channels } => {
                SampleBlocks::new(samples, sample_rate_hz, channels, limits).map(AudioSource::Samples)
            }
            input => {
                decoder(input, own.as_ref().or(raw), limits).map(|decoder| AudioSource::Decoder(Box::new(decoder)))
            }
        };
        match source {
            Ok(source) => Ok((source, name)),
            Err(error) => Err(error.in_file(name)),
        }
    }

    /// Opens the source for its segments.
    pub(super) fn open_spans(self, raw: Option<&RawFormat>, limits: &Limits) -> Result<SpanDecoder> {
        let Self { input, name, raw: own } = self;
        decoder(input, own.as_ref().or(raw), limits).map(SpanDecoder::new).map_err(|error| error.in_file(name))
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The decoder of an input that has bytes.
fn decoder(input: Input, raw: Option<&RawFormat>, limits: &Limits) -> Result<Decoder> {
    match (input, raw) {
        (Input::File(path), None) => Decoder::open(&path, limits),
        (Input::File(path), Some(format)) => Decoder::open_raw(&path, format, limits),
        (Input::Reader(reader), None) => Decoder::new(reader, limits),
        (Input::Reader(reader), Some(format)) => Decoder::raw(reader, format, limits),
        (Input::Bytes(bytes), None) => Decoder::from_bytes(bytes, limits),
        (Input::Bytes(bytes), Some(format)) => Decoder::raw(Cursor::new(bytes), format, limits),
        (Input::Samples { .. }, _) => {
            Err(Error::usage("segments of samples in memory: make a recording of each part of the samples"))
        }
    }
}
