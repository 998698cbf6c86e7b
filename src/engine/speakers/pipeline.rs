//! Speaker pipeline: state of one signal, from samples to speakers.

use std::collections::VecDeque;
use std::ops::Range;

use crate::engine::aggregate::Aggregate;
use crate::engine::chunk_output::ChunkOutput;
use crate::engine::chunker::{Chunk, Chunker};
use crate::engine::decision::DecisionRules;
use crate::engine::no_answer::NoAnswer;
use crate::engine::options::Options;
use crate::engine::voice_pipeline::VoiceResult;
use crate::error::Result;
use crate::models::segmentation::{Segmentation, SpeakerEmbedding};

use super::clustering::{ClusteringOptions, Item, centroids, dot};
use super::frames::{FrameGrid, SegmentedWindow};
use super::options::Speakers;
use super::pieces::{Piece, border, pieces};
use super::result::{PieceOutput, ResultBuilder, SignalResult, SpeakerResult};
use super::turn_ranges::{TurnRangeOptions, turn_ranges};

/// Windows that overlap each sample.
const OVERLAP: usize = 2;
/// Speech alone that a piece needs to be clustered, seconds.
const MIN_CLUSTERED_S: f64 = 1.0;
/// Speech alone that a speaker of the recording has at least in such pieces, seconds.
const MIN_SPEAKER_S: f64 = 2.0;
/// A pause of a speaker that is no end of a turn, seconds.
const LONGEST_GAP_S: f64 = 0.3;
/// The shortest turn, seconds.
const SHORTEST_TURN_S: f64 = 0.1;

/// State of one signal: one window of it, and for each piece of up to 3 s an embedding and the
/// predictions, about 1 kB: 2 MB for an hour of speech.
#[derive(Debug)]
pub(in crate::engine) struct SpeakerPipeline<'a> {
    /// The channel, counted from 1; 0 is the mean of all.
    channel: u16,
    chunker: Chunker,
    rate_hz: u32,
    grid: FrameGrid,
    /// The longest and the shortest input of the model, samples.
    chunk_len: usize,
    min_samples: usize,
    /// The shortest input of which predictions are reported, samples.
    min_predicted: usize,
    embedding: &'a SpeakerEmbedding,
    /// The last window, whose pieces are not cut yet.
    last: Option<LastWindow>,
    /// Number of windows so far.
    windows: usize,
    /// Where the responsibility of the last window begins.
    zone_start: usize,
    /// Pieces whose outputs have not come yet, in order.
    pending: VecDeque<Piece>,
    done: Vec<PieceOutput>,
    whole: Aggregate,
    too_short: bool,
    /// Whether all windows so far are silent.
    is_silent: bool,
}

#[derive(Debug)]
struct LastWindow {
    segmented: SegmentedWindow,
    samples: Vec<f32>,
}

/// Inputs of the model in samples.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct InputLimits {
    /// The longest.
    pub(in crate::engine) longest: usize,
    /// The shortest that the network accepts.
    pub(in crate::engine) shortest: usize,
    /// The shortest of which predictions are reported.
    pub(in crate::engine) shortest_predicted: usize,
}

impl<'a> SpeakerPipeline<'a> {
    pub(in crate::engine) fn new(channel: u16, segmentation: &'a Segmentation, limits: InputLimits) -> Result<Self> {
        let recipe = &segmentation.manifest().segmentation;
        let (window, rate_hz) = (recipe.chunk_samples(), recipe.sample_rate_hz);
        Ok(Self {
            channel,
            chunker: Chunker::new(window, Some((window / OVERLAP).max(1))),
            rate_hz,
            grid: FrameGrid::new(recipe),
            chunk_len: limits.longest,
            min_samples: limits.shortest,
            min_predicted: limits.shortest_predicted,
            embedding: segmentation.require_embedding()?,
            last: None,
            windows: 0,
            zone_start: 0,
            pending: VecDeque::new(),
            done: Vec::new(),
            whole: Aggregate::default(),
            too_short: false,
            is_silent: true,
        })
    }

