//! The audio track of a movie box: coding, tables of its packets, edit list (ISO/IEC 14496-12 §8;
//! QuickTime File Format, sound sample descriptions).

use super::boxes::{at, boxes, find, table, u16_at, u32_at, u64_at};
use crate::audio::compressed::codecs::{Coding, Parameters};
use crate::audio::probe::SUPPORTED;
use crate::audio::wav::format::Coding as PcmCoding;
use crate::error::{Error, Result};

/// Priming that iTunes states may be this long, frames.
const LONGEST_PRIMING: u64 = 16_384;

/// A track.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) parameters: Parameters,
    /// Units per second of the media's times.
    pub(super) timescale: u32,
    /// Number of packets by their durations (`stts`), and the sum of these.
    pub(super) timed: u64,
    pub(super) duration: u64,
    /// Size of each packet in bytes; of PCM, of each chunk.
    pub(super) sizes: Vec<u32>,
    /// Number of packets that the size table states.
    pub(super) stated: u64,
    /// Position of each packet in the file.
    pub(super) offsets: Vec<u64>,
    /// Numbers of packets, each with their duration in media units.
    pub(super) times: Vec<(u32, u32)>,
    pub(super) edit: Option<Edit>,
    /// What is odd about the edit list.
    pub(super) odd_edit: Option<String>,
}

/// The part of the media that is presented, in media units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio::compressed) struct Edit {
    pub(in crate::audio::compressed) start: u64,
    /// `None`: to the end.
    pub(in crate::audio::compressed) duration: Option<u64>,
}

fn malformed(what: &str) -> Error {
    Error::malformed("M4A", format!("{what}; get the file again"))
}

/// The first audio track of a movie box.
pub(super) fn audio_track(movie: &[u8]) -> Result<Track> {
    let movie_timescale = find(movie, b"mvhd").and_then(timescale).unwrap_or(0);
    let mut first_error = None;
    for track in boxes(movie).filter(|found| &found.kind == b"trak") {
        let is_audio = at(track.body, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)) == Some(b"soun");
        if !is_audio {
            continue;
        }
        match parse(track.body, movie, movie_timescale) {
            Ok(track) => return Ok(track),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error
        .unwrap_or_else(|| Error::Unsupported(format!("M4A without an audio track of a known coding; {SUPPORTED}"))))
}

/// The time scale of `mvhd` or `mdhd`.
fn timescale(body: &[u8]) -> Option<u32> {
    u32_at(body, if body.first() == Some(&1) { 20 } else { 12 })
}

fn parse(track: &[u8], movie: &[u8], movie_timescale: u32) -> Result<Track> {
    let id = find(track, b"tkhd").and_then(|b| u32_at(b, if b.first() == Some(&1) { 20 } else { 12 }));
    let timescale = at(track, &[b"mdia", b"mdhd"]).and_then(timescale).filter(|&hz| hz > 0);
    let tables = at(track, &[b"mdia", b"minf", b"stbl"]).ok_or_else(|| malformed("its index (stbl) is missing"))?;
    let description = find(tables, b"stsd").ok_or_else(|| malformed("its sample description (stsd) is missing"))?;
    let parameters = sample_entry(description)?;
    let times = find(tables, b"stts").unwrap_or_default();
    let times: Vec<(u32, u32)> =
        table(times, 8).filter_map(|entry| Some((u32_at(entry, 0)?, u32_at(entry, 4)?))).collect();
    let (sizes, stated) = sizes(tables, &parameters)?;
    let mut parsed = Track {
        id: id.unwrap_or(0),
        timescale: timescale.ok_or_else(|| malformed("its media header (mdhd) is damaged"))?,
        timed: times.iter().map(|(count, _)| u64::from(*count)).sum(),
        duration: times
            .iter()
            .fold(0, |sum, (count, delta)| u64::saturating_add(sum, u64::from(*count) * u64::from(*delta))),
        sizes: Vec::new(),
        stated,
        offsets: Vec::new(),
        times,
        edit: None,
        odd_edit: None,
        parameters,
    };
    place(tables, &sizes, &mut parsed);
    (parsed.edit, parsed.odd_edit) = edit(track, movie_timescale, parsed.timescale);
    if parsed.edit.is_none() && parsed.parameters.coding == Coding::Aac {
        let start = itunes_priming(movie, track).filter(|&start| start > 0 && start < LONGEST_PRIMING);
        parsed.edit = start.map(|start| Edit { start, duration: None });
    }
    Ok(parsed)
}

