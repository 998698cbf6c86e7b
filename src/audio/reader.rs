//! What every reader of a container does, and the reader of each container beyond WAV, MP3, FLAC, Ogg and
//! M4A. A build without the feature names it.

use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
#[cfg(not(feature = "formats"))]
use crate::error::Error;
use crate::error::Result;

/// Streaming decoder of one container.
pub(super) trait Reader: Send + Sync {
    /// See [`Decoder::read_block`](super::Decoder::read_block).
    fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize>;
    /// What was found about the recording so far.
    fn wholeness(&self) -> &Wholeness;
}

/// A reader and what its headers state.
pub(super) type Opened = (Box<dyn Reader>, Spec);

macro_rules! reader {
    ($($(#[$feature:meta])* $reader:ty),* $(,)?) => {
        $($(#[$feature])* impl Reader for $reader {
            fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
                Self::read_block(self, block)
            }

            fn wholeness(&self) -> &Wholeness {
                Self::wholeness(self)
            }
        })*
    };
}

reader! {
    #[cfg(feature = "formats")] super::pcm::PcmReader,
    #[cfg(feature = "formats")] super::adts::AdtsReader,
    #[cfg(feature = "formats")] super::matroska::MatroskaReader,
}

#[cfg(feature = "formats")]
fn boxed<R: Reader + 'static>((reader, spec): (R, Spec)) -> Opened {
    (Box::new(reader), spec)
}

/// Whether [`open`] has the reader of a container, of which the source is at the first byte.
///
/// # Errors
///
/// [`Error::Read`] from the source.
pub(super) fn reads(source: &mut Source, container: Container) -> Result<bool> {
    match container {
        Container::Wav => {
            let plain = source.peek(4)? == b"RIFF";
            #[cfg(feature = "formats")]
            let plain = plain && !super::pcm::is_coded_wav(source)?;
            Ok(!plain)
        }
        Container::Mp3 | Container::Flac | Container::Ogg | Container::Mp4 | Container::Raw => Ok(false),
        _ => Ok(true),
    }
}

/// Opens a container of which there is a reader here; the source is at its first byte.
///
/// # Errors
///
/// Those of the reader; [`Error::Unsupported`] for a build without it.
pub(super) fn open(source: Source, container: Container, limits: &Limits) -> Result<Opened> {
    match container {
        #[cfg(feature = "formats")]
        Container::Adts => super::adts::AdtsReader::new(source, limits).map(boxed),
        #[cfg(feature = "formats")]
        Container::Matroska => super::matroska::MatroskaReader::new(source, limits).map(boxed),
        #[cfg(feature = "formats")]
        container => super::pcm::PcmReader::new(source, container, limits).map(boxed),
        #[cfg(not(feature = "formats"))]
        container => {
            let _ = (source, limits);
            Err(Error::Unsupported(format!(
                "{container}: this build has no decoder for it (feature `formats`); convert it: ffmpeg -i IN OUT.wav"
            )))
        }
    }
}
