//! Side information of a layer III frame (ISO/IEC 11172-3 §2.4.1.7, 13818-3 §2.4.1.7).

use super::bits::BitReader;
use crate::audio::mpeg::{FrameHeader, HEADER_BYTES, Version};

/// Side information of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::audio::mp3) struct SideInfo {
    /// Bytes of main data that earlier frames hold.
    pub(super) main_data_begin: usize,
    /// Scale factor groups of the second granule that are those of the first, by channel.
    pub(super) shared: [[bool; 4]; 2],
    /// By granule, then channel.
    pub(super) granules: [[Granule; 2]; 2],
}

/// Side information of one granule of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Granule {
    /// Bits of its scale factors and Huffman codes.
    pub(super) main_bits: usize,
    /// Number of pairs of large values.
    pub(super) big_values: usize,
    pub(super) global_gain: i32,
    pub(super) scalefac_compress: usize,
    pub(super) block: Block,
    /// Tables of the three regions of large values.
    pub(super) tables: [usize; 3],
    /// Ends of the first two regions as numbers of scale factor bands; `None` for window switching,
    /// which fixes them.
    pub(super) regions: Option<(usize, usize)>,
    /// By window, steps of 8 of the global gain.
    pub(super) subblock_gain: [i32; 3],
    pub(super) preflag: bool,
    pub(super) scalefac_scale: bool,
    /// Whether the quadruples have table B.
    pub(super) quadruples_b: bool,
}

/// Transform of a granule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// The lowest two subbands are long with the normal window.
    pub(super) is_mixed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Long,
    /// Long, before short ones.
    Start,
    Short,
    /// Long, after short ones.
    Stop,
}

/// Number of granules of a frame.
pub(super) fn granules(header: &FrameHeader) -> usize {
    if header.version == Version::Mpeg1 { 2 } else { 1 }
}

/// Position of the side information, bytes: behind the header and the CRC.
fn begins(header: &FrameHeader) -> usize {
    HEADER_BYTES + if header.has_crc { 2 } else { 0 }
}

impl SideInfo {
    /// Its size in bytes.
    pub(in crate::audio::mp3) fn bytes(header: &FrameHeader) -> usize {
        match (header.version, header.channels) {
            (Version::Mpeg1, 1) => 17,
            (Version::Mpeg1, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }

    /// Position of the main data in a frame, bytes.
    pub(super) fn end(header: &FrameHeader) -> usize {
        begins(header) + Self::bytes(header)
    }

    /// Parses the side information of a frame. `None` if the frame ends before it.
    pub(in crate::audio::mp3) fn parse(header: &FrameHeader, frame: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(frame.get(begins(header)..Self::end(header))?);
        let mpeg1 = header.version == Version::Mpeg1;
        let channels = usize::from(header.channels).min(2);
        let mut side = Self { main_data_begin: bits.bits(if mpeg1 { 9 } else { 8 }) as usize, ..Self::default() };
        bits.bits(match (mpeg1, channels) {
            (true, 1) => 5,
            (true, _) => 3,
            (false, 1) => 1,
            (false, _) => 2,
        });
        if mpeg1 {
            for shared in side.shared.iter_mut().take(channels) {
                *shared = std::array::from_fn(|_| bits.bit());
            }
        }
        for granule in side.granules.iter_mut().take(granules(header)) {
            for channel in granule.iter_mut().take(channels) {
                *channel = Granule::parse(&mut bits, mpeg1);
            }
        }
        Some(side)
    }

    /// Number of bytes of a frame that are needed to decode it: header, side information, and main
    /// data that earlier frames do not hold. What follows is padding.
    pub(in crate::audio::mp3) fn needed_bytes(&self, header: &FrameHeader) -> usize {
        let total: usize = self.granules.iter().flatten().map(|granule| granule.main_bits).sum();
        Self::end(header) + total.div_ceil(8).saturating_sub(self.main_data_begin)
    }
}

impl Granule {
    fn parse(bits: &mut BitReader<'_>, mpeg1: bool) -> Self {
        let mut granule = Self {
            main_bits: bits.bits(12) as usize,
            big_values: bits.bits(9) as usize,
            global_gain: bits.bits(8) as i32,
            scalefac_compress: bits.bits(if mpeg1 { 4 } else { 9 }) as usize,
            ..Self::default()
        };
        if bits.bit() {
            let kind = [Kind::Long, Kind::Start, Kind::Short, Kind::Stop][bits.bits(2) as usize];
            granule.block = Block { kind, is_mixed: bits.bit() };
            granule.tables = [bits.bits(5) as usize, bits.bits(5) as usize, 0];
            granule.subblock_gain = std::array::from_fn(|_| bits.bits(3) as i32);
        } else {
            granule.tables = std::array::from_fn(|_| bits.bits(5) as usize);
            let first = bits.bits(4) as usize + 1;
            granule.regions = Some((first, first + bits.bits(3) as usize + 1));
        }
        granule.preflag = mpeg1 && bits.bit();
        granule.scalefac_scale = bits.bit();
        granule.quadruples_b = bits.bit();
        granule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_information_is_as_long_as_its_fields() {
        for (mpeg1, channels, size) in [(true, 1, 17), (true, 2, 32), (false, 1, 9), (false, 2, 17)] {
            let version = if mpeg1 { 0xFB } else { 0xF3 };
            let mode = if channels == 1 { 0xC0 } else { 0 };
            let header = FrameHeader::parse([0xFF, version, 0x48, mode]).unwrap();
            assert_eq!(SideInfo::bytes(&header), size);
            let needed = |frame: &[u8]| SideInfo::parse(&header, frame).map(|side| side.needed_bytes(&header));
            let mut frame = vec![0; header.frame_bytes.max(100)];
            assert_eq!(needed(&frame), Some(4 + size));
            frame[4..4 + size].fill(0xFF);
            let granules: usize = if mpeg1 { 2 } else { 1 };
            let total: usize = (4095 * granules * channels).div_ceil(8);
            let begin = if mpeg1 { 511 } else { 255 };
            assert_eq!(needed(&frame), Some(4 + size + total - begin));
            assert_eq!(needed(&frame[..4 + size - 1]), None);
        }
    }
}
