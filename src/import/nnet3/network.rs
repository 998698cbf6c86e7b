//! The x-vector network in the nodes and components, traced back from the embedding to the input.

use serde_json::{Value, json};

use super::component::Component;
use super::descriptor::{self, Input};
use super::errors::malformed;
use super::file::Nnet;
use crate::error::{Error, Result};
use crate::nn::Tensor;

/// Maximum number of layers; a cyclic network has more.
const MAX_LAYERS: usize = 1_000;

/// Dimension of the features, the manifest's `representation`, tensors.
pub(super) type Converted = (usize, Value, Vec<(String, Tensor)>);

/// A frame-level layer: affine map and batch norm, with a ReLU between.
struct Layer<'n> {
    affine: Found<'n>,
    norm: Found<'n>,
}

/// The component of a node, with its name for messages.
struct Found<'n> {
    name: &'n str,
    component: &'n Component,
    input: Input,
}

pub(super) fn convert(nnet: &Nnet) -> Result<Converted> {
    let embedding = embedding(nnet)?;
    let pooling = found(nnet, &embedding.input.node, &["StatisticsPoolingComponent"])?;
    let extraction = found(nnet, &pooling.input.node, &["StatisticsExtractionComponent"])?;
    check_pooling(&pooling, &extraction)?;
    let layers = layers(nnet, &extraction.input)?;
    let (mut tensors, mut recipes, mut epsilon) = (Vec::new(), Vec::new(), None);
    for (i, layer) in layers.iter().enumerate() {
        let own = layer.norm.component.float("<Epsilon>", 1e-3);
        if *epsilon.get_or_insert(own) != own {
            return Err(Error::Unsupported(format!(
                "`{}` has a different epsilon from the norms before it",
                layer.norm.name
            )));
        }
        let (channels, mut of_layer) = layer.tensors(i)?;
        recipes.push(json!({"channels": channels, "context": layer.affine.input.context}));
        tensors.append(&mut of_layer);
    }
    let (weight, bias) = affine(&embedding)?;
    let dim = bias.values().len();
    tensors.push(("xvector.embedding.weight".into(), weight.clone()));
    tensors.push(("xvector.embedding.bias".into(), bias.clone()));
    let bands = layers.first().map_or(Ok(0), Layer::inputs)?;
    let representation = json!({
        "kind": "xvector",
        "layers": recipes,
        "pooling": {"kind": "statistics", "variance": "biased", "floor": pooling.component.float("<VarianceFloor>", 1e-10)},
        "embedding": dim,
        "norm_eps": epsilon.unwrap_or(1e-3),
        "embedding_norm": false,
    });
    Ok((bands, representation, tensors))
}

/// The node's component, which must be of one of these types.
fn found<'n>(nnet: &'n Nnet, node: &str, kinds: &[&str]) -> Result<Found<'n>> {
    let (name, way) = nnet.nodes.get_key_value(node).ok_or_else(|| malformed(format!("there is no node `{node}`")))?;
    let unlike = |what: &str| {
        Error::Unsupported(format!("node `{name}` is {what}; an x-vector network has a {} there", kinds[0]))
    };
    let (component, input) = way.as_ref().ok_or_else(|| unlike("an input"))?;
    let component =
        nnet.components.get(component).ok_or_else(|| malformed(format!("there is no component `{component}`")))?;
    if !kinds.contains(&component.kind.as_str()) {
        return Err(unlike(&format!("a {}", component.kind)));
    }
    Ok(Found { name, component, input: descriptor::parse(input)? })
}

const AFFINE: &[&str] = &["NaturalGradientAffineComponent", "AffineComponent", "FixedAffineComponent"];

/// The one affine map that reads statistics.
fn embedding(nnet: &Nnet) -> Result<Found<'_>> {
    let is = |node: &str, kind: &str| found(nnet, node, &[kind]).is_ok();
    let reads_statistics = |node: &&String| {
        let affine = found(nnet, node, AFFINE);
        affine.is_ok_and(|affine| affine.input.context == [0] && is(&affine.input.node, "StatisticsPoolingComponent"))
    };
    match nnet.nodes.keys().filter(reads_statistics).collect::<Vec<_>>()[..] {
        [node] => found(nnet, node, AFFINE),
        [] => {
            Err(Error::Unsupported("no affine map after a StatisticsPoolingComponent: not an x-vector network".into()))
        }
        _ => Err(Error::Unsupported("several affine maps after the statistics pooling".into())),
    }
}

