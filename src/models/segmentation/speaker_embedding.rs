//! Speaker embedding: CAM++'s last dense layer, from the statistics of its last frame-level layer to
//! a unit vector.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::campplus::load_embedding;
use crate::models::network::SpeakerStatistics;
use crate::models::recipe::{parse, within};
use crate::nn::{Linear, Loader, Norm};

/// The manifest's `speaker_embedding`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerEmbeddingRecipe {
    /// Channels of CAM++'s last frame-level layer.
    pub channels: usize,
    /// Length of the embedding.
    pub embedding: usize,
    /// Epsilon of batch norm.
    pub norm_eps: f64,
}

impl SpeakerEmbeddingRecipe {
    /// Parses the manifest's `speaker_embedding`.
    pub(super) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("speaker_embedding", value)?;
        within("speaker_embedding.channels", &recipe.channels, 1..=65_536)?;
        within("speaker_embedding.embedding", &recipe.embedding, 1..=65_536)?;
        within("speaker_embedding.norm_eps", &recipe.norm_eps, 0.0..=1.0)?;
        Ok(recipe)
    }
}

/// `[2 · channels]`, mean and standard deviation of CAM++'s last layer, → `[embedding]`.
#[derive(Debug)]
pub struct SpeakerEmbedding {
    layer: Linear,
    /// The norm before the statistics, by which the network that the layer belongs to is recognised.
    last_norm: Norm,
}

impl SpeakerEmbedding {
    /// Takes `campplus.xvector.out_nonlinear.…` and `campplus.xvector.dense.…`.
    pub(super) fn load(loader: &mut Loader<'_>, recipe: &SpeakerEmbeddingRecipe) -> Result<Self> {
        let SpeakerEmbeddingRecipe { channels, embedding, norm_eps } = *recipe;
        let last_norm = Norm::load(loader, "campplus.xvector.out_nonlinear.batchnorm", channels, norm_eps)?;
        let layer = load_embedding(loader, "campplus.xvector.dense", [2 * channels, embedding], norm_eps)?;
        Ok(Self { layer, last_norm })
    }

    /// Length of the embedding.
    pub fn dim(&self) -> usize {
        self.layer.outputs()
    }

    /// Refuses a model whose network is not the one that the layer was trained with.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] with the name of the model.
    pub(crate) fn check(&self, statistics: Option<&SpeakerStatistics<'_>>, model: &str) -> Result<()> {
        let matches = statistics.is_some_and(|statistics| {
            statistics.last_norm.scale() == self.last_norm.scale()
                && statistics.last_norm.shift() == self.last_norm.shift()
        });
        if matches {
            return Ok(());
        }
        let why = match statistics {
            None => "does not contain the statistics of CAM++'s last layer",
            Some(_) => "contains another CAM++ than the one that the speaker embedding belongs to",
        };
        Err(Error::Unsupported(format!(
            "speaker diarization is not possible with the model `{model}`: its representation {why}; use campplus-fcn"
        )))
    }

    /// The unit vector `[embedding]` of statistics `[2 · channels]`.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, statistics: &[f32]) -> Vec<f32> {
        let mut vector = vec![0.0; self.dim()];
        self.layer.run(statistics, 1, &mut vector);
        normalise(&mut vector);
        vector
    }
}

/// Scales to length 1; zeros stay.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}
