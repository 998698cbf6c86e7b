//! Layer `models`: the networks that this engine supports, by the names and shapes of their
//! tensors, and the file format of a model.
//!
//! ```text
//! model file ─▶ manifest (recipe, names, scores) + tensors ─▶ Model
//!
//! [frames, bands] ─ normalisation ─ representation ─▶ [dim] ─ trunk ─▶ [56] ─ heads ─▶ predictions
//! ╰─────────────────── encoder ──────────────────╯          ╰──── classifier (optional) ────╯
//! ```

pub mod age_interval;
pub mod campplus;
mod classifier;
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
pub mod segmentation;
mod standardise;
pub mod tap;
pub mod trunk;
pub mod wavlm;
pub mod xvector;

pub use frontend::{Frontend, FrontendKind};
pub use heads::{ActiveHeads, Classes, ClassesRecipe, Output};
pub use manifest::{ClassifierManifest, Manifest};
pub use model::{LoadOptions, Model, Prepared, Workspace};
pub use normalisation::Normalisation;
pub use quantise::quantised;

pub use crate::nn::Precision;
