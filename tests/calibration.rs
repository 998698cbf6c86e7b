//! Calibration: probabilities of long recordings, age intervals, withheld predictions.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;

use common::model_file::Parts;
use common::program::{ProgramOutput, run};
use common::{buzz, folder, pcm16, probabilities, wav};
use persona_engine::{Engine, LoadOptions, Model, Options, Recording, Report};
use serde_json::{Value, json};

const WINDOW: usize = 48_000;

/// Two windows of sounds that differ.
fn sounds() -> [Vec<f32>; 2] {
    let noisy = |(i, x): (usize, f32)| 0.5 * x + 0.4 * (((i * 7919) % 1009) as f32 / 504.5 - 1.0);
    [buzz(WINDOW, 16_000.0), buzz(WINDOW, 5_000.0).into_iter().enumerate().map(noisy).collect()]
}

fn recording(samples: &[f32]) -> Vec<u8> {
    wav(1, 1, 16_000, 16, &pcm16(samples))
}

fn answer(parts: &Parts, samples: &[f32]) -> Report {
    let options = Options { activity: false, ..Options::default() };
    let engine = Engine::new(Model::from_bytes(&parts.signed(), LoadOptions::default()).unwrap(), options).unwrap();
    engine.infer(Recording::bytes(recording(samples))).unwrap()
}

/// The mean of the windows' calibrated probabilities, not the calibrated mean of their logits; rounded to a millionth each.
#[test]
fn the_probabilities_of_a_long_recording_are_the_mean_of_its_windows_calibrated_ones() {
    let [first, second] = sounds();
    for (emotion, gender) in [(1.5, 0.75), (0.2, 3.0)] {
        let mut parts = Parts::good();
        parts.set("/heads/emotion/temperature", json!(emotion));
        parts.set("/heads/gender/temperature", json!(gender));
        let both = answer(&parts, &[first.clone(), second.clone()].concat());
        assert_eq!(both.voices[0].chunks, 2);
        let (of_first, of_second) = (answer(&parts, &first), answer(&parts, &second));
        let windows: Vec<_> = probabilities(&of_first).into_iter().zip(probabilities(&of_second)).collect();
        assert!(windows.iter().any(|(a, b)| (a - b).abs() > 1e-3), "windows that differ: {windows:?}");
        for ((a, b), mean) in windows.iter().zip(probabilities(&both)) {
            assert!((mean - (a + b) / 2.0).abs() <= 2e-6, "{mean} is no mean of {a} and {b}");
        }
        let years = f64::midpoint(
            of_first.voices[0].predictions.age.unwrap().years,
            of_second.voices[0].predictions.age.unwrap().years,
        );
        assert!((both.voices[0].predictions.age.unwrap().years - years).abs() <= 0.1 + 1e-9);
    }
}

/// `ln(p/q) = (logit_p − logit_q) / temperature`: three times the temperature, a third of the difference.
#[test]
fn the_temperature_divides_the_log_odds_that_are_reported() {
    let [sound, _] = sounds();
    let odds = |temperature: f64| {
        let mut parts = Parts::good();
        parts.set("/heads/gender/temperature", json!(temperature));
        let p = probabilities(&answer(&parts, &sound));
        (p[6] / p[7]).ln()
    };
    let (once, thrice) = (odds(1.0), odds(3.0));
    assert!(once.abs() > 1e-3 && (once / thrice - 3.0).abs() < 0.01, "{once} and {thrice}");
}

/// A model in a file of a folder of its own, and one window of sound.
struct Case {
    model: String,
    sound: String,
}

impl Case {
    fn new(name: &str, parts: &Parts) -> Self {
        let folder = folder(name);
        let (model, sound) = (folder.join("tiny.safetensors"), folder.join("sound.wav"));
        fs::write(&model, parts.signed()).unwrap();
        fs::write(&sound, recording(&sounds()[0])).unwrap();
        Self { model: model.to_str().unwrap().to_owned(), sound: sound.to_str().unwrap().to_owned() }
    }

