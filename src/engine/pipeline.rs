//! The main job: bytes → samples → windows → answers → report, as a stream. What is held at once is a few windows, whatever the length.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audio::Decoder;
use crate::error::{Error, Result};
use crate::models::System;

use super::answer::{Answer, Combined, Scratch, Worker};
use super::input::InputFacts;
use super::options::Options;
use super::pace::{Pace, Progress, Unhindered};
use super::recording::Recording;
use super::report::{NoAnswer, Report, SCHEMA, Timings};
use super::stream::{Heard, MonoStream};
use super::verdict::{Verdict, rounded};
use super::windows::{Window, Windows};

/// Windows that a thread is given at a time: enough to make the hand-over cheap, and 1.5 MB of samples.
const WINDOWS_PER_THREAD: usize = 8;

/// A system, ready to answer recordings. One engine serves any number of threads; nothing in it changes.
///
/// ```no_run
/// use persona_engine::engine::{Engine, Options, System};
///
/// # fn main() -> persona_engine::Result<()> {
/// let system = System::open("weights/xvector-cnn.safetensors".as_ref())?;
/// let report = Engine::new(system, Options::default())?.infer_file("call.wav".as_ref())?;
/// match (&report.answers.emotion, report.no_answer) {
///     (Some(emotion), _) => println!("{} ({:.0} %)", emotion.label, 100.0 * emotion.probability()),
///     (None, reason) => println!("no answer: {reason:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Engine {
    system: Arc<System>,
    options: Options,
    /// What threads left that answered windows; at most as many as ever did at one time.
    idle: Arc<Mutex<Vec<Scratch>>>,
}

