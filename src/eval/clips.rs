//! Where clips come from, and their answers, by any number of threads.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, Report};
use crate::error::{Error, Result};

use super::features::{ClipReader, FeatureFile};
use super::prediction::Prediction;
use super::problem::{Problem, Reason};
use super::table::Row;

/// What the clips of a table are.
#[derive(Debug)]
pub(super) enum Source {
    /// Recordings, by their path from the table's folder.
    Audio(PathBuf),
    /// Tensors of a features file.
    Features(FeatureFile),
}

impl Source {
    /// Audio beside the table, or the features file named.
    pub(super) fn open(table: &Path, features: Option<&Path>, engine: &Engine) -> Result<Self> {
        match features {
            Some(path) => Ok(Self::Features(FeatureFile::open(path, engine.system().manifest())?)),
            None => Ok(Self::Audio(table.parent().unwrap_or(Path::new("")).to_owned())),
        }
    }

    /// The table's column that names the clips.
    pub(super) fn clip_column(&self) -> &'static str {
        match self {
            Self::Audio(_) => "file",
            Self::Features(_) => "clip",
        }
    }

    /// What tells a clip from all others, or why there is none.
    pub(super) fn locate(&self, clip: &str) -> Result<String, String> {
        match self {
            Self::Audio(folder) => match folder.join(clip).canonicalize() {
                Ok(path) if path.is_file() => Ok(path.to_string_lossy().into_owned()),
                Ok(_) => Err("no regular file".into()),
                Err(error) => Err(format!("cannot read {}: {error}", folder.join(clip).display())),
            },
            Self::Features(file) if file.has(clip) => Ok(clip.to_owned()),
            Self::Features(_) => Err("no such clip in the features file".into()),
        }
    }

    fn worker<'a>(&'a self, engine: &'a Engine) -> Result<Worker<'a>> {
        let clips = match self {
            Self::Audio(folder) => Clips::Audio(folder),
            Self::Features(file) => Clips::Features(Box::new(file.reader()?)),
        };
        Ok(Worker { engine, clips, decibels: Vec::new() })
    }
}

/// One thread's way to a clip.
enum Clips<'a> {
    Audio(&'a Path),
    Features(Box<ClipReader<'a>>),
}

/// One thread: its scratch over the shared engine.
struct Worker<'a> {
    engine: &'a Engine,
    clips: Clips<'a>,
    decibels: Vec<f32>,
}

impl Worker<'_> {
    fn answer(&mut self, clip: &str) -> Result<Report> {
        match &mut self.clips {
            Clips::Audio(folder) => self.engine.infer_file(&folder.join(clip)),
            Clips::Features(reader) => {
                let frames = reader.read(clip, &mut self.decibels)?;
                self.engine.infer_features(&self.decibels, frames, clip)
            }
        }
    }
}

/// How clips are answered.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    /// Threads. The answers are the same for any number.
    pub(super) threads: usize,
    /// Whether to go on after a clip that cannot be answered. If not, the first such clip of the table is the last one answered for sure.
    pub(super) keep_going: bool,
    /// Called with the number of clips done so far, from any thread.
    pub(super) progress: &'a (dyn Fn(usize) + Sync),
}

/// Each row's answer or problem, in the order of the rows; without `keep_going` those up to the first problem.
pub(super) fn answer_all(
    engine: &Engine,
    source: &Source,
    rows: &[Row],
    running: Running<'_>,
) -> Result<Vec<Result<Prediction, Problem>>> {
    let queue = Queue { next: AtomicUsize::new(0), end: AtomicUsize::new(rows.len()), done: Mutex::new(Vec::new()) };
    let work = || -> Result<()> {
        let mut worker = source.worker(engine)?;
        while let Some(index) = queue.take() {
            let answer = worker.answer(&rows[index].clip).map(|report| Prediction::from_report(&report));
            let answer = answer.map_err(|error| Problem::new(rows[index].line, Reason::Unreadable, error.to_string()));
            if answer.is_err() && !running.keep_going {
                queue.end.fetch_min(index + 1, Ordering::SeqCst);
            }
            (running.progress)(queue.put(index, answer));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..running.threads.clamp(1, rows.len().max(1))).map(|_| scope.spawn(work)).collect();
        let crashed = |_| Err(Error::Config("a worker thread ended early".into()));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(crashed))
    })?;
    let end = queue.end.into_inner();
    let mut done = queue.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().filter(|(index, _)| *index < end).map(|(_, answer)| answer).collect())
}

/// Rows handed out in their order, so that everything before a row that failed was handed out too.
struct Queue {
    next: AtomicUsize,
    end: AtomicUsize,
    done: Mutex<Vec<(usize, Result<Prediction, Problem>)>>,
}

impl Queue {
    fn take(&self) -> Option<usize> {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        (index < self.end.load(Ordering::SeqCst)).then_some(index)
    }

    /// Returns how many are done.
    fn put(&self, index: usize, answer: Result<Prediction, Problem>) -> usize {
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.push((index, answer));
        done.len()
    }
}
