//! Bytes to samples: WAV, MP3, FLAC, Ogg Vorbis and M4A from a file or a pipe, told by their first bytes and never by their name.
//!
//! ```text
//! reader ─ source ─▶ bytes with a look ahead, never the whole file
//!        ─ probe  ─▶ Container                      or: what the bytes look like, and what to do
//!        ─ wav    ─▶ chunks → Format → samples      PCM 8/16/24/32 bit, float 32/64 bit, A-law, µ-law (g711)
//!        ─ mp3    ─▶ mpeg frames → samples          encoder delay and padding cut off: sample 0 is sample 0
//!        ─ compressed ▶ packets → samples       FLAC, Ogg Vorbis, M4A (feature `formats`), every gap an error
//!        ─ raw    ─▶ samples                    PCM or G.711 without a header, as the caller describes it
//!        ─ decoder ▶ f32 blocks, interleaved        at most 4096 frames each, errors with byte positions
//!        ─ downmix ▶ f32 mono                       mean of the channels; says when they cancel each other
//! ```
//!
//! A *frame* is one sample of every channel at one time; an *MPEG frame* is a packet of 384, 576 or 1152 of them.
//!
//! Full scale is 1.0. Integer and G.711 samples lie in [-1, 1]. Float WAV and MP3 may overshoot: such samples are kept as
//! they are (cutting them would distort), and a float WAV that does so carries a warning with its peak. NaN and infinite
//! samples are errors. What the header of a file claims is never trusted with memory.

#[cfg(feature = "formats")]
mod compressed;
mod decoder;
mod downmix;
mod g711;
mod limits;
#[cfg(feature = "mp3")]
mod mp3;
mod mpeg;
mod probe;
mod raw;
mod source;
mod spec;
#[cfg(test)]
mod testing;
mod wav;

pub use decoder::Decoder;
pub use downmix::Downmix;
pub use limits::Limits;
pub use probe::needs_whole_file;
pub use raw::RawFormat;
pub use spec::{Container, Spec};
