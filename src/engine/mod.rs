//! Where audio, signal processing and models meet: a recording in, a [`Report`] out.
//!
//! | file | concept |
//! |---|---|
//! | `options` | what a caller may choose |
//! | `pipeline` | the main job: stream → windows → answers → report |
//! | `control` | who has a say between two steps of a recording |
//! | `recording` | where a recording comes from |
//! | `stream` | a recording as signals at the network's rate, as they come |
//! | `lane` | one signal that is answered apart: a channel, or the mean of all |
//! | `level` | sums over samples, and their level |
//! | `input` | facts about the recording: clipping, bandwidth, offset, noise |
//! | `windows` | cutting a signal of unknown length into windows of 3 s |
//! | `pool` | the threads that answer windows |
//! | `timeline` | how a recording changes: what is asked for, and a segment of the answer |
//! | `smoother` | windows that overlap to segments that follow each other |
//! | `summary` | what a timeline adds up to |
//! | `observer` | who wants to know of a recording while it is being answered |
//! | `from_features` | the way from stored features on, for those who measure |
//! | `answer` | one window's answer; the recording's as their weighted mean |
//! | `verdict` | what is said of the recording: labels, an interval, and what is withheld |
//! | `report` | the answer and its JSON |
//! | `texts` | texts for people: reasons for no prediction, the legal notice |
//! | `assemble` | reports, from what signals came to |
//! | `embed` | a recording's vector, by any model file |
//! | `features` | a recording's features |
//! | `check` | a model against another implementation's values, layer by layer |
//! | `embedded` | the systems inside the binary (feature `embedded-weights`) |
//! | `folders` | where installed systems lie |
//! | `catalogue` | all systems by name |
//! | `nearest` | the name that was probably meant |

mod answer;
mod assemble;
mod catalogue;
mod check;
mod control;
mod embed;
#[cfg(feature = "embedded-weights")]
mod embedded;
mod features;
mod folders;
mod from_features;
mod input;
mod lane;
mod level;
mod nearest;
mod observer;
mod options;
mod pipeline;
mod pool;
mod recording;
mod report;
mod smoother;
mod stream;
mod summary;
mod texts;
mod timeline;
mod verdict;
mod windows;

pub use catalogue::{Catalogue, DEFAULT_SYSTEM, Entry, ModelHeader, Place};
pub use check::{LayerCheck, ModelCheck, check};
pub use control::{Control, NoControl, Progress};
pub use embed::{EmbedOptions, Embedding, EmbeddingEngine};
#[cfg(feature = "embedded-weights")]
pub use embedded::embedded_system;
pub use features::features;
pub use folders::{installed as installed_folders, is_path};
pub use input::InputFacts;
pub use observer::{Collector, NullObserver, Observer};
pub use options::Options;
pub use pipeline::Engine;
pub use recording::Recording;
pub use report::{
    Age, ChannelReport, ChannelsReport, Classification, Failure, Head, Interval, NoAnswer, Predictions, Report, SCHEMA,
    Timings, Withheld, WithheldReason,
};
pub use summary::Summary;
pub use texts::{LEGAL_NOTICE, ReasonTexts, reasons_json};
pub use timeline::{Segment, Smoothing, Timeline};

pub use crate::audio::{Limits, RawFormat, needs_whole_file};
pub use crate::models::age_interval::AgeInterval;
pub use crate::models::manifest::{AnyManifest, Manifest, Measure, RepresentationManifest, Score};
pub use crate::models::representation::RepresentationRecipe;
pub use crate::models::trunk::TrunkRecipe;
pub use crate::models::{ActiveHeads, Embedder, Frontend, Model, Precision, System};
