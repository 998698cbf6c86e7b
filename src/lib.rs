//! Emotion, gender and age from a voice recording: one model, one pass, offline.
#![doc(test(attr(deny(warnings))))]

pub mod audio;
pub mod dsp;
pub mod engine;
pub mod error;
pub mod kernels;
pub mod models;
pub mod nn;

pub use error::{Error, Result};
