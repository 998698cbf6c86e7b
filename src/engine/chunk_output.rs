//! Output of one chunk: the network's predictions, or the reason why there are none.

use std::time::Duration;

use crate::models::Output;

use super::no_answer::NoAnswer;

/// The output of one chunk.
#[derive(Debug, Clone)]
pub(super) struct ChunkOutput {
    pub(super) outcome: Outcome,
    /// Index of its first sample.
    pub(super) start: usize,
    /// Its samples.
    pub(super) length: usize,
    /// The samples that no earlier chunk contains.
    pub(super) fresh: usize,
    /// The fresh samples that are speech.
    pub(super) speech: usize,
    /// Its overlap with each segment of the timeline that it touches; empty for a chunk that is not
    /// part of one.
    pub(super) overlaps: Vec<Overlap>,
    /// Mean square of the speech frames, and of the noise under them; 0 and 0 where there is no
    /// speech.
    pub(super) powers: (f64, f64),
    /// Statistics for a speaker embedding, if they were asked for and the network ran.
    pub(super) statistics: Option<Vec<f32>>,
    /// Its vector, without a baseline, if the options ask for vectors.
    pub(super) vector: Option<Vec<f32>>,
    pub(super) activity_time: Duration,
    pub(super) features_time: Duration,
    pub(super) network_time: Duration,
}

/// Predictions of a chunk, or the reason for their absence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Predicted(Output),
    Rejected(NoAnswer),
}

/// The part of a segment that lies in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Samples of the part.
    pub(super) length: usize,
    /// Those that are speech.
    pub(super) speech: usize,
    /// Whether their level is that of silence.
    pub(super) silent: bool,
}

impl ChunkOutput {
    /// For a chunk of `length` samples from `start` on, `fresh` of them new.
    pub(super) fn new(outcome: Outcome, start: usize, length: usize, fresh: usize) -> Self {
        Self {
            outcome,
            start,
            length,
            fresh,
            speech: 0,
            overlaps: Vec::new(),
            powers: (0.0, 0.0),
            statistics: None,
            vector: None,
            activity_time: Duration::ZERO,
            features_time: Duration::ZERO,
            network_time: Duration::ZERO,
        }
    }

    /// For features that came without audio.
    pub(super) fn without_audio(output: Output, network_time: Duration) -> Self {
        Self { speech: 1, network_time, ..Self::new(Outcome::Predicted(output), 0, 1, 1) }
    }
}
