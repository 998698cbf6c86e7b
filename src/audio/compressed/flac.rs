//! Native FLAC demultiplexer: metadata blocks, and frames by their own checksums (RFC 9639 §8, §9).
//!
//! ```text
//! fLaC, metadata blocks: type u8 (bit 7: the last), length u24, bytes; the first is STREAMINFO
//! frame: 14 bits 0x3FFE, 0, blocking strategy, block size 4, rate 4, channels 4, sample size 3, 0,
//!        frame or sample number (UTF-8 style), block size 8/16, rate 8/16, CRC-8, subframes, CRC-16
//! ```
//!
//! A frame does not state its length. It ends where its CRC-16 is right and the next frame, a tag or
//! the end of the input begins. STREAMINFO alone is needed: a cue sheet, pictures and comments are
//! passed over unread.

use super::codecs::{Coding, Parameters};
use super::demux::{CodedPacket, Demux, Event, Group};
use crate::audio::source::Source;
use crate::audio::tags::is_tag;
use crate::error::{Error, Result};

/// Largest frame, bytes: 65,535 samples of 8 channels and 33 bits, uncompressed.
const LARGEST_FRAME: usize = 65_535 * 8 * 5;
/// Longest frame header, bytes.
const LONGEST_HEADER: usize = 16;
/// Bytes that are read ahead at a time.
const STEP: usize = 16 * 1024;

/// STREAMINFO's fields that are held against the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StreamInfo {
    block_size: u16,
    sample_rate_hz: u32,
    channels: u8,
    bits: u8,
    total: Option<u64>,
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameHeader {
    first_sample: u64,
    samples: u64,
    /// `None`: as STREAMINFO states.
    sample_rate_hz: Option<u32>,
    channels: u8,
    bits: Option<u8>,
}

/// Demultiplexer of a native FLAC stream.
pub(super) struct FlacReader {
    source: Source,
    info: StreamInfo,
    ended: bool,
}

impl FlacReader {
    /// Reads the metadata. The source must be at `fLaC`. Also returns the number of frames that the
    /// header states.
    pub(super) fn new(mut source: Source) -> Result<(Self, Parameters, Option<u64>)> {
        source.consume(4);
        let mut info = None;
        loop {
            let at = source.position();
            let Some([kind, a, b, c]) = source.peek_array()? else {
                return Err(malformed(format!("the input ends at byte {at}, before any audio")));
            };
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            source.consume(4);
            let is_last = kind >> 7 == 1;
            if kind.trailing_zeros() >= 7 {
                let block = source.peek(34)?.to_vec();
                info = Some((parse_stream_info(&block).ok_or_else(|| malformed("its STREAMINFO is damaged"))?, block));
            }
            let there = source.skip(length as u64)?;
            if there < length as u64 {
                return Err(malformed(format!(
                    "the metadata block at byte {at} claims {length} bytes, the input ends after {there}; get the file again"
                )));
            }
            if is_last {
                break;
            }
        }
        let (info, extra) = info.ok_or_else(|| malformed("it has no STREAMINFO block; get the file again"))?;
        let parameters = Parameters { extra, ..Parameters::new(Coding::Flac) };
        Ok((Self { source, info, ended: false }, parameters, info.total))
    }

    /// Reads the frame at the source, whose header is `header`, up to its end.
    fn frame(&mut self, header: FrameHeader) -> Result<Event> {
        let at = self.source.position();
        let (mut crc, mut length) = (0_u16, 0_usize);
        // twice the size of uncompressed samples, which no encoder exceeds
        let bits = u64::from(header.channels) * u64::from(self.info.bits + 1);
        let largest = LARGEST_FRAME.min((header.samples * bits / 4) as usize + 1024);
        let mut candidates: Vec<usize> = Vec::new();
        loop {
            let info = self.info;
            let bytes = self.source.peek(length + STEP)?;
            let is_end = bytes.len() < length + STEP;
            // a header at the very end of the look-ahead is left to the next turn
            let searched = if is_end { bytes.len() } else { bytes.len() - LONGEST_HEADER };
            while length < searched {
                if crc == 0 && length > 4 {
                    let rest = &bytes[length..];
                    if parse_header(rest, &info).is_some() || is_tag(rest) || rest.starts_with(b"fLaC") {
                        return Ok(self.take(header, length));
                    }
                    candidates.push(length);
                }
                crc = crc << 8 ^ CRC_16[usize::from((crc >> 8) as u8 ^ bytes[length])];
                length += 1;
            }
            if is_end && crc == 0 {
                // zeros behind a frame leave its checksum right
                let zeros = |end: &usize| bytes[*end..length].iter().all(|&byte| byte == 0);
                let end = candidates.iter().copied().find(zeros).unwrap_or(length);
                return Ok(self.take(header, end));
            }
            if is_end || length > largest {
                // Junk follows the last frame, or the frame is damaged.
                let junk = |end: &&usize| length - **end < 4096 && is_end && self.is_complete(header);
                return match candidates.iter().rev().find(junk).copied() {
                    Some(end) => Ok(self.take(header, end)),
                    None => self.damaged(at),
                };
            }
        }
    }

