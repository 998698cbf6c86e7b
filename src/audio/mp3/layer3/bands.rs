//! Scale factor bands (ISO/IEC 11172-3, table B.8; 13818-3, table B.2; MPEG-2.5 as its decoders have
//! them).

use super::side_info::{Block, Kind};
use crate::audio::mpeg::{FrameHeader, Version};

/// A band of coefficients in the order of the bit stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) start: usize,
    pub(super) width: usize,
    /// `None` in long blocks; in short ones the window, 0 to 2.
    pub(super) window: Option<usize>,
    /// Number of the scale factor band among those of its kind: 0 to 21, or 0 to 12.
    pub(super) number: usize,
}

/// Ends of the bands by sample rate: 44.1, 48, 32, 22.05, 24, 16 (as 11.025, 12) and 8 kHz.
const LONG: [[u16; 22]; 7] = [
    [4, 8, 12, 16, 20, 24, 30, 36, 44, 52, 62, 74, 90, 110, 134, 162, 196, 238, 288, 342, 418, 576],
    [4, 8, 12, 16, 20, 24, 30, 36, 42, 50, 60, 72, 88, 106, 128, 156, 190, 230, 276, 330, 384, 576],
    [4, 8, 12, 16, 20, 24, 30, 36, 44, 54, 66, 82, 102, 126, 156, 194, 240, 296, 364, 448, 550, 576],
    [6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576],
    [6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 114, 136, 162, 194, 232, 278, 332, 394, 464, 540, 576],
    [6, 12, 18, 24, 30, 36, 44, 54, 66, 80, 96, 116, 140, 168, 200, 238, 284, 336, 396, 464, 522, 576],
    [12, 24, 36, 48, 60, 72, 88, 108, 132, 160, 192, 232, 280, 336, 400, 476, 566, 568, 570, 572, 574, 576],
];
/// Ends of the bands of one window.
const SHORT: [[u16; 13]; 7] = [
    [4, 8, 12, 16, 22, 30, 40, 52, 66, 84, 106, 136, 192],
    [4, 8, 12, 16, 22, 28, 38, 50, 64, 80, 100, 126, 192],
    [4, 8, 12, 16, 22, 30, 42, 58, 78, 104, 138, 180, 192],
    [4, 8, 12, 18, 24, 32, 42, 56, 74, 100, 132, 174, 192],
    [4, 8, 12, 18, 26, 36, 48, 62, 80, 104, 136, 180, 192],
    [4, 8, 12, 18, 26, 36, 48, 62, 80, 104, 134, 174, 192],
    [8, 16, 24, 36, 52, 72, 96, 124, 160, 162, 164, 166, 192],
];

/// Row of the tables for a sample rate.
fn row(header: &FrameHeader) -> usize {
    match header.sample_rate_hz {
        44_100 => 0,
        48_000 => 1,
        32_000 => 2,
        22_050 => 3,
        24_000 => 4,
        8_000 => 6,
        _ => 5,
    }
}

/// Coefficients of a mixed block that are long: two subbands, at 8 kHz three short bands.
fn long_part(header: &FrameHeader) -> usize {
    if header.sample_rate_hz == 8_000 { 72 } else { 36 }
}

/// The bands of a block: long ones, or short ones with three windows each, or, mixed, both.
pub(super) fn bands(header: &FrameHeader, block: Block) -> Vec<Band> {
    let row = row(header);
    let is_short = block.kind == Kind::Short;
    let long_until = match (is_short, block.is_mixed) {
        (false, _) => 576,
        (true, true) => long_part(header),
        (true, false) => 0,
    };
    let mut bands = Vec::with_capacity(39);
    let mut start = 0;
    for (number, &end) in LONG[row].iter().enumerate() {
        if usize::from(end) <= long_until {
            bands.push(Band { start, width: usize::from(end) - start, window: None, number });
            start = usize::from(end);
        }
    }
    if is_short {
        let mut previous = 0;
        for (number, &end) in SHORT[row].iter().enumerate() {
            let width = usize::from(end) - previous;
            previous = usize::from(end);
            if 3 * previous <= long_until {
                continue;
            }
            for window in 0..3 {
                bands.push(Band { start, width, window: Some(window), number });
                start += width;
            }
        }
    }
    bands
}

/// Ends of the first two regions of large values, coefficients.
pub(super) fn regions(header: &FrameHeader, block: Block, stated: Option<(usize, usize)>) -> (usize, usize) {
    let Some((first, second)) = stated else {
        let eight_khz = header.sample_rate_hz == 8_000;
        let end = match (block.kind, header.version) {
            (Kind::Short, _) => long_part(header),
            (_, Version::Mpeg1) => 36,
            _ if eight_khz => 108,
            _ => 54,
        };
        return (end, 576);
    };
    let end = |count: usize| usize::from(LONG[row(header)][count.min(22) - 1]);
    (end(first), end(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_of_every_block_cover_all_coefficients() {
        for header in [
            [0xFF, 0xFB, 0x90, 0],
            [0xFF, 0xFB, 0x94, 0],
            [0xFF, 0xFB, 0x98, 0],
            [0xFF, 0xF3, 0x80, 0],
            [0xFF, 0xF3, 0x84, 0],
            [0xFF, 0xF3, 0x88, 0],
            [0xFF, 0xE3, 0x80, 0],
            [0xFF, 0xE3, 0x88, 0],
        ] {
            let header = FrameHeader::parse(header).unwrap();
            for (kind, is_mixed) in [(Kind::Long, false), (Kind::Short, false), (Kind::Short, true)] {
                let bands = bands(&header, Block { kind, is_mixed });
                let mut end = 0;
                for band in &bands {
                    assert_eq!(band.start, end, "{header:?} {kind:?} {is_mixed}");
                    end += band.width;
                }
                assert_eq!(end, 576, "{header:?} {kind:?} {is_mixed}");
            }
        }
    }
}
