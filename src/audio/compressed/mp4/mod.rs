//! MP4, M4A and MOV demultiplexer (ISO/IEC 14496-12): the packets of the first audio track in the
//! order of the file, without seeking once the index is known.
//!
//! The index (`moov`) of a file may come after the audio; a pipe must have it in front. Fragments
//! (`moof`) are read as they come.

mod boxes;
mod fragment;
mod place;
mod track;

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};

use self::boxes::find;
use self::place::Place;
use self::track::{Edit, Track};
use super::codecs::{Coding, Parameters};
use super::demux::{CodedPacket, Demux, Event, Group};
use crate::audio::source::{Seekable, Source};
use crate::error::{Error, Result};

/// Largest index that is read, bytes: 10 hours of packets of 20 ms have 15 MB.
const LARGEST_INDEX: u64 = 256 << 20;
/// Largest packet, bytes.
const LARGEST_PACKET: u32 = 16 << 20;
/// Bytes of PCM in a packet, at most.
const PCM_BYTES: usize = 48 * 1024;

/// What the index promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    /// Units per second.
    pub(super) timescale: u32,
    /// Duration of all packets, in units. `None` where the tables contradict each other, or where
    /// fragments follow.
    pub(super) duration: Option<u64>,
    pub(super) edit: Option<Edit>,
}

/// Demultiplexer of one track.
pub(super) struct Mp4Reader {
    source: Source,
    track: Track,
    places: VecDeque<Place>,
    /// Number of packets so far.
    index: u64,
    fragmented: bool,
    queue: VecDeque<Event>,
    ended: bool,
}

impl Mp4Reader {
    /// Reads the index.
    pub(super) fn new(source: Source) -> Result<(Self, Parameters, Promise)> {
        let (source, index) = match source.into_seekable() {
            Ok(Seekable::File(mut file)) => {
                let index = index_of(&mut file)?;
                (Source::from_file(file), index)
            }
            Ok(Seekable::Bytes(mut bytes)) => {
                let index = index_of(&mut bytes)?;
                (Source::from_bytes(bytes.into_inner()), index)
            }
            Err(mut source) => {
                let index = index_in_front(&mut source)?;
                (source, index)
            }
        };
        let track = track::audio_track(&index)?;
        let fragmented = find(&index, b"mvex").is_some();
        let mut queue: VecDeque<Event> = track.odd_edit.clone().into_iter().map(Event::Odd).collect();
        let is_pcm = matches!(track.parameters.coding, Coding::Pcm(..));
        let agrees = track.timed == track.stated;
        if track.timed < track.stated && !fragmented {
            queue.push_back(Event::Odd(format!(
                "the M4A index times {} packets (stts) and sizes {} (stsz); read those with a size",
                track.timed, track.stated
            )));
        }
        let places = if is_pcm { pcm_places(&track) } else { packet_places(&track) };
        let promise = Promise {
            timescale: track.timescale,
            duration: Some(track.duration).filter(|_| !fragmented && (agrees || !is_pcm && track.timed > track.stated)),
            edit: track.edit,
        };
        let parameters = track.parameters.clone();
        if !is_pcm && (track.sizes.len() as u64) < track.stated {
            let what = format!("the M4A index states {} packets and places {}", track.stated, track.sizes.len());
            queue.push_back(Event::Odd(what));
        }
        Ok((Self { source, track, places, index: 0, fragmented, queue, ended: false }, parameters, promise))
    }

    /// Reads the packet at a place.
    fn packet(&mut self, place: Place) -> Result<Event> {
        self.index += 1;
        let index = self.index;
        let at = self.source.position();
        if place.offset < at {
            return Ok(self.broken(format!("packet {index} is at byte {}, before its predecessor's end", place.offset)));
        }
        if place.size > LARGEST_PACKET {
            return Ok(self.broken(format!("packet {index} claims {} bytes", place.size)));
        }
        let gap = place.offset - at;
        if self.source.skip(gap)? < gap {
            return Ok(self.cut(index, place));
        }
        let bytes = self.source.peek(place.size as usize)?.to_vec();
        self.source.consume(bytes.len());
        if bytes.len() < place.size as usize {
            return Ok(self.cut(index, place));
        }
        let packet = CodedPacket { bytes, frames: Some(place.duration.into()).filter(|&duration| duration > 0) };
        Ok(Event::Group(Group { packets: vec![packet], ..Group::default() }))
    }

    fn cut(&mut self, index: u64, place: Place) -> Event {
        let of = index + self.places.len() as u64;
        let end = place.offset + u64::from(place.size);
        self.broken(format!(
            "packet {index} of {of} ends at byte {end}, the input at byte {}: it is truncated",
            self.source.position()
        ))
    }

    fn broken(&mut self, what: String) -> Event {
        self.ended = true;
        Event::Broken(what)
    }

