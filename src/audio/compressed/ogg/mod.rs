//! Ogg demultiplexer: pages to the packets of the first audio stream (RFC 3533; Vorbis I
//! specification §A; Ogg mapping of FLAC 1.0).
//!
//! Every page is verified by its checksum and its number. A page that is damaged or missing is
//! reported as lost packets; the granule position of the next page tells how much audio it held.

mod page;

use std::collections::VecDeque;

use self::page::{Found, Page};
use super::codecs::{Coding, Parameters};
use super::demux::{CodedPacket, Demux, Event, Group};
use crate::audio::probe::SUPPORTED;
use crate::audio::source::Source;
use crate::error::{Error, Result};

/// Largest packet, bytes. Vorbis packets have at most some 10 kB, its setup header and comments
/// with pictures more.
const LARGEST_PACKET: usize = 16 << 20;
/// Pages of headers that are read at most.
const MOST_HEADER_PAGES: usize = 4096;

/// Demultiplexer of one logical stream.
pub(super) struct OggReader {
    source: Source,
    serial: u32,
    next_number: u32,
    /// Beginning of a packet that continues on the next page.
    partial: Option<Vec<u8>>,
    /// Groups that may still turn out to be the last.
    held: Option<Group>,
    queue: VecDeque<Event>,
    /// Damage since the last page of the stream.
    damage: Option<String>,
    saw_end: bool,
    ended: bool,
}

/// Header packets that come before the audio, by coding.
enum Headers {
    /// Identification, comment, setup.
    Vorbis,
    /// The first, and this number of metadata blocks; 0 is unknown.
    Flac(u16),
    /// Identification, comment (RFC 7845).
    Opus,
}

impl OggReader {
    /// Reads the headers. The source must be at the first page.
    pub(super) fn new(mut source: Source) -> Result<(Self, Parameters)> {
        let (first, headers) = first_audio_page(&mut source)?;
        let mut reader = Self {
            source,
            serial: first.serial,
            next_number: first.number.wrapping_add(1),
            partial: None,
            held: None,
            queue: VecDeque::new(),
            damage: None,
            saw_end: false,
            ended: false,
        };
        let identification = first.pieces.first().map(|(bytes, _)| bytes.clone()).unwrap_or_default();
        let parameters = reader.read_headers(&identification, &headers)?;
        Ok((reader, parameters))
    }

    /// Reads the header packets after the first. Audio packets on the last page of headers are kept.
    fn read_headers(&mut self, first: &[u8], headers: &Headers) -> Result<Parameters> {
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for _ in 0..MOST_HEADER_PAGES {
            let Some(page) = self.next_page()? else { break };
            let (mut complete, granule, is_last) = (self.assemble(&page), page.granule, page.is_last);
            if !self.queue.is_empty() {
                break;
            }
            while !complete.is_empty() {
                let is_audio = match headers {
                    Headers::Vorbis => packets.len() == 2,
                    Headers::Opus => packets.len() == 1,
                    Headers::Flac(0) => complete[0].first() == Some(&0xFF),
                    Headers::Flac(count) => packets.len() == usize::from(*count),
                };
                if is_audio {
                    break;
                }
                packets.push(complete.remove(0));
            }
            let done = match headers {
                Headers::Vorbis => packets.len() == 2,
                Headers::Opus => packets.len() == 1,
                Headers::Flac(0) => !complete.is_empty(),
                Headers::Flac(count) => packets.len() == usize::from(*count),
            };
            if done {
                if !complete.is_empty() {
                    self.hold(complete, granule, is_last);
                }
                self.saw_end |= is_last;
                return parameters(headers, first, &packets);
            }
        }
        Err(Error::malformed("Ogg", "its headers are damaged or incomplete; get the file again"))
    }

    /// The next page of this stream, after events for what is missing before it. `None` at the end,
    /// for which the events are queued.
    fn next_page(&mut self) -> Result<Option<Page>> {
        loop {
            match page::next(&mut self.source)? {
                Found::Page(page) if page.serial == self.serial && !self.saw_end => {
                    let missing = page.number.wrapping_sub(self.next_number);
                    if missing > u32::MAX / 2 {
                        self.broken("page numbers run backwards: two recordings joined?".to_owned());
                        return Ok(None);
                    }
                    self.next_number = page.number.wrapping_add(1);
                    let damage = self.damage.take();
                    if missing > 0 {
                        self.flush();
                        self.partial = None;
                        let what = damage.unwrap_or_else(|| format!("{missing} Ogg page(s) are missing"));
                        self.queue.push_back(Event::Lost(missing.into(), what));
                    } else if let Some(what) = damage {
                        self.queue.push_back(Event::Odd(format!("{what}; no page is missing")));
                    }
                    return Ok(Some(page));
                }
                Found::Page(page) if page.is_first || page.serial == self.serial => {
                    self.broken("a second stream follows the first: two recordings joined?".to_owned());
                    return Ok(None);
                }
                Found::Page(_) => {} // of a stream beside this one
                Found::Damage { at, bytes } => {
                    self.damage.get_or_insert_with(|| format!("the Ogg data at byte {at} ({bytes} bytes) are damaged"));
                }
                Found::Cut(at) => {
                    let what = format!("the input ends within the Ogg page at byte {at}");
                    if self.saw_end {
                        self.queue.push_back(Event::Odd(what));
                        self.finish();
                    } else {
                        self.broken(what);
                    }
                    return Ok(None);
                }
                Found::End => {
                    self.finish();
                    return Ok(None);
                }
            }
        }
    }

