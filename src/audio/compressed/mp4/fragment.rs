//! Movie fragments (`moof`, ISO/IEC 14496-12 §8.8): places of a track's packets.

use super::boxes::{boxes, find, u32_at, u64_at};
use super::place::Place;

/// Packets of a fragment, at most: a fragment of an hour has 170,000 of 1024 samples at 48 kHz.
const MOST_PACKETS: usize = 1 << 20;

/// The places of the packets of track `id` in the fragment that begins at byte `begins`.
pub(super) fn places(fragment: &[u8], begins: u64, id: u32) -> Vec<Place> {
    let mut places = Vec::new();
    for part in boxes(fragment).filter(|found| &found.kind == b"traf") {
        let Some(header) = find(part.body, b"tfhd").and_then(Header::parse).filter(|header| header.id == id) else {
            continue;
        };
        let base = header.base.unwrap_or(begins);
        let mut position = base;
        for run in boxes(part.body).filter(|found| &found.kind == b"trun") {
            if add_run(run.body, base, &header, &mut position, &mut places).is_none() {
                break;
            }
        }
    }
    places
}

/// A track fragment's header.
struct Header {
    id: u32,
    base: Option<u64>,
    duration: Option<u32>,
    size: Option<u32>,
}

impl Header {
    fn parse(body: &[u8]) -> Option<Self> {
        let (flags, id) = (u32_at(body, 0)?, u32_at(body, 4)?);
        let mut at = 8;
        let base = if flags & 1 != 0 { Some(u64_at(body, at)?) } else { None };
        at += if flags & 1 != 0 { 8 } else { 0 };
        let mut field = |flag: u32| {
            if flags & flag == 0 {
                return None;
            }
            at += 4;
            u32_at(body, at - 4)
        };
        let _description = field(2);
        Some(Self { id, base, duration: field(8), size: field(0x10) })
    }
}

/// Adds the packets of a track run. `None` if it is damaged.
fn add_run(body: &[u8], base: u64, header: &Header, position: &mut u64, places: &mut Vec<Place>) -> Option<()> {
    let (flags, count) = (u32_at(body, 0)?, u32_at(body, 4)? as usize);
    let mut at = 8;
    if flags & 1 != 0 {
        *position = base.checked_add_signed(u32_at(body, at)?.cast_signed().into())?;
        at += 4;
    }
    at += if flags & 4 != 0 { 4 } else { 0 };
    for _ in 0..count.min(MOST_PACKETS) {
        let mut field = |flag: u32, default: Option<u32>| {
            if flags & flag == 0 {
                return default;
            }
            at += 4;
            u32_at(body, at - 4)
        };
        let duration = field(0x100, Some(header.duration.unwrap_or(0)))?;
        let size = field(0x200, header.size)?;
        field(0x400, Some(0))?;
        field(0x800, Some(0))?;
        places.push(Place { offset: *position, size, duration });
        *position = position.checked_add(size.into())?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8], words: &[u32], inner: &[u8]) -> Vec<u8> {
        let body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).chain(inner.iter().copied()).collect();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    #[test]
    fn runs_are_placed_from_the_fragments_first_byte() {
        let of_track = |id| {
            let run = boxed(b"trun", &[0x0000_0301, 2, 100, 1024, 30, 960, 40], &[]);
            boxed(b"traf", &[], &[boxed(b"tfhd", &[0x0002_0000, id], &[]), run].concat())
        };
        let fragment = [boxed(b"mfhd", &[0, 1], &[]), of_track(3), of_track(2)].concat();
        let found = places(&fragment, 1000, 2);
        assert_eq!(
            found,
            [Place { offset: 1100, size: 30, duration: 1024 }, Place { offset: 1130, size: 40, duration: 960 }]
        );
        let defaults = boxed(b"tfhd", &[0x0002_0018, 2, 512, 11], &[]);
        let run = boxed(b"trun", &[0, 3], &[]);
        let found = places(&boxed(b"traf", &[], &[defaults, run].concat()), 10, 2);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], Place { offset: 32, size: 11, duration: 512 });
        for end in 0..fragment.len() {
            let _ = places(&fragment[..end], 1000, 2);
        }
    }
}
