//! What a model states beside its heads: the baseline of a speaker, the distance to its training
//! domain, and its adaptation to other recordings.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use common::buzz;
use common::model_file::Parts;
use persona_engine::engine::{SpeakerVectors, Withheld, adapted, unadapted};
use persona_engine::models::{ActiveHeads, Workspace};
use persona_engine::{Engine, LoadOptions, Model, NoAnswer, Options, Recording, Report, Timeline};
use serde_json::{Value, json};

/// Length of the vectors.
const DIM: usize = 36;

/// A small model with a baseline for emotion alone.
fn with_baseline(least_spread: f64) -> Parts {
    let mut parts = Parts::named("tiny-mfcc");
    parts.manifest["baseline"] = json!({"prior_clips": 2.0, "least_spread": least_spread, "heads": ["emotion"]});
    parts.put_f32("baseline.centre", &[DIM], &[0.25; DIM]);
    parts
}

/// A small model with a domain, whose distances are of the order of 1.
fn with_domain(familiar_below: f64) -> Parts {
    let mut parts = Parts::named("tiny-mfcc");
    parts.manifest["domain"] = json!({"familiar_below": familiar_below,
        "temperature": {"distance": [0.0, 1e6], "factor": [4.0, 4.0]}, "age_withheld_above": 2.0 * familiar_below});
    parts.put_f32("domain.mean", &[DIM], &[0.0; DIM]);
    parts.put_f32("domain.scale", &[DIM], &[1.0; DIM]);
    parts.put_f32("domain.deviations", &[1], &[1.0]);
    parts
}

fn model(parts: &Parts) -> Model {
    Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap()
}

fn engine(parts: &Parts, options: Options) -> Engine {
    Engine::new(model(parts), options).unwrap()
}

/// A recording whose pitch depends on its number.
fn recording(number: u16) -> Recording {
    let rate = 14_000.0 + 800.0 * f32::from(number);
    Recording::samples(buzz(30_000 + 100 * usize::from(number), rate), 16_000, 1).named(format!("{number}"))
}

fn vectors(engine: &Engine, number: u16) -> SpeakerVectors {
    let summing = engine.with_options(Options { vectors: true, ..engine.options().clone() }).unwrap();
    summing.infer(recording(number)).unwrap().voices[0].vectors.clone().unwrap()
}

fn emotion(report: &Report) -> Vec<f64> {
    report.voices[0].predictions.emotion.as_ref().unwrap().probabilities.iter().map(|(_, p)| *p).collect()
}

#[test]
fn the_baseline_changes_emotion_and_nothing_else() {
    let engine = engine(&with_baseline(0.0), Options::default());
    let mut others = SpeakerVectors::default();
    for number in 1..4 {
        others.merge(&vectors(&engine, number));
    }
    let baseline = engine.speaker_baseline(&others).unwrap();
    assert!(baseline.decision.applied && baseline.decision.chunks >= 3, "{:?}", baseline.decision);
    let with = engine.with_options(Options { baseline: Some(baseline.clone()), ..Options::default() }).unwrap();
    let [plain, taken_off] = [&engine, &with].map(|engine| engine.infer(recording(0)).unwrap());
    assert_ne!(emotion(&plain), emotion(&taken_off));
    let of = |report: &Report| report.voices[0].predictions.clone();
    assert_eq!((of(&plain).gender, of(&plain).age), (of(&taken_off).gender, of(&taken_off).age));
    assert_eq!(taken_off.voices[0].baseline, Some(baseline.decision));
    let json = serde_json::to_value(&taken_off).unwrap();
    assert_eq!((&json["baseline"]["applied"], json.get("vectors")), (&json!(true), None));
    assert_eq!(serde_json::to_value(&plain).unwrap().get("baseline"), None);
}

