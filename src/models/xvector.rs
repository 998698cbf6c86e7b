//! The x-vector network: time-delay layers over frames, statistics over time, one embedding (Snyder et al. 2018, "X-vectors:
//! robust DNN embeddings for speaker recognition").

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::recipe::{parse, within, wrong};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, Linear, Norm, StatisticsPooling, Tdnn, Variance, Weights};

/// The most channels of a layer and the longest embedding.
const MAX_CHANNELS: usize = 65_536;
/// The farthest frame of a context.
const MAX_OFFSET: i32 = 1_000;

/// The manifest's `representation` of kind `xvector`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XVectorRecipe {
    /// Frame-level layers, first to last.
    pub layers: Vec<TdnnRecipe>,
    /// From frames to one vector.
    pub pooling: PoolingRecipe,
    /// Length of the embedding.
    pub embedding: usize,
    /// What batch norm adds to each variance.
    pub norm_eps: f64,
    /// The frame-level layers' activation.
    #[serde(default)]
    pub activation: ActivationKind,
    /// What the frame-level layers see before the first frame and after the last.
    #[serde(default)]
    pub padding: PaddingKind,
    /// Whether a batch norm follows the embedding's affine map.
    #[serde(default = "yes")]
    pub embedding_norm: bool,
}

/// Kaldi's order of affine map, ReLU, batch norm is the one of Snyder et al.; others changed the ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// `x`, below 0 `0.01 · x`: PyTorch's `LeakyReLU`.
    LeakyRelu,
}

/// The edges of the frame-level layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingKind {
    /// Nothing: each layer gives as many frames less as its context reaches over.
    #[default]
    None,
    /// The frames mirrored at the first and the last, so that each layer gives as many as it gets (SpeechBrain).
    Reflect,
}

fn yes() -> bool {
    true
}

/// One frame-level layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TdnnRecipe {
    /// Channels that come out.
    pub channels: usize,
    /// The frames it sees, relative to its own: rising, evenly spaced.
    pub context: Vec<i32>,
}

/// The pooling over time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolingRecipe {
    /// Which pooling.
    pub kind: PoolingKind,
    /// Which variance.
    pub variance: VarianceKind,
    /// The least variance.
    pub floor: f64,
}

/// Kinds of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolingKind {
    /// Mean and standard deviation of each channel.
    Statistics,
}

/// [`Variance`] as the manifest writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VarianceKind {
    /// Divided by the number of frames.
    Biased,
    /// Divided by the number of frames less one.
    Unbiased,
}

impl XVectorRecipe {
    /// Reads the part without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        if recipe.layers.is_empty() {
            return Err(wrong("representation.layers", "no layers"));
        }
        for (i, layer) in recipe.layers.iter().enumerate() {
            within(&format!("representation.layers[{i}].channels"), &layer.channels, 1..=MAX_CHANNELS)?;
            layer.dilation().map_err(|what| wrong(&format!("representation.layers[{i}].context"), what))?;
            if recipe.padding == PaddingKind::Reflect && layer.context.len().is_multiple_of(2) {
                let what = "an even number of frames, which have no middle to pad around";
                return Err(wrong(&format!("representation.layers[{i}].context"), what));
            }
        }
        recipe.pooling.check()?;
        within("representation.embedding", &recipe.embedding, 1..=MAX_CHANNELS)?;
        within("representation.norm_eps", &recipe.norm_eps, 0.0..=1.0)?;
        Ok(recipe)
    }
}

impl PoolingRecipe {
    pub(crate) fn check(self) -> Result<()> {
        within("representation.pooling.floor", &self.floor, 0.0..=1.0)
    }

    pub(crate) fn plan(self) -> StatisticsPooling {
        let variance = match self.variance {
            VarianceKind::Biased => Variance::Biased,
            VarianceKind::Unbiased => Variance::Unbiased,
        };
        StatisticsPooling::new(variance, self.floor)
    }
}

