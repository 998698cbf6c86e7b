//! The manifest's `representation` of kind `wavlm`, with the keys of the published configurations.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::recipe::{parse, within, wrong};

/// Maximum number of channels of a layer.
const MAX_CHANNELS: usize = 16_384;
/// Maximum number of layers of a kind.
const MAX_LAYERS: usize = 100;
/// Maximum number of taps, and maximum stride, of a convolution.
const MAX_TAPS: usize = 1_024;

/// The manifest's `representation` of kind `wavlm`. Every activation is GELU.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WavLmRecipe {
    /// Channels of each convolution of the feature encoder.
    pub conv_dim: Vec<usize>,
    /// Taps of each convolution.
    pub conv_kernel: Vec<usize>,
    /// Stride of each convolution.
    pub conv_stride: Vec<usize>,
    /// Whether these convolutions have a bias.
    pub conv_bias: bool,
    /// Normalisation of their outputs.
    pub feat_extract_norm: FeatureNorm,
    /// Channels of the transformer and length of the representation.
    pub hidden_size: usize,
    /// Layers of the transformer.
    pub num_hidden_layers: usize,
    /// Attention heads per layer.
    pub num_attention_heads: usize,
    /// Channels between the two dense layers of each transformer layer.
    pub intermediate_size: usize,
    /// Taps of the convolutional position embedding.
    pub num_conv_pos_embeddings: usize,
    /// Groups of the convolutional position embedding.
    pub num_conv_pos_embedding_groups: usize,
    /// Buckets of distances.
    pub num_buckets: usize,
    /// Distance from which on all distances share the last bucket.
    pub max_bucket_distance: usize,
    /// Whether layers are pre-norm (Large) or post-norm (Base).
    pub do_stable_layer_norm: bool,
    /// Epsilon of the layer norms of the transformer.
    pub layer_norm_eps: f64,
    /// The hidden state whose mean over time is the representation: 0 is the input of the first
    /// layer, `num_hidden_layers` the last one.
    pub hidden_state: usize,
    /// Whether the representation is standardised by the tensors `representation.mean` and
    /// `representation.scale`.
    pub normalise: bool,
}

/// The normalisation inside the feature encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureNorm {
    /// After the first convolution only: each channel over time (Base).
    Group,
    /// After each convolution: each frame over channels (Large).
    Layer,
}

