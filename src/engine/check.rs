//! A model held against values that another implementation computed, layer by layer.

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::{Embedder, EmbedderWorkspace, Model};
use crate::nn::weights::{Weights, read_file};

/// How far a layer is from what was expected.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCheck {
    /// Name of the result, as the network states it.
    pub layer: String,
    /// Its shape here.
    pub shape: Vec<usize>,
    /// The shape that was expected, if it is another.
    pub expected_shape: Option<Vec<usize>>,
    /// Largest difference of a value.
    pub difference: f64,
    /// Largest value expected.
    pub largest: f64,
}

/// All layers that were compared, in the order of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCheck {
    /// The comparisons.
    pub layers: Vec<LayerCheck>,
    /// Names of expected tensors that the network does not have.
    pub unknown: Vec<String>,
}

impl LayerCheck {
    /// Whether it agrees: the same shape, and no value off by more than `tolerance` times the largest expected value or 1.
    pub fn agrees(&self, tolerance: f64) -> bool {
        self.expected_shape.is_none() && self.difference <= tolerance * self.largest.max(1.0)
    }
}

impl ModelCheck {
    /// The first layer that differs.
    pub fn first_difference(&self, tolerance: f64) -> Option<&LayerCheck> {
        self.layers.iter().find(|layer| !layer.agrees(tolerance))
    }
}

/// Runs a model on the tensor `features` (`[frames, bands]`, before normalisation) or `samples` (`[n]`, at the model's rate) of `inputs` and
/// holds the tensors of `expect` against the results of their names. `embedding` stands for the representation, whatever its kind.
///
/// # Errors
///
/// [`Error::Config`] where the inputs hold neither, or `expect` nothing that the network has; those of [`Weights`] and of the network.
pub fn check(model: &Model, inputs: &Path, expect: &Path) -> Result<ModelCheck> {
    let features = features(model.embedder(), inputs).map_err(|error| error.in_file(inputs))?;
    let frames = features.len() / model.embedder().manifest().frontend.bands().max(1);
    let bytes = read_file(expect)?;
    let mut expected = Weights::from_bytes(&bytes).map_err(|error| error.in_file(expect))?;
    let (mut layers, mut failed) = (Vec::new(), None);
    let mut observer = |name: &str, shape: &[usize], values: &[f32]| match compare(&mut expected, name, shape, values) {
        Ok(compared) => layers.extend(compared),
        Err(error) => failed = failed.take().or(Some(error)),
    };
    let embedding =
        model.embedder().embed_layers(&features, frames, &mut EmbedderWorkspace::default(), &mut observer)?;
    observer("embedding", &[embedding.len()], &embedding);
    if let Model::System(system) = model {
        system.forward_layers(&features, frames, &mut system.workspace(), &mut observer)?;
    }
    if let Some(error) = failed {
        return Err(error.in_file(expect));
    }
    let unknown: Vec<String> = expected.names().filter(|name| !INPUTS.contains(name)).map(str::to_owned).collect();
    if layers.is_empty() {
        let names = unknown.join("`, `");
        return Err(Error::Config(format!("{}: it holds no result of this network, but `{names}`", expect.display())));
    }
    Ok(ModelCheck { layers, unknown })
}

/// Tensors that are inputs, where one file holds inputs and results.
const INPUTS: [&str; 2] = ["features", "samples"];

fn features(embedder: &Embedder, path: &Path) -> Result<Vec<f32>> {
    let bytes = read_file(path)?;
    let mut weights = Weights::from_bytes(&bytes)?;
    let mut take = |name: &str| {
        let shape = weights.shape(name).map(<[usize]>::to_vec);
        shape.map(|shape| weights.take(name, &shape)).transpose()
    };
    if let Some(features) = take("features")? {
        return Ok(features.into_values());
    }
    let samples = take("samples")?.ok_or_else(|| Error::Config("it holds neither `features` nor `samples`".into()))?;
    let mut features = Vec::new();
    embedder.manifest().frontend.extractor()?.run(samples.values(), &mut features);
    Ok(features)
}

/// Nothing where nothing is expected under this name; then it stays to be told.
fn compare(expected: &mut Weights<'_>, name: &str, shape: &[usize], values: &[f32]) -> Result<Option<LayerCheck>> {
    let Some(expected_shape) = expected.shape(name).map(<[usize]>::to_vec) else { return Ok(None) };
    let want = expected.take(name, &expected_shape)?;
    let difference = values.iter().zip(want.values()).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    let largest = want.values().iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
    let same = expected_shape == shape || (shape.len() == 1 && want.values().len() == values.len());
    let expected_shape = (!same).then_some(expected_shape);
    Ok(Some(LayerCheck { layer: name.to_owned(), shape: shape.to_vec(), expected_shape, difference, largest }))
}