/// The formula, from vectors and through the heads.
#[test]
fn the_baseline_is_the_shrunken_mean() {
    let parts = with_baseline(0.0);
    let model = model(&parts);
    let mut workspace = Workspace::default();
    let rows: Vec<Vec<f32>> = (0..3_u8).map(|r| (0..DIM).map(|i| (i as f32 + f32::from(r)).sin()).collect()).collect();
    let mut speaker = SpeakerVectors::default();
    for row in &rows[1..] {
        speaker.add(row);
    }
    let baseline = model.speaker_baseline(&speaker).unwrap();
    let floats = |name: &str| {
        let bytes = &parts.tensors[name].2;
        bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<f32>>()
    };
    let (mean, scale) = (floats("representation.mean"), floats("representation.scale"));
    // 2 of 2 + 2
    let by_hand: Vec<f32> = (0..DIM)
        .map(|i| rows[0][i] - 0.5 * (f32::midpoint(rows[1][i], rows[2][i]) - (0.25 - mean[i]) / scale[i]))
        .collect();
    let want = model.classify(&by_hand, None, ActiveHeads::ALL, &mut workspace).unwrap();
    let got = model.classify(&rows[0], Some(&baseline), ActiveHeads::ALL, &mut workspace).unwrap();
    for (want, got) in want.emotion.unwrap().logits.iter().zip(got.emotion.unwrap().logits) {
        assert!((want - got).abs() < 1e-4, "{want} {got}");
    }
    let plain = model.classify(&rows[0], None, ActiveHeads::ALL, &mut workspace).unwrap();
    assert_eq!((plain.gender, plain.age_years), (got.gender, got.age_years));
    assert!(model.classify(&rows[0][1..], None, ActiveHeads::ALL, &mut workspace).is_err());
}

#[test]
fn recordings_that_are_too_much_alike_have_no_baseline() {
    let engine = engine(&with_baseline(1e5), Options::default());
    let mut others = vectors(&engine, 1);
    others.merge(&vectors(&engine, 2));
    let baseline = engine.speaker_baseline(&others).unwrap();
    assert!(!baseline.decision.applied);
    let with = engine.with_options(Options { baseline: Some(baseline), ..Options::default() }).unwrap();
    let [plain, refused] = [&engine, &with].map(|engine| engine.infer(recording(0)).unwrap());
    assert_eq!(emotion(&plain), emotion(&refused));
    assert!(refused.warnings.iter().any(|warning| warning.contains("too much alike")), "{:?}", refused.warnings);
    let json = serde_json::to_value(&refused).unwrap();
    assert_eq!((&json["baseline"]["applied"], &json["baseline"]["reason"]), (&json!(false), &json!("one_mood")));
}

#[test]
fn a_baseline_needs_its_model_and_one_speaker() {
    let plain = engine(&Parts::named("tiny-mfcc"), Options::default());
    assert!(plain.speaker_baseline(&SpeakerVectors::default()).unwrap_err().to_string().contains("has none"));
    let engine = engine(&with_baseline(0.0), Options::default());
    let baseline = Some(engine.speaker_baseline(&vectors(&engine, 1)).unwrap());
    let message = |engine: &Engine, options: Options| engine.with_options(options).unwrap_err().to_string();
    let per_channel = Options { per_channel: true, baseline: baseline.clone(), ..Options::default() };
    assert!(message(&engine, per_channel).contains("per_channel"));
    assert!(message(&plain, Options { baseline, ..Options::default() }).contains("has none"));
}

#[test]
fn an_unfamiliar_voice_has_a_warning_a_softer_emotion_and_no_age() {
    let plain = engine(&Parts::named("tiny-mfcc"), Options::default()).infer(recording(0)).unwrap();
    let timeline = Some(Timeline::default());
    let options = || Options { timeline, ..Options::default() };
    let far = engine(&with_domain(1e-3), options()).infer(recording(0)).unwrap();
    let voice = &far.voices[0];
    let familiarity = voice.familiarity.unwrap();
    assert!(!familiarity.familiar && familiarity.familiarity < 0.5 && familiarity.distance > 1e-3, "{familiarity:?}");
    assert!(far.warnings.iter().any(|warning| warning.contains("unlike the recordings")), "{:?}", far.warnings);
    assert!(emotion(&far).iter().fold(0.0_f64, |m, p| m.max(*p)) < emotion(&plain).iter().fold(0.0, |m, p| m.max(*p)));
    assert!(voice.predictions.age.is_none() && voice.predictions.gender.is_some() && voice.no_answer.is_none());
    let names: Vec<&str> = voice.withheld.iter().map(|Withheld { head, .. }| head.name()).collect();
    assert_eq!(names, ["age"]);
    assert!(voice.timeline.as_ref().unwrap().iter().all(|segment| segment.familiarity.is_some()));
    let json: Value = serde_json::to_value(&far).unwrap();
    assert_eq!((&json["domain"]["familiar"], &json["age"]), (&json!(false), &Value::Null));

    let near = engine(&with_domain(1e6), options()).infer(recording(0)).unwrap();
    let voice = &near.voices[0];
    assert!(voice.familiarity.unwrap().familiar && voice.predictions.age.is_some() && near.warnings == plain.warnings);
    assert_eq!(serde_json::to_value(&plain).unwrap().get("domain"), None);
}

