//! Ogg pages (RFC 3533 §6), each verified by its CRC-32.
//!
//! ```text
//! 0  `OggS`, version 0
//! 5  flags             1 continues a packet, 2 first page, 4 last page of its stream
//! 6  granule i64       position after the packets that end on this page; -1: none ends
//! 14 serial u32, 18 page number u32, 22 CRC u32
//! 26 n, n segment lengths: a packet ends with a length under 255
//! ```

use crate::audio::source::Source;
use crate::error::Result;

const HEADER: usize = 27;

/// A page whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) continues: bool,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// `None` where no packet ends.
    pub(super) granule: Option<i64>,
    pub(super) serial: u32,
    pub(super) number: u32,
    /// Pieces of packets, each with whether the packet ends with it.
    pub(super) pieces: Vec<(Vec<u8>, bool)>,
}

/// What is found at the position of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Page(Page),
    /// Bytes up to the next page, of which a page of `packets` packets may have been a part.
    Damage {
        at: u64,
        bytes: u64,
    },
    /// The input ends within a page that begins at this byte.
    Cut(u64),
    End,
}

/// CRC-32 of Ogg by byte: polynomial 0x04C11DB7, most significant bit first.
static CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |crc, byte| crc << 8 ^ CRC[usize::from((crc >> 24) as u8 ^ byte)])
}

/// The CRC of a page, whose own field counts as zero.
pub(super) fn checksum(page: &[u8]) -> u32 {
    crc(page.iter().enumerate().map(|(at, &byte)| if (22..26).contains(&at) { 0 } else { byte }))
}

/// Reads the next page. After damage it continues at the next page whose checksum is right.
pub(super) fn next(source: &mut Source) -> Result<Found> {
    let at = source.position();
    match parse(source, 0)? {
        Parsed::Page(page, size) => {
            source.consume(size);
            Ok(Found::Page(page))
        }
        Parsed::End => Ok(Found::End),
        Parsed::Cut if is_last_start(source)? => {
            source.skip(u64::MAX)?;
            Ok(Found::Cut(at))
        }
        Parsed::Cut | Parsed::Nothing => {
            let mut skipped = 0;
            loop {
                source.consume(1);
                skipped += 1;
                skipped += skip_to_capture(source)?;
                match parse(source, 0)? {
                    Parsed::Page(..) | Parsed::End => return Ok(Found::Damage { at, bytes: skipped }),
                    Parsed::Cut if is_last_start(source)? => return Ok(Found::Damage { at, bytes: skipped }),
                    Parsed::Cut | Parsed::Nothing => {}
                }
            }
        }
    }
}

enum Parsed {
    Page(Page, usize),
    /// It begins like a page and the input ends before its end.
    Cut,
    Nothing,
    End,
}

/// Whether no other page begins behind the one at the source, whose end is missing.
fn is_last_start(source: &mut Source) -> Result<bool> {
    let bytes = source.peek(HEADER + 255 + 255 * 255)?;
    Ok(!bytes.get(4..).is_some_and(|rest| rest.windows(4).any(|four| four == b"OggS")))
}

/// Consumes bytes in front of the next `OggS`, or all; returns their number.
fn skip_to_capture(source: &mut Source) -> Result<u64> {
    let mut skipped = 0;
    loop {
        let bytes = source.peek(4096)?;
        let found = bytes.windows(4).position(|four| four == b"OggS");
        let n = found.unwrap_or(if bytes.len() < 4096 { bytes.len() } else { bytes.len() - 3 });
        source.consume(n);
        skipped += n as u64;
        if found.is_some() || n == 0 || source.peek(1)?.is_empty() {
            return Ok(skipped);
        }
    }
}

