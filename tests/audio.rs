//! Decoders against other programs: files written by ffmpeg, lame, sox and hound, and their
//! samples.
#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

mod common;

use common::decoded::Decoded;
use common::fixture;
use persona_engine::audio::{Container, Decoder, Limits};

fn open(name: &str) -> Decoded {
    Decoded::open(&fixture(name)).unwrap()
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audio").join(name)).unwrap()
}

fn container(name: &str) -> Container {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("mp3") => Container::Mp3,
        Some("flac") => Container::Flac,
        Some("ogg" | "opus") => Container::Ogg,
        Some("m4a") => Container::Mp4,
        Some("webm" | "mka" | "mkv") => Container::Matroska,
        Some("aac") => Container::Adts,
        Some("w64") => Container::Wave64,
        Some("aiff") => Container::Aiff,
        Some("au") => Container::Au,
        Some("caf") => Container::Caf,
        Some("gsm") => Container::Gsm,
        _ => Container::Wav,
    }
}

/// Whether this build has the decoder.
fn is_supported(name: &str) -> bool {
    let (mp3, formats) = (cfg!(feature = "mp3"), cfg!(feature = "formats"));
    let relatives = ["rf64", "rifx", "ima", "-ms.", "gsm"];
    match container(name) {
        _ if name.contains("opus") => cfg!(feature = "opus"),
        Container::Wav if name.contains("mp3") => mp3 && formats,
        Container::Wav if relatives.iter().any(|word| name.contains(word)) => formats,
        Container::Wav => true,
        Container::Mp3 => mp3,
        _ => formats,
    }
}