/// Sizes of the packets (`stsz`), and their number as stated. Empty for PCM, whose samples have one
/// size.
fn sizes(tables: &[u8], parameters: &Parameters) -> Result<(Vec<u32>, u64)> {
    if find(tables, b"stz2").is_some() {
        return Err(Error::Unsupported(format!("M4A with compact sizes (stz2); {SUPPORTED}")));
    }
    let body = find(tables, b"stsz").unwrap_or_default();
    let (size, count) = (u32_at(body, 4).unwrap_or(0), u32_at(body, 8).unwrap_or(0));
    let listed = if matches!(parameters.coding, Coding::Pcm(..)) {
        Vec::new()
    } else if size > 0 {
        // as many as the chunks hold
        vec![size; (count as usize).min(1 << 24)]
    } else {
        let entries = body.get(12..).unwrap_or_default().chunks_exact(4).take(count as usize);
        entries.filter_map(|entry| u32_at(entry, 0)).collect()
    };
    Ok((listed, count.into()))
}

/// Positions of the packets from those of the chunks (`stco`, `co64`) and the packets per chunk
/// (`stsc`).
fn place(tables: &[u8], sizes: &[u32], track: &mut Track) {
    let chunks: Vec<u64> = match (find(tables, b"stco"), find(tables, b"co64")) {
        (Some(body), _) => table(body, 4).filter_map(|entry| u32_at(entry, 0)).map(u64::from).collect(),
        (None, Some(body)) => table(body, 8).filter_map(|entry| u64_at(entry, 0)).collect(),
        (None, None) => Vec::new(),
    };
    let runs: Vec<(u32, u32)> = table(find(tables, b"stsc").unwrap_or_default(), 12)
        .filter_map(|entry| Some((u32_at(entry, 0)?, u32_at(entry, 4)?)))
        .collect();
    let pcm_bytes = match track.parameters.coding {
        Coding::Pcm(coding, _) => Some(coding.bytes() as u64 * u64::from(track.parameters.channels)),
        _ => None,
    };
    let (mut run, mut next, mut left) = (0, 0, track.stated);
    for (index, &chunk) in chunks.iter().enumerate() {
        while runs.get(run + 1).is_some_and(|(first, _)| *first as usize <= index + 1) {
            run += 1;
        }
        let count = u64::from(runs.get(run).map_or(0, |(_, count)| *count));
        if let Some(bytes) = pcm_bytes {
            let frames = count.min(left);
            left -= frames;
            track.offsets.push(chunk);
            track.sizes.push(u32::try_from(frames * bytes).unwrap_or(u32::MAX));
            continue;
        }
        let mut position = chunk;
        for _ in 0..count {
            let Some(&size) = sizes.get(next) else { return };
            track.offsets.push(position);
            track.sizes.push(size);
            position += u64::from(size);
            next += 1;
        }
    }
}

/// The edit list, if it presents one continuous part of the media.
fn edit(track: &[u8], movie_timescale: u32, timescale: u32) -> (Option<Edit>, Option<String>) {
    let body = at(track, &[b"edts", b"elst"]).unwrap_or_default();
    let long = body.first() == Some(&1);
    let edits: Vec<(u64, i64)> = table(body, if long { 20 } else { 12 })
        .filter_map(|entry| {
            Some(if long {
                (u64_at(entry, 0)?, u64_at(entry, 8)?.cast_signed())
            } else {
                (u32_at(entry, 0)?.into(), u32_at(entry, 4)?.cast_signed().into())
            })
        })
        .filter(|(_, start)| *start >= 0) // -1: silence before the audio
        .collect();
    match edits[..] {
        [] => (None, None),
        [(duration, start)] => {
            let scaled = u128::from(duration) * u128::from(timescale) / u128::from(movie_timescale.max(1));
            let duration = u64::try_from(scaled).ok().filter(|&d| d > 0 && movie_timescale > 0);
            (Some(Edit { start: start.unsigned_abs(), duration }), None)
        }
        _ => {
            (None, Some(format!("its edit list has {} parts; the whole media was read in its own order", edits.len())))
        }
    }
}

