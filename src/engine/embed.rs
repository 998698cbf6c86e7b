//! Embedding: a recording to the representation vector of a model, with or without heads.
//!
//! ```text
//! recording ─▶ chunks of up to frontend.window_s ─▶ a vector each ─▶ weighted mean
//! ```
//!
//! Chunks of the shipped models have 3 s, those of imported networks 60 s, so that a shorter
//! recording is one chunk, as in the toolkits that they come from. Every chunk counts, with or
//! without speech, unless the recipe has an energy VAD (imported Kaldi networks): then frames
//! without speech are dropped, a chunk counts by its share of speech, and one with too little is
//! left out.

use serde::Serialize;

use crate::dsp::FeatureExtractor;
use crate::error::{Error, Result};
use crate::models::{Model, Workspace};

use super::audio_source::AudioSource;
use super::chunker::{Chunk, Chunker};
use super::control::Control;
use super::report::SCHEMA;
use super::round::rounded;
use super::stream::{ChannelMode, SignalStream};

/// Options of an embedding.
#[derive(Debug, Clone, Default)]
pub struct EmbedOptions {
    /// Intermediate result to return instead of the representation, such as `campplus.taps.final`.
    /// It must be a vector.
    pub layer: Option<String>,
}

/// The embedding of a recording, with metadata.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Embedding {
    /// Version of the JSON object.
    pub schema: u32,
    /// The recording's name.
    pub file: String,
    /// Duration, seconds.
    pub duration_s: f64,
    /// Number of chunks whose vectors were averaged.
    #[serde(rename = "windows")]
    pub chunks: usize,
    /// Name of the model.
    pub model: String,
    /// First 16 digits of its checksum.
    pub model_sha256: String,
    /// `representation`, or the layer that was requested.
    pub layer: String,
    /// The vector.
    #[serde(rename = "embedding")]
    pub vector: Vec<f32>,
    /// Problems of the input.
    pub warnings: Vec<String>,
}

/// Embeds the chunks of one recording.
pub(super) struct Embedder<'m> {
    model: &'m Model,
    layer: Option<&'m str>,
    extractor: FeatureExtractor,
    workspace: Workspace,
    features: Vec<f32>,
}

impl<'m> Embedder<'m> {
    pub(super) fn new(model: &'m Model, options: &'m EmbedOptions, threads: usize) -> Result<Self> {
        let extractor = model.manifest().frontend.extractor()?;
        let mut workspace = Workspace::default();
        workspace.set_threads(threads);
        Ok(Self { model, layer: options.layer.as_deref(), extractor, workspace, features: Vec::new() })
    }

    /// The mean over the chunks of the mean of all channels.
    pub(super) fn run(mut self, source: AudioSource, control: &mut dyn Control, name: &str) -> Result<Embedding> {
        let manifest = self.model.manifest();
        let mut stream = SignalStream::new(source, ChannelMode::Mean, manifest.frontend.sample_rate_hz())?;
        let mut chunker = Chunker::new(manifest.frontend.chunk_samples(), None);
        let (mut ready, mut mean) = (Vec::new(), Mean::default());
        loop {
            control.step(&stream.progress())?;
            if !stream.next()? {
                break;
            }
            chunker.push(stream.block(0).1, &mut |chunk| ready.push(chunk));
            for chunk in ready.drain(..) {
                control.step(&stream.progress())?;
                mean.take(self.embed(&chunk)?, chunk.fresh);
            }
        }
        if let Some(chunk) = chunker.last() {
            mean.take(self.embed(&chunk)?, chunk.fresh);
        }
        let mut info = stream.info();
        info.warnings.extend(mean.warning());
        Ok(Embedding {
            schema: SCHEMA,
            file: name.to_owned(),
            duration_s: rounded(info.duration_s, 6),
            chunks: mean.chunks,
            model: manifest.name.clone(),
            model_sha256: manifest.sha256.chars().take(16).collect(),
            layer: self.layer.unwrap_or("representation").to_owned(),
            vector: mean.vector()?,
            warnings: info.warnings,
        })
    }

    /// `None` for a chunk in which the energy VAD kept too few frames for the network.
    fn embed(&mut self, chunk: &Chunk) -> Result<Option<ChunkVector>> {
        let frontend = &self.model.manifest().frontend;
        let least = frontend.samples_for(self.model.min_frames());
        if chunk.samples.len() < least {
            let seconds = |samples: usize| samples as f64 / f64::from(frontend.sample_rate_hz());
            let (has, needs) = (seconds(chunk.samples.len()), seconds(least));
            return Err(Error::TooShort(format!("too short: {has:.3} s; the network needs at least {needs:.3} s")));
        }
        let frames = self.extractor.run(&chunk.samples, &mut self.features);
        let prepared = self.model.prepare(&self.features, frames, &mut self.workspace)?;
        if !prepared.is_long_enough() {
            return Ok(None);
        }
        let kept = prepared.frames_kept() as f64 / frames as f64;
        let values = match self.layer {
            None => prepared.embed()?,
            Some(layer) => {
                let mut search = LayerSearch { layer, found: None, vectors: Vec::new() };
                prepared.embed_layers(&mut |name: &str, shape: &[usize], values: &[f32]| {
                    search.visit(name, shape, values);
                })?;
                search.finish()?
            }
        };
        Ok(Some(ChunkVector { values, kept }))
    }
}