fn parse(source: &mut Source, from: usize) -> Result<Parsed> {
    let head = source.peek(from + HEADER)?.get(from..).unwrap_or_default();
    if head.is_empty() {
        return Ok(Parsed::End);
    }
    let capture = &b"OggS\0"[..head.len().min(5)];
    if !head.starts_with(capture) {
        return Ok(Parsed::Nothing);
    }
    let Some(&segments) = head.get(26) else { return Ok(Parsed::Cut) };
    let table = HEADER + usize::from(segments);
    let Some(lengths) = source.peek(from + table)?.get(from + HEADER..).filter(|l| l.len() == usize::from(segments))
    else {
        return Ok(Parsed::Cut);
    };
    let lengths = lengths.to_vec();
    let size = table + lengths.iter().map(|&length| usize::from(length)).sum::<usize>();
    let page = source.peek(from + size)?.get(from..).unwrap_or_default();
    if page.len() < size {
        return Ok(Parsed::Cut);
    }
    let u32_at = |at: usize| page.get(at..).and_then(|b| b.first_chunk()).map_or(0, |&word| u32::from_le_bytes(word));
    if checksum(page) != u32_at(22) {
        return Ok(Parsed::Nothing);
    }
    let granule = i64::from(u32_at(6)) | i64::from(u32_at(10).cast_signed()) << 32;
    let parsed = Page {
        continues: page[5] & 1 != 0,
        is_first: page[5] & 2 != 0,
        is_last: page[5] & 4 != 0,
        granule: Some(granule).filter(|&granule| granule != -1),
        serial: u32_at(14),
        number: u32_at(18),
        pieces: pieces(&lengths, &page[table..]),
    };
    Ok(Parsed::Page(parsed, size))
}

fn pieces(lengths: &[u8], mut body: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let (mut pieces, mut length) = (Vec::new(), 0);
    for (index, &segment) in lengths.iter().enumerate() {
        length += usize::from(segment);
        let ends = segment < 255;
        if ends || index + 1 == lengths.len() {
            let (piece, rest) = body.split_at(length.min(body.len()));
            pieces.push((piece.to_vec(), ends));
            (body, length) = (rest, 0);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn page(number: u32, flags: u8, granule: i64, lengths: &[u8], body: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend(7_u32.to_le_bytes());
        page.extend(number.to_le_bytes());
        page.extend([0; 4]);
        page.push(lengths.len() as u8);
        page.extend(lengths);
        page.extend(body);
        let crc = checksum(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    }

    fn all(bytes: Vec<u8>) -> Vec<Found> {
        let mut source = Source::new(Cursor::new(bytes));
        let mut found = Vec::new();
        while found.last() != Some(&Found::End) {
            found.push(next(&mut source).unwrap());
        }
        found
    }

    #[test]
    fn packets_are_divided_by_their_lengths() {
        let body: Vec<u8> = (0..600).map(|i| i as u8).collect();
        let found = all(page(3, 4, 99, &[255, 10, 0, 255, 80], &body));
        let Found::Page(page) = &found[0] else { panic!("{found:?}") };
        assert!(page.is_last && !page.is_first && !page.continues);
        assert_eq!((page.number, page.serial, page.granule), (3, 7, Some(99)));
        let pieces: Vec<(usize, bool)> = page.pieces.iter().map(|(bytes, ends)| (bytes.len(), *ends)).collect();
        assert_eq!(pieces, [(265, true), (0, true), (335, true)]);
        let Found::Page(open) = &all(page_with_open_packet())[0] else { panic!() };
        assert_eq!(open.pieces, [(vec![1; 255], false)]);
        assert_eq!(open.granule, None);
    }

    fn page_with_open_packet() -> Vec<u8> {
        page(0, 0, -1, &[255], &[1; 255])
    }

    #[test]
    fn damage_is_passed_over_to_the_next_page_and_reported() {
        let (a, b) = (page(0, 2, 0, &[3], b"abc"), page(1, 4, 5, &[2], b"de"));
        let mut bad = a.clone();
        bad[29] ^= 1;
        let found = all([&bad[..], &b].concat());
        assert!(matches!(found[0], Found::Damage { at: 0, bytes: 31 }), "{found:?}");
        assert!(matches!(&found[1], Found::Page(page) if page.number == 1));
        let found = all([&a[..], b"junk!", &b].concat());
        assert!(matches!(found[1], Found::Damage { at: 31, bytes: 5 }), "{found:?}");
        assert!(matches!(found[2], Found::Page(_)));
        for end in 1..b.len() {
            let found = all([&a[..], &b[..end]].concat());
            assert!(matches!(found[1], Found::Cut(31)), "{end}: {found:?}");
        }
    }
}
