//! Layer `nn`: parts of neural networks that know nothing of a particular model.
//!
//! Every layer is planned once (weights read, checked, repacked in `load` or `new`) and run many times (`run` takes slices for
//! input and output, where need be [`Scratch`], and allocates nothing). Two layouts occur, both row-major: `[frames, channels]` where frames are many and
//! every layer mixes all channels ([`tdnn`], [`frame_conv`], [`strided_conv`], [`attention`], [`norm`], [`statistics`]), and PyTorch's `[channels, length]` ([`conv1d`],
//! [`max_pool`]). A [`picture`] of frames, bands and channels ([`conv2d`]) is the first with margins between its frames.
//!
//! What is worth several threads ([`attention`], [`position_conv`], and WavLM's layers around them) works on rows in [`blocks`].
//!
//! Sizes are the caller's business: a slice of the wrong length is a mistake in the program and panics. What comes from a file
//! is checked where it is read ([`weights`]) and gives errors.

pub mod activation;
pub mod attention;
pub mod blocks;
pub mod conv1d;
pub mod conv2d;
pub mod frame_conv;
pub mod group_norm_conv;
pub mod layer_norm;
pub mod linear;
pub mod max_pool;
pub mod moments;
pub mod norm;
pub mod picture;
pub mod position_conv;
pub mod precision;
pub mod rounding;
pub mod statistics;
pub mod strided_conv;
pub mod tdnn;
pub mod tensor;
pub mod weights;

pub use crate::kernels::epilogue::Epilogue;
pub use activation::{add_row, all_finite, gelu, relu, sigmoid, softmax};
pub use attention::{Attention, AttentionScratch, PositionBias};
pub use blocks::in_blocks;
pub use conv1d::{Conv1d, Conv1dOptions};
pub use conv2d::Conv2d;
pub use frame_conv::FrameConv;
pub use group_norm_conv::GroupNormConv;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use max_pool::MaxPool1d;
pub use moments::Moments;
pub use norm::Norm;
pub use picture::{Image, Keep, Picture};
pub use position_conv::{PositionConv, PositionScratch};
pub use precision::{Precision, Scratch};
pub use statistics::{StatisticsPooling, Variance};
pub use strided_conv::StridedConv;
pub use tdnn::Tdnn;
pub use tensor::Tensor;
pub use weights::Weights;
