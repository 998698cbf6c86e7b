//! Encoder: features to the representation vector. Every model file contains one.
//!
//! ```text
//! [frames, bands] ─ normalisation ─ energy VAD (drops frames) ─▶ representation network ─▶ [dim]
//! ```

use crate::dsp::VadEnergy;
use crate::dsp::vad_energy::select_voiced_frames;
use crate::error::{Error, Result};
use crate::models::frontend::Frontend;
use crate::models::network::SpeakerStatistics;
use crate::models::normalisation::Normalisation;
use crate::models::representation::{self, Representation, RepresentationRecipe};
use crate::models::standardise::Reference;
use crate::models::tap::LayerTap;
use crate::nn::{Int8Tensor, Loader, all_finite};

/// Normalisation, energy VAD and representation network of a model.
#[derive(Debug)]
pub(super) struct Encoder {
    bands: usize,
    normalisation: Normalisation,
    vad: Option<VadEnergy>,
    representation: Representation,
}

/// Work space of one pass. It grows to the longest input; results do not depend on its contents.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    representation: representation::Scratch,
    speech: Vec<bool>,
}

impl Scratch {
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.representation.set_threads(threads);
    }
}

impl Encoder {
    /// Takes the tensors of the representation.
    pub(super) fn load(loader: &mut Loader<'_>, frontend: &Frontend, recipe: &RepresentationRecipe) -> Result<Self> {
        let (bands, normalisation) = (frontend.bands(), frontend.normalisation);
        let vad = frontend.vad.clone().map(VadEnergy::new).transpose()?;
        let chunk_frames = frontend.frames(frontend.chunk_samples());
        let representation = Representation::load(loader, recipe, bands, chunk_frames)?;
        Ok(Self { bands, normalisation, vad, representation })
    }

    /// The tensors that its layers compute with in int8.
    pub(super) fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.representation.int8_tensors()
    }

    /// The standardisation that the heads were trained with.
    pub(super) fn reference(&self) -> Reference<'_> {
        self.representation.reference()
    }

    /// Length of the representation.
    pub(super) fn dim(&self) -> usize {
        self.representation.dim()
    }

    /// Where the representation contains the statistics for a speaker embedding.
    pub(super) fn speaker_statistics(&self) -> Option<SpeakerStatistics<'_>> {
        self.representation.speaker_statistics()
    }

    /// The statistics for a speaker embedding in a representation, before its standardisation.
    pub(super) fn statistics_of(&self, vector: &[f32]) -> Option<Vec<f32>> {
        self.representation.statistics_of(vector)
    }

    /// The shortest input, in frames.
    pub(super) fn min_frames(&self) -> usize {
        self.representation.min_frames()
    }

    /// Checks `features` `[frames, bands]`, normalises them into the work space and drops the
    /// frames that the energy VAD rejects. Returns the number of frames kept: all without a VAD.
    ///
    /// # Errors
    /// [`Error::Usage`] for features of another size, or that are not finite.
    pub(super) fn prepare(&self, features: &[f32], frames: usize, scratch: &mut Scratch) -> Result<usize> {
        if frames.checked_mul(self.bands) != Some(features.len()) {
            let (values, bands) = (features.len(), self.bands);
            return Err(Error::usage(format!("{values} values are not {frames} frames of {bands} bands")));
        }
        if !all_finite(features) {
            return Err(Error::usage("features that are not finite"));
        }
        let normalised = scratch.representation.input(features.len());
        normalised.copy_from_slice(features);
        self.normalisation.apply(normalised, self.bands);
        match &self.vad {
            None => Ok(frames),
            Some(vad) => {
                // The VAD reads the log energy before the mean is subtracted from it.
                vad.run(features, self.bands, &mut scratch.speech)?;
                Ok(select_voiced_frames(normalised, self.bands, &scratch.speech))
            }
        }
    }

    /// Runs the network on the prepared frames and writes the representation to `vector`, `[dim]`.
    pub(super) fn run(
        &self,
        frames: usize,
        scratch: &mut Scratch,
        vector: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        self.representation.run(frames, &mut scratch.representation, vector, tap)
    }
}
