//! Container detection by the first bytes; for anything not supported, an error with what it looks
//! like and what to do.

use super::mpeg::{self, FrameHeader, HEADER_BYTES, MAX_FRAME_BYTES};
use super::source::Source;
use super::spec::Container;
use crate::error::{Error, Result};

/// Bytes that are searched for MPEG frames after garbage.
const SCAN_BYTES: usize = 64 * 1024;
/// Consistent headers in a row that rule out chance: one header fits random bytes about once in
/// 4000 positions, and each further one, at the position that the last implies and with the same
/// rate and channels, is at least as improbable.
const SURE_RUN: usize = 4;

/// Ends errors about unsupported formats.
pub(super) const SUPPORTED: &str = "supported are WAV, MP3, FLAC, Ogg (Opus, Vorbis), WebM, M4A, AAC, AIFF, AU, CAF; convert it: \
                                    ffmpeg -i IN OUT.wav";

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Probed {
    pub(super) container: Container,
    /// What stands in front of the container and was passed over.
    pub(super) warning: Option<String>,
}

/// Detects the container. Leaves the source at its first byte: that of `RIFF`, or that of the first
/// MPEG frame, after ID3v2 and APE tags, zeros, line ends, and, in front of MPEG frames, other bytes.
pub(super) fn probe(source: &mut Source) -> Result<Probed> {
    if source.peek(1)?.is_empty() {
        return Err(Error::malformed("audio", "the input is empty (0 bytes); check how it was recorded or copied"));
    }
    if let Some(container) = known_container(source)? {
        return Ok(Probed { container, warning: None });
    }
    let tags = skip_tags(source)?;
    if let Some(container) = known_container(source)? {
        return Ok(Probed { container, warning: None });
    }
    let at = source.position();
    let blank = source.peek(SCAN_BYTES)?.iter().take_while(|byte| matches!(byte, 0 | b'\n' | b'\r' | b' ')).count();
    if blank > 0 && blank < SCAN_BYTES && starts_at(source, blank)? {
        source.consume(blank);
        if let Some(container) = known_container(source)? {
            let what = format!("{blank} zeros or line ends at byte {at}, before the audio; passed over");
            return Ok(Probed { container, warning: Some(what) });
        }
    }
    if let Some(garbage) = mpeg_after_garbage(source)? {
        source.consume(garbage);
        let what = format!(
            "{garbage} bytes at byte {at} are not audio; read from the first MPEG frame on, at byte {}",
            at + garbage as u64
        );
        return Ok(Probed { container: Container::Mp3, warning: Some(what) });
    }
    Err(unknown(source, tags)?)
}

/// The container that begins at the source.
fn known_container(source: &mut Source) -> Result<Option<Container>> {
    let first = source.peek(16)?;
    if first.starts_with(b"RIFF") {
        return riff_form(first).map(Some);
    }
    if let Some(container) = by_magic(first) {
        return Ok(Some(container));
    }
    if begins_with_frames(source)? {
        return Ok(Some(Container::Mp3));
    }
    #[cfg(feature = "formats")]
    if super::adts::begins(source)? {
        return Ok(Some(Container::Adts));
    }
    #[cfg(feature = "formats")]
    if super::pcm::is_gsm(source.peek(16 * 33)?) {
        return Ok(Some(Container::Gsm));
    }
    Ok(None)
}

/// Whether a container may begin `ahead` bytes from the source.
fn starts_at(source: &mut Source, ahead: usize) -> Result<bool> {
    let bytes = source.peek(ahead + 16)?.get(ahead..).unwrap_or_default();
    Ok(bytes.starts_with(b"RIFF") || by_magic(bytes).is_some() || mpeg::header_at(bytes, 0).is_some())
}

/// Skips ID3v2 tags, and APE tags (APEv2: 32 bytes of header, of which bytes 12 to 15 are the size of
/// the rest). Returns the number of bytes skipped.
fn skip_tags(source: &mut Source) -> Result<u64> {
    loop {
        let skipped = skip_id3v2(source)?;
        let head = source.peek(16)?;
        let Some(&[s0, s1, s2, s3]) = head.get(12..).and_then(|size| size.first_chunk()) else { return Ok(skipped) };
        if !head.starts_with(b"APETAGEX") {
            return Ok(skipped);
        }
        source.skip(32 + u64::from(u32::from_le_bytes([s0, s1, s2, s3])))?;
    }
}

