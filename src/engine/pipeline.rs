//! The main job: bytes → samples → windows → answers → report, as a stream. What is held at once is a few windows, whatever the length.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::audio::{Decoder, Downmix};
use crate::dsp::Resampler;
use crate::error::{Error, Result};
use crate::models::{ClassesRecipe, System};

use super::answer::{Answer, Combined, Worker};
use super::options::Options;
use super::report::{Age, Choice, NoAnswer, Report, SCHEMA, Timings};
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
/// match (&report.emotion, report.no_answer) {
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

    /// Answers one file.
    ///
    /// # Errors
    /// Whatever is wrong with the file, naming it: [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::Limit`].
    pub fn infer_file(&self, path: &Path) -> Result<Report> {
        let began = Instant::now();
        let decoder = Decoder::open(path, &self.options.limits)?;
        let report = self.run(decoder, path.to_string_lossy().into_owned(), began);
        report.map_err(|error| error.in_file(path))
    }

    /// Answers one stream of bytes, of a file or a pipe; `name` stands for it in the report.
    ///
    /// # Errors
    /// As [`Engine::infer_file`]; the name is given as the file.
    pub fn infer_reader(&self, reader: impl Read + Send + Sync + 'static, name: &str) -> Result<Report> {
        let began = Instant::now();
        let report = Decoder::new(reader, &self.options.limits).and_then(|d| self.run(d, name.to_owned(), began));
        report.map_err(|error| error.in_file(name))
    }

    fn run(&self, mut decoder: Decoder, file: String, began: Instant) -> Result<Report> {
        let frontend = &self.system.manifest().frontend;
        let (spec, mut clock) = (decoder.spec().clone(), Clock::starting_at(began));
        let mut downmix = Downmix::new(spec.channels);
        let mut resampler = Resampler::new(spec.sample_rate_hz, frontend.sample_rate_hz())?;
        let mut windows = Windows::new(frontend.window_samples());
        let mut pool = Pool::new(self)?;
        let (mut block, mut mono, mut resampled, mut ready) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut frames_in, mut total) = (0_u64, 0_usize);
        loop {
            let frames = decoder.read_block(&mut block)?;
            frames_in += frames as u64;
            mono.clear();
            downmix.run(&block, &mut mono);
            clock.decoded();
            resampled.clear();
            if frames > 0 {
                resampler.process(&mono, &mut resampled);
            } else {
                resampler.finish(&mut resampled);
            }
            clock.resampled();
            total += resampled.len();
            windows.push(&resampled, &mut ready);
            if frames == 0 {
                break;
            }
            pool.answer_full_batches(&mut ready)?;
            clock.skip();
        }
        let long_enough = total >= self.min_samples();
        if long_enough {
            ready.extend(windows.finish());
            pool.answer_all(&mut ready)?;
        }
        let mut warnings = decoder.warnings().to_vec();
        warnings.extend(downmix.warning());
        let duration_s = frames_in as f64 / f64::from(spec.sample_rate_hz);
        let combined = pool.combined;
        if combined.answered > 0 && combined.silent > 0 {
            let all = combined.answered + combined.silent;
            warnings.push(format!("{} of {all} windows are silent and were left out", combined.silent));
        }
        let no_answer = match (long_enough, combined.answered) {
            (false, _) => Some(NoAnswer::TooShort),
            (true, 0) => Some(NoAnswer::Silence),
            (true, _) => None,
        };
        let manifest = self.system.manifest();
        let means = combined.means();
        Ok(Report {
            schema: SCHEMA,
            file,
            duration_s: rounded(duration_s, 6),
            sample_rate_hz: spec.sample_rate_hz,
            channels: spec.channels,
            emotion: means.as_ref().map(|m| choice(&manifest.heads.emotion, &m.0)),
            gender: means.as_ref().map(|m| choice(&manifest.heads.gender, &m.1)),
            age: means.as_ref().map(|m| Age { years: rounded(m.2, 1) }),
            no_answer,
            windows: combined.answered,
            model: manifest.name.clone(),
            model_sha256: manifest.sha256.chars().take(16).collect(),
            timings_ms: clock.timings(&combined),
            warnings,
        })
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
        let worker = |_| Worker::new(&engine.system, engine.options.silence_dbfs);
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
                let started: Vec<_> =
                    runs.map(|(run, worker)| scope.spawn(move || answer_run(run, worker))).collect();
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

/// The most probable label, and all of them, rounded to a millionth.
fn choice(recipe: &ClassesRecipe, probabilities: &[f64]) -> Choice {
    let best = (0..probabilities.len()).fold(0, |best, k| if probabilities[k] > probabilities[best] { k } else { best });
    let pairs = recipe.labels.iter().cloned().zip(probabilities.iter().map(|&p| rounded(p, 6)));
    Choice { label: recipe.labels[best].clone(), probabilities: pairs.collect() }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

/// Adds up the time of the stages that run on the calling thread.
struct Clock {
    began: Instant,
    last: Instant,
    decode: Duration,
    resample: Duration,
}

impl Clock {
    fn starting_at(began: Instant) -> Self {
        Self { began, last: began, decode: Duration::ZERO, resample: Duration::ZERO }
    }

    /// The time since the last call of any of these three.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }

    fn decoded(&mut self) {
        self.decode += self.lap();
    }

    fn resampled(&mut self) {
        self.resample += self.lap();
    }

    fn skip(&mut self) {
        self.lap();
    }

    fn timings(&self, combined: &Combined) -> Timings {
        let ms = |time: Duration| rounded(1e3 * time.as_secs_f64(), 3);
        Timings {
            decode: ms(self.decode),
            resample: ms(self.resample),
            features: ms(combined.features_time),
            network: ms(combined.network_time),
            total: ms(self.began.elapsed()),
        }
    }
}
