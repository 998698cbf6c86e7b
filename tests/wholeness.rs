//! Wholeness: no recording is decoded short without an error or a warning, whatever is cut, flipped,
//! joined or put around it, and what every player reads without loss is read.
#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::fs;
use std::io::Cursor;
use std::path::Path;

mod common;

use common::decoded::Decoded;
use persona_engine::Result;
use persona_engine::audio::{Decoder, Limits};

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(common::fixture(name)).unwrap()
}

/// Decodes as a file: the bytes can be searched for an index.
fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Decoded> {
    Decoded::of(Decoder::from_bytes(bytes.to_vec(), limits)?)
}

fn strict(bytes: &[u8]) -> Result<Decoded> {
    from_bytes(bytes, &Limits::default())
}

#[cfg(any(feature = "mp3", feature = "formats"))]
fn lenient(bytes: &[u8]) -> Result<Decoded> {
    from_bytes(bytes, &Limits { accept_truncated: true, ..Limits::default() })
}

fn piped(bytes: &[u8]) -> Result<Decoded> {
    Decoded::read(Cursor::new(bytes.to_vec()), &Limits::default())
}

/// Whether this build decodes a fixture.
fn is_supported(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|extension| extension.to_str());
    match ending {
        _ if name.contains("opus") => cfg!(feature = "opus"),
        Some("wav") if name.contains("mp3") => cfg!(all(feature = "mp3", feature = "formats")),
        Some("wav") if ["rf64", "rifx", "ima", "-ms.", "gsm"].iter().any(|word| name.contains(word)) => {
            cfg!(feature = "formats")
        }
        Some("wav") => true,
        Some("mp3") => cfg!(feature = "mp3"),
        _ => cfg!(feature = "formats"),
    }
}

/// Fixtures of the sweep, each with the length of a codec frame in samples.
const SWEPT: [(&str, u32); 24] = [
    ("clip-alaw-8k.wav", 1),
    ("clip-u8-16k.wav", 1),
    ("clip-s24-extensible-16k-6ch.wav", 1),
    ("clip-f32-48k-stereo.wav", 1),
    ("clip-16k-v4.mp3", 576),
    ("clip-16k-32-no-tag.mp3", 576),
    ("clip-44k-stereo-j128.mp3", 1152),
    ("clip-48k-stereo-v5-id3.mp3", 1152),
    ("clip-16k.flac", 4608),
    ("clip-48k-stereo-s24.flac", 4608),
    ("clip-16k.ogg", 1024),
    ("clip-44k-stereo.ogg", 1024),
    ("clip-16k-aac.m4a", 1024),
    ("clip-48k-stereo-aac-faststart.m4a", 1024),
    ("clip-16k-alac.m4a", 4096),
    ("clip-16k.opus", 960),
    ("clip-48k-stereo-opus.webm", 960),
    ("clip-48k-stereo-opus.m4a", 960),
    ("clip-16k.aac", 1024),
    ("clip-16k-rf64.wav", 1),
    ("clip-16k-rifx.wav", 1),
    ("clip-16k-ima.wav", 2041),
    ("clip-48k-stereo-ms.wav", 1012),
    ("clip-8k-gsm.wav", 320),
];

/// What became of damaged copies.
#[derive(Debug, Default)]
struct Counts {
    refused: usize,
    warned: usize,
    whole: usize,
}

/// Decodes a damaged copy and counts what became of it. Panics if it is short without a word.
fn judge(what: &str, damaged: &[u8], whole_s: f64, frame_s: f64, counts: &mut Counts) {
    match strict(damaged) {
        Err(_) => counts.refused += 1,
        Ok(recording) if !recording.warnings.is_empty() => counts.warned += 1,
        Ok(recording) => {
            let seconds = recording.frames() as f64 / f64::from(recording.spec.sample_rate_hz);
            assert!(seconds >= whole_s - frame_s, "{what}: {seconds:.4} of {whole_s:.4} s without a word");
            counts.whole += 1;
        }
    }
}

