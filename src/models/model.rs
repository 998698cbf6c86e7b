//! A model: one file, one network, with or without classifier heads.
//!
//! ```text
//! model file ─▶ manifest (recipe, names, scores) + tensors ─▶ Model
//!
//! [frames, bands] ─ encoder ─▶ [dim] ─ classifier ─▶ emotion · gender · age
//! ```

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::active_heads::ActiveHeads;
use crate::models::baseline::{SpeakerBaseline, SpeakerVectors};
use crate::models::classifier::{self, Classifier};
use crate::models::encoder::{self, Encoder};
use crate::models::heads::Output;
use crate::models::manifest::{ClassifierManifest, Manifest};
use crate::models::segmentation::SpeakerEmbedding;
use crate::models::tap::{LayerObserver, LayerTap};
use crate::nn::{Int8Tensor, Loader, Precision, Weights};

/// A loaded model file: manifest and network.
///
/// Every model embeds; a model with trunk and heads also predicts ([`Manifest::classifier`]). A
/// model is immutable and shared by threads; each thread brings a [`Workspace`] of its own.
///
/// ```no_run
/// use persona_engine::{LoadOptions, Model, Precision};
///
/// let model = Model::open("weights/xvector-cnn.safetensors", LoadOptions::default())?;
/// let int8 = LoadOptions::default().with_precision(Precision::Int8);
/// let faster = Model::open("weights/xvector-cnn.safetensors", int8)?;
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    precision: Precision,
    encoder: Encoder,
    classifier: Option<Classifier>,
}

/// How a model file is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Arithmetic of the layers that support it. `None` (default): [`Precision::Int8`] for a file
    /// with int8 weights, else the precision that the manifest requests, else [`Precision::F32`].
    pub precision: Option<Precision>,
}

impl LoadOptions {
    /// Sets [`LoadOptions::precision`].
    #[must_use]
    pub fn with_precision(mut self, precision: impl Into<Option<Precision>>) -> Self {
        self.precision = precision.into();
        self
    }
}

/// Work space of one pass through a model. It grows to the longest input; results do not depend on
/// its contents.
#[derive(Debug, Default)]
pub struct Workspace {
    encoder: encoder::Scratch,
    classifier: classifier::Scratch,
}

impl Workspace {
    /// Sets the number of threads that share one pass, where the network supports it (WavLM).
    /// Default 1. The result is the same, bit for bit, for any number.
    pub fn set_threads(&mut self, threads: usize) {
        self.encoder.set_threads(threads);
    }
}

/// Checked and normalised features in a [`Workspace`], without the frames that the energy VAD
/// rejected.
#[derive(Debug)]
pub struct Prepared<'a> {
    model: &'a Model,
    workspace: &'a mut Workspace,
    frames: usize,
    kept: usize,
}

impl Model {
    /// Loads a model file, tensor by tensor: memory holds the bytes of one tensor at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the file cannot be read, and those of [`Model::from_bytes`]; each
    /// names the file.
    pub fn open(path: impl AsRef<Path>, options: LoadOptions) -> Result<Self> {
        let path = path.as_ref();
        Weights::open(path)
            .and_then(|weights| Self::verify_and_load(weights, options))
            .map_err(|error| error.in_file(path))
    }

    /// Loads a model file from its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a file that is damaged or not a model file, [`Error::Manifest`] for
    /// a manifest that this version does not understand, [`Error::Tensor`] for tensors that do not
    /// match the manifest, [`Error::Limit`] for sizes beyond what is supported. Memory follows the
    /// size of the file, never the sizes that it claims.
    pub fn from_bytes(bytes: &[u8], options: LoadOptions) -> Result<Self> {
        Self::verify_and_load(Weights::from_bytes(bytes)?, options)
    }

    /// Loads a model file that is embedded in the binary. Its checksum is not verified: a test did
    /// that, and computing it again would slow each start.
    pub(crate) fn from_embedded_bytes(bytes: &'static [u8], options: LoadOptions) -> Result<Self> {
        let weights = Weights::from_bytes(bytes)?;
        let manifest = Manifest::from_header(weights.text(Manifest::KEY))?;
        Self::load(weights, manifest, options)
    }

    fn verify_and_load(weights: Weights<'_>, options: LoadOptions) -> Result<Self> {
        let manifest = Manifest::from_header(weights.text(Manifest::KEY))?;
        weights.check_sha256(&manifest.sha256)?;
        Self::load(weights, manifest, options)
    }

    fn load(weights: Weights<'_>, manifest: Manifest, options: LoadOptions) -> Result<Self> {
        let of_file = if weights.is_quantised() { Some(Precision::Int8) } else { manifest.precision };
        let precision = options.precision.or(of_file).unwrap_or(Precision::F32);
        let mut loader = Loader::new(weights, precision);
        let encoder = Encoder::load(&mut loader, &manifest.frontend, &manifest.representation)?;
        let classifier = match &manifest.classifier {
            Some(of_file) => {
                let of_vector = (encoder.dim(), encoder.reference());
                Some(Classifier::load(&mut loader, &manifest, of_file, of_vector)?)
            }
            None => None,
        };
        loader.finish()?;
        Ok(Self { manifest, precision, encoder, classifier })
    }