/// Priming in frames as iTunes states it: ` 00000000 PRIMING PADDING LENGTH …` in hexadecimal, in a
/// metadata item named `iTunSMPB`.
fn itunes_priming(movie: &[u8], track: &[u8]) -> Option<u64> {
    [movie, track].into_iter().find_map(|place| {
        let meta = at(place, &[b"udta", b"meta"])?;
        let items = find(meta.get(4..)?, b"ilst")?;
        boxes(items).filter(|item| &item.kind == b"----").find_map(|item| {
            let name = find(item.body, b"name")?;
            let value = find(item.body, b"data")?;
            if name.get(4..) != Some(b"iTunSMPB") {
                return None;
            }
            let text = std::str::from_utf8(value.get(8..)?).ok()?;
            u64::from_str_radix(text.split_whitespace().nth(1)?, 16).ok()
        })
    })
}

/// The first entry of a sample description.
fn sample_entry(description: &[u8]) -> Result<Parameters> {
    let entry = description.get(8..).and_then(|entries| boxes(entries).next());
    let entry = entry.ok_or_else(|| malformed("its sample description (stsd) is empty"))?;
    let body = entry.body;
    let version = u16_at(body, 8).unwrap_or(0);
    let children_at = match version {
        1 if description.first() == Some(&0) => 44,
        2 => 64,
        _ => 28,
    };
    let children = body.get(children_at..).unwrap_or_default();
    // QuickTime wraps the decoder's configuration into `wave`.
    let inner = find(children, b"wave").unwrap_or(children);
    let missing = || malformed("the configuration of its decoder is missing");
    let mut parameters = match &entry.kind {
        b"mp4a" => {
            let configuration = find(inner, b"esds").or_else(|| find(children, b"esds")).ok_or_else(missing)?;
            Parameters { extra: audio_specific_config(configuration)?, ..Parameters::new(Coding::Aac) }
        }
        b"alac" => {
            let cookie = find(inner, b"alac").and_then(|body| body.get(4..)).ok_or_else(missing)?;
            Parameters { extra: cookie.to_vec(), ..Parameters::new(Coding::Alac) }
        }
        b"fLaC" => {
            let info = find(children, b"dfLa").and_then(|body| body.get(8..42)).ok_or_else(missing)?;
            Parameters { extra: info.to_vec(), ..Parameters::new(Coding::Flac) }
        }
        b"Opus" => {
            let head = find(children, b"dOps").ok_or_else(missing)?;
            Parameters { extra: [b"OpusHead", head].concat(), ..Parameters::new(Coding::Opus) }
        }
        b"enca" | b"drms" => {
            return Err(Error::Unsupported(
                "M4A whose audio is encrypted (DRM); record or export it without protection".to_owned(),
            ));
        }
        kind => match pcm_coding(*kind, version, body, inner, children) {
            Some((coding, big_endian)) => Parameters::new(Coding::Pcm(coding, big_endian)),
            None => return Err(Error::Unsupported(format!("audio coded as {}; {SUPPORTED}", name(*kind)))),
        },
    };
    parameters.channels =
        if version == 2 { u32_at(body, 40).unwrap_or(0) as u16 } else { u16_at(body, 16).unwrap_or(0) };
    let rate = if version == 2 {
        u64_at(body, 32).map(|bits| f64::from_bits(bits) as u32)
    } else {
        u32_at(body, 24).map(|r| r >> 16)
    };
    parameters.sample_rate_hz = rate.unwrap_or(0);
    if matches!(parameters.coding, Coding::Pcm(..)) && parameters.channels == 0 {
        return Err(malformed("it has 0 channels"));
    }
    Ok(parameters)
}

