//! The representation: a network that maps features to one vector, and the standardisation of the
//! vector.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::campplus::CamPlusPlusRecipe;
use crate::models::mfcc_stats::MfccStatsRecipe;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, SpeakerStatistics};
use crate::models::recipe::{kind_and_rest, unknown_kind};
use crate::models::standardise::Standardise;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::wavlm::WavLmRecipe;
use crate::models::xvector::XVectorRecipe;
use crate::nn::{Int8Tensor, Loader};

/// Maximum number of values of a layer for the longest chunk: 256 MiB. A manifest can state sizes
/// far beyond those of the tensors in the file.
const MAX_VALUES: usize = 1 << 26;

/// The manifest's `representation`, one variant per kind.
#[derive(Clone, Debug, PartialEq)]
pub enum RepresentationRecipe {
    /// `xvector`.
    XVector(XVectorRecipe),
    /// `campplus`.
    CamPlusPlus(CamPlusPlusRecipe),
    /// `mfcc-stats`.
    MfccStats(MfccStatsRecipe),
    /// `wavlm`.
    WavLm(WavLmRecipe),
}

impl RepresentationRecipe {
    /// Parses the manifest's `representation`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let (kind, rest) = kind_and_rest("representation", value)?;
        match kind.as_str() {
            "xvector" => Ok(Self::XVector(XVectorRecipe::parse(rest)?)),
            "campplus" => Ok(Self::CamPlusPlus(CamPlusPlusRecipe::parse(rest)?)),
            "mfcc-stats" => Ok(Self::MfccStats(MfccStatsRecipe::parse(rest)?)),
            "wavlm" => Ok(Self::WavLm(WavLmRecipe::parse(rest)?)),
            other => Err(unknown_kind("representation", other, "`xvector`, `campplus`, `mfcc-stats` and `wavlm`")),
        }
    }

    fn network(&self) -> &dyn NetworkRecipe {
        match self {
            Self::XVector(recipe) => recipe,
            Self::CamPlusPlus(recipe) => recipe,
            Self::MfccStats(recipe) => recipe,
            Self::WavLm(recipe) => recipe,
        }
    }
}

/// `[frames, bands]` → `[dim]`.
#[derive(Debug)]
pub(crate) struct Representation {
    network: Box<dyn Network>,
    standardise: Option<Standardise>,
}

/// Scratch memory of [`Representation::run`].
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Normalised features.
    input: Vec<f32>,
    network: NetworkScratch,
}

impl Scratch {
    /// Sets the number of threads for one pass of a network that supports several (WavLM). The
    /// result does not depend on it.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.network.set_threads(threads);
    }

    /// The buffer from which [`Representation::run`] reads normalised features, resized to `values`
    /// values.
    pub(crate) fn input(&mut self, values: usize) -> &mut [f32] {
        resize_scratch(&mut self.input, values)
    }
}

impl Representation {
    /// Takes the tensors of the representation. `max_frames` is the number of frames of the longest
    /// chunk.
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        recipe: &RepresentationRecipe,
        bands: usize,
        max_frames: usize,
    ) -> Result<Self> {
        let recipe = recipe.network();
        let network = recipe.load(loader, bands)?;
        check_size(network.largest_layer(max_frames))?;
        let standardise = if recipe.normalise() { Some(Standardise::load(loader, network.dim())?) } else { None };
        Ok(Self { network, standardise })
    }

    /// Minimum number of frames.
    pub(crate) fn min_frames(&self) -> usize {
        self.network.min_frames()
    }

    /// Length of the vector.
    pub(crate) fn dim(&self) -> usize {
        self.network.dim()
    }

    /// Where the vector contains the statistics for a speaker embedding.
    pub(crate) fn speaker_statistics(&self) -> Option<SpeakerStatistics<'_>> {
        self.network.speaker_statistics()
    }

    /// The statistics for a speaker embedding in a vector, before the standardisation.
    pub(crate) fn statistics_of(&self, vector: &[f32]) -> Option<Vec<f32>> {
        let place = self.network.speaker_statistics()?.place;
        Some(match &self.standardise {
            None => vector[place].to_vec(),
            Some(standardise) => standardise.invert(vector, place),
        })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(crate) fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.network.int8_tensors()
    }

    /// Computes the vector from the features in [`Scratch::input`]. Passes to `tap` what the
    /// network states and, if the recipe asks for it, the standardised vector as `representation`.
    pub(crate) fn run(
        &self,
        frames: usize,
        scratch: &mut Scratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        self.network.run(&mut scratch.input, frames, &mut scratch.network, output, tap)?;
        match &self.standardise {
            None => Ok(()),
            Some(standardise) => {
                standardise.run(output);
                tap.pass("representation", &[output.len()], output)
            }
        }
    }
}

fn check_size(values: usize) -> Result<()> {
    if values <= MAX_VALUES {
        return Ok(());
    }
    let (actual, limit) = (values as u64, MAX_VALUES as u64);
    Err(Error::Limit { what: "number of values of a layer for the longest chunk", actual, limit })
}