    /// The tensors of the model file that its layers compute with in int8.
    pub fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.encoder.int8_tensors()
    }

    /// The file's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The part of the manifest about trunk and heads.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] for a model without heads.
    pub fn require_classifier(&self) -> Result<&ClassifierManifest> {
        self.manifest.require_classifier()
    }

    /// The arithmetic that the network uses.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Length of the representation.
    pub fn dim(&self) -> usize {
        self.encoder.dim()
    }

    /// Refuses a model whose representation does not contain the statistics that the embedding layer
    /// of speakers needs.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] with the name of the model.
    pub(crate) fn check_speaker_embedding(&self, layer: &SpeakerEmbedding) -> Result<()> {
        layer.check(self.encoder.speaker_statistics().as_ref(), &self.manifest.name)
    }

    /// The baseline of a speaker whose chunks have these vectors ([`Prepared::embed`]), or its
    /// decision that none is applied.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a model without a baseline, and for vectors of another model.
    pub fn speaker_baseline(&self, vectors: &SpeakerVectors) -> Result<SpeakerBaseline> {
        let none = || {
            let name = &self.manifest.name;
            Error::usage(format!("baseline: the model `{name}` has none; its manifest lacks the key `baseline`"))
        };
        let classifier = self.classifier.as_ref().ok_or_else(none)?;
        classifier.baseline(vectors)?.ok_or_else(none)
    }

    /// Predicts from a vector that [`Prepared::embed`] or [`Prepared::predict_and_embed`] computed,
    /// `[dim]`, minus the speaker's baseline.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a vector of another length, [`Error::Tensor`] where a layer overflows,
    /// [`Error::Manifest`] for a model without heads.
    pub fn classify(
        &self,
        vector: &[f32],
        speaker: Option<&SpeakerBaseline>,
        heads: ActiveHeads,
        workspace: &mut Workspace,
    ) -> Result<Output> {
        let (dim, actual) = (self.dim(), vector.len());
        if actual != dim {
            return Err(Error::usage(format!("a vector of {actual} values for a model whose vectors have {dim}")));
        }
        let network = self.classifier.as_ref().ok_or_else(|| self.manifest.without_heads())?;
        workspace.classifier.input(dim).copy_from_slice(vector);
        network.run(&mut workspace.classifier, speaker, heads, &mut LayerTap::new(None))
    }

    /// The shortest input of the network, in frames.
    pub fn min_frames(&self) -> usize {
        self.encoder.min_frames()
    }

    /// Checks and normalises `features`, `[frames, bands]` as the front-end outputs them, and drops
    /// frames without speech where the recipe has an energy VAD.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for features of another size, or that are not finite.
    pub fn prepare<'a>(
        &'a self,
        features: &[f32],
        frames: usize,
        workspace: &'a mut Workspace,
    ) -> Result<Prepared<'a>> {
        let kept = self.encoder.prepare(features, frames, &mut workspace.encoder)?;
        Ok(Prepared { model: self, workspace, frames, kept })
    }

    /// Predicts from the features of one chunk, `[frames, bands]` as the front-end outputs them,
    /// with all heads.
    ///
    /// # Errors
    ///
    /// Those of [`Model::prepare`] and [`Prepared::predict`].
    pub fn forward(&self, features: &[f32], frames: usize, workspace: &mut Workspace) -> Result<Output> {
        self.prepare(features, frames, workspace)?.predict(ActiveHeads::ALL)
    }

    /// As [`Model::forward`]; passes every intermediate result to `observer`, under the names that
    /// [`representation`](crate::models::representation), [`trunk`](crate::models::trunk) and
    /// [`heads`](crate::models::heads) define.
    ///
    /// # Errors
    ///
    /// Those of [`Model::forward`].
    pub fn forward_layers(
        &self,
        features: &[f32],
        frames: usize,
        workspace: &mut Workspace,
        observer: &mut LayerObserver<'_>,
    ) -> Result<Output> {
        let tap = &mut LayerTap::new(Some(observer));
        self.prepare(features, frames, workspace)?.predict_with(ActiveHeads::ALL, None, tap)
    }

    /// Computes the representation `[dim]` of the features of one chunk, `[frames, bands]`.
    ///
    /// # Errors
    ///
    /// Those of [`Model::prepare`] and [`Prepared::embed`].
    pub fn embed(&self, features: &[f32], frames: usize, workspace: &mut Workspace) -> Result<Vec<f32>> {
        self.prepare(features, frames, workspace)?.embed()
    }

    /// As [`Model::embed`]; passes every intermediate result to `observer`.
    ///
    /// # Errors
    ///
    /// Those of [`Model::embed`].
    pub fn embed_layers(
        &self,
        features: &[f32],
        frames: usize,
        workspace: &mut Workspace,
        observer: &mut LayerObserver<'_>,
    ) -> Result<Vec<f32>> {
        self.prepare(features, frames, workspace)?.embed_layers(observer)
    }
}