/// Number of bytes in front of the first run of MPEG frames, if bytes without another meaning
/// stand in front of one.
fn mpeg_after_garbage(source: &mut Source) -> Result<Option<usize>> {
    let bytes = source.peek(SCAN_BYTES + SURE_RUN * MAX_FRAME_BYTES)?;
    Ok(if known(bytes).is_some() { None } else { first_run(bytes) })
}

/// Containers with a magic number. Their coding, and whether this build decodes it, is known when
/// they are opened.
fn by_magic(first: &[u8]) -> Option<Container> {
    match first {
        [b'f', b'L', b'a', b'C', ..] => Some(Container::Flac),
        [b'O', b'g', b'g', b'S', ..] => Some(Container::Ogg),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Container::Mp4),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(Container::Matroska),
        [b'F', b'O', b'R', b'M', ..] => Some(Container::Aiff),
        [b'.', b's', b'n', b'd', ..] => Some(Container::Au),
        [b'c', b'a', b'f', b'f', ..] => Some(Container::Caf),
        [b'R', b'F' | b'I', b'6' | b'F', b'4' | b'X', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Container::Wav),
        [b'r', b'i', b'f', b'f', 0x2E, 0x91, 0xCF, 0x11, ..] => Some(Container::Wave64),
        _ => None,
    }
}

/// Whether a recording that begins with `first_bytes` (8 or more) should be given to
/// [`Decoder::from_bytes`](super::Decoder::from_bytes) or as a file, not as a stream: the index of
/// an MP4 or M4A file often comes after its audio, where a stream cannot reach it.
pub fn needs_whole_file(first_bytes: &[u8]) -> bool {
    by_magic(first_bytes) == Some(Container::Mp4)
}

/// Checks the form type of a RIFF file: `WAVE`, or something else, such as `AVI `.
fn riff_form(first: &[u8]) -> Result<Container> {
    match first.get(8..12) {
        Some(b"WAVE") => Ok(Container::Wav),
        Some(form) => Err(Error::Unsupported(format!("RIFF of the form `{}`; {SUPPORTED}", form.escape_ascii()))),
        None => Err(Error::malformed(
            "WAV",
            format!("the header ends after {} of 12 bytes; get the file again", first.len()),
        )),
    }
}

/// Skips ID3v2 tags (ID3v2.4 structure §3.1: 10 bytes of header, a size of 4 × 7 bits, an optional
/// footer of 10 bytes). Returns the number of bytes skipped.
fn skip_id3v2(source: &mut Source) -> Result<u64> {
    while let Some([b'I', b'D', b'3', major, _, flags, s3, s2, s1, s0]) = source.peek_array()? {
        if major == 0xFF || [s3, s2, s1, s0].iter().any(|&b| b > 0x7F) {
            break;
        }
        let body = [s3, s2, s1, s0].iter().fold(0, |sum, &b| sum << 7 | u64::from(b));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        let (at, size) = (source.position(), 10 + body + footer);
        let there = source.skip(size)?;
        if there < size || source.peek(1)?.is_empty() {
            return Err(Error::malformed(
                "MP3",
                format!(
                    "the ID3v2 tag at byte {at} claims {size} bytes, the input ends after {there} without audio; get the file again"
                ),
            ));
        }
    }
    Ok(source.position())
}

/// Whether the source begins with two consistent MPEG frames, or with one of layer III that reaches
/// to the end of the input or beyond.
fn begins_with_frames(source: &mut Source) -> Result<bool> {
    let bytes = source.peek(MAX_FRAME_BYTES + HEADER_BYTES)?;
    Ok(match mpeg::header_at(bytes, 0) {
        None => false,
        Some(FrameHeader { layer: 3, frame_bytes, .. }) if bytes.len() < frame_bytes + HEADER_BYTES => true,
        Some(_) => mpeg::run_length(bytes, 0, 2) == 2,
    })
}

/// The error for bytes that no known container begins with.
fn unknown(source: &mut Source, tags: u64) -> Result<Error> {
    let bytes = source.peek(SCAN_BYTES + SURE_RUN * MAX_FRAME_BYTES)?;
    let after = if tags > 0 { format!("after an ID3v2 tag of {tags} bytes, ") } else { String::new() };
    if let Some(name) = known(bytes) {
        return Ok(Error::Unsupported(format!("{after}it looks like {name}; {SUPPORTED}")));
    }
    Ok(Error::Unsupported(format!("{after}{}", appearance(bytes))))
}

/// Offset of the first run of consistent MPEG frame headers.
fn first_run(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len().min(SCAN_BYTES)).find(|&at| mpeg::run_length(bytes, at, SURE_RUN) == SURE_RUN)
}

