//! The x-vector network: time-delay layers, statistics pooling, embedding (Snyder et al. 2018,
//! "X-vectors: robust DNN embeddings for speaker recognition").

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, too_short};
use crate::models::recipe::{parse, within, wrong};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{
    self, Activation, FrameConv, FrameConvOptions, Int8Tensor, Linear, Loader, Norm, StatisticsPooling, Variance,
};

/// Maximum number of channels of a layer, and length of the embedding.
const MAX_CHANNELS: usize = 65_536;
/// Maximum distance of a frame of a context.
const MAX_OFFSET: i32 = 1_000;

/// The manifest's `representation` of kind `xvector`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XVectorRecipe {
    /// Frame-level layers, first to last.
    pub layers: Vec<TdnnRecipe>,
    /// Pooling over time.
    pub pooling: PoolingRecipe,
    /// Length of the embedding.
    pub embedding: usize,
    /// Epsilon of batch norm.
    pub norm_eps: f64,
    /// Activation of the frame-level layers.
    #[serde(default)]
    pub activation: ActivationKind,
    /// Padding of the frame-level layers.
    #[serde(default)]
    pub padding: PaddingKind,
    /// Whether a batch norm follows the embedding layer.
    #[serde(default = "yes")]
    pub embedding_norm: bool,
}

/// Activation between affine map and batch norm: ReLU in Kaldi and Snyder et al., leaky ReLU in
/// SpeechBrain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// `x`, below 0 `0.01 · x`: PyTorch's `LeakyReLU`.
    LeakyRelu,
}

/// Padding of the frame-level layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingKind {
    /// None: each layer has fewer output frames, by the extent of its context.
    #[default]
    None,
    /// Reflection at the first and the last frame, so that each layer has as many output as input
    /// frames (SpeechBrain).
    Reflect,
}

fn yes() -> bool {
    true
}

/// One frame-level layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TdnnRecipe {
    /// Output channels.
    pub channels: usize,
    /// Offsets of the frames that it reads, ascending and evenly spaced.
    pub context: Vec<i32>,
}

/// The pooling over time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolingRecipe {
    /// Kind of pooling.
    pub kind: PoolingKind,
    /// Divisor of the variance.
    pub variance: VarianceKind,
    /// Minimum of the variance.
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
    /// Divided by the number of frames minus one.
    Unbiased,
}

impl XVectorRecipe {
    /// Parses the object without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        if recipe.layers.is_empty() {
            return Err(wrong("representation.layers", "no layers"));
        }
        for (i, layer) in recipe.layers.iter().enumerate() {
            within(&format!("representation.layers[{i}].channels"), &layer.channels, 1..=MAX_CHANNELS)?;
            layer.dilation().map_err(|what| wrong(&format!("representation.layers[{i}].context"), what))?;
            if recipe.padding == PaddingKind::Reflect && layer.context.len().is_multiple_of(2) {
                let what = "an even number of frames, which has no middle to pad around";
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
            return Err("an offset beyond ±1000");
        }
        let mut steps = self.context.windows(2).map(|pair| pair[1] - pair[0]);
        let first = steps.next().unwrap_or(1);
        if first < 1 || steps.any(|step| step != first) {
            return Err("offsets that are not ascending and evenly spaced");
        }
        Ok(first as usize)
    }
}

/// `[frames, bands]` → `[embedding]`.
#[derive(Debug)]
pub(crate) struct XVector {
    layers: Vec<(String, FrameConv)>,
    padding: PaddingKind,
    pooling: StatisticsPooling,
    embedding: Linear,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    /// Output of every second layer; the others write to the input.
    other: Vec<f32>,
    /// Input of a layer with reflection padding.
    padded: Vec<f32>,
    pooled: Vec<f32>,
    layer: nn::Scratch,
}

