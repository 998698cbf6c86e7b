//! Invalid input to the program: a clear error on standard error, the right exit code, and at most
//! 400 MB of memory, whatever a header claims.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::program::ProgramOutput;
use common::{buzz, fixture, float32, folder, pcm16, wav, wav_claiming};

/// Runs the program with a limited address space, if the system supports it: allocation by a
/// header's claim would abort it.
fn run_limited(arguments: &[&str]) -> ProgramOutput {
    let script = "ulimit -v 400000 2>/dev/null; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_persona-engine")]).args(arguments);
    command.output().unwrap().into()
}

/// Asserts exit code 1, an empty standard output, and one line of error that contains the path and
/// all words.
fn refused(path: &Path, words: &[&str]) {
    let name = path.to_str().unwrap();
    let said = run_limited(&["infer", name]);
    assert_eq!(said.code, Some(1), "{name}: {}{}", said.out, said.err);
    assert_eq!(said.out, "", "{name}");
    assert_eq!(said.err.lines().count(), 1, "{name}: {}", said.err);
    for word in words.iter().chain(&[name]) {
        assert!(said.err.contains(word), "{name}: `{word}` is not in: {}", said.err);
    }
}

#[test]
fn broken_wavs_are_refused_with_reasons() {
    let folder = folder("broken_wavs");
    let good = wav(1, 1, 16_000, 16, &pcm16(&buzz(16_000, 16_000.0)));
    let mut nan = buzz(16_000, 16_000.0);
    nan[9000] = f32::NAN;
    let mut infinite = buzz(16_000, 16_000.0);
    infinite[3] = f32::INFINITY;
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        ("empty.wav", vec![], &["empty"]),
        ("text.wav", b"This is not the sound that you are looking for.\n".repeat(9), &["text"]),
        ("html.mp3", b"<!DOCTYPE html><html><body>404</body></html>".to_vec(), &["text"]),
        ("header-cut.wav", good[..30].to_vec(), &["WAV"]),
        ("data-cut.wav", good[..20_000].to_vec(), &["WAV", "truncated"]),
        ("44-bytes.wav", wav(1, 1, 16_000, 16, &[]), &["not a single sample"]),
        ("0-hz.wav", wav(1, 1, 0, 16, &[0; 64]), &["0"]),
        ("3999-hz.wav", wav(1, 1, 3999, 16, &[0; 64]), &["3999", "4000"]),
        ("0-channels.wav", wav(1, 0, 16_000, 16, &[0; 64]), &["channels"]),
        ("65535-channels.wav", wav(1, 65_535, 16_000, 16, &[0; 64]), &["channels", "65535"]),
        ("nan.wav", wav(3, 1, 16_000, 32, &float32(&nan)), &["NaN", "9000"]),
        ("infinite.wav", wav(3, 1, 16_000, 32, &float32(&infinite)), &["inf", "3"]),
        ("1-gb-in-1-kb.wav", wav_claiming(1, 1, 16_000, 16, &[0; 1000], 0x3FFF_FFF0), &["WAV"]),
        ("12-bit.wav", wav(1, 1, 16_000, 12, &[0; 64]), &["12"]),
        ("adpcm.wav", wav(2, 1, 16_000, 4, &[0; 64]), &["ADPCM"]),
    ];
    for (name, bytes, words) in cases {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        refused(&path, words);
    }
}

#[cfg(feature = "mp3")]
#[test]
fn broken_mp3s_are_refused_with_reasons() {
    let folder = folder("broken_mp3s");
    let good = fs::read(fixture("clip-44k-stereo-j128.mp3")).unwrap();
    let garbage = [b"some words that somebody put in front\n".repeat(2000), good.clone()].concat();
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        ("76-kb-of-text-in-front.mp3", garbage, &["text"]),
        ("last-frames-cut.mp3", good[..good.len() - 900].to_vec(), &["MP3"]),
        ("half.mp3", good[..good.len() / 2].to_vec(), &["MP3"]),
    ];
    for (name, bytes, words) in cases {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        refused(&path, words);
    }
}

#[test]
fn directories_and_missing_files_are_refused_with_reasons() {
    let folder = folder("no_files");
    refused(&folder, &["directory"]);
    refused(&folder.join("missing.wav"), &["no such file"]);
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let path = folder("unreadable").join("secret.wav");
    fs::write(&path, wav(1, 1, 16_000, 16, &[0; 64])).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        println!("an_unreadable_file_is_refused: skipped, this user may read everything");
        return;
    }
    refused(&path, &["ermission"]);
}

/// An invalid model file gives exit code 2, before any recording is opened.
#[test]
fn broken_model_files_are_refused_with_reasons() {
    let folder = folder("broken_models");
    let good = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/xvector-cnn.safetensors")).unwrap();
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 0x55;
    let mut endless = good.clone();
    endless[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        ("empty", vec![], &["model file"]),
        ("cut", good[..good.len() / 2].to_vec(), &["model file"]),
        ("endless-header", endless, &["model file"]),
        ("flipped", flipped, &["checksum", "opy it again"]),
        ("renamed", replaced("\"heads.age.bias\"", "\"heads.age.bios\""), &["checksum"]),
        ("recipe", replaced("\\\"logmel\\\"", "\\\"lugmel\\\""), &["frontend", "lugmel"]),
        ("a-recording", fs::read(fixture("speech.wav")).unwrap(), &["model file"]),
    ];
    for (name, bytes, words) in cases {
        let path = folder.join(format!("{name}.safetensors"));
        fs::write(&path, bytes).unwrap();
        let said = run_limited(&["infer", "--model", path.to_str().unwrap(), fixture("speech.wav").to_str().unwrap()]);
        assert_eq!(said.code, Some(2), "{name}: {}", said.err);
        assert_eq!(said.out, "", "{name}");
        for word in words.iter().chain(&[path.to_str().unwrap()]) {
            assert!(said.err.contains(word), "{name}: `{word}` is not in: {}", said.err);
        }
    }
}
