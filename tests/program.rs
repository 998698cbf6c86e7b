//! The program as people and scripts use it: standard output, standard error, exit codes.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::program::{run, run_with_input};
use common::{buzz, fixture, folder, pcm16, wav};
use serde_json::Value;

fn speech() -> String {
    fixture("speech.wav").to_str().unwrap().to_owned()
}

/// The objects of `--json` without their timings.
fn objects(text: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        object.as_object_mut().unwrap().remove("timings_ms");
        object
    };
    text.lines().map(parse).collect()
}

#[test]
fn the_default_output_is_a_table() {
    let output = run(["infer", &speech()]);
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    for word in ["speech.wav", "4.16 s", "16 kHz", "mono", "anger", "sadness", "gender", "age", "years", "2 chunks"] {
        assert!(output.out.contains(word), "{word} is missing:\n{}", output.out);
    }
    assert!(output.out.lines().all(|line| line.chars().count() <= 80), "wider than a terminal:\n{}", output.out);
}

#[test]
fn json_is_one_object_per_file_with_all_keys() {
    let output = run(["infer", "--json", &speech(), &speech()]);
    assert_eq!((output.code, output.out.lines().count()), (Some(0), 2));
    let report: Value = serde_json::from_str(output.out.lines().next().unwrap()).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(
        (&report["sample_rate_hz"], &report["channels"], &report["windows"]),
        (&16_000.into(), &1.into(), &2.into())
    );
    assert!((report["duration_s"].as_f64().unwrap() - 4.164_187).abs() < 1e-6);
    assert_eq!(report["model"], "campplus-fcn");
    for (head, classes) in [("emotion", 6), ("gender", 2)] {
        let probabilities = report[head]["probabilities"].as_object().unwrap();
        assert_eq!(probabilities.len(), classes);
        let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{head}: {sum}");
        let best = probabilities.iter().max_by(|a, b| a.1.as_f64().partial_cmp(&b.1.as_f64()).unwrap()).unwrap();
        assert_eq!(&report[head]["label"], best.0);
    }
    let years = report["age"]["years"].as_f64().unwrap();
    assert!((10.0..100.0).contains(&years), "{years}");
    for stage in ["decode", "resample", "features", "network", "total"] {
        assert!(report["timings_ms"][stage].as_f64().unwrap() >= 0.0, "{stage}");
    }
    assert!(report["no_answer"].is_null() && report["warnings"] == serde_json::json!([]));
    assert!(report["withheld"] == serde_json::json!([]) && report["age"].as_object().unwrap().contains_key("interval"));
}

#[test]
fn standard_input_gives_the_same_report_as_the_file() {
    let file = &objects(&run(["infer", "--json", &speech()]).out)[0];
    let piped = run_with_input(["infer", "--json", "-"], &fs::read(fixture("speech.wav")).unwrap());
    assert_eq!(piped.code, Some(0));
    let mut piped = objects(&piped.out).remove(0);
    assert_eq!(piped["file"], "-");
    piped["file"] = file["file"].clone();
    assert_eq!(&piped, file);
}

#[test]
fn any_number_of_threads_gives_the_same_report() {
    let folder = folder("threads");
    let long = folder.join("long.wav");
    fs::write(&long, wav(1, 1, 8000, 16, &pcm16(&buzz(8000 * 100, 8000.0)))).unwrap();
    let report = |n: &str| objects(&run(["infer", "--json", "--threads", n, long.to_str().unwrap()]).out);
    let one = report("1");
    assert_eq!(one[0]["windows"], 34);
    for n in ["2", "3", "7"] {
        assert_eq!(report(n), one, "{n} threads");
    }
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let output = run(["infer", "--json", &speech(), "/nowhere/at all.wav", &speech()]);
    assert_eq!(output.code, Some(1));
    let lines = objects(&output.out);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], lines[2]);
    assert_eq!((&lines[1]["schema"], &lines[1]["file"]), (&1.into(), &"/nowhere/at all.wav".into()));
    assert!(lines[1]["error"].as_str().unwrap().contains("/nowhere/at all.wav"));
    assert_eq!(output.err.lines().count(), 1);
    assert!(output.err.contains("/nowhere/at all.wav"), "{}", output.err);
}

