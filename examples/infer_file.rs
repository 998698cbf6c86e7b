//! Prints the predictions for files: `cargo run --release --example infer_file -- call.wav`.

#![allow(clippy::print_stdout, reason = "an example prints its results")]

use persona_engine::{Engine, Options, Recording, Result};

fn main() -> Result<()> {
    let engine = Engine::with_default_model(Options::default())?;
    for path in std::env::args_os().skip(1) {
        let report = engine.infer(Recording::file(path))?;
        println!("{} ({:.1} s)", report.recording.file, report.recording.duration_s);
        let voice = &report.voices[0];
        if let Some(reason) = voice.no_answer {
            println!("  no prediction: {}", reason.explain());
        }
        for head in [&voice.predictions.emotion, &voice.predictions.gender].into_iter().flatten() {
            println!("  {:<10} {:.0} %", head.label, 100.0 * head.probability());
        }
        if let Some(age) = voice.predictions.age {
            println!("  {:.0} years", age.years);
        }
    }
    Ok(())
}
