//! Speaker segmentation: which of up to three speakers are active in each frame of a chunk of 10 s.
//!
//! The network is PyanNet with powerset classes, as pyannote.audio publishes it (segmentation-3.0;
//! Bredin et al. 2020; Plaquet and Bredin 2023, "Powerset multi-class cross entropy loss for neural
//! speaker diarization"). Its speakers are local: which of them are the same person in another chunk
//! follows from their embeddings ([`SpeakerEmbedding`]).
//!
//! | file | in | out |
//! |---|---|---|
//! | `sincnet` | `[samples]` | `[frames, 60]`: sinc filters, convolutions, max pooling, instance norm |
//! | `network` | that | four bidirectional LSTM layers, two dense ones, log probabilities of the classes |
//! | `powerset` | number of speakers | the set of speakers of each class |
//! | `recipe` | the manifest's `segmentation` | sizes of the network |
//! | `speaker_embedding` | statistics of CAM++'s last layer | `[192]`, a unit vector for each speaker |
//!
//! One file contains both: the segmentation, and the embedding layer, which the models that predict
//! do without.

mod network;
mod powerset;
mod recipe;
mod sincnet;
mod speaker_embedding;

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::manifest::{self, Manifest};
use crate::models::recipe::{Object, parse, take, wrong};
use crate::models::tap::{LayerObserver, LayerTap};
use crate::nn::{Loader, Precision, Weights};
use network::Network;

pub use network::Scratch as SegmentationScratch;
pub use recipe::{KernelRecipe, LstmRecipe, SegmentationRecipe, SincRecipe};
pub use speaker_embedding::{SpeakerEmbedding, SpeakerEmbeddingRecipe};

/// A loaded segmentation file: the network, and the embedding layer for speakers.
#[derive(Debug)]
pub struct Segmentation {
    manifest: SegmentationManifest,
    network: Network,
    embedding: Option<SpeakerEmbedding>,
}

/// Manifest of a segmentation file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SegmentationManifest {
    /// Name of the network.
    pub name: String,
    /// The tool and version that wrote the file.
    pub created_by: String,
    /// Licence of the weights.
    pub licence: String,
    /// Origin: free-form, for people.
    pub data: Object,
    /// Sizes of the network.
    pub segmentation: SegmentationRecipe,
    /// The embedding layer, if the file has one.
    pub speaker_embedding: Option<SpeakerEmbeddingRecipe>,
    /// SHA-256 of the tensors, 64 hexadecimal digits.
    pub sha256: String,
}

impl SegmentationManifest {
    /// Parses and checks the header's text under [`Manifest::KEY`].
    fn from_header(text: Option<&str>) -> Result<Self> {
        let mut object = manifest::object_of_header(text)?;
        let mut text = |key: &str| parse::<String>(key, take(&mut object, key)?);
        let (name, created_by, licence, sha256) =
            (text("name")?, text("created_by")?, text("licence")?, text("sha256")?);
        let manifest = Self {
            name,
            created_by,
            licence,
            data: parse("data", take(&mut object, "data")?)?,
            segmentation: SegmentationRecipe::parse(take(&mut object, manifest::SEGMENTATION)?)?,
            speaker_embedding: object.remove("speaker_embedding").map(SpeakerEmbeddingRecipe::parse).transpose()?,
            sha256,
        };
        match object.keys().next() {
            None => Ok(manifest),
            Some(key) => Err(wrong(key, "is unknown to this version; a newer one may be needed")),
        }
    }
}

impl Segmentation {
    /// Loads a file, tensor by tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the file cannot be read, and those of [`Segmentation::from_bytes`];
    /// each names the file.
    pub fn open(path: impl AsRef<Path>, precision: Precision) -> Result<Self> {
        let path = path.as_ref();
        Weights::open(path)
            .and_then(|weights| Self::verify_and_load(weights, precision))
            .map_err(|error| error.in_file(path))
    }

    /// Loads a file from its bytes.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`](crate::models::Model::from_bytes).
    pub fn from_bytes(bytes: &[u8], precision: Precision) -> Result<Self> {
        Self::verify_and_load(Weights::from_bytes(bytes)?, precision)
    }

    /// Loads a file that is embedded in the binary, whose checksum a test verified.
    pub(crate) fn from_embedded_bytes(bytes: &'static [u8], precision: Precision) -> Result<Self> {
        let weights = Weights::from_bytes(bytes)?;
        let manifest = SegmentationManifest::from_header(weights.text(Manifest::KEY))?;
        Self::load(weights, manifest, precision)
    }

    fn verify_and_load(weights: Weights<'_>, precision: Precision) -> Result<Self> {
        let manifest = SegmentationManifest::from_header(weights.text(Manifest::KEY))?;
        weights.check_sha256(&manifest.sha256)?;
        Self::load(weights, manifest, precision)
    }

    fn load(weights: Weights<'_>, manifest: SegmentationManifest, precision: Precision) -> Result<Self> {
        let mut loader = Loader::new(weights, precision);
        let network = Network::load(&mut loader, &manifest.segmentation)?;
        let recipe = manifest.speaker_embedding.as_ref();
        let embedding = recipe.map(|recipe| SpeakerEmbedding::load(&mut loader, recipe)).transpose()?;
        loader.finish()?;
        Ok(Self { manifest, network, embedding })
    }

    /// The file's manifest.
    pub fn manifest(&self) -> &SegmentationManifest {
        &self.manifest
    }

    /// The embedding layer.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] for a file without one.
    pub fn require_embedding(&self) -> Result<&SpeakerEmbedding> {
        self.embedding.as_ref().ok_or_else(|| {
            Error::Manifest(format!(
                "`{}` has no embedding layer for speakers; import the segmentation together with CAM++: \
                 `model import pyannote-segmentation pytorch_model.bin campplus_cn_en_common.pt`",
                self.manifest.name
            ))
        })
    }

    /// Number of frames for so many samples.
    pub fn frames(&self, samples: usize) -> usize {
        self.network.frames_out(samples)
    }

    /// The shortest input, in samples.
    pub fn min_samples(&self) -> usize {
        self.network.min_samples()
    }

    /// The set of active speakers in each frame, as bit masks: the most probable class. `chunks` are
    /// samples of one length; one result for each, the same for any number of chunks in one pass.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] below [`Segmentation::min_samples`]; [`Error::Tensor`] if a layer
    /// overflows.
    pub fn run(&self, chunks: &[&[f32]], scratch: &mut SegmentationScratch) -> Result<Vec<Vec<u8>>> {
        let classes = self.network.classes();
        let log_probabilities = self.network.run(chunks, scratch, &mut LayerTap::new(None))?;
        let rows = log_probabilities.chunks_exact(classes.len());
        let best: Vec<u8> = rows.map(|row| classes[position_of_largest(row)]).collect();
        Ok((0..chunks.len()).map(|c| best.iter().skip(c).step_by(chunks.len()).copied().collect()).collect())
    }

    /// Passes every intermediate result of one chunk to `observer`, under the names of the
    /// checkpoint's modules; `classifier` are the log probabilities `[frames, classes]`.
    ///
    /// # Errors
    ///
    /// As [`Segmentation::run`].
    pub fn run_layers(&self, chunk: &[f32], observer: &mut LayerObserver<'_>) -> Result<()> {
        let mut scratch = SegmentationScratch::default();
        self.network.run(&[chunk], &mut scratch, &mut LayerTap::new(Some(observer))).map(|_| ())
    }
}

fn position_of_largest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, k| if values[k] > values[best] { k } else { best })
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Segmentation>();
};
