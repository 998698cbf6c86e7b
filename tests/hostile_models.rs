//! Model files that are broken, each in one way, made from a good one: the right kind of error, naming what is wrong.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

mod common;

#[cfg(feature = "cli")]
use std::fs;
use std::path::Path;

use persona_engine::Error;
use persona_engine::models::{LoadOptions, Model};
use persona_engine::nn::Precision;
use serde_json::{Value, json};

use common::model_file::{Parts, file, good_bytes, header_length, with_header};

fn refusal(bytes: &[u8]) -> Error {
    Model::from_bytes(bytes, LoadOptions::default()).map(|model| model.manifest().name.clone()).unwrap_err()
}

#[test]
fn taken_apart_and_joined_again_it_is_still_good() {
    Model::from_bytes(&good_bytes(), LoadOptions::default()).unwrap();
    Model::from_bytes(&Parts::good().unsigned(), LoadOptions::default()).unwrap();
    Model::from_bytes(&Parts::good().signed(), LoadOptions::default()).unwrap();
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
        assert!(matches!(&error, Error::Tensor { name: named, .. } if named == name), "{name}: {error}");
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
    for good in [Parts::good(), Parts::named("tiny-campplus"), Parts::named("tiny-mfcc")] {
        for name in good.tensors.keys() {
            let mut parts = good.clone();
            parts.tensors.remove(name);
            let error = refusal(&parts.signed());
            assert!(matches!(&error, Error::Tensor { name: named, .. } if named == name), "{name}: {error}");
        }
    }
}

/// A place in the manifest, what is put there, what the message must name.
const BROKEN_KEYS: &[(&str, &str, &str)] = &[
    ("/format", "2", "`format`: 2 is not supported"),
    ("/format", "\"1\"", "`format`"),
    ("/name", "7", "`name`"),
    ("/data", "\"CREMA-D\"", "`data`"),
    ("/scores", "[{\"system\": \"x\"}]", "`scores[0]`: missing field `protocol`"),
    ("/scores", "[{\"system\": 1}]", "`scores[0].system`"),
    ("/frontend", "null", "`frontend`"),
    ("/frontend/kind", "\"wavelets\"", "`frontend.kind`: unknown kind `wavelets`"),
    ("/frontend/window", "\"hamming\"", "`frontend.window`: unknown variant `hamming`"),
    ("/frontend/n_mels", "18446744073709551615", "`frontend.n_mels`"),
    ("/frontend/normalisation/scale_db", "0", "`frontend.normalisation.scale_db`"),
    ("/representation/kind", "\"hubert\"", "`representation.kind`: unknown kind `hubert`"),
    ("/representation/layers/1/channels", "18446744073709551615", "`representation.layers[1].channels`"),
    ("/representation/layers/2/context", "[-1, 0, 2]", "`representation.layers[2].context`"),
    ("/representation/layers/2/context", "[0, 2147483647]", "`representation.layers[2].context`"),
    ("/representation/embedding", "1e30", "`representation.embedding`"),
    ("/representation/pooling/variance", "\"robust\"", "`representation.pooling.variance`"),
    ("/trunk/kind", "\"rnn\"", "`trunk.kind`: unknown kind `rnn`"),
    ("/trunk/kind", "\"fcn\"", "unknown field `conv`"),
    ("/trunk/conv/0/padding", "4611686018427387904", "`trunk.conv[0].padding`"),
    ("/trunk/conv/1/pool", "60000", "too few for this layer and its pooling"),
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
        assert!(matches!(error, Error::Manifest(_)), "{pointer} {value}: {error}");
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
        assert!(matches!(&error, Error::Manifest(what) if what.contains("`dither`")), "{pointer}: {error}");
    }
}

#[test]
fn a_missing_key_is_named_wherever_it_stood() {
    for pointer in OBJECTS {
        let keys = Parts::with_interval().manifest.pointer(pointer).unwrap().as_object().unwrap().clone();
        for key in keys.keys().filter(|key| !["scores", "interval", "precision"].contains(&key.as_str())) {
            let mut parts = Parts::with_interval();
            parts.manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            let error = refusal(&file(&parts.tensors, &json!({"persona": parts.manifest.to_string()})));
            assert!(matches!(&error, Error::Manifest(what) if what.contains(key.as_str())), "{pointer}/{key}: {error}");
        }
    }
}

