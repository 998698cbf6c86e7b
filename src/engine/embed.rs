//! Recordings to embeddings: the way of [`Engine`](super::Engine) up to the representation, with any model file.
//!
//! ```text
//! recording ─▶ windows of up to frontend.window_s, the last one reaching back ─▶ a vector each ─▶ their mean, weighted by new frames seen
//! ```
//!
//! Shipped systems have windows of 3 s, imported networks of 60 s, so that a shorter recording is one window, as in the toolkits that they come from.
//! Every window counts, speech or not, unless the recipe has an energy VAD (imported Kaldi networks): then frames without speech are dropped, a window
//! counts by its share of speech, and one with too little is left out.

use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::control::{Control, NoControl};
use super::pipeline::Engine;
use super::recording::Recording;
use super::report::SCHEMA;
use super::stream::{SignalStream, Split};
use super::verdict::rounded;
use super::windows::{Window, Windows};
use crate::audio::{Decoder, Limits, RawFormat};
use crate::dsp::FeatureExtractor;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::models::embedder::{Embedder, EmbedderWorkspace};

/// What a caller may choose.
#[derive(Debug, Clone, Default)]
pub struct EmbedOptions {
    /// What an input may be at most.
    pub limits: Limits,
    /// What inputs without a header hold.
    pub raw: Option<RawFormat>,
    /// Threads that share one window, where the network can use several: WavLM. 0 counts as 1.
    pub threads: usize,
    /// The intermediate result to give instead of the representation, such as `campplus.taps.final`: one that is a vector.
    pub layer: Option<String>,
}

/// A model, ready to embed recordings.
#[derive(Debug)]
pub struct EmbeddingEngine {
    model: Model,
    options: EmbedOptions,
}

/// What a recording sounds like to a network.
#[derive(Debug, Clone, Serialize)]
pub struct Embedding {
    /// Version of this object.
    pub schema: u32,
    /// The recording as the caller named it.
    pub file: String,
    /// Its length, seconds.
    pub duration_s: f64,
    /// Windows whose vectors were averaged.
    pub windows: usize,
    /// Name of the model.
    pub model: String,
    /// First 16 digits of its checksum.
    pub model_sha256: String,
    /// What the vector is: `representation`, or the layer that was asked for.
    pub layer: String,
    /// The vector.
    pub embedding: Vec<f32>,
    /// What harms it.
    pub warnings: Vec<String>,
}

impl EmbeddingEngine {
    /// Checks that the model's front-end can be built.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn new(model: Model, options: EmbedOptions) -> Result<Self> {
        model.embedder().manifest().frontend.extractor()?;
        Ok(Self { model, options })
    }

    /// The model that embeds.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Embeds one file.
    ///
    /// # Errors
    /// Whatever is wrong with the file, naming it; [`Error::Config`] for one that is too short, or a layer that is no vector of this network.
    pub fn embed_file(&self, path: &Path) -> Result<Embedding> {
        self.embed(Recording::file(path))
    }

    /// Embeds one stream of bytes; `name` stands for it.
    ///
    /// # Errors
    /// As [`Self::embed_file`].
    pub fn embed_reader(&self, reader: impl Read + Send + Sync + 'static, name: &str) -> Result<Embedding> {
        self.embed(Recording::stream(reader, name))
    }

    fn embed(&self, recording: Recording) -> Result<Embedding> {
        let (decoder, name) = recording.open(self.options.raw.as_ref(), &self.options.limits)?;
        let layer = self.options.layer.as_deref();
        let worker = Worker::new(self.model.embedder(), layer, self.options.threads);
        worker.and_then(|worker| run(worker, &mut NoControl, decoder, &name)).map_err(|error| error.in_file(&name))
    }
}

impl Engine {
    /// The embedding of a recording by this engine's system, at a control.
    ///
    /// # Errors
    /// As [`EmbeddingEngine::embed_reader`]; and the control's own.
    pub fn embed(&self, recording: Recording, control: &mut dyn Control) -> Result<Embedding> {
        let options = self.options();
        let (decoder, name) = recording.open(options.raw.as_ref(), &options.limits)?;
        let worker = Worker::new(self.system().embedder(), None, options.threads);
        worker.and_then(|worker| run(worker, control, decoder, &name)).map_err(|error| error.in_file(&name))
    }
}

/// Windows of a recording to the mean of their vectors.
fn run(mut worker: Worker<'_>, control: &mut dyn Control, decoder: Decoder, name: &str) -> Result<Embedding> {
    let manifest = worker.embedder.manifest();
    let mut stream = SignalStream::new(decoder, Split::Mean, manifest.frontend.sample_rate_hz())?;
    let mut windows = Windows::new(manifest.frontend.chunk_samples(), None);
    let (mut ready, mut mean) = (Vec::new(), Mean::default());
    loop {
        control.step(&stream.progress())?;
        if !stream.next()? {
            break;
        }
        windows.push(stream.block(0).1, &mut |window| ready.push(window));
        for window in ready.drain(..) {
            control.step(&stream.progress())?;
            mean.take(worker.embed(&window)?, window.fresh);
        }
    }
    if let Some(window) = windows.last() {
        mean.take(worker.embed(&window)?, window.fresh);
    }
    let mut heard = stream.heard();
    heard.warnings.extend(mean.warning());
    Ok(Embedding {
        schema: SCHEMA,
        file: name.to_owned(),
        duration_s: rounded(heard.duration_s, 6),
        windows: mean.windows,
        model: manifest.name.clone(),
        model_sha256: manifest.sha256.chars().take(16).collect(),
        layer: worker.layer.unwrap_or("representation").to_owned(),
        embedding: mean.vector()?,
        warnings: heard.warnings,
    })
}