impl TdnnRecipe {
    /// Distance between the frames of the context; 1 for a single frame.
    fn dilation(&self) -> Result<usize, &'static str> {
        if self.context.is_empty() {
            return Err("no frames");
        }
        if self.context.iter().any(|offset| !(-MAX_OFFSET..=MAX_OFFSET).contains(offset)) {
            return Err("a frame farther away than 1000");
        }
        let mut steps = self.context.windows(2).map(|pair| pair[1] - pair[0]);
        let first = steps.next().unwrap_or(1);
        if first < 1 || steps.any(|step| step != first) {
            return Err("frames that do not rise in even steps");
        }
        Ok(first as usize)
    }
}

/// `[frames, bands]` → `[embedding]`.
#[derive(Debug)]
pub struct XVector {
    layers: Vec<(String, Tdnn)>,
    padding: PaddingKind,
    pooling: StatisticsPooling,
    embedding: Linear,
}

/// What [`XVector::run`] needs beside its input; grows to the longest clip that it saw.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Normalised features, then the output of every second layer.
    pub(crate) frames: Vec<f32>,
    /// The output of the other layers.
    other: Vec<f32>,
    /// A layer's input with its mirrored edges.
    padded: Vec<f32>,
    pooled: Vec<f32>,
    layer: nn::Scratch,
}

impl XVector {
    /// Takes the tensors `xvector.…`. The batch norm behind the embedding's affine map is folded into it.
    pub(crate) fn load(weights: &mut Weights<'_>, recipe: &XVectorRecipe, bands: usize) -> Result<Self> {
        let mut inputs = bands;
        let mut layers = Vec::new();
        for (i, layer) in recipe.layers.iter().enumerate() {
            let name = format!("xvector.tdnn.{i}");
            let dilation = layer.dilation().map_err(|what| wrong("representation.layers", what))?;
            let shape = [layer.channels, inputs, layer.context.len()];
            let tdnn = Tdnn::load(weights, &name, shape, dilation, recipe.norm_eps)?;
            layers.push((name, tdnn.with_negative_slope(recipe.activation.negative_slope())));
            inputs = layer.channels;
        }
        let mut embedding = Linear::load(weights, "xvector.embedding", 2 * inputs, recipe.embedding)?;
        if recipe.embedding_norm {
            let norm = Norm::load(weights, "xvector.embedding_norm", recipe.embedding, recipe.norm_eps)?;
            embedding = embedding.followed_by(&norm);
        }
        Ok(Self { layers, padding: recipe.padding, pooling: recipe.pooling.plan(), embedding })
    }

    /// The shortest clip: what the contexts reach over, and the frames that the pooling needs. Snyder's network: 15. With mirrored edges:
    /// more than any layer mirrors.
    pub fn min_frames(&self) -> usize {
        let reaches = self.layers.iter().map(|(_, layer)| layer.reach());
        match self.padding {
            PaddingKind::None => reaches.sum::<usize>() + self.pooling.min_frames(),
            PaddingKind::Reflect => reaches.map(|reach| reach / 2 + 1).fold(self.pooling.min_frames(), usize::max),
        }
    }

    /// Values of the widest layer for each frame.
    pub(crate) fn values_per_frame(&self) -> usize {
        self.layers.iter().map(|(_, layer)| layer.inputs().max(layer.outputs())).max().unwrap_or(0)
    }

    /// Length of the embedding.
    pub fn dim(&self) -> usize {
        self.embedding.outputs()
    }

    /// From the normalised features, `[frames, bands]` in `scratch.frames`, to the embedding. Shows the results
    /// `xvector.tdnn.0` and so on, `xvector.pooling`, and `xvector.embedding`, which is the one after the batch norm.
    pub(crate) fn run(
        &self,
        frames: usize,
        scratch: &mut Scratch,
        embedding: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(Error::Config(format!("{frames} frames: the network needs at least {}", self.min_frames())));
        }
        let Scratch { frames: from, other: to, padded, pooled, layer: of_layer } = scratch;
        let (mut from, mut to) = (from, to);
        let mut frames = frames;
        for (name, layer) in &self.layers {
            let mut input = &from[..frames * layer.inputs()];
            if self.padding == PaddingKind::Reflect && layer.reach() > 0 {
                input = mirrored(input, layer.inputs(), layer.reach() / 2, padded);
            }
            let seen = input.len() / layer.inputs();
            let left = seen - layer.reach();
            let output = resize_scratch(to, left * layer.outputs());
            layer.run(input, seen, output, of_layer);
            tap.pass(name, &[left, layer.outputs()], output)?;
            frames = left;
            (from, to) = (to, from);
        }
        let channels = self.embedding.inputs() / 2;
        let pooled = resize_scratch(pooled, 2 * channels);
        self.pooling.run(&from[..frames * channels], frames, pooled);
        tap.pass("xvector.pooling", &[2 * channels], pooled)?;
        self.embedding.run(pooled, 1, embedding);
        tap.pass("xvector.embedding", &[self.dim()], embedding)
    }
}