/// Systems of other kinds: the file, a place in the manifest, what is put there, what the message must name.
const BROKEN_KINDS: &[(&str, &str, &str, &str)] = &[
    ("tiny-campplus", "/representation/head_channels", "18446744073709551615", "`representation.head_channels`"),
    ("tiny-campplus", "/representation/head_blocks", "[1000000, 1]", "`representation.head_blocks[0]`"),
    ("tiny-campplus", "/representation/blocks/0/layers", "1000000000000", "`representation.blocks[0].layers`"),
    (
        "tiny-campplus",
        "/representation/blocks/1/dilation",
        "4611686018427387904",
        "`representation.blocks[1].dilation`",
    ),
    ("tiny-campplus", "/representation/blocks/1/kernel", "4", "`representation.blocks[1].kernel`"),
    ("tiny-campplus", "/representation/growth", "65536", "`representation.blocks[0].layers`"),
    ("tiny-campplus", "/representation/segment_frames", "0", "`representation.segment_frames`"),
    ("tiny-campplus", "/representation/mask_reduction", "0", "`representation.mask_reduction`"),
    ("tiny-campplus", "/representation/tdnn/stride", "0", "`representation.tdnn.stride`"),
    ("tiny-campplus", "/representation/taps/3", "\"block9\"", "`representation.taps[3]`"),
    ("tiny-campplus", "/representation/taps", "[]", "`representation.taps`"),
    ("tiny-campplus", "/frontend/frame_opts/samp_freq", "0", "`frontend.frame_opts.samp_freq`"),
    ("tiny-campplus", "/frontend/frame_opts/frame_shift_ms", "1e-30", "`frontend.frame_opts.frame_shift_ms`"),
    ("tiny-campplus", "/frontend/mel_opts/num_bins", "1e18", "`frontend.mel_opts.num_bins`"),
    ("tiny-campplus", "/frontend/window_s", "1e9", "`frontend.window_s`"),
    ("tiny-mfcc", "/representation/coefficients", "18446744073709551615", "`representation.coefficients`"),
    ("tiny-mfcc", "/representation/coefficients", "16", "`representation.coefficients`: 16 coefficients"),
    ("tiny-mfcc", "/representation/delta_reach", "1000000000", "`representation.delta_reach`"),
    ("tiny-mfcc", "/representation/delta_orders", "3", "`representation.delta_orders`"),
    ("tiny-mfcc", "/representation/pooling/floor", "2", "`representation.pooling.floor`"),
];

#[test]
fn each_broken_key_of_the_other_kinds_is_named() {
    for (model, pointer, value, what) in BROKEN_KINDS {
        let mut parts = Parts::named(model);
        parts.set(pointer, "@@".into());
        let text = parts.manifest.to_string().replace("\"@@\"", value);
        let mut signed = parts.clone();
        signed.manifest = serde_json::from_str(&text).unwrap();
        let error = refusal(&signed.signed());
        assert!(matches!(error, Error::Manifest(_)), "{pointer} {value}: {error}");
        assert!(error.to_string().contains(what), "{pointer} {value}: {error}");
    }
}

#[test]
fn missing_and_unknown_keys_of_the_other_kinds_are_named() {
    let objects =
        ["/frontend", "/frontend/frame_opts", "/frontend/mel_opts", "/representation", "/representation/tdnn"];
    for (model, pointer) in objects
        .map(|pointer| ("tiny-campplus", pointer))
        .into_iter()
        .chain([("tiny-campplus", "/representation/blocks/1"), ("tiny-mfcc", "/representation")])
    {
        let good = Parts::named(model);
        for key in good.manifest.pointer(pointer).unwrap().as_object().unwrap().keys() {
            let mut parts = good.clone();
            parts.manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            let error = refusal(&file(&parts.tensors, &json!({"persona": parts.manifest.to_string()})));
            assert!(matches!(&error, Error::Manifest(what) if what.contains(key.as_str())), "{pointer}/{key}: {error}");
        }
        let mut parts = good.clone();
        parts.manifest.pointer_mut(pointer).unwrap()["warp"] = json!(1);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Manifest(what) if what.contains("`warp`")), "{pointer}: {error}");
    }
}

