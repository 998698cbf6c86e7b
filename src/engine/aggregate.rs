//! Aggregation of a voice's chunks to the predictions of the whole recording.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dsp::activity::snr_db;
use crate::models::SpeakerVectors;

use super::chunk_output::{ChunkOutput, Outcome};
use super::mean::{MeanOutput, WeightedSums};
use super::no_answer::NoAnswer;

/// Mean of the probabilities and ages of a voice's chunks, each weighted by its fresh samples.
///
/// The mean of probabilities is the share of the recording that a label is expected to have, so a
/// long recording of two moods shows both. Their product would put all probability on one label
/// after a few chunks, as if each chunk were new evidence about one and the same state. Rejected
/// chunks do not count.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    sums: WeightedSums,
    pub(super) predicted: usize,
    /// Rejected chunks, by reason.
    rejected: BTreeMap<NoAnswer, usize>,
    pub(super) speech: usize,
    powers: (f64, f64),
    /// Sums over the vectors of the predicted chunks, if the options ask for them.
    pub(super) vectors: SpeakerVectors,
    pub(super) activity_time: Duration,
    pub(super) features_time: Duration,
    pub(super) network_time: Duration,
}

impl Aggregate {
    /// Adds the next chunk; of one without fresh samples only its times.
    pub(super) fn add(&mut self, chunk: &ChunkOutput) {
        self.activity_time += chunk.activity_time;
        self.features_time += chunk.features_time;
        self.network_time += chunk.network_time;
        if chunk.fresh == 0 {
            return;
        }
        let weight = chunk.fresh as f64;
        self.speech += chunk.speech;
        self.powers.0 += weight * chunk.powers.0;
        self.powers.1 += weight * chunk.powers.1;
        match &chunk.outcome {
            Outcome::Predicted(output) => {
                self.predicted += 1;
                if let Some(vector) = &chunk.vector {
                    self.vectors.add(vector);
                }
                self.sums.add(output, weight);
            }
            Outcome::Rejected(reason) => *self.rejected.entry(*reason).or_default() += 1,
        }
    }

    /// The most frequent reason for rejecting a chunk; of equally frequent ones the first in their
    /// order.
    pub(super) fn main_reason(&self) -> Option<NoAnswer> {
        self.rejected.iter().rev().max_by_key(|(_, count)| **count).map(|(reason, _)| *reason)
    }

    /// Estimated signal-to-noise ratio of the chunks that contain speech, dB.
    pub(super) fn snr_db(&self) -> Option<f64> {
        snr_db(self.powers.0, self.powers.1)
    }

    /// Chunks left out of a recording that has predictions.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let all = self.predicted + self.rejected.values().sum::<usize>();
        let rejected = self.rejected.iter().filter(|_| self.predicted > 0);
        rejected.map(move |(reason, count)| format!("{count} of {all} chunks {} and were left out", reason.of_chunks()))
    }

    /// `None` if no chunk was predicted.
    pub(super) fn mean(&self) -> Option<MeanOutput> {
        self.sums.mean()
    }
}
