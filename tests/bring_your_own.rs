//! A user's own network from the command line: imported, embedded, compared, checked, its features held against others.
#![cfg(all(feature = "cli", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::program::{run, run_with};
use common::{fixture, folder as scratch};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Arguments, paths among them.
fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// CAM++ imported to a folder of its own.
fn imported(name: &str) -> (PathBuf, PathBuf) {
    let folder = scratch(name);
    let output = folder.join("cam.safetensors");
    let said = run(["model", "import", "campplus", text(&golden("import/campplus.pt")), "-o", text(&output)]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    (folder, output)
}

#[test]
fn an_imported_network_embeds_and_does_not_answer() {
    let (folder, network) = imported("embeds");
    let speech = fixture("speech.wav");
    let said = run(["embed", text(&speech), text(&speech), "--model", text(&network)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["embedding"].as_array().unwrap().len()), (2, 11));
    assert_eq!((&lines[0]["windows"], &lines[0]["layer"]), (&1.into(), &"representation".into()));

    let said = run(["similarity", text(&speech), text(&speech), "--model", text(&network)]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "1.0000\n"), "{}", said.err);
    assert!(run(["similarity", "-", "-"]).err.contains("named twice"));

    let matrix = folder.join("out.npy");
    let said = run(["embed", text(&speech), "nothing.wav", "--model", text(&network), "-o", text(&matrix)]);
    assert!(said.code == Some(2) && !matrix.exists(), "{}", said.err);
    let said = run(["embed", text(&speech), text(&speech), "--model", text(&network), "-o", text(&matrix)]);
    assert_eq!((said.code, fs::metadata(&matrix).unwrap().len()), (Some(0), 128 + 2 * 11 * 4), "{}", said.err);

    let said = run(["infer", text(&speech), "--model", text(&network)]);
    assert!(said.code == Some(2) && said.err.contains("without heads") && said.err.contains("embed"), "{}", said.err);
    let said = run(["model", "show", text(&network)]);
    assert!(
        said.code == Some(0) && said.out.contains("n embedding of 11 values") && said.out.contains("no heads"),
        "{}{}",
        said.out,
        said.err
    );
    let said = run(["embed", text(&speech), "--model", text(&network), "--layer", "campplus.taps.final"]);
    assert!(said.err.contains("`campplus.taps.embedding`") && said.code == Some(1), "{}", said.err);
}

