//! Damaged recordings: truncated at every byte, concatenated, with garbage around them, with bytes
//! changed. The result is always an error or valid samples, never a panic, a hang or memory that
//! follows a header's claims.
#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

mod common;

use common::decoded::Decoded;
use persona_engine::audio::Limits;
use persona_engine::{Error, Result};

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)).unwrap()
}

fn strict(bytes: &[u8]) -> Result<Decoded> {
    Decoded::read(Cursor::new(bytes.to_vec()), &Limits::default())
}

fn lenient(bytes: &[u8]) -> Result<Decoded> {
    Decoded::read(Cursor::new(bytes.to_vec()), &Limits { accept_truncated: true, ..Limits::default() })
}

/// Truncates a recording after every byte. Returns the number of truncations that were not
/// detected. What is decoded with `accept_truncated` must be the beginning of the whole, with a
/// warning wherever the default refuses.
fn truncate_everywhere(whole: &[u8]) -> usize {
    let reference = strict(whole).unwrap();
    let mut undetected = 0;
    for end in 0..whole.len() {
        let passes = strict(&whole[..end]).is_ok_and(|part| part.warnings.is_empty());
        undetected += usize::from(passes);
        if let Ok(part) = lenient(&whole[..end]) {
            let n = part.samples.len();
            assert!(n > 0 && n <= reference.samples.len(), "truncated at {end}");
            assert_eq!(part.samples, &reference.samples[..n], "truncated at {end}");
            assert!(passes || !part.warnings.is_empty(), "truncated at {end}: no warning");
        }
    }
    undetected
}

#[test]
fn a_wav_truncated_at_any_byte_is_an_error() {
    assert_eq!(truncate_everywhere(&bytes_of("clip-alaw-8k.wav")), 0);
    assert_eq!(truncate_everywhere(&bytes_of("clip-mulaw-8k-stereo.wav")), 0);
    assert_eq!(truncate_everywhere(&bytes_of("clip-s24-extensible-16k-6ch.wav")), 0);
}

#[test]
fn a_wav_with_open_length_is_decoded_to_its_end() {
    let whole = bytes_of("clip-s16-16k-pipe.wav");
    let cut = strict(&whole[..whole.len() - 3]).unwrap();
    assert_eq!(cut.frames() + 2, strict(&whole).unwrap().frames());
    assert!(cut.warnings.iter().any(|w| w.contains("1 of 2 bytes")), "{:?}", cut.warnings);
}

#[cfg(feature = "mp3")]
mod mp3 {
    use super::*;

    #[test]
    fn a_counted_mp3_truncated_at_any_byte_of_its_frames_is_an_error() {
        assert_eq!(truncate_everywhere(&bytes_of("clip-16k-v4.mp3")), 0);
        assert_eq!(truncate_everywhere(&bytes_of("clip-8k-32.mp3")), 0);
        let with_id3v1 = bytes_of("clip-48k-stereo-v5-id3.mp3");
        let inside_the_id3v1 =
            (1..128).filter(|n| with_id3v1[with_id3v1.len() - 128..][..*n].starts_with(b"TAG")).count();
        assert_eq!(truncate_everywhere(&with_id3v1), inside_the_id3v1 + 1, "the audio is complete there");
    }

    #[test]
    fn in_an_uncounted_mp3_only_truncation_between_frames_is_undetected() {
        let whole = bytes_of("clip-16k-32-no-tag.mp3");
        assert_eq!(truncate_everywhere(&whole), whole.len() / 144 - 1);
    }

