//! Damaged recordings: cut at every byte, joined, with garbage around them, with bytes flipped. Always an error or a sound
//! result, never a panic, a hang or memory that follows a header's claims.
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

/// Cuts a recording after every byte. Returns how many cuts passed unnoticed. What a lenient reader gives must be the
/// beginning of the whole, with a warning wherever the strict one refuses.
fn cut_everywhere(whole: &[u8]) -> usize {
    let reference = strict(whole).unwrap();
    let mut unnoticed = 0;
    for end in 0..whole.len() {
        let passes = strict(&whole[..end]).is_ok();
        unnoticed += usize::from(passes);
        if let Ok(part) = lenient(&whole[..end]) {
            let n = part.samples.len();
            assert!(n > 0 && n <= reference.samples.len(), "cut at {end}");
            assert_eq!(part.samples, &reference.samples[..n], "cut at {end}");
            assert!(passes || !part.warnings.is_empty(), "cut at {end}: no warning");
        }
    }
    unnoticed
}

#[test]
fn a_wav_cut_at_any_byte_is_an_error() {
    assert_eq!(cut_everywhere(&bytes_of("clip-alaw-8k.wav")), 0);
    assert_eq!(cut_everywhere(&bytes_of("clip-mulaw-8k-stereo.wav")), 0);
    assert_eq!(cut_everywhere(&bytes_of("clip-s24-extensible-16k-6ch.wav")), 0);
}

#[test]
fn an_open_ended_wav_gives_what_is_there() {
    let whole = bytes_of("clip-s16-16k-pipe.wav");
    let cut = strict(&whole[..whole.len() - 3]).unwrap();
    assert_eq!(cut.frames() + 2, strict(&whole).unwrap().frames());
    assert!(cut.warnings.iter().any(|w| w.contains("1 of 2 bytes")), "{:?}", cut.warnings);
}

#[cfg(feature = "mp3")]
mod mp3 {
    use super::*;

    #[test]
    fn a_counted_mp3_cut_at_any_byte_of_its_frames_is_an_error() {
        assert_eq!(cut_everywhere(&bytes_of("clip-16k-v4.mp3")), 0);
        assert_eq!(cut_everywhere(&bytes_of("clip-8k-32.mp3")), 0);
        let with_id3v1 = bytes_of("clip-48k-stereo-v5-id3.mp3");
        let inside_the_id3v1 =
            (1..128).filter(|n| with_id3v1[with_id3v1.len() - 128..][..*n].starts_with(b"TAG")).count();
        assert_eq!(cut_everywhere(&with_id3v1), inside_the_id3v1 + 1, "the sound is whole there");
    }

    #[test]
    fn an_uncounted_mp3_hides_only_the_cuts_between_frames() {
        let whole = bytes_of("clip-16k-32-no-tag.mp3");
        assert_eq!(cut_everywhere(&whole), whole.len() / 144 - 1);
    }

