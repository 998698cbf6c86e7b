//! Iteration over MPEG frames: each must begin where the one before ends. What stands between or
//! behind them is described, never passed over in silence.

use crate::audio::mpeg::{self, FrameHeader, HEADER_BYTES, MAX_FRAME_BYTES};
use crate::audio::source::Source;
use crate::audio::tags::is_tag;
use crate::error::Result;

/// Bytes read per step in the search for further frames.
const STEP: usize = 32 * 1024;
/// Consistent headers in a row that rule out chance, as in the probe.
const SURE_RUN: usize = 4;

/// The next element of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A complete frame, not consumed yet.
    Frame(FrameHeader),
    /// The beginning of a frame, this number of bytes, up to the end of the input; not consumed.
    Part(FrameHeader, usize),
    /// This number of bytes, consumed, that are no frames, in front of further frames of the stream.
    Gap(u64, String),
    /// The end, after this number of bytes that are no frames and no tags.
    End(u64),
    /// Damage, and its description.
    Damage(String),
}

/// Reads the header of the next frame, number `index`, which must belong to the same stream as
/// `first`. `accounted` is whether the number of frames is known, so that a gap can be measured.
pub(super) fn next(source: &mut Source, first: &FrameHeader, index: u64, accounted: bool) -> Result<Next> {
    let at = source.position();
    let head = source.peek(HEADER_BYTES)?;
    if head.is_empty() {
        return Ok(Next::End(0));
    }
    let Some(header) = head.first_chunk().copied().and_then(FrameHeader::parse) else {
        return between_frames(source, first, index, accounted);
    };
    if !header.continues(first) {
        let ahead = source.peek(3 * MAX_FRAME_BYTES)?;
        if mpeg::run_length(ahead, 0, 3) < 3 {
            return between_frames(source, first, index, accounted);
        }
        return Ok(Next::Damage(format!(
            "MPEG frame {index} at byte {at} changes the stream from {} to {}: two recordings joined, or damage",
            describe(first),
            describe(&header)
        )));
    }
    let there = source.peek(header.frame_bytes)?.len();
    Ok(if there < header.frame_bytes { Next::Part(header, there) } else { Next::Frame(header) })
}

fn describe(header: &FrameHeader) -> String {
    format!("{} at {} Hz with {} channel(s)", header.codec(), header.sample_rate_hz, header.channels)
}

/// What is not a frame: the end with tags (ID3v1, APEv2, Lyrics3, a late ID3v2), zeros or a few other
/// bytes; a gap; or damage.
fn between_frames(source: &mut Source, first: &FrameHeader, index: u64, accounted: bool) -> Result<Next> {
    let at = source.position();
    let start = source.peek(8)?.to_vec();
    let shown = start.escape_ascii().to_string();
    let is_tag = is_tag(&start);
    let damage =
        format!("MPEG frame {index} should begin at byte {at}, but `{shown}` was found: damage, or a missing part");
    if !is_tag
        && !accounted
        && source.peek(first.frame_bytes)?.len() == first.frame_bytes
        && !starts_with_zeros(source)?
    {
        return Ok(Next::Damage(damage));
    }
    let skipped = skip_to_run(source, first)?;
    if source.peek(1)?.is_empty() {
        return Ok(Next::End(if is_tag { 0 } else { skipped }));
    }
    if is_tag {
        let begins = source.position();
        return Ok(Next::Damage(format!(
            "after {index} MPEG frames and a tag, further frames begin at byte {begins}: two recordings joined?"
        )));
    }
    Ok(if accounted { Next::Gap(skipped, damage) } else { Next::Damage(damage) })
}

/// Whether a frame's length of zeros comes next.
fn starts_with_zeros(source: &mut Source) -> Result<bool> {
    Ok(source.peek(MAX_FRAME_BYTES)?.iter().all(|&byte| byte == 0))
}

/// Consumes bytes up to the next run of frames of the same stream as `first`, or up to the end.
/// Returns their number.
fn skip_to_run(source: &mut Source, first: &FrameHeader) -> Result<u64> {
    let begins = source.position();
    loop {
        let bytes = source.peek(STEP + SURE_RUN * MAX_FRAME_BYTES)?;
        let found = (0..bytes.len().min(STEP)).find(|&at| is_run(bytes, at, first));
        let n = found.unwrap_or(bytes.len().min(STEP));
        source.consume(n);
        if found.is_some() || n == 0 {
            return Ok(source.position() - begins);
        }
    }
}

/// Whether frames of the stream follow each other at `at`: enough to rule out chance, or two that
/// reach exactly to the end of the look-ahead.
fn is_run(bytes: &[u8], at: usize, first: &FrameHeader) -> bool {
    let continues = |at: usize| mpeg::header_at(bytes, at).filter(|header| header.continues(first));
    let Some(header) = continues(at) else { return false };
    if mpeg::run_length(bytes, at, SURE_RUN) == SURE_RUN {
        return true;
    }
    let second = at + header.frame_bytes;
    continues(second).is_some_and(|header| second + header.frame_bytes == bytes.len())
}