/// Each fixture cut at 200 places and with 200 flipped bits.
#[test]
fn nothing_is_short_without_a_word() {
    println!("{:<36}{:>28}{:>28}", "", "cut: refused warned whole", "bit: refused warned whole");
    for (name, frame) in SWEPT {
        if !is_supported(name) {
            continue;
        }
        let whole = bytes_of(name);
        let reference = strict(&whole).unwrap();
        assert!(reference.warnings.is_empty(), "{name}: {:?}", reference.warnings);
        let rate = f64::from(reference.spec.sample_rate_hz);
        let (whole_s, frame_s) = (reference.frames() as f64 / rate, f64::from(frame) / rate);
        let (mut cut, mut flipped) = (Counts::default(), Counts::default());
        for k in 0..200 {
            let mut end = whole.len() * k / 200;
            if name.contains("no-tag") && end.is_multiple_of(144) {
                end += 1; // a cut between two frames of an MP3 without a count is no damage that can be seen
            }
            if name == "clip-16k.aac" && whole[end..].starts_with(&[0xFF, 0xF1]) {
                end += 1; // ADTS never has a count
            }
            judge(&format!("{name} cut at {end}"), &whole[..end], whole_s, frame_s, &mut cut);
            // places spread by the golden ratio, and every bit of a byte in turn
            let at = (k as f64 * 0.618_033_988_75).fract() * whole.len() as f64;
            let mut bytes = whole.clone();
            bytes[at as usize] ^= 1 << (k % 8);
            judge(&format!("{name}, bit {} of byte {}", k % 8, at as usize), &bytes, whole_s, frame_s, &mut flipped);
        }
        let row = |c: &Counts| format!("{:>14}{:>7}{:>7}", c.refused, c.warned, c.whole);
        println!("{name:<36}{}{}", row(&cut), row(&flipped));
        assert!(cut.refused > 100, "{name}: {cut:?}");
    }
}

/// The headers decide most: every bit of the first 200 bytes.
#[test]
fn no_flipped_bit_of_a_header_makes_it_short_without_a_word() {
    for (name, frame) in SWEPT {
        if !is_supported(name) {
            continue;
        }
        let whole = bytes_of(name);
        let reference = strict(&whole).unwrap();
        let rate = f64::from(reference.spec.sample_rate_hz);
        let (whole_s, frame_s) = (reference.frames() as f64 / rate, f64::from(frame) / rate);
        let mut counts = Counts::default();
        for bit in 0..8 * whole.len().min(200) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            judge(&format!("{name}, bit {bit}"), &bytes, whole_s, frame_s, &mut counts);
        }
        println!("{name}: {counts:?}");
    }
}

/// What is expected of an input.
enum Expected {
    /// Decoded, with this number of frames; the words are in its warnings (none: no warning).
    Whole(usize, &'static [&'static str]),
    /// Refused; the words are in the message.
    Refused(&'static [&'static str]),
}

/// Inputs of the shared data, by their names there.
const INPUTS: [(&str, Expected); 41] = {
    use Expected::{Refused, Whole};
    [
        ("byterate-double-recordrtc76.wav", Whole(45_920, &["64000 bytes per second"])),
        ("data-0x7FFFFFFF-elevenlabs-lame-oboe.wav", Whole(45_920, &["leaves the length open"])),
        ("data-0x80000000-arecord-pipe.wav", Whole(45_920, &["leaves the length open"])),
        ("data-44-too-long-android-record.wav", Whole(45_920, &["counts the header too"])),
        ("gstreamer-wavenc-pipe-0x7FFF0000.wav", Whole(45_920, &["leaves the length open"])),
        ("id3-before-riff.wav", Whole(45_920, &[])),
        ("loudness-spk2_snt4.wav", Whole(32_640, &[])),
        ("quiet-60dB-float.wav", Whole(45_920, &[])),
        ("stale-header-1s-of-2.9s-silently-short.wav", Refused(&["16000 frames, 1.000 s", "never updated"])),
        ("ulaw-bits4-align2-twilio-saver.wav", Whole(22_960, &["4 bits per sample", "block align of 2"])),
        ("ulaw-byterate16000-align1-bits8.wav", Whole(22_960, &["16000 bytes per second"])),
        ("ape-front.mp3", Whole(45_920, &[])),
        ("cut-last-frame-50-bytes-shine37.mp3", Whole(45_920, &["lacks 50 bytes"])),
        ("id3v2-then-zero-padding-1000.mp3", Whole(45_920, &["1000 zeros"])),
        ("joint-ms-block-types-differ-symphonia556.mp3", Whole(127_872, &[])),
        ("trailing-newline.mp3", Whole(45_920, &["1 bytes behind the last MPEG frame"])),
        ("two-joined-cat-mpd1200.mp3", Refused(&["two recordings joined", "82 of 82"])),
        ("xing-counts-itself-lame-mp3splt338.mp3", Whole(46_127, &["counts itself"])),
        ("xing-under-reports-openreader129.mp3", Whole(140_591, &["states 82 MPEG frames, the stream has 246"])),
        ("flac-id3v1-at-end-flac487.flac", Whole(45_920, &[])),
        ("flac-mono-then-stereo-silently-halved.flac", Refused(&["1 channel", "2 channel"])),
        ("flac-tool-cuesheet-refused.flac", Whole(83_790, &[])),
        ("no-eos-flag.ogg", Whole(45_920, &["no end flag"])),
        ("ogg-bit-in-page-5-of-7.ogg", Refused(&["damaged", "%"])),
        ("ogg-good.ogg", Whole(66_627, &[])),
        ("ogg-one-bit-in-each-page-from-3.ogg", Refused(&["damaged"])),
        ("speex.ogg", Refused(&["Speex"])),
        ("opus.opus", Whole(137_760, &[])),
        ("opus-in.webm", Whole(137_760, &["delay is 104 frames"])),
        ("adts.aac", Whole(47_104, &[])),
        ("rf64.wav", Whole(45_920, &[])),
        ("rifx.wav", Whole(45_920, &[])),
        ("ima.wav", Whole(24_492, &["16000 bytes per second"])),
        ("gsm-wav49.wav", Whole(22_960, &[])),
        ("mp3-in.wav", Whole(47_232, &[])),
        // a bit of the priming packet, which still decodes: AAC has no checksums
        ("aac-damaged-packet.m4a", Whole(8192, &[])),
        ("alac-594-bytes-blanked.m4a", Refused(&["damaged, 6.1 %"])),
        ("m4a-stts-fewer-than-stsz.m4a", Whole(67_584, &["(stts)"])),
        ("alac.mov", Whole(45_920, &[])),
        ("pcm.mov", Whole(45_920, &[])),
        ("safari.mp4-left-out-by-batch-folder.mp4", Whole(139_264, &[])),
    ]
};

