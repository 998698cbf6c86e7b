//! MPEG audio frame headers (4 bytes), and runs of consistent headers (ISO/IEC 11172-3 §2.4.1.3,
//! 13818-3 §2.4.1.3).
//!
//! ```text
//! 11111111 111VVLLP BBBBSSpx MMeeCOEE
//!             ││││  │   │ │  └ channel mode, 1 = joint stereo, 3 = mono; ee its extension
//!             ││││  │   │ └ padding slot
//!             ││││  │   └ sample rate index
//!             ││││  └ bit rate index, 0 = free format
//!             │││└ 0: a 16-bit CRC follows
//!             └┴┴ version (0 = 2.5, 2 = 2, 3 = 1) and layer (1 = III, 2 = II, 3 = I)
//! ```

/// Size of a header, bytes.
pub(super) const HEADER_BYTES: usize = 4;

/// Size of the longest frame that [`FrameHeader::parse`] accepts, bytes: MPEG-2.5 layer II, 160
/// kbit/s at 8 kHz, with padding.
pub(super) const MAX_FRAME_BYTES: usize = 2881;

/// Version of the standard, which determines sample rates and frame lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Mpeg1,
    Mpeg2,
    Mpeg25,
}

/// A valid frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) version: Version,
    /// 1, 2 or 3.
    pub(super) layer: u8,
    pub(super) sample_rate_hz: u32,
    /// 1 or 2.
    pub(super) channels: u16,
    /// A CRC of 2 bytes follows the header.
    pub(super) has_crc: bool,
    /// Mode extension of joint stereo; 0 in other modes. Layer III: bit 0 intensity, bit 1 middle and
    /// side.
    pub(super) joint: u8,
    /// Size of the frame with its header, bytes.
    pub(super) frame_bytes: usize,
}

/// Bit rates in kbit/s by index 1 to 14: MPEG-1 layers I, II, III; MPEG-2 layers I and II/III.
const KBITS: [[u32; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

impl FrameHeader {
    /// Parses a header. `None`: no sync word, a reserved value, or free format (its frame length is
    /// known only from the next header).
    pub(super) fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [sync, b1, b2, b3] = bytes;
        if sync != 0xFF || b1 & 0xE0 != 0xE0 {
            return None;
        }
        let version = match (b1 >> 3) & 3 {
            0 => Version::Mpeg25,
            2 => Version::Mpeg2,
            3 => Version::Mpeg1,
            _ => return None,
        };
        let layer = 4 - ((b1 >> 1) & 3);
        if layer == 4 {
            return None;
        }
        let table = match (version, layer) {
            (Version::Mpeg1, layer) => usize::from(layer) - 1,
            (_, 1) => 3,
            _ => 4,
        };
        let kbits = *KBITS[table].get(usize::from(b2 >> 4).checked_sub(1)?)?;
        let mpeg1_hz = *[44_100, 48_000, 32_000].get(usize::from((b2 >> 2) & 3))?;
        let sample_rate_hz = match version {
            Version::Mpeg1 => mpeg1_hz,
            Version::Mpeg2 => mpeg1_hz / 2,
            Version::Mpeg25 => mpeg1_hz / 4,
        };
        let mut header = Self {
            version,
            layer,
            sample_rate_hz,
            channels: if b3 >> 6 == 3 { 1 } else { 2 },
            has_crc: b1 & 1 == 0,
            joint: if b3 >> 6 == 1 { (b3 >> 4) & 3 } else { 0 },
            frame_bytes: 0,
        };
        header.frame_bytes = header.length(kbits, b2 & 2 != 0);
        Some(header)
    }

    /// Frame size in bytes (§2.4.3.1): its bits at that bit rate, rounded down to slots (4 bytes in
    /// layer I, else 1), plus the padding slot.
    fn length(&self, kbits: u32, padding: bool) -> usize {
        let slot = if self.layer == 1 { 4 } else { 1 };
        let slots = self.samples_per_frame() / 8 * kbits * 1000 / (slot * self.sample_rate_hz) + u32::from(padding);
        (slots * slot) as usize
    }

    /// Samples per channel and frame.
    pub(super) fn samples_per_frame(&self) -> u32 {
        match (self.layer, self.version) {
            (1, _) => 384,
            (3, Version::Mpeg2 | Version::Mpeg25) => 576,
            _ => 1152,
        }
    }

    /// Whether both can belong to one stream: all but bit rate, padding and CRC are equal.
    pub(super) fn continues(&self, first: &Self) -> bool {
        (self.version, self.layer, self.sample_rate_hz, self.channels)
            == (first.version, first.layer, first.sample_rate_hz, first.channels)
    }

    /// Name of the coding.
    pub(super) fn codec(&self) -> &'static str {
        match (self.version, self.layer) {
            (Version::Mpeg1, 1) => "MPEG-1 layer I",
            (Version::Mpeg1, 2) => "MPEG-1 layer II",
            (Version::Mpeg1, _) => "MPEG-1 layer III",
            (Version::Mpeg2, 1) => "MPEG-2 layer I",
            (Version::Mpeg2, 2) => "MPEG-2 layer II",
            (Version::Mpeg2, _) => "MPEG-2 layer III",
            (Version::Mpeg25, 1) => "MPEG-2.5 layer I",
            (Version::Mpeg25, 2) => "MPEG-2.5 layer II",
            (Version::Mpeg25, _) => "MPEG-2.5 layer III",
        }
    }
}

