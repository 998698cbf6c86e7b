//! The threads that answer windows.
//!
//! Windows are shared out in runs and their answers handed on in the order of the windows, so the number of threads changes no bit of the result.
//! A window that is alone has all threads, as far as its network can use them.

use std::sync::PoisonError;

use crate::error::{Error, Result};

use super::answer::{Answer, Scratch, Worker};
use super::control::{Control, Progress};
use super::pipeline::Engine;
use super::windows::Window;

/// Windows that a thread is given at a time if there are several: enough to make the hand-over cheap, and 1.5 MB of samples.
const WINDOWS_PER_THREAD: usize = 8;

/// A window, and the index of the signal that it belongs to.
pub(super) type Task = (usize, Window);

/// Is given the answers of each signal's windows.
pub(super) type Take<'a> = dyn FnMut(usize, Answer) -> Result<()> + 'a;

impl Engine {
    /// How many windows are worth being answered together.
    pub(super) fn batch(&self) -> usize {
        if self.options.threads == 1 { 1 } else { self.options.threads * WINDOWS_PER_THREAD }
    }

    /// Predictions `ready` and empties it.
    pub(super) fn answer(
        &self,
        ready: &mut Vec<Task>,
        control: &mut dyn Control,
        progress: &Progress,
        take: &mut Take<'_>,
    ) -> Result<()> {
        if self.options.threads == 1 || ready.len() == 1 {
            for task in ready.drain(..) {
                control.step(progress)?;
                self.answer_run(&[task], self.options.threads)?
                    .into_iter()
                    .try_for_each(|(signal, answer)| take(signal, answer))?;
            }
            return Ok(());
        }
        control.step(progress)?;
        for run in self.answer_together(ready) {
            run?.into_iter().try_for_each(|(signal, answer)| take(signal, answer))?;
        }
        ready.clear();
        Ok(())
    }

    fn answer_together(&self, ready: &[Task]) -> Vec<Result<Vec<(usize, Answer)>>> {
        let share = ready.len().div_ceil(self.options.threads).max(1);
        std::thread::scope(|scope| {
            let started: Vec<_> = ready.chunks(share).map(|run| scope.spawn(move || self.answer_run(run, 1))).collect();
            let crashed = |_| Err(Error::Config("a worker thread ended early".into()));
            started.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
        })
    }

    /// Predicts windows one after the other, each on so many threads, in scratch that lay idle or in new.
    fn answer_run(&self, run: &[Task], threads: usize) -> Result<Vec<(usize, Answer)>> {
        // No result depends on what scratch holds, so one left by a thread that crashed is as good.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.map_or_else(|| Scratch::new(&self.system), Ok)?;
        scratch.set_threads(threads);
        let (system, options, hop) = (&*self.system, &self.options, self.hop());
        let mut worker = Worker { system, options, hop, scratch: &mut scratch };
        let answers = run.iter().map(|(signal, window)| Ok((*signal, worker.answer(window)?))).collect();
        idle().push(scratch);
        answers
    }
}
