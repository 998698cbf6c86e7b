//! Huffman decoding of the quantised coefficients (ISO/IEC 11172-3 §2.4.3.4.6).

use std::sync::OnceLock;

use super::bits::BitReader;
use super::huffman_codes as codes;
use super::side_info::Granule;

/// Coefficients of a granule.
pub(super) const COEFFICIENTS: usize = 576;

/// Binary tree of a code: each node has a child for bit 0 and 1; a leaf has [`LEAF`] and its symbol.
type Tree = Vec<[u16; 2]>;
const LEAF: u16 = 0x8000;

/// Trees of the tables 0 to 15 (empty where a table has no codes), of 16 and 24, whose codes the tables
/// after them share, and of the quadruples' table A.
struct Trees {
    pairs: Vec<Tree>,
    quadruples: Tree,
}

/// Additional bits of the value 15 by table.
const LINEAR_BITS: [u32; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 8, 10, 13, 4, 5, 6, 7, 8, 9, 11, 13];

fn trees() -> &'static Trees {
    static TREES: OnceLock<Trees> = OnceLock::new();
    TREES.get_or_init(|| {
        let tables: [&[u32]; 18] = [
            &[],
            &codes::TABLE_1,
            &codes::TABLE_2,
            &codes::TABLE_3,
            &[],
            &codes::TABLE_5,
            &codes::TABLE_6,
            &codes::TABLE_7,
            &codes::TABLE_8,
            &codes::TABLE_9,
            &codes::TABLE_10,
            &codes::TABLE_11,
            &codes::TABLE_12,
            &codes::TABLE_13,
            &[],
            &codes::TABLE_15,
            &codes::TABLE_16,
            &codes::TABLE_24,
        ];
        let pairs = tables.iter().map(|table| tree(table, table.len().isqrt())).collect();
        Trees { pairs, quadruples: tree(&codes::QUADRUPLES_A, 16) }
    })
}

impl Trees {
    fn of_table(&self, table: usize) -> &Tree {
        &self.pairs[match table {
            ..=15 => table,
            16..=23 => 16,
            _ => 17,
        }]
    }
}

/// The tree of codes, each with a leading bit 1, in rows of `side`. A symbol is row · 16 + column.
fn tree(codes: &[u32], side: usize) -> Tree {
    let mut tree: Tree = if codes.is_empty() { Vec::new() } else { vec![[0; 2]] };
    for (index, &code) in codes.iter().enumerate() {
        let symbol = (index / side * 16 + index % side) as u16;
        let mut node = 0;
        for bit in (0..code.ilog2()).rev() {
            let branch = usize::from(code >> bit & 1 == 1);
            if bit == 0 {
                tree[node][branch] = LEAF | symbol;
            } else if tree[node][branch] == 0 {
                tree[node][branch] = tree.len() as u16;
                node = tree.len();
                tree.push([0; 2]);
            } else {
                node = usize::from(tree[node][branch]);
            }
        }
    }
    tree
}

/// Reads a symbol.
fn symbol(tree: &[[u16; 2]], bits: &mut BitReader<'_>) -> usize {
    let mut node = 0;
    loop {
        let next = tree[node][usize::from(bits.bit())];
        if next & LEAF != 0 {
            return usize::from(next & !LEAF);
        }
        node = usize::from(next);
    }
}

/// Reads the coefficients of a granule up to bit `end`, in the order of the bit stream. `regions`
/// are the ends of the first two regions of large values. Returns the number of coefficients up to
/// the last that can be different from 0.
pub(super) fn coefficients(
    bits: &mut BitReader<'_>,
    end: usize,
    granule: &Granule,
    regions: (usize, usize),
    out: &mut [i32; COEFFICIENTS],
) -> usize {
    out.fill(0);
    let trees = trees();
    let big = (2 * granule.big_values).min(COEFFICIENTS);
    let mut at = 0;
    while at < big && bits.position() < end {
        let region = usize::from(at >= regions.0) + usize::from(at >= regions.1);
        let table = granule.tables[region];
        let tree = trees.of_table(table);
        if tree.is_empty() {
            at += 2;
            continue;
        }
        let pair = symbol(tree, bits);
        for value in [pair / 16, pair % 16] {
            out[at] = signed(value, LINEAR_BITS[table], bits);
            at += 1;
        }
    }
    while at + 4 <= COEFFICIENTS && bits.position() < end {
        let quadruple = if granule.quadruples_b { 15 - bits.bits(4) as usize } else { symbol(&trees.quadruples, bits) };
        for bit in [8, 4, 2, 1] {
            out[at] = signed(usize::from(quadruple & bit != 0), 0, bits);
            at += 1;
        }
    }
    // Codes that reach beyond the granule's bits are padding.
    if bits.position() > end && at >= 4 && at > big {
        at -= 4;
        out[at..].fill(0);
    }
    bits.seek(end);
    at
}

/// A value with its additional bits and its sign.
fn signed(value: usize, linear_bits: u32, bits: &mut BitReader<'_>) -> i32 {
    let mut value = value as i32;
    if value == 15 && linear_bits > 0 {
        value += bits.bits(linear_bits) as i32;
    }
    if value != 0 && bits.bit() { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kraft's sum of a complete code is 1, so that no bits lead to no symbol.
    #[test]
    fn every_code_is_complete_and_decodes_to_its_own_symbol() {
        let tables: [&[u32]; 16] = [
            &codes::TABLE_1,
            &codes::TABLE_2,
            &codes::TABLE_3,
            &codes::TABLE_5,
            &codes::TABLE_6,
            &codes::TABLE_7,
            &codes::TABLE_8,
            &codes::TABLE_9,
            &codes::TABLE_10,
            &codes::TABLE_11,
            &codes::TABLE_12,
            &codes::TABLE_13,
            &codes::TABLE_15,
            &codes::TABLE_16,
            &codes::TABLE_24,
            &codes::QUADRUPLES_A,
        ];
        for (number, table) in tables.into_iter().enumerate() {
            let sum: f64 = table.iter().map(|code| 0.5_f64.powi(code.ilog2() as i32)).sum();
            assert_eq!(sum, 1.0, "table {number}");
            let side = if number == 15 { 16 } else { table.len().isqrt() };
            let tree = tree(table, side);
            for (index, &code) in table.iter().enumerate() {
                let length = code.ilog2();
                let bytes = (code << (32 - length)).to_be_bytes();
                let mut bits = BitReader::new(&bytes);
                assert_eq!(symbol(&tree, &mut bits), index / side * 16 + index % side, "table {number}");
                assert_eq!(bits.position(), length as usize);
            }
        }
    }
}