#[test]
fn silence_and_short_recordings_give_a_reason_instead_of_predictions() {
    let folder = folder("no_answer");
    let cases = [
        ("silence.wav", wav(1, 1, 16_000, 16, &pcm16(&vec![0.0; 32_000])), "silence"),
        ("offset.wav", wav(1, 2, 44_100, 16, &pcm16(&vec![0.25; 88_200])), "silence"),
        ("a-law-silence.wav", wav(6, 1, 8000, 8, &[0xD5; 16_000]), "silence"),
        ("short.wav", wav(1, 1, 16_000, 16, &pcm16(&buzz(4700, 16_000.0))), "too_short"),
        ("one-sample.wav", wav(1, 1, 384_000, 16, &pcm16(&[0.5])), "too_short"),
    ];
    for (name, bytes, reason) in cases {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let output = run(["infer", "--json", path.to_str().unwrap()]);
        assert_eq!(output.code, Some(0), "{name}: {}", output.err);
        let report = &objects(&output.out)[0];
        assert_eq!(report["no_answer"]["reason"], reason, "{name}");
        assert!(report["emotion"].is_null() && report["gender"].is_null() && report["age"].is_null(), "{name}");
        let table = run(["infer", path.to_str().unwrap()]);
        assert!(table.out.contains("no prediction: the recording is"), "{name}: {}", table.out);
    }
}

