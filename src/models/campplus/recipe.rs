//! The manifest's `representation` of kind `campplus`: sizes of the network, and the outputs that
//! form the representation.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::recipe::{parse, within, wrong};

/// Maximum number of channels, and length of the embedding.
const MAX_CHANNELS: usize = 65_536;
/// Maximum number of blocks, and of layers per block.
const MAX_LAYERS: usize = 1_000;
/// Maximum number of taps, and maximum stride and dilation.
const MAX_REACH: usize = 1_000;

/// Sizes of the network. The published one's are those of `CAMPPLUS` in
/// `tools/persona/campplus.py`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CamPlusPlusRecipe {
    /// Channels of the convolutions over frames and bands.
    pub head_channels: usize,
    /// Number of residual blocks in their two layers.
    pub head_blocks: [usize; 2],
    /// The strided convolution over frames after them.
    pub tdnn: StridedRecipe,
    /// The dense blocks; a transition after each halves the channels.
    pub blocks: Vec<BlockRecipe>,
    /// Channels that each layer of a block appends.
    pub growth: usize,
    /// Channels inside a layer.
    pub bottleneck: usize,
    /// Ratio of the bottleneck to the width of the first layer of the mask.
    pub mask_reduction: usize,
    /// Frames per segment of the mask.
    pub segment_frames: usize,
    /// Length of the embedding.
    pub embedding: usize,
    /// Epsilon of batch norm.
    pub norm_eps: f64,
    /// The outputs whose vectors are concatenated to the representation. Layers after the last of
    /// them are not loaded.
    pub taps: Vec<Tap>,
    /// Whether the representation is standardised by the tensors `representation.mean` and
    /// `representation.scale`.
    pub normalise: bool,
}

/// The first convolution over frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StridedRecipe {
    /// Output channels.
    pub channels: usize,
    /// Taps, an odd number; half of them as padding.
    pub kernel: usize,
    /// Frames between two outputs.
    pub stride: usize,
}

/// One dense block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRecipe {
    /// Number of layers.
    pub layers: usize,
    /// Taps of the local convolution, an odd number.
    pub kernel: usize,
    /// Dilation: frames between two taps.
    pub dilation: usize,
}

/// An output of the network that is part of the representation. Frame-level outputs contribute
/// their mean and standard deviation over time (unbiased variance), `2 · channels` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Tap {
    /// `fcm`: the convolutions over frames and bands.
    Fcm,
    /// `tdnn`: the strided convolution.
    Tdnn,
    /// `block1` and so on: a dense block with its transition. Counts from 1.
    Block(usize),
    /// `final`: after the last norm and ReLU; its statistics are those of the paper.
    Final,
    /// `embedding`: the speaker embedding.
    Embedding,
}

impl TryFrom<String> for Tap {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let block = || name.strip_prefix("block")?.parse().ok().filter(|b| *b > 0);
        match name.as_str() {
            "fcm" => Ok(Self::Fcm),
            "tdnn" => Ok(Self::Tdnn),
            "final" => Ok(Self::Final),
            "embedding" => Ok(Self::Embedding),
            _ => block().map(Self::Block).ok_or_else(|| {
                format!("unknown tap `{name}`, expected `fcm`, `tdnn`, `block1` and so on, `final` or `embedding`")
            }),
        }
    }
}

impl std::fmt::Display for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fcm => f.write_str("fcm"),
            Self::Tdnn => f.write_str("tdnn"),
            Self::Block(b) => write!(f, "block{b}"),
            Self::Final => f.write_str("final"),
            Self::Embedding => f.write_str("embedding"),
        }
    }
}

