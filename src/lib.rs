//! Emotion, gender and age from a voice recording: one model, one pass, offline.
//!
//! ```text
//! file bytes ─ audio ─▶ f32 [samples] per channel, Hz        WAV, MP3, FLAC, Ogg, M4A by their first bytes; raw PCM
//!            ─ dsp ───▶ f32 [samples] mono, 16 kHz           mean of the channels, polyphase windowed sinc
//!            ─ engine ▶ windows of up to 3 s                 every sample in one; those without speech left out
//!            ─ dsp ───▶ [frames, bands]                      log-mel, Kaldi fbank or MFCC, or samples, by the recipe that the model file states
//!            ─ models ▶ [dim]                                x-vector (Snyder et al. 2018), CAM++ (Wang et al. 2023), WavLM (Chen et al. 2022), MFCC
//!            ─ models ▶ [56]                                 trunk: FCN, or CNN (conv1d and max-pool) before it
//!            ─ models ▶ heads                                emotion (6, softmax) · gender (2, softmax) · age (years)
//!            ─ engine ▶ Report                               an answer, or an honest "no answer" with its reason
//! checkpoints ─ import ▶ model file                          others' networks, read without Python (feature `import`)
//!            ─ eval ──▶ measures                             what answers are worth, on labelled recordings (feature `eval`)
//!            ─ export ▶ files for other tools                CSV, JSON lines, TextGrid, a page of a timeline (feature `export`)
//!            ─ server ▶ the same over HTTP, and a page           (feature `serve`)
//! ```
//!
//! The way follows the paper PERSONA (emotion recognition, gender recognition and age estimation from one representation).
//! A folder of `src` is a layer, and a test refuses uses that the table of layers lacks (`tests/architecture.rs`).
//!
#![cfg_attr(
    feature = "embedded-weights",
    doc = "```
use persona_engine::engine::{Engine, Options, embedded_system};

let engine = Engine::new(embedded_system()?, Options::default())?;
let report = engine.infer_file(\"tests/audio/speech.wav\".as_ref())?;
let emotion = report.answers.emotion.expect(\"speech is answered\");
assert_eq!(emotion.probabilities.len(), 6);
println!(\"{} ({:.0} %)\", emotion.label, 100.0 * emotion.probability());
# Ok::<(), persona_engine::Error>(())
```"
)]
//!
//! # Features
//!
//! | feature | on by default | what it adds |
//! |---|---|---|
//! | `cli` | yes | the program `persona-engine` (clap) |
//! | `eval` | with `cli` | measuring a system on labelled recordings (csv) |
//! | `export` | with `cli` | timelines as CSV, JSON lines, Praat TextGrid and a page (csv) |
//! | `import` | with `cli` | model files from others' checkpoints (rawzip) |
//! | `serve` | yes | the HTTP server and its page (axum, tokio) |
//! | `mp3` | yes | MP3 input (symphonia) |
//! | `formats` | yes | FLAC, Ogg Vorbis and M4A input (symphonia) |
//! | `embedded-weights` | yes | the default system and the fast one inside the library and the program, 34 MB |
//!
//! Without any of them the package is the bare engine: WAV, and model files from disk.

pub mod audio;
pub mod dsp;
pub mod engine;
pub mod error;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "export")]
pub mod export;
#[cfg(any(feature = "eval", feature = "export"))]
#[cfg_attr(not(feature = "eval"), allow(dead_code))] // plots that a timeline does not have
mod html;
#[cfg(feature = "import")]
pub mod import;
pub mod kernels;
pub mod models;
pub mod nn;
#[cfg(feature = "serve")]
pub mod server;

pub use error::{Error, Result};
