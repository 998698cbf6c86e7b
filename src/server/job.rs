//! One recording, from its bytes to its answer, on a thread that computes. Threads are at most as many as there are places; only those that have a
//! turn work.

use std::io::{self, Cursor, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::oneshot;

use super::admission::Place;
use super::limits::Limits;
use super::pipe::{PipeEnd, PipeReader, pipe};
use super::problem::Problem;
use super::service::Service;
use super::turns::SharedTurn;
use crate::engine::{
    ChannelsReport, Control, Embedding, Engine, NoAnswer, Progress, Recording, Report, needs_whole_file,
};
use crate::error::{Error, Result};

/// What is done with a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Predict,
    /// Each channel apart.
    PredictChannels,
    Embed,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Done {
    Report(Box<Report>),
    Channels(Box<ChannelsReport>),
    Embedding(Box<Embedding>),
}

impl Done {
    /// Why the recording, or some of its channels, have no answer.
    fn no_answers(&self) -> impl Iterator<Item = NoAnswer> + '_ {
        let (whole, channels) = match self {
            Self::Report(report) => (report.no_answer, &[][..]),
            Self::Channels(report) => (None, report.per_channel.as_slice()),
            Self::Embedding(_) => (None, &[][..]),
        };
        whole.into_iter().chain(channels.iter().filter_map(|channel| channel.no_answer))
    }
}

/// A recording that is being answered. Dropped, it is stopped at its next step.
pub(super) struct Job {
    answer: oneshot::Receiver<Result<Done, Problem>>,
    signs: Arc<Signs>,
}

/// What the two sides of a job tell each other.
#[derive(Default)]
struct Signs {
    /// Nobody waits for the answer.
    stopped: AtomicBool,
    /// A thread works on it, or did.
    begun: AtomicBool,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.signs.stopped.store(true, Ordering::Release);
    }
}

impl Job {
    /// What answers the recording that is put into the pipe; it holds the place until it ends.
    pub(super) fn new(
        service: &Arc<Service>,
        place: Place,
        engine: Engine,
        work: Work,
        name: String,
    ) -> (Self, PipeEnd) {
        let (end, pipe) = pipe();
        let (tell, answer) = oneshot::channel();
        let (signs, turns) = (Arc::<Signs>::default(), Arc::clone(&service.turns));
        let (told, service) = (Arc::clone(&signs), Arc::clone(service));
        let run = move |turn: &SharedTurn| {
            told.begun.store(true, Ordering::Release);
            let reader = pipe.reader(Arc::clone(turn));
            let conduct = Conduct { work, turn: Arc::clone(turn), limits: service.limits.clone(), signs: told };
            // Whoever asked may be gone.
            let _ = tell.send(conduct.answer(&service, &engine, reader, &name));
            drop(place);
        };
        (Self { answer, signs }, end.when_filled(move || turns.begin(run)))
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// What is wrong with the recording; 503 where the system had no thread to give; 500 for a fault of the program.
    pub(super) async fn answer(&mut self) -> Result<Done, Problem> {
        let ended = |_| Err(if self.signs.begun.load(Ordering::Acquire) { crashed() } else { no_thread() });
        (&mut self.answer).await.unwrap_or_else(ended)
    }
}

fn crashed() -> Problem {
    Problem::failed("the recording's thread ended without an answer; this is a fault of the program")
}

fn no_thread() -> Problem {
    let detail = "the system has no thread to give for this recording; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", detail).after(1)
}

/// What a recording has to keep to: its turns, its limits, and that it ends when nobody waits for it.
struct Conduct {
    work: Work,
    turn: SharedTurn,
    limits: Limits,
    signs: Arc<Signs>,
}

impl Conduct {
    fn answer(mut self, service: &Service, engine: &Engine, reader: PipeReader, name: &str) -> Result<Done, Problem> {
        let done = self.recording(reader, name).and_then(|recording| self.run(engine, recording));
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        service.admission.served(turn.had());
        let done = done.map_err(|error| self.problem(error, name))?;
        match &done {
            Done::Report(report) => service.metrics.heard(report.duration_s, &report.timings_ms, turn.waited()),
            Done::Channels(report) => service.metrics.heard(report.duration_s, &report.timings_ms, turn.waited()),
            Done::Embedding(embedding) => service.metrics.embedded(embedding.duration_s, turn.waited()),
        }
        done.no_answers().for_each(|reason| service.metrics.not_answered(reason));
        Ok(done)
    }

    fn run(&mut self, engine: &Engine, recording: Recording) -> Result<Done> {
        match self.work {
            Work::Predict => engine.infer(recording, self).map(|report| Done::Report(Box::new(report))),
            Work::PredictChannels => {
                engine.infer_channels(recording, self).map(|report| Done::Channels(Box::new(report)))
            }
            Work::Embed => engine.embed(recording, self).map(|found| Done::Embedding(Box::new(found))),
        }
    }

    /// An embedding, unlike an answer, has no way to say "too short" but an error; the arguments were checked before.
    fn problem(&self, error: Error, name: &str) -> Problem {
        let error = error.in_file(name);
        let too_short = matches!(&error, Error::InFile { source, .. } if matches!(**source, Error::Config(_)));
        if self.work == Work::Embed && too_short {
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_short", error.to_string());
        }
        error.into()
    }

    /// As it comes; but an MP4, whose index may lie behind its sound, whole if it is not too long for that.
    fn recording(&self, mut reader: PipeReader, name: &str) -> Result<Recording> {
        if !needs_whole_file(reader.look_ahead(8)?) {
            return Ok(Recording::stream(reader, name));
        }
        let (mut held, most) = (Vec::new(), self.limits.held_bytes);
        let read = reader.by_ref().take(most).read_to_end(&mut held)?;
        let whole = (read as u64) < most;
        let rest = |held| Recording::stream(Cursor::new(held).chain(reader), name);
        Ok(if whole { Recording::bytes(held, name) } else { rest(held) })
    }

    fn check(&self, progress: &Progress) -> Result<()> {
        if self.signs.stopped.load(Ordering::Acquire) {
            return Err(Error::Read(io::Error::new(ErrorKind::Interrupted, "nobody waits for the answer")));
        }
        let seconds = self.limits.audio_seconds;
        if progress.seconds > seconds {
            let (actual, limit) = (progress.seconds.ceil() as u64, seconds as u64);
            return Err(Error::Limit { what: "the recording's duration in seconds", actual, limit });
        }
        if progress.samples > self.limits.decoded_samples {
            let (actual, limit) = (progress.samples, self.limits.decoded_samples);
            return Err(Error::Limit { what: "the number of samples of all channels, decoded,", actual, limit });
        }
        Ok(())
    }
}

impl Control for Conduct {
    fn step(&mut self, progress: &Progress) -> Result<()> {
        self.check(progress)?;
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).yield_now();
        Ok(())
    }
}