    /// The channel, counted from 1; 0 is the mean of all.
    pub(in crate::engine) fn channel(&self) -> u16 {
        self.channel
    }

    /// Adds samples, and passes on the windows that are complete.
    pub(in crate::engine) fn push(&mut self, samples: &[f32], ready: &mut dyn FnMut(Chunk)) {
        self.chunker.push(samples, ready);
    }

    /// The last window, after all samples were added; `None` if they are too few.
    pub(in crate::engine) fn last_window(&mut self) -> Option<Chunk> {
        if self.chunker.samples() >= self.min_predicted {
            return self.chunker.last();
        }
        self.too_short = true;
        None
    }

    /// Adds the next window and its masks (`None` for silence), and passes on the pieces of the window before it.
    pub(in crate::engine) fn add_window(
        &mut self,
        window: Chunk,
        active: Option<Vec<u8>>,
        ready: &mut dyn FnMut(Chunk),
    ) {
        if let Some(last) = &self.last {
            let end = border(&last.segmented, window.start, self.grid, self.rate_hz);
            self.cut(end, ready);
        }
        self.is_silent &= active.is_none();
        let (start, length) = (window.start, window.samples.len());
        let segmented = SegmentedWindow { start, length, active: active.unwrap_or_default() };
        self.last = Some(LastWindow { segmented, samples: window.samples });
        self.windows += 1;
    }

    /// After the last window: passes on its pieces.
    pub(in crate::engine) fn close(&mut self, ready: &mut dyn FnMut(Chunk)) {
        self.cut(usize::MAX, ready);
    }

    /// Passes on the pieces of the last window up to sample `end`. Where a speaker is not alone long
    /// enough for the network, it gets the whole piece, for the embedding only.
    fn cut(&mut self, end: usize, ready: &mut dyn FnMut(Chunk)) {
        let Some(LastWindow { segmented, samples }) = self.last.take() else { return };
        let zone = self.zone_start..end;
        self.zone_start = end;
        for piece in pieces(&segmented, self.windows - 1, &zone, self.grid, (self.chunk_len, self.rate_hz)) {
            let alone = piece.alone_len();
            let rejected = match () {
                () if piece.span.len() < self.min_samples => {
                    // too short even for an embedding: it belongs to a turn only together with others
                    continue;
                }
                () if alone < self.min_samples => Some(NoAnswer::Overlap),
                () if alone < self.min_predicted => Some(NoAnswer::TooShort),
                () => None,
            };
            let whole = std::slice::from_ref(&piece.span);
            let ranges = if alone < self.min_samples { whole } else { &piece.alone };
            let at = |sample: usize| sample - segmented.start;
            let parts = ranges.iter().map(|range| &samples[at(range.start)..at(range.end)]);
            let samples = parts.collect::<Vec<_>>().concat();
            ready(Chunk { start: piece.span.start, fresh: samples.len(), timeline: false, rejected, samples });
            self.pending.push_back(piece);
        }
    }

    /// Adds the output of the next piece, in their order.
    pub(in crate::engine) fn take(&mut self, mut output: ChunkOutput) {
        self.whole.add(&output);
        let Some(piece) = self.pending.pop_front() else { return };
        let embedding = output.statistics.take().map(|statistics| self.embedding.run(&statistics));
        self.done.push(PieceOutput { piece, output, embedding });
    }

    /// Ends the signal, after all pieces were processed.
    pub(in crate::engine) fn finish(
        self,
        speakers: Speakers,
        rules: DecisionRules<'_>,
        options: &Options,
    ) -> SignalResult {
        let no_answer = match self.whole.main_reason() {
            _ if self.too_short => NoAnswer::TooShort,
            _ if self.is_silent => NoAnswer::Silence,
            reason => reason.unwrap_or(NoAnswer::NoSpeech),
        };
        let centroids = self.centroids(speakers);
        let labels = self.labels(&centroids);
        let turn_ranges = self.turn_ranges(centroids.len(), &labels);
        let samples = self.chunker.samples();
        let builder = ResultBuilder { rules, options, rate_hz: self.rate_hz, samples };
        let mut results: Vec<SpeakerResult> = (0..turn_ranges.len())
            .filter(|speaker| !turn_ranges[*speaker].is_empty())
            .map(|speaker| {
                let own = self.done.iter().zip(&labels).filter(|(_, label)| **label == Some(speaker));
                let pieces: Vec<&PieceOutput> = own.map(|(piece, _)| piece).collect();
                builder.speaker(speaker, &pieces, &turn_ranges)
            })
            .collect();
        results.sort_by(|a, b| first_start(a).total_cmp(&first_start(b)));
        SignalResult { speakers: results, whole: VoiceResult { aggregate: self.whole, no_answer, tally: None } }
    }

