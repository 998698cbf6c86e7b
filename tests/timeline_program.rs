//! Timelines of `infer`: JSON, JSON lines, CSV, the table, pages and TextGrid files.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::program::{run, run_with_input};
use common::{buzz, folder, pcm16, wav};
use serde_json::Value;

/// The fast model, for fast tests.
const MODEL: [&str; 3] = ["infer", "--model", "xvector-cnn"];

/// A stereo call of 6.2 s: the left channel speaks first, the right one after it.
fn call(test: &str, name: &str) -> PathBuf {
    let mut left = buzz(3 * 8000, 8000.0);
    left.resize(8000 * 62 / 10, 0.0);
    let mut right = vec![0.0; 3 * 8000];
    right.extend(buzz(left.len() - right.len(), 6000.0));
    let both: Vec<f32> = left.iter().zip(&right).flat_map(|(&l, &r)| [l, r]).collect();
    let path = folder(test).join(name);
    fs::write(&path, wav(1, 2, 8000, 16, &pcm16(&both))).unwrap();
    path
}

fn with<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&MODEL, rest].concat()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_has_a_timeline_per_channel() {
    let path = call("timeline_json", "call.wav");
    let path = path.to_str().unwrap();
    let output = run(with(&["--json", "--timeline", "--per-channel", path]));
    assert_eq!(output.code, Some(0), "{}", output.err);
    let report = &objects(&output.out)[0];
    assert!(report.get("emotion").is_none() && report.get("windows").is_none());
    for (index, channel) in report["per_channel"].as_array().unwrap().iter().enumerate() {
        assert_eq!(channel["channel"], index + 1);
        let timeline = channel["timeline"].as_array().unwrap();
        assert_eq!((timeline.len(), &timeline[5]["end_s"]), (6, &6.2.into()));
        let answered = |k: usize| timeline[k]["no_answer"].is_null();
        assert_eq!((answered(0), answered(4)), (index == 0, index == 1));
        assert!((channel["summary"]["answered_s"].as_f64().unwrap() - 3.1).abs() < 0.4);
    }
    let whole = &objects(&run(with(&["--json", path])).out)[0];
    assert!(whole.get("timeline").is_none() && whole.get("summary").is_none() && whole.get("per_channel").is_none());
    let without = run(with(&["--json", "--timeline", "--per-channel", "--no-gender", path]));
    assert!(!without.out.contains("gender"), "{}", without.out);
}

#[test]
fn json_lines_and_csv_agree_for_any_number_of_threads() {
    let path = call("timeline_lines", "call, \"one\".wav");
    let path = path.to_str().unwrap();
    let forms = |threads| {
        let lines = run(with(&["--jsonl", "--timeline", "--per-channel", "--threads", threads, path])).out;
        let rows = run(with(&["--csv", "--timeline", "--per-channel", "--threads", threads, path])).out;
        let segments: String = lines.lines().filter(|line| line.contains("\"type\":\"stretch\"")).collect();
        (segments, rows, lines)
    };
    let (one, three) = (forms("1"), forms("3"));
    assert_eq!((&one.0, &one.1), (&three.0, &three.1));
    let lines = objects(&one.2);
    assert_eq!((lines.len(), &lines[12]["type"]), (13, &"report".into()));
    assert!(lines[12]["per_channel"][0]["summary"].is_object());
    let mut table = csv::Reader::from_reader(one.1.as_bytes());
    let names = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 12);
    for (row, line) in rows.iter().zip(&lines) {
        let cell = |name: &str| &row[names.iter().position(|known| known == name).unwrap()];
        assert_eq!((cell("file"), cell("channel").parse().ok()), (path, line["channel"].as_u64()));
        let label = line["emotion"]["label"].as_str().unwrap_or_default();
        assert_eq!(cell("emotion"), label);
        if !label.is_empty() {
            let p = &line["emotion"]["probabilities"][label];
            assert_eq!(cell(&format!("emotion_{label}")).parse().ok(), p.as_f64());
        }
        assert_eq!(cell("no_answer"), line["no_answer"]["reason"].as_str().unwrap_or_default());
    }
    let one_row = run(with(&["--csv", path]));
    assert_eq!(one_row.out.lines().count(), 2, "{}", one_row.out);
}

