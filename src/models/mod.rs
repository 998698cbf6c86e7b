//! Layer `models`: the networks that this engine knows, by the names and shapes of their tensors, and the file that holds one.
//!
//! ```text
//! model file ─▶ manifest (recipe, names, scores) ─▶ System
//!
//! [frames, bands] ─ normalisation ─▶ representation ─▶ [dim] ─ trunk ─▶ [56] ─ heads ─▶ emotion · gender · age
//!                                    x-vector, CAM++, WavLM or statistics of MFCC
//! ╰──────────────── Embedder ───────────────────╯
//! ```

pub mod age_interval;
pub mod campplus;
pub mod embedder;
pub mod frontend;
mod frontend_options;
pub mod heads;
pub mod manifest;
pub mod mfcc_stats;
mod network;
pub mod normalisation;
mod quantise;
pub mod recipe;
pub mod representation;
mod standardise;
pub mod system;
pub mod tap;
pub mod trunk;
pub mod wavlm;
pub mod xvector;

pub use embedder::{Embedder, EmbedderWorkspace};
pub use frontend::{Frontend, FrontendKind};
pub use heads::{ActiveHeads, Classes, ClassesRecipe, Output};
pub use manifest::{AnyManifest, Manifest, RepresentationManifest};
pub use normalisation::Normalisation;
pub use quantise::quantised;
pub use system::{Model, System, Workspace};

pub use crate::nn::Precision;