    #[test]
    fn a_truncated_last_frame_is_reported_with_what_is_missing() {
        let whole = bytes_of("clip-16k-32-no-tag.mp3");
        let error = strict(&whole[..whole.len() - 100]).unwrap_err().to_string();
        for word in ["MP3 is malformed", "needs 144 bytes", "ends after 44", "accept truncated"] {
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn garbage_at_the_start_is_passed_over_with_the_position_of_the_audio() {
        let garbage: Vec<u8> = (0..1000_u32).map(|i| (i * i * 7 + 3) as u8 | 1).collect();
        let whole = bytes_of("clip-16k-v4.mp3");
        let recording = strict(&[&garbage[..], &whole].concat()).unwrap();
        assert_eq!(recording.samples, strict(&whole).unwrap().samples);
        assert!(recording.warnings[0].contains("at byte 1000"), "{:?}", recording.warnings);
    }

    #[test]
    fn tags_around_the_frames_are_accepted() {
        let whole = bytes_of("clip-16k-v4.mp3");
        let mut id3v2 = b"ID3\x04\0\0\0\0\x01\x05".to_vec();
        id3v2.resize(10 + 133, 0);
        let ape = b"APETAGEX\xD0\x07\0\0".to_vec();
        let id3v1 = [b"TAG".to_vec(), vec![b'x'; 125]].concat();
        let zeros = vec![0; 10_000];
        let reference = strict(&whole).unwrap();
        for (before, after) in [(&id3v2, &ape), (&id3v2, &id3v1), (&id3v2, &zeros), (&vec![], &id3v1)] {
            let tagged = strict(&[&before[..], &whole, after].concat()).unwrap();
            assert_eq!(tagged.samples, reference.samples);
        }
        let twice = strict(&[&id3v2[..], &id3v2, &whole].concat()).unwrap();
        assert_eq!(twice.samples, reference.samples);
    }

    #[test]
    fn concatenated_and_changing_streams_are_refused() {
        let (a, b) = (bytes_of("clip-16k-v4.mp3"), bytes_of("clip-8k-32.mp3"));
        let joined = strict(&[&a[..], &a].concat()).unwrap_err().to_string();
        assert!(joined.contains("two recordings joined?"), "{joined}");
        let changing = strict(&[&a[..], &b].concat()).unwrap_err().to_string();
        assert!(changing.contains("changes the stream from MPEG-2 layer III at 16000 Hz"), "{changing}");
        let kept = lenient(&[&a[..], &b].concat()).unwrap();
        assert_eq!(kept.samples, strict(&a).unwrap().samples);
        assert_eq!(kept.warnings.len(), 1);
    }

    #[test]
    fn damage_in_the_middle_is_reported_with_its_byte() {
        let mut bytes = bytes_of("clip-16k-32-no-tag.mp3");
        bytes[144 * 5] = 0;
        let error = strict(&bytes).unwrap_err().to_string();
        assert!(error.contains("MPEG frame 5 should begin at byte 720"), "{error}");
        assert_eq!(lenient(&bytes).unwrap().frames(), 5 * 576);
    }
}

#[cfg(feature = "formats")]
mod formats {
    use super::*;

    /// Truncates after every seventh byte, which is dense enough for frames. Returns the
    /// truncations not detected.
    fn truncate_often(whole: &[u8]) -> Vec<usize> {
        let reference = strict(whole).unwrap();
        let mut undetected = Vec::new();
        for end in (0..whole.len()).step_by(7) {
            let passes = strict(&whole[..end]).is_ok_and(|part| part.warnings.is_empty());
            if passes {
                undetected.push(end);
            }
            if let Ok(part) = lenient(&whole[..end]) {
                let n = part.samples.len();
                assert!(n > 0 && n <= reference.samples.len(), "truncated at {end}");
                assert_eq!(part.samples, &reference.samples[..n], "truncated at {end}");
                assert!(passes || !part.warnings.is_empty(), "truncated at {end}: no warning");
            }
        }
        undetected
    }

    #[test]
    fn truncation_is_an_error() {
        for name in ["clip-16k.flac", "clip-16k.ogg", "clip-48k-stereo-aac-faststart.m4a"] {
            assert_eq!(truncate_often(&bytes_of(name)), [0; 0], "{name}");
        }
    }

    /// symphonia skips damage: every changed byte of the audio must be detected by what the
    /// container states.
    #[test]
    fn a_changed_byte_of_the_audio_is_never_ignored() {
        for (name, audio) in [("clip-16k.flac", 9000), ("clip-16k.ogg", 4500)] {
            let whole = bytes_of(name);
            let reference = strict(&whole).unwrap();
            for at in (audio..whole.len()).step_by(13) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x10;
                if let Ok(recording) = strict(&bytes) {
                    let is_told = !recording.warnings.is_empty();
                    assert!(is_told || recording.samples == reference.samples, "{name}, byte {at}");
                }
            }
        }
    }

    #[test]
    fn two_recordings_in_one_file_are_refused() {
        let ogg = bytes_of("clip-16k.ogg");
        let joined = strict(&[&ogg[..], &ogg].concat()).unwrap_err().to_string();
        assert!(joined.contains("two recordings joined?"), "{joined}");
        let flac = bytes_of("clip-16k.flac");
        assert!(strict(&[&flac[..], &flac].concat()).is_err());
    }
}

/// Containers with samples, or with blocks of a fixed size, whose header states the length: a cut
/// anywhere is an error, and so are bytes behind that nothing accounts for.
#[cfg(feature = "formats")]
#[test]
fn containers_of_samples_account_for_every_byte() {
    for name in [
        "clip-16k-rf64.wav",
        "clip-16k-rifx.wav",
        "clip-16k.w64",
        "clip-48k-stereo-s24.aiff",
        "clip-16k-ima4.aiff",
        "clip-8k-mulaw.au",
        "clip-16k-f32.caf",
        "clip-16k-ima.wav",
        "clip-8k-gsm.wav",
    ] {
        let whole = bytes_of(name);
        let reference = strict(&whole).unwrap();
        for end in (0..whole.len() - 8).step_by(13) {
            assert!(strict(&whole[..end]).is_err(), "{name}, cut at {end}");
            if let Ok(part) = lenient(&whole[..end]) {
                let n = part.samples.len();
                assert_eq!(part.samples, &reference.samples[..n], "{name}, cut at {end}");
                assert!(!part.warnings.is_empty(), "{name}, cut at {end}: no warning");
            }
        }
        let joined = [&whole[..], &whole].concat();
        assert!(strict(&joined).is_err(), "{name}, twice");
        assert_eq!(lenient(&joined).unwrap().samples, reference.samples, "{name}, twice");
        let padded = [&whole[..], &[0; 100]].concat();
        assert_eq!(strict(&padded).unwrap().samples, reference.samples, "{name}, with zeros behind");
    }
}

#[cfg(feature = "formats")]
#[test]
fn adts_frames_follow_each_other() {
    let whole = bytes_of("clip-16k.aac");
    let reference = strict(&whole).unwrap();
    let error = strict(&whole[..whole.len() - 5]).unwrap_err().to_string();
    assert!(error.contains("the last frame") && error.contains("accept truncated"), "{error}");
    let third = whole.windows(2).enumerate().filter(|(_, sync)| *sync == [0xFF, 0xF1]).nth(2).unwrap().0;
    let mut damaged = whole.clone();
    damaged[third] = 0;
    let error = strict(&damaged).unwrap_err().to_string();
    assert!(error.contains(&format!("frame 2 should begin at byte {third}")), "{error}");
    let tagged = [b"ID3\x04\0\0\0\0\0\x04abcd".to_vec(), whole, [b"TAG".to_vec(), vec![b'x'; 125]].concat()].concat();
    assert_eq!(strict(&tagged).unwrap().samples, reference.samples);
}

#[cfg(feature = "opus")]
mod opus {
    use super::*;

