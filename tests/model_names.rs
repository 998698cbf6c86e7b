//! Systems by name: which there are, which one is meant, and what happens to files that are broken.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::model_file::{Parts, good_bytes};
use common::program::{ProgramOutput, run, run_with};
use common::{buzz, pcm16, wav};
use serde_json::{Value, json};

/// A folder with a sound model `tiny`, a broken one, one that the program's own hides, and things that are no models; and a sound.
fn folder(name: &str) -> PathBuf {
    let folder = common::folder(name);
    let good = good_bytes();
    for (file, bytes) in [
        ("tiny.safetensors", &good[..]),
        ("broken.safetensors", &good[..good.len() / 2]),
        ("campplus-fcn.safetensors", &good[..]),
        ("README.md", b"# Models"),
        (".tiny.safetensors", b""),
    ] {
        fs::write(folder.join(file), bytes).unwrap();
    }
    fs::write(folder.join("sound.wav"), wav(1, 1, 16_000, 16, &pcm16(&buzz(20_000, 16_000.0)))).unwrap();
    folder
}

/// The program with a folder of models.
fn with(folder: &Path, arguments: &[&str]) -> ProgramOutput {
    run_with(&[("PERSONA_MODELS", &folder)], arguments)
}

fn listed(said: &ProgramOutput) -> Vec<Value> {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&list["schema"], &list["default"]), (&json!(1), &json!("campplus-fcn")));
    list["systems"].as_array().unwrap().clone()
}

/// Which model answered.
fn model(said: &ProgramOutput) -> String {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    report["model"].as_str().unwrap().to_owned()
}

#[test]
fn the_models_inside_are_listed_with_what_they_score() {
    let models = listed(&run(["model", "list", "--json"]));
    let default: Vec<&Value> = models.iter().filter(|model| model["default"] == true).collect();
    assert_eq!(
        (default.len(), &default[0]["name"], &default[0]["place"]),
        (1, &json!("campplus-fcn"), &json!("inside"))
    );
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/campplus-fcn.safetensors");
    assert_eq!(default[0]["bytes"], fs::metadata(file).unwrap().len());
    assert!(default[0]["error"].is_null() && default[0]["path"].is_null());
    assert_eq!(default[0]["scores"]["protocol"], "fold_actor");
    let accuracy = default[0]["scores"]["emotion_accuracy"]["mean"].as_f64().unwrap();
    let said = run(["model", "list"]);
    let sha256 = &default[0]["sha256"].as_str().unwrap()[..16];
    let row = said.out.lines().find(|line| line.starts_with("▸ campplus-fcn ")).unwrap();
    for words in [&format!("{accuracy:.1}"), sha256, " MB ", "inside the program"] {
        assert!(row.contains(words), "`{words}` is missing: {row}");
    }
}

#[test]
fn installed_models_are_listed_and_broken_ones_with_their_reason() {
    let folder = folder("list");
    let models = listed(&with(&folder, &["model", "list", "--json"]));
    let installed: Vec<&Value> = models.iter().filter(|model| model["place"] == "file").collect();
    let names: Vec<&Value> = installed.iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["broken", "campplus-fcn", "tiny"]);
    assert_eq!((&installed[1]["hidden"], &installed[1]["default"]), (&json!(true), &json!(false)));
    assert_eq!((&installed[2]["model"], &installed[2]["scores"]), (&json!("tiny-cnn"), &Value::Null));
    assert_eq!(installed[2]["path"], folder.join("tiny.safetensors").to_str().unwrap());
    assert!(installed[0]["error"].as_str().unwrap().contains("malformed") && installed[0]["sha256"].is_null());
    let table = with(&folder, &["model", "list"]).out;
    for words in ["  broken ", "broken: /", "malformed", "tiny.safetensors", "hidden by the one above"] {
        assert!(table.contains(words), "`{words}` is missing:\n{table}");
    }
}