    #[test]
    fn a_cut_last_frame_says_what_is_missing() {
        let whole = bytes_of("clip-16k-32-no-tag.mp3");
        let error = strict(&whole[..whole.len() - 10]).unwrap_err().to_string();
        for word in ["MP3 is malformed", "needs 144 bytes", "ends after 134", "accept truncated"] {
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn garbage_in_front_is_an_error_that_says_where_the_sound_begins() {
        let garbage: Vec<u8> = (0..1000_u32).map(|i| (i * i * 7 + 3) as u8 | 1).collect();
        let error = strict(&[garbage, bytes_of("clip-16k-v4.mp3")].concat()).unwrap_err();
        assert!(matches!(error, Error::Malformed { format: "MP3", .. }));
        let error = error.to_string();
        assert!(error.contains("begin at byte 1000") && error.contains("tail -c +1001"), "{error}");
    }

    #[test]
    fn tags_around_the_frames_are_no_garbage() {
        let whole = bytes_of("clip-16k-v4.mp3");
        let mut id3v2 = b"ID3\x04\0\0\0\0\x01\x05".to_vec();
        id3v2.resize(10 + 133, 0);
        let ape = b"APETAGEX\xD0\x07\0\0".to_vec();
        let id3v1 = [b"TAG".to_vec(), vec![b'x'; 125]].concat();
        let zeros = vec![0; 10_000];
        let reference = strict(&whole).unwrap();
        for (front, behind) in [(&id3v2, &ape), (&id3v2, &id3v1), (&id3v2, &zeros), (&vec![], &id3v1)] {
            let tagged = strict(&[&front[..], &whole, behind].concat()).unwrap();
            assert_eq!(tagged.samples, reference.samples);
        }
        let twice = strict(&[&id3v2[..], &id3v2, &whole].concat()).unwrap();
        assert_eq!(twice.samples, reference.samples);
    }

    #[test]
    fn joined_and_changing_streams_are_refused() {
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
    fn a_break_in_the_middle_names_its_byte() {
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

    /// Every seventh byte, as a cut anywhere else in a frame shows no more.
    fn cut_often(whole: &[u8]) -> Vec<usize> {
        let reference = strict(whole).unwrap();
        let mut unnoticed = Vec::new();
        for end in (0..whole.len()).step_by(7) {
            let passes = strict(&whole[..end]).is_ok();
            if passes {
                unnoticed.push(end);
            }
            if let Ok(part) = lenient(&whole[..end]) {
                let n = part.samples.len();
                assert!(n > 0 && n <= reference.samples.len(), "cut at {end}");
                assert_eq!(part.samples, &reference.samples[..n], "cut at {end}");
                assert!(passes || !part.warnings.is_empty(), "cut at {end}: no warning");
            }
        }
        unnoticed
    }

    #[test]
    fn a_cut_is_an_error() {
        for name in ["clip-16k.flac", "clip-16k.ogg", "clip-48k-stereo-aac-faststart.m4a"] {
            assert_eq!(cut_often(&bytes_of(name)), [0; 0], "{name}");
        }
    }

    /// symphonia leaves out what is damaged and goes on: every changed byte of the sound must be found by what the container counts.
    #[test]
    fn a_changed_byte_of_the_sound_is_never_passed_over() {
        for (name, sound) in [("clip-16k.flac", 9000), ("clip-16k.ogg", 4500)] {
            let whole = bytes_of(name);
            let reference = strict(&whole).unwrap();
            for at in (sound..whole.len()).step_by(13) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x10;
                if let Ok(recording) = strict(&bytes) {
                    assert_eq!(recording.samples, reference.samples, "{name}, byte {at}");
                }
            }
        }
    }

    #[test]
    fn two_recordings_in_one_are_refused() {
        let ogg = bytes_of("clip-16k.ogg");
        let joined = strict(&[&ogg[..], &ogg].concat()).unwrap_err().to_string();
        assert!(joined.contains("two recordings joined?"), "{joined}");
        let flac = bytes_of("clip-16k.flac");
        assert!(strict(&[&flac[..], &flac].concat()).is_err());
    }
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// A copy with some bytes changed, most of them in the first 200, and sometimes cut.
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

/// Peak resident memory of this process, bytes; `None` where the system does not tell.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// Of each file; PERSONA_DAMAGED asks for more than the usual 1000.
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
    ];
    let seed = std::env::var("PERSONA_SEED").map_or(0x9E37_79B9_7F4A_7C15, |n| n.parse().unwrap());
    let mut random = Random(seed);
    let before = peak_memory();
    let (mut sound, mut slowest) = (0, Duration::ZERO);
    for name in names {
        let compressed = [".flac", ".ogg", ".m4a"].iter().any(|ending| name.ends_with(ending));
        if (cfg!(not(feature = "mp3")) && name.contains("mp3")) || (cfg!(not(feature = "formats")) && compressed) {
            continue;
        }
        let whole = bytes_of(name);
        for case in 0..damaged_copies() {
            let damaged = random.damage(&whole);
            let start = Instant::now();
            for result in [strict(&damaged), lenient(&damaged)] {
                let recording = match result {
                    Ok(recording) => recording,
                    // what a decoder's panic is turned into
                    Err(error) => {
                        assert!(!error.to_string().contains("gave up"), "{name}, case {case}");
                        continue;
                    }
                };
                sound += 1;
                assert!(recording.samples.iter().all(|x| x.is_finite()), "{name}, case {case}");
                assert_eq!(recording.samples.len(), recording.frames() * usize::from(recording.spec.channels));
                assert!(recording.frames() > 0, "{name}, case {case}");
            }
            slowest = slowest.max(start.elapsed());
        }
    }
    assert!(sound > 500, "only {sound} results: the damage is too great to test what comes after the headers");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 64 << 20, "{} bytes more than before", after - before);
    }
}

#[test]
fn four_gigabytes_claimed_by_a_kilobyte_are_an_error_at_once() {
    let mut bytes = bytes_of("clip-alaw-8k.wav");
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    bytes[data + 4..data + 8].copy_from_slice(&0xFFFF_FF00_u32.to_le_bytes());
    bytes.truncate(1000);
    let before = peak_memory();
    let error = strict(&bytes).unwrap_err().to_string();
    assert!(error.contains("claims 4294967040 bytes") && error.contains("are missing"), "{error}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 64 << 20);
    }
}

#[test]
fn noise_is_never_a_recording() {
    let mut random = Random(7);
    for _ in 0..300 {
        let length = random.below(80_000);
        let noise: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        let error = strict(&noise).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_) | Error::Malformed { .. }), "{error}");
    }
}