/// Magic numbers of files that are often given to a speech tool, by habit or mistake: offset,
/// bytes, name.
const KNOWN: &[(usize, &[u8], &str)] = &[
    (0, b"#!AMR-WB", "AMR-WB, a coding of telephones"),
    (0, b"#!AMR", "AMR, a coding of telephones"),
    (0, b"#!SILK_V3", "SILK, as WeChat and QQ write it"),
    (0, b"\x02#!SILK_V3", "SILK, as WeChat and QQ write it"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"\x30\x26\xB2\x75", "Windows Media (WMA)"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MThd", "MIDI, which contains notes and no audio"),
    (0, b"ADIF", "AAC"),
    (0, b"\xFF\xF1", "AAC (ADTS)"),
    (0, b"\xFF\xF9", "AAC (ADTS)"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1F\x8B", "gzip"),
    (0, b"%PDF", "PDF"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xFF\xD8\xFF", "a JPEG image"),
    (0, b"\x7FELF", "a program"),
];

/// The name of a format by its magic number.
fn known(bytes: &[u8]) -> Option<&'static str> {
    KNOWN.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic))).map(|known| known.2)
}

/// Describes bytes without a magic number, and what to do.
fn appearance(bytes: &[u8]) -> String {
    if is_free_format(bytes) {
        return format!("it looks like a free-format MP3, which states no bit rate; {SUPPORTED}");
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return "it is a Git LFS pointer, not the recording itself; fetch that: git lfs pull".to_owned();
    }
    if is_text(bytes) {
        return "it looks like text, not sound; check that it is the right file".to_owned();
    }
    if bytes.iter().all(|&b| b == 0) {
        return format!(
            "the first {} bytes are all zero; the file was never completely written; get it again",
            bytes.len()
        );
    }
    format!("the first bytes ({}) match no known container; {SUPPORTED}", hex(bytes))
}

/// Whether the bytes begin with a layer III header with bit rate index 0.
fn is_free_format(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, b1, b2, b3, ..] => {
            b1 & 0xE6 == 0xE2 && b2 >> 4 == 0 && FrameHeader::parse([0xFF, *b1, b2 | 0x90, *b3]).is_some()
        }
        _ => false,
    }
}

/// Whether the bytes are text: UTF-16 with a byte order mark, or UTF-8 without control characters.
/// A character that is truncated at the end of the look-ahead does not count against it.
fn is_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return true;
    }
    let whole = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return false,
    };
    !whole.is_empty() && whole.chars().all(|c| !c.is_control() || c.is_whitespace())
}

