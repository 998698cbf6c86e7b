//! Smoother: predictions of overlapping chunks to consecutive segments.
//!
//! ```text
//! chunks     |-------- 0 --------|
//!                  |-------- 1 --------|
//!                        |-------- 2 --------|     weights of 0, 1, 2 for c: 1/2, 1, 1/2
//! segments  |  a  |  b  |  c  |  d  |  e  |  …
//! ```
//!
//! A segment is emitted as soon as no later chunk can touch it: chunks come in the order of their
//! starts.

use std::collections::VecDeque;
use std::ops::Range;

use super::chunk_output::{ChunkOutput, Outcome, Overlap};
use super::decision::{Decision, DecisionRules};
use super::mean::{MeanOutput, WeightedSums};
use super::no_answer::NoAnswer;
use super::options::Options;
use super::round::rounded;
use super::timeline::{Segment, Smoothing};
use crate::error::Result;

/// A segment with a smaller share of speech contains none: a tenth of a second in one of 1 s, less
/// than a syllable.
const MIN_SPEECH_SHARE: f64 = 0.1;

/// Receives each segment.
pub(super) type Emit<'a> = dyn FnMut(&Segment) -> Result<()> + 'a;

/// Turns one signal's chunks into segments, as they come.
#[derive(Debug)]
pub(super) struct Smoother<'a> {
    rate_hz: u32,
    hop: usize,
    smoothing: Smoothing,
    rules: DecisionRules<'a>,
    options: &'a Options,
    /// The chunks that later segments may touch.
    chunks: VecDeque<ChunkOutput>,
    /// Index of the next segment.
    next: usize,
}

impl<'a> Smoother<'a> {
    /// Segments of `hop` samples at `rate_hz`.
    pub(super) fn new(
        rate_hz: u32,
        hop: usize,
        smoothing: Smoothing,
        rules: DecisionRules<'a>,
        options: &'a Options,
    ) -> Self {
        Self { rate_hz, hop, smoothing, rules, options, chunks: VecDeque::new(), next: 0 }
    }

    /// Adds the next chunk, and emits the segments that end before it starts.
    pub(super) fn push(&mut self, chunk: ChunkOutput, emit: &mut Emit<'_>) -> Result<()> {
        while (self.next + 1) * self.hop <= chunk.start {
            self.emit((self.next + 1) * self.hop, emit)?;
        }
        let from = self.next * self.hop;
        self.chunks.retain(|c| c.start + c.length > from);
        self.chunks.push_back(chunk);
        Ok(())
    }

    /// Ends a signal of `samples` samples: emits the remaining segments. A rest of half a hop or
    /// more is a segment of its own; a shorter one belongs to the segment before.
    pub(super) fn finish(&mut self, samples: usize, emit: &mut Emit<'_>) -> Result<()> {
        while self.next * self.hop < samples {
            let end = (self.next + 1) * self.hop;
            let is_last = samples < end + self.hop.div_ceil(2);
            self.emit(if is_last { samples } else { end }, emit)?;
            self.next += usize::from(is_last);
        }
        Ok(())
    }

    /// Emits segment `next`, which ends at sample `end`.
    fn emit(&mut self, end: usize, emit: &mut Emit<'_>) -> Result<()> {
        let start = self.next * self.hop;
        let hops = self.next..end.div_ceil(self.hop);
        let overlaps = self.chunks.iter().filter_map(|chunk| overlap(chunk, hops.clone(), self.hop));
        // The overlap that contains most of it; of equal ones the one with most speech.
        let overlap = overlaps.max_by_key(|overlap| (overlap.length, overlap.speech));
        let decision = self.decide(start, end, overlap);
        // Share of the overlap, because a last segment may be longer than any chunk that it
        // touches.
        let share = overlap.map_or(0.0, |overlap| overlap.speech as f64 / overlap.length.max(1) as f64);
        let seconds = |samples: usize| rounded(samples as f64 / f64::from(self.rate_hz), 6);
        let segment = Segment {
            start_s: seconds(start),
            end_s: seconds(end),
            speech_share: self.options.activity.then(|| rounded(share, 3)),
            overlap_s: None,
            predictions: decision.predictions,
            withheld: decision.withheld,
            no_answer: decision.no_answer,
            familiarity: decision.familiarity,
        };
        self.next += 1;
        emit(&segment)
    }

