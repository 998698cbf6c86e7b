//! Segments of recordings: `batch` and `eval` answer each row of a list on its own part of the
//! sound, in one pass over a file.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::Path;

#[cfg(embedded_weights)]
use common::fixture;
use common::program::{ProgramOutput, run};
use common::{buzz, folder, pcm16, wav};
use serde_json::Value;

/// A small model: these tests do not depend on the predictions.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-cnn.safetensors");
const RATE: usize = 16_000;

/// The segments, in seconds, that every list below states.
const SPANS: [(f64, f64); 4] = [(0.5, 1.5), (1.5, 4.0), (0.25, 3.75), (4.0, 5.0)];

/// Samples of six seconds, and the WAV of a part of them.
fn samples() -> Vec<f32> {
    buzz(6 * RATE, RATE as f32)
}

fn part(samples: &[f32], (start, end): (f64, f64)) -> Vec<u8> {
    let at = |seconds: f64| (seconds * RATE as f64) as usize;
    wav(1, 1, RATE as u32, 16, &pcm16(&samples[at(start)..at(end)]))
}

fn batch(arguments: &[&str]) -> ProgramOutput {
    run([&["batch", "--model", MODEL], arguments].concat())
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a segment must give: the output for a file that has this part of the sound alone.
fn expected(at: &Path, samples: &[f32]) -> Vec<Value> {
    SPANS
        .iter()
        .map(|&span| {
            let path = at.join("part.wav");
            fs::write(&path, part(samples, span)).unwrap();
            let line = objects(&batch(&[path.to_str().unwrap()]).out).remove(0);
            without(&line, &["file"])
        })
        .collect()
}

fn without(line: &Value, keys: &[&str]) -> Value {
    let mut line = line.clone();
    for key in keys {
        line.as_object_mut().unwrap().remove(*key);
    }
    line
}

/// Lists of the same four segments of `call.wav`, as tools write them.
fn lists() -> Vec<(&'static str, String)> {
    let rows = |row: &dyn Fn(usize, f64, f64) -> String| -> String {
        SPANS.iter().enumerate().map(|(index, &(start, end))| row(index, start, end) + "\n").collect()
    };
    let timedelta = |seconds: f64| format!("0 days 00:00:{seconds:09.6}");
    vec![
        ("seconds.csv", String::from("file,start,end\n") + &rows(&|_, a, b| format!("call.wav,{a},{b}"))),
        (
            "audformat.csv",
            String::from("file,start,end,speaker\n")
                + &rows(&|n, a, b| format!("call.wav,{},{},s{n}", timedelta(a), timedelta(b))),
        ),
        ("nemo.csv", String::from("file,offset,duration\n") + &rows(&|_, a, b| format!("call.wav,{a},{}", b - a))),
        ("tabs.tsv", String::from("begin\tend\tfile\n") + &rows(&|_, a, b| format!("{a}\t{b}\tcall.wav"))),
        (
            "excel.csv",
            String::from("file;start;end\n")
                + &rows(&|_, a, b| format!("call.wav;{a};{b}").replace('.', ",").replace("call,wav", "call.wav")),
        ),
        ("call.txt", rows(&|n, a, b| format!("{a:.6}\t{b:.6}\tlabel {n}"))),
        ("turns.rttm", rows(&|n, a, b| format!("SPEAKER call 1 {a:.3} {:.3} <NA> <NA> S{n} <NA> <NA>", b - a))),
        ("segments", rows(&|n, a, b| format!("call-{n} call {a} {b}"))),
    ]
}

#[test]
fn each_row_of_every_list_is_answered_on_its_own_part_of_the_sound() {
    let at = folder("segments_lists");
    let samples = samples();
    let expected = expected(&at, &samples);
    fs::write(at.join("call.wav"), part(&samples, (0.0, 6.0))).unwrap();
    for (name, text) in lists() {
        let path = at.join(name);
        fs::write(&path, text).unwrap();
        for jobs in ["1", "3"] {
            let output = batch(&[path.to_str().unwrap(), "--jobs", jobs]);
            assert_eq!(output.code, Some(0), "{name}: {}", output.err);
            let lines = objects(&output.out);
            assert_eq!(lines.len(), SPANS.len(), "{name}");
            for ((line, expected), (start, end)) in lines.iter().zip(&expected).zip(SPANS) {
                assert_eq!((line["start_s"].as_f64(), line["end_s"].as_f64()), (Some(start), Some(end)), "{name}");
                assert!(line["file"].as_str().unwrap().ends_with("call.wav") && line["manifest"].is_object(), "{name}");
                let alone = without(line, &["file", "start_s", "end_s", "manifest"]);
                assert_eq!(&alone, expected, "{name}: {start} to {end} s");
            }
        }
    }
    let whole = at.join("seconds.csv");
    let output = batch(&[whole.to_str().unwrap(), "--whole-files"]);
    assert!(objects(&output.out).iter().all(|line| line["duration_s"] == 6.0 && line.get("start_s").is_none()));
    let flat = batch(&[whole.to_str().unwrap(), "--flat"]).out;
    assert!(flat.starts_with("file,start,end,start_s,end_s,error,"), "{flat}");
    fs::write(at.join("wav.scp"), format!("call {}\n", at.join("call.wav").display())).unwrap();
    fs::write(at.join("utt2spk"), "call-0 ann\n").unwrap();
    let lines = objects(&batch(&[at.join("segments").to_str().unwrap()]).out);
    assert_eq!((&lines[0]["manifest"]["speaker"], &lines[3]["manifest"]["id"]), (&"ann".into(), &"call-3".into()));
}

/// A pipe can be read once: that all its rows are answered shows that the file is decoded once.
#[cfg(unix)]
#[test]
fn a_file_is_decoded_once_for_all_its_rows() {
    let at = folder("segments_once");
    let samples = samples();
    let expected = expected(&at, &samples);
    let pipe = at.join("call.wav");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(at.join("other.wav"), part(&samples, (0.0, 1.0))).unwrap();
    let rows = SPANS.map(|(a, b)| format!("call.wav,{a},{b}\nother.wav,,\n")).concat();
    let table = at.join("t.csv");
    fs::write(&table, format!("file,start,end\n{rows}")).unwrap();
    let whole = part(&samples, (0.0, 6.0));
    // The reader stops after the last segment, so that writing the rest may fail.
    let writer = std::thread::spawn(move || drop(fs::write(pipe, whole)));
    let output = batch(&[table.to_str().unwrap(), "--jobs", "2"]);
    writer.join().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.err);
    let lines = objects(&output.out);
    for (line, expected) in lines.iter().step_by(2).zip(&expected) {
        assert_eq!(&without(line, &["file", "start_s", "end_s", "manifest"]), expected);
    }
    assert!(lines.iter().skip(1).step_by(2).all(|line| line["duration_s"] == 1.0));
}

