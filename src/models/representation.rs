//! The representation: a network that maps features to one vector, and the standardisation of the
//! vector.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::campplus::CamPlusPlusRecipe;
use crate::models::concat::{Concat, Part};
use crate::models::frontend::{Frontend, FrontendKind};
use crate::models::mfcc_stats::MfccStatsRecipe;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, SpeakerStatistics};
use crate::models::recipe::{KeyError, Object, kind_and_rest, parse, unknown_kind, wrong};
use crate::models::standardise::{Reference, Standardise};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::wavlm::WavLmRecipe;
use crate::models::whisper::WhisperRecipe;
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
    /// `whisper`.
    Whisper(WhisperRecipe),
    /// `concat`.
    Concat(ConcatRecipe),
}

/// Several networks, each behind a front-end of its own; the representation is their vectors one
/// after the other. The front-end of the model passes samples on (`raw`).
#[derive(Clone, Debug, PartialEq)]
pub struct ConcatRecipe {
    /// The parts, in the order of their vectors.
    pub parts: Vec<ConcatPart>,
    /// Whether the vector is standardised by the tensors `representation.mean` and
    /// `representation.scale`. Those of the parts are not.
    pub normalise: bool,
}

/// A part of a [`ConcatRecipe`].
#[derive(Clone, Debug, PartialEq)]
pub struct ConcatPart {
    /// Samples to features. The length of its chunks is not used: chunks are those of the model.
    pub frontend: Frontend,
    /// Features to the part's vector.
    pub representation: RepresentationRecipe,
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
            "whisper" => Ok(Self::Whisper(WhisperRecipe::parse(rest)?)),
            "concat" => Ok(Self::Concat(ConcatRecipe::parse(rest)?)),
            other => {
                let known = "`xvector`, `campplus`, `mfcc-stats`, `wavlm`, `whisper` and `concat`";
                Err(unknown_kind("representation", other, known))
            }
        }
    }

    /// Name of the kind in a manifest.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::XVector(_) => "xvector",
            Self::CamPlusPlus(_) => "campplus",
            Self::MfccStats(_) => "mfcc-stats",
            Self::WavLm(_) => "wavlm",
            Self::Whisper(_) => "whisper",
            Self::Concat(_) => "concat",
        }
    }

    /// Checks that the parts of a concatenation can read what the model's front-end outputs.
    pub(crate) fn check_frontend(&self, frontend: &Frontend) -> Result<()> {
        let Self::Concat(recipe) = self else { return Ok(()) };
        if !matches!(&frontend.kind, FrontendKind::Raw(options) if !options.do_normalize) {
            return Err(wrong("frontend.kind", "expected `raw` without `do_normalize`: `concat` reads samples"));
        }
        let rate = frontend.sample_rate_hz();
        let other = recipe.parts.iter().position(|part| part.frontend.sample_rate_hz() != rate);
        match other {
            None => Ok(()),
            Some(at) => {
                let what = format!("is for another sample rate than the model's front-end, {rate} Hz");
                Err(wrong(&format!("representation.parts[{at}].frontend"), what))
            }
        }
    }

    fn network(&self) -> &dyn NetworkRecipe {
        match self {
            Self::XVector(recipe) => recipe,
            Self::CamPlusPlus(recipe) => recipe,
            Self::MfccStats(recipe) => recipe,
            Self::WavLm(recipe) => recipe,
            Self::Whisper(recipe) => recipe,
            Self::Concat(recipe) => recipe,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConcatKeys {
    parts: Vec<PartKeys>,
    normalise: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartKeys {
    frontend: Object,
    representation: Object,
}

impl ConcatRecipe {
    /// Parses the object without its `kind`.
    fn parse(value: Value) -> Result<Self> {
        let ConcatKeys { parts, normalise } = parse("representation", value)?;
        let part = |(at, keys): (usize, PartKeys)| {
            ConcatPart::parse(keys).map_err(|error| match error {
                Error::Manifest(what) => Error::Manifest(format!("`representation.parts[{at}]`: {what}")),
                other => other,
            })
        };
        let parts: Vec<ConcatPart> = parts.into_iter().enumerate().map(part).collect::<Result<_>>()?;
        if parts.is_empty() {
            return Err(wrong("representation.parts", "no parts"));
        }
        for (at, part) in parts.iter().enumerate() {
            let kind = part.representation.kind();
            if parts[..at].iter().any(|earlier| earlier.representation.kind() == kind) {
                let what = format!("a second `{kind}`; the tensors of two would have the same names");
                return Err(wrong(&format!("representation.parts[{at}]"), what));
            }
        }
        Ok(Self { parts, normalise })
    }
}

impl ConcatPart {
    fn parse(keys: PartKeys) -> Result<Self> {
        let frontend = Frontend::read(Value::Object(keys.frontend)).map_err(|error| error.inside("frontend"))?;
        let representation = RepresentationRecipe::parse(Value::Object(keys.representation))?;
        let refused = |key: &str, what: &str| Err(KeyError::new(key, what).into());
        if frontend.level.is_some() {
            return refused("frontend.level", "belongs to the front-end of the model, once for all parts");
        }
        if frontend.vad.is_some() {
            return refused("frontend.vad", "an energy VAD is not supported in a part");
        }
        if matches!(representation, RepresentationRecipe::Concat(_)) {
            return refused("representation.kind", "a `concat` inside another");
        }
        if representation.network().normalise() {
            return refused("representation.normalise", "the whole vector is standardised, not a part");
        }
        Ok(Self { frontend, representation })
    }
}

impl NetworkRecipe for ConcatRecipe {
    fn load(&self, loader: &mut Loader<'_>, _bands: usize) -> Result<Box<dyn Network>> {
        let part = |part: &ConcatPart| {
            let network = part.representation.network().load(loader, part.frontend.bands())?;
            Ok(Part { frontend: part.frontend.clone(), network })
        };
        Ok(Box::new(Concat::new(self.parts.iter().map(part).collect::<Result<_>>()?)))
    }

    fn normalise(&self) -> bool {
        self.normalise
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

    /// The standardisation that the heads were trained with.
    pub(super) fn reference(&self) -> Reference<'_> {
        self.standardise.as_ref().map_or(Reference::NONE, Standardise::reference)
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