    /// Queues what the end of the input means.
    fn finish(&mut self) {
        let damage = self.damage.take();
        if self.saw_end {
            self.flush();
            self.queue.extend(damage.map(|what| Event::Odd(format!("{what}, behind the last page; passed over"))));
        } else if let Some(what) = damage {
            return self.broken(format!("{what}, and no page follows them"));
        } else if self.partial.is_some() {
            return self.broken("the input ends within a packet".to_owned());
        } else {
            if let Some(held) = &mut self.held {
                held.is_last = true;
            }
            self.flush();
            let what = "the Ogg stream has no end flag: its recorder stopped early, or it is cut between two pages";
            self.queue.push_back(Event::Odd(what.to_owned()));
        }
        self.queue.push_back(Event::End);
        self.ended = true;
    }

    fn broken(&mut self, what: String) {
        self.flush();
        self.queue.extend([Event::Broken(what), Event::End]);
        self.ended = true;
    }

    fn flush(&mut self) {
        self.queue.extend(self.held.take().map(Event::Group));
    }

    fn hold(&mut self, packets: Vec<Vec<u8>>, granule: Option<i64>, is_last: bool) {
        self.flush();
        let packets = packets.into_iter().map(|bytes| CodedPacket { bytes, frames: None }).collect();
        self.held = Some(Group { packets, starts_at: None, ends_at: granule.filter(|&end| end >= 0), is_last });
    }

    /// The packets that end on a page.
    fn assemble(&mut self, page: &Page) -> Vec<Vec<u8>> {
        let mut partial = self.partial.take();
        if partial.is_some() != page.continues {
            let what = "a packet continues from, or onto, another page than the next".to_owned();
            if partial.take().is_some() || !page.is_first {
                self.queue.push_back(Event::Lost(1, what));
            }
        }
        let mut complete = Vec::new();
        for (index, (piece, ends)) in page.pieces.iter().enumerate() {
            let is_rest_of_lost = index == 0 && page.continues && partial.is_none();
            let mut packet = partial.take().unwrap_or_default();
            packet.extend_from_slice(piece);
            if is_rest_of_lost || packet.len() > LARGEST_PACKET {
                continue;
            }
            if *ends {
                complete.push(packet);
            } else {
                partial = Some(packet);
            }
        }
        self.partial = partial;
        complete
    }
}

impl Demux for OggReader {
    fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(event);
            }
            if self.ended {
                return Ok(Event::End);
            }
            if let Some(page) = self.next_page()? {
                let packets = self.assemble(&page);
                let (granule, is_last) = (page.granule, page.is_last);
                self.saw_end |= is_last;
                if !packets.is_empty() || is_last {
                    let behind = std::mem::take(&mut self.queue);
                    self.hold(packets, granule, is_last);
                    self.queue.extend(behind);
                }
            }
        }
    }
}

/// Reads the first pages of all streams and selects the first with a supported coding.
fn first_audio_page(source: &mut Source) -> Result<(Page, Headers)> {
    let mut name = None;
    for _ in 0..64 {
        match page::next(source)? {
            Found::Page(page) if page.is_first => {
                let packet = page.pieces.first().map(|(bytes, _)| &bytes[..]).unwrap_or_default();
                match packet {
                    [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => return Ok((page, Headers::Vorbis)),
                    [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => return Ok((page, Headers::Opus)),
                    [0x7F, b'F', b'L', b'A', b'C', 1, _, high, low, ..] => {
                        let count = u16::from_be_bytes([*high, *low]);
                        return Ok((page, Headers::Flac(count)));
                    }
                    _ => name = name.or(coding_name(packet)),
                }
            }
            Found::Page(_) | Found::End => break,
            Found::Damage { at, .. } | Found::Cut(at) => {
                return Err(Error::malformed(
                    "Ogg",
                    format!("its first pages are damaged (byte {at}); get the file again"),
                ));
            }
        }
    }
    let name = name.unwrap_or("an unknown coding");
    Err(Error::Unsupported(format!("audio coded as {name}; {SUPPORTED}")))
}

/// The coding of a stream by its first packet.
fn coding_name(packet: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 5] = [
        (b"Speex   ", "Speex"),
        (b"\x80theora", "Theora, a video"),
        (b"fishead\0", "a skeleton alone"),
        (b"BBCD\0", "Dirac, a video"),
        (b"\x7FFLAC", "FLAC in a version of the Ogg mapping other than 1"),
    ];
    known.iter().find(|(magic, _)| packet.starts_with(magic)).map(|(_, name)| *name)
}

fn parameters(headers: &Headers, first: &[u8], packets: &[Vec<u8>]) -> Result<Parameters> {
    let damaged = || Error::malformed("Ogg", "its headers are damaged; get the file again");
    match headers {
        Headers::Opus => Ok(Parameters { extra: first.to_vec(), ..Parameters::new(Coding::Opus) }),
        Headers::Vorbis => {
            let setup = packets.get(1).ok_or_else(damaged)?;
            Ok(Parameters { extra: [first, setup].concat(), ..Parameters::new(Coding::Vorbis) })
        }
        Headers::Flac(_) => {
            // 0x7F `FLAC`, version 2 bytes, number of packets 2 bytes, `fLaC`, block header, STREAMINFO
            let info = first.get(17..51).ok_or_else(damaged)?;
            Ok(Parameters { extra: info.to_vec(), ..Parameters::new(Coding::Flac) })
        }
    }
}
