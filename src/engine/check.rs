//! Model check: a model's layers compared with the values of another implementation.

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::{Model, Workspace};
use crate::nn::weights::{Weights, read_file};

/// Difference of one layer from its expected values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerCheck {
    /// The layer's name.
    pub layer: String,
    /// Its shape in this engine.
    pub shape: Vec<usize>,
    /// The expected shape, if it differs.
    pub expected_shape: Option<Vec<usize>>,
    /// Largest absolute difference of a value.
    pub difference: f64,
    /// Largest absolute expected value.
    pub largest: f64,
}

/// All compared layers, in the order of the network.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelCheck {
    /// The comparisons.
    pub layers: Vec<LayerCheck>,
    /// Names of expected tensors that the network does not have.
    pub unknown: Vec<String>,
}

impl LayerCheck {
    /// Whether the shapes are equal and no value differs by more than `tolerance` times the largest
    /// expected value or 1.
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

/// Runs a model on the tensor `features` (`[frames, bands]`, before normalisation) or `samples`
/// (`[n]`, at the model's rate) of the file `inputs` and compares its layers with the tensors of
/// the same names in the file `expect`. `embedding` is the name of the representation, whatever its
/// kind.
///
/// # Errors
///
/// [`Error::Usage`] where the inputs contain neither, or `expect` no layer of the network; those of
/// [`Weights`] and of the network.
pub fn check(model: &Model, inputs: impl AsRef<Path>, expect: impl AsRef<Path>) -> Result<ModelCheck> {
    let (inputs, expect) = (inputs.as_ref(), expect.as_ref());
    let features = features(model, inputs).map_err(|error| error.in_file(inputs))?;
    let frames = features.len() / model.manifest().frontend.bands().max(1);
    let bytes = read_file(expect)?;
    let mut expected = Weights::from_bytes(&bytes).map_err(|error| error.in_file(expect))?;
    let (mut layers, mut failed) = (Vec::new(), None);
    let mut observer = |name: &str, shape: &[usize], values: &[f32]| match compare(&mut expected, name, shape, values) {
        Ok(compared) => layers.extend(compared),
        Err(error) => failed = failed.take().or(Some(error)),
    };
    let mut workspace = Workspace::default();
    let embedding = model.embed_layers(&features, frames, &mut workspace, &mut observer)?;
    observer("embedding", &[embedding.len()], &embedding);
    if model.manifest().classifier.is_some() {
        model.forward_layers(&features, frames, &mut workspace, &mut observer)?;
    }
    if let Some(error) = failed {
        return Err(error.in_file(expect));
    }
    let unknown: Vec<String> = expected.names().filter(|name| !INPUTS.contains(name)).map(str::to_owned).collect();
    if layers.is_empty() {
        let names = unknown.join("`, `");
        return Err(Error::usage(format!("it contains no layer of this network, but `{names}`")).in_file(expect));
    }
    Ok(ModelCheck { layers, unknown })
}

/// Tensors that are inputs, where one file contains inputs and results.
const INPUTS: [&str; 2] = ["features", "samples"];

fn features(model: &Model, path: &Path) -> Result<Vec<f32>> {
    let bytes = read_file(path)?;
    let mut weights = Weights::from_bytes(&bytes)?;
    let mut take = |name: &str| {
        let shape = weights.shape(name).map(<[usize]>::to_vec);
        shape.map(|shape| weights.take(name, &shape)).transpose()
    };
    if let Some(features) = take("features")? {
        return Ok(features.into_values());
    }
    let samples = take("samples")?.ok_or_else(|| Error::usage("it contains neither `features` nor `samples`"))?;
    let mut features = Vec::new();
    model.manifest().frontend.extractor()?.run(samples.values(), &mut features);
    Ok(features)
}

/// `None` where nothing is expected under this name. Expected tensors that are not taken are the
/// unknown ones.
fn compare(expected: &mut Weights<'_>, name: &str, shape: &[usize], values: &[f32]) -> Result<Option<LayerCheck>> {
    let Some(expected_shape) = expected.shape(name).map(<[usize]>::to_vec) else { return Ok(None) };
    let want = expected.take(name, &expected_shape)?;
    let difference = values.iter().zip(want.values()).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    let largest = want.values().iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
    let same = expected_shape == shape || (shape.len() == 1 && want.values().len() == values.len());
    let expected_shape = (!same).then_some(expected_shape);
    Ok(Some(LayerCheck { layer: name.to_owned(), shape: shape.to_vec(), expected_shape, difference, largest }))
}