/// Largest accepted difference from ffmpeg, full scale 1. Lossless codings must be exact.
fn tolerance(name: &str) -> f32 {
    match container(name) {
        Container::Wav if name.contains("mp3") => 2e-6,
        Container::Adts => 2e-5,
        Container::Matroska if name.contains("flac") => 0.0,
        Container::Matroska | Container::Mp3 | Container::Ogg => 2e-6,
        Container::Mp4 if !name.contains("alac") => 2e-5,
        _ => 0.0,
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

/// The slices that the golden files contain: the first 500 samples, 1000 in the middle, the last
/// 500.
fn slices(samples: &[f32]) -> Vec<f32> {
    let n = samples.len();
    [&samples[..500], &samples[n / 2..n / 2 + 1000], &samples[n - 500..]].concat()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// WAV must be exact. MP3 decoders differ by rounding: 2e-6 of full scale is a sixteenth of a
/// 16-bit step, and the largest difference measured between this decoder, nanomp3 and ffmpeg on 31
/// files was 1.5e-6.
#[test]
fn every_fixture_decodes_to_the_samples_of_ffmpeg() {
    let listing: serde_json::Value = serde_json::from_slice(&golden("decoded.json")).unwrap();
    let files = listing["files"].as_object().unwrap();
    assert!(files.len() >= 19);
    for (name, expected) in files {
        if !is_supported(name) {
            continue;
        }
        let recording = open(name);
        assert_eq!(u64::from(recording.spec.sample_rate_hz), expected["sample_rate_hz"], "{name}");
        assert_eq!(u64::from(recording.spec.channels), expected["channels"], "{name}");
        assert_eq!(recording.samples.len() as u64, expected["samples"], "{name}");
        assert_eq!(recording.spec.container, container(name), "{name}");
        let difference = largest_difference(&slices(&recording.samples), &floats(&golden(&format!("{name}.f32"))));
        println!("{name}: {difference:e}");
        assert!(difference <= tolerance(name), "{name}: {difference:e}");
    }
}

#[test]
fn codings_are_named_and_lengths_stated() {
    let mut cases = vec![
        ("speech.wav", "PCM 16-bit", true),
        ("clip-alaw-8k.wav", "A-law", true),
        ("clip-mulaw-8k-stereo.wav", "µ-law", true),
        ("clip-u8-16k.wav", "PCM 8-bit", true),
        ("clip-s24-extensible-16k-6ch.wav", "PCM 24-bit", true),
        ("clip-f32-48k-stereo.wav", "float 32-bit", true),
        ("clip-s16-16k-pipe.wav", "PCM 16-bit", false),
    ];
    if cfg!(feature = "mp3") {
        cases.extend([
            ("clip-8k-32.mp3", "MPEG-2.5 layer III", true),
            ("clip-16k-v4.mp3", "MPEG-2 layer III", true),
            ("clip-16k-32-no-tag.mp3", "MPEG-2 layer III", false),
            ("clip-48k-stereo-v5-id3.mp3", "MPEG-1 layer III", true),
        ]);
    }
    if cfg!(feature = "formats") {
        cases.extend([
            ("clip-16k.flac", "FLAC", true),
            ("clip-44k-stereo.ogg", "Vorbis", false),
            ("clip-16k-aac.m4a", "AAC", false),
            ("clip-16k-alac.m4a", "ALAC", false),
            ("clip-44k-stereo-vorbis.webm", "Vorbis", false),
            ("clip-16k.aac", "AAC", false),
            ("clip-16k-rf64.wav", "PCM 16-bit", true),
            ("clip-16k-rifx.wav", "PCM 16-bit", true),
            ("clip-16k.w64", "PCM 16-bit", true),
            ("clip-48k-stereo-s24.aiff", "PCM 24-bit", true),
            ("clip-16k-ima4.aiff", "IMA ADPCM", true),
            ("clip-8k-mulaw.au", "µ-law", true),
            ("clip-16k-f32.caf", "float 32-bit", true),
            ("clip-48k-stereo-ms.wav", "Microsoft ADPCM", true),
            ("clip-8k-gsm.wav", "GSM 6.10", true),
            ("clip-8k.gsm", "GSM 6.10", false),
        ]);
    }
    for (name, codec, states_length) in cases {
        let recording = open(name);
        assert_eq!(recording.spec.codec, codec, "{name}");
        let frames = states_length.then_some(recording.frames() as u64);
        assert_eq!(recording.spec.total_frames, frames, "{name}");
    }
    assert!(open("clip-s16-16k-pipe.wav").warnings[0].contains("leaves the length open"));
    assert!(open("speech.wav").warnings.is_empty());
}

#[cfg(not(feature = "formats"))]
#[test]
fn a_build_without_formats_names_the_feature() {
    for name in ["clip-16k.flac", "clip-16k.ogg", "clip-16k-aac.m4a"] {
        let error = Decoded::open(&fixture(name)).unwrap_err().to_string();
        assert!(error.contains("feature `formats`") && error.contains("ffmpeg"), "{error}");
    }
}

/// An unsupported coding is named in every container, with the supported ones.
#[cfg(feature = "formats")]
#[test]
fn unsupported_codings_are_named() {
    for (name, word) in [
        ("refused-speex.ogg", "Speex"),
        ("refused-ac3.mkv", "Dolby Digital"),
        ("refused-video.mp4", "M4A"),
        #[cfg(feature = "opus")]
        ("refused-opus-6ch.opus", "6 channels in several streams"),
    ] {
        let error = Decoded::open(&fixture(name)).unwrap_err().to_string();
        for word in [word, "unsupported", "ffmpeg -i IN"] {
            assert!(error.contains(word), "{name}: `{word}` is not in: {error}");
        }
    }
}

/// Most M4A files have their index after the audio: a file can be searched for it, a pipe cannot.
#[cfg(feature = "formats")]
#[test]
fn an_index_after_the_audio_is_found_in_files_alone() {
    assert!(open("clip-16k-aac.m4a").frames() > 8000);
    let read = |name| Decoded::read(Cursor::new(fs::read(fixture(name)).unwrap()), &Limits::default());
    let error = read("clip-16k-aac.m4a").unwrap_err().to_string();
    assert!(error.contains("a pipe cannot reach") && error.contains("+faststart"), "{error}");
    let faststart = "clip-48k-stereo-aac-faststart.m4a";
    assert_eq!(read(faststart).unwrap().samples, open(faststart).samples);
}

#[cfg(feature = "formats")]
#[test]
fn sample_0_is_at_the_documented_position() {
    let speech = open("speech.wav");
    let original = &speech.samples[8000..16_000];
    assert_eq!(best_lag(&open("clip-16k.ogg").samples[..8000], original), 0);
    assert_eq!(best_lag(&open("clip-16k-aac.m4a").samples[..8000], original), 0);
    // A cut at the start shows that the measure detects a lag.
    assert_eq!(best_lag(&open("clip-16k.ogg").samples[500..], original), 500);
}

#[cfg(not(feature = "mp3"))]
#[test]
fn a_build_without_mp3_names_the_feature() {
    let error = Decoded::open(&fixture("clip-16k-v4.mp3")).unwrap_err().to_string();
    assert!(error.contains("MPEG-2 layer III: this build has no MP3 decoder"), "{error}");
}

/// The lag of the maximum cross-correlation of `decoded` and `original`, samples.
#[cfg(any(feature = "mp3", feature = "formats"))]
fn best_lag(decoded: &[f32], original: &[f32]) -> isize {
    let fit = |lag: isize| -> f64 {
        (1500..decoded.len() - 1500)
            .map(|t| f64::from(decoded[t]) * f64::from(original[t.wrapping_add_signed(lag)]))
            .sum()
    };
    (-1200..=1200).max_by(|&a, &b| fit(a).total_cmp(&fit(b))).unwrap()
}

#[cfg(feature = "mp3")]
#[test]
fn sample_0_of_an_mp3_is_sample_0_of_its_source() {
    let speech = open("speech.wav");
    let original = &speech.samples[8000..16_000];
    let decoded = open("clip-16k-v4.mp3");
    assert_eq!(decoded.samples.len(), original.len());
    assert_eq!(best_lag(&decoded.samples, original), 0);
    // Without a tag the delay is unknown and its 1105 samples remain, which also shows that the
    // measure detects a lag.
    assert_eq!(best_lag(&open("clip-16k-32-no-tag.mp3").samples[..8000], original), -1105);
}

/// A reader that returns seven bytes at a time, like a slow pipe.
struct Pipe(Cursor<Vec<u8>>);

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = out.len().min(7);
        self.0.read(&mut out[..most])
    }
}

#[test]
fn blocks_from_a_pipe_concatenate_to_the_whole() {
    for name in [
        "speech.wav",
        "clip-s24-extensible-16k-6ch.wav",
        "clip-44k-stereo-j128.mp3",
        "clip-48k-stereo-s24.flac",
        "clip-44k-stereo.ogg",
        "clip-48k-stereo-aac-faststart.m4a",
        "clip-16k.opus",
        "clip-48k-stereo-opus.webm",
        "clip-44k-stereo-vorbis.webm",
        "clip-16k.aac",
        "clip-16k-rf64.wav",
        "clip-16k-rifx.wav",
        "clip-16k.w64",
        "clip-48k-stereo-s24.aiff",
        "clip-16k-ima4.aiff",
        "clip-8k-mulaw.au",
        "clip-16k-f32.caf",
        "clip-48k-stereo-ms.wav",
        "clip-8k-gsm.wav",
        "clip-8k.gsm",
        "clip-16k-mp3.wav",
    ] {
        if !is_supported(name) {
            continue;
        }
        let mut decoder =
            Decoder::new(Pipe(Cursor::new(fs::read(fixture(name)).unwrap())), &Limits::default()).unwrap();
        let channels = usize::from(decoder.spec().channels);
        let (mut all, mut block) = (Vec::new(), vec![f32::NAN; 9]);
        loop {
            let frames = decoder.read_block(&mut block).unwrap();
            assert_eq!(block.len(), frames * channels);
            assert!(frames <= 4096);
            if frames == 0 {
                break;
            }
            all.extend_from_slice(&block);
        }
        assert_eq!(decoder.read_block(&mut block).unwrap(), 0, "0 again after the end");
        assert_eq!(all, open(name).samples, "{name}");
    }
}

#[test]
fn a_decoder_may_move_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Decoder>();
}