    fn decide(&self, start: usize, end: usize, overlap: Option<Overlap>) -> Decision {
        let none = |reason| Decision::none(self.options.heads, reason);
        let nearest = self.nearest(start, end);
        let rejected = nearest.and_then(|chunk| match chunk.outcome {
            Outcome::Predicted(_) => None,
            Outcome::Rejected(reason) => Some(reason),
        });
        let Some(overlap) = overlap else {
            return none(NoAnswer::TooShort);
        };
        if overlap.silent {
            return none(NoAnswer::Silence);
        }
        if self.options.activity && (overlap.speech as f64) < MIN_SPEECH_SHARE * (end - start) as f64 {
            // Clipping and silence may be why no speech was found; noise is irrelevant where there
            // is no speech.
            let reason = rejected.filter(|reason| matches!(reason, NoAnswer::Clipped | NoAnswer::Silence));
            return none(reason.unwrap_or(NoAnswer::NoSpeech));
        }
        match self.mean(start, end, nearest) {
            Some(mean) => Decision::new(&mean, self.rules, self.options),
            None => none(rejected.unwrap_or(NoAnswer::NoSpeech)),
        }
    }

    /// The weighted mean over the predicted chunks; `None` if there are none.
    fn mean(&self, start: usize, end: usize, nearest: Option<&ChunkOutput>) -> Option<MeanOutput> {
        let mut sums = WeightedSums::default();
        let mut add = |chunk: &ChunkOutput, weight: f64| match &chunk.outcome {
            Outcome::Predicted(output) if weight > 0.0 => sums.add(output, weight),
            _ => {}
        };
        match self.smoothing {
            Smoothing::Overlap => self.chunks.iter().for_each(|chunk| add(chunk, weight(chunk, start, end))),
            Smoothing::None => nearest.into_iter().for_each(|chunk| add(chunk, 1.0)),
        }
        sums.mean()
    }

    /// The chunk whose centre is nearest to that of the segment; of two the earlier one.
    fn nearest(&self, start: usize, end: usize) -> Option<&ChunkOutput> {
        self.chunks.iter().min_by_key(|chunk| distance(chunk, start, end))
    }
}

/// Overlap of a chunk with a segment of one hop or two; `None` if it does not touch it.
fn overlap(chunk: &ChunkOutput, hops: Range<usize>, hop: usize) -> Option<Overlap> {
    let first = chunk.start / hop;
    let overlaps = hops.filter_map(|index| chunk.overlaps.get(index.checked_sub(first)?));
    overlaps.copied().reduce(|a, b| Overlap {
        length: a.length + b.length,
        speech: a.speech + b.speech,
        silent: a.silent && b.silent,
    })
}

/// Twice the distance of the centres, samples.
fn distance(chunk: &ChunkOutput, start: usize, end: usize) -> usize {
    (2 * chunk.start + chunk.length).abs_diff(start + end)
}