impl ActivationKind {
    fn negative_slope(self) -> f32 {
        match self {
            Self::Relu => 0.0,
            Self::LeakyRelu => 0.01,
        }
    }
}

/// `[frames, channels]` with `edge` frames more on both sides, mirrored at the first and the last frame, which are not repeated. There are more
/// frames than `edge`.
fn mirrored<'p>(input: &[f32], channels: usize, edge: usize, padded: &'p mut Vec<f32>) -> &'p [f32] {
    let frame = |t: usize| &input[t * channels..(t + 1) * channels];
    let frames = input.len() / channels;
    padded.clear();
    (1..=edge).rev().for_each(|t| padded.extend_from_slice(frame(t)));
    padded.extend_from_slice(input);
    (1..=edge).for_each(|t| padded.extend_from_slice(frame(frames - 1 - t)));
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recipe() -> Value {
        json!({"layers": [{"channels": 8, "context": [-2, -1, 0, 1, 2]}, {"channels": 9, "context": [-3, 0, 3]}],
            "pooling": {"kind": "statistics", "variance": "biased", "floor": 1e-5}, "embedding": 4, "norm_eps": 1e-5})
    }

    #[test]
    fn contexts_become_dilations() {
        let dilation = |context: &[i32]| TdnnRecipe { channels: 1, context: context.to_vec() }.dilation();
        assert_eq!(dilation(&[-2, -1, 0, 1, 2]), Ok(1));
        assert_eq!(dilation(&[-3, 0, 3]), Ok(3));
        assert_eq!(dilation(&[0]), Ok(1));
        for wrong in [&[][..], &[0, 0], &[1, 0], &[0, 1, 3], &[i32::MIN, i32::MAX], &[0, 1001]] {
            assert!(dilation(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn edges_are_mirrored() {
        let mut padded = vec![f32::NAN; 3];
        assert_eq!(mirrored(&[0.0, 1.0, 2.0], 1, 2, &mut padded), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0]);
        assert_eq!(mirrored(&[0.0, 1.0, 2.0, 3.0], 2, 1, &mut padded), [2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0]);
    }

    #[test]
    fn each_wrong_value_is_named() {
        XVectorRecipe::parse(recipe()).unwrap();
        for (pointer, value, name) in [
            ("/layers", json!([]), "layers"),
            ("/layers/1/channels", json!(0), "layers[1].channels"),
            ("/layers/1/channels", json!(u64::MAX), "layers[1].channels"),
            ("/layers/0/context", json!([0, 1, 3]), "layers[0].context"),
            ("/layers/0/context/2", json!(0.5), "layers[0].context[2]"),
            ("/pooling/kind", json!("attention"), "pooling.kind"),
            ("/pooling/variance", json!("median"), "pooling.variance"),
            ("/pooling/floor", json!(-1.0), "pooling.floor"),
            ("/embedding", json!(1_u64 << 40), "embedding"),
            ("/norm_eps", json!("small"), "norm_eps"),
            ("/activation", json!("gelu"), "activation"),
            ("/padding", json!("zeros"), "padding"),
            ("/embedding_norm", json!(1), "embedding_norm"),
        ] {
            let mut broken = recipe();
            match broken.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => broken[&pointer[1..]] = value,
            }
            let message = XVectorRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`representation.{name}`")), "{message}");
        }
    }
}
