//! Blocks: the frames of a track at a time, with or without lacing (RFC 9559 §10).
//!
//! ```text
//! track (variable size)   timestamp i16, relative to the cluster   flags u8: 0x06 lacing
//! lacing: number of frames - 1, their sizes (Xiph: runs of 255; EBML: the first, then differences)
//! ```

use super::ebml;

/// A parsed block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// Time units after the cluster's timestamp.
    pub(super) offset: i16,
    pub(super) frames: Vec<&'a [u8]>,
}

/// Number of the track of a block.
pub(super) fn track(block: &[u8]) -> Option<u64> {
    ebml::integer(block)?.0
}

/// Parses a block; `None` for one whose sizes contradict each other.
pub(super) fn parse(block: &[u8]) -> Option<Block<'_>> {
    let (_, track_bytes) = ebml::integer(block)?;
    let [t1, t0, flags] = *block.get(track_bytes..)?.first_chunk()?;
    let body = &block[track_bytes + 3..];
    let frames = match flags & 0x06 {
        0 => vec![body],
        0x04 => fixed(body)?,
        lacing => laced(body, lacing == 0x02)?,
    };
    Some(Block { offset: i16::from_be_bytes([t1, t0]), frames })
}

/// Frames of equal sizes.
fn fixed(body: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, data) = (usize::from(*body.first()?) + 1, &body[1..]);
    if data.is_empty() || data.len() % count != 0 {
        return None;
    }
    Some(data.chunks_exact(data.len() / count).collect())
}

/// Frames with their sizes in front, but for that of the last one.
fn laced(body: &[u8], xiph: bool) -> Option<Vec<&[u8]>> {
    let (count, mut data) = (usize::from(*body.first()?) + 1, &body[1..]);
    let mut sizes: Vec<usize> = Vec::new();
    while sizes.len() + 1 < count {
        let (size, bytes) = match sizes.last() {
            _ if xiph => xiph_size(data)?,
            None => {
                let (size, bytes) = ebml::integer(data)?;
                (usize::try_from(size?).ok()?, bytes)
            }
            Some(&last) => {
                let (code, bytes) = ebml::integer(data)?;
                let bias = (1_i64 << (7 * bytes - 1)) - 1;
                (usize::try_from(last as i64 + code.unwrap_or((1 << (7 * bytes)) - 1) as i64 - bias).ok()?, bytes)
            }
        };
        data = data.get(bytes..)?;
        sizes.push(size);
    }
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        frames.push(data.get(..size)?);
        data = &data[size..];
    }
    frames.push(data);
    Some(frames)
}

/// A size as a run of bytes that ends with one below 255.
fn xiph_size(data: &[u8]) -> Option<(usize, usize)> {
    let bytes = data.iter().position(|&byte| byte < 255)? + 1;
    Some((data[..bytes].iter().map(|&byte| usize::from(byte)).sum(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(flags: u8, body: &[u8]) -> Option<Vec<Vec<u8>>> {
        let block = [&[0x81, 0xFF, 0xFE, flags][..], body].concat();
        assert_eq!(track(&block), Some(1));
        let block = parse(&block)?;
        assert_eq!(block.offset, -2);
        Some(block.frames.into_iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn all_lacings_are_read() {
        assert_eq!(frames(0x80, b"abc").unwrap(), [b"abc"]);
        assert_eq!(frames(0x04, b"\x01abcd").unwrap(), [b"ab", b"cd"]);
        assert_eq!(frames(0x02, b"\x02\x01\x02abbccc").unwrap(), [&b"a"[..], b"bb", b"ccc"]);
        // EBML: 2, then one less (63 - 1 = 62 with its marker 0xBE)
        assert_eq!(frames(0x06, b"\x02\x82\xBEaabccc").unwrap(), [&b"aa"[..], b"b", b"ccc"]);
        for (flags, body) in [(0x04, &b"\x01abc"[..]), (0x02, b"\x01\x09a"), (0x06, b"\x02\x81"), (0x02, b"")] {
            assert_eq!(frames(flags, body), None);
        }
    }
}