impl Prepared<'_> {
    /// Frames that the network processes: all, or those that the energy VAD kept.
    pub fn frames_kept(&self) -> usize {
        self.kept
    }

    /// Whether the kept frames are enough for the network.
    pub fn is_long_enough(&self) -> bool {
        self.kept >= self.model.min_frames()
    }

    /// Runs the network with the given heads; the others are not computed.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] for fewer than [`Model::min_frames`] frames, [`Error::Tensor`] where a
    /// layer overflows, [`Error::Manifest`] for a model without heads.
    pub fn predict(self, heads: ActiveHeads) -> Result<Output> {
        self.predict_for(heads, None)
    }

    /// As [`Prepared::predict`], minus the speaker's baseline.
    ///
    /// # Errors
    ///
    /// Those of [`Prepared::predict`].
    pub fn predict_for(self, heads: ActiveHeads, speaker: Option<&SpeakerBaseline>) -> Result<Output> {
        self.predict_with(heads, speaker, &mut LayerTap::new(None))
    }

    /// As [`Prepared::predict`]; returns the representation, too, without a baseline.
    ///
    /// # Errors
    ///
    /// Those of [`Prepared::predict`].
    pub fn predict_and_embed(
        self,
        heads: ActiveHeads,
        speaker: Option<&SpeakerBaseline>,
    ) -> Result<(Output, Vec<f32>)> {
        self.check_length()?;
        let Self { model, workspace, kept, .. } = self;
        let mut vector = vec![0.0; model.dim()];
        model.encoder.run(kept, &mut workspace.encoder, &mut vector, &mut LayerTap::new(None))?;
        let output = model.classify(&vector, speaker, heads, workspace)?;
        Ok((output, vector))
    }

    /// As [`Prepared::predict`], or without heads only the representation; and the statistics for a
    /// speaker embedding, if the representation contains them.
    ///
    /// # Errors
    ///
    /// Those of [`Prepared::predict`].
    pub(crate) fn predict_speaker(self, heads: Option<ActiveHeads>) -> Result<(Option<Output>, Option<Vec<f32>>)> {
        self.check_length()?;
        let tap = &mut LayerTap::new(None);
        let Self { model, workspace: Workspace { encoder, classifier }, kept, .. } = self;
        let network = model.classifier.as_ref().ok_or_else(|| model.manifest.without_heads())?;
        let vector = classifier.input(model.dim());
        model.encoder.run(kept, encoder, vector, tap)?;
        let statistics = model.encoder.statistics_of(vector);
        let output = heads.map(|heads| network.run(classifier, None, heads, tap)).transpose()?;
        Ok((output, statistics))
    }

    /// Computes the representation, `[dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] for fewer than [`Model::min_frames`] frames, [`Error::Tensor`] where a
    /// layer overflows.
    pub fn embed(self) -> Result<Vec<f32>> {
        self.embed_with(&mut LayerTap::new(None))
    }

    /// As [`Prepared::embed`]; passes every intermediate result to `observer`.
    ///
    /// # Errors
    ///
    /// Those of [`Prepared::embed`].
    pub fn embed_layers(self, observer: &mut LayerObserver<'_>) -> Result<Vec<f32>> {
        self.embed_with(&mut LayerTap::new(Some(observer)))
    }

    fn predict_with(
        self,
        heads: ActiveHeads,
        speaker: Option<&SpeakerBaseline>,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<Output> {
        self.check_length()?;
        let Self { model, workspace: Workspace { encoder, classifier }, kept, .. } = self;
        let network = model.classifier.as_ref().ok_or_else(|| model.manifest.without_heads())?;
        model.encoder.run(kept, encoder, classifier.input(model.dim()), tap)?;
        network.run(classifier, speaker, heads, tap)
    }

    fn embed_with(self, tap: &mut LayerTap<'_, '_>) -> Result<Vec<f32>> {
        self.check_length()?;
        let mut vector = vec![0.0; self.model.dim()];
        self.model.encoder.run(self.kept, &mut self.workspace.encoder, &mut vector, tap)?;
        Ok(vector)
    }

    /// Refuses what the VAD left too little of. Features that were too short before it are the
    /// network's to refuse.
    fn check_length(&self) -> Result<()> {
        let (kept, frames, least) = (self.kept, self.frames, self.model.min_frames());
        if kept < least.min(frames) {
            let what = format!("{kept} of {frames} frames contain speech; the network needs at least {least}");
            return Err(Error::TooShort(what));
        }
        Ok(())
    }
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Model>();
};