/// Finds an intermediate result by its name.
struct LayerSearch<'l> {
    layer: &'l str,
    found: Option<Vec<f32>>,
    /// Names of all results that are vectors, for the error.
    vectors: Vec<String>,
}

impl LayerSearch<'_> {
    fn visit(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        if shape.len() == 1 {
            self.vectors.push(format!("`{name}`"));
            if name == self.layer {
                self.found = Some(values.to_vec());
            }
        }
    }

    fn finish(self) -> Result<Vec<f32>> {
        let Self { layer, found, vectors } = self;
        found.ok_or_else(|| Error::usage(format!("unknown layer `{layer}`; available: {}", vectors.join(", "))))
    }
}

/// The vector of a chunk.
struct ChunkVector {
    values: Vec<f32>,
    /// Share of the chunk's frames that the network processed.
    kept: f64,
}

/// Mean of vectors, each weighted by its fresh samples times the share of them that the network
/// processed. Sums are f64, in the order of the recording.
#[derive(Default)]
struct Mean {
    sums: Vec<f64>,
    weight: f64,
    chunks: usize,
    /// Chunks left out.
    without_speech: usize,
}

impl Mean {
    fn take(&mut self, vector: Option<ChunkVector>, fresh: usize) {
        match vector {
            Some(vector) => self.add(&vector.values, vector.kept * fresh as f64),
            None => self.without_speech += 1,
        }
    }

    fn add(&mut self, vector: &[f32], weight: f64) {
        self.sums.resize(vector.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(vector) {
            *sum += weight * f64::from(*value);
        }
        self.weight += weight;
        self.chunks += 1;
    }

    fn warning(&self) -> Option<String> {
        let (left, all) = (self.without_speech, self.chunks + self.without_speech);
        (left > 0)
            .then(|| format!("{left} of {all} chunks contain no speech by the network's energy VAD and were left out"))
    }

    fn vector(&self) -> Result<Vec<f32>> {
        if self.chunks == 0 {
            let what = if self.without_speech > 0 {
                "no speech: the network's energy VAD drops all or nearly all of the recording"
            } else {
                "too short: the recording contains no audio"
            };
            return Err(Error::TooShort(what.into()));
        }
        Ok(self.sums.iter().map(|sum| (sum / self.weight) as f32).collect())
    }
}

impl Embedding {
    /// The cosine of the angle between two embeddings: 1 for the same direction, 0 for orthogonal
    /// ones.
    ///
    /// ```text
    /// Σ a[i] · b[i] / (|a| · |b|)
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`] for vectors of different lengths, or one of length 0.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        let (a, b) = (&self.vector, &other.vector);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let scale = (dot(a, a) * dot(b, b)).sqrt();
        if a.len() != b.len() || scale == 0.0 {
            let (a, b) = (&self.file, &other.file);
            return Err(Error::usage(format!("no cosine of {a} and {b}: different lengths, or a vector of zeros")));
        }
        Ok((dot(a, b) / scale).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_counts_each_sample_once() {
        let mut mean = Mean::default();
        assert!(mean.vector().is_err());
        let vector = |values: &[f32], kept| Some(ChunkVector { values: values.to_vec(), kept });
        mean.take(vector(&[1.0, 0.0], 1.0), 30);
        mean.take(vector(&[0.0, 4.0], 0.5), 20);
        assert_eq!((mean.vector().unwrap(), mean.warning()), (vec![0.75, 1.0], None));
        mean.take(None, 40);
        assert_eq!(mean.vector().unwrap(), [0.75, 1.0]);
        assert!(mean.warning().unwrap().starts_with("1 of 3 chunks"));
        let silent = Mean { without_speech: 1, ..Mean::default() };
        assert!(silent.vector().unwrap_err().to_string().contains("no speech"));
    }

    fn of(vector: &[f32]) -> Embedding {
        let text = String::new;
        let (file, model, model_sha256, layer) = (text(), text(), text(), text());
        let (vector, warnings) = (vector.to_vec(), Vec::new());
        Embedding { schema: SCHEMA, file, duration_s: 0.0, chunks: 1, model, model_sha256, layer, vector, warnings }
    }

    #[test]
    fn the_cosine_is_its_formula() {
        let cosine = |a: &[f32], b: &[f32]| of(a).cosine(&of(b)).unwrap();
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[3.0, 4.0], &[-4.0, 3.0]), 0.0);
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
        approx::assert_abs_diff_eq!(cosine(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), 10.0 / 14.0, epsilon = 1e-12);
        assert!(of(&[0.0]).cosine(&of(&[1.0])).is_err() && of(&[1.0]).cosine(&of(&[1.0, 0.0])).is_err());
    }
}