#[test]
fn silent_chunks_are_skipped_with_a_warning() {
    let folder = folder("half_silent");
    let mut samples = buzz(16_000 * 3, 16_000.0);
    let alone = folder.join("alone.wav");
    fs::write(&alone, wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
    samples.resize(16_000 * 9, 0.0);
    let followed = folder.join("followed.wav");
    fs::write(&followed, wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
    let output = run(["infer", "--json", alone.to_str().unwrap(), followed.to_str().unwrap()]);
    let lines = objects(&output.out);
    assert_eq!(lines[0]["emotion"], lines[1]["emotion"]);
    assert_eq!(lines[1]["windows"], 1);
    let warnings = lines[1]["warnings"].to_string();
    assert!(warnings.contains("2 of 3 chunks are silent"), "{warnings}");
}

#[test]
fn a_telephone_recording_has_a_warning() {
    let report = &objects(&run(["infer", "--json", fixture("clip-alaw-8k.wav").to_str().unwrap()]).out)[0];
    assert_eq!(report["sample_rate_hz"], 8000);
    assert!(report["warnings"][0].as_str().unwrap().contains("4000 Hz"), "{report}");
}

#[test]
fn channels_that_cancel_give_a_warning_unless_quiet() {
    let path = folder("cancel").join("opposite.wav");
    let both: Vec<f32> = buzz(16_000, 16_000.0).iter().flat_map(|&x| [x, -x]).collect();
    fs::write(&path, wav(1, 2, 16_000, 16, &pcm16(&both))).unwrap();
    let output = run(["infer", path.to_str().unwrap()]);
    assert!(output.err.contains("warning") && output.err.contains("cancel"), "{}", output.err);
    assert_eq!(run(["infer", "--quiet", path.to_str().unwrap()]).err, "");
}

#[test]
fn accept_truncated_uses_a_truncated_recording() {
    let path = folder("cut").join("cut.wav");
    let whole = fs::read(fixture("speech.wav")).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(run(["infer", path.to_str().unwrap()]).code, Some(1));
    let output = run(["infer", "--json", "--accept-truncated", path.to_str().unwrap()]);
    assert_eq!(output.code, Some(0));
    assert!(output.err.contains("warning"), "{}", output.err);
    assert!((objects(&output.out)[0]["duration_s"].as_f64().unwrap() - 2.08).abs() < 0.01);
}

#[test]
fn a_model_file_gives_the_same_report_as_the_embedded_model() {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/campplus-fcn.safetensors");
    let inside = objects(&run(["infer", "--json", &speech()]).out);
    assert_eq!(objects(&run(["infer", "--json", "--model", weights, &speech()]).out), inside);
    let (inside, file) = (run(["model", "show"]), run(["model", "show", weights]));
    assert_eq!((inside.code, &inside.out), (Some(0), &file.out));
    for word in ["campplus-fcn", "CREMA-D", "ODbL", "unseen speakers", "female", "age 60-74", "Article", "5(1)(f)"] {
        assert!(file.out.to_lowercase().contains(&word.to_lowercase()), "{word} is missing:\n{}", file.out);
    }
}

/// A disabled head is neither printed nor a key, not even with the value null; everything else is unchanged.
#[test]
fn a_disabled_head_leaves_no_trace() {
    let all = &objects(&run(["infer", "--json", &speech()]).out)[0];
    let words =
        [("--no-emotion", "emotion", "happiness"), ("--no-gender", "gender", "male"), ("--no-age", "age", "years")];
    for (switch, key, word) in words {
        let output = run(["infer", "--json", switch, &speech()]);
        assert_eq!(output.code, Some(0), "{switch}: {}", output.err);
        let mut expected = all.clone();
        expected.as_object_mut().unwrap().remove(key).unwrap();
        assert_eq!(objects(&output.out)[0], expected, "{switch}");
        let table = run(["infer", switch, &speech()]).out;
        assert!(!table.contains(key) && !table.contains(word) && table.contains("2 chunks"), "{switch}: {table}");
    }
    let output = run(["infer", "--json", "--no-gender", "--no-age", "--min-confidence", "1", &speech()]);
    let report = &objects(&output.out)[0];
    assert_eq!((&report["no_answer"]["reason"], &report["emotion"]), (&"low_confidence".into(), &Value::Null));
    assert!(report.get("gender").is_none() && report.get("age").is_none(), "{report}");
}

#[test]
fn the_notice_covers_the_enabled_heads() {
    let all = run(["--notice"]);
    assert_eq!(all.code, Some(0));
    assert!(all.out.contains("EMOTION, GENDER AND AGE") && all.err.contains("article 50(3)"), "{}{}", all.out, all.err);
    let less = run(["infer", "--notice", "--no-emotion"]).out;
    assert!(less.contains("GENDER AND AGE") && !less.to_lowercase().contains("emotion"), "{less}");
}

/// Completes the last word as bash does.
#[test]
fn bash_completes_commands_and_their_options() {
    let script = folder("completions").join("persona-engine.bash");
    fs::write(&script, run(["completions", "bash"]).out).unwrap();
    for (words, expected) in [
        ("persona-engine ba", "batch"),
        ("persona-engine batch --res", "--resume"),
        ("persona-engine model sh", "show"),
        ("persona-engine completions z", "zsh"),
    ] {
        let (before, last) = words.rsplit_once(' ').unwrap();
        let ask = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _persona__engine persona-engine '{last}' '{}'; echo \"${{COMPREPLY[*]}}\"",
            script.display(),
            before.rsplit(' ').next().unwrap()
        );
        let Ok(output) = Command::new("bash").args(["-c", &ask]).output() else {
            println!("bash_completes_commands_and_their_options: skipped, there is no bash");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{words}");
    }
}

#[test]
fn the_manual_and_the_completions_name_every_command() {
    let (manual, bash) = (run(["man"]), run(["completions", "bash"]));
    assert_eq!((manual.code, bash.code), (Some(0), Some(0)));
    for command in ["infer", "batch", "eval", "model", "completions", "man"] {
        assert!(manual.out.contains(&format!("persona\\-engine\\-{command}(1)")), "{command}: {}", manual.out);
        assert!(bash.out.contains(&format!(" {command} ")), "{command}: {}", bash.out);
    }
    let batch = run(["man", "batch"]).out;
    assert!(batch.contains("\\-\\-resume") && batch.contains("results.jsonl"), "{batch}");
    let unknown = run(["man", "btch"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("no command `btch`"), "{}", unknown.err);
    let pages = folder("man_pages");
    assert_eq!(run(["man", "--output", pages.to_str().unwrap()]).code, Some(0));
    assert!(pages.join("persona-engine-model-list.1").exists());
}

#[test]
fn wrong_usage_exits_with_2_and_a_helpful_message() {
    for (arguments, words) in [
        (&["infer"][..], "FILE"),
        (&["infr", "a.wav"], "infer"),
        (&["infer", "--jsn", "a.wav"], "--json"),
        (&["infer", "--threads", "0", "a.wav"], "1..=1024"),
        (&["infer", "-", "-"], "only once"),
        (&["infer", "--min-confidence", "NaN", "a.wav"], "not between 0 and 1"),
        (&["infer", "--min-confidence", "-0.1", "a.wav"], "min-confidence"),
        (&["infer", "--min-confidence", "1.01", "a.wav"], "not between 0 and 1"),
        (&["infer", "--min-confidence", "60%", "a.wav"], "a number from 0 to 1"),
        (&["infer", "--no-emotion", "--no-gender", "--no-age", "a.wav"], "leave nothing to predict"),
        (
            &["infer", "--no-emotion", "--no-gender", "--min-confidence", "0.6", "a.wav"],
            "only age is left, which has no probability",
        ),
        (&["infer", "--model", "xvectro-cnn", "a.wav"], "Was `xvector-cnn` meant?"),
        (&["infer", "--model", "", "a.wav"], "there is no model ``"),
        (&["model", "show", "wavlm"], "available: `campplus-fcn`"),
        (&["infer", "--model", "/nowhere.safetensors", "a.wav"], "/nowhere.safetensors"),
        (&["model", "show", "/"], "directory"),
        (&[], "Usage"),
    ] {
        let output = run(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}");
        assert!(output.out.is_empty() && output.err.contains(words), "{arguments:?}: {}", output.err);
    }
}

/// A reader such as `head -1` closes the pipe after one line.
#[test]
fn a_closed_pipe_is_no_error() {
    let files = vec![speech(); 400];
    let mut child = Command::new(env!("CARGO_BIN_EXE_persona-engine"))
        .args(["infer", "--json"])
        .args(files)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert!(line.starts_with("{\"schema\""));
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}