    /// Whether a frame completes the stream by STREAMINFO's count.
    fn is_complete(&self, header: FrameHeader) -> bool {
        self.info.total == Some(header.first_sample + header.samples)
    }

    fn take(&mut self, header: FrameHeader, length: usize) -> Event {
        let bytes = self.source.peek(length).map(<[u8]>::to_vec).unwrap_or_default();
        self.source.consume(length);
        Event::Group(Group {
            packets: vec![CodedPacket { bytes, frames: Some(header.samples) }],
            starts_at: Some(header.first_sample),
            ends_at: None,
            is_last: false,
        })
    }

    /// Passes over bytes that are no frame with a right checksum, up to the next frame header.
    fn damaged(&mut self, at: u64) -> Result<Event> {
        self.source.consume(1);
        loop {
            let info = self.info;
            let bytes = self.source.peek(STEP)?;
            if bytes.is_empty() {
                self.ended = true;
                let what = format!("the frame at byte {at} is damaged or cut, and no frame follows");
                return Ok(Event::Broken(what));
            }
            let header = |from: &usize| bytes.get(*from..).is_some_and(|rest| parse_header(rest, &info).is_some());
            let found = (0..bytes.len()).find(header);
            let n = found.unwrap_or(if bytes.len() < STEP { bytes.len() } else { STEP - LONGEST_HEADER });
            self.source.consume(n);
            if found.is_some() {
                return Ok(Event::Lost(1, format!("the frame at byte {at} is damaged")));
            }
        }
    }

    /// What follows the last frame: tags, zeros, or something else.
    fn behind(&mut self) -> Result<Event> {
        let at = self.source.position();
        let (mut count, mut zeros) = (0, true);
        let first = self.source.peek(8)?.to_vec();
        loop {
            let bytes = self.source.peek(STEP)?;
            if bytes.is_empty() {
                break;
            }
            zeros &= bytes.iter().all(|&byte| byte == 0);
            let n = bytes.len();
            count += n;
            self.source.consume(n);
        }
        self.ended = true;
        if is_tag(&first) || count == 0 {
            return Ok(Event::End);
        }
        if first.starts_with(b"fLaC") {
            return Ok(Event::Broken(format!("a second FLAC stream begins at byte {at}: two recordings joined?")));
        }
        let what = if zeros { "zeros" } else { "bytes that are no frame" };
        Ok(Event::Odd(format!("{count} {what} follow the last FLAC frame, at byte {at}; passed over")))
    }
}

impl Demux for FlacReader {
    fn next(&mut self) -> Result<Event> {
        if self.ended {
            return Ok(Event::End);
        }
        let at = self.source.position();
        let info = self.info;
        let bytes = self.source.peek(LONGEST_HEADER)?;
        let Some(header) = parse_header(bytes, &info) else {
            let is_sync = matches!(bytes, [0xFF, 0xF8 | 0xF9, ..]);
            return if is_sync { self.damaged(at) } else { self.behind_or_damaged(at) };
        };
        let rate = header.sample_rate_hz.unwrap_or(info.sample_rate_hz);
        let bits = header.bits.unwrap_or(info.bits);
        if (rate, header.channels, bits) != (info.sample_rate_hz, info.channels, info.bits) {
            self.ended = true;
            return Ok(Event::Broken(format!(
                "at byte {at} it changes from {} Hz, {} channel(s), {} bits to {rate} Hz, {} channel(s), {bits} bits",
                info.sample_rate_hz, info.channels, info.bits, header.channels
            )));
        }
        self.frame(header)
    }
}

impl FlacReader {
    /// Where no frame begins: the end, if no further frame follows; else damage.
    fn behind_or_damaged(&mut self, at: u64) -> Result<Event> {
        let info = self.info;
        let bytes = self.source.peek(LARGEST_FRAME.min(1 << 20))?;
        if !is_tag(bytes) && !bytes.starts_with(b"fLaC") {
            let follows = (0..bytes.len()).any(|from| parse_header(&bytes[from..], &info).is_some());
            if follows {
                return self.damaged(at);
            }
        }
        self.behind()
    }
}

fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("FLAC", what)
}

