//! Chunk worker: speech detection, features and network of one chunk.

use std::time::Instant;

use crate::dsp::{Activity, ActivityOptions, FeatureExtractor};
use crate::error::Result;
use crate::models::{Model, Workspace};

use super::chunk_output::{ChunkOutput, Outcome, Overlap};
use super::chunker::Chunk;
use super::level::level_dbfs;
use super::no_answer::NoAnswer;
use super::options::Options;
use super::signal_quality::is_clipped;

/// What all chunks of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkContext<'a> {
    pub(super) model: &'a Model,
    pub(super) options: &'a Options,
    /// Samples from one segment of the timeline to the next; `None` without a timeline.
    pub(super) hop: Option<usize>,
    /// Whether statistics for speaker embeddings are needed, also of rejected chunks.
    pub(super) speakers: bool,
}

/// Plans and work space for chunks of one model. Results do not depend on its contents.
#[derive(Debug)]
pub(super) struct Scratch {
    extractor: FeatureExtractor,
    workspace: Workspace,
    features: Vec<f32>,
    activity: Activity,
}

impl Scratch {
    pub(super) fn new(model: &Model) -> Result<Self> {
        let frontend = &model.manifest().frontend;
        let activity = Activity::new(frontend.sample_rate_hz(), ActivityOptions::default())?;
        Ok(Self { extractor: frontend.extractor()?, workspace: Workspace::default(), features: Vec::new(), activity })
    }

    /// Sets the number of threads that share one chunk, where the network supports it.
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.workspace.set_threads(threads);
    }
}

/// Processes chunks on one thread.
pub(super) struct ChunkWorker<'a> {
    pub(super) context: ChunkContext<'a>,
    pub(super) scratch: &'a mut Scratch,
}

impl ChunkWorker<'_> {
    pub(super) fn run(&mut self, chunk: &Chunk) -> Result<ChunkOutput> {
        let silence = Outcome::Rejected(NoAnswer::Silence);
        let mut output = ChunkOutput::new(silence, chunk.start, chunk.samples.len(), chunk.fresh);
        if self.is_silent(&chunk.samples) {
            output.overlaps = self.overlaps(chunk, false);
            return Ok(output);
        }
        let began = Instant::now();
        let reason = self.reject(chunk, &mut output);
        output.overlaps = self.overlaps(chunk, self.context.options.activity);
        output.activity_time = began.elapsed();
        output.outcome = match reason {
            Some(reason) if !self.context.speakers => Outcome::Rejected(reason),
            _ => self.run_network(chunk, reason, &mut output)?,
        };
        Ok(output)
    }

    fn is_silent(&self, samples: &[f32]) -> bool {
        level_dbfs(samples) < self.context.options.silence_dbfs
    }

    /// Overlaps with the timeline's segments, if the chunk is part of it. `detected`: the detector
    /// has just run on it.
    fn overlaps(&self, chunk: &Chunk, detected: bool) -> Vec<Overlap> {
        let Some(hop) = self.context.hop.filter(|_| chunk.timeline) else {
            return Vec::new();
        };
        let end = chunk.start + chunk.samples.len();
        let activity = &self.scratch.activity;
        let overlap = |index: usize| {
            let from = (index * hop).max(chunk.start) - chunk.start;
            let to = ((index + 1) * hop).min(end) - chunk.start;
            let speech = if detected { activity.speech_within(from..to) } else { 0 };
            Overlap { length: to - from, speech, silent: self.is_silent(&chunk.samples[from..to]) }
        };
        (chunk.start / hop..end.div_ceil(hop)).map(overlap).collect()
    }

    /// Runs the detector on a chunk that is not silent, records its speech, and returns the reason
    /// to reject it.
    fn reject(&mut self, chunk: &Chunk, output: &mut ChunkOutput) -> Option<NoAnswer> {
        let options = self.context.options;
        if chunk.rejected.is_some() || !options.activity {
            return chunk.rejected;
        }
        let activity = &mut self.scratch.activity;
        let evidence = activity.run(&chunk.samples);
        if evidence.is_speech {
            output.speech = activity.speech_within(chunk.samples.len() - chunk.fresh..chunk.samples.len());
            output.powers = (evidence.speech_power, evidence.noise_power);
        }
        let clipped = chunk.samples.iter().filter(|x| is_clipped(**x)).count();
        if clipped as f64 >= options.max_clipped_share * chunk.samples.len() as f64 {
            return Some(NoAnswer::Clipped);
        }
        match evidence.snr_db() {
            None => Some(NoAnswer::NoSpeech),
            Some(snr) if snr < options.min_snr_db => Some(NoAnswer::TooNoisy),
            Some(_) => None,
        }
    }

    /// Features and network, without heads if the chunk is rejected. A network with an energy VAD
    /// may have too few frames left.
    fn run_network(&mut self, chunk: &Chunk, rejected: Option<NoAnswer>, output: &mut ChunkOutput) -> Result<Outcome> {
        let began = Instant::now();
        let Scratch { extractor, workspace, features, .. } = &mut *self.scratch;
        let frames = extractor.run(&chunk.samples, features);
        let between = Instant::now();
        output.features_time = between - began;
        let prepared = self.context.model.prepare(features, frames, workspace)?;
        if !prepared.is_long_enough() {
            return Ok(Outcome::Rejected(rejected.unwrap_or(NoAnswer::NoSpeech)));
        }
        let Options { heads, baseline, vectors, .. } = self.context.options;
        let outcome = if self.context.speakers {
            let (predicted, statistics) = prepared.predict_speaker(rejected.is_none().then_some(*heads))?;
            output.statistics = statistics;
            predicted.map_or(Outcome::Rejected(rejected.unwrap_or(NoAnswer::NoSpeech)), Outcome::Predicted)
        } else if *vectors && chunk.fresh > 0 {
            let (predicted, vector) = prepared.predict_and_embed(*heads, baseline.as_ref())?;
            output.vector = Some(vector);
            Outcome::Predicted(predicted)
        } else {
            Outcome::Predicted(prepared.predict_for(*heads, baseline.as_ref())?)
        };
        output.network_time = between.elapsed();
        Ok(outcome)
    }
}