#[test]
fn a_minimum_of_familiarity_withholds_everything() {
    let strict =
        |parts: &Parts, min_familiarity| Engine::new(model(parts), Options { min_familiarity, ..Options::default() });
    let far = strict(&with_domain(1e-3), 0.9).unwrap().infer(recording(0)).unwrap();
    let voice = &far.voices[0];
    assert_eq!(voice.no_answer, Some(NoAnswer::Unfamiliar));
    assert!(voice.predictions.emotion.is_none() && voice.predictions.gender.is_none() && voice.familiarity.is_some());
    let near = strict(&with_domain(1e6), 0.9).unwrap().infer(recording(0)).unwrap();
    assert_eq!(near.voices[0].no_answer, None);
    let message = strict(&Parts::named("tiny-mfcc"), 0.9).unwrap_err().to_string();
    assert!(message.contains("min_familiarity") && message.contains("states no domain"), "{message}");
}

#[test]
fn parts_of_heads_need_heads_and_tensors() {
    let error = |parts: &Parts| Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap_err().to_string();
    let mut headless = with_domain(1.0);
    for key in ["trunk", "heads", "scores"] {
        headless.manifest.as_object_mut().unwrap().remove(key);
    }
    assert!(error(&headless).contains("`domain`"), "{}", error(&headless));
    for (mut parts, tensor) in [
        (with_domain(1.0), "domain.mean"),
        (with_domain(1.0), "domain.deviations"),
        (with_baseline(0.0), "baseline.centre"),
    ] {
        parts.tensors.remove(tensor);
        assert!(error(&parts).contains(tensor), "{}", error(&parts));
    }
    let mut left_over = with_baseline(0.0);
    left_over.manifest.as_object_mut().unwrap().remove("baseline");
    assert!(error(&left_over).contains("baseline.centre"), "{}", error(&left_over));
}

#[test]
fn an_adapted_model_has_centred_vectors_and_can_be_undone() {
    let parts = with_baseline(0.0);
    let before = parts.signed();
    let old = engine(&parts, Options::default());
    let sums = |engine: &Engine| {
        let mut all = SpeakerVectors::default();
        for number in 0..6 {
            all.merge(&vectors(engine, number));
        }
        all
    };
    let mut many = sums(&old);
    // as of a thousand recordings, so that nearly all of the way is gone
    let few = many.clone();
    for _ in 0..300 {
        many.merge(&few);
    }
    let after = adapted(&before, &many, 1_000).unwrap();
    let model = Model::from_bytes(&after, LoadOptions::default()).unwrap();
    assert_eq!(model.manifest().adapted.as_ref().unwrap()["recordings"], json!(1_000));
    let new = Engine::new(model, Options::default()).unwrap();
    let worst = |sums: &SpeakerVectors| sums.mean().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let (old_worst, new_worst) = (worst(&sums(&old)), worst(&sums(&new)));
    assert!(new_worst < 0.2 * old_worst, "{new_worst} of {old_worst}");
    assert_eq!(unadapted(&after).unwrap(), before_as_written(&before));
    for (message, words) in [
        (adapted(&after, &many, 1).unwrap_err().to_string(), "adapted already"),
        (unadapted(&before).unwrap_err().to_string(), "not adapted"),
        (adapted(&before, &SpeakerVectors::default(), 0).unwrap_err().to_string(), "cannot adapt"),
        (adapted(&Parts::named("tiny-fcn").signed(), &many, 1).unwrap_err().to_string(), "not standardised"),
    ] {
        assert!(message.contains(words), "{message}");
    }
}

/// The same file in the order in which safetensors writes it: only tensors and checksum count.
fn before_as_written(before: &[u8]) -> Vec<u8> {
    let mut sums = SpeakerVectors::default();
    sums.add(&[0.5; DIM]);
    sums.add(&[0.75; DIM]);
    unadapted(&adapted(before, &sums, 2).unwrap()).unwrap()
}

#[cfg(feature = "cli")]
mod program {
    use std::fs;

    use super::common::program::run;
    use super::common::{folder, pcm16, wav};
    use super::{Value, buzz, json, with_baseline, with_domain};

