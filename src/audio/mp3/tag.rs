//! Xing, Info and VBRI tags: a first MPEG frame without audio that states the number of frames, and
//! in the LAME extension the number of samples that the encoder added at both ends.
//!
//! ```text
//! Xing/Info, after the side information:             VBRI, 32 bytes after the header:
//! 0    `Xing` or `Info`                              0   `VBRI`
//! 4    flags u32: 1 frames, 2 bytes, 4 seek table,   10  bytes u32, frames u32
//!      8 quality; each present field follows:
//! 8    frames u32, bytes u32, table [100], quality u32
//! then the LAME extension:
//! +0   encoder's name [9], zero if there is none
//! +21  delay 12 bits, padding 12 bits (samples)
//! +34  CRC-16 of the frame up to here
//! ```
//!
//! All numbers are big-endian. Source: the LAME project's "MP3 Info Tag revision 1", and its
//! VbrTag.c.

use super::layer3::SideInfo;
use crate::audio::mpeg::{FrameHeader, HEADER_BYTES};

/// Delay of a layer III decoder in samples: 528 of the filter banks and one more, as LAME counts
/// it.
const DECODER_DELAY: u64 = 529;

/// Contents of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Number of MPEG frames after the tag's own. `None` also for 0, which means that the writer
    /// never filled it in.
    pub(super) frames: Option<u32>,
    /// Size of all frames with the tag's own, bytes; `None` if it is not stated.
    pub(super) bytes: Option<u32>,
    /// Samples per channel that the encoder added before and after the audio, by its own count.
    pub(super) delay_and_padding: Option<(u16, u16)>,
    /// False if the LAME extension's checksum is wrong: the tag was changed, by damage or by a
    /// program that did not update it.
    pub(super) is_intact: bool,
}

/// The part of the decoded samples that is audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trim {
    /// Samples per channel to drop at the start.
    pub(super) skip: u64,
    /// Samples per channel to keep after these, if known.
    pub(super) keep: Option<u64>,
}

impl Tag {
    /// Parses the tag in a complete MPEG frame; `None` for an ordinary frame.
    pub(super) fn parse(header: &FrameHeader, frame: &[u8]) -> Option<Self> {
        let crc = if header.has_crc { 2 } else { 0 };
        let after_side_info = HEADER_BYTES + SideInfo::bytes(header);
        // Some encoders set the CRC bit of the tag's frame without writing the two bytes.
        [after_side_info, after_side_info + crc]
            .into_iter()
            .find_map(|at| xing(frame, at))
            .or_else(|| vbri(frame.get(HEADER_BYTES + 32..)?))
    }

    /// Samples to remove, if each MPEG frame has `samples_per_frame`. Nothing without the LAME
    /// extension.
    pub(super) fn trim(&self, samples_per_frame: u32) -> Trim {
        let Some((delay, padding)) = self.delay_and_padding else { return Trim { skip: 0, keep: None } };
        let skip = u64::from(delay) + DECODER_DELAY;
        let end = u64::from(padding).saturating_sub(DECODER_DELAY);
        let keep = self.frames.map(|n| (u64::from(n) * u64::from(samples_per_frame)).saturating_sub(skip + end));
        Trim { skip, keep }
    }
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&word| u32::from_be_bytes(word))
}

/// The tag at a position of a frame.
fn xing(frame: &[u8], at: usize) -> Option<Tag> {
    let tag = frame.get(at..)?;
    if !tag.starts_with(b"Xing") && !tag.starts_with(b"Info") {
        return None;
    }
    let flags = be_u32(tag, 4)?;
    let frames = if flags & 1 != 0 { be_u32(tag, 8) } else { None }.filter(|&n| n > 0);
    let bytes_at = if flags & 1 != 0 { 12 } else { 8 };
    let bytes = if flags & 2 != 0 { be_u32(tag, bytes_at) } else { None }.filter(|&n| n > 0);
    let fields = [(1, 4), (2, 4), (4, 100), (8, 4)];
    let extension = fields.iter().filter(|(flag, _)| flags & flag != 0).fold(8, |at, (_, size)| at + size);
    let delay_and_padding = tag.get(extension..).and_then(lame);
    let is_intact = delay_and_padding.is_none() || is_intact(frame, at + extension + 34);
    Some(Tag { frames, bytes, delay_and_padding, is_intact })
}