    /// Reads boxes up to the next fragment with packets of the track. False at the end.
    fn next_fragment(&mut self) -> Result<bool> {
        loop {
            let begins = self.source.position();
            let head = self.source.peek(16)?;
            let Some((kind, _, size)) = boxes::header(head) else {
                if !head.is_empty() {
                    self.queue.push_back(Event::Broken(format!("the input ends within the box at byte {begins}")));
                }
                return Ok(false);
            };
            if &kind != b"moof" {
                let size = if size == 0 { u64::MAX } else { size.max(8) };
                let there = self.source.skip(size)?;
                if there < size && size != u64::MAX {
                    let name = kind.escape_ascii().to_string();
                    self.queue
                        .push_back(Event::Broken(format!("the input ends within the `{name}` box at byte {begins}")));
                    return Ok(false);
                }
                continue;
            }
            let body = self.source.peek(size.min(LARGEST_INDEX) as usize)?.to_vec();
            if (body.len() as u64) < size {
                self.queue.push_back(Event::Broken(format!("the input ends within the fragment at byte {begins}")));
                return Ok(false);
            }
            self.source.consume(body.len());
            let body = find(&body, b"moof").unwrap_or_default();
            self.places.extend(fragment::places(body, begins, self.track.id));
            if !self.places.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl Demux for Mp4Reader {
    fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                self.ended |= matches!(event, Event::Broken(_));
                return Ok(event);
            }
            if self.ended {
                return Ok(Event::End);
            }
            if let Some(place) = self.places.pop_front() {
                return self.packet(place);
            }
            self.ended = !self.fragmented || !self.next_fragment()?;
        }
    }
}

fn packet_places(track: &Track) -> VecDeque<Place> {
    let durations = track.times.iter().flat_map(|&(count, duration)| std::iter::repeat_n(duration, count as usize));
    let unknown = std::iter::repeat(0);
    let places = track.offsets.iter().zip(&track.sizes).zip(durations.chain(unknown));
    places.map(|((&offset, &size), duration)| Place { offset, size, duration }).collect()
}

/// Chunks of PCM, divided into blocks of whole frames.
fn pcm_places(track: &Track) -> VecDeque<Place> {
    let Coding::Pcm(coding, _) = track.parameters.coding else { return VecDeque::new() };
    let frame = (coding.bytes() * usize::from(track.parameters.channels)).max(1);
    let most = (PCM_BYTES / frame).max(1) * frame;
    let mut places = VecDeque::new();
    for (&offset, &size) in track.offsets.iter().zip(&track.sizes) {
        for from in (0..size).step_by(most) {
            let size = (size - from).min(most as u32);
            places.push_back(Place { offset: offset + u64::from(from), size, duration: size / frame as u32 });
        }
    }
    places
}

fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("M4A", what)
}

/// Finds the index in a file and reads it; leaves the file at its first byte.
fn index_of(file: &mut (impl Read + Seek)) -> Result<Vec<u8>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    let mut index = None;
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        let n = (end - at).min(16) as usize;
        file.read_exact(&mut head[..n])?;
        let Some((kind, header, size)) = boxes::header(&head[..n]) else { break };
        let size = if size == 0 { end - at } else { size.max(8) };
        if &kind == b"moov" {
            let body = size - header.min(size as usize) as u64;
            if body > LARGEST_INDEX || at + size > end {
                return Err(malformed(format!(
                    "its index (moov) at byte {at} claims {size} bytes, the file ends at byte {end}; get the file again"
                )));
            }
            file.seek(SeekFrom::Start(at + header as u64))?;
            let mut read = Vec::new();
            file.by_ref().take(body).read_to_end(&mut read)?;
            index = Some(read);
            break;
        }
        at = at.saturating_add(size);
    }
    file.rewind()?;
    index.ok_or_else(|| {
        malformed(
            "its index (moov) is missing: the recorder stopped before it wrote it, or the file is truncated; get the file again",
        )
    })
}

/// Reads up to the index and reads that, from a stream.
fn index_in_front(source: &mut Source) -> Result<Vec<u8>> {
    loop {
        let at = source.position();
        let Some((kind, header, size)) = boxes::header(source.peek(16)?) else {
            return Err(malformed("the input ends before its index (moov); get the file again"));
        };
        match &kind {
            b"moov" => {
                let there = source.peek(size.min(LARGEST_INDEX) as usize)?.to_vec();
                if (there.len() as u64) < size {
                    return Err(malformed(format!(
                        "its index (moov) at byte {at} claims {size} bytes, the input has {}; get the file again",
                        there.len()
                    )));
                }
                source.consume(there.len());
                return Ok(there.get(header..).unwrap_or_default().to_vec());
            }
            b"mdat" | b"moof" => {
                return Err(malformed(
                    "its index comes after the audio, where a pipe cannot reach it, or is missing: pass the file instead, or \
                     rewrite it: ffmpeg -i IN -c copy -movflags +faststart OUT.m4a",
                ));
            }
            _ => {
                source.skip(if size == 0 { u64::MAX } else { size.max(8) })?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn the_index_is_found_in_front_and_behind() {
        let moov = boxed(b"moov", b"index");
        let front = [boxed(b"ftyp", b"M4A "), moov.clone(), boxed(b"mdat", &[7; 100])].concat();
        let behind = [boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[7; 100]), moov].concat();
        for bytes in [&front, &behind] {
            assert_eq!(index_of(&mut Cursor::new(bytes.clone())).unwrap(), b"index");
        }
        let mut pipe = Source::new(Cursor::new(front));
        assert_eq!(index_in_front(&mut pipe).unwrap(), b"index");
        let error = index_in_front(&mut Source::new(Cursor::new(behind.clone()))).unwrap_err().to_string();
        assert!(error.contains("a pipe cannot reach"), "{error}");
        for end in 0..behind.len() {
            assert!(index_of(&mut Cursor::new(behind[..end].to_vec())).is_err(), "{end}");
        }
    }
}
