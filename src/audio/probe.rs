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
pub(super) const SUPPORTED: &str = "supported are WAV, MP3, FLAC, Ogg Vorbis and M4A; convert it: ffmpeg -i IN OUT.wav";

/// Detects the container. Leaves the source at its first byte: that of `RIFF`, or that of the first
/// MPEG frame after ID3v2 tags.
pub(super) fn probe(source: &mut Source) -> Result<Container> {
    let first = source.peek(16)?;
    if first.is_empty() {
        return Err(Error::malformed("audio", "the input is empty (0 bytes); check how it was recorded or copied"));
    }
    if first.starts_with(b"RIFF") {
        return riff_form(first);
    }
    let tags = skip_id3v2(source)?;
    if let Some(container) = by_magic(source.peek(12)?) {
        return Ok(container);
    }
    if begins_with_frames(source)? {
        return Ok(Container::Mp3);
    }
    Err(unknown(source, tags)?)
}

/// Containers with a magic number. Their coding, and whether this build decodes it, is known when
/// they are opened.
fn by_magic(first: &[u8]) -> Option<Container> {
    match first {
        [b'f', b'L', b'a', b'C', ..] => Some(Container::Flac),
        [b'O', b'g', b'g', b'S', ..] => Some(Container::Ogg),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Container::Mp4),
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
    let at = source.position();
    let bytes = source.peek(SCAN_BYTES + SURE_RUN * MAX_FRAME_BYTES)?;
    let after = if tags > 0 { format!("after an ID3v2 tag of {tags} bytes, ") } else { String::new() };
    if let Some(name) = known(bytes) {
        return Ok(Error::Unsupported(format!("{after}it looks like {name}; {SUPPORTED}")));
    }
    if let Some(offset) = first_run(bytes) {
        let begin = at + offset as u64;
        return Ok(Error::malformed(
            "MP3",
            format!(
                "{after}the first bytes ({}) match no known container, but MPEG frames begin at byte {begin}: garbage before them; \
                 remove it: tail -c +{} IN > OUT.mp3",
                hex(bytes),
                begin + 1
            ),
        ));
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
    (0, b"RF64", "RF64 (WAV over 4 GB)"),
    (0, b"BW64", "BW64 (WAV over 4 GB)"),
    (0, b"RIFX", "RIFX (big-endian WAV)"),
    (0, b"riff\x2E\x91\xCF\x11", "Wave64"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "Sun AU"),
    (0, b"caff", "Core Audio (CAF)"),
    (0, b"\x1A\x45\xDF\xA3", "Matroska or WebM"),
    (0, b"#!AMR", "AMR"),
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
    if is_text(bytes) {
        return "it looks like text, not sound; supported are WAV, MP3, FLAC, Ogg Vorbis and M4A; check that it is the right file"
            .to_owned();
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
        probe(&mut Source::new(Cursor::new(bytes.to_vec())))
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
            (b"RF64\xFF\xFF\xFF\xFFWAVEds64", "Unsupported", &["RF64", "ffmpeg"]),
            (b"RIFX\0\0\0\0WAVEfmt ", "Unsupported", &["RIFX (big-endian WAV)"]),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB", "Unsupported", &["Wave64"]),
            (b"\xFF\xF1\x50\x80\x02\x1F\xFC", "Unsupported", &["AAC (ADTS)"]),
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
        let message =
            |garbage: usize, count| probed(&[vec![0x11; garbage], frames(count)].concat()).unwrap_err().to_string();
        assert!(message(1, 4).contains("begin at byte 1:"), "{}", message(1, 4));
        assert!(message(65_535, 4).contains("begin at byte 65535"));
        assert!(message(65_536, 4).contains("no known container"));
        assert!(message(100, 3).contains("no known container"), "three in a row may be coincidence");
    }
}