/// A WavLM: by codes it gives another vector, that is near, and its file of codes gives the same one unasked.
#[test]
fn an_imported_network_embeds_by_codes() {
    let folder = scratch("by-codes");
    let [floats, codes] = ["wavlm", "codes"].map(|name| folder.join(format!("{name}.safetensors")));
    let source = ["model.safetensors", "config.json"].map(|name| golden("import/wavlm/base").join(name));
    run(["model", "import", "wavlm", text(&source[0]), text(&source[1]), "-o", text(&floats)]);
    let said = run(["model", "quantize", text(&floats), "-o", text(&codes)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let embedding = |network: &Path, precision: &str| -> Vec<f64> {
        let speech = fixture("speech.wav");
        let said = run(["embed", text(&speech), "--model", text(network), "--precision", precision, "--quiet"]);
        let line: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        serde_json::from_value(line["embedding"].clone()).unwrap()
    };
    let (plain, coded) = (embedding(&floats, "auto"), embedding(&floats, "int8"));
    assert_eq!(plain, embedding(&floats, "f32"));
    assert_eq!(coded, embedding(&codes, "auto"));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = product(&plain, &coded) / (product(&plain, &plain) * product(&coded, &coded)).sqrt();
    assert!(plain != coded && cosine > 0.99, "{cosine}");
}

#[test]
fn an_imported_network_is_found_by_its_name_and_listed_without_scores() {
    let (folder, _) = imported("listed");
    let said = run_with(&[("PERSONA_MODELS", &folder)], ["model", "list"]);
    let line = said.out.lines().find(|line| line.contains(" cam ")).unwrap();
    assert!(line.contains("no heads, for `embed`"), "{line}");
    let said = run_with(&[("PERSONA_MODELS", &folder)], ["model", "list", "--json"]);
    assert!(said.out.contains("\"answers\":false"), "{}", said.out);
    let speech = fixture("speech.wav");
    let said = run_with(&[("PERSONA_MODELS", &folder)], ["embed", text(&speech), "--model", "cam"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn a_shipped_model_embeds_too() {
    let said = run(arguments(&["embed", text(&fixture("speech.wav")), "--model", "xvector-cnn"]));
    let line: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((line["embedding"].as_array().unwrap().len(), &line["windows"]), (512, &2.into()), "{}", said.err);
}

#[test]
fn the_output_is_not_written_over_and_not_written_half() {
    let (folder, network) = imported("whole");
    let before = fs::read(&network).unwrap();
    let again = |more: &[&str]| {
        let source = golden("import/torch-two.pt");
        let words = [&["model", "import", "campplus", text(&source), "-o", text(&network)], more].concat();
        run(words)
    };
    assert!(again(&[]).err.contains("--force"));
    assert!(again(&["--force"]).err.contains("several networks"));
    assert_eq!((fs::read(&network).unwrap(), fs::read_dir(&folder).unwrap().count()), (before, 1));
    let own = run(["model", "import", "campplus", text(&network), "-o", text(&network), "--force"]);
    assert!(own.code == Some(2) && own.err.contains("the output is an input"), "{}", own.err);
    assert!(run(["model", "import", "resnet", "x", "-o", "y"]).err.contains("kaldi-xvector"));
}

#[test]
fn check_names_the_first_layer_that_differs() {
    let (model, golden_outputs) = (golden("tiny-cnn.safetensors"), golden("tiny-cnn-outputs.safetensors"));
    let check = |expect: &Path| {
        run(["model", "check", text(&model), "--inputs", text(&golden_outputs), "--expect", text(expect), "--layers"])
    };
    let said = check(&golden_outputs);
    assert!(said.code == Some(0) && said.out.contains("agree; largest difference"), "{}{}", said.out, said.err);
    assert!(said.out.lines().next().unwrap().starts_with("xvector.tdnn.0  agrees"), "{}", said.out);

    // one value of the third layer and of a later one
    let bytes = fs::read(&golden_outputs).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<(String, Vec<u8>, Vec<usize>)> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let mut data = tensor.data().to_vec();
            if name == "xvector.tdnn.2" || name == "heads.age" {
                data[..4].copy_from_slice(&99.0_f32.to_le_bytes());
            }
            (name, data, tensor.shape().to_vec())
        })
        .collect();
    let views = changed.iter().map(|(name, data, shape)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
    });
    let path = scratch("check").join("changed.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let said = check(&path);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("first difference: xvector.tdnn.2  differs"), "{}", said.out);
}

#[test]
fn features_are_written_and_held_against_others() {
    let folder = scratch("features");
    let (speech, mine) = (fixture("speech.wav"), folder.join("mine.npy"));
    let kaldi = |more: &[&str]| {
        let words = [&["features", text(&speech), "--frontend", "kaldi-mfcc", "--set", "num_ceps=20"], more].concat();
        run(words)
    };
    let said = kaldi(&["-o", text(&mine)]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    let said = kaldi(&["--verify", text(&mine)]);
    assert!(said.code == Some(0) && said.out.contains("agrees: largest difference 0"), "{}{}", said.out, said.err);
    let said = kaldi(&["--set", "cepstral_lifter=0", "--verify", text(&mine)]);
    assert!(said.code == Some(1) && said.out.contains("differs"), "{}{}", said.out, said.err);
    let said = kaldi(&["--set", "num_ceps=13", "--verify", text(&mine)]);
    assert!(
        said.code == Some(1) && said.out.contains("shape [414, 20], here it is [414, 13]"),
        "{}{}",
        said.out,
        said.err
    );
    let said = kaldi(&["--set", "ceps=13", "-o", text(&mine)]);
    assert!(said.code == Some(2) && said.err.contains("unknown option `ceps` of kaldi-mfcc"), "{}", said.err);
}
