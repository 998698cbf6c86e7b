//! The walk over MPEG frames: each begins where the one before ends. Nothing is skipped or guessed.

use crate::audio::mpeg::{FrameHeader, HEADER_BYTES};
use crate::audio::source::Source;
use crate::error::{Error, Result};

/// Bytes looked at per step when zeros behind the last frame are checked.
const ZEROS: usize = 4096;

/// What comes next in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole frame, not consumed yet.
    Frame(FrameHeader),
    /// The end, or tags behind the last frame.
    End,
    /// The stream breaks: why, in words.
    Break(String),
}

/// Looks at the next frame, number `index`, which must belong to the stream that `first` began.
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
        return Ok(Next::Break(format!(
            "MPEG frame {index} at byte {at} changes the stream from {} to {}: two recordings joined, or damage",
            describe(first),
            describe(&header)
        )));
    }
    let there = source.peek(header.frame_bytes)?.len().max(there);
    if there < header.frame_bytes {
        return Ok(Next::Break(format!(
            "the last MPEG frame, {index} at byte {at}, needs {} bytes and the input ends after {there}",
            header.frame_bytes
        )));
    }
    Ok(Next::Frame(header))
}

fn describe(header: &FrameHeader) -> String {
    format!("{} at {} Hz with {} channel(s)", header.codec(), header.sample_rate_hz, header.channels)
}

/// Tags (ID3v1, APEv2, Lyrics3, a late ID3v2) and zeros up to the end are no sound and no fault; anything else is.
fn between_frames(source: &mut Source, index: u64) -> Result<Next> {
    let at = source.position();
    let bytes = source.peek(8)?;
    let shown = bytes.escape_ascii().to_string();
    if [&b"TAG"[..], b"APETAGEX", b"LYRICS", b"ID3"].iter().any(|tag| bytes.starts_with(tag)) || only_zeros(source)? {
        return Ok(Next::End);
    }
    Ok(Next::Break(format!(
        "MPEG frame {index} should begin at byte {at}, but `{shown}` stands there: damage, or a cut"
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

/// Ends the error of a broken stream with what to do.
pub(super) fn broken(problem: &str) -> Error {
    Error::malformed(
        "MP3",
        format!(
            "{problem}; get the file again, or accept truncated input (--accept-truncated) to use what comes before"
        ),
    )
}
