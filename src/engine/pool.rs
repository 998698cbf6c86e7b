//! Worker pool: threads that process chunks.
//!
//! Chunks are distributed in contiguous runs and their outputs are returned in the order of the
//! chunks, so the number of threads changes no bit of the result. A chunk that is alone gets all
//! threads, as far as its network can use them.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::models::Model;

use super::chunk_output::ChunkOutput;
use super::chunk_worker::{ChunkContext, ChunkWorker, Scratch};
use super::chunker::Chunk;
use super::control::{Control, Progress};

/// Chunks for a thread at a time if there are several: enough to make the hand-over cheap, and 1.5
/// MB of samples.
const CHUNKS_PER_THREAD: usize = 8;

/// A chunk, and the index of the signal that it belongs to.
pub(super) type Task = (usize, Chunk);

/// Receives the outputs of each signal's chunks.
pub(super) type Take<'a> = dyn FnMut(usize, ChunkOutput) -> Result<()> + 'a;

/// Work spaces that are not in use; at most as many as there ever were threads at one time.
#[derive(Debug, Default)]
pub(super) struct WorkerPool {
    idle: Mutex<Vec<Scratch>>,
}

/// Number of chunks to process together.
pub(super) fn batch(threads: usize) -> usize {
    if threads == 1 { 1 } else { threads * CHUNKS_PER_THREAD }
}

impl WorkerPool {
    /// With one work space, which checks that the model's front-end can be built.
    pub(super) fn new(model: &Model) -> Result<Self> {
        Ok(Self { idle: Mutex::new(vec![Scratch::new(model)?]) })
    }

    /// Processes `ready` and empties it.
    pub(super) fn run(
        &self,
        context: ChunkContext<'_>,
        ready: &mut Vec<Task>,
        control: &mut dyn Control,
        progress: &Progress,
        take: &mut Take<'_>,
    ) -> Result<()> {
        let threads = context.options.threads;
        if threads == 1 || ready.len() == 1 {
            for task in ready.drain(..) {
                control.step(progress)?;
                self.run_on_this_thread(context, &[task], threads)?
                    .into_iter()
                    .try_for_each(|(signal, output)| take(signal, output))?;
            }
            return Ok(());
        }
        control.step(progress)?;
        for outputs in self.run_on_threads(context, ready) {
            outputs?.into_iter().try_for_each(|(signal, output)| take(signal, output))?;
        }
        ready.clear();
        Ok(())
    }

    fn run_on_threads(&self, context: ChunkContext<'_>, ready: &[Task]) -> Vec<Result<Vec<(usize, ChunkOutput)>>> {
        let share = ready.len().div_ceil(context.options.threads).max(1);
        std::thread::scope(|scope| {
            let started: Vec<_> = ready
                .chunks(share)
                .map(|tasks| scope.spawn(move || self.run_on_this_thread(context, tasks, 1)))
                .collect();
            let crashed = |_| Err(Error::Internal("a worker thread ended early; please report it".into()));
            started.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
        })
    }

    /// Processes chunks one after the other, each on `threads` threads, in an idle work space or a
    /// new one.
    fn run_on_this_thread(
        &self,
        context: ChunkContext<'_>,
        tasks: &[Task],
        threads: usize,
    ) -> Result<Vec<(usize, ChunkOutput)>> {
        // Results do not depend on a work space's contents, so one left by a thread that crashed is
        // as good.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.map_or_else(|| Scratch::new(context.model), Ok)?;
        scratch.set_threads(threads);
        let mut worker = ChunkWorker { context, scratch: &mut scratch };
        let outputs = tasks.iter().map(|(signal, chunk)| Ok((*signal, worker.run(chunk)?))).collect();
        idle().push(scratch);
        outputs
    }
}
