//! Iteration over MPEG frames: each must begin where the one before ends. Nothing is skipped or
//! guessed.

use crate::audio::mpeg::{FrameHeader, HEADER_BYTES};
use crate::audio::source::Source;
use crate::error::{Error, Result};

/// Bytes read per step in the check for zeros after the last frame.
const ZEROS: usize = 4096;

/// The next element of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A complete frame, not consumed yet.
    Frame(FrameHeader),
    /// The end, or tags after the last frame.
    End,
    /// Damage, and its description.
    Damage(String),
}

/// Reads the header of the next frame, number `index`, which must belong to the same stream as
/// `first`.
pub(super) fn next(source: &mut Source, first: &FrameHeader, index: u64) -> Result<Next> {
    let at = source.position();
    let head = source.peek(HEADER_BYTES)?;
    let there = head.len();
    if head.is_empty() {
        return Ok(Next::End);
    }
    let Some(header) = head.first_chunk().copied().and_then(FrameHeader::parse) else {
        return between_frames(source, index);
    };
    if !header.continues(first) {
        return Ok(Next::Damage(format!(
            "MPEG frame {index} at byte {at} changes the stream from {} to {}: two recordings joined, or damage",
            describe(first),
            describe(&header)
        )));
    }
    let there = source.peek(header.frame_bytes)?.len().max(there);
    if there < header.frame_bytes {
        return Ok(Next::Damage(format!(
            "the last MPEG frame, {index} at byte {at}, needs {} bytes and the input ends after {there}",
            header.frame_bytes
        )));
    }
    Ok(Next::Frame(header))
}

fn describe(header: &FrameHeader) -> String {
    format!("{} at {} Hz with {} channel(s)", header.codec(), header.sample_rate_hz, header.channels)
}

/// What is not a frame: tags (ID3v1, APEv2, Lyrics3, a late ID3v2) and zeros end the stream;
/// anything else is damage.
fn between_frames(source: &mut Source, index: u64) -> Result<Next> {
    let at = source.position();
    let bytes = source.peek(8)?;
    let shown = bytes.escape_ascii().to_string();
    if [&b"TAG"[..], b"APETAGEX", b"LYRICS", b"ID3"].iter().any(|tag| bytes.starts_with(tag)) || only_zeros(source)? {
        return Ok(Next::End);
    }
    Ok(Next::Damage(format!(
        "MPEG frame {index} should begin at byte {at}, but `{shown}` was found: damage, or a missing part"
    )))
}

fn only_zeros(source: &mut Source) -> Result<bool> {
    loop {
        let bytes = source.peek(ZEROS)?;
        if bytes.iter().any(|&b| b != 0) {
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
        let n = bytes.len();
        source.consume(n);
    }
}

/// The error for a damaged stream, with what to do.
pub(super) fn damaged(problem: &str) -> Error {
    Error::malformed(
        "MP3",
        format!(
            "{problem}; get the file again, or accept truncated input (--accept-truncated) to use the audio before it"
        ),
    )
}
