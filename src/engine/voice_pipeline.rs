//! Voice pipeline: chunker, aggregate and smoother of one signal (a channel, or the mean of all
//! channels).

use crate::error::Result;

use super::aggregate::Aggregate;
use super::chunk_output::ChunkOutput;
use super::chunker::{Chunk, Chunker};
use super::no_answer::NoAnswer;
use super::observer::Observer;
use super::smoother::Smoother;
use super::summary::Tally;

/// State of one signal: a few chunks of it, and sums.
#[derive(Debug)]
pub(super) struct VoicePipeline<'a> {
    /// The channel, counted from 1; 0 is the mean of all.
    channel: u16,
    chunker: Chunker,
    aggregate: Aggregate,
    too_short: bool,
    /// `None` without a timeline.
    timeline: Option<(Smoother<'a>, Tally)>,
}

/// Result of one signal.
#[derive(Debug)]
pub(super) struct VoiceResult {
    pub(super) aggregate: Aggregate,
    /// The reason to give if no chunk was predicted.
    pub(super) no_answer: NoAnswer,
    /// `None` without a timeline.
    pub(super) tally: Option<Tally>,
}

impl Default for VoiceResult {
    /// Of a signal that is too short.
    fn default() -> Self {
        Self { aggregate: Aggregate::default(), no_answer: NoAnswer::TooShort, tally: None }
    }
}

impl<'a> VoicePipeline<'a> {
    pub(super) fn new(channel: u16, chunker: Chunker, smoother: Option<Smoother<'a>>) -> Self {
        let timeline = smoother.map(|smoother| (smoother, Tally::default()));
        Self { channel, chunker, aggregate: Aggregate::default(), too_short: false, timeline }
    }

    /// The channel, counted from 1; 0 is the mean of all.
    pub(super) fn channel(&self) -> u16 {
        self.channel
    }

    /// Adds samples, and passes on the chunks that are complete.
    pub(super) fn push(&mut self, samples: &[f32], ready: &mut dyn FnMut(Chunk)) {
        self.chunker.push(samples, ready);
    }

    /// The last chunk, after all samples were added. `None` if they are fewer than `min_samples`;
    /// then no earlier chunk counts either.
    pub(super) fn last_chunk(&mut self, min_samples: usize) -> Option<Chunk> {
        if self.chunker.samples() >= min_samples {
            return self.chunker.last();
        }
        self.too_short = true;
        None
    }

    /// Adds the output of the next chunk, in their order.
    pub(super) fn take(&mut self, output: ChunkOutput, observer: &mut dyn Observer) -> Result<()> {
        self.aggregate.add(&output);
        let Some((smoother, tally)) = self.timeline.as_mut().filter(|_| !output.overlaps.is_empty()) else {
            return Ok(());
        };
        let channel = self.channel;
        smoother.push(output, &mut |segment| {
            tally.add(segment);
            observer.segment(channel, segment)
        })
    }

    /// Ends the signal, after all chunks were processed.
    pub(super) fn finish(self, observer: &mut dyn Observer) -> Result<VoiceResult> {
        let Self { channel, chunker, aggregate, too_short, timeline } = self;
        let tally = match timeline {
            None => None,
            Some((mut smoother, mut tally)) => {
                smoother.finish(chunker.samples(), &mut |segment| {
                    tally.add(segment);
                    observer.segment(channel, segment)
                })?;
                Some(tally)
            }
        };
        if too_short {
            return Ok(VoiceResult { tally, ..VoiceResult::default() });
        }
        let no_answer = aggregate.main_reason().unwrap_or(NoAnswer::Silence);
        Ok(VoiceResult { aggregate, no_answer, tally })
    }
}
