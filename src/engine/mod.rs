//! Where audio, signal processing and models meet: a recording in, a [`Report`] out.
//!
//! | file | concept |
//! |---|---|
//! | `options` | what a caller may choose |
//! | `pipeline` | the main job: stream → windows → answers → report |
//! | `pace` | who has a say between two steps of a recording |
//! | `recording` | where a recording's bytes come from |
//! | `stream` | a recording as mono samples at the network's rate, as they come |
//! | `input` | facts about the recording: clipping, bandwidth, offset, noise |
//! | `windows` | cutting a signal of unknown length into windows of 3 s |
//! | `from_features` | the way from stored features on, for those who measure |
//! | `answer` | one window's answer; the recording's as their weighted mean |
//! | `verdict` | what is said of the recording: labels, an interval, and what is withheld |
//! | `report` | the answer and its JSON |
//! | `embed` | a recording's vector, by any model file |
//! | `features` | a recording's features |
//! | `check` | a model against another implementation's values, layer by layer |
//! | `embedded` | the systems inside the binary (feature `embedded-weights`) |
//! | `folders` | where installed systems lie |
//! | `catalogue` | all systems by name |
//! | `nearest` | the name that was probably meant |

mod answer;
mod catalogue;
mod check;
mod embed;
#[cfg(feature = "embedded-weights")]
mod embedded;
mod features;
mod folders;
mod from_features;
mod input;
mod nearest;
mod options;
mod pace;
mod pipeline;
mod recording;
mod report;
mod stream;
mod verdict;
mod windows;

pub use catalogue::{Catalogue, DEFAULT_SYSTEM, Entry, ModelHeader, Place};
pub use check::{LayerCheck, ModelCheck, check};
pub use embed::{EmbedOptions, Embedding, EmbeddingEngine};
#[cfg(feature = "embedded-weights")]
pub use embedded::embedded_system;
pub use features::features;
pub use folders::{installed as installed_folders, is_path};
pub use input::InputFacts;
pub use options::Options;
pub use pace::{Pace, Progress, Unhindered};
pub use pipeline::Engine;
pub use recording::Recording;
pub use report::{
    Age, Answers, Choice, Failure, Head, Interval, NoAnswer, Report, SCHEMA, Timings, Withheld, WithheldReason,
};

pub use crate::audio::{Limits, RawFormat};
pub use crate::models::age_interval::AgeInterval;
pub use crate::models::manifest::{AnyManifest, Manifest, Measure, RepresentationManifest, Score};
pub use crate::models::representation::RepresentationRecipe;
pub use crate::models::trunk::TrunkRecipe;
pub use crate::models::{ActiveHeads, Embedder, Frontend, LogMelRecipe, Model, Precision, System};
