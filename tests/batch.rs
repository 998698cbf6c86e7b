//! `persona-engine batch`: its inputs, its outputs, and resuming an interrupted run.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::program::{ProgramOutput, run, run_with_input};
use common::{buzz, fixture, folder, pcm16, wav};
use serde_json::Value;

/// A small model: these tests do not depend on the predictions.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-cnn.safetensors");

/// Writes `count` different clips, every seventh unusable in one of three ways.
fn clips(at: &Path, count: usize) -> Vec<PathBuf> {
    let voice = buzz(32_000, 16_000.0);
    let clip = |number: usize| {
        let path = at.join(format!("clip-{number:03}.wav"));
        let sound = wav(1, 1, 16_000, 16, &pcm16(&voice[number * 97 % 16_000..][..12_000]));
        match number % 21 {
            6 => fs::write(&path, "no sound, but text\n".repeat(9)).unwrap(),
            13 => fs::write(&path, &sound[..sound.len() / 2]).unwrap(),
            20 => {}
            _ => fs::write(&path, sound).unwrap(),
        }
        path
    };
    (0..count).map(clip).collect()
}

fn batch(arguments: &[&str]) -> ProgramOutput {
    run([&["batch", "--model", MODEL], arguments].concat())
}

/// Runs `batch` with a list of files on standard input.
fn batch_of(list: &str, arguments: &[&str]) -> ProgramOutput {
    run_with_input([&["batch", "--model", MODEL, "-"], arguments].concat(), list.as_bytes())
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn list_of(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_line_per_input_in_order_for_any_number_of_jobs() {
    let at = folder("batch_order");
    let mut paths = clips(&at, 42);
    paths.rotate_left(17);
    let one = batch_of(&list_of(&paths), &["--jobs", "1"]);
    assert_eq!(one.code, Some(1), "{}", one.err);
    let lines = objects(&one.out);
    assert_eq!(lines.len(), 42);
    for (line, path) in lines.iter().zip(&paths) {
        assert_eq!(line["file"], path.to_str().unwrap());
        assert!(line.get("timings_ms").is_none());
        let number: usize = path.file_stem().unwrap().to_str().unwrap()[5..].parse().unwrap();
        let reason =
            [(6, "unsupported"), (13, "malformed"), (20, "not_found")].into_iter().find(|(n, _)| number % 21 == *n);
        assert_eq!(line["reason"].as_str(), reason.map(|(_, reason)| reason), "{line}");
        assert_eq!(line.get("emotion").is_some(), reason.is_none(), "{line}");
    }
    assert!(one.err.contains("42 inputs: 36 with a prediction, 0 without, 6 failed"), "{}", one.err);
    assert!(one.err.contains("malformed 2, not_found 2, unsupported 2"), "{}", one.err);
    for jobs in ["2", "7"] {
        assert_eq!(batch_of(&list_of(&paths), &["--jobs", jobs]).out, one.out, "{jobs} jobs");
    }
    let alone = run(["infer", "--json", "--model", MODEL, paths[0].to_str().unwrap()]);
    let mut alone: Value = serde_json::from_str(&alone.out).unwrap();
    alone.as_object_mut().unwrap().remove("timings_ms").unwrap();
    assert_eq!(lines[0], alone, "the report of `infer`");
}

/// Killed several times and resumed each time, a run writes the same bytes.
#[test]
fn a_killed_run_can_be_resumed() {
    let at = folder("batch_killed");
    let paths = clips(&at, 84);
    let list = at.join("list.scp");
    let entries: Vec<_> = paths.iter().enumerate().map(|(n, path)| format!("call{n} {}", path.display())).collect();
    fs::write(&list, entries.join("\n")).unwrap();
    let (list, whole) = (list.to_str().unwrap(), at.join("whole.jsonl"));
    assert_eq!(batch(&[list, "--output", whole.to_str().unwrap()]).code, Some(1));
    let killed = at.join("killed.jsonl");
    let arguments = ["batch", "--model", MODEL, list, "--jobs", "2", "--resume", "--output", killed.to_str().unwrap()];
    let kills = (1..=5).filter(|nth| kill_at(&arguments, &killed, nth * 12)).count();
    assert!(kills >= 2, "the run finished before it could be killed");
    assert!(!killed.exists(), "an incomplete output must not have the final name");
    let last = run(arguments);
    assert_eq!(last.code, Some(1), "{}", last.err);
    assert!(last.err.contains("resuming after"), "{}", last.err);
    assert_eq!(fs::read(&killed).unwrap(), fs::read(&whole).unwrap());
    for beside in ["killed.jsonl.part", "killed.jsonl.tmp", "killed.jsonl.run.json.tmp"] {
        assert!(!at.join(beside).exists(), "{beside}");
    }
    let again = run(arguments);
    assert!(again.code == Some(1) && again.err.contains("is already complete"), "{}", again.err);
    assert!(again.err.contains("84 inputs: 72 with a prediction"), "{}", again.err);
}

/// Runs the program and kills it when its journal has `lines` lines. Returns whether it was still running.
fn kill_at(arguments: &[&str], output: &Path, lines: usize) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_persona-engine"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = PathBuf::from(format!("{}.part", output.display()));
    loop {
        let written = fs::read_to_string(&part).unwrap_or_default().lines().count();
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.code().is_some(), "it must not end by a signal");
            return false;
        }
        if written >= lines {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
    }
}