/// Window to vector.
struct Worker<'e> {
    embedder: &'e Embedder,
    layer: Option<&'e str>,
    extractor: FeatureExtractor,
    workspace: EmbedderWorkspace,
    features: Vec<f32>,
}

impl<'e> Worker<'e> {
    fn new(embedder: &'e Embedder, layer: Option<&'e str>, threads: usize) -> Result<Self> {
        let extractor = embedder.manifest().frontend.extractor()?;
        let mut workspace = EmbedderWorkspace::default();
        workspace.set_threads(threads);
        Ok(Self { embedder, layer, extractor, workspace, features: Vec::new() })
    }

    /// Nothing for a window that has too few frames of speech for a network that sees no others.
    fn embed(&mut self, window: &Window) -> Result<Option<Vector>> {
        let frontend = &self.embedder.manifest().frontend;
        let least = frontend.samples_for(self.embedder.min_frames());
        if window.samples.len() < least {
            let (has, needs) = (window.samples.len() as f64, least as f64 / f64::from(frontend.sample_rate_hz()));
            let has = has / f64::from(frontend.sample_rate_hz());
            return Err(Error::Config(format!("too short: {has:.3} s, the network needs at least {needs:.3} s")));
        }
        let frames = self.extractor.run(&window.samples, &mut self.features);
        let seen = self.embedder.frames_seen(&self.features, frames, &mut self.workspace)?;
        if seen < self.embedder.min_frames() {
            return Ok(None);
        }
        let values = self.values(frames)?;
        Ok(Some(Vector { values, seen: seen as f64 / frames as f64 }))
    }

    /// The representation or the layer that was asked for.
    fn values(&mut self, frames: usize) -> Result<Vec<f32>> {
        let Some(layer) = self.layer else { return self.embedder.embed(&self.features, frames, &mut self.workspace) };
        let (mut found, mut vectors) = (None, Vec::new());
        let mut observer = |name: &str, shape: &[usize], values: &[f32]| {
            if shape.len() == 1 {
                vectors.push(format!("`{name}`"));
                if name == layer {
                    found = Some(values.to_vec());
                }
            }
        };
        self.embedder.embed_layers(&self.features, frames, &mut self.workspace, &mut observer)?;
        let unknown =
            || Error::Config(format!("`{layer}` is no vector of this network; it has {}", vectors.join(", ")));
        found.ok_or_else(unknown)
    }
}

/// What a window sounds like.
struct Vector {
    values: Vec<f32>,
    /// Share of the window's frames that the network saw.
    seen: f64,
}

/// Mean of vectors, each weighted by the samples that no other window holds, and by the share of them that the network saw. Sums are f64, in the order of the recording.
#[derive(Default)]
struct Mean {
    sums: Vec<f64>,
    weight: f64,
    windows: usize,
    /// Windows left out.
    without_speech: usize,
}

impl Mean {
    fn take(&mut self, vector: Option<Vector>, fresh: usize) {
        match vector {
            Some(vector) => self.add(&vector.values, vector.seen * fresh as f64),
            None => self.without_speech += 1,
        }
    }

    fn add(&mut self, vector: &[f32], weight: f64) {
        self.sums.resize(vector.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(vector) {
            *sum += weight * f64::from(*value);
        }
        self.weight += weight;
        self.windows += 1;
    }

    /// What was left out.
    fn warning(&self) -> Option<String> {
        let all = self.windows + self.without_speech;
        let left = self.without_speech;
        (left > 0)
            .then(|| format!("{left} of {all} windows hold no speech for this network's energy VAD and were left out"))
    }

    fn vector(&self) -> Result<Vec<f32>> {
        if self.windows == 0 {
            let what = if self.without_speech > 0 {
                "no speech: this network's energy VAD drops all or nearly all of it"
            } else {
                "too short: it holds no audio"
            };
            return Err(Error::Config(what.into()));
        }
        Ok(self.sums.iter().map(|sum| (sum / self.weight) as f32).collect())
    }
}

impl Embedding {
    /// The cosine of the angle between two embeddings: 1 for the same direction, 0 for unrelated ones.
    ///
    /// ```text
    /// Σ a[i] · b[i] / (|a| · |b|)
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] for vectors of different lengths, or one of length 0.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        let (a, b) = (&self.embedding, &other.embedding);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let scale = (dot(a, a) * dot(b, b)).sqrt();
        if a.len() != b.len() || scale == 0.0 {
            return Err(Error::Config(format!(
                "no angle between {} and {}: one of them has no direction",
                self.file, other.file
            )));
        }
        Ok((dot(a, b) / scale).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_each_sample_once() {
        let mut mean = Mean::default();
        assert!(mean.vector().is_err());
        let vector = |values: &[f32], seen| Some(Vector { values: values.to_vec(), seen });
        mean.take(vector(&[1.0, 0.0], 1.0), 30);
        mean.take(vector(&[0.0, 4.0], 0.5), 20);
        assert_eq!((mean.vector().unwrap(), mean.warning()), (vec![0.75, 1.0], None));
        mean.take(None, 40);
        assert_eq!(mean.vector().unwrap(), [0.75, 1.0]);
        assert!(mean.warning().unwrap().starts_with("1 of 3 windows"));
        let silent = Mean { without_speech: 1, ..Mean::default() };
        assert!(silent.vector().unwrap_err().to_string().contains("no speech"));
    }

    fn of(embedding: &[f32]) -> Embedding {
        let text = String::new;
        let (file, model, model_sha256, layer) = (text(), text(), text(), text());
        let (embedding, warnings) = (embedding.to_vec(), Vec::new());
        Embedding { schema: SCHEMA, file, duration_s: 0.0, windows: 1, model, model_sha256, layer, embedding, warnings }
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
