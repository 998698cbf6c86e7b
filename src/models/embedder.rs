//! Features to a vector: what every model file holds, with or without trunk and heads behind it.

use crate::dsp::VadEnergy;
use crate::dsp::vad_energy::select_voiced_frames;
use crate::error::{Error, Result};
use crate::models::manifest::RepresentationManifest;
use crate::models::normalisation::Normalisation;
use crate::models::representation::{Representation, Scratch};
use crate::models::tap::{LayerObserver, LayerTap};
use crate::nn::{Int8Tensor, Loader, Precision, all_finite};

/// A network up to its representation. Shared by threads; each brings an [`EmbedderWorkspace`] of its own.
#[derive(Debug)]
pub struct Embedder {
    manifest: RepresentationManifest,
    precision: Precision,
    bands: usize,
    normalisation: Normalisation,
    vad: Option<VadEnergy>,
    representation: Representation,
}

/// Memory for one pass. It grows to the longest clip that it saw, and no result depends on what it held.
#[derive(Debug, Default)]
pub struct EmbedderWorkspace {
    scratch: Scratch,
    speech: Vec<bool>,
}

impl EmbedderWorkspace {
    /// How many threads share one pass, where the network can: WavLM. One, unless told. No bit of the result depends on it.
    pub fn set_threads(&mut self, threads: usize) {
        self.scratch.set_threads(threads);
    }
}

impl Embedder {
    /// Takes the tensors of the representation.
    pub(crate) fn load(loader: &mut Loader<'_>, manifest: RepresentationManifest) -> Result<Self> {
        let precision = loader.precision();
        let frontend = &manifest.frontend;
        let (bands, normalisation) = (frontend.bands(), frontend.normalisation);
        let vad = frontend.vad.clone().map(VadEnergy::new).transpose()?;
        let window_frames = frontend.frames(frontend.chunk_samples());
        let representation = Representation::load(loader, &manifest.representation, bands, window_frames)?;
        Ok(Self { manifest, precision, bands, normalisation, vad, representation })
    }

    /// With which numbers it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What the file says of the way to the representation.
    pub fn manifest(&self) -> &RepresentationManifest {
        &self.manifest
    }

    /// The tensors of the model file that its layers compute with in int8.
    pub fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.representation.int8_tensors()
    }

    /// Length of the representation.
    pub fn dim(&self) -> usize {
        self.representation.dim()
    }

    /// The shortest clip that the network can take, in frames.
    pub fn min_frames(&self) -> usize {
        self.representation.min_frames()
    }

    /// How many of the frames of `features` `[frames, bands]` the network sees: all, or where the recipe drops frames without speech, the others.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for energies that are not finite.
    pub fn frames_seen(&self, features: &[f32], frames: usize, workspace: &mut EmbedderWorkspace) -> Result<usize> {
        let Some(vad) = &self.vad else { return Ok(frames) };
        vad.run(features, self.bands, &mut workspace.speech)?;
        Ok(workspace.speech.iter().filter(|speech| **speech).count())
    }

    /// One segment of sound: `features` is `[frames, bands]` as the front-end gives them; the recipe's normalisation happens here.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for fewer than [`Self::min_frames`] frames ([`Self::frames_seen`]), for features of another size, or values that are not
    /// finite; [`Error::Tensor`] where a layer overflows.
    pub fn embed(&self, features: &[f32], frames: usize, workspace: &mut EmbedderWorkspace) -> Result<Vec<f32>> {
        let mut vector = vec![0.0; self.dim()];
        self.run(features, frames, workspace, &mut vector, &mut LayerTap::new(None))?;
        Ok(vector)
    }

    /// As [`Self::embed`], and shows every intermediate result on the way, under the names that the kinds of representation state.
    ///
    /// # Errors
    ///
    /// As [`Self::embed`].
    pub fn embed_layers(
        &self,
        features: &[f32],
        frames: usize,
        workspace: &mut EmbedderWorkspace,
        observer: &mut LayerObserver<'_>,
    ) -> Result<Vec<f32>> {
        let mut vector = vec![0.0; self.dim()];
        self.run(features, frames, workspace, &mut vector, &mut LayerTap::new(Some(observer)))?;
        Ok(vector)
    }

    /// Writes the representation to `vector`, `[dim]`.
    pub(crate) fn run(
        &self,
        features: &[f32],
        frames: usize,
        workspace: &mut EmbedderWorkspace,
        vector: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames.checked_mul(self.bands) != Some(features.len()) {
            let (values, bands) = (features.len(), self.bands);
            return Err(Error::Config(format!("{values} values are no {frames} frames of {bands} bands")));
        }
        if !all_finite(features) {
            return Err(Error::Config("features that are not finite".into()));
        }
        let EmbedderWorkspace { scratch, speech } = workspace;
        let normalised = scratch.input(features.len());
        normalised.copy_from_slice(features);
        self.normalisation.apply(normalised, self.bands);
        let seen = match &self.vad {
            None => frames,
            Some(vad) => {
                vad.run(features, self.bands, speech)?;
                select_voiced_frames(normalised, self.bands, speech)
            }
        };
        if seen < self.min_frames().min(frames) {
            let least = self.min_frames();
            return Err(Error::Config(format!(
                "{seen} of {frames} frames hold speech: the network needs at least {least}"
            )));
        }
        self.representation.run(seen, scratch, vector, tap)
    }
}