#[test]
fn the_output_of_another_run_is_neither_resumed_nor_replaced() {
    let at = folder("batch_other");
    let paths = clips(&at, 3);
    let (first, second) = (paths[0].to_str().unwrap(), paths[1].to_str().unwrap());
    let output = at.join("out.jsonl");
    let to = ["--output", output.to_str().unwrap()];
    assert_eq!(batch(&[&[first], &to[..]].concat()).code, Some(0));
    let before = fs::read(&output).unwrap();
    for (more, words) in [
        (&[first][..], "--overwrite"),
        (&[second, "--resume"], "inputs_sha256 was"),
        (&[first, second, "--resume"], "inputs was 1, now 2"),
        (&[first, "--resume", "--no-age"], r#"heads was ["emotion","gender","age"], now ["emotion","gender"]"#),
        (&[first, "--resume", "--min-confidence", "0.5"], "min_confidence was 0.0, now 0.5"),
    ] {
        let output = batch(&[more, &to[..]].concat());
        assert_eq!(output.code, Some(2), "{more:?}");
        assert!(output.err.contains(words) && output.err.contains("out.jsonl"), "{more:?}: {}", output.err);
    }
    assert_eq!(fs::read(&output).unwrap(), before);
    assert_eq!(batch(&[&[second, "--overwrite"], &to[..]].concat()).code, Some(0));
    assert!(fs::read_to_string(&output).unwrap().contains("clip-001"));
}

#[test]
fn manifest_columns_are_copied_and_flat_is_csv() {
    let at = folder("batch_manifest");
    clips(&at, 7);
    let table = at.join("calls.csv");
    let rows = "call,file,emotion,note\n7,clip-000.wav,angry,\"a, \"\"b\"\"\"\n008,clip-006.wav,,\n";
    fs::write(&table, rows).unwrap();
    let output = batch(&[table.to_str().unwrap()]);
    assert!(
        output.out.contains(r#","manifest":{"call":"7","file":"clip-000.wav","emotion":"angry","note":"a, \"b\""}}"#)
    );
    assert_eq!(objects(&output.out)[1]["manifest"]["call"], "008");
    let csv = at.join("flat.csv");
    let output = batch(&[table.to_str().unwrap(), "--flat", "--no-gender", "-o", csv.to_str().unwrap()]);
    assert_eq!(output.code, Some(1), "{}", output.err);
    let text = fs::read_to_string(&csv).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    assert_eq!(header[..5], ["file", "call", "manifest_emotion", "note", "error"], "{text}");
    assert!(header.contains(&"age_years") && !text.contains("gender"), "{text}");
    assert_eq!(text.lines().count(), 3);
    assert_eq!(
        batch(&[table.to_str().unwrap(), "--flat", "--no-gender"]).out,
        text,
        "standard output must get the same table"
    );
}

#[test]
fn folders_patterns_and_scripts_are_expanded() {
    let at = folder("batch_places");
    let sub = at.join("b");
    fs::create_dir(&sub).unwrap();
    for (from, to) in [("speech.wav", "a.wav"), ("clip-16k-v4.mp3", "b/c.MP3"), ("clip-u8-16k.wav", "d.wav")] {
        fs::copy(fixture(from), at.join(to)).unwrap();
    }
    fs::write(at.join("notes.txt"), "not taken").unwrap();
    let names = |output: &ProgramOutput| -> Vec<String> {
        let file = |line: Value| line["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        objects(&output.out).into_iter().map(file).collect()
    };
    let whole = batch(&[at.to_str().unwrap()]);
    assert_eq!(names(&whole), ["a.wav", "c.MP3", "d.wav"]);
    let pattern = at.join("**/*.[mw]*").to_str().unwrap().to_owned();
    assert_eq!(names(&batch(&[&pattern])), ["a.wav", "d.wav"], "patterns are case-sensitive");
    let command = at.join("wav.scp");
    fs::write(&command, format!("u1 touch {}/ran |\nu2 {}/a.wav\n", at.display(), at.display())).unwrap();
    let output = batch(&[command.to_str().unwrap()]);
    let lines = objects(&output.out);
    assert!(lines[0]["error"].as_str().unwrap().contains("commands are never executed"), "{}", lines[0]);
    assert_eq!((&lines[1]["manifest"]["id"], output.code), (&"u2".into(), Some(1)));
    assert!(!at.join("ran").exists());
}

#[test]
fn a_run_that_cannot_start_exits_with_2() {
    let at = folder("batch_usage");
    let empty = at.to_str().unwrap();
    for (arguments, words) in [
        (&[][..], "INPUT"),
        (&["/nowhere/*.wav"], "no file matches"),
        (&["/nowhere/calls.csv"], "calls.csv"),
        (&[empty], "no recording"),
        (&["-", "-"], "only once"),
        (&["a.wav", "--resume"], "--output"),
        (&["a.wav", "--resume", "--overwrite", "-o", "x"], "cannot be used with"),
        (&["a.wav", "-o", "/nowhere/x.jsonl"], "/nowhere/x.jsonl"),
        (&["a.wav", "--jobs", "0"], "1..=1024"),
        (&["a.wav", "--audit", "/nowhere/log.jsonl"], "/nowhere/log.jsonl"),
    ] {
        let output = batch(arguments);
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{arguments:?}: {}", output.err);
        assert!(output.err.contains(words), "{arguments:?}: {}", output.err);
    }
}

/// `infer` and `batch` append one line per input to the log.
#[test]
fn the_audit_log_has_a_line_per_input() {
    let at = folder("batch_audit");
    let speech = fixture("speech.wav");
    let (speech, log) = (speech.to_str().unwrap(), at.join("log.jsonl"));
    let to = ["--audit", log.to_str().unwrap(), "--model", MODEL];
    assert_eq!(run([&["infer", "--no-age", speech], &to[..]].concat()).code, Some(0));
    assert_eq!(run_with_input([&["infer", "-"], &to[..]].concat(), &fs::read(speech).unwrap()).code, Some(0));
    assert_eq!(run([&["batch", speech, "/nowhere/x.wav"], &to[..]].concat()).code, Some(1));
    let lines = objects(&fs::read_to_string(&log).unwrap());
    let lines_by_outcome: Vec<_> =
        lines.iter().map(|line| (line["file"].as_str().unwrap(), line["outcome"].as_str().unwrap())).collect();
    assert_eq!(
        lines_by_outcome,
        [(speech, "answered"), ("-", "answered"), (speech, "answered"), ("/nowhere/x.wav", "failed")]
    );
    assert_eq!(lines[0]["heads"], serde_json::json!(["emotion", "gender"]));
    assert_eq!(lines[0]["input_sha256"].as_str().unwrap().len(), 64);
    assert!(lines[1..3].iter().all(|line| line["input_sha256"] == lines[0]["input_sha256"]));
    assert_eq!((&lines[3]["input_sha256"], lines[3]["model_sha256"].as_str().unwrap().len()), (&Value::Null, 64));
}
