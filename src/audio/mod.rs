//! Layer `audio`: bytes to samples. Decodes WAV and its relatives, MP3, FLAC, Ogg (Opus, Vorbis), M4A,
//! WebM and Matroska, AAC, AIFF, AU, CAF and raw PCM from files, streams and memory.
//!
//! The container is detected by its first bytes, never by the file's name.
//!
//! ```text
//! reader ─ source ────▶ bytes with look-ahead, never the whole file
//!        ─ probe ─────▶ Container                     or an error: what the bytes look like, and what to do
//!        ─ wav ───────▶ chunks → Format → samples     PCM 8/16/24/32 bit, float 32/64 bit, A-law, µ-law (g711)
//!        ─ mp3 ───────▶ MPEG frames → samples         layer III; encoder delay and padding removed
//!        ─ compressed ▶ packets → samples             FLAC, Ogg, M4A (feature `formats`; Opus: feature `opus`)
//!        ─ matroska ──▶ blocks → frames → samples     WebM and Matroska with Opus, Vorbis, AAC, FLAC, ALAC, PCM
//!        ─ adts ──────▶ frames → samples              AAC
//!        ─ pcm ───────▶ chunks → Layout → samples     RF64, RIFX, Wave64, AIFF, AU, CAF; ADPCM and GSM (blocks)
//!        ─ wholeness ─▶ error or warning              what the container promises against what was decoded
//!        ─ raw ───────▶ samples                       PCM or G.711 without a header, as the caller describes it
//!        ─ decoder ───▶ f32 blocks, interleaved       at most 4096 frames each; errors with byte positions
//!        ─ span_decoder▶ f32 blocks of segments       several segments of a recording in one pass
//!        ─ downmix ───▶ f32 mono                      mean of the channels; warns if they cancel each other
//! ```
//!
//! A *frame* is one sample of every channel at one time; an *MPEG frame* is a packet of 384, 576 or
//! 1152 of them.
//!
//! Full scale is 1.0. Integer and G.711 samples are in [-1, 1]. Float WAV and MP3 may exceed it:
//! such samples are kept, because clipping them would distort, and a float WAV that does so gets a
//! warning with its peak. NaN and infinite samples are errors. Memory never follows the sizes that
//! a header claims.

#[cfg(feature = "formats")]
mod adts;
#[cfg(feature = "formats")]
mod blocks;
#[cfg(feature = "formats")]
mod compressed;
mod decoder;
mod downmix;
mod g711;
mod limits;
#[cfg(feature = "formats")]
mod matroska;
#[cfg(feature = "mp3")]
mod mp3;
mod mpeg;
#[cfg(feature = "opus")]
mod opus;
#[cfg(feature = "formats")]
mod pcm;
mod probe;
mod raw;
mod reader;
mod source;
mod span;
mod span_decoder;
mod spec;
mod tags;
#[cfg(test)]
mod testing;
mod wav;
#[cfg_attr(not(all(feature = "mp3", feature = "formats")), allow(dead_code, reason = "WAV has no packets"))]
mod wholeness;

pub use decoder::Decoder;
pub use downmix::Downmix;
pub use limits::Limits;
pub use probe::needs_whole_file;
pub use raw::RawFormat;
pub use span::Span;
pub use span_decoder::SpanDecoder;
pub use spec::{Container, Spec};