#[test]
fn tensors_that_the_taps_do_not_reach_are_left_over_and_those_beyond_the_file_are_missing() {
    let mut early = Parts::named("tiny-campplus");
    early.set("/representation/taps", json!(["fcm"]));
    early.set("/representation/normalise", json!(false));
    let mut late = Parts::named("tiny-campplus-block1");
    late.set("/representation/taps", json!(["block2"]));
    for (parts, name, what) in [
        (early, "trunk.dense.0.weight", "expected shape [9, 12]"),
        (late, "campplus.xvector.block2.tdnnd1.nonlinear1.batchnorm.weight", "no such tensor"),
    ] {
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Tensor { name: named, .. } if named == name), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// A window of a minute with a frame each millisecond, through the widest layers that 1 kB of weights can ask for.
#[test]
fn a_recipe_whose_activations_outgrow_memory_is_refused() {
    let mut parts = Parts::named("tiny-campplus");
    parts.set("/frontend/window_s", json!(60.0));
    parts.set("/frontend/frame_opts/frame_shift_ms", json!(1.0));
    Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap();
    let mut parts = Parts::named("tiny-mfcc");
    parts.set("/frontend/window_s", json!(60.0));
    parts.set("/frontend/sample_rate_hz", json!(384_000));
    parts.set("/frontend/hop_length", json!(1));
    let error = refusal(&parts.signed());
    assert!(matches!(&error, Error::Limit { .. }), "{error}");
}

#[test]
fn a_scale_of_zero_is_named() {
    for model in ["tiny-campplus", "tiny-mfcc"] {
        let mut parts = Parts::named(model);
        parts.set_f32("representation.scale", 2, 0.0);
        let error = refusal(&parts.signed());
        assert!(matches!(&error, Error::Tensor { name, .. } if name == "representation.scale"), "{error}");
        assert!(error.to_string().contains("0 at index 2"), "{error}");
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
    let model = Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap();
    let manifest = model.manifest();
    assert_eq!(manifest.data["clips"], 7442);
    assert_eq!(manifest.scores()[0].emotion_accuracy.unwrap().mean, 65.5);
    assert!(manifest.scores()[0].more.contains_key("groups") && manifest.scores()[0].gender_accuracy.is_none());
}

#[test]
fn the_precision_that_a_file_asks_for_is_one_that_there_is() {
    let asking = |precision: Value| {
        let mut parts = Parts::named("tiny-campplus");
        parts.manifest["precision"] = precision;
        parts.signed()
    };
    for (name, precision) in [("int8", Precision::Int8), ("f32", Precision::F32)] {
        assert_eq!(Model::from_bytes(&asking(json!(name)), LoadOptions::default()).unwrap().precision(), precision);
        let other =
            Model::from_bytes(&asking(json!(name)), LoadOptions::default().with_precision(Some(Precision::F32)))
                .unwrap();
        assert_eq!(other.precision(), Precision::F32, "who asks is given");
    }
    for wrong in [json!("int4"), json!(8), Value::Null] {
        let error = refusal(&asking(wrong));
        assert!(matches!(&error, Error::Manifest(what) if what.contains("`precision`")), "{error}");
    }
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
        assert!(matches!(&error, Error::Tensor { name: named, .. } if named == name), "{pointer}: {error}");
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
fn a_manifest_that_is_not_an_object_is_refused() {
    let tensors = Parts::good().tensors;
    for (text, what) in
        [("", "not JSON"), ("{", "not JSON"), ("[1]", "not a JSON object"), ("{}", "`format`: is missing")]
    {
        let error = refusal(&file(&tensors, &json!({"persona": text})));
        assert!(matches!(&error, Error::Manifest(message) if message.contains(what)), "{error}");
    }
    let nested = refusal(&file(&tensors, &json!({"persona": "[".repeat(100_000)})));
    assert!(matches!(nested, Error::Manifest(_)), "{nested}");
}

/// Each byte of the header changed in three ways: an error or a sound model, never a panic.
#[test]
fn no_changed_byte_of_the_header_panics() {
    let good = good_bytes();
    let mut refused = 0;
    for at in 0..8 + header_length(&good) {
        for change in [0x01, 0x10, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            refused += usize::from(Model::from_bytes(&bytes, LoadOptions::default()).is_err());
        }
    }
    assert!(refused > header_length(&good), "most changes are seen: {refused}");
}

#[test]
fn paths_are_named_in_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let error = Model::open(&folder, LoadOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::InFile { path, .. } if *path == folder), "{error}");
    assert!(error.to_string().contains("a directory; a model is one file"), "{error}");
    let missing = folder.join("none.safetensors");
    let error = Model::open(&missing, LoadOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot read", missing.display())), "{error}");
    let outputs = folder.join("layers.safetensors");
    let error = Model::open(&outputs, LoadOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with(&outputs.display().to_string()) && error.contains("`persona`"), "{error}");
}