    /// The speakers as unit vectors.
    fn centroids(&self, speakers: Speakers) -> Vec<Vec<f32>> {
        let seconds = |piece: &Piece| piece.alone_len() as f64 / f64::from(self.rate_hz);
        let options = ClusteringOptions { min: speakers.min, max: speakers.max, min_weight: MIN_SPEAKER_S as f32 };
        // without long pieces the short ones have to do
        for least in [MIN_CLUSTERED_S, f64::MIN_POSITIVE, 0.0] {
            let long = self.done.iter().filter(|done| seconds(&done.piece) >= least && done.embedding.is_some());
            let long: Vec<&PieceOutput> = long.collect();
            if long.is_empty() {
                continue;
            }
            let item = |(index, done): (usize, &&'_ PieceOutput)| Item {
                vector: long[index].embedding.as_deref().unwrap_or_default(),
                weight: seconds(&done.piece).max(f64::from(f32::EPSILON)) as f32,
                others: simultaneous(&long, index, |piece| &piece.piece),
            };
            return centroids(&long.iter().enumerate().map(item).collect::<Vec<_>>(), options);
        }
        Vec::new()
    }

    /// The speaker of each piece: the nearest one; simultaneous pieces have different speakers, the
    /// longer piece first.
    fn labels(&self, centroids: &[Vec<f32>]) -> Vec<Option<usize>> {
        let mut labels: Vec<Option<usize>> = vec![None; self.done.len()];
        let mut order: Vec<usize> = (0..self.done.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.done[*index].piece.alone_len()));
        for index in order {
            let Some(vector) = &self.done[index].embedding else { continue };
            let taken: Vec<usize> = simultaneous(&self.done, index, |done| &done.piece)
                .into_iter()
                .filter_map(|other| labels[other])
                .collect();
            let free = (0..centroids.len()).filter(|speaker| !taken.contains(speaker));
            labels[index] = free.max_by(|a, b| dot(vector, &centroids[*a]).total_cmp(&dot(vector, &centroids[*b])));
        }
        labels
    }

    /// When each speaker is active. A piece without embedding belongs to nobody.
    fn turn_ranges(&self, speakers: usize, labels: &[Option<usize>]) -> Vec<Vec<Range<usize>>> {
        let samples = |seconds: f64| (seconds * f64::from(self.rate_hz)) as usize;
        let options = TurnRangeOptions { longest_gap: samples(LONGEST_GAP_S), shortest: samples(SHORTEST_TURN_S) };
        let labelled = self.done.iter().zip(labels);
        let spans = labelled.filter_map(|(done, label)| Some(((*label)?, done.piece.span.clone())));
        turn_ranges(spans, speakers, options)
    }
}

/// Indices of the pieces that are simultaneous with one of them. Pieces are in the order of their
/// windows, so only those around it are compared.
fn simultaneous<T>(all: &[T], index: usize, piece: impl Fn(&T) -> &Piece) -> Vec<usize> {
    let own = piece(&all[index]);
    let before = (0..index).rev().take_while(|other| piece(&all[*other]).window == own.window);
    let after = (index + 1..all.len()).take_while(|other| piece(&all[*other]).window == own.window);
    before.chain(after).filter(|other| own.is_simultaneous(piece(&all[*other]))).collect()
}

fn first_start(speaker: &SpeakerResult) -> f64 {
    speaker.turns.first().map_or(f64::INFINITY, |turn| turn.start_s)
}
