//! From frames to one vector: the kinds of representation behind one door.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::campplus::{self, CamPlusPlus, CamPlusPlusRecipe};
use crate::models::mfcc_stats::{self, MfccStats, MfccStatsRecipe};
use crate::models::recipe::{kind_and_rest, unknown_kind, wrong};
use crate::models::standardise::Standardise;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::wavlm::{self, WavLm, WavLmRecipe};
use crate::models::xvector::{self, XVector, XVectorRecipe};
use crate::nn::Weights;

/// The most values that a layer may hold for the longest window: 256 MiB of them. A recipe can ask for more than its file has weights.
const MAX_VALUES: usize = 1 << 26;

/// The manifest's `representation`: one variant per kind.
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
    /// Reads the manifest's `representation`.
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

    fn normalise(&self) -> bool {
        match self {
            Self::XVector(_) => false,
            Self::CamPlusPlus(recipe) => recipe.normalise,
            Self::MfccStats(recipe) => recipe.normalise,
            Self::WavLm(recipe) => recipe.normalise,
        }
    }
}

/// `[frames, bands]` → `[dim]`.
#[derive(Debug)]
pub(crate) struct Representation {
    network: Network,
    standardise: Option<Standardise>,
}

#[derive(Debug)]
enum Network {
    XVector(XVector),
    CamPlusPlus(Box<CamPlusPlus>),
    MfccStats(MfccStats),
    WavLm(Box<WavLm>),
}

/// Work space; that of the kinds which are not run stays empty.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    xvector: xvector::Scratch,
    campplus: campplus::Scratch,
    mfcc_stats: mfcc_stats::Scratch,
    wavlm: wavlm::Scratch,
}

impl Scratch {
    /// How many threads share one pass, where the network can: WavLM. No bit of the result depends on it.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.wavlm.set_threads(threads);
    }
}

impl Representation {
    /// Takes the representation's tensors. `window_frames`: frames of the longest window.
    pub(crate) fn load(
        weights: &mut Weights<'_>,
        recipe: &RepresentationRecipe,
        bands: usize,
        window_frames: usize,
    ) -> Result<Self> {
        let network = match recipe {
            RepresentationRecipe::XVector(recipe) => {
                let network = XVector::load(weights, recipe, bands)?;
                check_size(window_frames.saturating_mul(network.values_per_frame()))?;
                Network::XVector(network)
            }
            RepresentationRecipe::CamPlusPlus(recipe) => {
                let network = CamPlusPlus::load(weights, recipe, bands)?;
                check_size(window_frames.saturating_mul(network.values_per_frame()))?;
                Network::CamPlusPlus(Box::new(network))
            }
            RepresentationRecipe::MfccStats(recipe) => {
                let network = MfccStats::new(recipe, bands)?;
                check_size(window_frames.saturating_mul(network.dim()))?;
                Network::MfccStats(network)
            }
            RepresentationRecipe::WavLm(recipe) => {
                if bands != 1 {
                    let what = format!("reads samples, not features of {bands} bands: its front-end is `raw`");
                    return Err(wrong("representation.kind", what));
                }
                let network = WavLm::load(weights, recipe)?;
                check_size(network.values(window_frames))?;
                Network::WavLm(Box::new(network))
            }
        };
        let mut loaded = Self { network, standardise: None };
        if recipe.normalise() {
            loaded.standardise = Some(Standardise::load(weights, loaded.dim())?);
        }
        Ok(loaded)
    }

    /// The shortest clip, in frames.
    pub(crate) fn min_frames(&self) -> usize {
        match &self.network {
            Network::XVector(network) => network.min_frames(),
            Network::CamPlusPlus(network) => network.min_frames(),
            Network::MfccStats(network) => network.min_frames(),
            Network::WavLm(network) => network.min_samples(),
        }
    }

    /// Length of the representation.
    pub(crate) fn dim(&self) -> usize {
        match &self.network {
            Network::XVector(network) => network.dim(),
            Network::CamPlusPlus(network) => network.dim(),
            Network::MfccStats(network) => network.dim(),
            Network::WavLm(network) => network.dim(),
        }
    }

    /// Where [`Self::run`] expects `values` normalised features.
    pub(crate) fn input<'s>(&self, scratch: &'s mut Scratch, values: usize) -> &'s mut [f32] {
        let frames = match &self.network {
            Network::XVector(_) => &mut scratch.xvector.frames,
            Network::CamPlusPlus(_) => &mut scratch.campplus.frames,
            Network::MfccStats(_) => &mut scratch.mfcc_stats.frames,
            Network::WavLm(_) => &mut scratch.wavlm.samples,
        };
        resize_scratch(frames, values)
    }

    /// From the features in [`Self::input`] to `output`. Shows what the kinds state, and `representation`, the standardised vector, where the recipe
    /// asks for one.
    pub(crate) fn run(
        &self,
        frames: usize,
        scratch: &mut Scratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        match &self.network {
            Network::XVector(network) => network.run(frames, &mut scratch.xvector, output, tap)?,
            Network::CamPlusPlus(network) => network.run(frames, &mut scratch.campplus, output, tap)?,
            Network::MfccStats(network) => network.run(frames, &mut scratch.mfcc_stats, output, tap)?,
            Network::WavLm(network) => network.run(frames, &mut scratch.wavlm, output, tap)?,
        }
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
    Err(Error::Limit { what: "number of values of a layer for the longest window", actual, limit })
}
