//! Layer `models`: the networks that this engine knows, by the names and shapes of their tensors, and the file that holds one.
//!
//! ```text
//! model file ─▶ manifest (recipe, names, scores) ─▶ System
//!
//! [frames, bands] ─ normalisation ─▶ representation ─▶ [dim] ─ trunk ─▶ [56] ─ heads ─▶ emotion · gender · age
//!                                    x-vector, CAM++ or statistics of MFCC
//! ```

pub mod age_interval;
pub mod campplus;
pub mod features;
pub mod frontend;
pub mod heads;
pub mod kaldi_frontend;
pub mod manifest;
pub mod mfcc_stats;
pub mod probe;
pub mod recipe;
pub mod representation;
mod standardise;
pub mod system;
pub mod trunk;
pub mod xvector;

pub use features::FeatureExtractor;
pub use frontend::{Frontend, LogMelRecipe, Normalisation};
pub use heads::{ActiveHeads, Classes, ClassesRecipe, Output};
pub use manifest::Manifest;
pub use system::{System, Workspace};

pub use crate::nn::Precision;
