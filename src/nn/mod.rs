//! Layer `nn`: layers of neural networks, independent of any model.
//!
//! Each layer is built once (`load` or `new` reads, checks and packs its weights) and run many
//! times (`run` takes input and output slices and, if needed, [`Scratch`], and allocates nothing).
//! There are two row-major layouts: `[frames, channels]` for many frames ([`frame_conv`],
//! [`attention`], [`norm`], [`statistics`]), and PyTorch's `[channels, length]` ([`conv1d`],
//! [`max_pool`]). A [`feature_map`] of frames, bands and channels ([`conv2d`]) is the first with
//! margins between frames.
//!
//! Layers worth several threads ([`attention`], [`position_conv`]) work on rows in [`blocks`].
//!
//! Slices of a wrong length are programming errors and panic. Data from files is checked where it
//! is read ([`weights`], [`loader`]) and gives errors.

pub mod activation;
pub mod attention;
pub mod bias_correction;
pub mod blocks;
pub mod conv1d;
pub mod conv2d;
pub mod feature_map;
pub mod frame_conv;
pub mod group_norm_conv;
pub mod instance_norm;
pub mod layer_norm;
pub mod linear;
pub mod loader;
pub mod lstm;
pub mod max_pool;
pub mod mean_pooling;
pub mod moments;
pub mod norm;
mod packed_weights;
pub mod position_conv;
pub mod precision;
pub mod quantisation;
pub mod scratch;
pub mod sinc_filters;
pub mod statistics;
pub mod tensor;
pub mod weights;

pub use crate::kernels::epilogue::Epilogue;
pub use activation::{add_row, all_finite, gelu, log_softmax, relu, sigmoid, softmax};
pub use attention::{Attention, AttentionScratch, PositionBias};
pub use blocks::in_blocks;
pub use conv1d::{Conv1d, Conv1dOptions};
pub use conv2d::Conv2d;
pub use feature_map::{FeatureMap, FeatureMapShape, MapFormat};
pub use frame_conv::{Activation, ActivationScales, FrameConv, FrameConvOptions, Padding};
pub use group_norm_conv::GroupNormConv;
pub use instance_norm::InstanceNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loader::Loader;
pub use lstm::{BiLstm, LstmScratch, LstmWeights};
pub use max_pool::{MaxPool1d, max_pool_frames};
pub use mean_pooling::mean_over_frames;
pub use moments::Moments;
pub use norm::Norm;
pub use position_conv::{PositionConv, PositionScratch};
pub use precision::Precision;
pub use quantisation::{Int8Tensor, QuantisedTensor};
pub use scratch::Scratch;
pub use sinc_filters::{SincOptions, sinc_filters};
pub use statistics::{StatisticsPooling, Variance};
pub use tensor::Tensor;
pub use weights::Weights;