fn lame(extension: &[u8]) -> Option<(u16, u16)> {
    if *extension.first()? == 0 {
        return None;
    }
    let &[a, b, c] = extension.get(21..)?.first_chunk()?;
    Some((u16::from(a) << 4 | u16::from(b) >> 4, (u16::from(b) & 15) << 8 | u16::from(c)))
}

/// Whether the LAME extension's checksum, at a position of the frame, is right; true if it is 0 or
/// beyond the frame. It covers the frame up to itself: CRC-16, polynomial 0x8005, least significant
/// bit first.
fn is_intact(frame: &[u8], at: usize) -> bool {
    let stated = frame.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |&word| u16::from_be_bytes(word));
    if stated == 0 {
        return true;
    }
    let crc = frame[..at].iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xA001 } else { 0 })
    });
    crc == stated
}

fn vbri(tag: &[u8]) -> Option<Tag> {
    if !tag.starts_with(b"VBRI") {
        return None;
    }
    let stated = |at| be_u32(tag, at).filter(|&n| n > 0);
    Some(Tag { frames: stated(14), bytes: stated(10), delay_and_padding: None, is_intact: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 144-byte frame of MPEG-2 layer III, 16 kHz mono, with `tag` after its 9 bytes of side
    /// information.
    fn frame(tag: &[u8]) -> (FrameHeader, Vec<u8>) {
        let mut bytes = vec![0; 144];
        bytes[..4].copy_from_slice(&[0xFF, 0xF3, 0x48, 0xC0]);
        bytes[13..13 + tag.len()].copy_from_slice(tag);
        (FrameHeader::parse([0xFF, 0xF3, 0x48, 0xC0]).unwrap(), bytes)
    }

    #[test]
    fn delay_and_padding_are_read_after_the_fields_that_are_present() {
        let mut tag = b"Info\0\0\0\x01\0\0\0\x0ALAME3.100".to_vec();
        tag.resize(12 + 21, 0);
        tag.extend([0x24, 0x05, 0x00]); // 0x240 = 576, 0x500 = 1280
        let (header, bytes) = frame(&tag);
        let tag = Tag::parse(&header, &bytes).unwrap();
        assert_eq!(tag, Tag { frames: Some(10), bytes: None, delay_and_padding: Some((576, 1280)), is_intact: true });
        assert_eq!(tag.trim(576), Trim { skip: 1105, keep: Some(5760 - 1105 - 751) });
    }

    #[test]
    fn a_tag_without_extension_trims_nothing() {
        let (header, bytes) = frame(b"Xing\0\0\0\x01\0\0\0\x0A");
        let tag = Tag::parse(&header, &bytes).unwrap();
        assert_eq!((tag.frames, tag.trim(576)), (Some(10), Trim { skip: 0, keep: None }));
    }

    #[test]
    fn a_count_of_0_is_unknown() {
        let (header, bytes) = frame(b"Xing\0\0\0\x01\0\0\0\0");
        assert_eq!(Tag::parse(&header, &bytes).unwrap().frames, None);
    }

    #[test]
    fn a_vbri_tag_is_found_at_its_fixed_position() {
        let (header, mut bytes) = frame(b"");
        bytes[36..40].copy_from_slice(b"VBRI");
        bytes[50..54].copy_from_slice(&77_u32.to_be_bytes());
        assert_eq!(
            Tag::parse(&header, &bytes),
            Some(Tag { frames: Some(77), bytes: None, delay_and_padding: None, is_intact: true })
        );
    }

    #[test]
    fn an_ordinary_frame_is_not_a_tag_and_a_truncated_tag_does_not_panic() {
        let (header, bytes) = frame(b"xing");
        assert_eq!(Tag::parse(&header, &bytes), None);
        let (header, bytes) = frame(b"Xing\xFF\xFF\xFF\xFF");
        for end in 0..bytes.len() {
            let _ = Tag::parse(&header, &bytes[..end]);
        }
    }
}
