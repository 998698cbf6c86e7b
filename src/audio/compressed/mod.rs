//! FLAC, Ogg Vorbis and M4A (AAC-LC, ALAC) decoder on symphonia's demultiplexers and decoders.
//!
//! symphonia silently skips damage: it drops damaged FLAC frames and Ogg pages. Here every gap is
//! an error, detected by what the containers themselves state:
//!
//! | container | verified |
//! |---|---|
//! | FLAC | each frame's position, the number of samples, their MD5 checksum |
//! | Ogg | each page's position; the last page; a single stream |
//! | M4A | every packet of the index |
//!
//! **Start of the audio.** FLAC and ALAC are exact. Vorbis is trimmed to the samples that its pages
//! count. AAC is not trimmed (symphonia reads no edit lists): the encoder's priming remains, 1024
//! to 2112 samples of near silence at the start, and up to 1023 at the end. Of HE-AAC the AAC-LC
//! core is decoded if the file signals it; otherwise the file is refused.
//!
//! A panic of the dependency becomes an error (none of 60,000 damaged files panicked).

mod media;

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::Error as Broken;
use symphonia_core::formats::FormatReader;
use symphonia_core::packet::Packet;

use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use crate::error::{Error, Result};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;

/// Streaming decoder of packets.
pub(super) struct CompressedReader {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    spec: Spec,
    /// Interleaved samples of the last packet, of which the first `returned` were returned already.
    packet: Vec<f32>,
    returned: usize,
    /// Expected start of the next packet, in the container's time base. `None` before the first
    /// packet.
    expected: Option<i64>,
    /// Number of frames decoded so far.
    decoded: u64,
    ended: bool,
    accept_truncated: bool,
    warnings: Vec<String>,
}

impl CompressedReader {
    /// Reads the headers and the first packet with audio. The source must be at the container's
    /// first byte.
    pub(super) fn new(source: Source, container: Container, limits: &Limits) -> Result<(Self, Spec)> {
        let name = container.name();
        let (format, track) = guarded(name, || media::open(source, container))??;
        let (decoder, codec) = guarded(name, || media::decoder(&track, AudioDecoderOptions::default().verify(true)))??;
        let total_frames = if container == Container::Flac { track.num_frames } else { None };
        let mut reader = Self {
            format,
            decoder,
            track: track.id,
            spec: Spec { sample_rate_hz: 0, channels: 0, container, codec, total_frames },
            packet: Vec::new(),
            returned: 0,
            expected: None,
            decoded: 0,
            ended: false,
            accept_truncated: limits.accept_truncated,
            warnings: Vec::new(),
        };
        while reader.packet.is_empty() && !reader.ended {
            reader.next_packet()?;
        }
        if reader.packet.is_empty() {
            return Err(Error::malformed(name, "it contains not a single sample; check the recording"));
        }
        limits.check_channels(reader.spec.channels, name)?;
        limits.check_rate(reader.spec.sample_rate_hz, name)?;
        let spec = reader.spec.clone();
        Ok((reader, spec))
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        while self.returned == self.packet.len() && !self.ended {
            self.next_packet()?;
        }
        let channels = usize::from(self.spec.channels.max(1));
        let left = &self.packet[self.returned..];
        block.extend_from_slice(&left[..left.len().min(BLOCK_FRAMES * channels)]);
        self.returned += block.len();
        Ok(block.len() / channels)
    }