#[test]
fn a_name_or_a_path_or_the_variable_says_which_model_answers() {
    let folder = folder("names");
    let sound = folder.join("sound.wav");
    let sound = sound.to_str().unwrap();
    let path = folder.join("campplus-fcn.safetensors");
    let infer = ["infer", "--json", sound];
    assert_eq!(model(&with(&folder, &infer)), "campplus-fcn");
    assert_eq!(model(&with(&folder, &[&infer[..], &["--model", "tiny"]].concat())), "tiny-cnn");
    assert_eq!(model(&with(&folder, &[&infer[..], &["--model", path.to_str().unwrap()]].concat())), "tiny-cnn");
    let by_variable = |value: &str, more: &[&str]| {
        run_with(&[("PERSONA_MODELS", &folder), ("PERSONA_MODEL", &value)], [&infer[..], more].concat())
    };
    assert_eq!(model(&by_variable("tiny", &[])), "tiny-cnn");
    assert_eq!(model(&by_variable(path.to_str().unwrap(), &[])), "tiny-cnn");
    assert_eq!(model(&by_variable("tiny", &["--model", "campplus-fcn"])), "campplus-fcn");
    assert_eq!(model(&by_variable("", &[])), "campplus-fcn");
    let show = |arguments: &[&str]| with(&folder, arguments).out.lines().next().unwrap_or_default().to_owned();
    assert_eq!(show(&["model", "show", "tiny"]), "tiny-cnn");
    assert_eq!(show(&["model", "show"]), "campplus-fcn");
}

#[test]
fn what_cannot_be_meant_ends_with_2_and_says_what_there_is() {
    let folder = folder("unknown");
    for (variable, asked, words) in [
        (
            "",
            &["--model", "tinny"][..],
            &["`tinny`", "Was `tiny` meant?", "`broken`, `campplus-fcn`, `tiny`, `xvector-cnn`"][..],
        ),
        ("", &["--model", "wavlm"], &["`wavlm`", "./wavlm.safetensors"]),
        ("", &["--model", "broken"], &["broken.safetensors", "malformed"]),
        ("", &["--model", "./tiny"], &["./tiny", "no such file"]),
        ("tinny", &[], &["PERSONA_MODEL", "`tinny`", "Was `tiny` meant?"]),
        ("/nowhere/x.safetensors", &[], &["PERSONA_MODEL", "/nowhere/x.safetensors"]),
    ] {
        let arguments = [&["infer", "sound.wav"], asked].concat();
        let said = run_with(&[("PERSONA_MODELS", &folder), ("PERSONA_MODEL", &variable)], arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{variable} {asked:?}: {}", said.err);
        let err = said.err.to_lowercase();
        assert!(words.iter().all(|word| err.contains(&word.to_lowercase())), "{variable} {asked:?}: {}", said.err);
    }
}

#[test]
fn a_named_folder_that_is_not_there_is_told() {
    let said = with(Path::new("/nowhere/models"), &["model", "list"]);
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("campplus-fcn") && said.err.contains("/nowhere/models"), "{}", said.err);
    let said = with(Path::new("/nowhere/models"), &["infer", "--model", "tiny", "a.wav"]);
    assert!(said.err.contains("Not searched: /nowhere/models"), "{}", said.err);
}

/// Opening a pipe that nobody writes to would wait for ever.
#[cfg(unix)]
#[test]
fn a_pipe_among_the_models_does_not_hold_the_list_up() {
    let folder = common::folder("pipe");
    let pipe = folder.join("pipe.safetensors");
    if !Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
        println!("a_pipe_among_the_models_does_not_hold_the_list_up: skipped, no mkfifo");
        return;
    }
    let models = listed(&with(&folder, &["model", "list", "--json"]));
    let found = models.iter().find(|model| model["name"] == "pipe").unwrap();
    assert!(found["error"].as_str().unwrap().contains("not a regular file"), "{found}");
    assert_eq!(with(&folder, &["model", "show", "pipe"]).code, Some(2));
}

#[test]
fn folders_next_to_the_program_and_of_the_user_are_searched() {
    let folder = common::folder("beside");
    let program = folder.join(Path::new(env!("CARGO_BIN_EXE_persona-engine")).file_name().unwrap());
    fs::hard_link(env!("CARGO_BIN_EXE_persona-engine"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_persona-engine"), &program).map(drop))
        .unwrap();
    for (place, name) in [("persona-engine-models", "one"), ("weights", "two"), ("data/persona-engine", "three")] {
        fs::create_dir_all(folder.join(place)).unwrap();
        fs::write(folder.join(place).join(format!("{name}.safetensors")), Parts::with_interval().signed()).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["model", "list", "--json"]).env_remove("PERSONA_MODELS").env("XDG_DATA_HOME", folder.join("data"));
    let models = listed(&ProgramOutput::from(command.output().unwrap()));
    let names: Vec<&Value> = models.iter().filter(|s| s["place"] == "file").map(|s| &s["name"]).collect();
    assert_eq!(names[..3], ["one", "two", "three"]);
}
