//! Scale factors of a granule (ISO/IEC 11172-3 §2.4.2.7, 13818-3 §2.4.3.2).

use super::bits::BitReader;
use super::side_info::{Block, Granule, Kind};

/// Scale factors in the order of the granule's bands. The last band, or three, has none: 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScaleFactors {
    pub(super) values: [u8; 39],
    /// Where the factors are intensity positions: whether each is the illegal one, which turns
    /// intensity off. MPEG-2 alone; MPEG-1's is 7.
    pub(super) illegal: [bool; 39],
    /// MPEG-2 states it by the table.
    pub(super) preflag: bool,
}

impl Default for ScaleFactors {
    fn default() -> Self {
        Self { values: [0; 39], illegal: [false; 39], preflag: false }
    }
}

/// Bits of the two parts of MPEG-1's scale factors by `scalefac_compress`.
const LENGTHS: [(u32, u32); 16] = [
    (0, 0),
    (0, 1),
    (0, 2),
    (0, 3),
    (3, 0),
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 1),
    (2, 2),
    (2, 3),
    (3, 1),
    (3, 2),
    (3, 3),
    (4, 2),
    (4, 3),
];

/// Numbers of MPEG-2's scale factors of four lengths, by table and block: long, short, mixed.
const COUNTS: [[[usize; 4]; 3]; 6] = [
    [[6, 5, 5, 5], [9, 9, 9, 9], [6, 9, 9, 9]],
    [[6, 5, 7, 3], [9, 9, 12, 6], [6, 9, 12, 6]],
    [[11, 10, 0, 0], [18, 18, 0, 0], [15, 18, 0, 0]],
    [[7, 7, 7, 0], [12, 12, 12, 0], [6, 15, 12, 0]],
    [[6, 6, 6, 3], [12, 9, 9, 6], [6, 12, 9, 6]],
    [[8, 8, 5, 0], [15, 12, 9, 0], [6, 18, 9, 0]],
];

/// Reads those of MPEG-1. `first` are those of the channel's first granule, which the second shares
/// in the groups of `shared`.
pub(super) fn mpeg1(
    bits: &mut BitReader<'_>,
    granule: &Granule,
    first: Option<&ScaleFactors>,
    shared: [bool; 4],
) -> ScaleFactors {
    let (low, high) = LENGTHS[granule.scalefac_compress & 15];
    let mut factors = ScaleFactors { preflag: granule.preflag, ..ScaleFactors::default() };
    let groups: &[(std::ops::Range<usize>, u32)] = match granule.block {
        Block { kind: Kind::Short, is_mixed: true } => &[(0..17, low), (17..35, high)],
        Block { kind: Kind::Short, is_mixed: false } => &[(0..18, low), (18..36, high)],
        _ => &[(0..6, low), (6..11, low), (11..16, high), (16..21, high)],
    };
    for (group, (range, length)) in groups.iter().enumerate() {
        let values = &mut factors.values[range.clone()];
        match first.filter(|_| groups.len() == 4 && shared[group]) {
            Some(first) => values.copy_from_slice(&first.values[range.clone()]),
            None => values.iter_mut().for_each(|value| *value = bits.bits(*length) as u8),
        }
    }
    factors
}

/// Reads those of MPEG-2. `intensity`: of the right channel of a frame with intensity stereo.
pub(super) fn mpeg2(bits: &mut BitReader<'_>, granule: &Granule, intensity: bool) -> ScaleFactors {
    let code = granule.scalefac_compress as u32;
    let half = code / 2;
    let (table, lengths) = match (intensity, code, half) {
        (false, ..400, _) => (0, [(code >> 4) / 5, (code >> 4) % 5, (code & 15) >> 2, code & 3]),
        (false, ..500, _) => (1, [((code - 400) >> 2) / 5, ((code - 400) >> 2) % 5, code & 3, 0]),
        (false, ..) => (2, [(code - 500) / 3, (code - 500) % 3, 0, 0]),
        (true, _, ..180) => (3, [half / 36, half % 36 / 6, half % 36 % 6, 0]),
        (true, _, ..244) => (4, [((half - 180) & 63) >> 4, ((half - 180) & 15) >> 2, (half - 180) & 3, 0]),
        (true, ..) => (5, [(half - 244) / 3, (half - 244) % 3, 0, 0]),
    };
    let block = match granule.block {
        Block { kind: Kind::Short, is_mixed } => 1 + usize::from(is_mixed),
        _ => 0,
    };
    let mut factors = ScaleFactors { preflag: table == 2, ..ScaleFactors::default() };
    let mut at = 0;
    for (count, length) in COUNTS[table][block].into_iter().zip(lengths) {
        for _ in 0..count {
            let value = bits.bits(length);
            factors.values[at] = value as u8;
            factors.illegal[at] = intensity && length > 0 && value == (1 << length) - 1;
            at += 1;
        }
    }
    factors
}
