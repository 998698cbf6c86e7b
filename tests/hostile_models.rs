//! Model files that are broken, each in one way, made from a good one: the right kind of error, naming what is wrong.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

mod common;

#[cfg(feature = "cli")]
use std::fs;
use std::path::Path;

use persona_engine::Error;
use persona_engine::models::System;
use serde_json::json;

use common::model_file::{Parts, file, good_bytes, header_length, with_header};

fn refusal(bytes: &[u8]) -> Error {
    System::from_bytes(bytes).map(|system| system.manifest().name.clone()).unwrap_err()
}

#[test]
fn taken_apart_and_joined_again_it_is_still_good() {
    System::from_bytes(&good_bytes()).unwrap();
    System::from_bytes(&Parts::good().unsigned()).unwrap();
    System::from_bytes(&Parts::good().signed()).unwrap();
}

/// Breaks one tensor (or two) and names the one that the error must name.
type Break = (&'static str, &'static str, fn(&mut Parts));

const BROKEN_TENSORS: &[Break] = &[
    ("xvector.tdnn.2.conv.weight", "no such tensor", |p| {
        p.tensors.remove("xvector.tdnn.2.conv.weight");
    }),
    ("heads.age.bias", "no such tensor", |p| {
        p.tensors.remove("heads.age.bias");
    }),
    ("xvector.embedding_norm.running_var", "no such tensor", |p| {
        p.tensors.remove("xvector.embedding_norm.running_var");
    }),
    ("trunk.dense.3.weight", "left over", |p| {
        let extra = p.tensor("trunk.dense.2.weight").clone();
        p.tensors.insert("trunk.dense.3.weight".into(), extra);
    }),
    ("xvector.tdnn.0.norm.num_batches_tracked", "left over", |p| {
        let count = ("I64".to_owned(), vec![], vec![0; 8]);
        p.tensors.insert("xvector.tdnn.0.norm.num_batches_tracked".into(), count);
    }),
    ("trunk.dense.1.weight", "found shape [19, 13]", |p| p.tensor("trunk.dense.1.weight").1.reverse()),
    ("trunk.conv.0.bias", "found shape [3, 1]", |p| p.tensor("trunk.conv.0.bias").1.push(1)),
    ("heads.gender.bias", "found I32", |p| p.tensor("heads.gender.bias").0 = "I32".into()),
    ("heads.emotion.weight", "found NaN at index 41 of 42", |p| p.set_f32("heads.emotion.weight", 41, f32::NAN)),
    ("trunk.dense.0.bias", "found inf at index 0", |p| p.set_f32("trunk.dense.0.bias", 0, f32::INFINITY)),
    ("xvector.tdnn.4.conv.weight", "found -inf", |p| p.set_f32("xvector.tdnn.4.conv.weight", 7, f32::NEG_INFINITY)),
    ("xvector.tdnn.1.norm.running_var", "-1 in channel 3", |p| p.set_f32("xvector.tdnn.1.norm.running_var", 3, -1.0)),
];

#[test]
fn each_broken_tensor_is_named() {
    for (name, what, damage) in BROKEN_TENSORS {
        let mut parts = Parts::good();
        damage(&mut parts);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Weights { name: named, .. } if named == name), "{name}: {error}");
        assert!(error.to_string().contains(what), "{name}: {error}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_program_names_the_file_and_the_tensor_and_ends_with_2() {
    let path = common::folder("broken_tensors").join("broken.safetensors");
    for (name, what, damage) in BROKEN_TENSORS {
        let mut parts = Parts::good();
        damage(&mut parts);
        fs::write(&path, parts.signed()).unwrap();
        let said = common::program::run(["infer".as_ref(), "--model".as_ref(), path.as_os_str(), "-".as_ref()]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{name}: {}", said.err);
        for word in [path.to_str().unwrap(), name, what] {
            assert!(said.err.contains(word), "{name}: `{word}` is not in: {}", said.err);
        }
    }
}

#[test]
fn each_tensor_is_missed_by_its_name() {
    for name in Parts::good().tensors.keys() {
        let mut parts = Parts::good();
        parts.tensors.remove(name);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Weights { name: named, .. } if named == name), "{name}: {error}");
    }
}

