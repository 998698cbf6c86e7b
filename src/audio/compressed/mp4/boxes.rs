//! Boxes of ISO base media files (ISO/IEC 14496-12 §4.2): a size, a type of four characters, and
//! contents, which may be boxes.

/// A box in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Box<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
}

/// The boxes in `bytes`. A box that claims more than is there has what is there.
pub(super) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = Box<'_>> {
    std::iter::from_fn(move || {
        let (kind, header, size) = header(bytes)?;
        let size = if size == 0 { bytes.len() as u64 } else { size };
        let end = (size.max(header as u64) as usize).min(bytes.len());
        let found = Box { kind, body: &bytes[header..end] };
        bytes = &bytes[end..];
        Some(found)
    })
}

/// Type, size of the header, and size with the header of the box at the start of `bytes`; a size of
/// 0 means to the end. `None` where the header is incomplete.
pub(super) fn header(bytes: &[u8]) -> Option<([u8; 4], usize, u64)> {
    let &[s0, s1, s2, s3, k0, k1, k2, k3] = bytes.first_chunk()?;
    let kind = [k0, k1, k2, k3];
    match u32::from_be_bytes([s0, s1, s2, s3]) {
        1 => Some((kind, 16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?))),
        size => Some((kind, 8, size.into())),
    }
}

/// The body of the first box of a type.
pub(super) fn find<'a>(bytes: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    boxes(bytes).find(|found| found.kind == kind).map(|found| found.body)
}

/// The body at the end of a path of types.
pub(super) fn at<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| find(bytes, &kind[..]))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&word| u16::from_be_bytes(word))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&word| u32::from_be_bytes(word))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|&word| u64::from_be_bytes(word))
}

/// The entries of a table: version and flags, a count, and that many entries of `size` bytes; fewer
/// where the box ends before.
pub(super) fn table(body: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let count = u32_at(body, 4).unwrap_or(0) as usize;
    body.get(8..).unwrap_or_default().chunks_exact(size).take(count)
}
