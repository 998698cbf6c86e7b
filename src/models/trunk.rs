//! The trunk shared by the three heads: dense layers (FCN), optionally preceded by convolutions
//! over the representation (CNN).

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::recipe::{kind_and_rest, parse, unknown_kind, within, wrong};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{Conv1d, Conv1dOptions, Linear, Loader, MaxPool1d, relu};

/// Maximum number of values between two layers. A manifest can state sizes far beyond those of the
/// tensors in the file.
const MAX_VALUES: usize = 1 << 22;
/// Maximum width of a dense layer, number of channels of a convolution and of taps of its kernel.
const MAX_WIDTH: usize = 65_536;

/// The manifest's `trunk`.
#[derive(Clone, Debug, PartialEq)]
pub enum TrunkRecipe {
    /// `fcn`: dense layers only.
    Fcn {
        /// Widths of the dense layers.
        dense: Vec<usize>,
    },
    /// `cnn`: the representation as one channel of `dim` steps through convolutions, then dense
    /// layers.
    Cnn {
        /// The convolutions, first to last.
        conv: Vec<ConvRecipe>,
        /// Widths of the dense layers.
        dense: Vec<usize>,
    },
}

/// One convolution, ReLU and max pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvRecipe {
    /// Output channels.
    pub channels: usize,
    /// Taps.
    pub kernel: usize,
    /// Zeros before and after the input; fewer than the taps.
    pub padding: usize,
    /// Length and stride of the max pooling after it.
    pub pool: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FcnPart {
    dense: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CnnPart {
    conv: Vec<ConvRecipe>,
    dense: Vec<usize>,
}

impl TrunkRecipe {
    /// Parses the manifest's `trunk`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let (kind, rest) = kind_and_rest("trunk", value)?;
        let recipe = match kind.as_str() {
            "fcn" => Self::Fcn { dense: parse::<FcnPart>("trunk", rest)?.dense },
            "cnn" => {
                let part: CnnPart = parse("trunk", rest)?;
                Self::Cnn { conv: part.conv, dense: part.dense }
            }
            other => return Err(unknown_kind("trunk", other, "`cnn` and `fcn`")),
        };
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<()> {
        if self.dense().is_empty() {
            return Err(wrong("trunk.dense", "no layers"));
        }
        for (i, width) in self.dense().iter().enumerate() {
            within(&format!("trunk.dense[{i}]"), width, 1..=MAX_WIDTH)?;
        }
        if matches!(self, Self::Cnn { conv, .. } if conv.is_empty()) {
            return Err(wrong("trunk.conv", "no layers"));
        }
        for (i, layer) in self.conv().iter().enumerate() {
            within(&format!("trunk.conv[{i}].channels"), &layer.channels, 1..=MAX_WIDTH)?;
            within(&format!("trunk.conv[{i}].kernel"), &layer.kernel, 1..=MAX_WIDTH)?;
            within(&format!("trunk.conv[{i}].padding"), &layer.padding, 0..=layer.kernel - 1)?;
            within(&format!("trunk.conv[{i}].pool"), &layer.pool, 1..=MAX_WIDTH)?;
        }
        Ok(())
    }

    /// The convolutions; none for `fcn`.
    pub fn conv(&self) -> &[ConvRecipe] {
        match self {
            Self::Fcn { .. } => &[],
            Self::Cnn { conv, .. } => conv,
        }
    }

    /// Widths of the dense layers.
    pub fn dense(&self) -> &[usize] {
        match self {
            Self::Fcn { dense } | Self::Cnn { dense, .. } => dense,
        }
    }
}

/// `[dim]` → `[dense.last()]`.
#[derive(Debug)]
pub struct Trunk {
    stages: Vec<Stage>,
    dense: Vec<(String, Linear)>,
}

/// One convolution with ReLU and max pooling.
#[derive(Debug)]
struct Stage {
    names: [String; 2],
    conv: Conv1d,
    pool: MaxPool1d,
    /// Values per channel: before the convolution, after it, after the pooling.
    lengths: [usize; 3],
}

/// Two buffers, alternately input and output of the layers.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) from: Vec<f32>,
    to: Vec<f32>,
}

impl Trunk {
    /// Takes the tensors `trunk.…` for a representation of `dim` values.
    pub(crate) fn load(loader: &mut Loader<'_>, recipe: &TrunkRecipe, dim: usize) -> Result<Self> {
        let (mut channels, mut length) = (1, dim);
        let mut stages = Vec::new();
        for (i, layer) in recipe.conv().iter().enumerate() {
            let stage = Stage::load(loader, i, *layer, channels, length)?;
            (channels, length) = (layer.channels, stage.lengths[2]);
            stages.push(stage);
        }
        let mut inputs = channels * length;
        let mut dense = Vec::new();
        for (i, width) in recipe.dense().iter().enumerate() {
            let name = format!("trunk.dense.{i}");
            let layer = Linear::load(loader, &name, inputs, *width)?;
            dense.push((name, layer));
            inputs = *width;
        }
        Ok(Self { stages, dense })
    }

    /// Number of output values.
    pub fn outputs(&self) -> usize {
        self.dense.last().map_or(0, |(_, layer)| layer.outputs())
    }