/// See [`Smoothing::Overlap`].
fn weight(chunk: &ChunkOutput, start: usize, end: usize) -> f64 {
    1.0 - distance(chunk, start, end) as f64 / (chunk.length + end - start) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chunker::{Chunk, Chunker};
    use crate::models::heads::{Classes, HeadsRecipe, Output};
    use serde_json::json;

    const RATE: u32 = 10;

    fn recipe() -> HeadsRecipe {
        HeadsRecipe::parse(json!({"emotion": {"labels": ["a", "d", "f", "h", "n", "s"], "temperature": 1.0},
            "gender": {"labels": ["female", "male"], "temperature": 1.0},
            "age": {"mean_years": 40.0, "scale_years": 10.0}}))
        .unwrap()
    }

    /// An output whose first emotion and age depend on its first sample.
    fn output(start: usize) -> Output {
        let p = (start % 97) as f32 / 97.0;
        let probabilities = [p, 1.0 - p, 0.0, 0.0, 0.0, 0.0];
        Output {
            emotion: Some(Classes { probabilities, logits: [0.0; 6] }),
            gender: Some(Classes { probabilities: [1.0 - p, p], logits: [0.0; 2] }),
            age_years: Some(20.0 + 50.0 * p),
            distance: None,
        }
    }

    /// A chunk with predictions, all of it speech.
    fn predicted(chunk: &Chunk, hop: usize) -> ChunkOutput {
        let (start, length) = (chunk.start, chunk.samples.len());
        let overlap = |index: usize| {
            let within = ((index + 1) * hop).min(start + length) - (index * hop).max(start);
            Overlap { length: within, speech: within, silent: false }
        };
        let overlaps = (start / hop..(start + length).div_ceil(hop)).map(overlap).collect();
        let outcome = Outcome::Predicted(output(start));
        ChunkOutput { overlaps, ..ChunkOutput::new(outcome, start, length, chunk.fresh) }
    }

    /// The timeline's chunks of a signal of `n` samples, 30 samples each.
    fn outputs(n: usize, hop: usize) -> Vec<ChunkOutput> {
        let (mut chunker, mut out) = (Chunker::new(30, Some(hop)), Vec::new());
        chunker.push(&vec![0.0; n], &mut |chunk| out.push(chunk));
        out.extend(chunker.last());
        out.iter().filter(|chunk| chunk.timeline).map(|chunk| predicted(chunk, hop)).collect()
    }

    fn smooth(outputs: &[ChunkOutput], n: usize, hop: usize, smoothing: Smoothing) -> Vec<Segment> {
        let (recipe, options) = (recipe(), Options::default());
        let mut segments = Vec::new();
        let mut emit = |segment: &Segment| {
            segments.push(segment.clone());
            Ok(())
        };
        let rules = DecisionRules { heads: &recipe, domain: None };
        let mut smoother = Smoother::new(RATE, hop, smoothing, rules, &options);
        for output in outputs {
            smoother.push(output.clone(), &mut emit).unwrap();
            assert!(smoother.chunks.len() <= 2 * 30 / hop + 2, "{} chunks held", smoother.chunks.len());
        }
        smoother.finish(n, &mut emit).unwrap();
        segments
    }

    fn first_emotion(segment: &Segment) -> f64 {
        segment.predictions.emotion.as_ref().unwrap().probabilities[0].1
    }

    #[test]
    fn segments_are_consecutive_from_0_to_the_end() {
        for hop in [1, 4, 10, 29, 30] {
            for n in [1, 3, 10, 14, 15, 29, 30, 31, 44, 45, 100] {
                let segments = smooth(&outputs(n, hop), n, hop, Smoothing::Overlap);
                let hop_s = hop as f64 / f64::from(RATE);
                assert_eq!(
                    (segments[0].start_s, segments.last().unwrap().end_s),
                    (0.0, n as f64 / 10.0),
                    "{n} by {hop}"
                );
                assert!(segments.windows(2).all(|pair| pair[0].end_s == pair[1].start_s), "{n} by {hop}");
                let (last, whole) = segments.split_last().unwrap();
                assert!(whole.iter().all(|s| (s.length_s() - hop_s).abs() < 1e-9), "{n} by {hop}");
                assert!(last.length_s() < 1.5 * hop_s + 1e-9, "{n} by {hop}");
                assert!(whole.is_empty() || last.length_s() >= 0.5 * hop_s - 1e-9, "{n} by {hop}");
                assert!(segments.iter().all(|s| s.no_answer.is_none() && s.speech_share == Some(1.0)), "{n} by {hop}");
            }
        }
    }

    /// The definition, over all chunks at once, in f64.
    #[test]
    fn the_weights_are_triangular() {
        for (n, hop) in [(100, 10), (103, 10), (100, 7), (95, 30), (20, 10), (64, 4)] {
            let all = outputs(n, hop);
            for segment in smooth(&all, n, hop, Smoothing::Overlap) {
                let (mut sum, mut weights) = (0.0, 0.0);
                for chunk in &all {
                    let length = chunk.length as f64 / 10.0;
                    let centre = chunk.start as f64 / 10.0 + length / 2.0;
                    let distance = (centre - f64::midpoint(segment.start_s, segment.end_s)).abs();
                    let weight = (1.0 - 2.0 * distance / (length + segment.length_s())).max(0.0);
                    sum += weight * f64::from(output(chunk.start).emotion.unwrap().probabilities[0]);
                    weights += weight;
                }
                approx::assert_abs_diff_eq!(first_emotion(&segment), sum / weights, epsilon = 2e-6);
            }
        }
    }

    #[test]
    fn with_a_hop_of_a_third_the_middle_chunk_counts_twice() {
        let all = outputs(150, 10);
        let of = |k: usize| f64::from(output(10 * k).emotion.unwrap().probabilities[0]);
        let smoothed = smooth(&all, 150, 10, Smoothing::Overlap);
        approx::assert_abs_diff_eq!(
            first_emotion(&smoothed[5]),
            0.25 * of(3) + 0.5 * of(4) + 0.25 * of(5),
            epsilon = 2e-6
        );
        let raw = smooth(&all, 150, 10, Smoothing::None);
        approx::assert_abs_diff_eq!(first_emotion(&raw[5]), of(4), epsilon = 2e-6);
        // segments at the ends have no chunk centred on them
        approx::assert_abs_diff_eq!(first_emotion(&raw[0]), of(0), epsilon = 2e-6);
        approx::assert_abs_diff_eq!(first_emotion(&raw[14]), of(12), epsilon = 2e-6);
    }

    #[test]
    fn without_overlap_there_is_nothing_to_smooth() {
        let all = outputs(90, 30);
        assert_eq!(smooth(&all, 90, 30, Smoothing::Overlap), smooth(&all, 90, 30, Smoothing::None));
    }

    /// Six segments of one chunk each, with every reason.
    #[test]
    fn a_segment_without_predictions_has_its_reason() {
        let mut all = outputs(180, 30);
        all[1].overlaps[0].silent = true;
        all[2].overlaps[0].speech = 2;
        all[3].outcome = Outcome::Rejected(NoAnswer::TooNoisy);
        all[4].outcome = Outcome::Rejected(NoAnswer::Clipped);
        (all[4].overlaps[0].speech, all[5].overlaps[0].speech) = (0, 3);
        let reasons: Vec<_> =
            smooth(&all, 180, 30, Smoothing::Overlap).iter().map(|segment| segment.no_answer).collect();
        let (silence, no_speech) = (Some(NoAnswer::Silence), Some(NoAnswer::NoSpeech));
        assert_eq!(reasons, [None, silence, no_speech, Some(NoAnswer::TooNoisy), Some(NoAnswer::Clipped), None]);
    }

    #[test]
    fn rejected_chunks_do_not_count() {
        let mut all = outputs(90, 10);
        all[1].outcome = Outcome::Rejected(NoAnswer::Clipped);
        let segments = smooth(&all, 90, 10, Smoothing::Overlap);
        let of = |k: usize| f64::from(output(10 * k).emotion.unwrap().probabilities[0]);
        approx::assert_abs_diff_eq!(first_emotion(&segments[2]), f64::midpoint(of(0), of(2)), epsilon = 2e-6);
        assert_eq!(smooth(&all, 90, 10, Smoothing::None)[2].no_answer, Some(NoAnswer::Clipped));
    }

    #[test]
    fn a_signal_without_chunks_is_too_short_and_an_error_ends_it() {
        let segments = smooth(&[], 7, 10, Smoothing::Overlap);
        assert_eq!((segments.len(), segments[0].no_answer), (1, Some(NoAnswer::TooShort)));
        let (recipe, options) = (recipe(), Options::default());
        let rules = DecisionRules { heads: &recipe, domain: None };
        let mut smoother = Smoother::new(RATE, 10, Smoothing::Overlap, rules, &options);
        let stop = |_: &Segment| Err(crate::Error::usage("stopped"));
        assert!(smoother.finish(70, &mut { stop }).is_err());
    }
}
