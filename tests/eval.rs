//! `persona-engine eval`: metrics of labelled tables, and errors with line numbers for invalid
//! tables.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stdout, reason = "prints the results")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::model_file::Parts;
use common::program::{ProgramOutput, run};
use common::{buzz, fixture, folder, pcm16, wav};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::Value;

/// A folder with four recordings: speech, two buzzes and silence.
fn recordings(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::copy(fixture("speech.wav"), folder.join("speech.wav")).unwrap();
    for (name, seconds) in [("buzz, one.wav", 2), ("buzz two.wav", 4)] {
        let samples = buzz(16_000 * seconds, 16_000.0);
        fs::write(folder.join(name), wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
    }
    fs::write(folder.join("silence.wav"), wav(1, 1, 16_000, 16, &pcm16(&vec![0.0; 32_000]))).unwrap();
    folder
}

const LABELLED: &str = "file,emotion,sex,age,speaker,race\n\
    speech.wav,ANG,M,40,a,x\n\
    \"buzz, one.wav\",sad,female,25,b,x\n\
    buzz two.wav,Happy,F,61.5,c,<b>y</b>\n\
    silence.wav,NEU,M,33,a,x\n";

/// Writes a table into a folder and evaluates it.
fn eval(folder: &Path, table: impl AsRef<[u8]>, more: &[&str]) -> ProgramOutput {
    let path = folder.join("clips.csv");
    fs::write(&path, table).unwrap();
    run([&["eval", path.to_str().unwrap()], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Rows of a CSV file by the names of its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_table_of_recordings_gives_text_json_page_and_the_predictions_of_infer() {
    let folder = recordings("eval_recordings");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let outputs = [file("out.json"), file("out.html"), file("out.csv")];
    let options = ["--json", &outputs[0], "--html", &outputs[1], "--predictions", &outputs[2], "--bootstrap", "100"];
    let said = eval(&folder, LABELLED, &options);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for word in
        ["campplus-fcn on 4 clips of 3 speakers", "accuracy", "RMSE", "1 clip without prediction: silence", "race"]
    {
        assert!(said.out.contains(word), "{word} is missing:\n{}", said.out);
    }
    let fits = |line: &str| line.chars().count() <= 100 || line.contains("clips.csv");
    assert!(said.out.lines().all(fits), "wider than 100:\n{}", said.out);
    let report = json(&folder.join("out.json"));
    assert_eq!(
        (&report["schema"], &report["input"]["clips"], &report["input"]["speakers"]),
        (&1.into(), &4.into(), &3.into())
    );
    assert_eq!((&report["overall"]["emotion"]["clips"], &report["no_answer"]["silence"]), (&3.into(), &1.into()));
    assert_eq!(report["emotion_detail"]["confusion"].as_array().unwrap().len(), 6);
    let columns: Vec<_> = report["groups"].as_array().unwrap().iter().map(|g| g["column"].as_str().unwrap()).collect();
    assert!(["sex", "age_band", "race", "emotion"].iter().all(|column| columns.contains(column)), "{columns:?}");
    assert_self_contained(&fs::read_to_string(folder.join("out.html")).unwrap());
    assert_predictions_of_infer(&folder);
}

/// One page that loads nothing else and escapes the text of the table.
fn assert_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for outside in ["<script", "<link", "src=", "url(", "@import", "<b>y</b>"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let addresses = page.matches("http").count();
    assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(page.matches("<svg").count() >= 8 && page.matches("<svg").count() == page.matches("</svg>").count());
    assert!(page.contains("&lt;b&gt;y&lt;/b&gt;"));
}

fn assert_predictions_of_infer(folder: &Path) {
    let rows = rows(&folder.join("out.csv"));
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let said = run(["infer", "--json", folder.join(&row["clip"]).to_str().unwrap()]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        if report["emotion"].is_null() {
            assert_eq!((row["clip"].as_str(), row["emotion"].as_str()), ("silence.wav", ""));
            assert!(row["no_answer"].contains("silent"));
            continue;
        }
        for head in ["emotion", "gender"] {
            assert_eq!(row[head], report[head]["label"].as_str().unwrap());
            for (label, p) in report[head]["probabilities"].as_object().unwrap() {
                assert_eq!(row[&format!("p_{label}")].parse::<f64>().unwrap(), p.as_f64().unwrap(), "{label}");
            }
        }
        assert_eq!(row["age"].parse::<f64>().unwrap(), report["age"]["years"].as_f64().unwrap());
    }
    assert_eq!((rows[1]["true_emotion"].as_str(), rows[1]["true_gender"].as_str()), ("sadness", "female"));
    assert_eq!((rows[2]["line"].as_str(), rows[2]["true_age"].as_str()), ("4", "61.5"));
}

/// A clip that speech detection rejects is counted by its reason and is not a problem of the table;
/// without detection it is evaluated.
#[test]
fn clips_without_speech_are_counted_and_evaluated_on_request() {
    let folder = recordings("eval_no_speech");
    let tone: Vec<f32> = (0..32_000).map(|i| 0.3 * (i as f32 * 0.1).sin()).collect();
    fs::write(folder.join("tone.wav"), wav(1, 1, 16_000, 16, &pcm16(&tone))).unwrap();
    let table = format!("{LABELLED}tone.wav,NEU,F,50,d,x\n");
    let out = folder.join("out.json");
    let measured = |table: &str, more: &[&str]| {
        let said = eval(&folder, table, &[&["--json", out.to_str().unwrap()], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        (said.out, json(&out))
    };
    let (text, report) = measured(&table, &[]);
    assert!(text.contains("1 clip without prediction: no_speech"), "{text}");
    assert_eq!(report["no_answer"], serde_json::json!({"no_speech": 1, "silence": 1}));
    assert_eq!((&report["input"]["clips"], &report["overall"]["age"]["clips"]), (&5.into(), &3.into()));
    assert_eq!((&report["problems"]["count"], &report["settings"]["activity"]), (&0.into(), &true.into()));

    let (text, report) = measured(&table, &["--no-activity"]);
    assert!(text.contains("without speech detection") && !text.contains("prediction: no_speech"), "{text}");
    assert_eq!(report["no_answer"], serde_json::json!({"silence": 1}));
    assert_eq!((&report["overall"]["age"]["clips"], &report["settings"]["activity"]), (&4.into(), &false.into()));

    let (_, report) = measured("file,emotion,age\ntone.wav,NEU,50\n", &[]);
    assert!(report["overall"]["emotion"].is_null() && report["overall"]["age"].is_null());
    assert_eq!(report["no_answer"], serde_json::json!({"no_speech": 1}));
}

/// Age intervals are evaluated as they are reported.
#[test]
fn the_interval_of_an_age_is_measured() {
    let folder = recordings("eval_interval");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (model, out, predictions) = (path("interval.safetensors"), path("out.json"), path("out.csv"));
    fs::write(&model, Parts::with_interval().signed()).unwrap();
    let said = eval(&folder, LABELLED, &["--model", &model, "--json", &out, "--predictions", &predictions]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let infer = run(["infer", "--json", "--model", &model, &path("speech.wav")]);
    let age = serde_json::from_str::<Value>(&infer.out).unwrap()["age"].clone();
    let rows = rows(Path::new(&predictions));
    for (column, of_infer) in [("age_low", &age["interval"]["low_years"]), ("age_high", &age["interval"]["high_years"])]
    {
        assert_eq!(rows[0][column].parse::<f64>().unwrap(), of_infer.as_f64().unwrap(), "{column}");
    }
    assert_eq!((rows[3]["clip"].as_str(), rows[3]["age_low"].as_str()), ("silence.wav", ""));
    assert_eq!(json(Path::new(&out))["overall"]["age"]["interval_claimed"], 0.8);
    assert!(said.out.contains("interval coverage") && said.out.contains("80.0 % nominal"), "{}", said.out);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = recordings("eval_threads");
    let results = ["1", "3", "8"].map(|threads| {
        let out = folder.join(format!("{threads}.json"));
        let predictions = folder.join(format!("{threads}.csv"));
        let (out, predictions) = (out.to_str().unwrap(), predictions.to_str().unwrap());
        let options = ["--threads", threads, "--json", out, "--predictions", predictions, "--bootstrap", "50"];
        let said = eval(&folder, LABELLED, &options);
        (said.out, fs::read(out).unwrap(), fs::read(predictions).unwrap())
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

/// Six clips of synthetic features of 40 frames.
fn features(folder: &Path) -> PathBuf {
    let bytes: Vec<Vec<u8>> = (0..6).map(|k| (0..40 * 128_u32).map(|i| (i * (k + 3) % 251) as u8).collect()).collect();
    let views = bytes
        .iter()
        .zip(["c0", "c1", "c2", "c3", "c4", "c5"])
        .map(|(b, name)| (name, TensorView::new(Dtype::U8, vec![40, 128], b).unwrap()));
    let path = folder.join("features.safetensors");
    fs::write(&path, serialize(views, None).unwrap()).unwrap();
    path
}

const CLIPS: &str = "clip,actor,emotion,age,fold\nc0,1001,ANG,30,0\nc1,1001,SAD,30,0\nc2,elsewhere,FEA,50,1\nc3,1002,HAP,20,0\nc4,d,NEU,41,0\nc5,e,DIS,66,0\n";

#[test]
fn stored_features_are_evaluated_and_training_speakers_are_reported() {
    let folder = folder("eval_features");
    let features = features(&folder);
    let out = folder.join("out.json");
    let options = ["--model", "xvector-cnn", "--features", features.to_str().unwrap(), "--json", out.to_str().unwrap()];
    let said = eval(&folder, CLIPS, &options);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for text in [&said.err, &said.out] {
        assert!(text.contains("TRAINED ON THESE SPEAKERS: 2 of the 5 speakers"), "{text}");
    }
    let report = json(&out);
    assert_eq!(report["training_overlap"]["speakers"], serde_json::json!(["1001", "1002"]));
    assert!(report["warnings"][0].as_str().unwrap().contains("TRAINED ON THESE SPEAKERS"));
    assert!(report["overall"]["gender"].is_null() && report["gender_detail"].is_null());
    let chosen = eval(&folder, CLIPS, &[&options[..], &["--where", "fold=1"]].concat());
    assert!(chosen.out.contains("on 1 clip of 1 speaker") && !chosen.err.contains("TRAINED"), "{}", chosen.out);
    assert!(
        chosen.err.contains("one speaker") && chosen.err.contains("every clip has the emotion `fear`"),
        "{}",
        chosen.err
    );
    let quiet = eval(&folder, CLIPS, &[&options[..], &["--quiet"]].concat());
    assert_eq!(quiet.err, "");
}

#[test]
fn the_seed_changes_the_intervals_alone() {
    let folder = folder("eval_seed");
    let features = features(&folder);
    let measured = |seed: &str| {
        let out = folder.join(format!("{seed}.json"));
        let options = ["--features", features.to_str().unwrap(), "--seed", seed, "--json", out.to_str().unwrap()];
        let options = [&["--model", "xvector-cnn"], &options[..]].concat();
        assert_eq!(eval(&folder, CLIPS, &options).code, Some(0));
        json(&out)
    };
    let (one, same, other) = (measured("1"), measured("1"), measured("2"));
    assert_eq!(one, same);
    assert_eq!(one["overall"]["age"]["rmse"]["value"], other["overall"]["age"]["rmse"]["value"]);
    assert_ne!(one["overall"]["age"]["rmse"], other["overall"]["age"]["rmse"]);
}

#[test]
fn problems_are_errors_by_line_or_skipped_and_counted() {
    let folder = recordings("eval_problems");
    fs::write(folder.join("broken.wav"), b"RIFF....WAVEnothing").unwrap();
    let table = "\u{feff}file,emotion,sex,age,speaker\r\n\
        speech.wav,ANG,M,40,a\r\n\
        gone.wav,ANG,M,40,a\r\n\
        ./speech.wav,ANG,M,40,a\r\n\
        buzz two.wav,bored,x,NaN,b\r\n\
        \"buzz, one.wav\",SAD,F,NaN,b\r\n\
        broken.wav,SAD,F,30,b\r\n\
        too,few\r\n";
    let out = folder.join("out.json");
    let refused = eval(&folder, table, &["--json", out.to_str().unwrap()]);
    assert_eq!((refused.code, refused.out.as_str(), out.exists()), (Some(2), "", false), "{}", refused.err);
    for expected in [
        "clips.csv: table is malformed: line 3",
        "`gone.wav`",
        "line 4",
        "line 5",
        "`bored`",
        "line 6",
        "`NaN`",
        "line 8",
        "--keep-going",
    ] {
        assert!(refused.err.contains(expected), "{expected} is missing:\n{}", refused.err);
    }
    let going = eval(&folder, table, &["--keep-going", "--json", out.to_str().unwrap()]);
    assert_eq!(going.code, Some(1), "{}", going.err);
    let report = json(&out);
    let expected = serde_json::json!({"missing_file": 1, "duplicate": 1, "unknown_label": 2, "bad_age": 2, "row_shape": 1, "unreadable": 1});
    assert_eq!(report["problems"]["by_reason"], expected);
    assert_eq!((&report["problems"]["count"], &report["problems"]["list"][0]["line"]), (&8.into(), &3.into()));
    assert_eq!((&report["input"]["rows"], &report["input"]["clips"]), (&7.into(), &2.into()));
    assert_eq!((&report["overall"]["emotion"]["clips"], &report["overall"]["age"]["clips"]), (&2.into(), &1.into()));
    assert!(
        going.out.contains("8 problems") && going.out.contains("line 7") && going.err.contains("broken.wav"),
        "{}",
        going.out
    );
    let mapped = eval(&folder, table, &["--keep-going", "--label", "bored=neutral", "--label", "x=M", "--limit", "4"]);
    assert!(mapped.out.contains("missing_file") && !mapped.out.contains("unknown_label"), "{}", mapped.out);
}

#[test]
fn an_unreadable_recording_is_an_error_with_its_line_for_any_number_of_threads() {
    let folder = recordings("eval_broken");
    fs::write(folder.join("broken.wav"), b"RIFF....WAVEnothing").unwrap();
    fs::write(folder.join("worse.wav"), b"").unwrap();
    let table = "file,age\nspeech.wav,40\nbroken.wav,41\nbuzz two.wav,42\nworse.wav,43\n";
    for threads in ["1", "4"] {
        let said = eval(&folder, table, &["--threads", threads]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert!(said.err.contains("line 3") && !said.err.contains("line 5"), "{}", said.err);
    }
}

#[test]
fn invalid_tables_and_options_are_set_up_errors() {
    let folder = recordings("eval_senseless");
    let cases: &[(&[u8], &[&str], &str)] = &[
        (b"", &[], "empty"),
        (b"file,emotion\n", &[], "no rows"),
        (b"path,emotion\nspeech.wav,ANG\n", &[], "no column `file`"),
        (b"file,mood\nspeech.wav,ANG\n", &[], "no label column"),
        (b"file,emotion,FILE\nspeech.wav,ANG,x\n", &[], "duplicate column"),
        (b"file,emotion\nspeech.wav,bored\n", &["--keep-going"], "`bored`"),
        (b"file,emotion\nspeech.wav,\n", &["--keep-going"], "is empty"),
        (b"file,emotion\n\"speech.wav,ANG\n", &[], "fields"),
        (b"\x00\xff\xfe\n\n\n", &[], "not UTF-8 text"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--where", "fold=0"], "no column `fold`"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--where", "emotion=SAD"], "the table has ANG"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--group-by", "fold"], "no column `fold`"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--label", "calm=sleepy"], "`sleepy`"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--bootstrap", "100000000000"], "bootstrap"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--features", "/nowhere/f.safetensors"], "/nowhere/f.safetensors"),
        (b"clip,emotion\nc0,ANG\n", &["--features", "f.safetensors", "--no-activity"], "cannot be used with"),
        (b"file,emotion\nspeech.wav,ANG\n", &["--json", "/nowhere/out.json"], "cannot write /nowhere/out.json"),
    ];
    for (table, options, expected) in cases {
        let said = eval(&folder, table, options);
        assert_eq!(said.code, Some(2), "{expected}: {}", said.err);
        assert!(said.err.contains(expected), "{expected} is missing:\n{}", said.err);
    }
}

/// The metrics of CREMA-D's table and features equal those counted from the predictions.
#[test]
fn crema_d_is_evaluated_from_its_features() {
    let Some(data) = common::data("crema_d_is_evaluated_from_its_features") else { return };
    let folder = folder("eval_crema_d");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (table, features) = (data.join("crema_d/clips.csv"), data.join("crema_d/logmel_u8.safetensors"));
    let (out, predictions) = (path("out.json"), path("out.csv"));
    let said = run([
        "eval",
        table.to_str().unwrap(),
        "--model",
        "xvector-cnn",
        "--features",
        features.to_str().unwrap(),
        "--where",
        "fold_clip=0",
        "--where",
        "race=Asian",
        "--json",
        &out,
        "--predictions",
        &predictions,
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("TRAINED ON THESE SPEAKERS"), "{}", said.err);
    let (report, rows) = (json(Path::new(&out)), rows(Path::new(&predictions)));
    let right = rows.iter().filter(|row| row["emotion"] == row["true_emotion"]).count() as f64 / rows.len() as f64;
    let accuracy = report["overall"]["emotion"]["accuracy"]["value"].as_f64().unwrap();
    println!("{} clips, emotion {accuracy}", rows.len());
    approx::assert_abs_diff_eq!(right, accuracy, epsilon = 1e-6);
    let error =
        |row: &BTreeMap<String, String>| row["age"].parse::<f64>().unwrap() - row["true_age"].parse::<f64>().unwrap();
    let mae = rows.iter().map(|row| error(row).abs()).sum::<f64>() / rows.len() as f64;
    approx::assert_abs_diff_eq!(mae, report["overall"]["age"]["mae"]["value"].as_f64().unwrap(), epsilon = 1e-6);
    // trained on these very clips, it must know them
    assert!(accuracy > 0.6, "{accuracy}");
}

const REFERENCE: &str = "\
    SPEAKER call 1 0.0 4.0 <NA> <NA> M1 <NA> <NA>\n\
    SPEAKER call 1 4.0 4.0 <NA> <NA> F2 <NA> <NA>\n\
    SPEAKER talk 1 1.0 2.0 <NA> <NA> M1 <NA> <NA>\n";

/// Writes `reference.rttm` and `found.rttm` into a folder and compares them.
fn eval_rttm(folder: &Path, found: &str, more: &[&str]) -> ProgramOutput {
    let [reference, hypothesis] = ["reference.rttm", "found.rttm"].map(|name| folder.join(name));
    fs::write(&reference, REFERENCE).unwrap();
    fs::write(&hypothesis, found).unwrap();
    let files = ["eval", "--rttm", reference.to_str().unwrap(), "--hyp", hypothesis.to_str().unwrap()];
    run([&files[..], more].concat())
}

#[test]
fn a_diarization_is_compared_with_its_reference() {
    let folder = folder("eval_rttm");
    let found = "\
        SPEAKER call 1 0.0 4.5 <NA> <NA> a <NA> <NA>\n\
        SPEAKER call 1 4.5 3.5 <NA> <NA> b <NA> <NA>\n\
        SPEAKER other 1 0.0 1.0 <NA> <NA> a <NA> <NA>\n";
    let out = folder.join("out.json");
    let said = eval_rttm(&folder, found, &["--json", out.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("talk: nobody speaks in the hypothesis"), "{}", said.err);
    assert!(said.err.contains("other: not scored, the reference does not name it"), "{}", said.err);
    let report = json(&out);
    let der = |row: &Value| row["no_collar"]["der"].as_f64().unwrap();
    assert_eq!((der(&report["overall"]), der(&report["recordings"][0])), (0.25, 0.0625));
    assert_eq!(report["recordings"][0]["collar"]["der"], 0.035_714);
    assert_eq!(report["overall"]["speaker_count_accuracy"], 0.5);
    assert!(said.out.contains("25.0") && said.out.contains("20.0"), "missed 20 %:\n{}", said.out);

    let uem = folder.join("half.uem");
    fs::write(&uem, "call NA 0 4\n").unwrap();
    let said = eval_rttm(&folder, found, &["--uem", uem.to_str().unwrap(), "--json", out.to_str().unwrap(), "--quiet"]);
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert_eq!(json(&out)["overall"]["no_collar"]["der"], 0.0);
    assert_eq!(json(&out)["overall"]["speakers"], 1);
}

#[test]
fn options_without_effect_on_a_diarization_are_errors() {
    let folder = folder("eval_rttm_senseless");
    let good = "SPEAKER call 1 0.0 4.5 <NA> <NA> a <NA> <NA>\n";
    let two = format!("{good}SPEAKER call 2 0.0 4.5 <NA> <NA> a <NA> <NA>\n");
    let cases: &[(&str, &[&str], &str)] = &[
        (good, &["--where", "a=b"], "cannot be used with"),
        (good, &["--threads", "2"], "cannot be used with"),
        (good, &["--precision", "int8"], "cannot be used with"),
        (good, &["--bootstrap", "10"], "cannot be used with"),
        (good, &["--uem", "/nowhere/a.uem"], "/nowhere/a.uem"),
        ("SPEAKER call 1 x 4.5 <NA> <NA> a <NA> <NA>\n", &[], "found.rttm: RTTM is malformed: line 1"),
        (&two, &[], "call has turns in the channels 1 and 2"),
    ];
    for (found, options, expected) in cases {
        let said = eval_rttm(&folder, found, options);
        assert_eq!(said.code, Some(2), "{expected}: {}", said.err);
        assert!(said.err.contains(expected), "{expected} is missing:\n{}", said.err);
    }
    let said = run(["eval", "--hyp", "found.rttm"]);
    assert!(said.code == Some(2) && said.err.contains("--rttm"), "{}", said.err);
}