#[test]
fn a_path_that_cannot_be_opened_is_named() {
    let error = |path: &Path| Decoded::open(path).unwrap_err().to_string();
    let missing = error(&fixture("missing.wav"));
    assert!(missing.contains("missing.wav: cannot read: there is no such file"), "{missing}");
    let directory = error(&fixture(""));
    assert!(directory.contains("it is a directory"), "{directory}");
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("persona-unreadable-{}.wav", std::process::id()));
    fs::copy(fixture("clip-alaw-8k.wav"), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let readable_anyway = fs::File::open(&path).is_ok();
    let result = Decoded::open(&path);
    fs::remove_file(&path).unwrap();
    if readable_anyway {
        println!("skipped: this user may read every file");
        return;
    }
    let error = result.unwrap_err().to_string();
    assert!(error.contains("unreadable") && error.contains("permission denied"), "{error}");
}

/// Files written by hound decode to the samples that hound reads.
#[test]
fn samples_equal_those_of_hound() {
    for (bits, format) in [8, 16, 24, 32]
        .map(|bits| (bits, hound::SampleFormat::Int))
        .into_iter()
        .chain([(32, hound::SampleFormat::Float)])
    {
        for channels in [1, 2, 5] {
            let spec = hound::WavSpec { channels, sample_rate: 22_050, bits_per_sample: bits, sample_format: format };
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            let top = (1_i64 << (bits - 1)) - 1;
            for i in 0..i64::from(channels) * 5000 {
                let x = (i * 1_000_003 * (top / 100 + 1)) % (top + 1) * if i % 3 == 0 { -1 } else { 1 };
                match format {
                    hound::SampleFormat::Int => writer.write_sample(x as i32).unwrap(),
                    hound::SampleFormat::Float => writer.write_sample(x as f32 / top as f32).unwrap(),
                }
            }
            writer.finalize().unwrap();
            let bytes = bytes.into_inner();
            let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
            let expected: Vec<f32> = match format {
                hound::SampleFormat::Int => {
                    reader.samples::<i32>().map(|x| x.unwrap() as f32 / (top + 1) as f32).collect()
                }
                hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
            };
            let ours = Decoded::read(Cursor::new(bytes), &Limits::default()).unwrap();
            assert_eq!(ours.samples, expected, "{bits} bits, {channels} channels");
        }
    }
}