/// Up to eight bytes as `ff fb 90 64`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn probed(bytes: &[u8]) -> Result<Container> {
        probe(&mut Source::new(Cursor::new(bytes.to_vec()))).map(|probed| probed.container)
    }

    /// Frames of silence, MPEG-2 layer III at 16 kHz mono, 144 bytes each.
    fn frames(count: usize) -> Vec<u8> {
        let mut frame = [0; 144];
        frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x48, 0xC0]);
        frame.repeat(count)
    }

    #[test]
    fn supported_containers_are_detected() {
        assert_eq!(probed(b"RIFF\0\0\0\0WAVEfmt ").unwrap(), Container::Wav);
        assert_eq!(probed(&frames(3)).unwrap(), Container::Mp3);
        assert_eq!(probed(&frames(1)).unwrap(), Container::Mp3);
        let tagged = [b"ID3\x03\0\0\0\0\0\x04abcd".to_vec(), frames(2)].concat();
        assert_eq!(probed(&tagged).unwrap(), Container::Mp3);
        assert_eq!(probed(b"fLaC\0\0\0\x22").unwrap(), Container::Flac);
        assert_eq!(probed(b"ID3\x03\0\0\0\0\0\x04abcdfLaC\0\0\0").unwrap(), Container::Flac);
        assert_eq!(probed(b"OggS\0\x02").unwrap(), Container::Ogg);
        for (bytes, container) in [
            (&b"RF64\xFF\xFF\xFF\xFFWAVEds64"[..], Container::Wav),
            (b"BW64\xFF\xFF\xFF\xFFWAVEds64", Container::Wav),
            (b"RIFX\0\0\0\0WAVEfmt ", Container::Wav),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB", Container::Wave64),
            (b"FORM\0\0\0\x2EAIFCFVER", Container::Aiff),
            (b".snd\0\0\0\x18\0\0\0\0", Container::Au),
            (b"caff\0\x01\0\0desc", Container::Caf),
            (b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\xF7\x81", Container::Matroska),
        ] {
            assert_eq!(probed(bytes).unwrap(), container);
        }
        assert_eq!(probed(b"\0\0\0\x20ftypM4A \0\0").unwrap(), Container::Mp4);
    }

    #[test]
    fn the_source_stays_at_the_first_frame() {
        let tagged = [b"ID3\x03\0\0\0\0\0\x04abcd".to_vec(), frames(2)].concat();
        let mut source = Source::new(Cursor::new(tagged));
        probe(&mut source).unwrap();
        assert_eq!(source.position(), 14);
    }

    #[test]
    fn everything_else_is_named_with_what_to_do() {
        let cases: &[(&[u8], &str, &[&str])] = &[
            (b"", "Malformed", &["empty (0 bytes)"]),
            (b"RIFF\0\0", "Malformed", &["ends after 6 of 12 bytes"]),
            (b"RIFF\0\0\0\0AVI LIST", "Unsupported", &["`AVI `", "ffmpeg -i IN OUT.wav"]),
            (b"#!AMR\n\x3C\x91", "Unsupported", &["AMR, a coding of telephones", "ffmpeg -i IN OUT.wav"]),
            (b"\x02#!SILK_V3", "Unsupported", &["SILK"]),
            (b"version https://git-lfs.github.com/spec/v1\noid", "Unsupported", &["Git LFS pointer", "git lfs pull"]),
            (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "Unsupported", &["Windows Media"]),
            (b"NIST_1A\n   1024\n", "Unsupported", &["NIST SPHERE"]),
            (b"speaker,file\n1,a.wav\n", "Unsupported", &["looks like text", "right file"]),
            ("Grüße".as_bytes(), "Unsupported", &["looks like text"]),
            (b"\xFF\xFEh\0e\0l\0l\0o\0", "Unsupported", &["looks like text"]),
            (b"\xFF\xFB\x00\x64\0\0\0\0", "Unsupported", &["free-format MP3"]),
            (&[0; 100], "Unsupported", &["first 100 bytes are all zero"]),
            (b"\x01\x02\x03\x04\x05", "Unsupported", &["01 02 03 04 05", "no known container"]),
            (b"ID3\x03\0\0\0\0\x7F\x7Fabc", "Malformed", &["ID3v2 tag", "claims 16393 bytes", "ends after 13"]),
            (b"ID3\x03\0\0\0\0\0\x04abcdwvpk\0\0\0", "Unsupported", &["after an ID3v2 tag of 14 bytes", "WavPack"]),
        ];
        for (bytes, variant, words) in cases {
            let error = probed(bytes).unwrap_err();
            let found = match error {
                Error::Malformed { .. } => "Malformed",
                Error::Unsupported(_) => "Unsupported",
                _ => "another",
            };
            assert_eq!(found, *variant, "{error}");
            for word in *words {
                assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
            }
        }
    }

    #[test]
    fn frames_after_garbage_are_found_within_64_kib_and_only_in_a_run() {
        let position = |garbage: usize, count| {
            let mut source = Source::new(Cursor::new([vec![0x11; garbage], frames(count)].concat()));
            probe(&mut source).map(|probed| (source.position(), probed.warning)).map_err(|error| error.to_string())
        };
        for garbage in [1, 65_535] {
            let (at, warning) = position(garbage, 4).unwrap();
            assert_eq!(at, garbage as u64);
            assert!(warning.unwrap().contains(&format!("at byte {garbage}")));
        }
        assert!(position(65_536, 4).unwrap_err().contains("no known container"));
        assert!(position(100, 3).unwrap_err().contains("no known container"), "three in a row may be coincidence");
    }

    #[test]
    fn tags_zeros_and_line_ends_in_front_are_passed_over() {
        let id3 = b"ID3\x03\0\0\0\0\0\x04abcd".to_vec();
        let ape = [b"APETAGEX\xD0\x07\0\0\x24\0\0\0".to_vec(), vec![0; 16 + 0x24]].concat();
        let riff = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        for (front, is_odd) in [
            (vec![], false),
            (id3.clone(), false),
            (ape.clone(), false),
            ([ape, id3].concat(), false),
            (vec![0; 999], true),
            (b"\r\n".to_vec(), true),
        ] {
            for (audio, container) in [
                (riff.clone(), Container::Wav),
                (frames(3), Container::Mp3),
                (b"fLaC\0\0\0\x22".to_vec(), Container::Flac),
            ] {
                let mut source = Source::new(Cursor::new([&front[..], &audio].concat()));
                let probed = probe(&mut source).unwrap();
                assert_eq!((probed.container, probed.warning.is_some()), (container, is_odd), "{front:?}");
                assert_eq!(source.position(), front.len() as u64);
            }
        }
    }
}