    /// Decodes the next packet to `packet`. Sets `ended` at the end of the stream, or at damage
    /// that is accepted.
    fn next_packet(&mut self) -> Result<()> {
        self.packet.clear();
        self.returned = 0;
        let name = self.spec.container.name();
        let format = &mut self.format;
        match guarded(name, || format.next_packet())? {
            Ok(Some(packet)) if packet.track_id != self.track => Ok(()),
            Ok(Some(packet)) => self.decode(&packet),
            Ok(None) => self.finish(),
            Err(Broken::ResetRequired) => self.stop("a second stream follows the first: two recordings joined?"),
            Err(Broken::IoError(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error.into()),
            Err(error) => self.stop(&media::problem(&error)),
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<()> {
        let begins = packet.pts.get();
        if self.has_gap(begins) {
            return self.stop(&format!("audio is missing after {:.3} s", self.decoded_s()));
        }
        self.expected = Some(begins.saturating_add_unsigned(packet.dur.get()));
        let (decoder, samples) = (&mut self.decoder, &mut self.packet);
        let decoded = guarded(self.spec.container.name(), || {
            decoder.decode(packet).map(|buffer| {
                buffer.copy_to_vec_interleaved(samples);
                (buffer.spec().rate(), buffer.spec().channels().count())
            })
        })?;
        match decoded {
            Ok((rate, channels)) => self.accept(rate, channels),
            Err(error) => {
                self.stop(&format!("the packet at {:.3} s is damaged ({})", self.decoded_s(), media::problem(&error)))
            }
        }
    }

    /// Whether frames or pages are missing before a packet. An MP4 index has no gaps; Vorbis' first
    /// packet has no length.
    fn has_gap(&self, begins: i64) -> bool {
        let has_positions = matches!(self.spec.container, Container::Flac | Container::Ogg);
        has_positions && self.decoded > 0 && self.expected.is_some_and(|expected| begins > expected)
    }

    /// Validates the samples of a packet.
    fn accept(&mut self, rate_hz: u32, channels: usize) -> Result<()> {
        let channels = u16::try_from(channels).unwrap_or(u16::MAX);
        if self.packet.is_empty() {
            return Ok(());
        }
        if self.spec.channels == 0 {
            (self.spec.sample_rate_hz, self.spec.channels) = (rate_hz, channels);
        }
        if (self.spec.sample_rate_hz, self.spec.channels) != (rate_hz, channels) {
            let (rate_was, channels_were) = (self.spec.sample_rate_hz, self.spec.channels);
            return self.stop(&format!(
                "it changes from {rate_was} Hz in {channels_were} channels to {rate_hz} Hz in {channels}"
            ));
        }
        if self.packet.iter().any(|x| !x.is_finite()) {
            return self.stop(&format!("the packet at {:.3} s decodes to NaN or infinity", self.decoded_s()));
        }
        self.decoded += (self.packet.len() / usize::from(channels.max(1))) as u64;
        Ok(())
    }

    /// Verifies length and checksum at the end of the stream.
    fn finish(&mut self) -> Result<()> {
        self.ended = true;
        if let Some(promised) = self.spec.total_frames.filter(|&promised| promised != self.decoded) {
            return self.stop(&format!("the header states {promised} samples, the stream has {}", self.decoded));
        }
        let decoder = &mut self.decoder;
        let verified = guarded(self.spec.container.name(), || decoder.finalize().verify_ok)?;
        if verified == Some(false) {
            return self.stop("the checksum (MD5) of its samples is wrong: some were changed");
        }
        Ok(())
    }

    /// Ends a damaged stream: an error, or a warning if truncated input is accepted and there was
    /// audio before.
    fn stop(&mut self, problem: &str) -> Result<()> {
        self.ended = true;
        self.packet.clear();
        if self.accept_truncated && self.decoded > 0 {
            self.warnings.push(format!("{problem}; used the audio before it"));
            return Ok(());
        }
        Err(Error::malformed(
            self.spec.container.name(),
            format!(
                "{problem}; get the file again, or accept truncated input (--accept-truncated) to use the audio before it"
            ),
        ))
    }

    fn decoded_s(&self) -> f64 {
        self.decoded as f64 / f64::from(self.spec.sample_rate_hz.max(1))
    }
}

/// Calls the dependency; its panic becomes an error.
fn guarded<T>(format: &'static str, call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
        Error::malformed(format, "its decoder failed; get the file again, or convert it: ffmpeg -i IN OUT.wav")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_dependency_becomes_an_error() {
        let error = guarded("FLAC", || -> u8 { panic!("a test's own") }).unwrap_err().to_string();
        assert!(error.contains("FLAC is malformed: its decoder failed"), "{error}");
    }
}
