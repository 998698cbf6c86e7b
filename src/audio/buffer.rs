//! A whole recording in memory.

use std::io::Read;
use std::path::Path;

use super::decoder::Decoder;
use super::limits::Limits;
use super::spec::Spec;
use crate::error::{Error, Result};

/// The samples of a recording, interleaved, full scale 1.0, with what its headers say.
#[derive(Debug, Clone)]
pub struct AudioBuffer {
    samples: Vec<f32>,
    spec: Spec,
    warnings: Vec<String>,
}

/// Reads a file whole. See [`Decoder::open`] for its errors; [`Error::Limit`] past [`Limits::max_samples`].
///
/// # Errors
///
/// As said above; every error names the file.
pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<AudioBuffer> {
    let path = path.as_ref();
    Decoder::open(path, limits).and_then(|decoder| collect(decoder, limits)).map_err(|e| e.in_file(path))
}

/// Reads a stream whole: a pipe, a socket, bytes in memory.
///
/// # Errors
///
/// As [`Decoder::new`] and [`Decoder::read_block`]; [`Error::Limit`] past [`Limits::max_samples`].
///
/// ```
/// # fn main() -> persona_engine::Result<()> {
/// use persona_engine::audio::{self, Limits};
///
/// let header = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x04\0\0\0";
/// let bytes = [&header[..], &[0, 0x40, 0, 0xC0]].concat();
/// let recording = audio::read(std::io::Cursor::new(bytes), &Limits::default())?;
/// assert_eq!(recording.samples(), [0.5, -0.5]);
/// assert_eq!(recording.spec().sample_rate_hz, 16_000);
/// # Ok(()) }
/// ```
pub fn read(reader: impl Read + Send + Sync + 'static, limits: &Limits) -> Result<AudioBuffer> {
    collect(Decoder::new(reader, limits)?, limits)
}

/// Memory follows the samples that came, never what a header claims.
fn collect(mut decoder: Decoder, limits: &Limits) -> Result<AudioBuffer> {
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while decoder.read_block(&mut block)? > 0 {
        let actual = (samples.len() + block.len()) as u64;
        if actual > limits.max_samples {
            return Err(Error::Limit {
                what: "the number of decoded samples over all channels",
                actual,
                limit: limits.max_samples,
            });
        }
        samples.extend_from_slice(&block);
    }
    Ok(AudioBuffer { samples, spec: decoder.spec().clone(), warnings: decoder.warnings().to_vec() })
}

impl AudioBuffer {
    /// All samples, interleaved: `[frames, channels]` in row-major order.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// What the headers say.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What was odd without being an error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Frames that were decoded.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.spec.channels)
    }

    /// The length in seconds, by the frames that were decoded.
    pub fn duration_s(&self) -> f64 {
        self.frames() as f64 / f64::from(self.spec.sample_rate_hz)
    }

    /// The samples of one channel, counted from 0. Empty where there is no such channel.
    pub fn channel(&self, channel: u16) -> impl Iterator<Item = f32> + '_ {
        let (channels, first) = (usize::from(self.spec.channels), usize::from(channel));
        let start = if first < channels { first } else { self.samples.len() };
        self.samples.iter().skip(start).step_by(channels).copied()
    }
}