    /// Byte offsets of the pages.
    fn pages(bytes: &[u8]) -> Vec<usize> {
        bytes.windows(4).enumerate().filter(|(_, word)| *word == b"OggS").map(|(at, _)| at).collect()
    }

    /// The CRC of a page, over all its bytes with the field itself as 0.
    fn seal(page: &mut [u8]) {
        page[22..26].fill(0);
        let crc = page.iter().fold(0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn a_truncated_ogg_opus_is_an_error() {
        let whole = bytes_of("clip-16k.opus");
        let reference = strict(&whole).unwrap();
        let pages = pages(&whole);
        for end in 0..whole.len() {
            match strict(&whole[..end]) {
                Ok(part) => {
                    assert!(pages.contains(&end), "cut at {end}");
                    assert!(part.warnings.iter().any(|warning| warning.contains("no end flag")));
                }
                Err(error) => assert!(matches!(error, Error::Malformed { .. } | Error::Unsupported(_)), "{error}"),
            }
            if let Ok(part) = lenient(&whole[..end]) {
                let n = part.samples.len();
                assert_eq!(part.samples, &reference.samples[..n], "cut at {end}");
            }
        }
    }

    /// A flipped bit makes its page's checksum wrong: the page is lost, with a warning.
    #[test]
    fn a_changed_bit_is_never_ignored() {
        let whole = bytes_of("clip-16k.opus");
        let reference = strict(&whole).unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            for recording in [strict(&bytes), lenient(&bytes)].into_iter().flatten() {
                let same = recording.samples == reference.samples;
                assert!(same || !recording.warnings.is_empty(), "byte {at}");
            }
        }
    }

    #[test]
    fn two_recordings_in_one_file_are_refused() {
        let ogg = bytes_of("clip-16k.opus");
        let joined = strict(&[&ogg[..], &ogg].concat()).unwrap_err().to_string();
        assert!(joined.contains("two recordings joined?"), "{joined}");
        let webm = bytes_of("clip-48k-stereo-opus.webm");
        let joined = strict(&[&webm[..], &webm].concat()).unwrap_err().to_string();
        assert!(joined.contains("two recordings joined?"), "{joined}");
    }

    #[test]
    fn pre_skip_gain_and_end_are_applied() {
        let whole = bytes_of("clip-16k.opus");
        let reference = strict(&whole).unwrap();
        let mut louder = whole.clone();
        let first_page = pages(&whole)[1];
        louder[28 + 16..28 + 18].copy_from_slice(&(6 * 256_i16).to_le_bytes()); // + 6 dB
        seal(&mut louder[..first_page]);
        let factor = 10_f32.powf(6.0 / 20.0);
        for (loud, plain) in strict(&louder).unwrap().samples.iter().zip(&reference.samples) {
            assert!((loud - factor * plain).abs() < 1e-6, "{loud} {plain}");
        }
        let mut skipped = whole.clone();
        let pre_skip = u16::from_le_bytes([whole[28 + 10], whole[28 + 11]]);
        skipped[28 + 10..28 + 12].copy_from_slice(&(pre_skip + 100).to_le_bytes());
        seal(&mut skipped[..first_page]);
        assert_eq!(strict(&skipped).unwrap().samples, &reference.samples[100..]);
        let mut shorter = whole.clone();
        let last = *pages(&whole).last().unwrap();
        let granule = i64::from_le_bytes(whole[last + 6..last + 14].try_into().unwrap());
        shorter[last + 6..last + 14].copy_from_slice(&(granule - 200).to_le_bytes());
        seal(&mut shorter[last..]);
        assert_eq!(strict(&shorter).unwrap().samples, &reference.samples[..reference.samples.len() - 200]);
    }

    #[test]
    fn a_truncated_webm_is_an_error() {
        let whole = bytes_of("clip-48k-stereo-opus.webm");
        let reference = strict(&whole).unwrap();
        for end in (0..whole.len() - 8).step_by(7) {
            assert!(strict(&whole[..end]).is_err(), "cut at {end}");
            if let Ok(part) = lenient(&whole[..end]) {
                let n = part.samples.len();
                assert!(part.samples == reference.samples[..n] && !part.warnings.is_empty(), "cut at {end}");
            }
        }
    }
}

/// Marsaglia's xorshift64: seeded pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// A copy with some bytes changed, most of them in the first 200, and sometimes truncated.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(20) {
            let reach = if self.below(3) > 0 { out.len().min(200) } else { out.len() };
            let at = self.below(reach);
            out[at] = [0, 0xFF, self.below(256) as u8][self.below(3)];
        }
        if self.below(4) == 0 {
            out.truncate(self.below(bytes.len()));
        }
        out
    }
}