#[test]
fn times_that_do_not_fit_the_recording_are_errors_of_their_row() {
    let at = folder("segments_beyond");
    fs::write(at.join("call.wav"), part(&samples(), (0.0, 6.0))).unwrap();
    let table = at.join("t.csv");
    fs::write(
        &table,
        "file,start,end\ncall.wav,5,6.05\ncall.wav,5,6.5\ncall.wav,7,8\ncall.wav,1,1\ncall.wav,2,3\ngone.wav,0,1\n",
    )
    .unwrap();
    let output = batch(&[table.to_str().unwrap()]);
    assert_eq!(output.code, Some(1), "{}", output.err);
    let lines = objects(&output.out);
    assert!(lines[0]["warnings"].to_string().contains("the segment ends at 6.050 s"), "{}", lines[0]);
    let error = |index: usize| (lines[index]["error"].as_str().unwrap(), lines[index]["reason"].as_str().unwrap());
    assert!(error(1).0.contains("ends at 6.500 s, but the recording ends at 6.000 s") && error(1).1 == "too_short");
    assert!(error(2).0.contains("starts at 7.000 s, but the recording ends at 6.000 s"));
    assert_eq!((&lines[2]["start_s"], &lines[2]["end_s"]), (&7.0.into(), &8.0.into()));
    assert_eq!(lines[3]["no_answer"]["reason"], "too_short");
    assert!(lines[4]["emotion"].is_object(), "{}", lines[4]);
    assert_eq!(error(5).1, "not_found");
}

#[test]
fn columns_that_look_like_times_are_never_ignored_in_silence() {
    let at = folder("segments_columns");
    fs::write(at.join("a.wav"), part(&samples(), (0.0, 1.0))).unwrap();
    let table = at.join("t.csv");
    let path = table.to_str().unwrap();
    for (text, code, words) in [
        ("file,duration\na.wav,1\n", 0, "`duration`: copied, not used as times; every row is the whole file"),
        ("file,call_start\na.wav,1\n", 0, "`call_start`"),
        ("file,start_sample\na.wav,1\n", 2, "counts samples or frames"),
        ("file,start\na.wav,2024-01-01 10:00\n", 2, "line 2: `start` is `2024-01-01 10:00`, expected seconds"),
        ("file,start,end\na.wav,2,1\n", 2, "--whole-files"),
        ("path;age\na.wav;31\n", 2, "no column `file` for the recordings; it has `path`, `age` (--file-column"),
    ] {
        fs::write(&table, text).unwrap();
        let output = batch(&[path]);
        assert_eq!(output.code, Some(code), "{text}: {}", output.err);
        assert!(output.err.contains(words), "{text}: {}", output.err);
    }
    fs::write(&table, "file;age\na.wav;31\n").unwrap();
    let output = batch(&[path]);
    assert_eq!((output.code, &objects(&output.out)[0]["manifest"]["age"]), (Some(0), &"31".into()), "{}", output.err);
    fs::write(&table, ",file\n0,a.wav\n").unwrap();
    assert_eq!(objects(&batch(&[path]).out)[0]["manifest"]["index"], "0");
}

