//! Segmenter: windows through the segmentation network, on several threads.

use std::time::{Duration, Instant};

use crate::engine::chunker::Chunk;
use crate::engine::level::{level_dbfs, sum};
use crate::engine::options::Options;
use crate::error::{Error, Result};
use crate::models::segmentation::{Segmentation, SegmentationScratch};

/// Windows that go through the network together, so that its recurrent weights are read once for
/// all of them.
const PER_PASS: usize = 2;
/// Root mean square to which windows are scaled: the network's first norm is relative to the level,
/// but for a constant that would attenuate quiet recordings.
const LEVEL: f64 = 0.05;

/// The set of active local speakers in each frame of a window; `None` for silence.
type Active = Option<Vec<u8>>;

/// Runs windows of any signal. Results do not depend on how many there are at a time.
#[derive(Debug)]
pub(in crate::engine) struct Segmenter<'a> {
    segmentation: &'a Segmentation,
    options: &'a Options,
    /// One for each thread.
    scratches: Vec<SegmentationScratch>,
    time: Duration,
}

impl<'a> Segmenter<'a> {
    pub(in crate::engine) fn new(segmentation: &'a Segmentation, options: &'a Options) -> Self {
        let scratches = (0..options.threads).map(|_| SegmentationScratch::default()).collect();
        Self { segmentation, options, scratches, time: Duration::ZERO }
    }

    pub(in crate::engine) fn segmentation(&self) -> &'a Segmentation {
        self.segmentation
    }

    /// Number of windows to run together.
    pub(in crate::engine) fn batch(&self) -> usize {
        PER_PASS * self.options.threads
    }

    /// Time spent so far, summed over threads.
    pub(in crate::engine) fn time(&self) -> Duration {
        self.time
    }

    /// The set of active local speakers in each frame of each window, as bit masks; `None` for a
    /// silent window.
    pub(in crate::engine) fn run(&mut self, windows: &[&Chunk]) -> Result<Vec<Active>> {
        let (segmentation, options) = (self.segmentation, self.options);
        let mut passes: Vec<&[&Chunk]> = Vec::new();
        for same_length in windows.chunk_by(|a, b| a.samples.len() == b.samples.len()) {
            passes.extend(same_length.chunks(PER_PASS));
        }
        let mut results = Vec::with_capacity(windows.len());
        for round in passes.chunks(self.scratches.len().max(1)) {
            let run = |pass: &&[&Chunk], scratch: &mut SegmentationScratch| {
                let began = Instant::now();
                run_pass(segmentation, options, pass, scratch).map(|active| (active, began.elapsed()))
            };
            let of_round: Vec<Result<(Vec<Active>, Duration)>> = match round {
                [pass] => vec![run(pass, &mut self.scratches[0])],
                _ => std::thread::scope(|scope| {
                    let pairs = round.iter().zip(&mut self.scratches);
                    let started: Vec<_> =
                        pairs.map(|(pass, scratch)| scope.spawn(move || run(pass, scratch))).collect();
                    let crashed = |_| Err(Error::Internal("a worker thread ended early; please report it".into()));
                    started.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
                }),
            };
            for of_pass in of_round {
                let (active, time) = of_pass?;
                self.time += time;
                results.extend(active);
            }
        }
        Ok(results)
    }
}

/// Windows of one length.
fn run_pass(
    segmentation: &Segmentation,
    options: &Options,
    windows: &[&Chunk],
    scratch: &mut SegmentationScratch,
) -> Result<Vec<Active>> {
    let frames = segmentation.frames(windows.first().map_or(0, |window| window.samples.len()));
    let is_silent = |window: &Chunk| frames == 0 || level_dbfs(&window.samples) < options.silence_dbfs;
    let sounding: Vec<Option<Vec<f32>>> =
        windows.iter().map(|window| (!is_silent(window)).then(|| scaled(&window.samples))).collect();
    let inputs: Vec<&[f32]> = sounding.iter().flatten().map(Vec::as_slice).collect();
    let mut active = if inputs.is_empty() { Vec::new() } else { segmentation.run(&inputs, scratch)? }.into_iter();
    Ok(sounding.iter().map(|sounding| sounding.as_ref().and_then(|_| active.next())).collect())
}

/// Samples without offset at the level [`LEVEL`].
fn scaled(samples: &[f32]) -> Vec<f32> {
    let n = samples.len() as f64;
    let mean = sum(samples, |x| x) / n;
    let level = (sum(samples, |x| (x - mean).powi(2)) / n).sqrt();
    let gain = if level > 0.0 { LEVEL / level } else { 1.0 };
    samples.iter().map(|x| ((f64::from(*x) - mean) * gain) as f32).collect()
}