/// A place in the manifest, what is put there, what the message must name.
const BROKEN_KEYS: &[(&str, &str, &str)] = &[
    ("/format", "2", "`format`: 2 is not read"),
    ("/format", "\"1\"", "`format`"),
    ("/name", "7", "`name`"),
    ("/data", "\"CREMA-D\"", "`data`"),
    ("/scores", "[{\"system\": \"x\"}]", "`scores[0]`: missing field `protocol`"),
    ("/scores", "[{\"system\": 1}]", "`scores[0].system`"),
    ("/frontend", "null", "`frontend`"),
    ("/frontend/kind", "\"raw\"", "`frontend.kind`: unknown kind `raw`"),
    ("/frontend/window", "\"hamming\"", "`frontend.window`: unknown variant `hamming`"),
    ("/frontend/n_mels", "18446744073709551615", "`frontend.n_mels`"),
    ("/frontend/normalisation/scale_db", "0", "`frontend.normalisation.scale_db`"),
    ("/representation/kind", "\"wavlm\"", "`representation.kind`: unknown kind `wavlm`"),
    ("/representation/layers/1/channels", "18446744073709551615", "`representation.layers[1].channels`"),
    ("/representation/layers/2/context", "[-1, 0, 2]", "`representation.layers[2].context`"),
    ("/representation/layers/2/context", "[0, 2147483647]", "`representation.layers[2].context`"),
    ("/representation/embedding", "1e30", "`representation.embedding`"),
    ("/representation/pooling/variance", "\"robust\"", "`representation.pooling.variance`"),
    ("/trunk/kind", "\"rnn\"", "`trunk.kind`: unknown kind `rnn`"),
    ("/trunk/kind", "\"fcn\"", "unknown field `conv`"),
    ("/trunk/conv/0/padding", "4611686018427387904", "`trunk.conv[0].padding`"),
    ("/trunk/conv/1/pool", "60000", "`trunk.conv.1`: nothing is left"),
    ("/trunk/dense/0", "1000000000000", "`trunk.dense[0]`"),
    ("/heads/emotion/labels", "[\"anger\"]", "`heads.emotion.labels`"),
    ("/heads/gender/temperature", "0", "`heads.gender.temperature`"),
    ("/heads/age/scale_years", "1e999", "not JSON"),
    ("/heads/age/scale_years", "NaN", "not JSON"),
    ("/heads/age/interval", "\"wide\"", "`heads.age.interval`"),
    ("/heads/age/interval/coverage", "1", "`heads.age.interval.coverage`: 1 is not between"),
    ("/heads/age/interval/coverage", "-0.0", "`heads.age.interval.coverage`"),
    ("/heads/age/interval/knots_years", "[30, 20]", "`heads.age.interval.knots_years[1]`: is not above"),
    ("/heads/age/interval/knots_years", "[20, 20]", "`heads.age.interval.knots_years[1]`: is not above"),
    ("/heads/age/interval/knots_years", "[20, 1e300]", "`heads.age.interval.knots_years[1]`"),
    ("/heads/age/interval/knots_years", "[]", "`heads.age.interval.knots_years`: 0 knots"),
    ("/heads/age/interval/low_years", "[10]", "`heads.age.interval.low_years`: 1 values for 2 knots"),
    ("/heads/age/interval/low_years", "[10, null]", "`heads.age.interval.low_years[1]`"),
    ("/heads/age/interval/low_years", "[10, 70]", "`heads.age.interval.low_years[1]`: is above"),
    ("/heads/age/interval/high_years", "[30, 150.5]", "`heads.age.interval.high_years[1]`"),
    ("/heads/age/interval/high_years", "[30, 1e999]", "not JSON"),
];

#[test]
fn each_broken_key_is_named() {
    for (pointer, value, what) in BROKEN_KEYS {
        let mut parts = Parts::with_interval();
        parts.set(pointer, "@@".into());
        let text = parts.manifest.to_string().replace("\"@@\"", value);
        let error = refusal(&file(&parts.tensors, &json!({"persona": text})));
        assert!(matches!(error, Error::Config(_)), "{pointer} {value}: {error}");
        assert!(error.to_string().contains(what), "{pointer} {value}: {error}");
    }
}

/// Every object of the manifest but the free-form one.
const OBJECTS: &[&str] = &[
    "",
    "/frontend",
    "/frontend/normalisation",
    "/representation",
    "/representation/layers/0",
    "/representation/pooling",
    "/trunk",
    "/trunk/conv/1",
    "/heads",
    "/heads/emotion",
    "/heads/gender",
    "/heads/age",
    "/heads/age/interval",
];

#[test]
fn an_unknown_key_is_named_wherever_it_stands() {
    for pointer in OBJECTS {
        let mut parts = Parts::with_interval();
        parts.manifest.pointer_mut(pointer).unwrap()["dither"] = json!(1);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Config(what) if what.contains("`dither`")), "{pointer}: {error}");
    }
}

#[test]
fn a_missing_key_is_named_wherever_it_stood() {
    for pointer in OBJECTS {
        let keys = Parts::with_interval().manifest.pointer(pointer).unwrap().as_object().unwrap().clone();
        for key in keys.keys().filter(|key| !["scores", "interval"].contains(&key.as_str())) {
            let mut parts = Parts::with_interval();
            parts.manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            let error = refusal(&file(&parts.tensors, &json!({"persona": parts.manifest.to_string()})));
            assert!(matches!(&error, Error::Config(what) if what.contains(key.as_str())), "{pointer}/{key}: {error}");
        }
    }
}

