//! EBML (RFC 8794): element headers, and the children of an element that was read whole.

use crate::audio::source::Source;
use crate::error::Result;

/// Header of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    /// The identifier with its length marker.
    pub(super) id: u32,
    /// Bytes of its content; `None` if the writer left it open.
    pub(super) size: Option<u64>,
}

/// The header at the source, with its length in bytes, without consuming it. `None` for bytes that
/// are no header, or at the end of the input.
pub(super) fn header(source: &mut Source) -> Result<Option<(Element, usize)>> {
    Ok(parse(source.peek(12)?))
}

/// Parses an element's header; returns it with its length.
fn parse(bytes: &[u8]) -> Option<(Element, usize)> {
    let first = *bytes.first()?;
    let id_bytes = first.leading_zeros() as usize + 1;
    if id_bytes > 4 {
        return None;
    }
    let id = bytes.get(..id_bytes)?.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let (size, size_bytes) = integer(bytes.get(id_bytes..)?)?;
    Some((Element { id, size }, id_bytes + size_bytes))
}

/// A variable-size integer with its length in bytes. `None` in it if all its bits are 1: unknown.
pub(super) fn integer(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let marker = 1_u64 << (7 * length);
    let value = bytes.get(..length)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)) ^ marker;
    Some(((value != marker - 1).then_some(value), length))
}

/// The children of an element: identifier and content. Ends at bytes that are no element.
pub(super) fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (element, header_bytes) = parse(bytes)?;
        let rest = &bytes[header_bytes..];
        let content = rest.get(..usize::try_from(element.size?).ok()?)?;
        bytes = &rest[content.len()..];
        Some((element.id, content))
    })
}

/// An unsigned integer of up to 8 bytes.
pub(super) fn unsigned(content: &[u8]) -> u64 {
    content.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A signed integer of up to 8 bytes.
pub(super) fn signed(content: &[u8]) -> i64 {
    let bits = 8 * content.len().min(8) as u32;
    if bits == 0 { 0 } else { (unsigned(content) << (64 - bits)) as i64 >> (64 - bits) }
}

/// A float of 4 or 8 bytes; 0 for an empty one.
pub(super) fn float(content: &[u8]) -> f64 {
    match content.len() {
        4 => f64::from(f32::from_bits(unsigned(content) as u32)),
        8 => f64::from_bits(unsigned(content)),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_integers_are_parsed() {
        let element = |bytes: &[u8]| parse(bytes).map(|(element, length)| (element.id, element.size, length));
        assert_eq!(element(&[0xA3, 0x85]), Some((0xA3, Some(5), 2)));
        assert_eq!(element(&[0x1A, 0x45, 0xDF, 0xA3, 0x40, 0x20]), Some((0x1A45_DFA3, Some(32), 6)));
        assert_eq!(element(&[0x1F, 0x43, 0xB6, 0x75, 0xFF]), Some((0x1F43_B675, None, 5)));
        assert_eq!(element(&[0xA3, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Some((0xA3, None, 9)));
        assert_eq!(element(&[0x00, 0x85]), None);
        assert_eq!(element(&[0xA3]), None);
        assert_eq!(signed(&[0xFF]), -1);
        assert_eq!(signed(&[0x00, 0xC8]), 200);
        assert_eq!((float(&[0x3F, 0x80, 0, 0]), float(&[])), (1.0, 0.0));
    }

    #[test]
    fn children_end_at_what_is_no_element() {
        let bytes = [0xD7, 0x81, 1, 0x83, 0x81, 2, 0x86, 0x85, b'A'];
        let found: Vec<(u32, &[u8])> = children(&bytes).collect();
        assert_eq!(found, [(0xD7, &[1][..]), (0x83, &[2][..])]);
    }
}