/// Parses STREAMINFO (RFC 9639 §8.2).
fn parse_stream_info(block: &[u8]) -> Option<StreamInfo> {
    let block: &[u8; 34] = block.first_chunk()?;
    let word = u64::from_be_bytes(*block[10..].first_chunk()?); // 20 rate, 3 channels, 5 bits, 36 samples
    let info = StreamInfo {
        block_size: u16::from_be_bytes([block[0], block[1]]),
        sample_rate_hz: (word >> 44) as u32,
        channels: ((word >> 41) & 7) as u8 + 1,
        bits: ((word >> 36) & 31) as u8 + 1,
        total: Some(word & 0xF_FFFF_FFFF).filter(|&total| total > 0),
    };
    Some(info)
}

/// Parses a frame header (RFC 9639 §9.1) whose CRC-8 is right.
fn parse_header(bytes: &[u8], info: &StreamInfo) -> Option<FrameHeader> {
    let &[0xFF, sync @ (0xF8 | 0xF9), sizes, format, ..] = bytes else { return None };
    let (block_code, rate_code, channel_code, bits_code) = (sizes >> 4, sizes & 15, format >> 4, (format >> 1) & 7);
    if block_code == 0 || rate_code == 15 || channel_code > 10 || format & 1 != 0 {
        return None;
    }
    let (number, mut at) = coded_number(bytes, 4)?;
    let mut field = |size: usize| {
        let value = bytes.get(at..at + size)?.iter().fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
        at += size;
        Some(value)
    };
    let samples = match block_code {
        1 => 192,
        2..=5 => 576 << (block_code - 2),
        6 => field(1)? + 1,
        7 => field(2)? + 1,
        _ => 256 << (block_code - 8),
    };
    let rates = [0, 88_200, 176_400, 192_000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
    let sample_rate_hz = match rate_code {
        0 => None,
        12 => Some(field(1)? * 1000),
        13 => Some(field(2)?),
        14 => Some(field(2)? * 10),
        code => Some(rates[usize::from(code)]),
    };
    let bits = match bits_code {
        0 => None,
        3 => return None,
        code => Some([0, 8, 12, 0, 16, 20, 24, 32][usize::from(code)]),
    };
    let crc = bytes.get(..at)?.iter().fold(0_u8, |crc, &byte| CRC_8[usize::from(crc ^ byte)]);
    if bytes.get(at) != Some(&crc) {
        return None;
    }
    let first_sample = if sync == 0xF9 { number } else { number * u64::from(info.block_size) };
    let channels = if channel_code < 8 { channel_code + 1 } else { 2 };
    Some(FrameHeader { first_sample, samples: samples.into(), sample_rate_hz, channels, bits })
}

/// The number at `at`, coded like UTF-8 in up to 7 bytes, and the position behind it.
fn coded_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    let length = first.leading_ones() as usize;
    if length == 0 {
        return Some((first.into(), at + 1));
    }
    if length == 1 || length > 7 {
        return None;
    }
    let mut value = u64::from(first) & ((1_u64 << (7 - length)) - 1);
    for byte in bytes.get(at + 1..at + length)? {
        if byte >> 6 != 2 {
            return None;
        }
        value = value << 6 | u64::from(byte & 0x3F);
    }
    Some((value, at + length))
}

/// CRC-8 by byte, polynomial x^8 + x^2 + x + 1.
static CRC_8: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 7 == 1 { 0x07 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// CRC-16 by byte, polynomial x^16 + x^15 + x^2 + 1.
static CRC_16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 15 == 1 { 0x8005 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_equal_the_standards_check_values() {
        let of_8 = b"123456789".iter().fold(0_u8, |crc, &byte| CRC_8[usize::from(crc ^ byte)]);
        let of_16 = b"123456789".iter().fold(0_u16, |crc, &b| crc << 8 ^ CRC_16[usize::from((crc >> 8) as u8 ^ b)]);
        assert_eq!((of_8, of_16), (0xF4, 0xFEE8));
    }

    #[test]
    fn coded_numbers_have_one_to_seven_bytes() {
        for (bytes, value) in [
            (&[0x7F][..], Some((0x7F, 1))),
            (&[0xC2, 0xA2], Some((0xA2, 2))),
            (&[0xE2, 0x82, 0xAC], Some((0x20AC, 3))),
            (&[0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF], Some(((1 << 36) - 1, 7))),
            (&[0x80], None),
            (&[0xFF], None),
            (&[0xC2, 0x20], None),
            (&[0xC2], None),
        ] {
            assert_eq!(coded_number(bytes, 0), value, "{bytes:x?}");
        }
    }
}