/// The header at `bytes[at..]`.
pub(super) fn header_at(bytes: &[u8], at: usize) -> Option<FrameHeader> {
    FrameHeader::parse(*bytes.get(at..)?.first_chunk()?)
}

/// Number of consistent headers from `at` on, each at the end of the frame before it; at most
/// `most`.
pub(super) fn run_length(bytes: &[u8], mut at: usize, most: usize) -> usize {
    let Some(first) = header_at(bytes, at) else { return 0 };
    let mut count = 0;
    while count < most {
        match header_at(bytes, at) {
            Some(header) if header.continues(&first) => at += header.frame_bytes,
            _ => break,
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_sizes_equal_the_standard() {
        let length =
            |bytes| FrameHeader::parse(bytes).map(|h| (h.codec(), h.sample_rate_hz, h.channels, h.frame_bytes));
        assert_eq!(length([0xFF, 0xFB, 0x90, 0x00]), Some(("MPEG-1 layer III", 44_100, 2, 417)));
        assert_eq!(length([0xFF, 0xFB, 0x92, 0x00]), Some(("MPEG-1 layer III", 44_100, 2, 418)));
        assert_eq!(length([0xFF, 0xF3, 0x48, 0xC0]), Some(("MPEG-2 layer III", 16_000, 1, 144)));
        assert_eq!(length([0xFF, 0xE3, 0x28, 0xC0]), Some(("MPEG-2.5 layer III", 8_000, 1, 144)));
        assert_eq!(length([0xFF, 0xFD, 0xA0, 0x00]), Some(("MPEG-1 layer II", 44_100, 2, 626)));
        assert_eq!(length([0xFF, 0xFF, 0x30, 0x00]), Some(("MPEG-1 layer I", 44_100, 2, 104)));
    }

    #[test]
    fn reserved_values_are_refused() {
        for bytes in [
            [0xFE, 0xFB, 0x90, 0], // sync
            [0xFF, 0xEB, 0x90, 0], // version 1
            [0xFF, 0xF9, 0x90, 0], // layer 0: AAC in ADTS
            [0xFF, 0xFB, 0xF0, 0], // bit rate 15
            [0xFF, 0xFB, 0x9C, 0], // sample rate 3
            [0xFF, 0xFB, 0x00, 0], // free format
        ] {
            assert_eq!(FrameHeader::parse(bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn every_header_has_a_valid_frame_size() {
        for word in 0..1 << 21 {
            let bytes = (0xFFE0_0000_u32 | word).to_be_bytes();
            let Some(header) = FrameHeader::parse(bytes) else { continue };
            assert!((24..=MAX_FRAME_BYTES).contains(&header.frame_bytes), "{bytes:02x?}: {header:?}");
        }
    }

    #[test]
    fn a_run_ends_where_the_stream_changes() {
        let mut bytes = Vec::new();
        for header in [[0xFF, 0xFB, 0x90, 0], [0xFF, 0xFB, 0x10, 0], [0xFF, 0xFB, 0x90, 0xC0]] {
            let mut frame = vec![0; FrameHeader::parse(header).unwrap().frame_bytes];
            frame[..4].copy_from_slice(&header);
            bytes.extend(frame);
        }
        assert_eq!(run_length(&bytes, 0, 10), 2, "the third is mono");
        assert_eq!(run_length(&bytes, 0, 1), 1);
        assert_eq!(run_length(&bytes, 1, 10), 0);
    }
}
