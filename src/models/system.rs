//! One file is one system: manifest and network, from bytes to answers.

use std::path::Path;

use crate::error::Result;
use crate::models::embedder::{Embedder, EmbedderWorkspace};
use crate::models::heads::{ActiveHeads, Heads, Output};
use crate::models::manifest::{AnyManifest, Manifest, without_heads};
use crate::models::tap::{LayerObserver, LayerTap, resize_scratch};
use crate::models::trunk::{self, Trunk};
use crate::nn::{Loader, Precision, Weights};

/// What a model file holds.
#[derive(Debug)]
pub enum Model {
    /// A network that answers.
    System(Box<System>),
    /// A network that gives vectors.
    Embedder(Box<Embedder>),
}

/// A network with everything that its file says of it. Shared by threads; each brings a [`Workspace`] of its own.
#[derive(Debug)]
pub struct System {
    manifest: Manifest,
    embedder: Embedder,
    trunk: Trunk,
    heads: Heads,
}

/// Memory for one pass through a network. It grows to the longest clip that it saw, and no result depends on what it held.
#[derive(Debug, Default)]
pub struct Workspace {
    embedder: EmbedderWorkspace,
    trunk: trunk::Scratch,
}

impl Workspace {
    /// As [`EmbedderWorkspace::set_threads`].
    pub fn set_threads(&mut self, threads: usize) {
        self.embedder.set_threads(threads);
    }
}