    fn infer(&self, more: &[&str]) -> ProgramOutput {
        let said = run([&["infer", "--model", &self.model, &self.sound], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        said
    }

    fn json(&self, more: &[&str]) -> Value {
        serde_json::from_str(&self.infer(&[&["--json"], more].concat()).out).unwrap()
    }
}

#[test]
fn an_age_has_the_interval_of_its_model() {
    let case = Case::new("interval", &Parts::with_interval());
    let age = &case.json(&[])["age"];
    let years = age["years"].as_f64().unwrap();
    let share = ((years - 20.0) / 40.0).clamp(0.0, 1.0);
    for (end, years) in [("low_years", 18.0 + share * 20.5), ("high_years", 33.25 + share * 32.75)] {
        assert!((age["interval"][end].as_f64().unwrap() - years).abs() <= 0.1 + 1e-9, "{end} is not {years}: {age}");
    }
    assert_eq!(age["interval"]["coverage"], 0.8);
    let end = |name: &str| age["interval"][name].as_f64().unwrap();
    let table = case.infer(&[]).out;
    let words =
        format!("age      {years:.0} years (80 % interval {:.0} to {:.0})", end("low_years"), end("high_years"));
    assert!(table.contains(&words), "`{words}` is missing:\n{table}");
    let show = run(["model", "show", &case.model]).out;
    assert!(show.contains("80 % intervals for age"), "{show}");
}

#[test]
fn a_model_without_an_interval_says_so() {
    let case = Case::new("no_interval", &Parts::good());
    let age = &case.json(&[])["age"];
    assert!(age["interval"].is_null() && age["years"].is_f64(), "{age}");
    assert!(!case.infer(&[]).out.contains("interval"));
    assert!(run(["model", "show", &case.model]).out.contains("no intervals for age"));
}

fn confidence(report: &Value, head: &str) -> f64 {
    report[head]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).fold(0.0, f64::max)
}

#[test]
fn an_answer_less_sure_than_asked_is_withheld() {
    let mut parts = Parts::good();
    parts.set("/heads/emotion/temperature", json!(3.0));
    parts.set("/heads/gender/temperature", json!(0.1));
    let case = Case::new("withheld", &parts);
    let all = case.json(&["--min-confidence", "0"]);
    assert_eq!((&all["withheld"], &all["no_answer"]), (&json!([]), &Value::Null));
    let (emotion, gender) = (confidence(&all, "emotion"), confidence(&all, "gender"));
    assert!(emotion < 0.5 && gender > 0.5, "the test needs an emotion less sure than the gender: {emotion}, {gender}");
    let some = case.json(&["--min-confidence", "0.5"]);
    let entry = json!({"head": "emotion", "reason": "low_confidence", "confidence": emotion, "asked": 0.5});
    assert_eq!((&some["schema"], &some["emotion"], &some["withheld"]), (&json!(1), &Value::Null, &json!([entry])));
    assert_eq!((&some["gender"], &some["age"], &some["no_answer"]), (&all["gender"], &all["age"], &Value::Null));
    let table = case.infer(&["--min-confidence", "0.5"]).out;
    assert!(
        table.contains("  emotion  no prediction: confidence ") && table.contains("% is below the minimum of 50 %"),
        "{table}"
    );
    assert!(table.contains("  gender   ") && table.contains(" years"), "{table}");
}

#[test]
fn if_both_are_withheld_there_is_no_answer_and_no_age() {
    let mut parts = Parts::with_interval();
    parts.set("/heads/emotion/temperature", json!(3.0));
    parts.set("/heads/gender/temperature", json!(3.0));
    let case = Case::new("all_withheld", &parts);
    let none = case.json(&["--min-confidence", "1"]);
    assert_eq!(none["no_answer"], json!({"reason": "low_confidence"}));
    assert!(["emotion", "gender", "age"].iter().all(|head| none[*head].is_null()), "{none}");
    assert_eq!((&none["withheld"][0]["head"], &none["withheld"][1]["head"]), (&json!("emotion"), &json!("gender")));
    let table = case.infer(&["--min-confidence", "1"]).out;
    for words in [
        "no prediction: no label reaches the requested confidence",
        "  emotion  no prediction: ",
        "  gender   no prediction: ",
        "below the minimum of 100 %",
    ] {
        assert!(table.contains(words), "`{words}` is missing:\n{table}");
    }
    assert!(!table.contains("years"), "{table}");
}
