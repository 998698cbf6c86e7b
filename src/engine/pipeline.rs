//! The main job: bytes → samples → windows → answers → report, as a stream. What is held at once is a few windows, whatever the length.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::audio::Decoder;
use crate::error::{Error, Result};
use crate::models::System;

use super::answer::{Answer, Combined, Worker};
use super::input::InputFacts;
use super::options::Options;
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
    system: System,
    options: Options,
}

impl Engine {
    /// Checks the options, and that the system's front-end can be built.
    ///
    /// # Errors
    /// [`Error::Config`] that names what makes no sense.
    pub fn new(system: System, options: Options) -> Result<Self> {
        options.check()?;
        system.manifest().frontend.extractor()?;
        Ok(Self { system, options })
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
        let report = self.run(decoder, path.to_string_lossy().into_owned(), began);
        report.map_err(|error| error.in_file(path))
    }

    /// Answers one stream of bytes, of a file or a pipe; `name` stands for it in the report.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; the name is given as the file.
    pub fn infer_reader(&self, reader: impl Read + Send + Sync + 'static, name: &str) -> Result<Report> {
        let began = Instant::now();
        let decoder = match &self.options.raw {
            None => Decoder::new(reader, &self.options.limits),
            Some(format) => Decoder::raw(reader, format, &self.options.limits),
        };
        let report = decoder.and_then(|d| self.run(d, name.to_owned(), began));
        report.map_err(|error| error.in_file(name))
    }

    fn run(&self, decoder: Decoder, file: String, began: Instant) -> Result<Report> {
        let frontend = &self.system.manifest().frontend;
        let mut stream = MonoStream::new(decoder, frontend.sample_rate_hz())?;
        let mut windows = Windows::new(frontend.window_samples());
        let mut pool = Pool::new(self)?;
        let (mut ready, mut samples) = (Vec::new(), 0);
        while let Some(next) = stream.next()? {
            samples += next.len();
            windows.push(next, &mut ready);
            pool.answer_full_batches(&mut ready)?;
        }
        if samples < self.min_samples() {
            return Ok(self.report(file, stream.heard(), &Combined::default(), NoAnswer::TooShort, began));
        }
        ready.extend(windows.finish());
        pool.answer_all(&mut ready)?;
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
    workers: Vec<Worker<'a>>,
    combined: Combined,
}

impl<'a> Pool<'a> {
    fn new(engine: &'a Engine) -> Result<Self> {
        let worker = |_| Worker::new(&engine.system, &engine.options);
        let workers = (0..engine.options.threads).map(worker).collect::<Result<_>>()?;
        Ok(Self { workers, combined: Combined::default() })
    }

    /// Answers `ready` and empties it if there is enough for every thread.
    fn answer_full_batches(&mut self, ready: &mut Vec<Window>) -> Result<()> {
        if ready.len() < self.workers.len() * WINDOWS_PER_THREAD {
            return Ok(());
        }
        self.answer_all(ready)
    }

    /// Answers `ready` and empties it.
    fn answer_all(&mut self, ready: &mut Vec<Window>) -> Result<()> {
        let share = ready.len().div_ceil(self.workers.len()).max(1);
        let runs = ready.chunks(share).zip(&mut self.workers);
        let answers: Vec<Result<Vec<Answer>>> = if ready.len() <= share {
            runs.map(|(run, worker)| answer_run(run, worker)).collect()
        } else {
            std::thread::scope(|scope| {
                let started: Vec<_> = runs.map(|(run, worker)| scope.spawn(move || answer_run(run, worker))).collect();
                let crashed = |_| Err(Error::Config("a worker thread ended early".into()));
                started.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
            })
        };
        for run in answers {
            run?.iter().for_each(|answer| self.combined.add(answer));
        }
        ready.clear();
        Ok(())
    }
}

fn answer_run(run: &[Window], worker: &mut Worker<'_>) -> Result<Vec<Answer>> {
    run.iter().map(|window| worker.answer(window)).collect()
}

fn milliseconds(time: Duration) -> f64 {
    rounded(1e3 * time.as_secs_f64(), 3)
}