/// A killed run over segments is resumed within a file.
#[test]
fn a_run_over_segments_can_be_resumed() {
    let at = folder("segments_resume");
    fs::write(at.join("call.wav"), part(&samples(), (0.0, 6.0))).unwrap();
    let table = at.join("t.csv");
    fs::write(&table, &lists()[0].1).unwrap();
    let (table, out) = (table.to_str().unwrap(), at.join("out.jsonl"));
    let arguments = [table, "-o", out.to_str().unwrap()];
    assert_eq!(batch(&arguments).code, Some(0));
    let whole = fs::read_to_string(&out).unwrap();
    let two: String = whole.split_inclusive('\n').take(2).collect();
    fs::write(at.join("out.jsonl.part"), two).unwrap();
    let settings = fs::read_to_string(at.join("out.jsonl.run.json")).unwrap();
    fs::remove_file(&out).unwrap();
    let output = batch(&[&arguments[..], &["--resume"]].concat());
    assert!(output.code == Some(0) && output.err.contains("resuming after 2 of 4"), "{}", output.err);
    assert_eq!(fs::read_to_string(&out).unwrap(), whole);
    assert_eq!(fs::read_to_string(at.join("out.jsonl.run.json")).unwrap(), settings);
    let output = batch(&[&arguments[..], &["--resume", "--whole-files"]].concat());
    assert!(output.code == Some(2) && output.err.contains("inputs_sha256 was"), "{}", output.err);
}

/// Every row has the prediction of its own segment, for any number of threads.
#[cfg(embedded_weights)]
#[test]
fn an_evaluation_uses_the_segments_of_its_table() {
    let at = folder("segments_eval");
    fs::copy(fixture("speech.wav"), at.join("speech.wav")).unwrap();
    fs::write(at.join("call.wav"), part(&samples(), (0.0, 6.0))).unwrap();
    let table = at.join("t.csv");
    let text = "file,start,end,emotion,speaker\n\
        speech.wav,0 days 00:00:00.5,0 days 00:00:02.5,anger,a\n\
        call.wav,0,2.5,neutral,b\n\
        speech.wav,2,,sadness,a\n\
        call.wav,3,6,sadness,b\n";
    fs::write(&table, text).unwrap();
    let path = |name: &str| at.join(name).to_str().unwrap().to_owned();
    let evaluate = |list: &str, threads: &str| {
        let arguments = [list, "--predictions", &path("p.csv"), "--bootstrap", "0", "--threads", threads];
        let output = run([&["eval"], &arguments[..]].concat());
        assert_eq!(output.code, Some(0), "{}", output.err);
        fs::read_to_string(at.join("p.csv")).unwrap()
    };
    let one = evaluate(table.to_str().unwrap(), "1");
    assert_eq!(evaluate(table.to_str().unwrap(), "3"), one);
    let mut reader = csv::Reader::from_reader(one.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| rows[row][header.iter().position(|h| h == name).unwrap()].to_owned();
    let batch = objects(&run(["batch", table.to_str().unwrap()]).out);
    for (row, line) in batch.iter().enumerate() {
        let anger = line["emotion"]["probabilities"]["anger"].as_f64().unwrap();
        assert_eq!(cell(row, "p_anger").parse::<f64>().unwrap(), anger, "row {row}");
        assert_eq!(cell(row, "start_s").parse::<f64>().ok(), line["start_s"].as_f64(), "row {row}");
    }
    assert_ne!(cell(0, "p_anger"), cell(2, "p_anger"));
    fs::write(at.join("speech.txt"), "0.5\t2.5\tanger\n2\t4\tsad\n").unwrap();
    let labels = evaluate(&path("speech.txt"), "1");
    assert!(labels.lines().nth(1).unwrap().contains(&format!(",{},", cell(0, "p_anger"))), "{labels}");
    fs::write(at.join("utt2emo"), "u1 ang\nu2 neu\n").unwrap();
    fs::write(at.join("utt2spk"), "u1 a\nu2 b\n").unwrap();
    fs::write(at.join("segments"), "u1 speech 0.5 2.5\nu2 call 0 2.5\n").unwrap();
    fs::remove_file(at.join("speech.txt")).unwrap();
    let kaldi = evaluate(&path("segments"), "1");
    assert!(kaldi.lines().nth(2).unwrap().contains(&format!(",{},", cell(1, "p_anger"))), "{kaldi}");
}
