//! Sources of clips, and their prediction by any number of threads.
//!
//! The pool here is separate from the others because of its stop rule and its unit of work:
//! `engine`'s pool parallelises the chunks of one recording, `nn`'s the blocks of one product, and
//! the program's `batch` (above this layer) streams results in order within a memory limit. An
//! evaluation keeps all predictions, which are small, and stops handing out rows after the first
//! problem.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, NoControl, Recording, Report, Span};
use crate::error::{Error, Result};

use super::features::{ClipReader, FeatureFile};
use super::prediction::Prediction;
use super::problem::{Problem, Reason};
use super::records::{CLIPS, Record};
use super::table::Row;

/// Source of the clips of a table.
#[derive(Debug)]
pub(super) enum Source {
    /// Recordings, or segments of them.
    Audio,
    /// Tensors of a features file.
    Features(FeatureFile),
}

impl Source {
    /// Recordings, or the given features file.
    pub(super) fn open(features: Option<&Path>, engine: &Engine) -> Result<Self> {
        match features {
            Some(path) => Ok(Self::Features(FeatureFile::open(path, engine.model().manifest())?)),
            None => Ok(Self::Audio),
        }
    }

    /// The table's column with the clips' names.
    pub(super) fn clip_column(&self) -> &'static str {
        match self {
            Self::Audio => CLIPS,
            Self::Features(_) => "clip",
        }
    }

    /// A unique identity of a row's recording or tensor, or why it does not exist.
    pub(super) fn locate(&self, record: &Record, clip: &str) -> Result<String, String> {
        match self {
            Self::Audio => match record.file.canonicalize() {
                Ok(path) if path.is_file() => Ok(path.to_string_lossy().into_owned()),
                Ok(_) => Err("not a regular file".into()),
                Err(error) => Err(format!("cannot read {}: {error}", record.file.display())),
            },
            Self::Features(file) if file.has(clip) => Ok(clip.to_owned()),
            Self::Features(_) => Err("the features file has no such clip".into()),
        }
    }

    /// The rows of each unit of work: a row, or the segments of one recording, which is decoded
    /// once for all of them. The units are in the order of their first rows.
    fn units(&self, rows: &[Row]) -> Vec<Vec<usize>> {
        let (mut units, mut by_file) = (Vec::new(), HashMap::new());
        for (index, row) in rows.iter().enumerate() {
            if matches!(self, Self::Features(_)) || row.span.is_none() {
                units.push(vec![index]);
                continue;
            }
            let unit = *by_file.entry(&row.file).or_insert(units.len());
            if unit == units.len() {
                units.push(Vec::new());
            }
            units[unit].push(index);
        }
        units
    }

    fn worker<'a>(&'a self, engine: &'a Engine) -> Result<Worker<'a>> {
        let clips = match self {
            Self::Audio => Clips::Audio,
            Self::Features(file) => Clips::Features(Box::new(file.reader()?)),
        };
        Ok(Worker { engine, clips, decibels: Vec::new() })
    }
}

/// One thread's access to the clips.
enum Clips<'a> {
    Audio,
    Features(Box<ClipReader<'a>>),
}

/// One thread's state over the shared engine.
struct Worker<'a> {
    engine: &'a Engine,
    clips: Clips<'a>,
    decibels: Vec<f32>,
}

impl Worker<'_> {
    /// The reports of a unit's rows.
    fn predict(&mut self, rows: &[&Row]) -> Vec<Result<Report>> {
        let first = rows[0];
        match &mut self.clips {
            Clips::Audio if first.span.is_none() => vec![self.engine.infer(Recording::file(&first.file))],
            Clips::Audio => {
                let spans: Vec<Span> = rows.iter().filter_map(|row| row.span).collect();
                self.engine.infer_spans(Recording::file(&first.file), &spans, &mut NoControl)
            }
            Clips::Features(reader) => {
                let frames = reader.read(&first.clip, &mut self.decibels);
                vec![frames.and_then(|frames| self.engine.infer_features(&self.decibels, frames, &first.clip))]
            }
        }
    }
}

/// Options of [`predict_all`].
#[derive(Clone, Copy)]
pub(super) struct RunOptions<'a> {
    /// Threads. The predictions are the same for any number.
    pub(super) threads: usize,
    /// Whether to continue after a clip that cannot be processed. If not, all clips before the
    /// first such clip of the table are still processed.
    pub(super) keep_going: bool,
    /// Called with the number of clips done so far, from any thread.
    pub(super) progress: &'a (dyn Fn(usize) + Sync),
}

/// Prediction or problem of each row, in row order; without `keep_going` up to the first problem.
///
/// # Errors
/// [`Error::Internal`] if a worker thread panics.
pub(super) fn predict_all(
    engine: &Engine,
    source: &Source,
    rows: &[Row],
    options: RunOptions<'_>,
) -> Result<Vec<Result<Prediction, Problem>>> {
    let units = source.units(rows);
    let queue = Queue {
        units: &units,
        next: AtomicUsize::new(0),
        end: AtomicUsize::new(rows.len()),
        done: Mutex::new(Vec::new()),
    };
    let work = || -> Result<()> {
        let mut worker = source.worker(engine)?;
        while let Some(unit) = queue.take() {
            let members: Vec<&Row> = unit.iter().map(|index| &rows[*index]).collect();
            for (&index, report) in unit.iter().zip(worker.predict(&members)) {
                let outcome = report.map(|report| Prediction::from_report(&report));
                let outcome =
                    outcome.map_err(|error| Problem::new(rows[index].line, Reason::Unreadable, error.to_string()));
                if outcome.is_err() && !options.keep_going {
                    queue.end.fetch_min(index + 1, Ordering::SeqCst);
                }
                (options.progress)(queue.put(index, outcome));
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.clamp(1, units.len().max(1))).map(|_| scope.spawn(work)).collect();
        let crashed = |_| Err(Error::Internal("a worker thread of the evaluation panicked".into()));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(crashed))
    })?;
    let end = queue.end.into_inner();
    let mut done = queue.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().filter(|(index, _)| *index < end).map(|(_, outcome)| outcome).collect())
}

/// Queue of units in the order of their first rows, so that all rows before a failed one have been
/// handed out.
struct Queue<'a> {
    units: &'a [Vec<usize>],
    next: AtomicUsize,
    /// The row after the last one that is wanted.
    end: AtomicUsize,
    done: Mutex<Vec<(usize, Result<Prediction, Problem>)>>,
}

impl Queue<'_> {
    fn take(&self) -> Option<&[usize]> {
        let unit = self.units.get(self.next.fetch_add(1, Ordering::SeqCst))?;
        (unit[0] < self.end.load(Ordering::SeqCst)).then_some(unit)
    }

    /// Stores an outcome; returns the number of stored ones.
    fn put(&self, index: usize, outcome: Result<Prediction, Problem>) -> usize {
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.push((index, outcome));
        done.len()
    }
}
