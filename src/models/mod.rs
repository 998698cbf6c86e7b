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
pub mod energy_vad;
pub mod features;
pub mod frontend;
mod frontend_knobs;
pub mod heads;
pub mod kaldi_frontend;
pub mod manifest;
pub mod mfcc_stats;
pub mod raw_frontend;
pub mod recipe;
pub mod representation;
pub mod speechbrain_frontend;
mod standardise;
pub mod system;
pub mod tap;
pub mod trunk;
pub mod wavlm;
pub mod xvector;

pub use embedder::{Embedder, EmbedderWorkspace};
pub use features::FeatureExtractor;
pub use frontend::{Frontend, LogMelRecipe, Normalisation};
pub use heads::{ActiveHeads, Classes, ClassesRecipe, Output};
pub use manifest::{AnyManifest, Manifest, RepresentationManifest};
pub use system::{Model, System, Workspace};

pub use crate::nn::Precision;