impl XVector {
    /// Takes the tensors `xvector.…`. The batch norm after the embedding layer is folded into it.
    fn load(loader: &mut Loader<'_>, recipe: &XVectorRecipe, bands: usize) -> Result<Self> {
        let mut inputs = bands;
        let mut layers = Vec::new();
        for (i, layer) in recipe.layers.iter().enumerate() {
            let name = format!("xvector.tdnn.{i}");
            let dilation = layer.dilation().map_err(|what| wrong("representation.layers", what))?;
            let shape = [layer.channels, inputs, layer.context.len()];
            let (options, precision) =
                (FrameConvOptions { dilation, ..FrameConvOptions::default() }, loader.precision());
            let conv = FrameConv::load(loader, &format!("{name}.conv"), shape, true, options, precision)?;
            let norm = Norm::load(loader, &format!("{name}.norm"), layer.channels, recipe.norm_eps)?;
            layers.push((name, conv.with_activation(recipe.activation.with_norm(norm))));
            inputs = layer.channels;
        }
        let mut embedding = Linear::load(loader, "xvector.embedding", 2 * inputs, recipe.embedding)?;
        if recipe.embedding_norm {
            let norm = Norm::load(loader, "xvector.embedding_norm", recipe.embedding, recipe.norm_eps)?;
            embedding = embedding.followed_by(&norm);
        }
        Ok(Self { layers, padding: recipe.padding, pooling: recipe.pooling.plan(), embedding })
    }
}

impl Network for XVector {
    /// The extent of all contexts and the frames that the pooling needs: 15 for Snyder's network.
    /// With reflection padding, more than any layer reflects.
    fn min_frames(&self) -> usize {
        let reaches = self.layers.iter().map(|(_, layer)| layer.reach());
        match self.padding {
            PaddingKind::None => reaches.sum::<usize>() + self.pooling.min_frames(),
            PaddingKind::Reflect => reaches.map(|reach| reach / 2 + 1).fold(self.pooling.min_frames(), usize::max),
        }
    }

    fn dim(&self) -> usize {
        self.embedding.outputs()
    }

    fn largest_layer(&self, frames: usize) -> usize {
        let widest = self.layers.iter().map(|(_, layer)| layer.inputs().max(layer.outputs())).max().unwrap_or(0);
        frames.saturating_mul(widest)
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.layers.iter().flat_map(|(_, layer)| layer.int8_tensors()).collect()
    }

    /// Passes to the tap: `xvector.tdnn.0` and so on, `xvector.pooling`, and `xvector.embedding`,
    /// which is after the batch norm.
    fn run(
        &self,
        input: &mut Vec<f32>,
        frames: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(too_short(frames, "frames", self.min_frames()));
        }
        let Scratch { other, padded, pooled, layer: layer_scratch } = scratch.of()?;
        let (mut from, mut to) = (input, other);
        let mut frames = frames;
        for (name, layer) in &self.layers {
            let mut x = &from[..frames * layer.inputs()];
            if self.padding == PaddingKind::Reflect && layer.reach() > 0 {
                x = reflected(x, layer.inputs(), layer.reach() / 2, padded);
            }
            let padded_frames = x.len() / layer.inputs();
            frames = layer.frames_out(padded_frames);
            let y = resize_scratch(to, frames * layer.outputs());
            layer.run(x, padded_frames, y, layer_scratch);
            tap.pass(name, &[frames, layer.outputs()], y)?;
            (from, to) = (to, from);
        }
        let channels = self.embedding.inputs() / 2;
        let pooled = resize_scratch(pooled, 2 * channels);
        self.pooling.run(&from[..frames * channels], frames, pooled);
        tap.pass("xvector.pooling", &[2 * channels], pooled)?;
        self.embedding.run(pooled, 1, output);
        tap.pass("xvector.embedding", &[self.dim()], output)
    }
}

impl NetworkRecipe for XVectorRecipe {
    fn load(&self, loader: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>> {
        Ok(Box::new(XVector::load(loader, self, bands)?))
    }

    fn normalise(&self) -> bool {
        false
    }
}

impl ActivationKind {
    fn with_norm(self, norm: Norm) -> Activation {
        match self {
            Self::Relu => Activation::ReluNorm(norm),
            Self::LeakyRelu => Activation::LeakyReluNorm(0.01, norm),
        }
    }
}

/// Reflection padding: `[frames, channels]` with `edge` more frames on both sides, reflected at the
/// first and the last frame, which are not repeated. There must be more frames than `edge`.
fn reflected<'p>(input: &[f32], channels: usize, edge: usize, padded: &'p mut Vec<f32>) -> &'p [f32] {
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
    fn edges_are_reflected() {
        let mut padded = vec![f32::NAN; 3];
        assert_eq!(reflected(&[0.0, 1.0, 2.0], 1, 2, &mut padded), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0]);
        assert_eq!(reflected(&[0.0, 1.0, 2.0, 3.0], 2, 1, &mut padded), [2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0]);
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
