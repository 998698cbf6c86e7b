//! Job: one recording, from its bytes to its result, on a worker thread.

use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::job_control::JobControl;
use super::pipe::{PipeReader, PipeWriter, pipe};
use super::problem::Problem;
use super::scheduler::SharedPermit;
use super::service::Service;
use crate::engine::{EmbedOptions, Embedding, Engine, NoAnswer, Recording, Report, needs_whole_file};
use crate::error::Result;

/// What to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Predict,
    Embed,
}

/// Result of a job, and its JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Output {
    Report(Box<Report>),
    Embedding(Box<Embedding>),
}

impl Output {
    /// Reasons for missing predictions, of all voices.
    fn no_answers(&self) -> impl Iterator<Item = NoAnswer> + '_ {
        let voices = match self {
            Self::Report(report) => report.voices.as_slice(),
            Self::Embedding(_) => &[],
        };
        voices.iter().filter_map(|voice| voice.no_answer)
    }
}

/// Handle of a recording that is being processed. Dropped, it cancels the recording.
pub(super) struct Job {
    output: oneshot::Receiver<Result<Output, Problem>>,
    cancelled: Arc<AtomicBool>,
    /// Whether a thread has started to work on it.
    started: Arc<AtomicBool>,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Release);
    }
}

impl Job {
    /// Job for the recording that is written into the returned pipe. `admitted` is held to its end.
    pub(super) fn new(
        service: &Arc<Service>,
        admitted: OwnedSemaphorePermit,
        engine: Engine,
        work: Work,
        name: String,
    ) -> (Self, PipeWriter) {
        let (writer, pipe) = pipe();
        let (sender, output) = oneshot::channel();
        let (cancelled, started) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let job = Self { output, cancelled: Arc::clone(&cancelled), started: Arc::clone(&started) };
        let scheduler = Arc::clone(&service.scheduler);
        let service = Arc::clone(service);
        let run = move |permit: &SharedPermit| {
            started.store(true, Ordering::Release);
            let reader = pipe.reader(Arc::clone(permit));
            let control = JobControl { permit: Arc::clone(permit), limits: service.limits.clone(), cancelled };
            let task = Task { service: &service, engine: &engine, work, name: &name };
            // Fails only if the client disconnected.
            let _ = sender.send(task.run(reader, control));
            drop(admitted);
        };
        (job, writer.when_filled(move || scheduler.spawn(run)))
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// Errors of the engine; 503 if no thread could be started; 500 if the thread panicked.
    pub(super) async fn output(&mut self) -> Result<Output, Problem> {
        match (&mut self.output).await {
            Ok(output) => output,
            Err(_) if self.started.load(Ordering::Acquire) => Err(panicked()),
            Err(_) => Err(no_thread()),
        }
    }
}

fn panicked() -> Problem {
    Problem::failed("internal error: the worker thread ended without a result; please report it")
}

fn no_thread() -> Problem {
    let detail = "the operating system could not start a thread; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", detail).retry_after(1)
}

/// A job on its worker thread.
struct Task<'a> {
    service: &'a Service,
    engine: &'a Engine,
    work: Work,
    name: &'a str,
}

impl Task<'_> {
    fn run(&self, reader: PipeReader, mut control: JobControl) -> Result<Output, Problem> {
        let recording = recording(reader, self.name, self.service.limits.held_bytes);
        let output = recording.and_then(|recording| self.compute(recording, &mut control));
        let permit = control.permit.lock().unwrap_or_else(PoisonError::into_inner);
        self.service.admission.record_service_time(permit.held());
        let output = output.map_err(|error| error.in_file(self.name))?;
        let metrics = &self.service.metrics;
        match &output {
            Output::Report(report) => {
                metrics.record_prediction(report.recording.duration_s, &report.timings_ms, permit.waited());
            }
            Output::Embedding(embedding) => metrics.record_embedding(embedding.duration_s, permit.waited()),
        }
        output.no_answers().for_each(|reason| metrics.record_no_answer(reason));
        Ok(output)
    }

    fn compute(&self, recording: Recording, control: &mut JobControl) -> Result<Output> {
        Ok(match self.work {
            Work::Predict => Output::Report(Box::new(self.engine.infer_with(recording, control)?)),
            Work::Embed => {
                let embedding = self.engine.embed_with(recording, &EmbedOptions::default(), control)?;
                Output::Embedding(Box::new(embedding))
            }
        })
    }
}

/// The recording as a stream; an MP4, whose index may follow its audio, from memory if it is not
/// larger than `held_bytes`.
fn recording(mut reader: PipeReader, name: &str, held_bytes: u64) -> Result<Recording> {
    let mut held = Vec::new();
    reader.by_ref().take(8).read_to_end(&mut held)?;
    if !needs_whole_file(&held) {
        return Ok(Recording::reader(Cursor::new(held).chain(reader)).named(name));
    }
    let limit = held_bytes.saturating_sub(held.len() as u64);
    let read = reader.by_ref().take(limit).read_to_end(&mut held)?;
    if (read as u64) < limit {
        return Ok(Recording::bytes(held).named(name));
    }
    Ok(Recording::reader(Cursor::new(held).chain(reader)).named(name))
}