/// Checks that the pooling is that of the recipes: mean and standard deviation of all frames.
fn check_pooling(pooling: &Found<'_>, extraction: &Found<'_>) -> Result<()> {
    let (of, from) = (pooling.component, extraction.component);
    let periods = [of.int("<InputPeriod>", 1), from.int("<InputPeriod>", 1), from.int("<OutputPeriod>", 1)];
    let is_plain = periods == [1; 3] && of.int("<NumLogCountFeatures>", 0) == 0;
    if is_plain
        && of.bool("<OutputStddevs>", true)
        && from.bool("<IncludeVarinance>", true)
        && extraction.input.context == [0]
    {
        return Ok(());
    }
    let what = "is not the plain mean and standard deviation of every frame (periods of 1, no counts)";
    Err(Error::Unsupported(format!("the pooling `{}` {what}", pooling.name)))
}

/// The frame-level layers, first to last.
fn layers<'n>(nnet: &'n Nnet, last: &Input) -> Result<Vec<Layer<'n>>> {
    let (mut layers, mut input) = (Vec::new(), last.clone());
    while !matches!(nnet.nodes.get(&input.node), Some(None)) {
        if layers.len() >= MAX_LAYERS {
            return Err(malformed("its nodes form a cycle"));
        }
        let norm = found(nnet, &input.node, &["BatchNormComponent"])?;
        let relu = found(nnet, &norm.input.node, &["RectifiedLinearComponent"])?;
        let affine = found(nnet, &relu.input.node, AFFINE)?;
        if norm.input.context != [0] || relu.input.context != [0] {
            return Err(Error::Unsupported(format!("`{}` uses frames other than its own", norm.name)));
        }
        input = affine.input.clone();
        layers.push(Layer { affine, norm });
    }
    layers.reverse();
    if layers.is_empty() { Err(Error::Unsupported("statistics of the features themselves".into())) } else { Ok(layers) }
}

/// Weight `[outputs, inputs]` and bias `[outputs]`.
fn affine<'n>(found: &Found<'n>) -> Result<(&'n Tensor, &'n Tensor)> {
    let weight = found.component.tensor("<LinearParams>", found.name, 2)?;
    let bias = found.component.tensor("<BiasParams>", found.name, 1)?;
    if weight.shape()[0] == bias.shape()[0] && !weight.values().is_empty() {
        return Ok((weight, bias));
    }
    let (expected, actual) = (format!("shape {:?}", &weight.shape()[..1]), format!("shape {:?}", bias.shape()));
    Err(Error::Tensor { name: format!("{} <BiasParams>", found.name), expected, actual })
}

impl Layer<'_> {
    /// Number of input channels.
    fn inputs(&self) -> Result<usize> {
        let (columns, frames) = (affine(&self.affine)?.0.shape()[1], self.affine.input.context.len());
        if columns.is_multiple_of(frames) {
            return Ok(columns / frames);
        }
        let expected = format!("columns for {frames} frames");
        Err(Error::Tensor {
            name: format!("{} <LinearParams>", self.affine.name),
            expected,
            actual: format!("{columns}"),
        })
    }

    /// Number of output channels, and the tensors under this engine's names.
    fn tensors(&self, i: usize) -> Result<(usize, Vec<(String, Tensor)>)> {
        let (weight, bias) = affine(&self.affine)?;
        let (inputs, taps) = (self.inputs()?, self.affine.input.context.len());
        let channels = bias.values().len();
        let (norm, name) = (self.norm.component, self.norm.name);
        let dim = norm.int("<Dim>", channels as i64);
        if dim != norm.int("<BlockDim>", dim) || norm.float("<Count>", 0.0) <= 0.0 {
            return Err(Error::Unsupported(format!("`{name}` is a block-wise norm, or one without statistics")));
        }
        let (mean, variance) = (norm.tensor("<StatsMean>", name, 1)?, norm.tensor("<StatsVar>", name, 1)?);
        let target = norm.float("<TargetRms>", 1.0) as f32;
        let of_channels = |values: Vec<f32>| Tensor::new(&[channels], values);
        let floored =
            Tensor::new(variance.shape(), variance.values().iter().map(|v| if *v < 0.0 { 0.0 } else { *v }).collect());
        let named = [
            ("conv.weight", taps_last(weight, inputs, taps)),
            ("conv.bias", bias.clone()),
            ("norm.weight", of_channels(vec![target; channels])),
            ("norm.bias", of_channels(vec![0.0; channels])),
            ("norm.running_mean", mean.clone()),
            ("norm.running_var", floored),
        ];
        Ok((channels, named.map(|(name, tensor)| (format!("xvector.tdnn.{i}.{name}"), tensor)).into()))
    }
}

/// Transposes `[outputs, taps · inputs]`, frame after frame, to `[outputs, inputs, taps]`.
fn taps_last(weight: &Tensor, inputs: usize, taps: usize) -> Tensor {
    let mut values = Vec::with_capacity(weight.values().len());
    for row in weight.values().chunks_exact((taps * inputs).max(1)) {
        for i in 0..inputs {
            values.extend((0..taps).map(|j| row[j * inputs + i]));
        }
    }
    Tensor::new(&[weight.shape()[0], inputs, taps], values)
}
