//! Results of a signal: the predictions of each speaker and of each of its turns.

use std::ops::Range;

use crate::engine::aggregate::Aggregate;
use crate::engine::chunk_output::{ChunkOutput, Outcome};
use crate::engine::decision::{Decision, DecisionRules};
use crate::engine::mean::WeightedSums;
use crate::engine::no_answer::NoAnswer;
use crate::engine::options::Options;
use crate::engine::round::rounded;
use crate::engine::summary::Tally;
use crate::engine::timeline::Segment;
use crate::engine::voice_pipeline::VoiceResult;

use super::pieces::Piece;
use super::turn_ranges::overlap;

/// What the speakers of one signal have in common.
#[derive(Debug)]
pub(in crate::engine) struct SignalResult {
    /// In the order of their first turns.
    pub(in crate::engine) speakers: Vec<SpeakerResult>,
    /// All pieces together; predictions are reported for a signal without speakers alone.
    pub(in crate::engine) whole: VoiceResult,
}

/// Result of one speaker.
#[derive(Debug)]
pub(in crate::engine) struct SpeakerResult {
    /// Predictions over all pieces.
    pub(in crate::engine) voice: VoiceResult,
    /// Samples in which the speaker is active, alone or not.
    pub(in crate::engine) speech: usize,
    pub(in crate::engine) turns: Vec<Segment>,
}

/// A piece and the network's output for it.
#[derive(Debug)]
pub(super) struct PieceOutput {
    pub(super) piece: Piece,
    pub(super) output: ChunkOutput,
    /// Unit vector; `None` for silence.
    pub(super) embedding: Option<Vec<f32>>,
}

/// Computes the results of speakers.
pub(super) struct ResultBuilder<'a> {
    pub(super) rules: DecisionRules<'a>,
    pub(super) options: &'a Options,
    pub(super) rate_hz: u32,
    /// Number of samples of the signal.
    pub(super) samples: usize,
}

impl ResultBuilder<'_> {
    /// The result of a speaker from its pieces in order, with the turn ranges of all speakers.
    pub(super) fn speaker(
        &self,
        speaker: usize,
        pieces: &[&PieceOutput],
        turn_ranges: &[Vec<Range<usize>>],
    ) -> SpeakerResult {
        let mut aggregate = Aggregate::default();
        for piece in pieces {
            aggregate.add(&piece.output);
        }
        let mut tally = Tally::default();
        let mut turns = Vec::with_capacity(turn_ranges[speaker].len());
        for range in &turn_ranges[speaker] {
            let range = range.start.min(self.samples)..range.end.min(self.samples);
            let turn = self.turn(&range, pieces, overlap(&range, speaker, turn_ranges));
            tally.add(&turn);
            turns.push(turn);
        }
        let no_answer = aggregate.main_reason().unwrap_or_else(|| without_pieces(&turns));
        SpeakerResult {
            voice: VoiceResult { aggregate, no_answer, tally: Some(tally) },
            speech: turn_ranges[speaker].iter().map(Range::len).sum(),
            turns,
        }
    }

    /// A turn, predicted from the pieces in it, each weighted by the samples that it has in the turn.
    fn turn(&self, range: &Range<usize>, pieces: &[&PieceOutput], overlap: usize) -> Segment {
        let mut sums = WeightedSums::default();
        let mut reason = None;
        for PieceOutput { piece, output, .. } in pieces {
            let shared = |part: &Range<usize>| part.end.min(range.end).saturating_sub(part.start.max(range.start));
            let weight: usize = piece.alone.iter().map(shared).sum();
            match &output.outcome {
                _ if weight == 0 => {}
                Outcome::Predicted(predicted) => sums.add(predicted, weight as f64),
                Outcome::Rejected(rejected) => reason = reason.or(Some(*rejected)),
            }
        }
        let decision = if let Some(mean) = sums.mean() {
            Decision::new(&mean, self.rules, self.options)
        } else {
            let absent = if 2 * overlap >= range.len() { NoAnswer::Overlap } else { NoAnswer::TooShort };
            Decision::none(self.options.heads, reason.unwrap_or(absent))
        };
        let seconds = |samples: usize| rounded(samples as f64 / f64::from(self.rate_hz), 3);
        Segment {
            start_s: seconds(range.start),
            end_s: seconds(range.end),
            speech_share: Some(1.0),
            overlap_s: Some(seconds(overlap)),
            predictions: decision.predictions,
            withheld: decision.withheld,
            no_answer: decision.no_answer,
            familiarity: decision.familiarity,
        }
    }
}

/// Why a speaker without pieces has no prediction.
fn without_pieces(turns: &[Segment]) -> NoAnswer {
    let overlaps = turns.iter().any(|turn| turn.no_answer == Some(NoAnswer::Overlap));
    if overlaps { NoAnswer::Overlap } else { NoAnswer::TooShort }
}