impl Model {
    /// From the bytes of a model file, in [`Precision::F32`].
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`](crate::Error::Malformed) for a file that is damaged or no model file, [`Error::Config`](crate::Error::Config) for a manifest that this version
    /// does not understand, [`Error::Tensor`](crate::Error::Tensor) for tensors that are not the ones of its recipe, [`Error::Limit`](crate::Error::Limit) for sizes
    /// beyond what is read. Memory follows the size of the file, never what it claims.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_in(bytes, None)
    }

    /// From the bytes of a model file. The layers that can compute in the precision asked for do so. Without one asked for, it is [`Precision::Int8`] for
    /// a file whose weights are codes already, else the one that the manifest asks for, else [`Precision::F32`].
    ///
    /// # Errors
    ///
    /// As [`Self::from_bytes`].
    pub fn from_bytes_in(bytes: &[u8], precision: Option<Precision>) -> Result<Self> {
        Self::of(Weights::from_bytes(bytes)?, precision)
    }

    /// From a model file's tensors, whose checksum is held first.
    fn of(weights: Weights<'_>, precision: Option<Precision>) -> Result<Self> {
        let manifest = AnyManifest::of_header(weights.text(Manifest::KEY))?;
        weights.check_sha256(manifest.sha256())?;
        Self::load(weights, manifest, precision)
    }

    /// As [`Self::from_bytes_in`] for bytes that are a part of the program: their checksum was held when it was tested, and is not computed again at
    /// each start.
    pub(crate) fn from_own_bytes(bytes: &'static [u8], precision: Option<Precision>) -> Result<Self> {
        let weights = Weights::from_bytes(bytes)?;
        let manifest = AnyManifest::of_header(weights.text(Manifest::KEY))?;
        Self::load(weights, manifest, precision)
    }

    fn load(weights: Weights<'_>, manifest: AnyManifest, precision: Option<Precision>) -> Result<Self> {
        let of_file = if weights.is_quantised() { Some(Precision::Int8) } else { manifest.precision() };
        let mut loader = Loader::new(weights, precision.or(of_file).unwrap_or(Precision::F32));
        let model = match manifest {
            AnyManifest::System(manifest) => Self::System(Box::new(System::load(&mut loader, *manifest)?)),
            AnyManifest::Representation(manifest) => Self::Embedder(Box::new(Embedder::load(&mut loader, *manifest)?)),
        };
        loader.finish()?;
        Ok(model)
    }

    /// From a file, tensor by tensor: of its bytes memory holds one tensor's at a time.
    ///
    /// # Errors
    ///
    /// As [`Self::from_bytes`] and [`Weights::open`]; every error names the file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_in(path, None)
    }

    /// From a file, in the precision asked for: see [`Self::from_bytes_in`].
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_in(path: &Path, precision: Option<Precision>) -> Result<Self> {
        Self::of(Weights::open(path)?, precision).map_err(|error| error.in_file(path))
    }

    /// The way to the representation.
    pub fn embedder(&self) -> &Embedder {
        match self {
            Self::System(system) => system.embedder(),
            Self::Embedder(embedder) => embedder,
        }
    }

    /// The system, if it is one.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) for a network without heads, which says how it becomes a system.
    pub fn into_system(self) -> Result<System> {
        match self {
            Self::System(system) => Ok(*system),
            Self::Embedder(embedder) => Err(without_heads(&embedder.manifest().name)),
        }
    }
}

impl System {
    fn load(loader: &mut Loader<'_>, manifest: Manifest) -> Result<Self> {
        let embedder = Embedder::load(loader, manifest.to_representation())?;
        let trunk = Trunk::load(loader, &manifest.trunk, embedder.dim())?;
        let heads = Heads::load(loader, &manifest.heads, trunk.outputs())?;
        Ok(Self { manifest, embedder, trunk, heads })
    }

    /// From the bytes of a model file.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`] and [`Model::into_system`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_in(bytes, None)
    }

    /// In the precision asked for: see [`Model::from_bytes_in`].
    ///
    /// # Errors
    ///
    /// As [`Self::from_bytes`].
    pub fn from_bytes_in(bytes: &[u8], precision: Option<Precision>) -> Result<Self> {
        Model::from_bytes_in(bytes, precision)?.into_system()
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// As [`Model::open`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_in(path, None)
    }

    /// From a file, in the precision asked for: see [`Model::from_bytes_in`].
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_in(path: &Path, precision: Option<Precision>) -> Result<Self> {
        Model::open_in(path, precision)?.into_system().map_err(|error| error.in_file(path))
    }

    /// With which numbers its representation is computed.
    pub fn precision(&self) -> Precision {
        self.embedder.precision()
    }

    /// The way to the representation.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// What the file says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The shortest clip that the network can take, in frames.
    pub fn min_frames(&self) -> usize {
        self.embedder.min_frames()
    }

    /// As [`Embedder::frames_seen`].
    ///
    /// # Errors
    ///
    /// Likewise.
    pub fn frames_seen(&self, features: &[f32], frames: usize, workspace: &mut Workspace) -> Result<usize> {
        self.embedder.frames_seen(features, frames, &mut workspace.embedder)
    }

    /// Memory for one thread.
    pub fn workspace(&self) -> Workspace {
        Workspace::default()
    }

    /// One segment of speech: `features` is `[frames, bands]` as the front-end gives them; the recipe's normalisation
    /// happens here.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) for fewer than [`Self::min_frames`] frames, for features of another size, or values that are not
    /// finite; [`Error::Tensor`](crate::Error::Tensor) where a layer overflows.
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
        self.run(features, frames, heads, workspace, &mut LayerTap::new(None))
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
        observer: &mut LayerObserver<'_>,
    ) -> Result<Output> {
        self.run(features, frames, ActiveHeads::ALL, workspace, &mut LayerTap::new(Some(observer)))
    }

    fn run(
        &self,
        features: &[f32],
        frames: usize,
        heads: ActiveHeads,
        workspace: &mut Workspace,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<Output> {
        let Workspace { embedder, trunk } = workspace;
        let vector = resize_scratch(&mut trunk.from, self.embedder.dim());
        self.embedder.run(features, frames, embedder, vector, tap)?;
        let shared = self.trunk.run(trunk, tap)?;
        self.heads.run(shared, heads, tap)
    }
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Model>();
};