impl CamPlusPlusRecipe {
    /// Parses the object without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        recipe.check_sizes()?;
        recipe.check_blocks()?;
        recipe.check_taps()?;
        Ok(recipe)
    }

    fn check_sizes(&self) -> Result<()> {
        within("representation.head_channels", &self.head_channels, 1..=1_024)?;
        for (i, blocks) in self.head_blocks.iter().enumerate() {
            within(&format!("representation.head_blocks[{i}]"), blocks, 1..=MAX_LAYERS)?;
        }
        within("representation.tdnn.channels", &self.tdnn.channels, 1..=MAX_CHANNELS)?;
        odd("representation.tdnn.kernel", self.tdnn.kernel)?;
        within("representation.tdnn.stride", &self.tdnn.stride, 1..=MAX_REACH)?;
        within("representation.growth", &self.growth, 1..=MAX_CHANNELS)?;
        within("representation.bottleneck", &self.bottleneck, 1..=MAX_CHANNELS)?;
        within("representation.mask_reduction", &self.mask_reduction, 1..=self.bottleneck)?;
        within("representation.segment_frames", &self.segment_frames, 1..=1_000_000)?;
        within("representation.embedding", &self.embedding, 1..=MAX_CHANNELS)?;
        within("representation.norm_eps", &self.norm_eps, 0.0..=1.0)
    }

    fn check_blocks(&self) -> Result<()> {
        within("representation.blocks: their number", &self.blocks.len(), 1..=MAX_LAYERS)?;
        let mut channels = self.tdnn.channels;
        for (i, block) in self.blocks.iter().enumerate() {
            let key = |name: &str| format!("representation.blocks[{i}].{name}");
            within(&key("layers"), &block.layers, 1..=MAX_LAYERS)?;
            odd(&key("kernel"), block.kernel)?;
            within(&key("dilation"), &block.dilation, 1..=MAX_REACH)?;
            channels += block.layers * self.growth;
            if !(2..=MAX_CHANNELS).contains(&channels) {
                return Err(wrong(&key("layers"), format!("{channels} channels, outside 2 to {MAX_CHANNELS}")));
            }
            channels /= 2;
        }
        Ok(())
    }

    fn check_taps(&self) -> Result<()> {
        if self.taps.is_empty() {
            return Err(wrong("representation.taps", "none: the representation would be empty"));
        }
        for (i, tap) in self.taps.iter().enumerate() {
            if matches!(tap, Tap::Block(b) if *b > self.blocks.len()) || self.taps[..i].contains(tap) {
                let what = format!("`{tap}` is not a block of this network, or is listed twice");
                return Err(wrong(&format!("representation.taps[{i}]"), what));
            }
        }
        Ok(())
    }

    /// Channels after the transition of each block.
    pub fn block_channels(&self) -> Vec<usize> {
        let halved = |channels: &mut usize, block: &BlockRecipe| {
            *channels += block.layers * self.growth;
            *channels /= 2;
            Some(*channels)
        };
        self.blocks.iter().scan(self.tdnn.channels, halved).collect()
    }

    /// Whether a layer is needed: some tap is at this layer or after it.
    pub(super) fn reaches(&self, place: Tap) -> bool {
        self.taps.iter().any(|tap| *tap >= place)
    }
}

fn odd(key: &str, taps: usize) -> Result<()> {
    within(key, &taps, 1..=MAX_REACH)?;
    if taps.is_multiple_of(2) {
        return Err(wrong(key, format!("{taps} is even, and the frames have no middle")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recipe() -> Value {
        json!({"head_channels": 32, "head_blocks": [2, 2], "tdnn": {"channels": 128, "kernel": 5, "stride": 2},
            "blocks": [{"layers": 12, "kernel": 3, "dilation": 1}, {"layers": 24, "kernel": 3, "dilation": 2},
                {"layers": 16, "kernel": 3, "dilation": 2}],
            "growth": 32, "bottleneck": 128, "mask_reduction": 2, "segment_frames": 100, "embedding": 192,
            "norm_eps": 1e-5, "taps": ["block1", "final"], "normalise": false})
    }

    #[test]
    fn the_published_sizes() {
        let recipe = CamPlusPlusRecipe::parse(recipe()).unwrap();
        assert_eq!(recipe.block_channels(), [256, 512, 512]);
        assert_eq!(recipe.taps, [Tap::Block(1), Tap::Final]);
        assert!(recipe.reaches(Tap::Block(3)) && recipe.reaches(Tap::Final) && !recipe.reaches(Tap::Embedding));
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/head_channels", json!(0), "head_channels"),
            ("/head_channels", json!(u64::MAX), "head_channels"),
            ("/head_blocks", json!([2]), "head_blocks"),
            ("/head_blocks/1", json!(0), "head_blocks[1]"),
            ("/tdnn/kernel", json!(4), "tdnn.kernel"),
            ("/tdnn/stride", json!(0), "tdnn.stride"),
            ("/blocks", json!([]), "blocks: their number"),
            ("/blocks/2/layers", json!(0), "blocks[2].layers"),
            ("/blocks/1/kernel", json!(2), "blocks[1].kernel"),
            ("/blocks/1/dilation", json!(1_u64 << 40), "blocks[1].dilation"),
            ("/growth", json!(65_536), "blocks[0].layers"),
            ("/bottleneck", json!(-1), "bottleneck"),
            ("/mask_reduction", json!(129), "mask_reduction"),
            ("/segment_frames", json!(0), "segment_frames"),
            ("/embedding", json!(1_u64 << 40), "embedding"),
            ("/norm_eps", json!("small"), "norm_eps"),
            ("/taps", json!([]), "taps"),
            ("/taps/1", json!("block0"), "taps[1]"),
            ("/taps/1", json!("block4"), "taps[1]"),
            ("/taps/1", json!("block1"), "taps[1]"),
            ("/taps/0", json!("statistics"), "taps[0]"),
            ("/normalise", json!(1), "normalise"),
        ] {
            let mut broken = recipe();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = CamPlusPlusRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`representation.{name}`")), "{pointer}: {message}");
        }
    }
}