impl WavLmRecipe {
    /// Parses the object without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        recipe.check_convolutions()?;
        recipe.check_transformer()?;
        Ok(recipe)
    }

    fn check_convolutions(&self) -> Result<()> {
        within("representation.conv_dim: their number", &self.conv_dim.len(), 1..=MAX_LAYERS)?;
        for (key, list) in [("conv_kernel", &self.conv_kernel), ("conv_stride", &self.conv_stride)] {
            if list.len() != self.conv_dim.len() {
                let what = format!("{} numbers for {} convolutions", list.len(), self.conv_dim.len());
                return Err(wrong(&format!("representation.{key}"), what));
            }
            for (i, size) in list.iter().enumerate() {
                within(&format!("representation.{key}[{i}]"), size, 1..=MAX_TAPS)?;
            }
        }
        for (i, channels) in self.conv_dim.iter().enumerate() {
            within(&format!("representation.conv_dim[{i}]"), channels, 1..=MAX_CHANNELS)?;
        }
        for (what, samples) in [("per frame", self.reach()), ("between two frames", self.hop())] {
            if samples.is_none_or(|samples| samples > MAX_CHANNELS) {
                return Err(wrong("representation.conv_stride", format!("more than {MAX_CHANNELS} samples {what}")));
            }
        }
        Ok(())
    }

    fn check_transformer(&self) -> Result<()> {
        within("representation.hidden_size", &self.hidden_size, 1..=MAX_CHANNELS)?;
        within("representation.num_hidden_layers", &self.num_hidden_layers, 1..=MAX_LAYERS)?;
        within("representation.intermediate_size", &self.intermediate_size, 1..=4 * MAX_CHANNELS)?;
        within("representation.num_conv_pos_embeddings", &self.num_conv_pos_embeddings, 1..=MAX_TAPS)?;
        within("representation.num_buckets", &self.num_buckets, 4..=MAX_CHANNELS)?;
        within("representation.max_bucket_distance", &self.max_bucket_distance, self.num_buckets / 4 + 1..=1_000_000)?;
        within("representation.layer_norm_eps", &self.layer_norm_eps, 0.0..=1.0)?;
        within("representation.hidden_state", &self.hidden_state, 0..=self.num_hidden_layers)?;
        for (key, parts) in [
            ("num_attention_heads", self.num_attention_heads),
            ("num_conv_pos_embedding_groups", self.num_conv_pos_embedding_groups),
        ] {
            if parts == 0 || !self.hidden_size.is_multiple_of(parts) {
                let what = format!("{} channels are not a multiple of {parts}", self.hidden_size);
                return Err(wrong(&format!("representation.{key}"), what));
            }
        }
        Ok(())
    }

    /// Samples between two frames, or `None` on overflow.
    fn hop(&self) -> Option<usize> {
        self.conv_stride.iter().try_fold(1_usize, |hop, stride| hop.checked_mul(*stride))
    }

    /// Samples that one frame depends on, or `None` on overflow.
    fn reach(&self) -> Option<usize> {
        let layers = self.conv_kernel.iter().zip(&self.conv_stride).rev();
        layers
            .into_iter()
            .try_fold(1_usize, |seen, (kernel, stride)| (seen - 1).checked_mul(*stride)?.checked_add(*kernel))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// The published Base.
    pub(in crate::models) fn base() -> Value {
        json!({"conv_dim": [512, 512, 512, 512, 512, 512, 512], "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
            "conv_stride": [5, 2, 2, 2, 2, 2, 2], "conv_bias": false, "feat_extract_norm": "group", "hidden_size": 768,
            "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "num_conv_pos_embeddings": 128,
            "num_conv_pos_embedding_groups": 16, "num_buckets": 320, "max_bucket_distance": 800,
            "do_stable_layer_norm": false, "layer_norm_eps": 1e-5, "hidden_state": 12, "normalise": false})
    }

    #[test]
    fn the_published_sizes() {
        let recipe = WavLmRecipe::parse(base()).unwrap();
        assert_eq!(recipe.reach(), Some(400));
        assert_eq!(recipe.feat_extract_norm, FeatureNorm::Group);
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/conv_dim", json!([]), "conv_dim: their number"),
            ("/conv_dim/3", json!(0), "conv_dim[3]"),
            ("/conv_dim/3", json!(u64::MAX), "conv_dim[3]"),
            ("/conv_kernel", json!([10, 3]), "conv_kernel"),
            ("/conv_kernel/0", json!(0), "conv_kernel[0]"),
            ("/conv_stride/6", json!(0), "conv_stride[6]"),
            ("/conv_stride", json!([999, 999, 999, 999, 999, 999, 999]), "conv_stride"),
            ("/conv_bias", json!(1), "conv_bias"),
            ("/feat_extract_norm", json!("batch"), "feat_extract_norm"),
            ("/hidden_size", json!(0), "hidden_size"),
            ("/num_hidden_layers", json!(101), "num_hidden_layers"),
            ("/num_attention_heads", json!(7), "num_attention_heads"),
            ("/num_attention_heads", json!(0), "num_attention_heads"),
            ("/intermediate_size", json!(1_u64 << 40), "intermediate_size"),
            ("/num_conv_pos_embeddings", json!(0), "num_conv_pos_embeddings"),
            ("/num_conv_pos_embedding_groups", json!(5), "num_conv_pos_embedding_groups"),
            ("/num_buckets", json!(3), "num_buckets"),
            ("/max_bucket_distance", json!(80), "max_bucket_distance"),
            ("/layer_norm_eps", json!(-1.0), "layer_norm_eps"),
            ("/hidden_state", json!(13), "hidden_state"),
            ("/do_stable_layer_norm", json!("yes"), "do_stable_layer_norm"),
            ("/normalise", json!(null), "normalise"),
        ] {
            let mut broken = base();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = WavLmRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`representation.{name}`")), "{pointer}: {message}");
        }
        let mut far = base();
        (far["conv_kernel"], far["conv_stride"]) =
            (json!([1, 1, 1, 1, 1, 1, 1]), json!([999, 999, 999, 999, 999, 999, 999]));
        assert!(WavLmRecipe::parse(far).unwrap_err().to_string().contains("between two frames"));
        let mut unknown = base();
        unknown["num_adapter_layers"] = json!(3);
        assert!(WavLmRecipe::parse(unknown).unwrap_err().to_string().contains("num_adapter_layers"));
    }
}