/// Peak resident memory of this process, bytes; `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// Damaged copies per file: 1000, or the environment variable PERSONA_DAMAGED.
fn damaged_copies() -> usize {
    std::env::var("PERSONA_DAMAGED").map_or(1000, |n| n.parse().unwrap())
}

#[test]
fn damaged_bytes_give_errors_or_finite_samples_in_bounded_time_and_memory() {
    let names = [
        "clip-alaw-8k.wav",
        "clip-s24-extensible-16k-6ch.wav",
        "clip-f32-48k-stereo.wav",
        "clip-s16-16k-pipe.wav",
        "clip-16k-v4.mp3",
        "clip-8k-32.mp3",
        "clip-44k-stereo-j128.mp3",
        "clip-48k-stereo-v5-id3.mp3",
        "clip-16k.flac",
        "clip-48k-stereo-s24.flac",
        "clip-16k.ogg",
        "clip-44k-stereo.ogg",
        "clip-16k-aac.m4a",
        "clip-48k-stereo-aac-faststart.m4a",
        "clip-16k-alac.m4a",
        "clip-16k.opus",
        "clip-48k-stereo-opus.webm",
        "clip-48k-stereo-opus-pipe.webm",
        "clip-44k-stereo-vorbis.webm",
        "clip-16k-flac.mka",
        "clip-16k.aac",
        "clip-16k-rf64.wav",
        "clip-16k-rifx.wav",
        "clip-16k.w64",
        "clip-48k-stereo-s24.aiff",
        "clip-16k-ima4.aiff",
        "clip-8k-mulaw.au",
        "clip-16k-f32.caf",
        "clip-16k-ima.wav",
        "clip-48k-stereo-ms.wav",
        "clip-8k-gsm.wav",
        "clip-8k.gsm",
        "clip-16k-mp3.wav",
    ];
    let seed = std::env::var("PERSONA_SEED").map_or(0x9E37_79B9_7F4A_7C15, |n| n.parse().unwrap());
    let mut random = Random(seed);
    let before = peak_memory();
    let (mut accepted, mut slowest) = (0, Duration::ZERO);
    for name in names {
        let plain =
            ["clip-alaw-8k.wav", "clip-s24-extensible-16k-6ch.wav", "clip-f32-48k-stereo.wav", "clip-s16-16k-pipe.wav"];
        let formats = !plain.contains(&name) && !name.contains(".mp3") && !name.contains("opus");
        if (cfg!(not(feature = "mp3")) && name.contains("mp3"))
            || (cfg!(not(feature = "formats")) && formats)
            || (cfg!(not(feature = "opus")) && name.contains("opus"))
        {
            continue;
        }
        let whole = bytes_of(name);
        for case in 0..damaged_copies() {
            let damaged = random.damage(&whole);
            let start = Instant::now();
            for result in [strict(&damaged), lenient(&damaged)] {
                let recording = match result {
                    Ok(recording) => recording,
                    // the error that a decoder's panic becomes
                    Err(error) => {
                        assert!(!error.to_string().contains("its decoder failed"), "{name}, case {case}");
                        continue;
                    }
                };
                accepted += 1;
                assert!(recording.samples.iter().all(|x| x.is_finite()), "{name}, case {case}");
                assert_eq!(recording.samples.len(), recording.frames() * usize::from(recording.spec.channels));
                assert!(recording.frames() > 0, "{name}, case {case}");
            }
            slowest = slowest.max(start.elapsed());
        }
    }
    assert!(accepted > 500, "only {accepted} accepted: too much damage to test what comes after the headers");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 64 << 20, "{} bytes more than before", after - before);
    }
}

#[test]
fn a_claim_of_a_gigabyte_in_a_kilobyte_is_an_error_at_once() {
    let mut bytes = bytes_of("clip-alaw-8k.wav");
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    bytes[data + 4..data + 8].copy_from_slice(&0x3FFF_FF00_u32.to_le_bytes());
    bytes.truncate(1000);
    let before = peak_memory();
    let error = strict(&bytes).unwrap_err().to_string();
    assert!(error.contains("claims 1073741568 bytes") && error.contains("are missing"), "{error}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 64 << 20);
    }
}

#[test]
fn random_bytes_are_never_a_recording() {
    let mut random = Random(7);
    for _ in 0..300 {
        let length = random.below(80_000);
        let noise: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        let error = strict(&noise).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_) | Error::Malformed { .. }), "{error}");
    }
}