#[test]
fn data_and_scores_may_say_what_they_like() {
    let mut parts = Parts::good();
    parts.set("/data", json!({"corpus": "CREMA-D", "clips": 7442, "sources": ["a", {"b": null}]}));
    parts.set(
        "/scores",
        json!([{"system": "xvector-cnn", "protocol": "fold_clip", "folds": [0], "groups": {"female": {}},
            "emotion_accuracy": {"mean": 65.5, "std": 0.0}, "age_rmse": {"mean": 7.5}}]),
    );
    let system = System::from_bytes(&parts.signed()).unwrap();
    let manifest = system.manifest();
    assert_eq!(manifest.data["clips"], 7442);
    assert_eq!(manifest.scores[0].emotion_accuracy.unwrap().mean, 65.5);
    assert!(manifest.scores[0].more.contains_key("groups") && manifest.scores[0].gender_accuracy.is_none());
}

#[test]
fn another_recipe_than_the_tensors_is_told_by_the_tensor() {
    for (pointer, value, name) in [
        ("/frontend/n_mels", json!(16), "xvector.tdnn.0.conv.weight"),
        ("/representation/layers/1/context", json!([-2, -1, 0, 1, 2]), "xvector.tdnn.1.conv.weight"),
        ("/representation/embedding", json!(65_536), "xvector.embedding.weight"),
        ("/trunk/conv/1/pool", json!(1), "trunk.dense.0.weight"),
        ("/trunk/dense", json!([19, 13]), "heads.emotion.weight"),
    ] {
        let mut parts = Parts::good();
        parts.set(pointer, value);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Weights { name: named, .. } if named == name), "{pointer}: {error}");
    }
}

#[test]
fn a_wrong_checksum_says_to_copy_the_file_again() {
    let mut damaged = good_bytes();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let mut restated = Parts::good();
    restated.set("/sha256", "0".repeat(64).into());
    for bytes in [damaged, restated.unsigned()] {
        let error = refusal(&bytes);
        assert!(matches!(error, Error::Malformed { format: "model file", .. }), "{error}");
        assert!(error.to_string().contains("checksum") && error.to_string().contains("Copy it again"), "{error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_malformed() {
    let bytes = good_bytes();
    let header = 8 + header_length(&bytes);
    for length in (0..20).chain((20..bytes.len()).step_by(97)).chain([header - 1, header, header + 1, bytes.len() - 1])
    {
        let error = refusal(&bytes[..length]);
        assert!(matches!(error, Error::Malformed { .. }), "{length}: {error}");
    }
}

#[test]
fn headers_that_are_none_are_malformed() {
    let good = good_bytes();
    let mut long = good.clone();
    long[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let mut largest = good.clone();
    largest[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut not_utf8 = good.clone();
    not_utf8[20] = 0xFF;
    let mut not_json = good.clone();
    not_json[8] = b'[';
    let nested = with_header(&"[".repeat(100_000), &[]);
    let no_texts = with_header("{}", &[]);
    let no_persona = file(&Parts::good().tensors, &json!({"format": "pt"}));
    let text = b"RIFF, as one might expect of a sound that was named by mistake".to_vec();
    for (what, bytes) in [
        ("header", long),
        ("header", largest),
        ("header", not_utf8),
        ("header", not_json),
        ("header", nested),
        ("`persona`", no_texts),
        ("`persona`", no_persona),
        ("header", text),
        ("0 bytes", vec![]),
    ] {
        let error = refusal(&bytes);
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[test]
fn a_manifest_that_is_no_object_is_told() {
    let tensors = Parts::good().tensors;
    for (text, what) in [("", "not JSON"), ("{", "not JSON"), ("[1]", "no JSON object"), ("{}", "`format`: is missing")]
    {
        let error = refusal(&file(&tensors, &json!({"persona": text})));
        assert!(matches!(&error, Error::Config(message) if message.contains(what)), "{error}");
    }
    let nested = refusal(&file(&tensors, &json!({"persona": "[".repeat(100_000)})));
    assert!(matches!(nested, Error::Config(_)), "{nested}");
}

/// Each byte of the header changed in three ways: an error or a sound system, never a panic.
#[test]
fn no_changed_byte_of_the_header_panics() {
    let good = good_bytes();
    let mut refused = 0;
    for at in 0..8 + header_length(&good) {
        for change in [0x01, 0x10, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            refused += usize::from(System::from_bytes(&bytes).is_err());
        }
    }
    assert!(refused > header_length(&good), "most changes are seen: {refused}");
}

#[test]
fn paths_are_named_in_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let error = System::open(&folder).unwrap_err();
    assert!(matches!(&error, Error::InFile { path, .. } if *path == folder), "{error}");
    assert!(error.to_string().contains("a directory; a model is one file"), "{error}");
    let missing = folder.join("none.safetensors");
    let error = System::open(&missing).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot read", missing.display())), "{error}");
    let outputs = folder.join("layers.safetensors");
    let error = System::open(&outputs).unwrap_err().to_string();
    assert!(error.starts_with(&outputs.display().to_string()) && error.contains("`persona`"), "{error}");
}