#[test]
fn a_failed_file_is_an_object_of_type_error() {
    let output = run_with_input(with(&["--jsonl", "-"]), b"no audio at all");
    assert_eq!(output.code, Some(1));
    let lines = objects(&output.out);
    assert_eq!((lines.len(), &lines[0]["type"], &lines[0]["schema"]), (1, &"error".into(), &1.into()));
}

#[test]
fn the_table_shows_channels_and_runs() {
    let path = call("timeline_table", "call.wav");
    let output = run(with(&["--timeline", "--per-channel", path.to_str().unwrap()]));
    for words in ["channel 1", "channel 2", "– silence", "0:00.0"] {
        assert!(output.out.contains(words), "{words} is missing:\n{}", output.out);
    }
    assert!(output.out.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{}", output.out);
}

#[test]
fn a_page_is_self_contained_and_escapes_names() {
    let path = call("timeline_page", "<script>alert(1)</script>.wav".replace('/', "|").as_str());
    let page = path.with_file_name("page.html");
    let html = ["--html", page.to_str().unwrap(), "--embed-audio", "--per-channel"];
    let output = run(with(&[&html[..], &[path.to_str().unwrap()]].concat()));
    assert_eq!(output.code, Some(0), "{}", output.err);
    let text = fs::read_to_string(page).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"));
    assert!(!text.contains("<script>alert") && text.contains("&lt;script&gt;alert"));
    assert!(text.contains("src=\"data:audio/wav;base64,UklGR"));
    let outside = ["http://", "https://", "url(\"", "@import", "src=\"/"];
    for address in outside {
        let found = text.match_indices(address).filter(|(at, _)| !text[*at..].starts_with("http://www.w3.org/"));
        assert_eq!(found.count(), 0, "{address}");
    }
    let (_, after) = text.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap();
    let voices = data["voices"].as_array().unwrap();
    assert_eq!((voices.len(), data["duration_s"].as_f64()), (2, Some(6.2)));
    for voice in voices {
        assert_eq!(voice["segments"].as_array().map(Vec::len), Some(6));
        assert!(voice["peaks"].as_array().is_some_and(|peaks| peaks.len() > 1000));
    }
    assert!(text.contains("<script type=\"module\">") && text.contains("class Timeline"));
}

#[test]
fn text_grid_tiers_have_no_gaps() {
    let path = call("timeline_textgrid", "call.wav");
    let grid = path.with_file_name("call.TextGrid");
    let folder = path.parent().unwrap().to_str().unwrap();
    let output = run(with(&["--textgrid", folder, "--per-channel", path.to_str().unwrap()]));
    assert_eq!(output.code, Some(0), "{}", output.err);
    let text = fs::read_to_string(grid).unwrap();
    assert_eq!(text.matches("class = \"IntervalTier\"").count(), 8);
    let number = |line: &str| line.split_once(" = ").unwrap().1.parse::<f64>().unwrap();
    let mut at = 0.0;
    let mut tiers_ended = 0;
    for tier in text.split("class = \"IntervalTier\"").skip(1) {
        let bounds: Vec<(bool, f64)> = tier
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("xmin") || line.starts_with("xmax"))
            .map(|line| (line.starts_with("xmin"), number(line)))
            .collect();
        assert_eq!(bounds[..2], [(true, 0.0), (false, 6.2)]);
        for (is_start, place) in &bounds[2..] {
            if *is_start {
                assert_eq!(*place, at);
            }
            at = *place;
        }
        assert_eq!(std::mem::take(&mut at), 6.2);
        tiers_ended += 1;
    }
    assert_eq!(tiers_ended, 8);
}

#[test]
fn wrong_usage_exits_with_2_and_a_helpful_message() {
    let path = call("timeline_usage", "call.wav");
    let path = path.to_str().unwrap();
    for (arguments, words) in [
        (&["--timeline", "--hop", "4", path][..], "not between 0.1 and 3"),
        (&["--timeline", "--hop", "nan", path], "hop_s: NaN"),
        (&["--json", "--csv", path], "cannot be used with"),
        (&["--html", "/nowhere.html", path, path], "must be an existing folder"),
        (&["--html", "/tmp/x.html", "--embed-audio", "-"], "standard input cannot be read twice"),
        (&["--embed-audio", path], "--html"),
    ] {
        let output = run(with(arguments));
        assert_eq!(output.code, Some(2), "{arguments:?}");
        assert!(output.out.is_empty() && output.err.contains(words), "{arguments:?}: {}", output.err);
    }
}