/// PCM codings of QuickTime and ISO/IEC 23003-5, and whether they are big-endian.
fn pcm_coding(kind: [u8; 4], version: u16, body: &[u8], inner: &[u8], children: &[u8]) -> Option<(PcmCoding, bool)> {
    let int = |bits: u16| match bits {
        8 | 16 | 24 | 32 => Some(PcmCoding::Int { bytes: bits / 8, valid_bits: bits }),
        _ => None,
    };
    let float = |bits: u16| match bits {
        32 => Some(PcmCoding::Float32),
        64 => Some(PcmCoding::Float64),
        _ => None,
    };
    let little = find(inner, b"enda").and_then(|body| u16_at(body, 0)) == Some(1);
    let bits = u16_at(body, 18).unwrap_or(16);
    match &kind {
        b"sowt" if bits != 8 => Some((int(bits)?, false)),
        b"twos" if bits != 8 => Some((int(bits)?, true)),
        b"raw " if bits == 8 => Some((int(8)?, false)),
        b"in24" => Some((int(24)?, !little)),
        b"in32" => Some((int(32)?, !little)),
        b"fl32" => Some((PcmCoding::Float32, !little)),
        b"fl64" => Some((PcmCoding::Float64, !little)),
        b"ulaw" => Some((PcmCoding::MuLaw, false)),
        b"alaw" => Some((PcmCoding::ALaw, false)),
        b"lpcm" if version == 2 => {
            let (bits, flags) = (u32_at(body, 48)? as u16, u32_at(body, 52)?);
            let coding = if flags & 1 != 0 { float(bits)? } else { int(bits).filter(|_| bits > 8)? };
            Some((coding, flags & 2 != 0))
        }
        b"ipcm" | b"fpcm" => {
            let [flags, bits] = *find(children, b"pcmC")?.get(4..)?.first_chunk()?;
            let coding = if &kind == b"ipcm" { int(bits.into()).filter(|_| bits > 8)? } else { float(bits.into())? };
            Some((coding, flags & 1 == 0))
        }
        _ => None,
    }
}

/// The AudioSpecificConfig in an elementary stream descriptor (ISO/IEC 14496-1 §7.2.6).
fn audio_specific_config(esds: &[u8]) -> Result<Vec<u8>> {
    let parsed = (|| {
        let stream = descriptor(esds.get(4..)?, 3)?;
        let flags = *stream.get(2)?;
        let url = if flags & 0x40 != 0 { 1 + usize::from(*stream.get(3)?) } else { 0 };
        let optional = 2 * usize::from(flags >> 7) + url + 2 * usize::from((flags >> 5) & 1);
        let decoder = descriptor(stream.get(3 + optional..)?, 4)?;
        Some((*decoder.first()?, decoder.get(13..).and_then(|rest| descriptor(rest, 5)).unwrap_or_default()))
    })();
    match parsed {
        Some((0x40 | 0x66..=0x68, config)) if config.len() >= 2 => Ok(config.to_vec()),
        Some((0x69 | 0x6B, _)) => Err(Error::Unsupported(format!("audio coded as MP3 inside an MP4; {SUPPORTED}"))),
        Some((0x40 | 0x66..=0x68, _)) | None => Err(malformed("the configuration of its AAC decoder is damaged")),
        Some((kind, _)) => Err(Error::Unsupported(format!("audio coded as MPEG-4 object type {kind:#x}; {SUPPORTED}"))),
    }
}

/// The body of a descriptor with a tag: its length is coded in groups of 7 bits.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    if bytes.first() != Some(&tag) {
        return None;
    }
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        length = length << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 || at > 4 {
            break;
        }
    }
    let rest = &bytes[at..];
    Some(&rest[..length.min(rest.len())])
}

fn name(kind: [u8; 4]) -> String {
    match &kind {
        b"ac-3" | b"ec-3" => "Dolby Digital".to_owned(),
        b"samr" | b"sawb" => "AMR".to_owned(),
        b".mp3" => "MP3 inside an MP4".to_owned(),
        b"ima4" => "IMA ADPCM".to_owned(),
        _ => format!("`{}`", kind.escape_ascii()),
    }
}