impl Engine {
    /// Checks the options, and that the system's front-end can be built.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn new(system: System, options: Options) -> Result<Self> {
        options.check()?;
        let first = Scratch::new(&system)?;
        Ok(Self { system: Arc::new(system), options, idle: Arc::new(Mutex::new(vec![first])) })
    }

    /// The same system by other options. Cheap: the network and its scratch are shared.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn with_options(&self, options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self { system: Arc::clone(&self.system), options, idle: Arc::clone(&self.idle) })
    }

    /// The system that answers.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The options that it answers by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Answers one file.
    ///
    /// # Errors
    /// Whatever is wrong with the file, naming it: [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::Limit`].
    pub fn infer_file(&self, path: &Path) -> Result<Report> {
        let began = Instant::now();
        let decoder = match &self.options.raw {
            None => Decoder::open(path, &self.options.limits),
            Some(format) => Decoder::open_raw(path, format, &self.options.limits),
        }?;
        let report = self.run(decoder, path.to_string_lossy().into_owned(), &mut Unhindered, began);
        report.map_err(|error| error.in_file(path))
    }

    /// Answers one stream of bytes, of a file or a pipe; `name` stands for it in the report.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; the name is given as the file.
    pub fn infer_reader(&self, reader: impl Read + Send + Sync + 'static, name: &str) -> Result<Report> {
        self.infer_at(&mut Unhindered, Recording::stream(reader), name)
    }

    /// As [`Engine::infer_reader`], at a pace.
    ///
    /// # Errors
    /// As [`Engine::infer_reader`]; and the pace's own.
    pub fn infer_at(&self, pace: &mut dyn Pace, recording: Recording, name: &str) -> Result<Report> {
        let began = Instant::now();
        let decoder = recording.decoder(self.options.raw.as_ref(), &self.options.limits);
        let report = decoder.and_then(|d| self.run(d, name.to_owned(), pace, began));
        report.map_err(|error| error.in_file(name))
    }

    fn run(&self, decoder: Decoder, file: String, pace: &mut dyn Pace, began: Instant) -> Result<Report> {
        let frontend = &self.system.manifest().frontend;
        let mut stream = MonoStream::new(decoder, frontend.sample_rate_hz())?;
        let mut windows = Windows::new(frontend.window_samples());
        let mut pool = Pool { engine: self, combined: Combined::default() };
        let (mut ready, mut samples) = (Vec::new(), 0);
        loop {
            pace.step(&stream.progress())?;
            let Some(next) = stream.next()? else { break };
            samples += next.len();
            windows.push(next, &mut ready);
            if ready.len() >= self.options.threads * WINDOWS_PER_THREAD {
                pool.answer(&mut ready, pace, &stream.progress())?;
            }
        }
        if samples < self.min_samples() {
            return Ok(self.report(file, stream.heard(), &Combined::default(), NoAnswer::TooShort, began));
        }
        ready.extend(windows.finish());
        pool.answer(&mut ready, pace, &stream.progress())?;
        let unanswered = pool.combined.commonest_reason().unwrap_or(NoAnswer::Silence);
        Ok(self.report(file, stream.heard(), &pool.combined, unanswered, began))
    }

    /// The report; `unanswered` is the reason to give if no window was answered.
    pub(super) fn report(
        &self,
        file: String,
        heard: Heard,
        combined: &Combined,
        unanswered: NoAnswer,
        began: Instant,
    ) -> Report {
        let manifest = self.system.manifest();
        let verdict = combined.means().map_or_else(
            || Verdict::none(self.options.heads, unanswered),
            |means| Verdict::new(&means, &manifest.heads, &self.options),
        );
        let mut warnings = heard.warnings;
        let input = heard.input.map(|facts| InputFacts { snr_db: combined.snr_db(), ..facts });
        let network_hz = manifest.frontend.sample_rate_hz();
        warnings.extend(input.iter().flat_map(|facts| facts.warnings(heard.sample_rate_hz, network_hz)));
        warnings.extend(combined.warnings());
        let told = self.options.activity && input.is_some();
        let speech_s = told.then(|| rounded(combined.speech as f64 / f64::from(network_hz), 3));
        Report {
            schema: SCHEMA,
            file,
            duration_s: rounded(heard.duration_s, 6),
            sample_rate_hz: heard.sample_rate_hz,
            channels: heard.channels,
            answers: verdict.answers,
            withheld: verdict.withheld,
            speech_s,
            input: input.map(InputFacts::to_digits),
            no_answer: verdict.no_answer,
            windows: combined.answered,
            model: manifest.name.clone(),
            model_sha256: manifest.sha256.chars().take(16).collect(),
            precision: self.system.precision().name(),
            timings_ms: Timings {
                decode: milliseconds(heard.decode_time),
                resample: milliseconds(heard.resample_time),
                activity: milliseconds(combined.activity_time),
                features: milliseconds(combined.features_time),
                network: milliseconds(combined.network_time),
                total: milliseconds(began.elapsed()),
            },
            warnings,
        }
    }

    /// Answers windows one after the other, in scratch that lay idle or in new.
    fn answer_run(&self, run: &[Window]) -> Result<Vec<Answer>> {
        // No result depends on what scratch holds, so one left by a thread that crashed is as good.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.map_or_else(|| Scratch::new(&self.system), Ok)?;
        let mut worker = Worker { system: &self.system, options: &self.options, scratch: &mut scratch };
        let answers = run.iter().map(|window| worker.answer(window)).collect();
        idle().push(scratch);
        answers
    }

    /// The shortest recording that is answered, in samples at the front-end's rate.
    fn min_samples(&self) -> usize {
        let frontend = &self.system.manifest().frontend;
        let asked = (self.options.min_duration_s * f64::from(frontend.sample_rate_hz())).ceil() as usize;
        asked.max(frontend.samples_for(self.system.min_frames())).max(1)
    }
}

/// The threads that answer windows. Windows are shared out in runs and their answers added in the order of the recording, so the number
/// of threads changes no bit of the result.
struct Pool<'a> {
    engine: &'a Engine,
    combined: Combined,
}

impl Pool<'_> {
    /// Answers `ready` and empties it.
    fn answer(&mut self, ready: &mut Vec<Window>, pace: &mut dyn Pace, progress: &Progress) -> Result<()> {
        if self.engine.options.threads == 1 || ready.len() == 1 {
            for window in ready.drain(..) {
                pace.step(progress)?;
                self.engine.answer_run(&[window])?.iter().for_each(|answer| self.combined.add(answer));
            }
            return Ok(());
        }
        pace.step(progress)?;
        self.answer_together(ready)?;
        ready.clear();
        Ok(())
    }

    fn answer_together(&mut self, ready: &[Window]) -> Result<()> {
        let engine = self.engine;
        let share = ready.len().div_ceil(engine.options.threads).max(1);
        let answers: Vec<Result<Vec<Answer>>> = std::thread::scope(|scope| {
            let started: Vec<_> = ready.chunks(share).map(|run| scope.spawn(move || engine.answer_run(run))).collect();
            let crashed = |_| Err(Error::Config("a worker thread ended early".into()));
            started.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
        });
        for run in answers {
            run?.iter().for_each(|answer| self.combined.add(answer));
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> f64 {
    rounded(1e3 * time.as_secs_f64(), 3)
}
