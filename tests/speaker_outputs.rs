//! Who speaks when in every format of the program: a conversation of two synthesised voices.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::program::run;
use common::{fixture, folder, pcm16, wav};
use persona_engine::dsp::Resampler;
use serde_json::Value;

/// Two voices in turn, low, high, low, with a pause of 1 s before each: `call 1.wav` in a folder.
fn conversation(name: &str) -> PathBuf {
    let mut reader = hound::WavReader::open(fixture("speech.wav")).unwrap();
    let low: Vec<f32> = reader.samples::<i16>().map(|x| f32::from(x.unwrap()) / 32_768.0).collect();
    let mut resampler = Resampler::new(24_000, 16_000).unwrap();
    let mut high = Vec::new();
    resampler.process(&low, &mut high);
    resampler.finish(&mut high);
    let mut samples = Vec::new();
    for voice in [&low, &high, &low] {
        samples.extend(vec![0.0; 16_000]);
        samples.extend_from_slice(voice);
    }
    let folder = folder(name);
    fs::write(folder.join("call 1.wav"), wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
    folder
}

/// The JSON of `infer --speakers` for the conversation, and its turns: speaker, start, end.
fn turns(recording: &Path) -> (Value, Vec<(u64, f64, f64)>) {
    let said = run(["infer", recording.to_str().unwrap(), "--json", "--quiet", "--speakers", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let mut turns = Vec::new();
    for voice in report["speakers"].as_array().unwrap() {
        for turn in voice["turns"].as_array().unwrap() {
            let [start, end] = ["start_s", "end_s"].map(|key| turn[key].as_f64().unwrap());
            turns.push((voice["speaker"].as_u64().unwrap(), start, end));
        }
    }
    turns.sort_by(|a, b| a.1.total_cmp(&b.1));
    (report, turns)
}

#[test]
fn rttm_textgrid_and_page_contain_the_turns_of_the_json() {
    let folder = conversation("speaker_files");
    let recording = folder.join("call 1.wav");
    let (_, turns) = turns(&recording);
    assert!(turns.iter().any(|turn| turn.0 == 2) && turns.len() >= 3, "{turns:?}");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let outputs = [file("a.rttm"), file("a.TextGrid"), file("a.html")];
    let options = ["--speakers", "2", "--rttm", &outputs[0], "--textgrid", &outputs[1], "--html", &outputs[2]];
    let said = run([&["infer", recording.to_str().unwrap(), "--quiet"][..], &options].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);

    let lines: Vec<String> = turns
        .iter()
        .map(|(speaker, start, end)| {
            let length = end - start;
            format!("SPEAKER call_1 1 {start:.3} {length:.3} <NA> <NA> speaker_{speaker} <NA> <NA>\n")
        })
        .collect();
    assert_eq!(fs::read_to_string(&outputs[0]).unwrap(), lines.concat());

    let grid = fs::read_to_string(&outputs[1]).unwrap();
    assert!(
        grid.contains("size = 2\n") && grid.contains("name = \"speaker 1\"") && grid.contains("name = \"speaker 2\"")
    );
    for (_, start, end) in &turns {
        assert!(grid.contains(&format!("xmin = {start}\n            xmax = {end}\n")), "{start} to {end}:\n{grid}");
    }

    let page = fs::read_to_string(&outputs[2]).unwrap();
    for text in
        ["<span data-speaker=\"1\">speaker 1</span>", "<span data-speaker=\"2\">speaker 2</span>", "id=\"rttm\""]
    {
        assert!(page.contains(text), "{text}");
    }
    let rows = page.matches("<tr><td>0:").count();
    assert_eq!(rows, turns.len());
}

#[test]
fn csv_and_json_lines_have_a_row_per_turn() {
    let folder = conversation("speaker_rows");
    let recording = folder.join("call 1.wav");
    let path = recording.to_str().unwrap();
    let (report, turns) = turns(&recording);
    let said = run(["infer", path, "--csv", "--quiet", "--speakers", "2"]);
    let mut reader = csv::Reader::from_reader(said.out.as_bytes());
    let headers = reader.headers().unwrap().clone();
    assert_eq!(
        &headers.iter().collect::<Vec<_>>()[..6],
        ["file", "channel", "speaker", "start_s", "end_s", "overlap_s"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let found: Vec<(u64, f64, f64)> =
        rows.iter().map(|row| (row[2].parse().unwrap(), row[3].parse().unwrap(), row[4].parse().unwrap())).collect();
    assert_eq!(found, turns);

    let said = run(["infer", path, "--jsonl", "--quiet", "--speakers", "2"]);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<(u64, f64, f64)> = lines[..lines.len() - 1]
        .iter()
        .map(|line| {
            assert_eq!((line["type"].as_str(), line["file"].as_str()), (Some("turn"), Some(path)));
            let [start, end] = ["start_s", "end_s"].map(|key| line[key].as_f64().unwrap());
            (line["speaker"].as_u64().unwrap(), start, end)
        })
        .collect();
    assert_eq!(found, turns);
    assert_eq!(lines[lines.len() - 1]["speakers"], report["speakers"]);
}

#[test]
fn batch_and_eval_tell_speakers_apart_too() {
    let folder = conversation("speaker_batch");
    let recording = folder.join("call 1.wav");
    let path = recording.to_str().unwrap();
    let (report, turns) = turns(&recording);
    let said = run(["batch", path, "--quiet", "--speakers", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line: Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!(line["speakers"], report["speakers"]);
    let said = run(["batch", path, "--flat", "--speakers=2"]);
    assert!(said.code == Some(2) && said.err.contains("cannot be used with"), "{}", said.err);

    // the recording's name has no blank in an RTTM file
    fs::rename(&recording, folder.join("call.wav")).unwrap();
    let recording = folder.join("call.wav");
    let reference = folder.join("reference.rttm");
    let line = |(speaker, start, end): &(u64, f64, f64)| {
        format!("SPEAKER call 1 {start:.3} {:.3} <NA> <NA> who{speaker} <NA> <NA>\n", end - start)
    };
    fs::write(&reference, turns.iter().map(line).collect::<String>()).unwrap();
    let files = ["eval", recording.to_str().unwrap(), "--rttm", reference.to_str().unwrap()];
    let out = folder.join("out.json");
    let said = run([&files[..], &["--speakers", "2", "--json", out.to_str().unwrap()]].concat());
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let evaluated: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert!(evaluated["overall"]["no_collar"]["der"].as_f64().unwrap() < 1e-3, "{}", said.out);
    assert_eq!(evaluated["source"]["system"], "campplus-fcn");
    let said = run(["eval", "other.wav", "--rttm", reference.to_str().unwrap()]);
    assert!(
        said.code == Some(2) && said.err.contains("no recording `other`; it has, for instance, `call`"),
        "{}",
        said.err
    );
    let said = run(["eval", "--rttm", reference.to_str().unwrap()]);
    assert!(said.code == Some(2) && said.err.contains("--hyp"), "{}", said.err);
}

/// A recording in which nobody speaks has a row, and an empty RTTM file.
#[test]
fn nobody_is_nobody_in_every_format() {
    let folder = folder("speaker_nobody");
    let recording = folder.join("silence.wav");
    fs::write(&recording, wav(1, 1, 16_000, 16, &pcm16(&vec![0.0; 48_000]))).unwrap();
    let rttm = folder.join("a.rttm");
    let options = ["--csv", "--quiet", "--rttm", rttm.to_str().unwrap(), "--speakers"];
    let said = run([&["infer", recording.to_str().unwrap()][..], &options].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().count(), 2);
    assert!(said.out.contains("silence.wav,,,0,3,,") && said.out.trim().ends_with(",silence"), "{}", said.out);
    assert_eq!(fs::read_to_string(&rttm).unwrap(), "");
}

#[test]
fn rttm_needs_speakers() {
    let said = run(["infer", fixture("speech.wav").to_str().unwrap(), "--rttm", "a.rttm"]);
    assert!(said.code == Some(2) && said.err.contains("--speakers"), "{}", said.err);
}