    /// Computes the input of the heads from the representation in `scratch.from`. Passes
    /// `trunk.conv.0` (after its ReLU), `trunk.pool.0` and so on, then `trunk.dense.0` (after its
    /// ReLU) and so on.
    pub(crate) fn run<'s>(&self, scratch: &'s mut Scratch, tap: &mut LayerTap<'_, '_>) -> Result<&'s [f32]> {
        let Scratch { from, to } = scratch;
        let (mut from, mut to) = (from, to);
        for stage in &self.stages {
            stage.run(from, to, tap)?;
        }
        for (name, layer) in &self.dense {
            let output = resize_scratch(to, layer.outputs());
            layer.run(&from[..layer.inputs()], 1, output);
            relu(output);
            tap.pass(name, &[layer.outputs()], output)?;
            (from, to) = (to, from);
        }
        Ok(&from[..self.outputs()])
    }
}

impl Stage {
    fn load(loader: &mut Loader<'_>, index: usize, recipe: ConvRecipe, inputs: usize, length: usize) -> Result<Self> {
        let name = format!("trunk.conv.{index}");
        let options = Conv1dOptions { padding: recipe.padding, ..Conv1dOptions::default() };
        let conv = Conv1d::load(loader, &name, [recipe.channels, inputs, recipe.kernel], options)?;
        let pool = MaxPool1d::new(recipe.pool, recipe.pool);
        let after_conv = conv.length_out(length);
        let lengths = [length, after_conv, pool.length_out(after_conv)];
        if lengths[2] == 0 {
            return Err(wrong(&name, format!("{length} values are too few for this layer and its pooling")));
        }
        let values = recipe.channels.saturating_mul(after_conv);
        if values > MAX_VALUES {
            let (actual, limit) = (values as u64, MAX_VALUES as u64);
            return Err(Error::Limit { what: "number of values after a convolution of the trunk", actual, limit });
        }
        Ok(Self { names: [name, format!("trunk.pool.{index}")], conv, pool, lengths })
    }

    /// `[inputs, length]` in `values` → `[outputs, pooled length]` in `values`.
    fn run(&self, values: &mut Vec<f32>, between: &mut Vec<f32>, tap: &mut LayerTap<'_, '_>) -> Result<()> {
        let [length, after_conv, pooled] = self.lengths;
        let channels = self.conv.outputs();
        let convolved = resize_scratch(between, channels * after_conv);
        self.conv.run(&values[..self.conv.inputs() * length], length, convolved);
        relu(convolved);
        tap.pass(&self.names[0], &[channels, after_conv], convolved)?;
        let output = resize_scratch(values, channels * pooled);
        self.pool.run(convolved, after_conv, output);
        tap.pass(&self.names[1], &[channels, pooled], output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};
    use serde_json::json;

    fn cnn() -> Value {
        json!({"kind": "cnn", "conv": [{"channels": 2, "kernel": 3, "padding": 1, "pool": 2}], "dense": [3, 2]})
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/kind", json!("transformer"), "kind"),
            ("/dense", json!([]), "dense"),
            ("/dense/1", json!(0), "dense[1]"),
            ("/dense/0", json!(-3), "dense[0]"),
            ("/conv", json!([]), "conv"),
            ("/conv/0/channels", json!(1_u64 << 60), "conv[0].channels"),
            ("/conv/0/kernel", json!(0), "conv[0].kernel"),
            ("/conv/0/padding", json!(3), "conv[0].padding"),
            ("/conv/0/pool", json!(0), "conv[0].pool"),
        ] {
            let mut broken = cnn();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = TrunkRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`trunk.{name}`")), "{message}");
        }
        let stray = TrunkRecipe::parse(json!({"kind": "fcn", "dense": [3], "conv": []})).unwrap_err().to_string();
        assert!(stray.contains("unknown field `conv`"), "{stray}");
    }

    /// A trunk of a convolution with one tap and a dense layer with one output.
    fn load(channels: usize, pool: usize, dim: usize) -> Result<Trunk> {
        let left = channels * (dim / pool);
        let (weight, dense) = (vec![1.0; channels], vec![1.0; left]);
        let bytes = file(&[
            ("trunk.conv.0.weight", &[channels, 1, 1], &weight),
            ("trunk.conv.0.bias", &[channels], &weight),
            ("trunk.dense.0.weight", &[1, left], &dense),
            ("trunk.dense.0.bias", &[1], &[0.0]),
        ]);
        let conv = json!([{"channels": channels, "kernel": 1, "padding": 0, "pool": pool}]);
        let recipe = TrunkRecipe::parse(json!({"kind": "cnn", "conv": conv, "dense": [1]}))?;
        Trunk::load(&mut loader(&bytes), &recipe, dim)
    }

    #[test]
    fn few_weights_cannot_cause_large_allocations() {
        assert!(load(3, 2, 5).is_ok());
        assert!(matches!(load(60_000, 60_000, 60_000), Err(Error::Limit { actual: 3_600_000_000, .. })));
    }

    #[test]
    fn a_pool_longer_than_its_input_is_named() {
        let message = load(3, 6, 5).unwrap_err().to_string();
        assert!(message.contains("`trunk.conv.0`") && message.contains("too few for this layer"), "{message}");
    }
}
