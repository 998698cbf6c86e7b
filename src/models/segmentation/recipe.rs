//! The manifest's `segmentation`: sizes of the network.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::recipe::{parse, within, wrong};

/// Maximum number of channels.
const MAX_CHANNELS: usize = 8_192;
/// Maximum number of layers of one kind, and maximum pooling.
const MAX_LAYERS: usize = 100;
/// Longest chunk, seconds.
const MAX_CHUNK_S: f64 = 60.0;

/// Sizes of the network. Those of pyannote's segmentation-3.0 are written by `model import
/// pyannote-segmentation`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationRecipe {
    /// Sample rate, Hz.
    pub sample_rate_hz: u32,
    /// Length of a chunk, seconds; the network was trained on chunks of this length.
    pub chunk_s: f64,
    /// The first convolution.
    pub sinc: SincRecipe,
    /// The convolutions after it.
    pub conv: Vec<KernelRecipe>,
    /// Frames of each max pooling, which follows every convolution.
    pub pool: usize,
    /// The recurrent layers.
    pub lstm: LstmRecipe,
    /// Widths of the dense layers after them, each with a leaky ReLU.
    pub dense: Vec<usize>,
    /// Maximum number of speakers in a chunk.
    pub speakers: usize,
    /// Maximum number of speakers at the same time.
    pub simultaneous: usize,
}

/// Convolution with sinc filters: band-pass filters of learned cutoff frequencies (Ravanelli and Bengio
/// 2018).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SincRecipe {
    /// Number of filters, an even number.
    pub filters: usize,
    /// Taps, an odd number.
    pub taps: usize,
    /// Samples between two outputs.
    pub stride: usize,
    /// Added to each lower cutoff frequency, Hz.
    pub min_low_hz: f64,
    /// Added to each bandwidth, Hz.
    pub min_band_hz: f64,
}

/// One convolution over frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelRecipe {
    /// Output channels.
    pub channels: usize,
    /// Taps.
    pub kernel: usize,
}

/// The recurrent layers, each bidirectional.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LstmRecipe {
    /// Number of layers.
    pub layers: usize,
    /// Units of a direction.
    pub hidden: usize,
}

impl SegmentationRecipe {
    /// Parses the manifest's `segmentation`.
    pub(super) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("segmentation", value)?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<()> {
        within("segmentation.sample_rate_hz", &self.sample_rate_hz, 1_000..=192_000)?;
        within("segmentation.chunk_s", &self.chunk_s, 0.5..=MAX_CHUNK_S)?;
        let SincRecipe { filters, taps, stride, min_low_hz, min_band_hz } = &self.sinc;
        within("segmentation.sinc.filters", filters, 2..=MAX_CHANNELS)?;
        within("segmentation.sinc.taps", taps, 3..=MAX_CHANNELS)?;
        if filters % 2 == 1 || taps % 2 == 0 {
            return Err(wrong("segmentation.sinc", "an even number of filters and an odd number of taps are needed"));
        }
        within("segmentation.sinc.stride", stride, 1..=MAX_CHANNELS)?;
        within("segmentation.sinc.min_low_hz", min_low_hz, 0.0..=100_000.0)?;
        within("segmentation.sinc.min_band_hz", min_band_hz, 0.0..=100_000.0)?;
        within("segmentation.conv: their number", &self.conv.len(), 1..=MAX_LAYERS)?;
        for (i, KernelRecipe { channels, kernel }) in self.conv.iter().enumerate() {
            within(&format!("segmentation.conv[{i}].channels"), channels, 1..=MAX_CHANNELS)?;
            within(&format!("segmentation.conv[{i}].kernel"), kernel, 1..=MAX_LAYERS)?;
        }
        within("segmentation.pool", &self.pool, 1..=MAX_LAYERS)?;
        within("segmentation.lstm.layers", &self.lstm.layers, 1..=MAX_LAYERS)?;
        within("segmentation.lstm.hidden", &self.lstm.hidden, 1..=MAX_CHANNELS)?;
        within("segmentation.dense: their number", &self.dense.len(), 1..=MAX_LAYERS)?;
        for (i, width) in self.dense.iter().enumerate() {
            within(&format!("segmentation.dense[{i}]"), width, 1..=MAX_CHANNELS)?;
        }
        within("segmentation.speakers", &self.speakers, 1..=8)?;
        within("segmentation.simultaneous", &self.simultaneous, 1..=self.speakers)
    }

    /// Samples of a chunk.
    pub fn chunk_samples(&self) -> usize {
        (self.chunk_s * f64::from(self.sample_rate_hz)).round() as usize
    }

    /// Samples from one frame of the output to the next.
    pub fn frame_shift(&self) -> usize {
        self.sinc.stride * self.pool.pow(self.conv.len() as u32 + 1)
    }

    /// Samples that one frame depends on in the layers before the recurrent ones.
    pub fn frame_length(&self) -> usize {
        let frames = self.conv.iter().rev().fold(self.pool, |frames, conv| (frames + conv.kernel - 1) * self.pool);
        (frames - 1) * self.sinc.stride + self.sinc.taps
    }
}
