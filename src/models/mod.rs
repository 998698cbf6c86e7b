//! Layer `models`: the networks that this engine supports, by the names and shapes of their
//! tensors, and the file format of a model.
//!
//! ```text
//! model file ─▶ manifest (recipe, names, scores) + tensors ─▶ Model
//!
//! [frames, bands] ─ normalisation ─ representation ─▶ [dim] ─ trunk ─▶ [56] ─ heads ─▶ predictions
//! ╰─────────────────── encoder ──────────────────╯ baseline ╰──── classifier (optional) ────╯
//! ```

mod active_heads;
pub mod adapt;
pub mod age_interval;
pub mod baseline;
pub mod campplus;
mod classifier;
mod concat;
pub mod curve;
pub mod domain;
mod encoder;
pub mod frontend;
mod frontend_options;
pub mod heads;
pub mod manifest;
pub mod mfcc_stats;
pub mod model;
mod network;
pub mod normalisation;
mod quantise;
pub mod recipe;
pub mod representation;
mod rewrite;
pub mod segmentation;
mod standardise;
pub mod tap;
mod transformer_layer;
pub mod trunk;
pub mod wavlm;
pub mod whisper;
pub mod xvector;

pub use active_heads::ActiveHeads;
pub use adapt::{adapted, unadapted};
pub use baseline::{BaselineDecision, BaselineRefusal, SpeakerBaseline, SpeakerVectors};
pub use domain::DomainRecipe;
pub use frontend::{Frontend, FrontendKind};
pub use heads::{Classes, ClassesRecipe, Output};
pub use manifest::{ClassifierManifest, Manifest};
pub use model::{LoadOptions, Model, Prepared, Workspace};
pub use normalisation::Normalisation;
pub use quantise::quantised;

pub use crate::nn::Precision;