    #[test]
    fn infer_batch_and_adapt_on_files() {
        let at = folder("speaker");
        let path = |name: &str| at.join(name).to_str().unwrap().to_owned();
        let model = path("model.safetensors");
        fs::write(&model, with_baseline(0.0).signed()).unwrap();
        let mut rows = vec!["file,who".to_owned()];
        for number in 0..4_u16 {
            let rate = 14_000.0 + 800.0 * f32::from(number);
            let samples = buzz(30_000, rate);
            fs::write(path(&format!("{number}.wav")), wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
            rows.push(format!("{number}.wav,{}", if number < 3 { "ann" } else { "" }));
        }
        fs::write(path("clips.csv"), rows.join("\n")).unwrap();
        let files = [path("0.wav"), path("1.wav"), path("2.wav")];
        let objects =
            |out: &str| -> Vec<Value> { out.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };

        let same = ["infer", "--json", "--same-speaker", "--model", &model, &files[0], &files[1], &files[2]];
        let said = run(same);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let same = objects(&said.out);
        assert_eq!((&same[0]["baseline"]["applied"], &same[0]["baseline"]["windows"]), (&json!(true), &json!(2)));

        let named =
            run(["infer", "--json", "--baseline", &files[1], "--baseline", &files[2], "--model", &model, &files[0]]);
        assert_eq!(objects(&named.out)[0]["emotion"], same[0]["emotion"], "{}", named.err);

        let said = run(["batch", "--model", &model, &path("clips.csv"), "--speaker-column", "who"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let rows = objects(&said.out);
        assert_eq!(rows[0]["emotion"], same[0]["emotion"]);
        assert_eq!((rows[2]["baseline"]["applied"].clone(), rows[3].get("baseline")), (json!(true), None));
        let said = run(["batch", "--model", &model, &path("clips.csv"), "--speaker-column", "speaker"]);
        assert!(said.code == Some(2) && said.err.contains("available: file, who"), "{}", said.err);

        for (arguments, words) in [
            (vec!["infer", "--same-speaker", "--model", &model, &files[0]], "two recordings or more"),
            (vec!["infer", "--same-speaker", "--model", &model, "-", &files[0]], "standard input"),
            (vec!["infer", "--baseline", "nothing.wav", "--model", &model, &files[0]], "nothing.wav"),
            (vec!["adapt", &model, &files[0], "-o", "out.safetensors"], "at least 100"),
            (vec!["adapt", &model, "--undo", "-o", "out.safetensors"], "not adapted"),
        ] {
            let said = run(&arguments);
            assert!(said.code == Some(2) && said.err.contains(words), "{arguments:?}: {}", said.err);
        }
    }

    #[test]
    fn adapt_writes_a_model_and_its_effect() {
        let at = folder("adapt");
        let path = |name: &str| at.join(name).to_str().unwrap().to_owned();
        let (model, adapted, undone) =
            (path("model.safetensors"), path("adapted.safetensors"), path("undone.safetensors"));
        fs::write(&model, with_domain(1.0).signed()).unwrap();
        fs::create_dir_all(path("clips")).unwrap();
        for number in 0..100_u16 {
            let samples = buzz(8_000 + 40 * usize::from(number), 12_000.0 + 60.0 * f32::from(number));
            fs::write(path(&format!("clips/{number}.wav")), wav(1, 1, 16_000, 16, &pcm16(&samples))).unwrap();
        }
        let said = run(["adapt", &model, &path("clips"), "-o", &adapted]);
        let mixed = if said.code == Some(2) {
            assert!(said.err.contains("--mixed-moods"), "{}", said.err);
            run(["adapt", &model, &path("clips"), "-o", &adapted, "--mixed-moods"])
        } else {
            said
        };
        assert_eq!(mixed.code, Some(0), "{}", mixed.err);
        assert!(
            mixed.out.contains("100 recordings") && mixed.out.contains("distance to the training domain"),
            "{}",
            mixed.out
        );
        let said = run(["adapt", &adapted, "--undo", "-o", &undone]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let infer = |model: &str| run(["infer", "--json", "--model", model, &path("clips/7.wav")]).out;
        let emotion = |model: &str| serde_json::from_str::<Value>(&infer(model)).unwrap()["emotion"].clone();
        assert_eq!(emotion(&undone), emotion(&model));
        assert_ne!(emotion(&adapted), emotion(&model));
    }
}
