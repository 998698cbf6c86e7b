//! Emotion, gender and age from voice recordings: one model, one pass, offline.
//!
#![cfg_attr(
    embedded_weights,
    doc = "```
use persona_engine::{Engine, Options, Recording};

# let record = || (0..88_200).map(|n| 0.1 * (f64::from(n) * 0.02).sin() as f32).collect();
let samples: Vec<f32> = record(); // mono, 44.1 kHz
let engine = Engine::with_default_model(Options::default())?;
let report = engine.infer(Recording::samples(samples, 44_100, 1))?;
let voice = &report.voices[0];
match &voice.predictions.emotion {
    Some(emotion) => for (label, p) in &emotion.probabilities { println!(\"{label:10} {p:.3}\") },
    None => println!(\"no prediction: {:?}\", voice.no_answer),
}
# Ok::<(), persona_engine::Error>(())
```"
)]
//!
//! | to | see |
//! |---|---|
//! | predict from a file, bytes, a reader or samples | [`Recording`], [`Engine::infer`] |
//! | process each channel, or compute a timeline | [`Options::per_channel`], [`Options::timeline`] |
//! | receive segments as they come, pause or cancel | [`Observer`], [`Control`], [`Engine::infer_observed`] |
//! | compare voices | [`Engine::embed`] |
//! | load another model | [`Model::open`], [`Catalogue`] |
//! | know why there is no prediction | [`NoAnswer`] |
//!
//! An engine is shared by threads: `&Engine` predicts from as many as there are. Everything else is
//! in the modules.
//!
//! # How it works
//!
//! ```text
//! file bytes ─ audio ─▶ f32 [samples] per channel   WAV, MP3, FLAC, Ogg, M4A; raw PCM
//!            ─ dsp ───▶ f32 [samples] mono, 16 kHz  mean of the channels, polyphase windowed sinc
//!            ─ engine ▶ chunks of up to 3 s         chunks without speech are rejected
//!            ─ dsp ───▶ [frames, bands]             log-mel, Kaldi fbank or MFCC, by the model's recipe
//!            ─ models ▶ [dim]                       x-vector, CAM++, WavLM, Whisper or MFCC statistics
//!            ─ models ▶ [56]                        trunk: FCN, or CNN (conv1d, max-pool) before it
//!            ─ models ▶ heads                       emotion (6) · gender (2) · age (years)
//!            ─ engine ▶ Report                      predictions, or the reason why there are none
//! checkpoints ─ import ▶ model file                 other toolkits' networks, read without Python
//! lists ──── lists ─▶ recordings, segments       CSV, RTTM, Audacity's labels, Kaldi's folders
//!            ─ eval ──▶ measures                    accuracy on labelled recordings
//!            ─ export ▶ files for other tools       CSV, JSON lines, TextGrid, a page of a timeline
//!            ─ server ▶ the same over HTTP, and a page
//! ```
//!
//! The network follows the paper PERSONA: emotion recognition, gender recognition and age
//! estimation from one representation. A folder of `src` is a layer; a test refuses dependencies
//! that the table of layers does not allow (`tests/architecture.rs`).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `persona-engine` (clap), with `eval`, `export` and `import` |
//! | `eval` | with `cli` | evaluation of a model on labelled recordings, and the readers of lists (csv) |
//! | `export` | with `cli` | timelines as CSV, JSON lines, Praat TextGrid and a page (csv) |
//! | `import` | with `cli` | model files from other toolkits' checkpoints (rawzip) |
//! | `serve` | yes | the HTTP server and its page (axum, tokio) |
//! | `mp3` | yes | MP3 input (symphonia) |
//! | `formats` | yes | FLAC, Ogg Vorbis and M4A input (symphonia) |
//! | `embedded-weights` | yes | the default model and the fast one inside the library and the program, 34 MB |
//!
//! Without any of them the package is the engine alone: WAV, raw PCM and samples, and model files
//! from disk.

pub mod audio;
#[doc(hidden)] // for tests and benchmarks
pub mod dsp;
pub mod engine;
pub mod error;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "export")]
pub mod export;
#[cfg(any(feature = "eval", feature = "export"))]
#[cfg_attr(not(feature = "eval"), allow(dead_code))] // plots that only evaluations have
mod html;
#[cfg(feature = "import")]
pub mod import;
#[doc(hidden)] // for tests and benchmarks
pub mod kernels;
#[cfg(feature = "eval")]
pub mod lists;
#[doc(hidden)] // what users need of it is re-exported
pub mod models;
#[doc(hidden)] // for tests and benchmarks
pub mod nn;
#[cfg(feature = "serve")]
pub mod server;

pub use engine::{
    ActiveHeads, Catalogue, Control, DEFAULT_MODEL, Engine, LoadOptions, Model, NoAnswer, Observer, Options, Precision,
    Predictions, Recording, Report, Segment, Smoothing, Speakers, Timeline, Voice,
};
pub use error::{Error, Result};
#[doc(hidden)] // for the program
pub use kernels::memory::prefer_large_pages;

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Engine>();
    shared_by_threads::<Report>();
    shared_by_threads::<Recording>();
    shared_by_threads::<Error>();
};