/// Odd and damaged recordings, by public bug reports. A pipe gives the verdict of the file, but for
/// an index behind the audio.
#[test]
fn odd_recordings_have_their_expected_outcome() {
    let Some(data) = common::data("odd_recordings_have_their_expected_outcome") else { return };
    let folder = data.join("inputs");
    if !folder.exists() {
        println!("skipped: no recordings at {}", folder.display());
        return;
    }
    let mut failures = Vec::new();
    for (name, expected) in &INPUTS {
        if !is_supported(name) {
            continue;
        }
        let bytes = fs::read(folder.join(name)).unwrap();
        let mut verdicts = vec![("file", Decoded::open(&folder.join(name)))];
        let of_pipe = piped(&bytes);
        if !of_pipe.as_ref().is_err_and(|error| error.to_string().contains("a pipe cannot reach")) {
            verdicts.push(("pipe", of_pipe));
        }
        for (from, verdict) in verdicts {
            let failure = match (expected, &verdict) {
                (Expected::Whole(frames, words), Ok(recording)) => {
                    let all = recording.warnings.join("; ");
                    let as_expected = recording.frames() == *frames
                        && words.iter().all(|word| all.contains(word))
                        && words.is_empty() == recording.warnings.is_empty();
                    (!as_expected).then(|| format!("{} frames, {all}", recording.frames()))
                }
                (Expected::Refused(words), Err(error)) => {
                    let message = error.to_string();
                    (!words.iter().all(|word| message.contains(word))).then_some(message)
                }
                (_, Ok(recording)) => Some(format!("read: {} frames {:?}", recording.frames(), recording.warnings)),
                (_, Err(error)) => Some(format!("refused: {error}")),
            };
            failures.extend(failure.map(|failure| format!("{name} ({from}): {failure}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[cfg(feature = "mp3")]
mod mp3 {
    use super::*;

    const NAME: &str = "clip-16k-v4.mp3";

    /// Position of `Info` or `Xing` in a file.
    fn tag_at(bytes: &[u8]) -> usize {
        bytes.windows(4).position(|four| four == b"Info" || four == b"Xing").unwrap()
    }

    /// A copy whose tag counts `change` frames more, with the count of bytes removed.
    fn with_count(bytes: &[u8], change: i32) -> Vec<u8> {
        let (mut bytes, at) = (bytes.to_vec(), tag_at(bytes));
        let count = u32::from_be_bytes(*bytes[at + 8..].first_chunk().unwrap());
        bytes[at + 8..at + 12].copy_from_slice(&count.checked_add_signed(change).unwrap().to_be_bytes());
        bytes[at + 12..at + 16].fill(0);
        bytes
    }

    #[test]
    fn what_stands_around_the_frames_is_passed_over() {
        let whole = bytes_of(NAME);
        let reference = strict(&whole).unwrap();
        let ape = [b"APETAGEX\xD0\x07\0\0\x20\0\0\0\x01\0\0\0\0\0\0\xA0".to_vec(), vec![0; 40]].concat();
        let id3 = b"ID3\x03\0\0\0\0\0\x02ab".to_vec();
        let junk: Vec<u8> = (0..700_u32).map(|i| (i * 37 % 200) as u8).collect();
        let zeros = vec![0; 3000];
        let none = Vec::new();
        for (before, after, warns) in [
            (&none, &b"\n".to_vec(), true),
            (&none, &b"\r\n\r\n".to_vec(), true),
            (&none, &zeros, true),
            (&none, &junk, true),
            (&none, &b"TAG".repeat(50), false),
            (&zeros, &none, true),
            (&junk, &none, true),
            (&ape, &none, false),
            (&[&ape[..], &id3, &zeros].concat(), &none, true),
            (&b"\n".to_vec(), &b"\n".to_vec(), true),
            (&id3, &ape, false),
        ] {
            let recording = strict(&[before, &whole[..], after].concat()).unwrap();
            assert_eq!(recording.samples, reference.samples);
            assert_eq!(!recording.warnings.is_empty(), warns, "{:?}", recording.warnings);
        }
    }

    #[test]
    fn junk_as_long_as_a_frame_behind_uncounted_frames_is_damage() {
        let whole = bytes_of("clip-16k-32-no-tag.mp3");
        let short = [&whole[..], &[7; 100]].concat();
        assert_eq!(strict(&short).unwrap().frames(), strict(&whole).unwrap().frames());
        assert!(strict(&[&whole[..], &[7; 200]].concat()).is_err());
    }

    #[test]
    fn a_count_that_is_wrong_is_told_and_one_that_promises_more_refused() {
        let whole = bytes_of(NAME);
        let frames = strict(&whole).unwrap().frames();
        for change in [-1, -4, 1] {
            let recording = strict(&with_count(&whole, change)).unwrap();
            assert!(recording.frames() >= frames, "{change}: {} of {frames}", recording.frames());
            assert!(recording.warnings.iter().any(|w| w.contains("MPEG frames, the stream has")), "{change}");
        }
        for change in [2, 10] {
            let error = strict(&with_count(&whole, change)).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{error}");
        }
    }

    #[test]
    fn a_second_recording_is_refused_with_and_without_tags_between() {
        let (a, b) = (bytes_of(NAME), bytes_of("clip-16k-32-no-tag.mp3"));
        let id3 = b"ID3\x03\0\0\0\0\0\x02ab".to_vec();
        let id3v1 = [b"TAG".to_vec(), vec![b' '; 125]].concat();
        for joined in [
            [&a[..], &a].concat(),
            [&a[..], &id3, &a].concat(),
            [&a[..], &id3v1, &a].concat(),
            [&b[..], &id3v1, &b].concat(),
            [&b[..], &id3v1, &id3, &a].concat(),
        ] {
            let error = strict(&joined).unwrap_err().to_string();
            assert!(error.contains("two recordings joined?"), "{error}");
            let first = lenient(&joined).unwrap();
            assert!(first.warnings.iter().any(|w| w.contains("decoded); used the audio before it")));
        }
    }

    #[test]
    fn damaged_frames_of_a_counted_stream_become_silence_and_are_counted() {
        let whole = bytes_of("clip-44k-stereo-j128.mp3");
        let reference = strict(&whole).unwrap();
        let mut bytes = whole.clone();
        let tenth = (0..10).fold(0, |at, _| at + 417 + usize::from(whole[at + 2] >> 1 & 1));
        bytes[tenth..tenth + 3].fill(0); // its header
        let Err(error) = strict(&bytes) else { panic!("1 of 20 frames is more than 5 %") };
        assert!(error.to_string().contains("packet(s) are damaged"), "{error}");
        let mut decoder = Decoder::from_bytes(bytes, &Limits { accept_truncated: true, ..Limits::default() }).unwrap();
        let (mut frames, mut block) = (0, Vec::new());
        while decoder.read_block(&mut block).unwrap() > 0 {
            frames += block.len() / 2;
        }
        assert_eq!((frames, decoder.damaged_packets()), (reference.frames(), 1));
    }
}

#[cfg(feature = "formats")]
mod formats {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
    }

    #[test]
    fn tags_and_padding_behind_flac_are_passed_over() {
        let whole = bytes_of("clip-16k.flac");
        let reference = strict(&whole).unwrap();
        let id3v1 = [b"TAG".to_vec(), vec![0; 125]].concat();
        for (behind, warns) in [
            (id3v1.clone(), false),
            (b"APETAGEX\xD0\x07\0\0".to_vec(), false),
            ([b"LYRICSBEGIN".to_vec(), id3v1].concat(), false),
            (vec![0; 4000], true),
            (b"\n".to_vec(), true),
            (b"some junk behind".to_vec(), true),
        ] {
            let recording = strict(&[&whole[..], &behind].concat()).unwrap();
            assert_eq!(recording.samples, reference.samples);
            assert_eq!(!recording.warnings.is_empty(), warns, "{:?}", recording.warnings);
        }
    }

    /// Length of a FLAC file's metadata: `fLaC` and its blocks.
    fn metadata_bytes(flac: &[u8]) -> usize {
        let mut at = 4;
        loop {
            let head = u32_at(flac, at);
            at += 4 + (head & 0xFF_FFFF) as usize;
            if head >> 31 == 1 {
                return at;
            }
        }
    }

    #[test]
    fn metadata_of_flac_is_passed_over_unread() {
        let whole = bytes_of("clip-16k.flac");
        let reference = strict(&whole).unwrap();
        for kind in [1, 2, 4, 5, 6, 126] {
            // a block of 100 bytes of nonsense in front of the others
            let block = [vec![kind, 0, 0, 100], vec![0xA5; 100]].concat();
            let bytes = [&whole[..42], &block, &whole[42..]].concat();
            assert_eq!(strict(&bytes).unwrap().samples, reference.samples, "block {kind}");
        }
    }

    #[test]
    fn a_change_of_format_and_a_second_stream_of_flac_are_refused() {
        let (mono, stereo) = (bytes_of("clip-16k.flac"), bytes_of("clip-48k-stereo-s24.flac"));
        let mut uncounted = mono.clone();
        uncounted[21] &= 0xF0; // no total, no MD5
        uncounted[22..42].fill(0);
        assert!(strict(&uncounted).is_ok());
        let frames = &stereo[metadata_bytes(&stereo)..];
        let own = &mono[metadata_bytes(&mono)..];
        for (joined, word) in [
            ([&uncounted[..], frames].concat(), "changes from 16000 Hz"),
            ([&uncounted[..], &stereo].concat(), "second FLAC stream"),
            ([&uncounted[..], &mono].concat(), "second FLAC stream"),
            ([&uncounted[..], own].concat(), "runs back"),
            ([&mono[..], own].concat(), "runs back"),
        ] {
            let error = strict(&joined).unwrap_err().to_string();
            assert!(error.contains(word), "`{word}` is not in: {error}");
            let kept = lenient(&joined).unwrap();
            assert!(kept.frames() == 4000 && !kept.warnings.is_empty(), "{}", kept.frames());
        }
    }

    /// The pages of an Ogg file.
    fn pages(ogg: &[u8]) -> Vec<Vec<u8>> {
        let mut starts: Vec<usize> = (0..ogg.len()).filter(|&at| ogg[at..].starts_with(b"OggS\0")).collect();
        starts.push(ogg.len());
        starts.windows(2).map(|pair| ogg[pair[0]..pair[1]].to_vec()).collect()
    }

    /// CRC-32 of an Ogg page, bit by bit.
    fn with_checksum(mut page: Vec<u8>) -> Vec<u8> {
        page[22..26].fill(0);
        let crc = page.iter().fold(0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    }

    #[test]
    fn an_ogg_without_its_end_flag_is_read_with_a_warning() {
        for name in ["clip-16k.ogg", "clip-44k-stereo.ogg"] {
            let whole = bytes_of(name);
            let reference = strict(&whole).unwrap();
            let mut parts = pages(&whole);
            let last = parts.pop().unwrap();
            let mut open = last.clone();
            open[5] &= !4;
            let open = [parts.concat(), with_checksum(open)].concat();
            let recording = strict(&open).unwrap();
            assert_eq!(recording.samples, reference.samples);
            assert!(recording.warnings[0].contains("no end flag"), "{:?}", recording.warnings);
            let junk = strict(&[&whole[..], b"TAGjunk behind"].concat()).unwrap();
            assert!(junk.samples == reference.samples && junk.warnings.len() == 1);
        }
    }

    #[test]
    fn a_damaged_missing_or_repeated_page_is_told() {
        let parts = pages(&bytes_of("clip-16k.ogg"));
        let (n, reference) = (parts.len(), strict(&parts.concat()).unwrap());
        for page in 2..n {
            let mut flipped = parts.clone();
            let middle = flipped[page].len() / 2;
            flipped[page][middle] ^= 4;
            let mut missing = parts.clone();
            missing.remove(page);
            let mut repeated = parts.clone();
            repeated.insert(page, parts[page].clone());
            for (what, pages) in [("flipped", flipped), ("missing", missing), ("repeated", repeated)] {
                match strict(&pages.concat()) {
                    Ok(recording) => {
                        assert!(page == n - 1 && what == "missing", "{what} {page}");
                        assert!(recording.warnings[0].contains("no end flag"));
                    }
                    Err(error) => {
                        let error = error.to_string();
                        let words = ["damaged", "are missing", "joined", "not a single sample"];
                        assert!(words.iter().any(|word| error.contains(word)), "{what} {page}: {error}");
                    }
                }
            }
        }
        assert_eq!(reference.frames(), 8000);
    }

    /// A copy of a file with its first occurrence of a box's type, from which `change` begins.
    fn changed(bytes: &[u8], kind: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let at = bytes.windows(4).position(|four| four == kind).unwrap();
        let mut bytes = bytes.to_vec();
        change(&mut bytes[at..]);
        bytes
    }

    #[test]
    fn the_tables_of_an_m4a_are_held_against_each_other() {
        let whole = bytes_of("clip-16k-aac.m4a");
        let reference = strict(&whole).unwrap();
        // fewer packets are timed than have a size: all are read
        let fewer = changed(&whole, b"stts", |stts| stts[12..16].copy_from_slice(&2_u32.to_be_bytes()));
        let recording = strict(&fewer).unwrap();
        assert_eq!(recording.samples, reference.samples);
        assert!(recording.warnings[0].contains("(stts)"), "{:?}", recording.warnings);
        // fewer have a size than are timed: refused
        let short = changed(&whole, b"stsz", |stsz| stsz[12..16].copy_from_slice(&2_u32.to_be_bytes()));
        let refused = |bytes: &[u8], word: &str| {
            let error = strict(bytes).unwrap_err().to_string();
            assert!(error.contains(word), "`{word}` is not in: {error}");
        };
        refused(&short, "the index states");
        refused(&changed(&whole, b"mdhd", |mdhd| mdhd[16..20].copy_from_slice(&4000_u32.to_be_bytes())), "states");
        refused(&changed(&whole, b"elst", |elst| elst[12..16].copy_from_slice(&9000_u32.to_be_bytes())), "edit list");
        let cut =
            strict(&changed(&whole, b"elst", |elst| elst[12..16].copy_from_slice(&100_u32.to_be_bytes()))).unwrap();
        assert!(cut.warnings[0].contains("the edit list uses"), "{:?}", cut.warnings);
        refused(&changed(&whole, b"mp4a", |entry| entry[..4].copy_from_slice(b"enca")), "encrypted");
        refused(&changed(&whole, b"stco", |stco| stco[12] = 0x7F), "truncated");
    }

    #[test]
    fn packets_that_do_not_decode_are_counted() {
        let whole = bytes_of("clip-16k-alac.m4a");
        let reference = strict(&whole).unwrap();
        let stsz = whole.windows(4).position(|four| four == b"stsz").unwrap();
        let second = u32_at(&whole, stsz + 16) as usize;
        let mdat = whole.windows(4).position(|four| four == b"mdat").unwrap() + 4;
        let mut bytes = whole.clone();
        let size = u32_at(&whole, stsz + 20) as usize;
        bytes[mdat + second..mdat + second + size].fill(0);
        assert!(strict(&bytes).unwrap_err().to_string().contains("packet(s) are damaged"));
        let recording = lenient(&bytes).unwrap();
        assert!(recording.frames() == reference.frames() && recording.warnings[0].contains("replaced by silence"));
        assert!(recording.samples[4096..8000].iter().all(|&x| x == 0.0));
        assert_eq!(recording.samples[..4096], reference.samples[..4096]);
    }
}
