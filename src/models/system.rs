//! One file is one system: manifest and network, from bytes to answers.

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::frontend::Normalisation;
use crate::models::heads::{ActiveHeads, Heads, Output};
use crate::models::manifest::Manifest;
use crate::models::probe::{Observer, Probe, room};
use crate::models::representation::{self, Representation};
use crate::models::trunk::{self, Trunk};
use crate::nn::weights::read_file;
use crate::nn::{Precision, Weights, all_finite};

/// A network with everything that its file says of it. Shared by threads; each brings a [`Workspace`] of its own.
#[derive(Debug)]
pub struct System {
    manifest: Manifest,
    precision: Precision,
    bands: usize,
    normalisation: Normalisation,
    representation: Representation,
    trunk: Trunk,
    heads: Heads,
}

/// Memory for one pass through a network. It grows to the longest clip that it saw, and no result depends on what it held.
#[derive(Debug, Default)]
pub struct Workspace {
    representation: representation::Scratch,
    trunk: trunk::Scratch,
}

impl System {
    /// From the bytes of a model file, in the precision that its kind has unless told otherwise: see [`Self::from_bytes_in`].
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a file that is damaged or no model file, [`Error::Config`] for a manifest that this version
    /// does not understand, [`Error::Weights`] for tensors that are not the ones of its recipe, [`Error::Limit`] for sizes
    /// beyond what is read. Memory follows the size of the file, never what it claims.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_in(bytes, None)
    }

    /// From the bytes of a model file. The layers that can compute in the precision asked for do so. Without one asked for, it is
    /// [`Precision::Int8`] where this CPU has instructions for it and the kind of system was measured to lose nothing by it, else [`Precision::F32`].
    ///
    /// # Errors
    ///
    /// As [`Self::from_bytes`].
    pub fn from_bytes_in(bytes: &[u8], precision: Option<Precision>) -> Result<Self> {
        let weights = Weights::from_bytes(bytes)?;
        let manifest = Manifest::of_header(weights.text(Manifest::KEY))?;
        weights.check_sha256(&manifest.sha256)?;
        Self::load(weights, manifest, precision)
    }

    /// As [`Self::from_bytes_in`] for bytes that are a part of the program: their checksum was held when it was tested, and is not computed again at
    /// each start.
    pub(crate) fn from_own_bytes(bytes: &'static [u8], precision: Option<Precision>) -> Result<Self> {
        let weights = Weights::from_bytes(bytes)?;
        let manifest = Manifest::of_header(weights.text(Manifest::KEY))?;
        Self::load(weights, manifest, precision)
    }

    fn load(mut weights: Weights<'_>, manifest: Manifest, precision: Option<Precision>) -> Result<Self> {
        let precision = precision.unwrap_or_else(|| manifest.representation.usual_precision());
        weights.set_precision(precision);
        let bands = manifest.frontend.bands();
        let window_frames = manifest.frontend.frames(manifest.frontend.window_samples());
        let representation = Representation::load(&mut weights, &manifest.representation, bands, window_frames)?;
        let trunk = Trunk::load(&mut weights, &manifest.trunk, representation.dim())?;
        let heads = Heads::load(&mut weights, &manifest.heads, trunk.outputs())?;
        weights.finish()?;
        let normalisation = manifest.frontend.normalisation();
        Ok(Self { manifest, precision, bands, normalisation, representation, trunk, heads })
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// As [`Self::from_bytes`] and [`read_file`]; every error names the file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_in(path, None)
    }

    /// From a file, in the precision asked for: see [`Self::from_bytes_in`].
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_in(path: &Path, precision: Option<Precision>) -> Result<Self> {
        Self::from_bytes_in(&read_file(path)?, precision).map_err(|error| error.in_file(path))
    }

    /// With which numbers its representation is computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What the file says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The shortest clip that the network can take, in frames.
    pub fn min_frames(&self) -> usize {
        self.representation.min_frames()
    }

    /// Memory for one thread.
    pub fn workspace(&self) -> Workspace {
        Workspace::default()
    }

    /// One stretch of speech: `features` is `[frames, bands]` as the front-end gives them; the recipe's normalisation
    /// happens here.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for fewer than [`Self::min_frames`] frames, for features of another size, or values that are not
    /// finite; [`Error::Weights`] where a layer overflows.
    pub fn forward(&self, features: &[f32], frames: usize, workspace: &mut Workspace) -> Result<Output> {
        self.forward_heads(features, frames, ActiveHeads::ALL, workspace)
    }

    /// As [`Self::forward`] with some heads alone; the others are not computed.
    ///
    /// # Errors
    ///
    /// As [`Self::forward`].
    pub fn forward_heads(
        &self,
        features: &[f32],
        frames: usize,
        heads: ActiveHeads,
        workspace: &mut Workspace,
    ) -> Result<Output> {
        self.run(features, frames, heads, workspace, &mut Probe::new(None))
    }

    /// As [`Self::forward`], and shows every intermediate result on the way, under the names that the kinds of
    /// representation, `models::trunk` and `models::heads` state.
    ///
    /// # Errors
    ///
    /// As [`Self::forward`].
    pub fn forward_layers(
        &self,
        features: &[f32],
        frames: usize,
        workspace: &mut Workspace,
        observer: &mut Observer<'_>,
    ) -> Result<Output> {
        self.run(features, frames, ActiveHeads::ALL, workspace, &mut Probe::new(Some(observer)))
    }

    fn run(
        &self,
        features: &[f32],
        frames: usize,
        heads: ActiveHeads,
        workspace: &mut Workspace,
        probe: &mut Probe<'_, '_>,
    ) -> Result<Output> {
        if frames.checked_mul(self.bands) != Some(features.len()) {
            let (values, bands) = (features.len(), self.bands);
            return Err(Error::Config(format!("{values} values are no {frames} frames of {bands} bands")));
        }
        if !all_finite(features) {
            return Err(Error::Config("features that are not finite".into()));
        }
        let Workspace { representation, trunk } = workspace;
        let normalised = self.representation.input(representation, features.len());
        normalised.copy_from_slice(features);
        self.normalisation.apply(normalised, self.bands);
        let vector = room(&mut trunk.from, self.representation.dim());
        self.representation.run(frames, representation, vector, probe)?;
        let shared = self.trunk.run(trunk, probe)?;
        self.heads.run(shared, heads, probe)
    }
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<System>();
};
