//! Where audio, signal processing and models meet: a recording in, a [`Report`] out.
//!
//! | file | concept |
//! |---|---|
//! | `options` | what a caller may choose |
//! | `pipeline` | the main job: stream → windows → answers → report |
//! | `stream` | a recording as mono samples at the network's rate, as they come |
//! | `windows` | cutting a signal of unknown length into windows of 3 s |
//! | `from_features` | the way from stored features on, for those who measure |
//! | `answer` | one window's answer; the recording's as their weighted mean |
//! | `report` | the answer and its JSON |
//! | `embedded` | the system inside the binary (feature `embedded-weights`) |

mod answer;
#[cfg(feature = "embedded-weights")]
mod embedded;
mod from_features;
mod options;
mod pipeline;
mod report;
mod stream;
mod windows;

#[cfg(feature = "embedded-weights")]
pub use embedded::embedded_system;
pub use options::Options;
pub use pipeline::Engine;
pub use report::{Age, Choice, Failure, NoAnswer, Report, SCHEMA, Timings};

pub use crate::audio::Limits;
pub use crate::models::manifest::{Manifest, Measure, Score};
pub use crate::models::representation::RepresentationRecipe;
pub use crate::models::trunk::TrunkRecipe;
pub use crate::models::{Frontend, LogMelRecipe, System};
